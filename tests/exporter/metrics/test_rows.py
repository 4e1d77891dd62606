"""Rules that hold for every row of every table."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest

from exporter.catalogue import Entry, entries, label_names
from exporter.config import Config
from exporter.metrics import FAMILIES, GROUPS, INSTANCES, NOT_METRICS
from exporter.metrics.rows import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    INFO,
    NANOSECONDS,
    UNIT,
    Family,
    Group,
    LatencyHistogram,
    Row,
    Stat,
)

ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.rows)
STATS = tuple(row for row in ROWS if isinstance(row, Stat))
ENTRIES = entries()

# What a name may end in beside a unit: these are numbers of things, codes and factors.
UNIT_SUFFIXES = ("_seconds", "_bytes", "_bytes_per_second")
TIME_FIELD = re.compile(r"time$|times$|_ns$|-ns$|\.wait$|\.delay$|_latency_(min|max|avg)$|clock$")


def by_name(entry: Entry) -> str:
    return entry.name


def patterns(rows: Iterable[Row]) -> list[tuple[type[Row], str]]:
    return [
        (type(row), row.bins if isinstance(row, LatencyHistogram) else row.field) for row in rows
    ]


def parts(pattern: str) -> list[str]:
    return re.findall(r"<(.*?)>", pattern)


def is_covered(specific: str, general: str) -> bool:
    """Whether every field that `specific` stands for is one that `general` stands for, too."""
    ours, theirs = specific.split("."), general.split(".")
    return len(ours) == len(theirs) and all(
        their.startswith("<") or our == their for our, their in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_a_name_is_lower_case_with_the_project_s_prefix(entry: Entry) -> None:
    assert re.fullmatch(r"libvirt(_[a-z0-9]+)+", entry.name)
    for label in entry.labels:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", label)
        assert label not in {"le", "quantile", "job", "instance", "host"}


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_a_help_is_one_sentence_with_a_full_stop(entry: Entry) -> None:
    assert entry.help[0].isupper()
    assert entry.help.endswith(".")
    assert entry.help.count(".") == 1
    assert "  " not in entry.help
    assert not set(entry.help) & set("|\n\\")


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_counters_and_nothing_else_end_in_total(entry: Entry) -> None:
    assert entry.name.endswith("_total") == (entry.type == COUNTER)


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_info_metrics_are_gauges_or_info_families(entry: Entry) -> None:
    if entry.name.endswith("_info"):
        assert entry.type in {GAUGE, INFO}
    else:
        assert entry.type != INFO


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_labels_of_a_metric_are_distinct(entry: Entry) -> None:
    assert len(set(entry.labels)) == len(entry.labels)


@pytest.mark.parametrize("row", STATS, ids=lambda row: row.field)
def test_a_scaled_field_has_a_base_unit_in_its_name(row: Stat) -> None:
    name = row.metric.removesuffix("_total")
    if row.scale != UNIT:
        assert name.endswith(UNIT_SUFFIXES)
        assert name.endswith("_seconds") == (row.scale == NANOSECONDS)


@pytest.mark.parametrize("row", STATS, ids=lambda row: row.field)
def test_a_time_becomes_seconds(row: Stat) -> None:
    if TIME_FIELD.search(row.field):
        assert row.metric.removesuffix("_total").endswith("_seconds")


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_no_name_holds_another_unit(entry: Entry) -> None:
    units = {"ns", "us", "ms", "nanoseconds", "milliseconds", "minutes", "kib", "kilobytes"}
    units |= {"megabytes", "mib", "percent"}
    assert not units & set(entry.name.split("_"))


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
def test_a_histogram_is_of_seconds(entry: Entry) -> None:
    if entry.type == HISTOGRAM:
        assert entry.name.endswith("_seconds")


def test_rows_of_one_metric_agree_on_everything_but_the_field() -> None:
    faces: dict[str, set[tuple[object, ...]]] = {}
    for group in GROUPS:
        for row in group.rows:
            metric_type = row.type if isinstance(row, Stat) else type(row)
            scale = row.scale if isinstance(row, Stat) else None
            face = (row.help, metric_type, scale, label_names(row), group.collector)
            faces.setdefault(row.metric, set()).add(face)
    assert [name for name, seen in faces.items() if len(seen) > 1] == []


def test_rows_of_one_metric_differ_in_their_constant_labels() -> None:
    seen = Counter((row.metric, row.labels) for row in STATS)
    assert [key for key, count in seen.items() if count > 1] == []


def test_a_family_s_name_is_in_no_other_table() -> None:
    names = Counter(family.name for family in FAMILIES)
    names.update({row.metric for row in ROWS})
    assert [name for name, count in names.items() if count > 1] == []


def test_names_stay_distinct_in_the_openmetrics_format() -> None:
    """There families lack `_total` and `_info`, and a histogram owns its suffixed names."""
    names = [entry.name.removesuffix("_total") for entry in ENTRIES if entry.type != INFO]
    names += [entry.name.removesuffix("_info") for entry in ENTRIES if entry.type == INFO]
    for entry in ENTRIES:
        if entry.type == HISTOGRAM:
            names += [f"{entry.name}_{suffix}" for suffix in ("bucket", "count", "sum", "created")]
        if entry.type == COUNTER:
            names.append(entry.name)
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.stats.name)
def test_no_two_rows_of_a_kind_in_a_group_read_the_same_field(group: Group) -> None:
    counts = Counter(patterns(group.rows))
    assert [pattern for pattern, count in counts.items() if count > 1] == []


def test_a_field_belongs_to_one_group() -> None:
    owners = [pattern for group in GROUPS for pattern in {p for _, p in patterns(group.rows)}]
    assert len(owners) == len(set(owners))


def test_only_the_state_has_two_metrics_from_one_field() -> None:
    counts = Counter(pattern for _, pattern in patterns(ROWS))
    twice = {pattern for pattern, count in counts.items() if count > 1}
    assert twice == {"state.state", "state.reason"}


def test_no_two_patterns_stand_for_just_the_same_fields() -> None:
    fields = sorted({pattern for _, pattern in patterns(ROWS)} | set(NOT_METRICS))
    shapes = sorted(re.sub(r"<\w+>", "<>", field) for field in fields)
    assert [one for one, other in pairwise(shapes) if one == other] == []


def test_every_varying_part_has_an_instance_and_every_instance_is_used() -> None:
    used = {part for _, pattern in patterns(ROWS) for part in parts(pattern)}
    assert used == {instance.part for instance in INSTANCES}


@pytest.mark.parametrize("pattern", [*NOT_METRICS, *(p for _, p in patterns(ROWS))])
def test_a_varying_part_is_a_whole_token(pattern: str) -> None:
    assert all(re.fullmatch(r"<\w+>|[\w-]+", token) for token in pattern.split("."))
    assert len(set(parts(pattern))) == len(parts(pattern))


def test_a_field_is_a_metric_or_none_but_not_both() -> None:
    assert len(set(NOT_METRICS)) == len(NOT_METRICS)
    assert [
        (field, pattern)
        for field in NOT_METRICS
        for _, pattern in patterns(ROWS)
        if is_covered(pattern, field)
    ] == []


def test_a_histogram_s_totals_are_counters_of_the_same_group() -> None:
    for group in GROUPS:
        counters = {row.field: row for row in group.rows if isinstance(row, Stat)}
        for row in group.rows:
            if not isinstance(row, LatencyHistogram):
                continue
            assert (row.count_field is None) == (row.sum_field is None)
            if row.count_field is not None and row.sum_field is not None:
                assert counters[row.count_field].type == COUNTER
                assert counters[row.count_field].scale == UNIT
                assert counters[row.sum_field].type == COUNTER
                assert counters[row.sum_field].scale == NANOSECONDS


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.stats.name)
def test_a_group_is_one_switch_and_one_bit(group: Group) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", group.collector)
    assert group.stats.bit_count() == 1
    assert group.rows


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.stats.name)
def test_the_configuration_has_the_collector_on_unless_it_is_opt_in(group: Group) -> None:
    section, name = group.collector.split(".")
    default = getattr(getattr(Config().collectors, section), name)
    assert default is not group.opt_in


def test_families_are_distinct() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(isinstance(family, Family) for family in FAMILIES)


# The specification fixes this name, and promtool wants `_count` for histograms and summaries alone.
LINT_OF_A_SPECIFIED_NAME = (
    "libvirt_domain_vcpu_count non-histogram and non-summary metrics "
    'should not have "_count" suffix\n'
)


def test_promtool_complains_about_nothing_but_the_one_specified_name() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    page = "".join(text_format(entry) for entry in ENTRIES)
    lint = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert lint.stdout + lint.stderr == LINT_OF_A_SPECIFIED_NAME


def text_format(entry: Entry) -> str:
    labels = ",".join(f'{label}="x"' for label in entry.labels)
    kind = GAUGE if entry.type == INFO else entry.type
    lines = [f"# HELP {entry.name} {entry.help}", f"# TYPE {entry.name} {kind}"]
    if entry.type == HISTOGRAM:
        lines.append(f'{entry.name}_bucket{{{labels},le="+Inf"}} 1')
        lines += [f"{entry.name}_{suffix}{{{labels}}} 1" for suffix in ("sum", "count")]
    else:
        lines.append(f"{entry.name}{{{labels}}} 1")
    return "\n".join(lines) + "\n"
