"""The catalogue of all metrics, rendered from the tables in `exporter.metrics`.

The metric tables go in, Markdown (docs/metrics.md) or JSON comes out. It never asks libvirt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from exporter.metrics import (
    DOMAIN_LABELS,
    FAMILY_GROUPS,
    GROUPS,
    INSTANCE_LABELS,
    INSTANCES,
    NOT_METRICS,
    QUIRKS,
)
from exporter.metrics.not_exported import NOT_EXPORTED
from exporter.metrics.rows import (
    GAUGE,
    HISTOGRAM,
    Group,
    LatencyHistogram,
    MetricType,
    Row,
    Stat,
    StateReason,
    StateSet,
)

__all__ = ["Entry", "entries", "label_names", "render_json", "render_markdown"]

_PART = re.compile(r"<(\w+)>")
_PART_LABELS = {instance.part: tuple(name for name, _ in instance.labels) for instance in INSTANCES}

_INTRODUCTION = """\
# Metrics

Made from the metric tables by `libvirt-exporter metrics`; do not edit.

A value that libvirt does not give is absent, never 0. Where several hypervisors are served on one
page, every sample also carries `host`, the configured name of the connection. In a field's name,
`<disk>`, `<vcpu>` and the like stand for the number or name that libvirt puts there."""

_PROCESS_METRICS = (
    "The usual `process_*` and `python_*` metrics of the exporter's own process are there too."
)

_HEAD = ("Metric", "Type", "Labels", "libvirt field", "Meaning")


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric. `fields` and `collector` are empty for what comes from no statistics field."""

    name: str
    type: MetricType
    labels: tuple[str, ...]
    help: str
    fields: tuple[str, ...]
    collector: str
    opt_in: bool


def label_names(row: Row) -> tuple[str, ...]:
    """All label names of the row's series: the domain's, those of the varying parts, its own."""
    parts = _PART.findall(_field(row))
    names: tuple[str, ...] = INSTANCE_LABELS if parts else DOMAIN_LABELS
    for part in parts:
        names += _PART_LABELS[part]
    return names + _own_labels(row)


def entries() -> tuple[Entry, ...]:
    """Every metric once, in the tables' order; the fields of its rows are together."""
    merged: dict[str, Entry] = {}
    for group in GROUPS:
        for row in group.rows:
            entry = _row_entry(group, row)
            known = merged.get(entry.name)
            if known is not None:
                entry = replace(known, fields=known.fields + entry.fields)
            merged[entry.name] = entry
    others = (
        Entry(
            family.name,
            family.type,
            family.labels,
            family.help,
            (),
            group.collector,
            opt_in=group.opt_in,
        )
        for group in FAMILY_GROUPS
        for family in group.families
    )
    return (*merged.values(), *others)


def render_json() -> str:
    """An array of objects with the attributes of `Entry`, in the order of `entries`."""
    return json.dumps([asdict(entry) for entry in entries()], indent=2) + "\n"


def render_markdown() -> str:
    return "\n".join(_markdown_lines())


def _row_entry(group: Group, row: Row) -> Entry:
    return Entry(
        row.metric,
        _type(row),
        label_names(row),
        row.help,
        (_field(row),),
        group.collector,
        group.opt_in,
    )


def _type(row: Row) -> MetricType:
    match row:
        case Stat():
            return row.type
        case LatencyHistogram():
            return HISTOGRAM
        case StateSet() | StateReason():
            return GAUGE


def _field(row: Row) -> str:
    return f"{row.bins}.bin.*" if isinstance(row, LatencyHistogram) else row.field


def _own_labels(row: Row) -> tuple[str, ...]:
    match row:
        case Stat():
            return tuple(name for name, _ in row.labels)
        case StateSet():
            return (row.label,)
        case StateReason():
            return ("state", "reason")
        case LatencyHistogram():
            return ()


def _markdown_lines() -> Iterator[str]:
    yield f"{_INTRODUCTION}\n"
    by_collector: dict[tuple[str, bool], list[Entry]] = {}
    for entry in entries():
        by_collector.setdefault((entry.collector, entry.opt_in), []).append(entry)
    for (collector, opt_in), section in by_collector.items():
        yield _section_title(collector, opt_in=opt_in)
        yield ""
        yield from _table(section)
        yield ""
    yield f"{_PROCESS_METRICS}\n"
    yield "## Values that are left out\n"
    for quirk in QUIRKS:
        states = ", ".join(state.label for state in sorted(quirk.states))
        yield f"- `{quirk.prefix}*` of a domain in one of the states {states}: {quirk.reason}"
    yield "\n## Fields that are no metric\n"
    yield "Counts of records, values of labels and descriptions:\n"
    for field in NOT_METRICS:
        yield f"- `{field}`"
    yield "\n## What peers export and this exporter does not\n"
    yield from _columns("What", "Where others have it from", "Why it is not here")
    for row in NOT_EXPORTED:
        yield _table_line(row.what, row.source, row.reason)
    yield ""


def _section_title(collector: str, *, opt_in: bool) -> str:
    if not collector:
        return "## Independent of any collector"
    return f"## Collector `{collector}` ({'opt-in' if opt_in else 'on by default'})"


def _table(section: list[Entry]) -> Iterator[str]:
    yield from _columns(*_HEAD)
    for entry in section:
        yield _table_line(
            f"`{entry.name}`",
            entry.type,
            _code_list(entry.labels),
            _code_list(entry.fields),
            entry.help,
        )


def _columns(*names: str) -> Iterator[str]:
    yield _table_line(*names)
    yield _table_line(*("---" for _ in names))


def _table_line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code_list(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
