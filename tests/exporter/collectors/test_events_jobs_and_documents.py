"""Documents, events and jobs as a page shows them, from a scripted daemon that sends what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from exporter.application import Application
from exporter.collectors.domain_events import KEPT_SECONDS, DomainEventsCollector
from exporter.config import CollectorsConfig, DomainCollectors
from libvirt_rpc.enums import (
    ConnectDomainEventAgentLifecycleReason,
    ConnectDomainEventAgentLifecycleState,
    ConnectDomainEventBlockJobStatus,
    DomainBlockJobType,
    DomainEventCrashedDetailType,
    DomainEventDefinedDetailType,
    DomainEventIOErrorAction,
    DomainEventType,
    DomainEventWatchdogAction,
    DomainJobOperation,
    DomainJobType,
    TypedParameterType,
)
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.daemon import Answers, Peer, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.event_messages import event_frame
from tests.support.exporting import (
    ARCHIVE,
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

WEB_XML = """
<domain type='kvm' id='1'>
  <name>web</name><uuid>00000000-0000-0000-0000-000000000001</uuid><title>{title}</title>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/images/web.qcow2'/><target dev='vda' bus='virtio'/>
      <alias name='virtio-disk0'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>
    </channel>
  </devices>
</domain>
"""
ARCHIVE_XML = (
    "<domain type='kvm'><name>archive</name><os><type arch='aarch64'>hvm</type></os></domain>"
)
EVERYTHING = CollectorsConfig(
    domain=DomainCollectors(),
    network=STATISTICS_ALONE.network,
    host=STATISTICS_ALONE.host,
    storage=STATISTICS_ALONE.storage,
)
NO_JOB = t.DomainGetJobStatsReply(DomainJobType.NONE, ())
WEB_LABELS = {"domain": "web", "uuid": str(WEB.uuid)}


def number(field: str, value: int) -> TypedParameter:
    return TypedParameter(field, TypedParameterType.ULLONG, value)


MIGRATION = (
    TypedParameter("operation", TypedParameterType.INT, DomainJobOperation.MIGRATION_OUT),
    number("time_elapsed", 1500),
    number("memory_total", 4096),
    number("memory_dirty_rate", 3),
    number("memory_page_size", 4096),
    TypedParameter("auto_converge_throttle", TypedParameterType.INT, 20),
)


class Host:
    """What the daemon says at present; a test changes it."""

    def __init__(self) -> None:
        self.title = "shop"
        self.archive_xml = ARCHIVE_XML
        self.job = NO_JOB
        self.block_job = t.DomainBlockJobInfo(0, 0, 0, 0, 0)
        self.domains: tuple[t.Domain, ...] = (WEB, ARCHIVE)
        self.callback = 0

    @property
    def answers(self) -> Answers:
        return {
            **QEMU_HOST,
            p.CONNECT_LIST_ALL_DOMAINS: self._list,
            p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: returns(t.Number(0)),
            p.DOMAIN_GET_XML_DESC: self._xml,
            p.DOMAIN_SNAPSHOT_NUM: returns(t.Number(3)),
            p.DOMAIN_GET_JOB_STATS: lambda peer, call: peer.reply(call, self.job),
            p.DOMAIN_GET_BLOCK_JOB_INFO: lambda peer, call: peer.reply(call, self.block_job),
        }

    def _list(self, peer: Peer, call: Frame) -> None:
        flags = xdr.decode(p.CONNECT_LIST_ALL_DOMAINS.arguments, call.payload).flags
        # Persistent or transient, all; then those with a snapshot; of the rest none has it.
        listed = {0: self.domains, 12: self.domains, 4: self.domains, 4096: self.domains[:1]}
        found = listed.get(flags, ())
        peer.reply(call, t.ConnectListAllDomainsReply(found, len(found)))

    def _xml(self, peer: Peer, call: Frame) -> None:
        asked = xdr.decode(p.DOMAIN_GET_XML_DESC.arguments, call.payload).dom
        document = WEB_XML.format(title=self.title) if asked.uuid == WEB.uuid else self.archive_xml
        peer.reply(call, t.String(document))


@contextlib.asynccontextmanager
async def watched(
    host: Host, *, more: Answers | None = None, collectors: CollectorsConfig = EVERYTHING
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


async def tell(daemon: ScriptedDaemon, *events: e.Event) -> None:
    """Sends events, and lets the exporter take them."""
    for event in events:
        daemon.peers[-1].send(event_frame(event).encode())
    await asyncio.sleep(0.05)


def lifecycle(event: DomainEventType, detail: int, domain: t.Domain = WEB) -> e.Event:
    return e.DomainLifecycleEvent(domain=domain, event=event, detail=detail)  # type: ignore[arg-type]


# Documents.


@in_virtual_time
async def test_the_first_page_waits_for_the_documents_and_later_ones_ask_for_none(
    clock: VirtualClock,
) -> None:
    async with watched(Host()) as (daemon, application):
        for _ in range(3):
            page = await page_of(application)
            assert page.value("libvirt_domain_info", **WEB_LABELS, title="shop") == 1
            assert page.value("libvirt_domain_disk_info", **WEB_LABELS, disk="vda") == 1
            assert page.value("libvirt_domain_snapshots", **WEB_LABELS) == 3
            assert page.value("libvirt_domain_snapshots", domain="archive") == 0
            assert page.value("libvirt_domain_persistent", **WEB_LABELS) == 1
            assert page.value("libvirt_domain_autostart", **WEB_LABELS) == 0
        assert calls(daemon, [p.DOMAIN_GET_XML_DESC]) == 2


@in_virtual_time
async def test_an_event_has_a_document_fetched_anew(clock: VirtualClock) -> None:
    host = Host()
    async with watched(host) as (daemon, application):
        await page_of(application)
        host.title = "new"
        await tell(daemon, lifecycle(DomainEventType.DEFINED, DomainEventDefinedDetailType.UPDATED))
        page = await page_of(application)
        assert page.labels("libvirt_domain_info", "title") == ["", "new"]
        assert calls(daemon, [p.DOMAIN_GET_XML_DESC]) == 3


@in_virtual_time
async def test_a_broken_document_costs_its_domain_the_metadata_only(
    clock: VirtualClock,
) -> None:
    host = Host()
    host.archive_xml = "<!DOCTYPE x [<!ENTITY a 'b'>]><domain>&a;</domain>"
    async with watched(host) as (_, application):
        page = await page_of(application)
        assert page.labels("libvirt_domain_info", "domain") == ["web"]
        assert page.value("libvirt_domain_state", domain="archive") == 5
        assert page.value("libvirt_exporter_collector_success", collector="domain_info") == 1


@in_virtual_time
async def test_documents_that_are_denied_switch_off_that_part_alone(clock: VirtualClock) -> None:
    denied = {p.DOMAIN_GET_XML_DESC: refuses(88, "access denied")}
    async with watched(Host(), more=denied) as (daemon, application):
        await page_of(application)
        asked = calls(daemon, [p.DOMAIN_GET_XML_DESC])
        page = await page_of(application)
        off = {"collector": "domain_info.xml", "reason": "denied"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0
        assert page.value("libvirt_domain_snapshots", **WEB_LABELS) == 3
        assert page.value("libvirt_exporter_last_scrape_error") == 0
        assert calls(daemon, [p.DOMAIN_GET_XML_DESC]) == asked


@in_virtual_time
async def test_documents_that_do_not_come_hold_no_page_past_its_deadline(
    clock: VirtualClock,
) -> None:
    async with watched(Host(), more={p.DOMAIN_GET_XML_DESC: never}) as (_, application):
        before = clock.now
        page = await page_of(application)
        assert clock.now - before <= 10
        assert page.value("libvirt_domain_state", **WEB_LABELS) == 1
        assert not page.values("libvirt_domain_info")


# Events.


@in_virtual_time
async def test_events_are_counted_each_in_its_family(clock: VirtualClock) -> None:
    async with watched(Host()) as (daemon, application):
        await page_of(application)
        await tell(
            daemon,
            lifecycle(DomainEventType.CRASHED, DomainEventCrashedDetailType.PANICKED),
            e.DomainRebootEvent(domain=WEB),
            e.DomainRebootEvent(domain=WEB),
            e.DomainWatchdogEvent(domain=WEB, action=DomainEventWatchdogAction.RESET),
            e.DomainIOErrorReasonEvent(
                domain=WEB,
                src_path="/images/web.qcow2",
                device_alias="virtio-disk0",
                action=DomainEventIOErrorAction.PAUSE,
                reason="enospc",
            ),
            e.DomainBlockJob2Event(
                domain=WEB,
                dst="vda",
                type=DomainBlockJobType.COPY,
                status=ConnectDomainEventBlockJobStatus.FAILED,
            ),
            e.DomainDeviceRemovedEvent(domain=WEB, device_alias="net0"),
            e.DomainControlErrorEvent(domain=WEB),
            e.DomainBalloonChangeEvent(domain=WEB, actual_kib=1024),
        )
        page = await page_of(application)

    def counted(name: str, **labels: str) -> float:
        return page.value(f"libvirt_domain_{name}_total", **WEB_LABELS, **labels)

    assert counted("events", event="crashed", detail="panicked") == 1
    # What operators wait for is there before it happens.
    assert counted("events", event="stopped", detail="crashed") == 0
    assert counted("reboots") == 2
    assert counted("watchdog", action="reset") == 1
    assert counted("io_errors", disk="vda", reason="enospc", action="pause") == 1
    assert counted("block_jobs", type="copy", status="failed") == 1
    assert counted("device_changes", change="removed") == 1
    assert counted("control_errors") == 1
    assert counted("balloon_changes") == 1
    assert (
        page.value("libvirt_domain_last_event_timestamp_seconds", event="reboot", **WEB_LABELS) > 0
    )
    assert page.value("libvirt_domain_reboots_total", domain="archive") == 0


@in_virtual_time
async def test_an_event_nobody_knows_is_counted_and_passed_over(clock: VirtualClock) -> None:
    async with watched(Host()) as (daemon, application):
        await page_of(application)
        known = e.DomainRebootEvent(domain=WEB)
        strange = bytearray(event_frame(known).encode())
        strange[12:16] = (4000).to_bytes(4)
        daemon.peers[-1].send(bytes(strange))
        await tell(daemon, known)
        page = await page_of(application)
        assert page.value("libvirt_exporter_unknown_events") == 1
        assert page.value("libvirt_domain_reboots_total", **WEB_LABELS) == 1


@in_virtual_time
async def test_counters_go_on_over_a_lost_connection_and_events_are_registered_anew(
    clock: VirtualClock,
) -> None:
    async with watched(Host()) as (daemon, application):
        await page_of(application)
        await tell(daemon, e.DomainRebootEvent(domain=WEB))
        registered = len(daemon.peers[0].calls(p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY))
        assert registered > 20
        daemon.peers[0].close()
        await asyncio.sleep(40)
        await page_of(application)
        await tell(daemon, e.DomainRebootEvent(domain=WEB))
        page = await page_of(application)
        assert page.value("libvirt_domain_reboots_total", **WEB_LABELS) == 2
        again = daemon.peers[1].calls(p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)
        assert len(again) == registered


@in_virtual_time
async def test_the_end_of_a_transient_domain_is_seen_and_forgotten_later(
    clock: VirtualClock,
) -> None:
    host = Host()
    async with watched(host) as (daemon, application):
        await page_of(application)
        host.domains = (ARCHIVE,)
        await tell(daemon, lifecycle(DomainEventType.STOPPED, 2))
        stopped = {"event": "stopped", "detail": "crashed"}
        page = await page_of(application)
        assert page.value("libvirt_domain_events_total", **WEB_LABELS, **stopped) == 1
        await asyncio.sleep(KEPT_SECONDS + 1)
        page = await page_of(application)
        assert not page.values("libvirt_domain_events_total", domain="web")
        assert page.values("libvirt_domain_events_total", domain="archive")


@in_virtual_time
async def test_the_agents_channel_is_as_the_document_says_until_an_event_does(
    clock: VirtualClock,
) -> None:
    connected = "libvirt_domain_guest_agent_connected"
    async with watched(Host()) as (daemon, application):
        page = await page_of(application)
        page = await page_of(application)
        assert page.values(connected) == [0.0]
        await tell(
            daemon,
            e.DomainAgentLifecycleEvent(
                domain=WEB,
                state=ConnectDomainEventAgentLifecycleState.CONNECTED,
                reason=ConnectDomainEventAgentLifecycleReason.CHANNEL,
            ),
        )
        page = await page_of(application)
        assert page.value(connected, **WEB_LABELS) == 1


@in_virtual_time
async def test_a_daemon_without_events_has_none_and_fails_nothing(clock: VirtualClock) -> None:
    unsupported = {p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: refuses(3, "not supported")}
    async with watched(Host(), more=unsupported) as (_, application):
        page = await page_of(application)
        off = {"collector": "domain_events", "reason": "unsupported"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0
        assert not page.values("libvirt_domain_events_total")
        assert page.value("libvirt_domain_info", **WEB_LABELS) == 1
        assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_what_somebody_will_ask_about_is_logged_at_info(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watched(Host()) as (daemon, application):
        await page_of(application)
        with caplog.at_level(logging.INFO, logger="exporter.collectors.domain_events"):
            await tell(
                daemon,
                e.DomainRebootEvent(domain=WEB),
                lifecycle(DomainEventType.STOPPED, 2),
                e.DomainWatchdogEvent(domain=WEB, action=DomainEventWatchdogAction.RESET),
            )
            await asyncio.sleep(0.2)
    assert [record.__dict__["event"] for record in caplog.records] == ["stopped", "watchdog"]


# Jobs.


@in_virtual_time
async def test_a_running_job_is_asked_for_on_every_scrape_and_its_end_is_an_event(
    clock: VirtualClock,
) -> None:
    host = Host()
    job = {**WEB_LABELS, "operation": "migration_out"}
    async with watched(host) as (daemon, application):
        page = await page_of(application)
        assert not page.values("libvirt_domain_job_active")
        host.job = t.DomainGetJobStatsReply(DomainJobType.UNBOUNDED, MIGRATION)
        # In the background every running domain is asked once within the interval.
        await asyncio.sleep(61)
        page = await page_of(application)
        assert page.value("libvirt_domain_job_active", **job) == 1
        assert page.value("libvirt_domain_job_elapsed_seconds", **job) == 1.5
        assert page.value("libvirt_domain_job_dirty_rate_bytes_per_second", **job) == 12_288
        assert page.value("libvirt_domain_job_auto_converge_throttle_ratio", **job) == 0.2
        host.job = t.DomainGetJobStatsReply(
            DomainJobType.UNBOUNDED, (*MIGRATION[:1], number("time_elapsed", 2500))
        )
        page = await page_of(application)
        assert page.value("libvirt_domain_job_elapsed_seconds", **job) == 2.5
        host.job = NO_JOB
        ended = (*MIGRATION, number("downtime", 30), number("success", 0))
        await tell(daemon, e.DomainJobCompletedEvent(domain=WEB, params=ended))
        page = await page_of(application)
        assert not page.values("libvirt_domain_job_active")
        assert page.value("libvirt_domain_last_job_downtime_seconds", **job) == 0.03
        assert page.value("libvirt_domain_last_job_success", **job) == 0
        failed = {**job, "success": "false"}
        assert page.value("libvirt_domain_jobs_completed_total", **failed) == 1


@in_virtual_time
async def test_of_inactive_domains_no_job_is_asked_for(clock: VirtualClock) -> None:
    async with watched(Host()) as (daemon, application):
        for _ in range(3):
            await page_of(application)
            await asyncio.sleep(60)
        asked = {
            xdr.decode(p.DOMAIN_GET_JOB_STATS.arguments, call.payload).dom.name
            for call in daemon.peer.calls(p.DOMAIN_GET_JOB_STATS)
        }
        assert asked == {"web"}


@in_virtual_time
async def test_a_finished_job_is_never_asked_for_so_that_the_daemon_forgets_it(
    clock: VirtualClock,
) -> None:
    async with watched(Host()) as (daemon, application):
        await page_of(application)
        await asyncio.sleep(120)
        flags = {
            xdr.decode(p.DOMAIN_GET_JOB_STATS.arguments, call.payload).flags
            for call in daemon.peer.calls(p.DOMAIN_GET_JOB_STATS)
        }
        assert flags == {0, 3}


@in_virtual_time
async def test_a_job_whose_domain_hangs_is_not_shown_as_it_was(clock: VirtualClock) -> None:
    host = Host()
    host.job = t.DomainGetJobStatsReply(DomainJobType.UNBOUNDED, MIGRATION)
    async with watched(host) as (daemon, application):
        await page_of(application)
        await asyncio.sleep(1)
        page = await page_of(application)
        assert page.values("libvirt_domain_job_active") == [1.0]
        daemon.script = by_table({**host.answers, p.DOMAIN_GET_JOB_STATS: never})
        before = clock.now
        page = await page_of(application)
        assert clock.now - before < 3
        assert not page.values("libvirt_domain_job_active")
        page = await page_of(application)
        assert page.value("libvirt_exporter_stuck_calls") == 1
        assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_a_block_job_is_shown_with_its_progress(clock: VirtualClock) -> None:
    host = Host()
    job = {**WEB_LABELS, "disk": "vda", "type": "copy"}
    async with watched(host) as (daemon, application):
        await page_of(application)
        host.block_job = t.DomainBlockJobInfo(1, DomainBlockJobType.COPY, 0, 3, 10)
        await asyncio.sleep(121)
        page = await page_of(application)
        assert page.value("libvirt_domain_block_job_processed_bytes", **job) == 3
        assert page.value("libvirt_domain_block_job_total_bytes", **job) == 10
        # Without a limit there is none to show; a CD-ROM is not asked about.
        assert not page.values("libvirt_domain_block_job_bandwidth_limit_bytes_per_second")
        asked = {
            xdr.decode(p.DOMAIN_GET_BLOCK_JOB_INFO.arguments, call.payload).path
            for call in daemon.peer.calls(p.DOMAIN_GET_BLOCK_JOB_INFO)
        }
        assert asked == {"vda"}


# All together.


@in_virtual_time
async def test_every_sample_has_the_extra_labels(clock: VirtualClock) -> None:
    host = Host()
    host.job = t.DomainGetJobStatsReply(DomainJobType.UNBOUNDED, MIGRATION)
    host.block_job = t.DomainBlockJobInfo(1, DomainBlockJobType.COPY, 5, 3, 10)
    async with ScriptedDaemon(by_table(host.answers)) as daemon:
        config = configured(daemon.uri, collectors=EVERYTHING, keepalive_interval_seconds=0)
        config = replace(config, metrics=replace(config.metrics, extra_labels=(("rack", "r12"),)))
        async with exporting(config) as application:
            await page_of(application)
            await asyncio.sleep(1)
            await tell(daemon, e.DomainRebootEvent(domain=WEB))
            page = await page_of(application)
    assert page.values("libvirt_domain_job_active") == [1.0]
    assert page.values("libvirt_domain_block_job_active") == [1.0]
    for name, labels in page.samples:
        of_process = name.startswith(("process_", "python_"))
        assert of_process or ("rack", "r12") in labels, name


@in_virtual_time
async def test_a_job_that_ended_while_there_was_no_connection_is_asked_for(
    clock: VirtualClock,
) -> None:
    host = Host()
    first = (*MIGRATION, number("downtime", 30))
    second = (*MIGRATION, number("downtime", 70))
    last: list[t.DomainGetJobStatsReply] = [NO_JOB]

    def stats(peer: Peer, call: Frame) -> None:
        flags = xdr.decode(p.DOMAIN_GET_JOB_STATS.arguments, call.payload).flags
        peer.reply(call, last[0] if flags else NO_JOB)

    async with watched(host, more={p.DOMAIN_GET_JOB_STATS: stats}) as (daemon, application):
        await page_of(application)
        last[0] = t.DomainGetJobStatsReply(DomainJobType.COMPLETED, first)
        await tell(daemon, e.DomainJobCompletedEvent(domain=WEB, params=first))
        page = await page_of(application)
        assert page.value("libvirt_domain_last_job_downtime_seconds", **WEB_LABELS) == 0.03
        for reply, downtime, ends_known in ((first, 0.03, 1), (second, 0.07, 0)):
            last[0] = t.DomainGetJobStatsReply(DomainJobType.COMPLETED, reply)
            daemon.peers[-1].close()
            await asyncio.sleep(60)
            await page_of(application)
            await asyncio.sleep(1)
            page = await page_of(application)
            assert page.value("libvirt_domain_last_job_downtime_seconds", **WEB_LABELS) == downtime
            # When it ended is known of the job alone whose end was heard.
            assert len(page.values("libvirt_domain_last_job_timestamp_seconds")) == ends_known


@in_virtual_time
async def test_domains_that_come_and_go_leave_no_counters_where_nobody_scrapes(
    clock: VirtualClock,
) -> None:
    async with watched(Host()) as (daemon, application):
        await page_of(application)
        (collector,) = [
            one for one in application.scraper.collectors if isinstance(one, DomainEventsCollector)
        ]
        for rounds in range(3):
            passing = (
                e.DomainRebootEvent(domain=t.Domain("vm", uuid.UUID(int=1000 * rounds + n), 5))
                for n in range(1, 101)
            )
            daemon.peers[-1].send(b"".join(event_frame(one).encode() for one in passing))
            await asyncio.sleep(KEPT_SECONDS + 1)
        await tell(daemon, e.DomainRebootEvent(domain=t.Domain("vm", uuid.UUID(int=9999), 5)))
        assert len(collector._watched) == 1
