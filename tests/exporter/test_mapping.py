"""Records by the tables: which series they give, with which labels and values."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import metrics
from exporter.exposition import Labels
from exporter.mapping import Mapping
from exporter.metrics.rows import (
    GAUGE,
    MILLISECONDS,
    Group,
    LatencyHistogram,
    Row,
    Stat,
    StateReason,
    StateSet,
)
from exporter.stats_page import render_plain
from libvirt_rpc.enums import DOMAIN_STATE_REASONS, DomainState, DomainStatsTypes
from libvirt_rpc.enums import TypedParameterType as Type
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import DomainStatsRecord
from tests.support.records import (
    ALL_COLLECTORS,
    PATTERNS,
    RECORDS,
    Fields,
    decoded,
    everything,
    histogram_fields,
    numbered,
    record_of,
    stats_of,
)


def mapping_of(collectors: Iterable[str] = ALL_COLLECTORS) -> Mapping:
    return Mapping(
        metrics.GROUPS,
        metrics.INSTANCES,
        metrics.NOT_METRICS,
        metrics.QUIRKS,
        collectors=frozenset(collectors),
    )


MAPPING = mapping_of()
OF_WEB = (("domain", "web"), ("uuid", "11111111-1111-1111-1111-111111111111"))
OF_WEB_ALONE = (*OF_WEB, ("hypervisor", "QEMU"))
VDA = (*OF_WEB, ("disk", "vda"))

Series = dict[tuple[str, Labels], str]


def series_of(stats: DomainStats, mapping: Mapping = MAPPING) -> Series:
    """The series of a record as they would stand on the page."""
    plan = mapping.plan(stats)
    slots = plan.slots_of(stats, "QEMU")
    series = [
        ((one.family.name + one.suffix, one.labels_for(slots)), one.value_for(stats.values))
        for one in plan.series
    ]
    assert len(dict(series)) == len(series), "a series stands twice"
    return dict(series)


def values_of(fields: Fields, metric: str) -> dict[Labels, str]:
    return {
        labels: value
        for (name, labels), value in series_of(stats_of(fields)).items()
        if name == metric
    }


# Every row of every table.

ROWS = [(group, row) for group in metrics.GROUPS for row in group.rows]
# What the varying parts of the field at number 0 need beside it, and the labels that come of it.
PARTS: dict[str, tuple[Fields, Labels]] = {
    "disk": ({"block.0.name": "vda"}, (("disk", "vda"),)),
    "interface": ({"net.0.name": "vnet3"}, (("interface", "vnet3"),)),
    "vcpu": ({}, (("vcpu", "0"),)),
    "iothread": ({}, (("iothread", "0"),)),
    "interval": ({"block.0.timed_group.0.interval": 60}, (("interval", "60"),)),
    "cache_monitor": (
        {"cpu.cache.monitor.0.name": "vcpus_0-1", "cpu.cache.monitor.0.vcpus": "0-1"},
        (("monitor", "vcpus_0-1"), ("vcpus", "0-1")),
    ),
    "bank": ({"cpu.cache.monitor.0.bank.0.id": 9}, (("bank", "9"),)),
    "bandwidth_monitor": (
        {"memory.bandwidth.monitor.0.name": "all", "memory.bandwidth.monitor.0.vcpus": "0-3"},
        (("monitor", "all"), ("vcpus", "0-3")),
    ),
    "node": ({"memory.bandwidth.monitor.0.node.0.id": 1}, (("node", "1"),)),
    "stat": ({}, (("stat", "0"),)),
    "kind": ({}, (("kind", "0"),)),
}
STATS = [(group, row) for group, row in ROWS if isinstance(row, Stat)]


def parts_of(pattern: str) -> list[str]:
    return [part.strip("<>") for part in pattern.split(".") if part.startswith("<")]


@pytest.mark.parametrize(("group", "row"), STATS, ids=[row.field for _, row in STATS])
def test_a_row_gives_its_series_from_its_field(group: Group, row: Stat) -> None:
    parts = parts_of(row.field)
    fields = {field: value for part in parts for field, value in PARTS[part][0].items()}
    labels = tuple(label for part in parts for label in PARTS[part][1])
    labels = (*OF_WEB, *labels) if parts else OF_WEB_ALONE
    series = series_of(
        stats_of(
            {**fields, numbered(row.field): 1_234_567_891}, types={numbered(row.field): Type.UINT}
        ),
        mapping_of([group.collector]),
    )
    value = series[row.metric, (*labels, *row.labels)]
    expected = Fraction(1_234_567_891) * row.scale.multiplier / row.scale.divisor
    assert Fraction(value) == expected


@pytest.mark.parametrize(("group", "row"), ROWS, ids=[row.metric for _, row in ROWS])
def test_a_row_shows_only_where_its_collector_is_on(group: Group, row: Row) -> None:
    stats = stats_of(everything())
    assert any(name.startswith(row.metric) for name, _ in series_of(stats))
    other = {one.metric for off, one in ROWS if off.collector != group.collector}
    if row.metric not in other:
        off = mapping_of(ALL_COLLECTORS - {group.collector})
        assert row.metric not in {one.family.name for one in off.plan(stats).series}
        assert row.metric not in {family.name for family in off.families}


def test_libvirt_is_asked_only_for_what_is_on() -> None:
    assert mapping_of([]).stats == DomainStatsTypes.STATE
    for collector in ALL_COLLECTORS:
        bits = DomainStatsTypes.STATE
        for group in metrics.GROUPS:
            if group.collector == collector:
                bits |= group.stats
        assert mapping_of([collector]).stats == bits
    assert mapping_of(["disk.stats"]).stats == DomainStatsTypes.STATE | DomainStatsTypes.BLOCK
    assert MAPPING.stats == DomainStatsTypes(2047)


# Fields that no table knows.


def test_fields_of_no_table_are_found() -> None:
    fields: Fields = {
        "cpu.time": 1,
        "cpu.warp": 1,
        "block.0.rd.bytes.more": 1,
        "block.0": 1,
        "block..rd": 1,
        "": 1,
        "Cpu.time": 1,
        "net.0.rx.colour": "red",
    }
    expected = tuple(field for field in fields if field != "cpu.time")
    assert MAPPING.unknown_fields(stats_of(fields).layout) == expected


@pytest.mark.parametrize("collectors", [(), ALL_COLLECTORS], ids=["none", "all"])
def test_known_fields_are_known_whatever_is_on(collectors: Iterable[str]) -> None:
    fields: Fields = {numbered(pattern, 7): 1 for pattern in PATTERNS}
    stats = stats_of({**everything(), **fields}, types=dict.fromkeys(fields, Type.ULLONG))
    assert mapping_of(collectors).unknown_fields(stats.layout) == ()


@pytest.mark.parametrize("pattern", metrics.NOT_METRICS)
def test_a_field_that_is_deliberately_no_metric_gives_no_series(pattern: str) -> None:
    names: Fields = {"block.0.name": "vda", "net.0.name": "vnet0"}
    with_it = series_of(
        stats_of({**names, numbered(pattern): 1}, types={numbered(pattern): Type.UINT})
    )
    assert with_it == {}


@pytest.mark.parametrize("field", ["vm.<>.cur", "vm.<stat>.cur", "vm..cur", "vm.\udc80.cur"])
def test_a_field_may_be_named_anything(field: str) -> None:
    stat = field.split(".")[1].replace("\udc80", "\ufffd")
    assert values_of({field: 3}, "libvirt_domain_vm_stat") == {
        (*OF_WEB, ("stat", stat), ("kind", "cur")): "3"
    }


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_any_record_gives_each_series_once_and_holds_for_its_plan(
    record: DomainStatsRecord,
) -> None:
    (stats,) = decoded(record)
    plan = MAPPING.plan(stats)
    assert plan.holds_for(stats)
    names = [name for _, lines in render_plain(MAPPING, [stats], "Q") for name in _series(lines)]
    assert len(set(names)) == len(names) == len(plan.series)
    known = {family.name for family in MAPPING.families}
    assert {series.family.name for series in plan.series} <= known


def _series(lines: bytes) -> list[bytes]:
    return [line.rpartition(b" ")[0] for line in lines.removesuffix(b"\n").split(b"\n")]


# The domain's state.

STATE_INFO = "libvirt_domain_state_info"
REASON_INFO = "libvirt_domain_state_reason_info"


@pytest.mark.parametrize("state", [*range(8), 8, 99, -1, 2**31 - 1])
def test_exactly_one_state_is_the_present_one(state: int) -> None:
    shown = {
        labels[-1][1]: value
        for labels, value in values_of({"state.state": state}, STATE_INFO).items()
    }
    assert [name for name, value in shown.items() if value == "1"] == [DomainState(state).label]
    assert set(shown) == {one.label for one in DomainState} | {DomainState(state).label}
    assert set(shown.values()) == {"0", "1"}


@pytest.mark.parametrize(
    ("state", "reason", "names"),
    [
        (1, 1, ("running", "booted")),
        (1, 5, ("running", "unpaused")),
        (3, 5, ("paused", "ioerror")),
        (5, 2, ("shutoff", "destroyed")),
        (6, 1, ("crashed", "panicked")),
        (5, 77, ("shutoff", "unknown_77")),
        (42, 0, ("unknown_42", "unknown")),
    ],
)
def test_the_reason_is_named_by_the_state(state: int, reason: int, names: tuple[str, str]) -> None:
    fields: Fields = {"state.state": state, "state.reason": reason}
    labels = (*OF_WEB_ALONE, ("state", names[0]), ("reason", names[1]))
    assert values_of(fields, REASON_INFO) == {labels: "1"}
    assert values_of(fields, "libvirt_domain_state_reason") == {OF_WEB_ALONE: str(reason)}


def test_every_known_reason_has_a_name() -> None:
    for state, reasons in DOMAIN_STATE_REASONS.items():
        for reason in reasons:
            ((labels, _),) = values_of(
                {"state.state": int(state), "state.reason": int(reason)}, REASON_INFO
            ).items()
            assert dict(labels)["reason"] == reason.name.lower()


def test_a_reason_without_a_state_is_a_number_alone() -> None:
    assert values_of({"state.reason": 1}, REASON_INFO) == {}
    assert len(values_of({"state.reason": 1}, "libvirt_domain_state_reason")) == 1


@pytest.mark.parametrize("state", [*range(8), 99])
def test_processor_time_shows_only_of_a_domain_that_has_a_process(state: int) -> None:
    fields: Fields = {
        "state.state": state,
        "cpu.time": 5,
        "cpu.haltpoll.fail.time": 5,
        "vcpu.0.time": 7,
    }
    names = {name for name, _ in series_of(stats_of(fields))}
    has_process = state not in {DomainState.NOSTATE, DomainState.SHUTOFF, DomainState.CRASHED}
    assert ("libvirt_domain_cpu_time_seconds_total" in names) is has_process
    assert ("libvirt_domain_cpu_haltpoll_fail_seconds_total" in names) is has_process
    assert "libvirt_domain_vcpu_time_seconds_total" in names


def test_processor_time_shows_where_the_state_is_not_known() -> None:
    assert values_of({"cpu.time": 1}, "libvirt_domain_cpu_time_seconds_total") == {
        OF_WEB_ALONE: "0.000000001"
    }


# Values.


@pytest.mark.parametrize(
    ("field", "metric", "value", "shown"),
    [
        ("cpu.time", "libvirt_domain_cpu_time_seconds_total", 2**64 - 1, "18446744073.709551615"),
        ("cpu.time", "libvirt_domain_cpu_time_seconds_total", 0, "0.000000000"),
        ("cpu.time", "libvirt_domain_cpu_time_seconds_total", -1, "-0.000000001"),
        ("balloon.current", "libvirt_domain_memory_current_bytes", 2**64 - 1, str(2**74 - 1024)),
        ("balloon.current", "libvirt_domain_memory_current_bytes", -1, "-1024"),
        ("vcpu.current", "libvirt_domain_vcpu_count", 4, "4"),
        ("perf.cmt", "libvirt_domain_perf_cmt_bytes", 2**53 + 1, "9007199254740993"),
    ],
)
def test_values_are_exact(field: str, metric: str, value: int, shown: str) -> None:
    kind = Type.LLONG if value < 0 else Type.ULLONG
    ((_, one),) = [
        (key, one)
        for key, one in series_of(stats_of({field: value}, types={field: kind})).items()
        if key[0] == metric
    ]
    assert one == shown


ABSENT_IF_ZERO = [row for _, row in STATS if row.absent_if_zero]


@pytest.mark.parametrize("row", ABSENT_IF_ZERO, ids=[row.field for row in ABSENT_IF_ZERO])
def test_a_zero_that_means_unknown_is_absent(row: Stat) -> None:
    assert values_of({row.field: 0}, row.metric) == {}
    assert values_of({row.field: 5}, row.metric) == {OF_WEB_ALONE: "5"}


def test_a_zero_elsewhere_is_a_value() -> None:
    assert values_of({"balloon.unused": 0}, "libvirt_domain_memory_unused_bytes") == {
        OF_WEB_ALONE: "0"
    }


def test_a_plan_holds_only_where_planning_anew_would_give_the_same() -> None:
    fields: Fields = {
        "state.state": 1,
        "balloon.last-update": 5,
        "block.0.name": "a",
        "block.1.name": "b",
        "block.0.rd.bytes": 1,
        "block.1.rd.bytes": 2,
    }

    alike: list[Fields] = [
        {"balloon.last-update": 6},
        {"block.0.name": "c"},
        {"block.0.rd.bytes": 9},
    ]
    unlike: list[Fields] = [{"state.state": 3}, {"balloon.last-update": 0}, {"block.0.name": "b"}]
    # One decoder, so that all have one layout.
    first, *others = decoded(*[record_of({**fields, **change}) for change in [{}, *alike, *unlike]])
    plan = MAPPING.plan(first)
    assert all(one.layout is first.layout for one in others)
    assert [plan.holds_for(one) for one in (first, *others)] == [True] * 4 + [False] * 3
    assert not plan.holds_for(stats_of(fields)), "another layout"


# What tells series apart.


def test_a_disk_without_a_name_gives_nothing() -> None:
    fields: Fields = {
        "block.0.rd.bytes": 1,
        "block.1.name": "vdb",
        "block.1.rd.bytes": 2,
        "net.0.rx.bytes": 1,
        **histogram_fields("block.0.latency_histogram.read", (0, 10), (1, 1)),
    }
    assert series_of(stats_of(fields)) == {
        ("libvirt_domain_disk_read_bytes_total", (*OF_WEB, ("disk", "vdb"))): "2"
    }


def test_of_two_disks_with_one_name_the_first_is_shown() -> None:
    fields: Fields = {
        "block.0.name": "vda",
        "block.0.rd.bytes": 1,
        "block.1.name": "vda",
        "block.1.rd.bytes": 2,
        "block.1.wr.bytes": 3,
    }
    assert series_of(stats_of(fields)) == {
        ("libvirt_domain_disk_read_bytes_total", VDA): "1",
        ("libvirt_domain_disk_write_bytes_total", VDA): "3",
    }


@pytest.mark.parametrize(
    ("first", "second"), [("\udc80", "\udc81"), ("a\udcff", "a\ufffd"), (5, "5"), ("5", 5)]
)
def test_names_that_read_the_same_are_the_same(first: TypedValue, second: TypedValue) -> None:
    fields: Fields = {
        "block.0.name": first,
        "block.0.rd.bytes": 1,
        "block.1.name": second,
        "block.1.rd.bytes": 2,
    }
    types = {
        field: Type.STRING if isinstance(value, str) else Type.UINT
        for field, value in fields.items()
    }
    stats = stats_of(fields, types=types)
    assert list(series_of(stats).values()) == ["1"]
    # The same layout with names that differ needs another plan.
    apart = DomainStats(stats.domain, stats.layout, (7, 1, "8", 2))
    assert not MAPPING.plan(apart).holds_for(stats)


def test_a_name_that_is_no_text_serves_all_the_same() -> None:
    types = {"block.0.name": Type.UINT}
    series = series_of(stats_of({"block.0.name": 3, "block.0.errors": 1}, types=types))
    assert series == {("libvirt_domain_disk_errors_total", (*OF_WEB, ("disk", "3"))): "1"}


# Timed groups.


def test_a_timed_group_is_told_by_its_interval() -> None:
    group = "block.0.timed_group"
    fields: Fields = {
        "block.0.name": "vda",
        f"{group}.count": 2,
        f"{group}.0.interval": 1,
        f"{group}.0.rd_latency_max": 1_500,
        f"{group}.0.rd_queue_depth_avg": 0.25,
        f"{group}.1.interval": 60,
        f"{group}.1.rd_latency_max": 2_500,
        f"{group}.1.flush_latency_max": 3,
    }
    read, flush = (("operation", "read"),), (("operation", "flush"),)
    latency, depth = (
        "libvirt_domain_disk_latency_max_seconds",
        "libvirt_domain_disk_queue_depth_avg",
    )
    assert series_of(stats_of(fields)) == {
        (latency, (*VDA, ("interval", "1"), *read)): "0.000001500",
        (depth, (*VDA, ("interval", "1"), *read)): "0.25",
        (latency, (*VDA, ("interval", "60"), *read)): "0.000002500",
        (latency, (*VDA, ("interval", "60"), *flush)): "0.000000003",
    }


# Latency histograms.

READ = "libvirt_domain_disk_read_latency_seconds"
READ_BINS = "block.0.latency_histogram.read"
HISTOGRAMS = [row for _, row in ROWS if isinstance(row, LatencyHistogram)]


def histogram_of(fields: Fields, metric: str = READ, disk: str = "vda") -> dict[str, str]:
    """The parts of a histogram: buckets by their edge, and the suffixes of the rest."""
    shown = series_of(stats_of({"block.0.name": disk, **fields}))
    return {
        dict(labels).get("le", name.removeprefix(metric)): value
        for (name, labels), value in shown.items()
        if name.startswith(metric)
    }


def test_bins_become_cumulative_buckets() -> None:
    bins = histogram_fields(READ_BINS, (0, 10_000, 2_500_000, 10**9, 10**16), (5, 0, 7, 1, 2))
    assert histogram_of(bins) == {
        "1e-05": "5",
        "0.0025": "5",
        "1.0": "12",
        "1e+07": "13",
        "+Inf": "15",
    }


def test_one_bin_is_open_at_its_end() -> None:
    assert histogram_of(histogram_fields(READ_BINS, (0,), (5,))) == {"+Inf": "5"}


@pytest.mark.parametrize("total", [6, 8])
def test_a_sum_and_a_count_show_only_where_the_bins_hold_all_requests(total: int) -> None:
    fields: Fields = {
        **histogram_fields(READ_BINS, (0, 1_000_000), (3, 4)),
        "block.0.rd.times": 5_000_000_000,
    }
    buckets = {"0.001": "3", "+Inf": "7"}
    assert histogram_of({**fields, "block.0.rd.reqs": total}) == buckets
    assert histogram_of(fields) == buckets
    whole: Fields = {**fields, "block.0.rd.reqs": 7}
    assert histogram_of(whole) == {**buckets, "_sum": "5.000000000", "_count": "7"}
    del whole["block.0.rd.times"]  # type: ignore[attr-defined]  # it is a dict
    assert histogram_of(whole) == buckets


@pytest.mark.parametrize("row", HISTOGRAMS, ids=[row.metric for row in HISTOGRAMS])
def test_each_operation_has_a_histogram_of_its_own(row: LatencyHistogram) -> None:
    operation = row.bins.rpartition(".")[2]
    fields = dict(histogram_fields(numbered(row.bins), (0, 1000), (1, 2)))
    for total in ("rd", "wr", "fl"):
        fields |= {f"block.0.{total}.reqs": 3, f"block.0.{total}.times": 1}
    parts = {"1e-06": "1", "+Inf": "3"}
    if operation != "zone_append":
        parts |= {"_sum": "0.000000001", "_count": "3"}
    assert histogram_of(fields, row.metric) == parts


@pytest.mark.parametrize(
    "starts", [(0, 20, 10), (0, 0), (5, 10, 10)], ids=["falling", "flat", "repeated"]
)
def test_edges_that_do_not_rise_make_no_histogram(starts: tuple[int, ...]) -> None:
    assert not starts[0] or histogram_of(histogram_fields(READ_BINS, starts, starts)) == {}
    bins = histogram_fields(READ_BINS, (0, *starts[1:], starts[-1]), (1,) * (len(starts) + 1))
    assert histogram_of(bins) == {}


def test_a_histogram_ends_with_its_last_whole_bin() -> None:
    bins = histogram_fields(READ_BINS, (0, 10_000, 20_000), (1, 2, 4))
    for lost in ("2.value", "2.start"):
        part = {field: value for field, value in bins.items() if not field.endswith(lost)}
        assert histogram_of(part) == {"1e-05": "1", "+Inf": "3"}, lost
    assert histogram_of({f"{READ_BINS}.bin.0.start": 0}) == {}
    assert histogram_of({f"{READ_BINS}.bin.0.value": 1}) == {}


def test_of_two_histograms_with_one_name_no_part_of_the_second_shows() -> None:
    other = "block.1.latency_histogram.read"
    fields: Fields = {
        **histogram_fields(READ_BINS, (0, 1_000_000), (1, 2)),
        **histogram_fields(other, (0, 5_000_000), (7, 8)),
        "block.1.name": "vda",
        "block.1.rd.reqs": 15,
        "block.1.rd.times": 1,
    }
    assert histogram_of(fields) == {"0.001": "1", "+Inf": "3"}


# Types that libvirt does not send.


@pytest.mark.parametrize("value", ["text", float("nan"), float("inf")])
@pytest.mark.parametrize(
    "field",
    [
        "state.state",
        "state.reason",
        f"{READ_BINS}.bin.0.value",
        f"{READ_BINS}.bin.1.start",
        "block.0.rd.reqs",
        "block.0.rd.times",
        "block.0.timed_group.0.interval",
        "cpu.cache.monitor.0.bank.0.id",
    ],
)
def test_a_value_of_an_odd_type_costs_at_most_its_own_series(field: str, value: TypedValue) -> None:
    kind = Type.STRING if isinstance(value, str) else Type.DOUBLE
    whole = series_of(stats_of(everything()))
    odd = series_of(stats_of({**everything(), field: value}, types={field: kind}))
    # Whatever does not rest on the field is as ever.
    for metric in ("libvirt_domain_vcpu_count", "libvirt_domain_disk_write_bytes_total"):
        assert [one for one in odd.items() if one[0][0] == metric] == [
            one for one in whole.items() if one[0][0] == metric
        ]


def test_a_text_where_a_number_belongs_gives_no_series() -> None:
    types = {"cpu.time": Type.STRING}
    assert series_of(stats_of({"cpu.time": "5"}, types=types)) == {}


def test_a_flag_is_one_or_zero() -> None:
    metric = "libvirt_domain_vcpu_halted"
    shown = values_of({"vcpu.0.halted": True, "vcpu.1.halted": False}, metric)
    assert list(shown.values()) == ["1", "0"]


def test_two_rows_may_read_one_field() -> None:
    rows = (
        Stat("a.<n>", "one", GAUGE, "One."),
        Stat("a.<n>", "two", GAUGE, "Two.", scale=MILLISECONDS),
    )
    group = Group("x", DomainStatsTypes.VM, rows)
    instance = metrics.INSTANCES[2]
    assert instance.part == "vcpu"
    renamed = [type(instance)("n", (("n", None),))]
    mapping = Mapping([group], renamed, (), (), collectors=frozenset({"x"}))
    assert series_of(stats_of({"a.1": 1_001}), mapping) == {
        ("one", (*OF_WEB, ("n", "1"))): "1001",
        ("two", (*OF_WEB, ("n", "1"))): "1.001",
    }


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_number_is_shown_exactly_in_its_unit(number: int) -> None:
    types = {"cpu.time": Type.LLONG, "balloon.rss": Type.LLONG}
    values = series_of(stats_of({"cpu.time": number, "balloon.rss": number}, types=types))
    assert [Fraction(value) for value in values.values()] == [
        Fraction(number, 10**9),
        Fraction(number * 1024),
    ]


def test_every_kind_of_row_is_among_the_tables() -> None:
    assert {type(row) for _, row in ROWS} == {Stat, StateSet, StateReason, LatencyHistogram}
