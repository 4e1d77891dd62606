"""Limits, placements, disk errors and messages from a scripted daemon, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.application import Application
from exporter.collectors.vcpu_placement import cpu_ranges
from exporter.config import CollectorsConfig, DiskCollectors
from libvirt_rpc.enums import DomainEventType, TypedParameterType
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.daemon import Answers, Peer, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.event_messages import event_frame
from tests.support.exporting import (
    QEMU_HOST,
    STATISTICS_ALONE,
    WEB,
    calls,
    configured,
    exporting,
    get,
)
from tests.support.pages import ReadPage, read_response
from tests.support.virtual_time import VirtualClock, in_virtual_time

DISK = "<disk device='{}'><target dev='{}'/></disk>"
XML = "<domain type='kvm'><name>x</name><os><type>hvm</type></os><devices>{}</devices></domain>"
WITH_TWO = XML.format(DISK.format("disk", "vda") + DISK.format("cdrom", "sda"))
WITH_THREE = XML.format(WITH_TWO + DISK.format("lun", "vdb"))
IO_TUNE, SCHEDULER = p.DOMAIN_GET_BLOCK_IO_TUNE, p.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS
INTERVAL = 100.0
ALONE = replace(
    STATISTICS_ALONE,
    domain=replace(
        STATISTICS_ALONE.domain, events=True, limits=True, vcpu_placement=True, messages=True
    ),
    disk=DiskCollectors(errors=True),
    slow_interval_seconds=INTERVAL,
    jobs_interval_seconds=INTERVAL,
)


def limited(**parameters: int) -> tuple[TypedParameter, ...]:
    kind = TypedParameterType.ULLONG
    return tuple(TypedParameter(name, kind, value) for name, value in parameters.items())


class Host:
    """What the daemon says at present; a test changes it."""

    def __init__(self) -> None:
        self.xml = WITH_TWO
        self.speed = 100
        self.answers: Answers = {
            **QEMU_HOST,
            p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: returns(t.Number(0)),
            p.DOMAIN_GET_XML_DESC: lambda peer, call: peer.reply(call, t.String(self.xml)),
            IO_TUNE: self._io_tune,
            SCHEDULER: returns(t.DomainGetSchedulerParametersReply(limited(cpu_shares=7))),
            p.DOMAIN_GET_MEMORY_PARAMETERS: refuses(55, "cgroup memory is not mounted"),
            p.DOMAIN_GET_BLKIO_PARAMETERS: refuses(3, "not supported"),
            p.NODE_GET_CPU_MAP: returns(t.NodeGetCPUMapReply(b"\xff\xff", 16, 16)),
            p.DOMAIN_GET_VCPUS: returns(
                t.DomainGetVcpusReply(
                    (t.VcpuInfo(0, 1, 0, 9), t.VcpuInfo(1, 0, 0, -1)), b"\x0f\x02\x01\x00"
                )
            ),
            p.DOMAIN_GET_DISK_ERRORS: returns(
                t.DomainGetDiskErrorsReply(
                    (t.DomainDiskError("vda", 2), t.DomainDiskError("vdb", 9)), 2
                )
            ),
            p.DOMAIN_GET_MESSAGES: self._messages,
            p.DOMAIN_IS_UPDATED: returns(t.Number(1)),
        }

    def _io_tune(self, peer: Peer, call: Frame) -> None:
        asked = xdr.decode(IO_TUNE.arguments, call.payload)
        assert asked.disk != "sda"
        parameters = limited(read_bytes_sec=self.speed, write_bytes_sec=0)
        peer.reply(call, t.DomainGetBlockIOTuneReply(parameters, 2))

    def _messages(self, peer: Peer, call: Frame) -> None:
        flags = xdr.decode(p.DOMAIN_GET_MESSAGES.arguments, call.payload).flags
        if flags == 4:
            refuses(8, "unsupported flags (0x4)")(peer, call)
        else:
            twice = ("tainted: a", "tainted: a", "tainted: b") if flags == 2 else ()
            peer.reply(call, t.DomainGetMessagesReply(twice))


@contextlib.asynccontextmanager
async def watched(
    host: Host, *, more: Answers | None = None, collectors: CollectorsConfig = ALONE
) -> AsyncIterator[tuple[ScriptedDaemon, Application]]:
    async with (
        ScriptedDaemon(by_table({**host.answers, **(more or {})})) as daemon,
        exporting(
            configured(daemon.uri, collectors=collectors, keepalive_interval_seconds=0)
        ) as application,
    ):
        yield daemon, application


async def page_of(application: Application) -> ReadPage:
    return read_response(await get(application))


async def tell(daemon: ScriptedDaemon, event: e.Event) -> None:
    daemon.peers[-1].send(event_frame(event).encode())
    await asyncio.sleep(0.05)


SPEED = "libvirt_domain_disk_throttle_read_bytes_per_second"


@in_virtual_time
async def test_the_first_page_has_the_limits_and_later_ones_ask_for_none(
    clock: VirtualClock,
) -> None:
    async with watched(Host()) as (daemon, application):
        for _ in range(3):
            page = await page_of(application)
            assert page.values(SPEED, domain="web", disk="vda") == [100]
            # The domain that does not run has limits, too.
            assert page.labels("libvirt_domain_cpu_shares", "domain") == ["web", "archive"]
            assert page.values("libvirt_domain_memory_hard_limit_bytes") == []
        assert calls(daemon, [IO_TUNE]) == 2
        off = {"collector": "domain_limits.blkio", "reason": "unsupported"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0
        assert calls(daemon, [p.DOMAIN_GET_BLKIO_PARAMETERS]) == 1
        assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_limits_are_asked_anew_after_an_event_and_now_and_then(clock: VirtualClock) -> None:
    host = Host()
    async with watched(host) as (daemon, application):
        await page_of(application)
        host.speed = 200
        await tell(daemon, e.DomainTunableEvent(WEB, ()))
        assert (await page_of(application)).value(SPEED, domain="web") == 200
        assert (await page_of(application)).value(SPEED, domain="archive") == 100
        await asyncio.sleep(INTERVAL)
        assert (await page_of(application)).value(SPEED, domain="archive") == 200


@in_virtual_time
async def test_a_disk_that_came_is_asked_for(clock: VirtualClock) -> None:
    host = Host()
    async with watched(host) as (daemon, application):
        await page_of(application)
        host.xml = WITH_THREE
        await tell(daemon, e.DomainMetadataChangeEvent(WEB, 0, None))  # type: ignore[arg-type]  # any kind
        await page_of(application)
        await asyncio.sleep(0.05)
        assert (await page_of(application)).values(SPEED, domain="web", disk="vdb") == [100]


@in_virtual_time
async def test_a_domain_that_hangs_keeps_its_limits_and_costs_no_page(clock: VirtualClock) -> None:
    host = Host()
    async with watched(host) as (daemon, application):
        await page_of(application)
        daemon.script = by_table({**host.answers, IO_TUNE: never})
        await tell(daemon, e.DomainTunableEvent(WEB, ()))
        before = clock.now
        assert (await page_of(application)).value(SPEED, domain="web") == 100
        assert clock.now - before < 1


@in_virtual_time
async def test_vcpus_are_where_they_run_and_may_run(clock: VirtualClock) -> None:
    async with watched(Host()) as (daemon, application):
        page = await page_of(application)
        placed = "libvirt_domain_vcpu_physical_cpu"
        assert page.values(placed, domain="web", vcpu="0") == [9]
        assert page.values(placed, vcpu="1") == []
        affinity = "libvirt_domain_vcpu_affinity_info"
        assert page.value(affinity, vcpu="0", cpus="0-3,9") == 1
        assert page.value(affinity, vcpu="1", cpus="0") == 1
        await asyncio.sleep(2 * INTERVAL)
        assert calls(daemon, [p.DOMAIN_GET_VCPUS]) > 1
        assert calls(daemon, [p.NODE_GET_CPU_MAP]) == 1


@in_virtual_time
async def test_errors_of_disks_are_named_and_gone_with_the_error(clock: VirtualClock) -> None:
    host = Host()
    async with watched(host) as (daemon, application):
        page = await page_of(application)
        assert page.labels("libvirt_domain_disk_error", "error") == ["no_space", "unknown_9"]
        none = returns(t.DomainGetDiskErrorsReply((), 0))
        daemon.script = by_table({**host.answers, p.DOMAIN_GET_DISK_ERRORS: none})
        await tell(daemon, e.DomainLifecycleEvent(WEB, DomainEventType.RESUMED, 0))  # type: ignore[arg-type]  # any detail
        assert (await page_of(application)).values("libvirt_domain_disk_error") == []


@in_virtual_time
async def test_messages_are_counted_by_kind_and_an_unknown_kind_is_left_out(
    clock: VirtualClock,
) -> None:
    async with watched(Host()) as (_, application):
        page = await page_of(application)
        assert page.labels("libvirt_domain_messages", "kind") == ["tainting", "deprecation"]
        assert page.value("libvirt_domain_messages", kind="tainting") == 3
        messages = page.labels("libvirt_domain_message_info", "message")
        assert messages == ["tainted: a", "tainted: b"]
        assert page.labels("libvirt_domain_updated", "domain") == ["web"]
        off = {"collector": "domain_messages.ioerrors", "reason": "too_old"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0


@in_virtual_time
async def test_a_domain_that_stopped_meanwhile_costs_nothing(clock: VirtualClock) -> None:
    stopped = refuses(55, "domain is not running")
    asked = (p.DOMAIN_GET_VCPUS, p.DOMAIN_GET_DISK_ERRORS, p.DOMAIN_GET_MESSAGES)
    async with watched(Host(), more=dict.fromkeys(asked, stopped)) as (daemon, application):
        page = await page_of(application)
        for name in ("vcpu_physical_cpu", "disk_error", "messages"):
            assert page.values(f"libvirt_domain_{name}") == []
        for name in ("vcpu_placement", "disk_errors", "domain_messages"):
            assert page.value("libvirt_exporter_collector_success", collector=name) == 1
        # What is logged as a failure is asked again soon.
        await asyncio.sleep(INTERVAL / 2.5)
        assert calls(daemon, [p.DOMAIN_GET_VCPUS]) == 1


@pytest.mark.parametrize(
    ("bitmap", "text"),
    [(b"", ""), (b"\x00", ""), (b"\x0f", "0-3"), (b"\x05\x80", "0,2,15"), (b"\xff\x01", "0-8")],
)
def test_a_map_of_processors_reads_as_ranges(bitmap: bytes, text: str) -> None:
    assert cpu_ranges(bitmap) == text


@given(st.sets(st.integers(0, 99)))
def test_the_ranges_hold_just_the_processors_of_the_map(numbers: set[int]) -> None:
    text = cpu_ranges(sum(1 << number for number in numbers).to_bytes(13, "little"))
    parts = [part.partition("-") for part in text.split(",") if part]
    read = [number for a, _, b in parts for number in range(int(a), int(b or a) + 1)]
    assert read == sorted(numbers)
