"""The host on a page: every part by itself, cells with gaps, capabilities that are slow or of no use."""

from __future__ import annotations

import asyncio
from typing import Any

from exporter.config import HostCollectors
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.daemon import Answer, Answers, Peer, never, refuses, returns
from tests.support.exporting import calls
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.watching import only, page_of, watched

COLLECTORS = only(host=HostCollectors(stats=True, devices=False))
CELL = (
    "<cell id='{id}'><memory unit='KiB'>{memory}</memory><pages unit='KiB' size='4'>{pages}</pages>"
    "<pages unit='KiB' size='2048'>2</pages><cpus num='4'/></cell>"
)


def capabilities(*ids: int) -> Answer:
    cells = "".join(CELL.format(id=one, memory=1000 + one, pages=250 + one) for one in ids)
    return returns(
        t.String(
            "<capabilities><host><uuid>h-1</uuid><cpu><model>EPYC</model><vendor>AMD</vendor></cpu>"
            f"<topology><cells num='{len(ids)}'>{cells}</cells></topology></host></capabilities>"
        )
    )


def stats(procedure: p.Procedure[Any, Any], **figures: int) -> Answer:
    def answer(peer: Peer, call: Frame) -> None:
        wanted = xdr.decode(procedure.arguments, call.payload)
        shown = tuple(t.NodeStat(name, value) for name, value in figures.items())
        reply = t.NodeStatsReply(shown if wanted.nparams else (), len(figures))
        peer.reply(call, reply)

    return answer


def free_memory(peer: Peer, call: Frame) -> None:
    """As libvirt does: a figure for each number from the first cell on, whether there is such a cell."""
    asked = xdr.decode(p.NODE_GET_CELLS_FREE_MEMORY.arguments, call.payload)
    cells = range(asked.start_cell, asked.start_cell + asked.maxcells)
    peer.reply(call, t.NodeGetCellsFreeMemoryReply(tuple(100 * (one + 1) for one in cells)))


def free_pages(peer: Peer, call: Frame) -> None:
    asked = xdr.decode(p.NODE_GET_FREE_PAGES.arguments, call.payload)
    cells = range(asked.start_cell, asked.start_cell + asked.cell_count)
    counts = tuple(size * 10 + cell for cell in cells for size in asked.pages)
    peer.reply(call, t.NodeGetFreePagesReply(counts))


ANSWERS: Answers = {
    p.CONNECT_GET_CAPABILITIES: capabilities(0, 1),
    p.CONNECT_GET_MAX_VCPUS: returns(t.Number(255)),
    p.NODE_GET_INFO: returns(t.NodeInfo(b"x86_64".ljust(32, b"\0"), 2000, 8, 2400, 2, 1, 2, 2)),
    p.NODE_GET_CPU_STATS: stats(
        p.NODE_GET_CPU_STATS, kernel=1_500_000_000, idle=2_000_000_000, utilization=43
    ),
    p.NODE_GET_MEMORY_STATS: stats(p.NODE_GET_MEMORY_STATS, total=2000, free=500, strange=1),
    p.NODE_GET_CELLS_FREE_MEMORY: free_memory,
    p.NODE_GET_FREE_PAGES: free_pages,
    p.NODE_GET_MEMORY_PARAMETERS: returns(
        t.NodeGetMemoryParametersReply(
            (
                TypedParameter("shm_pages_shared", TypedParameterType.ULLONG, 9),
                TypedParameter("shm_full_scans", TypedParameterType.ULLONG, 3),
                TypedParameter("shm_unheard_of", TypedParameterType.STRING, "x"),
            ),
            3,
        )
    ),
}


async def test_the_host_is_shown_with_its_processors_memory_and_cells() -> None:
    async with watched(ANSWERS, COLLECTORS, labels=(("rack", "r1"),)) as (daemon, application):
        await page_of(application)
        page = await page_of(application)
        assert calls(daemon, [p.CONNECT_GET_CAPABILITIES]) == 1
    info = {"hostname": "host-1", "model": "x86_64", "cpu_model": "EPYC", "uuid": "h-1"}
    assert page.value("libvirt_host_info", **info, cpu_vendor="AMD", rack="r1") == 1
    assert page.value("libvirt_versions_info", hypervisor="7.2.22", libvirt="9.0.0") == 1
    assert page.value("libvirt_host_cpus", rack="r1") == 8
    assert page.value("libvirt_host_cpu_frequency_hertz") == 2_400_000_000
    assert page.value("libvirt_host_domain_max_vcpus") == 255
    assert page.value("libvirt_host_cpu_seconds_total", mode="kernel", rack="r1") == 1.5
    assert sorted(page.labels("libvirt_host_cpu_seconds_total", "mode")) == ["idle", "kernel"]
    assert page.value("libvirt_host_memory_free_bytes") == 500 * 1024
    # What the daemon does not tell is absent.
    assert not page.values("libvirt_host_memory_cached_bytes")
    assert page.value("libvirt_host_memory_node_free_bytes", node="1", rack="r1") == 200
    assert page.value("libvirt_host_pages", node="1", page_size="4096") == 251
    assert page.value("libvirt_host_free_pages", node="1", page_size="2097152") == 20481
    assert page.value("libvirt_host_ksm_pages", state="shared") == 9
    assert page.value("libvirt_host_ksm_full_scans_total") == 3
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_each_cell_has_its_own_figures_where_the_numbers_have_gaps() -> None:
    answers = {**ANSWERS, p.CONNECT_GET_CAPABILITIES: capabilities(1, 3)}
    async with watched(answers, COLLECTORS) as (_, application):
        page = await page_of(application)
    free = "libvirt_host_memory_node_free_bytes"
    assert [page.value(free, node=node) for node in ("1", "3")] == [200, 400]
    pages = "libvirt_host_free_pages"
    assert [page.value(pages, node=node, page_size="4096") for node in ("1", "3")] == [41, 43]
    assert len(page.values(free)) == 2


async def test_a_part_that_breaks_costs_no_other_its_figures() -> None:
    for broken in (p.NODE_GET_INFO, p.NODE_GET_CPU_STATS, p.NODE_GET_MEMORY_STATS):
        answers = {**ANSWERS, broken: refuses(1, "broken")}
        async with watched(answers, COLLECTORS) as (_, application):
            page = await page_of(application)
        assert page.value("libvirt_exporter_collector_success", collector="host") == 0
        shown = {
            p.NODE_GET_INFO: page.values("libvirt_host_cpus"),
            p.NODE_GET_CPU_STATS: page.values("libvirt_host_cpu_seconds_total"),
            p.NODE_GET_MEMORY_STATS: page.values("libvirt_host_memory_total_bytes"),
        }
        assert [not values for values in shown.values()] == [one is broken for one in shown]
        assert page.values("libvirt_host_ksm_full_scans_total") == [3.0]


async def test_parts_that_are_denied_or_unsupported_are_asked_once_and_fail_nothing() -> None:
    answers = {
        **ANSWERS,
        p.NODE_GET_MEMORY_PARAMETERS: refuses(3, "no"),
        p.NODE_GET_FREE_PAGES: refuses(1, "no page info"),
        p.CONNECT_GET_MAX_VCPUS: refuses(88, "access denied"),
    }
    refused: list[p.Procedure[Any, Any]] = [
        p.NODE_GET_MEMORY_PARAMETERS,
        p.NODE_GET_FREE_PAGES,
        p.CONNECT_GET_MAX_VCPUS,
    ]
    async with watched(answers, COLLECTORS) as (daemon, application):
        for _ in range(2):
            page = await page_of(application)
        assert calls(daemon, refused) == len(refused)
    available = "libvirt_exporter_collector_available"
    assert page.value(available, collector="host.ksm", reason="unsupported") == 0
    assert page.value(available, collector="host.pages", reason="unsupported") == 0
    assert page.value(available, collector="host.max_vcpus", reason="denied") == 0
    assert page.value("libvirt_host_pages", node="0", page_size="4096") == 250
    assert not page.values("libvirt_host_domain_max_vcpus")
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_capabilities_of_no_use_cost_only_what_they_tell() -> None:
    for answer in (returns(t.String("<!DOCTYPE x><capabilities/>")), refuses(3, "no")):
        async with watched({**ANSWERS, p.CONNECT_GET_CAPABILITIES: answer}, COLLECTORS) as (
            _,
            application,
        ):
            page = await page_of(application)
        assert page.value("libvirt_host_info", cpu_model="") == 1
        assert page.value("libvirt_host_cpus") == 8
        assert not page.values("libvirt_host_pages")
        assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_capabilities_that_do_not_come_hold_no_page_past_its_deadline(
    clock: VirtualClock,
) -> None:
    async with watched({**ANSWERS, p.CONNECT_GET_CAPABILITIES: never}, COLLECTORS) as (
        daemon,
        application,
    ):
        before = clock.now
        page = await page_of(application)
        assert clock.now - before <= 10
        assert page.value("libvirt_host_cpus") == 8
        assert page.value("libvirt_domain_state", domain="web") == 1
        for _ in range(4):
            await asyncio.sleep(15)
            before = clock.now
            page = await page_of(application)
            assert clock.now - before < 1
        # The call that hangs is not repeated.
        assert calls(daemon, [p.CONNECT_GET_CAPABILITIES]) == 1
        assert page.value("libvirt_exporter_stuck_calls") == 1
