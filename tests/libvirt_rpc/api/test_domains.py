"""Calls about domains and guests: what goes out, what comes of the answer."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

import pytest

from libvirt_rpc.api.domain_figures import DomainFigureCalls
from libvirt_rpc.api.domain_settings import DomainSettingCalls
from libvirt_rpc.api.domains import DomainCalls
from libvirt_rpc.api.guests import GuestCalls
from libvirt_rpc.enums import (
    ConnectListAllDomainsFlags,
    DomainBlockJobInfoFlags,
    DomainCheckpointListFlags,
    DomainGetHostnameFlags,
    DomainGetJobStatsFlags,
    DomainGuestInfoTypes,
    DomainInterfaceAddressesSource,
    DomainJobType,
    DomainMemoryStatTags,
    DomainMessageType,
    DomainMetadataType,
    DomainModificationImpact,
    DomainSnapshotListFlags,
    DomainVcpuFlags,
    DomainXMLFlags,
    TypedParameterType,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.libvirt_rpc.api.scripted import Case, Exchange, case, methods_of, run

R = TypeVar("R")

DOMAIN = t.Domain("vm-\udcff", uuid.UUID(int=1), 7)
OF_DOMAIN = t.DomainArgs(DOMAIN)
CONFIG = DomainModificationImpact.CONFIG
SNAPSHOT = t.DomainSnapshot("s", DOMAIN)
CHECKPOINT = t.DomainCheckpoint("c", DOMAIN)
TEXT = TypedParameter("name", TypedParameterType.STRING, "\udcff")
NUMBER = TypedParameter("n", TypedParameterType.ULLONG, 2**64 - 1)
BOTH, AS_DICT = (TEXT, NUMBER), {"name": "\udcff", "n": 2**64 - 1}
STATS = t.DomainBlockStats(1, 2, 3, 4, -1)
TRAFFIC = t.DomainInterfaceStats(1, 2, 3, 4, 5, 6, 7, 8)
JOB = t.DomainJobInfo(2, *range(11))
BLOCK_JOB = t.DomainBlockJobInfo(1, 2, 3, 4, 5)
INTERFACE = t.DomainInterface("eth0", "00:01", (t.DomainIPAddr(0, "192.0.2.1", 24),))


def of_domain(method: str, procedure: Procedure[t.DomainArgs, R], reply: R, result: Any) -> Case:
    return case(method, (DOMAIN,), procedure, OF_DOMAIN, reply, result)


def flagged(
    method: str,
    procedure: Procedure[t.DomainFlagsArgs, R],
    reply: R,
    result: Any,
    flags: int | None = None,
) -> Case:
    """A call whose arguments are a domain and flags; without `flags` the method has none."""
    given = (DOMAIN,) if flags is None else (DOMAIN, flags)
    return case(method, given, procedure, t.DomainFlagsArgs(DOMAIN, int(flags or 0)), reply, result)


DOMAINS = [
    case(
        "list_all_domains",
        (ConnectListAllDomainsFlags.ACTIVE,),
        p.CONNECT_LIST_ALL_DOMAINS,
        t.ConnectListAllDomainsArgs(1, 1),
        t.ConnectListAllDomainsReply((DOMAIN,), 1),
        (DOMAIN,),
    ),
    case(
        "count_all_domains",
        (ConnectListAllDomainsFlags.ACTIVE,),
        p.CONNECT_LIST_ALL_DOMAINS,
        t.ConnectListAllDomainsArgs(0, 1),
        t.ConnectListAllDomainsReply((), 3),
        3,
    ),
    flagged(
        "domain_get_xml_desc",
        p.DOMAIN_GET_XML_DESC,
        t.String("<d\udcff/>"),
        "<d\udcff/>",
        DomainXMLFlags.INACTIVE,
    ),
    flagged("domain_get_state", p.DOMAIN_GET_STATE, t.DomainState(1, 2), t.DomainState(1, 2)),
    flagged(
        "domain_get_control_info",
        p.DOMAIN_GET_CONTROL_INFO,
        t.DomainControlInfo(1, 2, 3),
        t.DomainControlInfo(1, 2, 3),
    ),
    of_domain("domain_is_active", p.DOMAIN_IS_ACTIVE, t.Number(1), True),
    of_domain("domain_is_persistent", p.DOMAIN_IS_PERSISTENT, t.Number(0), False),
    of_domain("domain_is_updated", p.DOMAIN_IS_UPDATED, t.Number(1), True),
    of_domain("domain_get_autostart", p.DOMAIN_GET_AUTOSTART, t.Number(1), True),
    flagged(
        "domain_has_managed_save_image",
        p.DOMAIN_HAS_MANAGED_SAVE_IMAGE,
        t.Number(1),
        True,
    ),
    case(
        "domain_get_metadata",
        (DOMAIN, DomainMetadataType.ELEMENT, "urn:x", CONFIG),
        p.DOMAIN_GET_METADATA,
        t.DomainGetMetadataArgs(DOMAIN, 2, "urn:x", 2),
        t.String("<x/>"),
        "<x/>",
    ),
    flagged(
        "domain_get_messages",
        p.DOMAIN_GET_MESSAGES,
        t.DomainGetMessagesReply(("tainted",)),
        ("tainted",),
        DomainMessageType.TAINTING,
    ),
    flagged(
        "domain_get_vcpus_flags",
        p.DOMAIN_GET_VCPUS_FLAGS,
        t.Number(4),
        4,
        DomainVcpuFlags.MAXIMUM,
    ),
    flagged(
        "domain_snapshot_num",
        p.DOMAIN_SNAPSHOT_NUM,
        t.Number(2),
        2,
        DomainSnapshotListFlags.METADATA,
    ),
    case(
        "domain_list_all_snapshots",
        (DOMAIN, DomainSnapshotListFlags.LEAVES),
        p.DOMAIN_LIST_ALL_SNAPSHOTS,
        t.DomainListAllArgs(DOMAIN, 1, 4),
        t.DomainListAllSnapshotsReply((SNAPSHOT,), 1),
        (SNAPSHOT,),
    ),
    case(
        "domain_snapshot_get_xml_desc",
        (SNAPSHOT,),
        p.DOMAIN_SNAPSHOT_GET_XML_DESC,
        t.DomainSnapshotFlagsArgs(SNAPSHOT, 0),
        t.String("<s/>"),
        "<s/>",
    ),
    case(
        "domain_list_all_checkpoints",
        (DOMAIN, DomainCheckpointListFlags.LEAVES),
        p.DOMAIN_LIST_ALL_CHECKPOINTS,
        t.DomainListAllArgs(DOMAIN, 1, 4),
        t.DomainListAllCheckpointsReply((CHECKPOINT,), 1),
        (CHECKPOINT,),
    ),
    case(
        "domain_checkpoint_get_xml_desc",
        (CHECKPOINT,),
        p.DOMAIN_CHECKPOINT_GET_XML_DESC,
        t.DomainCheckpointFlagsArgs(CHECKPOINT, 0),
        t.String("<c/>"),
        "<c/>",
    ),
    case(
        "domain_count_all_checkpoints",
        (DOMAIN,),
        p.DOMAIN_LIST_ALL_CHECKPOINTS,
        t.DomainListAllArgs(DOMAIN, 0, 0),
        t.DomainListAllCheckpointsReply((), 5),
        5,
    ),
]

FIGURES = [
    of_domain(
        "domain_get_info",
        p.DOMAIN_GET_INFO,
        t.DomainInfo(1, 2, 3, 4, 5),
        t.DomainInfo(1, 2, 3, 4, 5),
    ),
    case(
        "domain_get_vcpus",
        (DOMAIN, 2, 1),
        p.DOMAIN_GET_VCPUS,
        t.DomainGetVcpusArgs(DOMAIN, 2, 1),
        t.DomainGetVcpusReply((t.VcpuInfo(0, 1, 2, 3),), b"\x01\0"),
        t.DomainGetVcpusReply((t.VcpuInfo(0, 1, 2, 3),), b"\x01\0"),
    ),
    Case(
        "domain_get_cpu_stats",
        (DOMAIN, 4, 2),
        (
            Exchange(
                p.DOMAIN_GET_CPU_STATS,
                t.DomainGetCPUStatsArgs(DOMAIN, 0, 4, 2, 0),
                t.DomainGetCPUStatsReply((), 2),
            ),
            Exchange(
                p.DOMAIN_GET_CPU_STATS,
                t.DomainGetCPUStatsArgs(DOMAIN, 2, 4, 2, 0),
                t.DomainGetCPUStatsReply((*BOTH, *BOTH), 2),
            ),
        ),
        (AS_DICT, AS_DICT),
    ),
    case(
        "domain_memory_stats",
        (DOMAIN,),
        p.DOMAIN_MEMORY_STATS,
        t.DomainMemoryStatsArgs(DOMAIN, 1024, 0),
        t.DomainMemoryStatsReply((t.DomainMemoryStat(7, 5), t.DomainMemoryStat(99, 6))),
        {DomainMemoryStatTags.RSS: 5, DomainMemoryStatTags(99): 6},
    ),
    case(
        "domain_block_stats",
        (DOMAIN, "vda"),
        p.DOMAIN_BLOCK_STATS,
        t.DomainBlockStatsArgs(DOMAIN, "vda"),
        STATS,
        STATS,
    ),
    case(
        "domain_block_stats_flags",
        (DOMAIN, "vda"),
        p.DOMAIN_BLOCK_STATS_FLAGS,
        t.DomainBlockStatsFlagsArgs(DOMAIN, "vda", 16, 0),
        t.DomainParametersReply(BOTH, 0),
        AS_DICT,
    ),
    case(
        "domain_get_block_info",
        (DOMAIN, "vda"),
        p.DOMAIN_GET_BLOCK_INFO,
        t.DomainPathFlagsArgs(DOMAIN, "vda", 0),
        t.DomainBlockInfo(1, 2, 3),
        t.DomainBlockInfo(1, 2, 3),
    ),
    case(
        "domain_get_block_job_info",
        (DOMAIN, "vda"),
        p.DOMAIN_GET_BLOCK_JOB_INFO,
        t.DomainPathFlagsArgs(DOMAIN, "vda", 1),
        BLOCK_JOB,
        BLOCK_JOB,
    ),
    case(
        "domain_get_block_job_info",
        (DOMAIN, "vda", DomainBlockJobInfoFlags(0)),
        p.DOMAIN_GET_BLOCK_JOB_INFO,
        t.DomainPathFlagsArgs(DOMAIN, "vda", 0),
        t.DomainBlockJobInfo(0, 0, 0, 0, 0),
        None,
    ),
    case(
        "domain_get_disk_errors",
        (DOMAIN,),
        p.DOMAIN_GET_DISK_ERRORS,
        t.DomainGetDiskErrorsArgs(DOMAIN, 256, 0),
        t.DomainGetDiskErrorsReply((t.DomainDiskError("vda", 2),), 1),
        (t.DomainDiskError("vda", 2),),
    ),
    case(
        "domain_interface_stats",
        (DOMAIN, "vnet0"),
        p.DOMAIN_INTERFACE_STATS,
        t.DomainInterfaceStatsArgs(DOMAIN, "vnet0"),
        TRAFFIC,
        TRAFFIC,
    ),
    of_domain("domain_get_job_info", p.DOMAIN_GET_JOB_INFO, JOB, JOB),
    flagged(
        "domain_get_job_stats",
        p.DOMAIN_GET_JOB_STATS,
        t.DomainGetJobStatsReply(2, BOTH),
        (DomainJobType.UNBOUNDED, AS_DICT),
    ),
    case(
        "domain_get_job_stats",
        (DOMAIN, DomainGetJobStatsFlags.COMPLETED),
        p.DOMAIN_GET_JOB_STATS,
        # KEEP_COMPLETED, or the daemon would forget the job.
        t.DomainFlagsArgs(DOMAIN, 3),
        t.DomainGetJobStatsReply(3, ()),
        (DomainJobType.COMPLETED, {}),
    ),
    flagged(
        "domain_backup_get_xml_desc",
        p.DOMAIN_BACKUP_GET_XML_DESC,
        t.String("<domainbackup/>"),
        "<domainbackup/>",
    ),
]

SETTINGS = [
    case(
        "domain_get_vcpu_pin_info",
        (DOMAIN, 4, 2, CONFIG),
        p.DOMAIN_GET_VCPU_PIN_INFO,
        t.DomainGetVcpuPinInfoArgs(DOMAIN, 4, 2, 2),
        t.DomainGetVcpuPinInfoReply(b"\x01\x02\x03\x04\0\0\0\0", 2),
        (b"\x01\x02", b"\x03\x04"),
    ),
    case(
        "domain_get_emulator_pin_info",
        (DOMAIN, 1),
        p.DOMAIN_GET_EMULATOR_PIN_INFO,
        t.DomainGetEmulatorPinInfoArgs(DOMAIN, 1, 0),
        t.DomainGetEmulatorPinInfoReply(b"\x03", 1),
        b"\x03",
    ),
    flagged(
        "domain_get_iothread_info",
        p.DOMAIN_GET_IOTHREAD_INFO,
        t.DomainGetIOThreadInfoReply((t.DomainIOThreadInfo(1, b"\x03"),), 1),
        (t.DomainIOThreadInfo(1, b"\x03"),),
        CONFIG,
    ),
    case(
        "domain_get_memory_parameters",
        (DOMAIN, CONFIG),
        p.DOMAIN_GET_MEMORY_PARAMETERS,
        t.DomainParametersArgs(DOMAIN, 16, 2),
        t.DomainParametersReply(BOTH, 2),
        AS_DICT,
    ),
    case(
        "domain_get_blkio_parameters",
        (DOMAIN, CONFIG),
        p.DOMAIN_GET_BLKIO_PARAMETERS,
        t.DomainParametersArgs(DOMAIN, 16, 2 | 4),
        t.DomainParametersReply(BOTH, 2),
        AS_DICT,
    ),
    case(
        "domain_get_numa_parameters",
        (DOMAIN,),
        p.DOMAIN_GET_NUMA_PARAMETERS,
        t.DomainParametersArgs(DOMAIN, 16, 4),
        t.DomainParametersReply(BOTH, 2),
        AS_DICT,
    ),
    of_domain(
        "domain_get_scheduler_type",
        p.DOMAIN_GET_SCHEDULER_TYPE,
        t.DomainSchedulerType("posix", 9),
        t.DomainSchedulerType("posix", 9),
    ),
    case(
        "domain_get_scheduler_parameters_flags",
        (DOMAIN, CONFIG),
        p.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS,
        t.DomainParametersArgs(DOMAIN, 16, 2),
        t.DomainGetSchedulerParametersReply(BOTH),
        AS_DICT,
    ),
    case(
        "domain_get_block_io_tune",
        (DOMAIN, "vda"),
        p.DOMAIN_GET_BLOCK_IO_TUNE,
        t.DomainGetBlockIOTuneArgs(DOMAIN, "vda", 32, 4),
        t.DomainGetBlockIOTuneReply(BOTH, 2),
        AS_DICT,
    ),
    case(
        "domain_get_interface_parameters",
        (DOMAIN, "vnet0", CONFIG),
        p.DOMAIN_GET_INTERFACE_PARAMETERS,
        t.DomainGetInterfaceParametersArgs(DOMAIN, "vnet0", 16, 2),
        t.DomainParametersReply(BOTH, 2),
        AS_DICT,
    ),
    flagged(
        "domain_get_perf_events",
        p.DOMAIN_GET_PERF_EVENTS,
        t.DomainGetPerfEventsReply(BOTH),
        AS_DICT,
        CONFIG,
    ),
    flagged(
        "domain_get_launch_security_info",
        p.DOMAIN_GET_LAUNCH_SECURITY_INFO,
        t.DomainGetLaunchSecurityInfoReply(BOTH),
        AS_DICT,
    ),
]

GUESTS = [
    case(
        "domain_get_guest_info",
        (DOMAIN, DomainGuestInfoTypes.OS | DomainGuestInfoTypes.FILESYSTEM),
        p.DOMAIN_GET_GUEST_INFO,
        t.DomainGetGuestInfoArgs(DOMAIN, 18, 0),
        t.DomainGetGuestInfoReply(BOTH),
        AS_DICT,
    ),
    flagged(
        "domain_get_fsinfo",
        p.DOMAIN_GET_FSINFO,
        t.DomainGetFSInfoReply((t.DomainFSInfo("/", "vda1", "ext4", ("vda",)),), 1),
        (t.DomainFSInfo("/", "vda1", "ext4", ("vda",)),),
    ),
    flagged(
        "domain_get_guest_vcpus",
        p.DOMAIN_GET_GUEST_VCPUS,
        t.DomainGetGuestVcpusReply(BOTH),
        AS_DICT,
    ),
    flagged("domain_get_time", p.DOMAIN_GET_TIME, t.DomainTime(1, 2), t.DomainTime(1, 2)),
    flagged(
        "domain_get_hostname",
        p.DOMAIN_GET_HOSTNAME,
        t.String("guest"),
        "guest",
        DomainGetHostnameFlags.AGENT,
    ),
    case(
        "domain_interface_addresses",
        (DOMAIN, DomainInterfaceAddressesSource.ARP),
        p.DOMAIN_INTERFACE_ADDRESSES,
        t.DomainInterfaceAddressesArgs(DOMAIN, 2, 0),
        t.DomainInterfaceAddressesReply((INTERFACE,)),
        (INTERFACE,),
    ),
]


@pytest.mark.parametrize(
    "one", [*DOMAINS, *FIGURES, *SETTINGS, *GUESTS], ids=lambda one: one.method
)
async def test_a_call_asks_and_gives_what_the_daemon_answers(one: Case) -> None:
    await run(one)


@pytest.mark.parametrize(
    ("cases", "kind"),
    [
        (DOMAINS, DomainCalls),
        (FIGURES, DomainFigureCalls),
        (SETTINGS, DomainSettingCalls),
        (GUESTS, GuestCalls),
    ],
)
def test_every_call_is_in_the_table(cases: list[Case], kind: type[DomainCalls]) -> None:
    assert {one.method for one in cases} == methods_of(kind)


@pytest.mark.parametrize(
    "one", [*DOMAINS, *FIGURES, *SETTINGS, *GUESTS], ids=lambda one: one.method
)
def test_arguments_that_name_a_domain_call_it_dom(one: Case) -> None:
    # Whoever paces the calls looks there for the domain that a call may wait for.
    for exchange in one.exchanges:
        if one.method not in ("list_all_domains", "count_all_domains"):
            args = getattr(exchange.args, "snap", exchange.args)
            assert getattr(args, "checkpoint", args).dom == DOMAIN
