"""Who is shown: names, UUIDs, states and metadata of domains; disks and interfaces."""

from __future__ import annotations

import dataclasses
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import metrics
from exporter.config import (
    CollectorsConfig,
    FilterConfig,
    LabelPattern,
    LibvirtConfig,
    MetadataConfig,
    MetadataRuleConfig,
    ModuleConfig,
)
from exporter.domain_xml import parse_domain
from exporter.events import EventHub
from exporter.filters import Filters
from exporter.mapping import Mapping
from exporter.stats_page import StatsPage, render_plain
from exporter.target import make_target
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.domain_stats import DomainStatsDecoder
from libvirt_rpc.protocol.events import DomainBlockThresholdEvent, DomainRebootEvent
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.daemon import Peer, ScriptedDaemon, by_table, returns
from tests.support.exporting import STATISTICS_ALONE, host, number, record
from tests.support.pages import ReadPage, read_page
from tests.support.records import Records, histories, payload_of

Patterns = tuple[re.Pattern[str], ...]


def regexes(*texts: str) -> Patterns:
    return tuple(map(re.compile, texts))


def labelled(*texts: str) -> tuple[LabelPattern, ...]:
    pairs = (text.partition("=") for text in texts)
    return tuple(LabelPattern(label, re.compile(pattern)) for label, _, pattern in pairs)


def domain(name: str, number_: int = 1, *, running: bool = True) -> t.Domain:
    return t.Domain(name, uuid.UUID(int=number_), number_ if running else -1)


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        (FilterConfig(), {"web-1", "web-2", "db"}),
        (FilterConfig(domain_name_include=regexes("web")), set()),
        (FilterConfig(domain_name_include=regexes("web-.", "db")), {"web-1", "web-2", "db"}),
        (FilterConfig(domain_name_exclude=regexes("eb-1", "d.*")), {"web-1", "web-2"}),
        (
            FilterConfig(domain_name_include=regexes("web.*"), domain_name_exclude=regexes(".*1")),
            {"web-2"},
        ),
        (FilterConfig(domain_uuid_include=regexes("0{8}-.*2")), {"web-2"}),
        (FilterConfig(domain_uuid_exclude=regexes(".*[12]")), {"db"}),
        (FilterConfig(domain_state_include=regexes("running")), {"web-1", "web-2"}),
        (FilterConfig(domain_state_include=regexes("shutoff")), {"db"}),
    ],
)
def test_names_and_uuids_have_to_match_as_a_whole(config: FilterConfig, shown: set[str]) -> None:
    domains = [domain("web-1", 1), domain("web-2", 2), domain("db", 3, running=False)]
    filters = Filters(config)
    assert {one.name for one in domains if filters.identity(one)} == shown


def test_a_filter_by_state_needs_no_states_where_running_or_not_is_enough() -> None:
    def needs(*include: str) -> bool:
        return Filters(FilterConfig(domain_state_include=regexes(*include))).needs_state

    assert not Filters().needs_state
    assert not needs("nostate|shutoff|crashed|unknown", "running|blocked|paused|shutdown|pm.*")
    assert needs("running")


XML = """
<domain type='kvm'><name>a</name><title>Own title</title>
<metadata><o:vm xmlns:o='urn:own'><o:owner>anna</o:owner><o:tag/></o:vm></metadata></domain>
"""
RULES = MetadataConfig(
    profiles=(),
    rules=(
        MetadataRuleConfig("team", "urn:own", "vm/owner", "owner"),
        MetadataRuleConfig("team", "urn:own", "vm/tag", "tag"),
    ),
)


@pytest.mark.parametrize(
    ("include", "exclude", "is_shown"),
    [
        (("owner=anna",), (), True),
        (("owner=ann",), (), False),
        (("owner=bert", "owner=a.*"), (), True),
        (("owner=anna", "title=Own"), (), False),
        (("owner=anna", "title=Own.*"), (), True),
        (("tag=.*",), (), False),
        ((), ("tag=.*",), True),
        ((), ("owner=a.*",), False),
        (("owner=a.*",), ("title=.*",), False),
    ],
)
def test_of_each_label_one_expression_has_to_match(
    include: tuple[str, ...], exclude: tuple[str, ...], is_shown: bool
) -> None:
    filters = Filters(
        FilterConfig(
            domain_metadata_include=labelled(*include), domain_metadata_exclude=labelled(*exclude)
        )
    )
    assert filters.needs_metadata
    metadata = parse_domain(XML, RULES.all_rules, longest_label=100)
    assert filters.metadata(metadata) is is_shown
    assert not filters.metadata(None), "what is not known is not shown"


# On a page.


def disks(*names: str) -> list[TypedParameter]:
    found = []
    for place, name in enumerate(names):
        found.append(TypedParameter(f"block.{place}.name", TypedParameterType.STRING, name))
        found.append(number(f"block.{place}.rd.reqs", place))
    return found


WEB = t.Domain("web-1", uuid.UUID(int=1), 1)
DB = t.Domain("db", uuid.UUID(int=2), 2)
OFF = t.Domain("off", uuid.UUID(int=3), -1)
HOST = {
    **host(
        record(WEB, *disks("vda", "vdb")), record(DB, *disks("sda", "vdb"), state=3), record(OFF)
    ),
    p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: returns(t.Number(0)),
}


async def scraped(
    config: FilterConfig, answers: Any = HOST, collectors: CollectorsConfig = STATISTICS_ALONE
) -> tuple[ReadPage, list[set[str]]]:
    """The page, and the names of the domains that each call for statistics was about."""
    async with ScriptedDaemon(by_table(answers)) as daemon:
        target = make_target(
            LibvirtConfig(uri=daemon.uri),
            ModuleConfig("default", collectors, RULES, filter=config),
            plugins=(),
        )
        await target.hypervisor.open()
        page = await target.scraper.scrape()
        asked = []
        for call in daemon.peer.calls(p.CONNECT_GET_ALL_DOMAIN_STATS):
            args: Any = xdr.decode(xdr.codec_of(t.ConnectGetAllDomainStatsArgs), call.payload)
            asked.append({one.name for one in args.doms})
        await target.hypervisor.close()
    return read_page(page.render()), asked


async def test_a_domain_that_is_left_out_by_name_is_not_asked_for() -> None:
    page, asked = await scraped(FilterConfig(domain_name_exclude=regexes("web-.*")))
    assert page.domain_names == {"db", "off"}
    assert set().union(*asked) == {"db", "off"}


async def test_a_domain_that_is_left_out_by_its_state_is_not_on_the_page() -> None:
    page, asked = await scraped(FilterConfig(domain_state_include=regexes("running")))
    assert page.domain_names == {"web-1"}
    assert set().union(*asked) == {"web-1", "db"}, "what does not run is not asked for"
    assert page.value("libvirt_domains", state="running") == 1
    assert page.value("libvirt_domains", state="paused") == 0


@pytest.mark.parametrize(
    "config",
    [
        FilterConfig(domain_name_include=regexes("web-.*")),
        FilterConfig(domain_state_include=regexes("running")),
    ],
)
async def test_the_other_collectors_see_the_domains_that_are_left(config: FilterConfig) -> None:
    collectors = dataclasses.replace(STATISTICS_ALONE, enable=("domain_events", "domain_jobs"))
    page, _ = await scraped(config, collectors=collectors)
    assert page.domain_names == {"web-1"}
    shown = {dict(own)["domain"] for _, own in page.samples if "domain" in dict(own)}
    assert shown == {"web-1"}
    assert page.labels("libvirt_domain_reboots_total", "domain") == ["web-1"]


async def test_what_happens_to_a_domain_that_is_left_out_is_not_counted() -> None:
    async with ScriptedDaemon(by_table(HOST)) as daemon:
        target = make_target(
            LibvirtConfig(uri=daemon.uri),
            ModuleConfig(
                "default",
                dataclasses.replace(STATISTICS_ALONE, enable=("domain_events",)),
                filter=FilterConfig(
                    domain_name_exclude=regexes("db"), disk_exclude=regexes("vd.*")
                ),
            ),
            plugins=(),
        )
        hub = next(one for one in target.hypervisor.watchers if isinstance(one, EventHub))
        await target.hypervisor.open()
        try:
            for event in (
                DomainRebootEvent(DB),
                DomainRebootEvent(WEB),
                DomainBlockThresholdEvent(DB, "vda", None, 1, 0),
                DomainBlockThresholdEvent(WEB, "vda", None, 1, 0),
                DomainBlockThresholdEvent(WEB, "sda", None, 1, 0),
            ):
                for listener in hub.listeners:
                    listener(event)
            page = read_page((await target.scraper.scrape()).render())
        finally:
            await target.hypervisor.close()
    assert page.value("libvirt_domain_reboots_total", domain="web-1") == 1
    assert page.values("libvirt_domain_reboots_total", domain="db") == []
    thresholds = "libvirt_domain_disk_write_thresholds_total"
    assert page.labels(thresholds, "disk") == ["sda"]


async def test_disks_that_are_left_out_have_no_series() -> None:
    page, _ = await scraped(
        FilterConfig(disk_include=regexes("vd.", "sda"), disk_exclude=regexes("vdb"))
    )
    name = "libvirt_domain_disk_read_requests_total"
    shown = {
        (dict(labels)["domain"], dict(labels)["disk"])
        for series, labels in page.samples
        if series == name
    }
    assert shown == {("web-1", "vda"), ("db", "sda")}


async def test_a_filter_by_metadata_waits_for_the_documents() -> None:
    def xml(peer: Peer, call: Frame) -> None:
        args: Any = xdr.decode(xdr.codec_of(t.DomainFlagsArgs), call.payload)
        owner = "anna" if args.dom.name == "web-1" else "bert"
        peer.reply(call, t.String(XML.replace("anna", owner)))

    page, asked = await scraped(
        FilterConfig(domain_metadata_include=labelled("owner=anna")),
        {**HOST, p.DOMAIN_GET_XML_DESC: xml},
    )
    assert page.domain_names == {"web-1"}
    assert set().union(*asked) == {"web-1"}


async def test_without_statistics_the_list_is_filtered_all_the_same() -> None:
    collectors = dataclasses.replace(
        STATISTICS_ALONE, disable=("domain_stats",), enable=("domain_events",)
    )
    page, asked = await scraped(
        FilterConfig(domain_name_include=regexes("web-.*")), collectors=collectors
    )
    assert asked == []
    assert page.values("libvirt_exporter_collector_success", collector="domain_stats") == []
    assert page.value("libvirt_exporter_collector_success", collector="domain_list") == 1


@settings(max_examples=50, deadline=None)
@given(histories(), st.sampled_from(["vd.", ".*a", "", "[^x]*"]))
def test_the_fast_way_filters_as_the_plain_one(history: list[Records], pattern: str) -> None:
    config = FilterConfig(disk_include=regexes(pattern), interface_exclude=regexes(pattern))
    mapping = Mapping(
        metrics.GROUPS,
        metrics.INSTANCES,
        metrics.NOT_METRICS,
        metrics.QUIRKS,
        collectors=frozenset(group.collector for group in metrics.GROUPS),
        shows=Filters(config).by_label,
    )
    page = StatsPage(mapping)
    decoder = DomainStatsDecoder()
    for records in history:
        found = decoder.decode(payload_of(records))
        assert page.render(found, "QEMU") == render_plain(mapping, found, "QEMU")


def test_domains_of_one_shape_share_a_plan_only_where_their_names_are_shown_alike() -> None:
    config = FilterConfig(disk_include=regexes("vd."))
    mapping = Mapping(
        metrics.GROUPS,
        metrics.INSTANCES,
        metrics.NOT_METRICS,
        metrics.QUIRKS,
        collectors=frozenset({"disk.stats"}),
        shows=Filters(config).by_label,
    )
    page = StatsPage(mapping)
    decoder = DomainStatsDecoder()
    for names in (("vda", "sda"), ("sdb", "sdc"), ("vdb", "vdc"), ("sda", "vdb")):
        records = [
            record(t.Domain(name, uuid.UUID(int=place), place), *disks(name))
            for place, name in enumerate(names, start=1)
        ]
        found = decoder.decode(payload_of(records))
        lines = page.render(found, "QEMU")
        assert lines == render_plain(mapping, found, "QEMU")
        text = b"".join(line for _, line in lines).decode()
        assert set(re.findall(r'disk="(\w+)"', text)) == {one for one in names if one[0] == "v"}
