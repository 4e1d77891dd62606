"""The kinds of rows that the metric tables are made of: which libvirt field becomes which series.

A field pattern is the name of a typed parameter with its varying parts in angle brackets:
`block.<disk>.rd.bytes` stands for `block.0.rd.bytes`, `block.1.rd.bytes`, ... What a varying part
becomes on the page is said once, by an `Instance` row. Data only; `exporter.mapping` interprets it.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from libvirt_rpc.enums import DomainState, DomainStatsTypes, OpenIntEnum


class MetricType(StrEnum):
    """Prometheus' metric types, by their name in the text format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"
    """A gauge that is always 1 and carries labels; OpenMetrics has a type of its own for it."""
    UNTYPED = "untyped"


COUNTER = MetricType.COUNTER
GAUGE = MetricType.GAUGE
HISTOGRAM = MetricType.HISTOGRAM
INFO = MetricType.INFO
UNTYPED = MetricType.UNTYPED


@dataclass(frozen=True, slots=True)
class Scale:
    """From libvirt's unit to Prometheus' base unit: value * `multiplier` / `divisor`, one is 1."""

    multiplier: int = 1
    divisor: int = 1
    """A power of ten, so that a quotient is an exact decimal."""

    @property
    def decimals(self) -> int:
        """Digits behind the point that the divisor makes."""
        return len(str(self.divisor)) - 1


UNIT = Scale()
NANOSECONDS = Scale(divisor=10**9)
MILLISECONDS = Scale(divisor=10**3)
KIBIBYTES = Scale(multiplier=1024)
MEBIBYTES = Scale(multiplier=1024**2)


@dataclass(frozen=True, slots=True)
class Instance:
    """What the varying part `part` of a field becomes: labels, each the value of another field.

    A label whose field is None takes the text in the part's place (`vcpu.3.time` -> "3").
    A record without the field of a label gives no series: an unnamed disk could not be told apart.
    """

    part: str
    labels: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Stat:
    """One field, one metric. `labels` are constant labels of this row, such as operation="read"."""

    field: str
    metric: str
    type: MetricType
    help: str
    _: KW_ONLY
    scale: Scale = UNIT
    labels: tuple[tuple[str, str], ...] = ()
    absent_if_zero: bool = False
    """libvirt says 0 where it means unknown."""


@dataclass(frozen=True, slots=True)
class StateSet:
    """One series a member of `enum`: 1 for the present one, 0 for the others."""

    field: str
    metric: str
    help: str
    label: str
    enum: type[OpenIntEnum]


@dataclass(frozen=True, slots=True)
class StateReason:
    """The reason's name beside the state's, for the present state only: always 1."""

    field: str
    metric: str
    help: str
    state_field: str


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """`<bins>.bin.<n>.start` (lower edge, ns) and `.value` (requests in this bin alone).

    Since libvirt 12.1. `count_field` and `sum_field` are the totals of the same operation: they
    give `_count` and `_sum` where the bins hold just as many requests, that is, where the
    histogram was there from the start.
    None where libvirt has no such total.
    """

    bins: str
    metric: str
    help: str
    count_field: str | None
    sum_field: str | None


Row = Stat | StateSet | StateReason | LatencyHistogram


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are switched together, by `collector`, which asks libvirt for `stats`."""

    collector: str
    stats: DomainStatsTypes
    rows: tuple[Row, ...]
    _: KW_ONLY
    opt_in: bool = False
    """Off unless asked for: costly, or of use to few."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric that comes from no statistics field: code fills it in. `labels` is all of them."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FamilyGroup:
    """Families that one switch switches, by its name in the configuration; empty is always on."""

    collector: str
    families: tuple[Family, ...]
    _: KW_ONLY
    opt_in: bool = False


@dataclass(frozen=True, slots=True)
class Quirk:
    """Fields that some daemons report wrongly: dropped for a domain in one of `states`.

    `fixture` is the trace that shows it, below fixtures/.
    """

    prefix: str
    states: frozenset[DomainState]
    reason: str
    fixture: str
