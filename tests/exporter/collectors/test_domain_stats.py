"""The domains' statistics on the page: all of them, in every state, and what is said of those missing."""

from __future__ import annotations

import logging
import uuid

import pytest

from exporter.config import CollectorsConfig, DiskCollectors, DomainCollectors, NetworkCollectors
from libvirt_rpc.enums import DomainStatsTypes, TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.daemon import ScriptedDaemon, by_table, never, refuses
from tests.support.exporting import (
    ARCHIVE,
    QEMU_HOST,
    STATISTICS_ALONE,
    WEB,
    configured,
    exporting,
    get,
    host,
    number,
    record,
)
from tests.support.pages import ReadPage, read_response
from tests.support.virtual_time import VirtualClock, in_virtual_time

STATS = p.CONNECT_GET_ALL_DOMAIN_STATS
NAMES = [
    'quote"',
    "back\\slash",
    "brace}",
    "percent%d%%",
    "новый",
    "\U0001f5a5",
    "tab\there",
    "new\nline",
    "\\n",
    " ",
]


def disk(place: int, name: str, read_bytes: int) -> tuple[TypedParameter, ...]:
    return (
        TypedParameter(f"block.{place}.name", TypedParameterType.STRING, name),
        number(f"block.{place}.rd.bytes", read_bytes),
        number(f"block.{place}.rd.reqs", 1),
    )


async def page_of(
    *records: t.DomainStatsRecord, collectors: CollectorsConfig | None = None
) -> ReadPage:
    async with (
        ScriptedDaemon(by_table(host(*records))) as daemon,
        exporting(configured(daemon.uri, collectors=collectors or STATISTICS_ALONE)) as exporter,
    ):
        return read_response(await get(exporter))


async def test_domains_in_every_state_are_on_the_page() -> None:
    records = [
        record(t.Domain(f"in {state}", uuid.UUID(int=state + 1), 1), state=state)
        for state in range(8)
    ]
    page = await page_of(*records)
    for state in range(8):
        assert page.value("libvirt_domain_state", domain=f"in {state}") == state
    assert len(page.values("libvirt_domain_memory_current_bytes")) == 8


async def test_a_domain_carries_its_uuid_and_the_hypervisors_type() -> None:
    page = await page_of(record(WEB))
    assert page.value(
        "libvirt_domain_cpu_time_seconds_total",
        domain="web",
        uuid=str(WEB.uuid),
        hypervisor="QEMU",
    ) == pytest.approx(1.5)
    assert page.value("libvirt_domain_memory_current_bytes", domain="web") == 1024 * 1024


async def test_the_daemons_own_processor_time_is_not_given_to_a_domain_without_process() -> None:
    page = await page_of(record(WEB), record(ARCHIVE))
    assert page.labels("libvirt_domain_cpu_time_seconds_total", "domain") == ["web"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_domain_may_have_any_name(name: str) -> None:
    named = t.Domain(name, uuid.UUID(int=7), 1)
    page = await page_of(record(named, *disk(0, name, 5)))
    assert page.domain_names == {name}
    assert page.value("libvirt_domain_disk_read_bytes_total", domain=name, disk=name) == 5


async def test_a_name_that_is_no_utf_8_breaks_nothing() -> None:
    named = t.Domain("latin-\udce9", uuid.UUID(int=7), 1)
    page = await page_of(record(named), record(WEB))
    assert page.domain_names == {"latin-\ufffd", "web"}


async def test_two_domains_may_share_names_of_disks_and_one_domain_may_have_two_of_a_name() -> None:
    page = await page_of(
        record(WEB, *disk(0, "vda", 1), *disk(1, "vda", 2)), record(ARCHIVE, *disk(0, "vda", 3))
    )
    name = "libvirt_domain_disk_read_bytes_total"
    assert page.value(name, domain="web", disk="vda") == 1
    assert page.value(name, domain="archive", disk="vda") == 3


async def test_two_domains_may_have_one_name() -> None:
    twin = t.Domain("web", uuid.UUID(int=9), 9)
    page = await page_of(record(WEB), record(twin))
    assert len(page.values("libvirt_domain_state", domain="web")) == 2


async def test_a_host_without_domains_is_no_failure() -> None:
    page = await page_of()
    assert page.domain_names == set()
    assert page.value("libvirt_exporter_collector_success") == 1


# What is asked.


def asked(daemon: ScriptedDaemon) -> DomainStatsTypes:
    groups = DomainStatsTypes(0)
    for frame in daemon.peer.calls(STATS):
        groups |= DomainStatsTypes(xdr.decode(STATS.arguments, frame.payload).stats)
    return groups


@pytest.mark.parametrize(
    ("collectors", "groups"),
    [
        (
            CollectorsConfig(),
            DomainStatsTypes.STATE
            | DomainStatsTypes.CPU_TOTAL
            | DomainStatsTypes.BALLOON
            | DomainStatsTypes.VCPU
            | DomainStatsTypes.INTERFACE
            | DomainStatsTypes.BLOCK,
        ),
        (
            CollectorsConfig(
                DomainCollectors(stats=False, state=False, dirtyrate=True),
                DiskCollectors(stats=False),
                NetworkCollectors(stats=False),
            ),
            DomainStatsTypes.STATE | DomainStatsTypes.DIRTYRATE,
        ),
        (
            CollectorsConfig(
                DomainCollectors(stats=False), DiskCollectors(), NetworkCollectors(stats=False)
            ),
            DomainStatsTypes.STATE | DomainStatsTypes.BLOCK,
        ),
    ],
    ids=["default", "opt-in alone", "disks alone"],
)
async def test_only_the_groups_of_enabled_collectors_are_asked_for(
    collectors: CollectorsConfig, groups: DomainStatsTypes
) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri, collectors=collectors)) as exporter,
    ):
        await get(exporter)
        assert asked(daemon) == groups


async def test_the_state_that_is_asked_for_anyway_is_shown_only_when_enabled() -> None:
    collectors = CollectorsConfig(DomainCollectors(state=False))
    page = await page_of(record(WEB), record(ARCHIVE), collectors=collectors)
    assert page.values("libvirt_domain_state") == []
    assert page.labels("libvirt_domain_cpu_time_seconds_total", "domain") == ["web"]


async def test_nothing_is_called_that_changes_anything() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as exporter,
    ):
        await get(exporter)
        (opened,) = daemon.peer.calls(p.CONNECT_OPEN)
        called = {frame.procedure for frame in daemon.peer.frames}
    assert xdr.decode(p.CONNECT_OPEN.arguments, opened.payload).flags == 1
    allowed = (
        p.AUTH_LIST,
        p.CONNECT_OPEN,
        p.CONNECT_GET_TYPE,
        p.CONNECT_GET_VERSION,
        p.CONNECT_GET_LIB_VERSION,
        p.CONNECT_GET_HOSTNAME,
        p.CONNECT_LIST_ALL_DOMAINS,
        STATS,
    )
    assert called == {procedure.number for procedure in allowed}


# What is missing.


async def test_a_domain_that_vanishes_between_two_calls_is_just_not_there() -> None:
    answers = {
        **host(record(WEB)),
        p.CONNECT_LIST_ALL_DOMAINS: QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS],
    }
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        exporting(configured(daemon.uri)) as exporter,
    ):
        page = read_response(await get(exporter))
    assert page.domain_names == {"web"}
    assert page.value("libvirt_domain_stats_timed_out", domain="web") == 0
    assert page.value("libvirt_exporter_collector_success") == 1


@in_virtual_time
async def test_domains_that_miss_the_deadline_are_named_and_the_scrape_has_failed_in_part(
    clock: VirtualClock,
) -> None:
    async with ScriptedDaemon(by_table({**QEMU_HOST, STATS: never})) as daemon:
        config = configured(daemon.uri, timeout_seconds=2.0, keepalive_interval_seconds=0)
        async with exporting(config) as exporter:
            page = read_response(await get(exporter))
    assert page.value("libvirt_domain_stats_timed_out", domain="web") == 1
    assert page.value("libvirt_domain_stats_timed_out", domain="archive") == 1
    assert page.values("libvirt_domain_cpu_time_seconds_total") == []
    assert page.value("libvirt_exporter_stuck_calls") > 0
    assert page.value("libvirt_exporter_collector_success") == 0
    assert page.value("libvirt_exporter_last_scrape_error") == 1


async def test_refused_statistics_fail_the_collector_with_the_daemons_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = {**QEMU_HOST, STATS: refuses(38, "cannot fork")}
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        exporting(configured(daemon.uri)) as exporter,
    ):
        page = read_response(await get(exporter))
    assert page.value("libvirt_exporter_collector_success") == 0
    assert page.value("libvirt_exporter_connected") == 1
    assert page.value(
        "libvirt_exporter_rpc_errors_total", procedure="CONNECT_GET_ALL_DOMAIN_STATS", code="38"
    )
    assert any("cannot fork" in one.getMessage() for one in caplog.records)


# Fields that nobody knows.


async def test_an_unknown_field_is_counted_and_told_once_a_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "exporter.collectors.domain_stats")
    records = [
        record(WEB, number("vcpu.0.novel", 1), number("vcpu.1.novel", 2), number("brand.new", 3)),
        record(ARCHIVE, number("brand.new", 3)),
    ]
    async with (
        ScriptedDaemon(by_table(host(*records))) as daemon,
        exporting(configured(daemon.uri)) as exporter,
    ):
        pages = [read_response(await get(exporter)) for _ in range(2)]
    assert [page.value("libvirt_exporter_unknown_fields") for page in pages] == [1, 1]
    told = [vars(one)["field"] for one in caplog.records if "field" in vars(one)]
    assert told == ["vcpu.<n>.novel"]
