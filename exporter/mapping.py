"""From a domain's statistics record to its series, by the metric tables. Pure.

A `Plan` says which series a record gives, from which of its values, and on what that rests. It holds
for every domain whose record has the same layout and the same few values that decide: hundreds of
domains of one shape share one plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from weakref import WeakKeyDictionary

from exporter.exposition import Labels, render_float, render_value, valid_text
from exporter.field_patterns import FieldPatterns
from exporter.metrics.rows import (
    GAUGE,
    HISTOGRAM,
    NANOSECONDS,
    UNIT,
    Family,
    Group,
    Instance,
    LatencyHistogram,
    Quirk,
    Row,
    Scale,
    Stat,
    StateReason,
    StateSet,
)
from libvirt_rpc.enums import DomainState, DomainStatsTypes, TypedParameterType, domain_state_reason
from libvirt_rpc.protocol.domain_stats import DomainStats, Layout
from libvirt_rpc.protocol.typed_params import TypedValue

Values = tuple[TypedValue, ...]

STATE_FIELD = "state.state"
_NOT_WHOLE = frozenset({TypedParameterType.STRING, TypedParameterType.DOUBLE})

BIN = "bin"
"""The varying part that numbers a histogram's bins; it becomes no label of its own."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A label's value that differs from domain to domain: `slots_of` has it at `index`."""

    index: int


DOMAIN, UUID, HYPERVISOR = Slot(0), Slot(1), Slot(2)
_OWN_SLOTS = 3

PlannedLabels = tuple[tuple[str, str | Slot], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the page: the sum of the record's `values[i]` for i in `indices`, scaled.

    Without indices it is `constant`.
    """

    family: Family
    labels: PlannedLabels
    indices: tuple[int, ...] = ()
    scale: Scale = UNIT
    constant: int = 0
    suffix: str = ""

    def labels_for(self, slots: Sequence[str]) -> Labels:
        return _resolved(self.labels, slots)

    def value_for(self, values: Values) -> str:
        if not self.indices:
            return str(self.constant)
        if len(self.indices) == 1:
            return render_value(values[self.indices[0]], self.scale)
        return render_value(sum([int(values[i]) for i in self.indices]), self.scale)


def _resolved(labels: PlannedLabels, slots: Sequence[str]) -> Labels:
    return tuple(
        (name, slots[value.index] if isinstance(value, Slot) else value) for name, value in labels
    )


@dataclass(frozen=True, slots=True)
class Guard:
    """A yes or no about a record's values that a plan rests on."""

    check: Callable[[Values], bool]
    expected: bool


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The series of a record: it holds for a record of `layout` whose values at `discrete` are the
    `expected` ones, of which the guards are true, and whose label texts repeat in the same places.

    `texts` are the positions of the values that fill the slots behind the domain's own; where some of
    them are filtered, `filters` say which may be seen: that too is the same for all.
    """

    layout: Layout
    series: tuple[Series, ...]
    discrete: tuple[int, ...]
    expected: Values
    texts: tuple[int, ...]
    repeats: tuple[int, ...]
    guards: tuple[Guard, ...]
    filters: tuple[Guard, ...] = ()

    def holds_for(self, record: DomainStats) -> bool:
        """Whether planning `record` anew would give the same."""
        values = record.values
        return (
            record.layout is self.layout
            and tuple([values[i] for i in self.discrete]) == self.expected
            and self.guards_hold(values)
            and all(guard.check(values) is guard.expected for guard in self.filters)
            and _repeats(values, self.texts) == self.repeats
        )

    def guards_hold(self, values: Values) -> bool:
        return all(guard.check(values) is guard.expected for guard in self.guards)

    def slots_of(self, record: DomainStats, hypervisor: str) -> tuple[str, ...]:
        """What the slots of the labels are for this record."""
        domain = record.domain
        return (domain.name, str(domain.uuid), hypervisor, *_texts(record.values, self.texts))


def _texts(values: Values, positions: Iterable[int]) -> list[str]:
    """The values as a page shows them in labels: numbers too can tell series apart."""
    chosen = [values[i] for i in positions]
    return [valid_text(one) if isinstance(one, str) else str(int(one)) for one in chosen]


def _repeats(values: Values, positions: Iterable[int]) -> tuple[int, ...]:
    """For each text the place where it stood first: which of them are the same, not what they are."""
    first: dict[str, int] = {}
    texts = _texts(values, positions)
    return tuple([first.setdefault(text, place) for place, text in enumerate(texts)])


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a layout that has a row: where its value stands and what its varying parts are."""

    row: Row
    index: int
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the tables make of a layout."""

    fields: tuple[_Field, ...]
    positions: dict[str, int]
    """Of the fields that can tell series apart: texts and whole numbers."""
    numbers: dict[str, int]
    """Of the fields that hold whole numbers."""
    unknown: tuple[str, ...]


class Mapping:
    """The tables, made ready for one choice of collectors. `stats` is what to ask libvirt for.

    `shows` has labels of which not every value is shown. `own_groups` are the operator's: always on, and
    beside the tables, whose rows for the same field stay.
    """

    def __init__(
        self,
        groups: Iterable[Group],
        instances: Iterable[Instance],
        not_metrics: Iterable[str],
        quirks: Iterable[Quirk],
        *,
        collectors: frozenset[str],
        own_groups: Iterable[Group] = (),
        shows: MappingOf[str, Callable[[str], bool]] = MappingProxyType({}),
    ) -> None:
        self._groups = tuple(groups)
        self.shows = shows
        self.instances = {instance.part: instance for instance in instances}
        self.quirks = tuple(quirks)
        self._rows = FieldPatterns()
        # One a row: none of them takes a field from another.
        self._own_rows: list[FieldPatterns] = []
        self._known = FieldPatterns()
        self._families: dict[str, Family] = {}
        self._shapes: WeakKeyDictionary[Layout, _Shape] = WeakKeyDictionary()
        # The state decides what else can be believed, and costs libvirt nothing.
        self.stats = DomainStatsTypes.STATE
        for pattern in not_metrics:
            self._known.add(pattern, None)
        for group in self._groups:
            enabled = group.collector in collectors
            if enabled:
                self.stats |= group.stats
            for row in group.rows:
                self._add(row, enabled=enabled)
        for group in own_groups:
            self.stats |= group.stats
            for row in group.rows:
                self._add_own(row)

    def _add(self, row: Row, *, enabled: bool) -> None:
        pattern = f"{row.bins}.bin.<bin>.start" if isinstance(row, LatencyHistogram) else row.field
        self._known.add(pattern, row)
        if isinstance(row, LatencyHistogram):
            self._known.add(f"{row.bins}.bin.<bin>.value", row)
        if enabled:
            self._rows.add(pattern, row)
            self._families.setdefault(row.metric, _family(row))

    def _add_own(self, row: Row) -> None:
        assert isinstance(row, Stat)
        self._known.add(row.field, row)
        pattern = FieldPatterns()
        pattern.add(row.field, row)
        self._own_rows.append(pattern)
        self._families.setdefault(row.metric, _family(row))

    @property
    def families(self) -> tuple[Family, ...]:
        """Every family that a page may show, in the tables' order."""
        return tuple(self._families.values())

    def family(self, metric: str) -> Family:
        return self._families[metric]

    def unknown_fields(self, layout: Layout) -> tuple[str, ...]:
        """Fields of the layout that no table knows."""
        return self._shape(layout).unknown

    def plan(self, record: DomainStats) -> Plan:
        """The series of a record, in the order of its fields; no two are the same."""
        return _Planner(self, self._shape(record.layout), record).plan()

    def _shape(self, layout: Layout) -> _Shape:
        shape = self._shapes.get(layout)
        if shape is None:
            shape = self._shapes[layout] = self._make_shape(layout)
        return shape

    def _make_shape(self, layout: Layout) -> _Shape:
        fields: list[_Field] = []
        unknown = []
        for index, (name, kind) in enumerate(zip(layout.fields, layout.types, strict=True)):
            if not self._known.find(name):
                unknown.append(name)
            fields += [
                _Field(row, index, parts)  # type: ignore[arg-type]  # rows are what was added
                for patterns in (self._rows, *self._own_rows)
                for parts, row in patterns.find(name)
                if kind not in _NOT_WHOLE
                or (kind is TypedParameterType.DOUBLE and isinstance(row, Stat))
            ]
        positions: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for index, (name, kind) in enumerate(zip(layout.fields, layout.types, strict=True)):
            if kind is not TypedParameterType.DOUBLE:
                positions.setdefault(name, index)
            if kind not in _NOT_WHOLE:
                numbers.setdefault(name, index)
        return _Shape(tuple(fields), positions, numbers, tuple(unknown))


class _Planner:
    """Makes one plan; collects what it rests on while it goes."""

    def __init__(self, mapping: Mapping, shape: _Shape, record: DomainStats) -> None:
        self._mapping = mapping
        self._shape = shape
        self._record = record
        self._discrete: dict[int, None] = {}
        self._texts: dict[int, Slot] = {}
        self._guards: list[Guard] = []
        self._filters: list[Guard] = []
        self._labels: dict[tuple[tuple[str, str], ...], PlannedLabels | None] = {}
        self._histograms: set[tuple[str, Labels]] = set()

    def plan(self) -> Plan:
        dropped = self._dropped_prefixes()
        planned: list[Series] = []
        for field in self._shape.fields:
            if dropped and self._record.layout.fields[field.index].startswith(dropped):
                continue
            labels = self._labels_of(field.parts)
            if labels is not None:
                planned += self._series(field, labels)
        values = self._record.values
        return Plan(
            self._record.layout,
            tuple(self._without_repetition(planned)),
            tuple(self._discrete),
            tuple([values[i] for i in self._discrete]),
            tuple(self._texts),
            _repeats(values, self._texts),
            tuple(self._guards),
            tuple(self._filters),
        )

    def _without_repetition(self, planned: Iterable[Series]) -> Iterator[Series]:
        """The first of each series: two disks may bear one name."""
        seen = set()
        slots = self._slots()
        for series in planned:
            key = (series.family.name, series.suffix, series.labels_for(slots))
            if key not in seen:
                seen.add(key)
                yield series

    def _slots(self) -> tuple[str, ...]:
        # What the domain's own slots hold cannot make two of its series the same or different.
        return ("", "", "", *_texts(self._record.values, self._texts))

    def _number(self, index: int) -> int:
        """A value that the plan rests on."""
        self._discrete[index] = None
        return int(self._record.values[index])

    def _dropped_prefixes(self) -> tuple[str, ...]:
        position = self._shape.numbers.get(STATE_FIELD)
        if position is None:
            return ()
        state = self._number(position)
        return tuple(quirk.prefix for quirk in self._mapping.quirks if state in quirk.states)

    def _labels_of(self, parts: dict[str, str]) -> PlannedLabels | None:
        """The labels of a field with these varying parts; None where one has no value."""
        if not parts:
            return (("domain", DOMAIN), ("uuid", UUID), ("hypervisor", HYPERVISOR))
        key = tuple(parts.items())
        if key not in self._labels:
            self._labels[key] = self._find_labels(parts)
        return self._labels[key]

    def _find_labels(self, parts: dict[str, str]) -> PlannedLabels | None:
        labels: list[tuple[str, str | Slot]] = [("domain", DOMAIN), ("uuid", UUID)]
        for part, token in parts.items():
            if part == BIN:
                continue
            for label, pattern in self._mapping.instances[part].labels:
                value = (
                    valid_text(token) if pattern is None else self._text(_filled(pattern, parts))
                )
                if value is None or not self._is_shown(label, value):
                    return None
                labels.append((label, value))
        return tuple(labels)

    def _is_shown(self, label: str, value: str | Slot) -> bool:
        shows = self._mapping.shows.get(label)
        if shows is None:
            return True
        if not isinstance(value, Slot):
            return shows(value)
        position = list(self._texts)[value.index - _OWN_SLOTS]
        check = partial(_shows_text, shows, position)
        is_shown = check(self._record.values)
        self._filters.append(Guard(check, expected=is_shown))
        return is_shown

    def _text(self, field: str) -> Slot | None:
        position = self._shape.positions.get(field)
        if position is None:
            return None
        return self._texts.setdefault(position, Slot(_OWN_SLOTS + len(self._texts)))

    def _series(self, field: _Field, labels: PlannedLabels) -> Iterator[Series]:
        match field.row:
            case Stat() as row:
                yield from self._stat(row, field.index, labels)
            case StateSet() as row:
                family = self._mapping.family(row.metric)
                present = self._number(field.index)
                for member in row.enum:
                    yield Series(
                        family,
                        (*labels, (row.label, member.label)),
                        constant=int(member == present),
                    )
                if present not in set(row.enum):
                    yield Series(
                        family, (*labels, (row.label, row.enum(present).label)), constant=1
                    )
            case StateReason() as row:
                yield from self._reason(row, field.index, labels)
            case LatencyHistogram() as row:
                if field.parts[BIN] == "0" and self._is_first(row, labels):
                    yield from self._histogram(row, field.parts, labels)

    def _stat(self, row: Stat, index: int, labels: PlannedLabels) -> Iterator[Series]:
        if row.absent_if_zero:
            is_zero = partial(_is_zero, index)
            zero = is_zero(self._record.values)
            self._guards.append(Guard(is_zero, expected=zero))
            if zero:
                return
        yield Series(self._mapping.family(row.metric), (*labels, *row.labels), (index,), row.scale)

    def _reason(self, row: StateReason, index: int, labels: PlannedLabels) -> Iterator[Series]:
        position = self._shape.numbers.get(row.state_field)
        if position is None:
            return
        state = DomainState(self._number(position))
        reason = domain_state_reason(state, self._number(index))
        named = (*labels, ("state", state.label), ("reason", reason.label))
        yield Series(self._mapping.family(row.metric), named, constant=1)

    def _is_first(self, row: LatencyHistogram, labels: PlannedLabels) -> bool:
        """Whether no histogram of this name was planned: parts of two would make none together."""
        key = (row.metric, _resolved(labels, self._slots()))
        if key in self._histograms:
            return False
        self._histograms.add(key)
        return True

    def _histogram(
        self, row: LatencyHistogram, parts: dict[str, str], labels: PlannedLabels
    ) -> Iterator[Series]:
        """Buckets from bins: a bin's upper edge is the next bin's lower one, counts are added up."""
        family = self._mapping.family(row.metric)
        prefix = f"{_filled(row.bins, parts)}.bin"
        numbers = self._shape.numbers
        counts: list[int] = []
        edges: list[int] = []
        while (value := numbers.get(f"{prefix}.{len(counts)}.value")) is not None:
            counts.append(value)
            start = numbers.get(f"{prefix}.{len(counts)}.start")
            if start is None:
                break
            edges.append(self._number(start))
        # Behind the last bin there is no edge.
        del edges[len(counts) - 1 :]
        if not counts or edges != sorted(set(edges)):
            return
        bounds = [*[render_float(edge / NANOSECONDS.divisor) for edge in edges], "+Inf"]
        for index, bound in enumerate(bounds):
            indices = tuple(counts[: index + 1])
            yield Series(family, (*labels, ("le", bound)), indices, suffix="_bucket")
        if row.count_field is None or row.sum_field is None:
            return
        total = numbers.get(_filled(row.count_field, parts))
        time = numbers.get(_filled(row.sum_field, parts))
        if total is None or time is None:
            return
        complete = partial(_adds_up, tuple(counts), total)
        whole = complete(self._record.values)
        self._guards.append(Guard(complete, expected=whole))
        if whole:
            yield Series(family, labels, (time,), NANOSECONDS, suffix="_sum")
            yield Series(family, labels, tuple(counts), suffix="_count")


def _shows_text(shows: Callable[[str], bool], position: int, values: Values) -> bool:
    return shows(*_texts(values, (position,)))


def _is_zero(index: int, values: Values) -> bool:
    return values[index] == 0


def _adds_up(counts: tuple[int, ...], total: int, values: Values) -> bool:
    return sum(int(values[i]) for i in counts) == values[total]


def _filled(pattern: str, parts: dict[str, str]) -> str:
    """The pattern with the varying parts put in."""
    return ".".join(
        parts[token.strip("<>")] if token.startswith("<") else token for token in pattern.split(".")
    )


def _family(row: Row) -> Family:
    match row:
        case Stat():
            return Family(row.metric, row.type, row.help)
        case StateSet():
            return Family(row.metric, GAUGE, row.help)
        case StateReason():
            # No info family: OpenMetrics would know it as libvirt_domain_state_reason, which is another.
            return Family(row.metric, GAUGE, row.help)
        case LatencyHistogram():
            return Family(row.metric, HISTOGRAM, row.help)
