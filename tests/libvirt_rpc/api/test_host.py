"""Calls about the connection and the host: what goes out, what comes of the answer."""

from __future__ import annotations

import pytest

from libvirt_rpc.api.host import CPUMap, HostCalls
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.libvirt_rpc.api.scripted import Case, Exchange, case, methods_of, run

INFO = t.NodeInfo(b"x86_64".ljust(32, b"\0"), 1024, 8, 2000, 1, 1, 4, 2)
MODEL = t.NodeSecurityModel(b"none\0", b"0\0")
PAGES = TypedParameter("shm_pages_shared", TypedParameterType.ULLONG, 5)

CASES = [
    case("get_type", (), p.CONNECT_GET_TYPE, None, t.String("QEMU"), "QEMU"),
    case("get_version", (), p.CONNECT_GET_VERSION, None, t.UnsignedNumber(7), 7),
    case("get_lib_version", (), p.CONNECT_GET_LIB_VERSION, None, t.UnsignedNumber(9), 9),
    case("get_hostname", (), p.CONNECT_GET_HOSTNAME, None, t.String("h\udcff"), "h\udcff"),
    case("get_uri", (), p.CONNECT_GET_URI, None, t.String("test:///"), "test:///"),
    case("get_capabilities", (), p.CONNECT_GET_CAPABILITIES, None, t.String("<c/>"), "<c/>"),
    case("get_sysinfo", (), p.CONNECT_GET_SYSINFO, t.Flag(0), t.String("<s/>"), "<s/>"),
    case(
        "get_max_vcpus",
        ("kvm",),
        p.CONNECT_GET_MAX_VCPUS,
        t.ConnectGetMaxVcpusArgs("kvm"),
        t.Number(710),
        710,
    ),
    case("is_secure", (), p.CONNECT_IS_SECURE, None, t.Number(1), True),
    case("supports_feature", (15,), p.CONNECT_SUPPORTS_FEATURE, t.Number(15), t.Number(0), False),
    case("node_get_info", (), p.NODE_GET_INFO, None, INFO, INFO),
    Case(
        "node_get_cpu_stats",
        (3,),
        (
            Exchange(p.NODE_GET_CPU_STATS, t.NodeGetCPUStatsArgs(3, 0, 0), t.NodeStatsReply((), 2)),
            Exchange(
                p.NODE_GET_CPU_STATS,
                t.NodeGetCPUStatsArgs(3, 2, 0),
                t.NodeStatsReply((t.NodeStat("user", 2**63), t.NodeStat("idle", 1)), 0),
            ),
        ),
        {"user": 2**63, "idle": 1},
    ),
    Case(
        "node_get_memory_stats",
        (),
        (
            Exchange(
                p.NODE_GET_MEMORY_STATS,
                t.NodeGetMemoryStatsArgs(0, -1, 0),
                t.NodeStatsReply((), 5),
            ),
            Exchange(
                p.NODE_GET_MEMORY_STATS,
                t.NodeGetMemoryStatsArgs(5, -1, 0),
                t.NodeStatsReply((t.NodeStat("total", 8),), 0),
            ),
        ),
        {"total": 8},
    ),
    case("node_get_free_memory", (), p.NODE_GET_FREE_MEMORY, None, t.UnsignedNumber(4096), 4096),
    case(
        "node_get_cells_free_memory",
        (1, 8),
        p.NODE_GET_CELLS_FREE_MEMORY,
        t.NodeGetCellsFreeMemoryArgs(1, 8),
        t.NodeGetCellsFreeMemoryReply((1, 2)),
        (1, 2),
    ),
    case(
        "node_get_free_pages",
        ([4, 2048], 0, 2),
        p.NODE_GET_FREE_PAGES,
        t.NodeGetFreePagesArgs((4, 2048), 0, 2, 0),
        t.NodeGetFreePagesReply((1, 2, 3, 4)),
        ((1, 2), (3, 4)),
    ),
    case(
        "node_get_cpu_map",
        (),
        p.NODE_GET_CPU_MAP,
        t.NodeGetCPUMapArgs(1, 1, 0),
        t.NodeGetCPUMapReply(b"\x05", 2, 3),
        CPUMap(present=3, online=2, bitmap=b"\x05"),
    ),
    case(
        "node_get_memory_parameters",
        (),
        p.NODE_GET_MEMORY_PARAMETERS,
        t.NodeGetMemoryParametersArgs(64, 0),
        t.NodeGetMemoryParametersReply((PAGES,), 1),
        {"shm_pages_shared": 5},
    ),
    case("node_get_security_model", (), p.NODE_GET_SECURITY_MODEL, None, MODEL, MODEL),
]


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.method)
async def test_a_call_asks_and_gives_what_the_daemon_answers(one: Case) -> None:
    await run(one)


def test_every_call_is_in_the_table() -> None:
    assert {one.method for one in CASES} == methods_of(HostCalls)
