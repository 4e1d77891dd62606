"""The fast way equals the plain one, byte by byte, after any sequence of scrapes."""

from __future__ import annotations

import gc
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import metrics
from exporter.exposition import Format, Labels, Page
from exporter.mapping import Mapping
from exporter.metrics.rows import COUNTER, GAUGE, Group, Scale, Stat
from exporter.stats_page import StatsPage, render_plain
from libvirt_rpc.enums import DomainStatsTypes
from libvirt_rpc.enums import TypedParameterType as Type
from libvirt_rpc.protocol.domain_stats import DomainStatsDecoder
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import Domain, DomainStatsRecord
from tests.support.pages import promtool_complaints, samples_of, series_of
from tests.support.records import (
    ALL_COLLECTORS,
    HOSTILE_TEXTS,
    TEXTS,
    WEB,
    Fields,
    decoded,
    domain_records,
    everything,
    histogram_fields,
    histories,
    payload_of,
    record_of,
    stats_of,
    unique,
)

MAPPING = Mapping(
    metrics.GROUPS,
    metrics.INSTANCES,
    metrics.NOT_METRICS,
    metrics.QUIRKS,
    collectors=ALL_COLLECTORS,
)
DB = Domain("db", uuid.UUID("22222222-2222-2222-2222-222222222222"), 2)
CONSTANT_LABELS: Labels = (("rack", 'r%d "12" 100 %%\\\n'), ("site", "Köln"))


# The law.


@dataclass(frozen=True)
class Step:
    """How one scrape is decoded and shown."""

    decoder: str
    hypervisor: str


STEPS = st.builds(
    Step,
    # Most scrapes of a connection are read the fast way; a new connection has a new decoder.
    st.sampled_from(["fast", "fast", "fast", "plain", "new"]),
    st.sampled_from(["QEMU", "QEMU", "QEMU", "Xen", 'other "100 %s" \\']),
)


@settings(max_examples=100, deadline=None)
@given(histories(), st.lists(STEPS, min_size=7, max_size=7), st.data())
def test_any_sequence_of_scrapes_renders_as_the_plain_way(
    history: list[list[DomainStatsRecord]], steps: list[Step], data: st.DataObject
) -> None:
    labels = data.draw(st.sampled_from([(), CONSTANT_LABELS]))
    page = StatsPage(MAPPING, labels)
    decoder = DomainStatsDecoder()
    for records, step in zip(history, steps, strict=False):
        if step.decoder == "new":
            decoder = DomainStatsDecoder()
        decode = decoder.decode_plain if step.decoder == "plain" else decoder.decode
        stats = decode(payload_of(records))
        plain = render_plain(MAPPING, stats, step.hypervisor, labels)
        assert page.render(stats, step.hypervisor) == plain
        decoder.retain([one.domain.uuid for one in stats])
        series = [one for _, lines in plain for one in series_of(lines)]
        assert len(series) == len(set(series)), "a series stands on the page twice"


@settings(max_examples=30, deadline=None)
@given(st.lists(domain_records(), max_size=3).map(unique), st.sampled_from([(), CONSTANT_LABELS]))
def test_a_page_of_what_daemons_send_parses_in_both_formats(
    records: list[DomainStatsRecord], labels: Labels
) -> None:
    stats = decoded(*records)
    page = Page()
    for family, lines in StatsPage(MAPPING, labels).render(stats, "QEMU"):
        page.add_lines(family, lines)
    text = samples_of(page.render())
    assert text == samples_of(page.render(Format.OPENMETRICS), Format.OPENMETRICS)
    # As many as planned: the parser drops what it finds twice.
    assert len(text) == sum(len(MAPPING.plan(one).series) for one in stats)


def test_promtool_accepts_a_page_with_everything(require: Callable[[str], str]) -> None:
    records = [
        stats_of(
            {**everything(), "block.0.name": name, "net.0.name": name},
            Domain(name, uuid.UUID(int=number), number),
        )
        for number, name in enumerate(HOSTILE_TEXTS)
    ]
    page = Page()
    for family, lines in StatsPage(MAPPING, CONSTANT_LABELS).render(records, HOSTILE_TEXTS[1]):
        page.add_lines(family, lines)
    assert promtool_complaints(require("promtool"), page.render()) == []
    assert {family.name for family in page.families} == {one.name for one in MAPPING.families}


# What happens between two scrapes, one by one: fields of the domain "web" at each scrape.

DISK: Fields = {
    "state.state": 1,
    "state.reason": 1,
    "cpu.time": 5_000_000_001,
    "block.0.name": "vda",
    "block.0.rd.times": 2**64 - 1,
    "block.0.rd.bytes": 2**64 - 1,
}
TWO_DISKS: Fields = {**DISK, "block.1.name": "vdb", "block.1.rd.bytes": 7}
BINS = histogram_fields("block.0.latency_histogram.read", (0, 1000), (3, 4))

CHANGES: dict[str, list[Fields]] = {
    "nothing": [DISK, DISK, DISK],
    "values": [DISK, {**DISK, "cpu.time": 1}, {**DISK, "cpu.time": 10**18}, DISK],
    "a disk is plugged in and out": [DISK, TWO_DISKS, DISK],
    "a disk gets a longer name": [DISK, {**DISK, "block.0.name": "longer"}, DISK],
    "a disk gets another name": [DISK, {**DISK, "block.0.name": "vdc"}, DISK],
    "a name with percent signs": [{**DISK, "block.0.name": "%d %%"}, DISK],
    "two disks get one name": [TWO_DISKS, {**TWO_DISKS, "block.1.name": "vda"}, TWO_DISKS],
    "two disks swap their names": [
        TWO_DISKS,
        {**TWO_DISKS, "block.0.name": "vdb", "block.1.name": "vda"},
    ],
    "two names that read the same": [
        TWO_DISKS,
        {**TWO_DISKS, "block.0.name": "\udc80", "block.1.name": "\udc81"},
    ],
    "the state": [{**DISK, "state.state": state} for state in (1, 3, 5, 0, 6, 42, -7, 1)],
    "the reason": [{**DISK, "state.reason": reason} for reason in (1, 5, 99, 1)],
    "a reduced record": [DISK, {"state.state": 1, "state.reason": 1}, {}, DISK],
    "zero means unknown": [
        {**DISK, "balloon.last-update": when} for when in (0, 0, 1_700_000_000, 0)
    ],
    "a histogram that adds up, or not": [
        {**DISK, **BINS, "block.0.rd.reqs": total} for total in (7, 7, 8, 7)
    ],
    "the edges of a histogram": [
        {**DISK, **BINS, "block.0.latency_histogram.read.bin.1.start": start}
        for start in (1000, 2000, 0, 1000)
    ],
    "floating point": [
        {**DISK, "perf.cmt": value}
        for value in (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 1e300, 0.0)
    ],
    "texts where numbers were": [
        {**DISK, "state.state": "running", "cpu.time": "long", "block.0.name": 5},
        DISK,
    ],
}


def types_of(fields: Fields) -> dict[str, Type]:
    """Types by what the values are, whatever libvirt sends."""
    own = {bool: Type.BOOLEAN, str: Type.STRING, float: Type.DOUBLE}
    return {
        name: own.get(type(value), Type.INT if name.startswith("state.") else Type.ULLONG)
        for name, value in fields.items()
    }


@pytest.mark.parametrize("place", [None, 0, 2], ids=["alone", "first", "last"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows_as_in_the_plain_way(change: str, place: int | None) -> None:
    decoder = DomainStatsDecoder()
    page = StatsPage(MAPPING, CONSTANT_LABELS)
    # Domains that stand still, so that nothing but the change is seen.
    others = [
        record_of(TWO_DISKS, Domain(f"other-{number}", uuid.UUID(int=number), number))
        for number in (1, 2)
    ]
    for fields in CHANGES[change]:
        records = [] if place is None else list(others)
        records.insert(place or 0, record_of(fields, WEB, types_of(fields)))
        stats = decoder.decode(payload_of(records))
        assert page.render(stats, "QEMU") == render_plain(MAPPING, stats, "QEMU", CONSTANT_LABELS)


SCALES = [Scale(), Scale(divisor=1000), Scale(multiplier=1024), Scale(3, 100)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Type.INT, (-(2**31), -1, 0, 2**31 - 1)),
        (Type.UINT, (0, 2**32 - 1)),
        (Type.LLONG, (-(2**63), -1001, -1, 0, 2**63 - 1)),
        (Type.ULLONG, (0, 999, 1000, 2**64 - 1)),
        (Type.DOUBLE, (0.0, -0.0, 0.1, -1e308, float("nan"), float("inf"))),
        (Type.BOOLEAN, (False, True)),
    ],
)
def test_a_value_of_any_type_and_scale_shows_as_in_the_plain_way(
    kind: Type, values: tuple[TypedValue, ...], scale: Scale
) -> None:
    rows = (
        Stat("cpu.time", "a_seconds", GAUGE, "A.", scale=scale),
        Stat("cpu.user", "b_total", COUNTER, "B."),
    )
    groups = [Group("domain.stats", DomainStatsTypes.CPU_TOTAL, rows)]
    mapping = Mapping(groups, (), (), (), collectors=frozenset({"domain.stats"}))
    page = StatsPage(mapping)
    decoder = DomainStatsDecoder()
    for value in (*values, *reversed(values)):
        fields: Fields = {"cpu.time": value, "cpu.user": 1}
        # A second domain whose value is of another type, so that the family's values are mixed.
        records = [
            record_of(fields, WEB, {"cpu.time": kind}),
            record_of({"cpu.time": 12_345}, DB, {"cpu.time": Type.ULLONG}),
        ]
        for some in (records, records[:1]):
            stats = decoder.decode(payload_of(some))
            assert page.render(stats, "QEMU") == render_plain(mapping, stats, "QEMU")


class Both:
    """Scrapes of one connection, rendered both ways."""

    def __init__(self) -> None:
        self._page = StatsPage(MAPPING)
        self._decoder = DomainStatsDecoder()

    def render(self, *records: DomainStatsRecord, hypervisor: str = "QEMU") -> bytes:
        """The lines on which both ways agree."""
        stats = self._decoder.decode(payload_of(records))
        lines = self._page.render(stats, hypervisor)
        assert lines == render_plain(MAPPING, stats, hypervisor)
        return b"".join(some for _, some in lines)


def test_domains_come_and_go_and_are_renamed() -> None:
    both = Both()
    web, db = record_of(DISK), record_of(DISK, DB)
    assert b'domain="db"' not in both.render(web)
    assert b'domain="db"' in both.render(web, db)
    assert both.render(db, web) != both.render(web, db)
    assert b'domain="web"' not in both.render(db)
    assert both.render() == b""
    assert b'domain="new"' in both.render(record_of(DISK, replace(WEB, name="new")))
    assert b'hypervisor="Xen"' in both.render(web, hypervisor="Xen")
    assert b'hypervisor="Xen"' not in both.render(web)


def test_a_renamed_domain_shows_under_its_new_name_at_once() -> None:
    both = Both()
    for name in ("web", "renamed", "as long", "web"):
        lines = both.render(record_of(DISK, DB), record_of(DISK, replace(WEB, name=name)))
        assert {name, "db"} == {line.split(b'"')[1].decode() for line in lines.splitlines()}


def test_domains_of_one_shape_among_others_keep_their_own_values() -> None:
    both = Both()

    def disk(number: int, state: int = 1) -> DomainStatsRecord:
        fields: Fields = {**DISK, **BINS, "perf.cmt": number, "block.0.rd.bytes": number}
        domain = Domain(f"vm-{number}", uuid.UUID(int=number), number)
        return record_of({**fields, "state.state": state}, domain)

    odd = record_of(TWO_DISKS, DB)
    signed = record_of({"cpu.time": -5}, WEB, {"cpu.time": Type.LLONG})
    both.render(disk(1), disk(2), disk(3))
    both.render(disk(1), odd, disk(2), signed, disk(3), disk(4))
    both.render(disk(1), disk(2, state=3), disk(3))
    both.render(odd, disk(3), disk(2, state=3), disk(1), signed)
    lines = both.render(disk(3), disk(1), signed, disk(2))
    values = {
        line.split(b'"')[1]: line.rpartition(b" ")[2]
        for line in lines.splitlines()
        if line.startswith(b"libvirt_domain_disk_read_bytes_total")
    }
    assert values == {b"vm-3": b"3", b"vm-1": b"1", b"vm-2": b"2"}


def test_a_plan_is_shared_only_by_domains_whose_names_repeat_alike() -> None:
    # The same layout, and in each record other disks with one name.
    both = Both()
    names = [("vda", "vdb"), ("vda", "vda"), ("\udc80", "\udc81"), ("vdb", "vdc"), ("\n", "\\n")]
    records = [
        record_of(
            {**TWO_DISKS, "block.0.name": first, "block.1.name": second},
            Domain("web", uuid.UUID(int=number), number),
        )
        for number, (first, second) in enumerate(names)
    ]
    series = series_of(both.render(*records))
    assert len(series) == len(set(series))
    assert sum(b"disk_read_bytes" in one for one in series) == 2 + 1 + 1 + 2 + 2


def test_domains_with_the_same_disks_and_interfaces_stay_apart() -> None:
    fields: Fields = {**DISK, "net.0.name": "vnet0", "net.0.rx.bytes": 1}
    series = series_of(Both().render(record_of(fields), record_of(fields, DB)))
    assert len(series) == len(set(series))
    assert sum(b'interface="vnet0"' in one for one in series) == 2


def test_counters_stand_exactly_on_the_page() -> None:
    lines = Both().render(record_of(DISK)).decode().splitlines()
    values = dict(line.split("{", 1)[0:1] + line.rsplit(" ", 1)[1:] for line in lines)
    assert values["libvirt_domain_disk_read_bytes_total"] == "18446744073709551615"
    assert values["libvirt_domain_disk_read_time_seconds_total"] == "18446744073.709551615"
    assert values["libvirt_domain_cpu_time_seconds_total"] == "5.000000001"


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_any_text_in_any_label_is_read_back(domain: str, disk: str, hypervisor: str) -> None:
    record = record_of({**DISK, "block.0.name": disk}, replace(WEB, name=domain))
    labels = [labels for _, labels, _ in samples_of(page_of(record, hypervisor))]
    assert {one["domain"] for one in labels} == {shown(domain)}
    assert {one["disk"] for one in labels if "disk" in one} == {shown(disk)}
    assert {one["hypervisor"] for one in labels if "disk" not in one} == {shown(hypervisor)}
    assert {(one["rack"], one["site"]) for one in labels} == {
        tuple(value for _, value in CONSTANT_LABELS)
    }


def page_of(record: DomainStatsRecord, hypervisor: str) -> bytes:
    page = Page()
    for family, lines in StatsPage(MAPPING, CONSTANT_LABELS).render(decoded(record), hypervisor):
        page.add_lines(family, lines)
    return page.render()


def shown(text: str) -> str:
    return "".join("\ufffd" if 0xD800 <= ord(one) < 0xE000 else one for one in text)


def test_what_a_gone_domain_needed_is_forgotten() -> None:
    page = StatsPage(MAPPING)
    (gone,) = decoded(record_of(TWO_DISKS))
    layout = weakref.ref(gone.layout)
    page.render([gone], "QEMU")
    del gone
    gc.collect()
    assert layout() is not None
    page.render(decoded(record_of(DISK, DB)), "QEMU")
    gc.collect()
    assert layout() is None
