"""Which names a metric takes on a page: its own, those of its parts, its family's in OpenMetrics.

Two metrics that have one in common make a page that Prometheus may refuse. Pure.
"""

from __future__ import annotations

import re

from exporter.metrics import FAMILIES, GROUPS
from exporter.metrics.rows import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    INFO,
    LatencyHistogram,
    MetricType,
    Stat,
)

__all__ = ["METRIC_NAME", "OWN_PREFIXES", "is_own", "taken_names"]

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

OWN_PREFIXES = ("libvirt_exporter_", "process_", "python_")
"""Of metrics about the exporter's own process: nobody else's begin so."""

_SUFFIXES: dict[MetricType, tuple[str, ...]] = {
    COUNTER: ("_total", "_created"),
    INFO: ("_info",),
    HISTOGRAM: ("_bucket", "_count", "_sum", "_created"),
}


def taken_names(name: str, kind: MetricType) -> frozenset[str]:
    """Every name that the metric takes."""
    suffixes = _SUFFIXES.get(kind, ())
    base = name.removesuffix(suffixes[0]) if kind in (COUNTER, INFO) else name
    return frozenset({name, base, *(f"{base}{suffix}" for suffix in suffixes)})


def is_own(name: str, kind: MetricType) -> bool:
    """Whether the metric would get into the way of one of the exporter's."""
    return name.startswith(OWN_PREFIXES) or not _OWN.isdisjoint(taken_names(name, kind))


def _own_names() -> frozenset[str]:
    kinds = {family.name: family.type for family in FAMILIES}
    for group in GROUPS:
        for row in group.rows:
            match row:
                case Stat():
                    kinds[row.metric] = row.type
                case LatencyHistogram():
                    kinds[row.metric] = HISTOGRAM
                case _:
                    kinds[row.metric] = GAUGE
    return frozenset(taken for name, kind in kinds.items() for taken in taken_names(name, kind))


_OWN = _own_names()
