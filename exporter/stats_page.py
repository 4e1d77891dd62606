"""Statistics records to lines of text, family by family: the plain way and the fast one.

A domain's series hardly change between two scrapes but for their values. The fast way keeps a plan
with its text for every shape of record, fills it once for every domain, and keeps each family's lines
as a template with holes for the values. The plain way plans and renders everything anew; it is the
oracle: both give the same bytes.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Self

from exporter.exposition import Labels, escape_label_value, render_value, series_name
from exporter.mapping import Mapping, Plan, Series, Slot, Values
from exporter.metrics.rows import Family, Scale
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol.domain_stats import DomainStats, Layout
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import Domain

Lines = list[tuple[Family, bytes]]


def render_plain(
    mapping: Mapping,
    records: Iterable[DomainStats],
    hypervisor: str,
    constant_labels: Labels = (),
) -> Lines:
    """Every family that has series, in the tables' order, with its lines in the records' order."""
    lines: dict[str, list[str]] = {family.name: [] for family in mapping.families}
    for record in records:
        plan = mapping.plan(record)
        slots = plan.slots_of(record, hypervisor)
        for series in plan.series:
            labels = (*series.labels_for(slots), *constant_labels)
            name = series_name(series.family, series.suffix, labels)
            lines[series.family.name].append(f"{name} {series.value_for(record.values)}\n")
    return [
        (family, "".join(lines[family.name]).encode())
        for family in mapping.families
        if lines[family.name]
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Hole:
    """How a value is written by bytes' own `%`: `text` stands in the template for it."""

    text: bytes
    scale: Scale
    is_exact: bool

    def fill(self, values: Sequence[TypedValue]) -> list[object]:
        """What `%` takes for these values, which all have this hole."""
        if not self.is_exact:
            return [render_value(value, self.scale).encode() for value in values]
        divisor, multiplier = self.scale.divisor, self.scale.multiplier
        if multiplier != 1:
            values = [value * multiplier for value in values]
        if divisor != 1:
            filling: list[object] = [None] * (2 * len(values))
            filling[0::2] = [value // divisor for value in values]  # type: ignore[operator]  # numbers
            filling[1::2] = [value % divisor for value in values]
            return filling
        return list(values)


_UNSIGNED = frozenset({TypedParameterType.UINT, TypedParameterType.ULLONG})
_SIGNED = frozenset({TypedParameterType.INT, TypedParameterType.LLONG})


def _hole(series: Series, layout: Layout) -> _Hole:
    types = {layout.types[i] for i in series.indices}
    scale = series.scale
    if scale.divisor != 1 and types <= _UNSIGNED:
        return _interned(f"%d.%0{scale.decimals}d".encode(), scale, is_exact=True)
    if scale.divisor == 1 and types <= _UNSIGNED | _SIGNED:
        return _interned(b"%d", scale, is_exact=True)
    return _interned(b"%b", scale, is_exact=False)


@functools.cache
def _interned(text: bytes, scale: Scale, *, is_exact: bool) -> _Hole:
    """One object a kind of hole, so that they are compared by identity."""
    return _Hole(text, scale, is_exact)


@dataclass(frozen=True, slots=True)
class _FamilyValues:
    """A family's values of one record: where each comes from (see mapping.Series) and its hole."""

    name: str
    indices: tuple[tuple[int, ...], ...]
    holes: tuple[_Hole, ...]
    only_hole: _Hole | None
    """The hole of all of them, where they have the same."""
    singles: tuple[int, ...] | None
    """The indices, where no value is a sum of several."""

    @classmethod
    def of(cls, name: str, indices: Sequence[tuple[int, ...]], holes: Sequence[_Hole]) -> Self:
        only = holes[0] if len(set(holes)) == 1 else None
        has_sums = any(len(one) > 1 for one in indices)
        singles = None if has_sums else tuple([one[0] for one in indices])
        return cls(name, tuple(indices), tuple(holes), only, singles)


# No byte of UTF-8 is 0xff, so it can stand between the families of a text that is filled as one.
_BETWEEN = b"\xff"


class _PlanText:
    """A plan's lines with slots for what differs from domain to domain and holes for the values."""

    def __init__(self, plan: Plan, constant_labels: Labels) -> None:
        self.plan = plan
        by_family: dict[str, list[Series]] = {}
        for series in plan.series:
            by_family.setdefault(series.family.name, []).append(series)
        slots: list[int] = []
        texts = []
        values = []
        for name, lines in by_family.items():
            indices = []
            holes = []
            text = b""
            for series in lines:
                text += self._line_start(series, constant_labels, slots)
                if series.indices:
                    hole = _hole(series, plan.layout)
                    text += hole.text.replace(b"%", b"%%") + b"\n"
                    indices.append(series.indices)
                    holes.append(hole)
                else:
                    text += b"%d\n" % series.constant
            texts.append(text)
            values.append(_FamilyValues.of(name, indices, holes))
        self.values = tuple(values)
        self._template = _BETWEEN.join(texts)
        self._slots = slots

    def _line_start(self, series: Series, constant_labels: Labels, slots: list[int]) -> bytes:
        labels = []
        for name, value in (*series.labels, *constant_labels):
            if isinstance(value, Slot):
                slots.append(value.index)
                labels.append(f'{name}="%b"')
            else:
                # Once for the slots, once for the values.
                escaped = escape_label_value(value).replace("%", "%%%%")
                labels.append(f'{name}="{escaped}"')
        return f"{series.family.name}{series.suffix}{{{','.join(labels)}}} ".encode()

    def fill(self, slots: Sequence[str]) -> list[bytes]:
        """The lines of one domain, family by family as in `values`, with only the holes left."""
        escaped = [escape_label_value(text).replace("%", "%%").encode() for text in slots]
        return (self._template % tuple([escaped[i] for i in self._slots])).split(_BETWEEN)


class _DomainLines:
    """One domain's lines, for as long as its plan, its name and its labels' texts stay."""

    __slots__ = ("_chosen", "_expected", "_slots", "domain", "text")

    def __init__(self, text: _PlanText, record: DomainStats, hypervisor: str) -> None:
        self.text = text
        self.domain: Domain = record.domain
        plan = text.plan
        positions = (*plan.discrete, *plan.texts)
        self._chosen = _picker(positions)
        self._expected = self._chosen(record.values)
        self._slots = plan.slots_of(record, hypervisor)

    def fill(self) -> list[bytes]:
        """The lines, family by family as in `text.values`; made anew, for they are many and seldom needed."""
        return self.text.fill(self._slots)

    def hold_for(self, record: DomainStats) -> bool:
        # The texts are the same ones, so that what is filtered by them is the same too.
        plan = self.text.plan
        return (
            record.layout is plan.layout
            and (record.domain is self.domain or record.domain == self.domain)
            and self._chosen(record.values) == self._expected
            and (not plan.guards or plan.guards_hold(record.values))
        )


@dataclass(slots=True)
class _FamilyTemplate:
    """A family's lines of all domains, and what fills their holes."""

    family: Family
    template: bytes
    values_of: Callable[[Sequence[TypedValue]], Values]
    holes: tuple[_Hole, ...]
    """One for each value, or a single one for all."""
    last_values: Values | None = None
    last_lines: bytes = b""

    def fill(self, values: Sequence[TypedValue]) -> bytes:
        mine = self.values_of(values)
        if mine != self.last_values:
            self.last_lines = self.template % tuple(self._filling(mine))
            self.last_values = mine
        return self.last_lines

    def _filling(self, mine: Values) -> list[object]:
        if len(self.holes) == 1:
            return self.holes[0].fill(mine)
        filled = [hole.fill((one,)) for hole, one in zip(self.holes, mine, strict=True)]
        return list(chain.from_iterable(filled))


class _FamilyParts:
    """A family's template while it is put together, run by run of domains that share their text."""

    __slots__ = ("lines", "positions", "runs")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.positions: list[int] = []
        self.runs: list[tuple[_FamilyValues, int]] = []

    def template(self, family: Family) -> _FamilyTemplate:
        only = {id(values.only_hole): values.only_hole for values, _ in self.runs}
        hole = next(iter(only.values())) if len(only) == 1 else None
        if hole is not None:
            holes: tuple[_Hole, ...] = (hole,)
        else:
            holes = tuple([one for values, times in self.runs for one in values.holes * times])
        return _FamilyTemplate(family, b"".join(self.lines), _picker(self.positions), holes)


class StatsPage:
    """The fast way; one object for one hypervisor. `render` gives what `render_plain` gives."""

    def __init__(self, mapping: Mapping, constant_labels: Labels = ()) -> None:
        self.mapping = mapping
        self._constant_labels = constant_labels
        self._hypervisor = ""
        self._texts: dict[Layout, list[_PlanText]] = {}
        self._domains: dict[uuid.UUID, _DomainLines] = {}
        self._shown: list[_DomainLines] = []
        self._templates: list[_FamilyTemplate] = []
        self._sums: list[tuple[int, ...]] = []

    def render(self, records: Sequence[DomainStats], hypervisor: str) -> Lines:
        """The lines of these records, of which no two are of the same domain."""
        if hypervisor != self._hypervisor:
            self._hypervisor = hypervisor
            self._domains = {}
        shown = [self._lines_of(record) for record in records]
        if shown != self._shown:
            self._keep(shown)
            self._make_templates(shown)
        values = list(chain.from_iterable([record.values for record in records]))
        for indices in self._sums:
            values.append(sum([int(values[i]) for i in indices]))
        return [(template.family, template.fill(values)) for template in self._templates]

    def _lines_of(self, record: DomainStats) -> _DomainLines:
        known = self._domains.get(record.domain.uuid)
        if known is not None and known.hold_for(record):
            return known
        return _DomainLines(self._text_of(record), record, self._hypervisor)

    def _text_of(self, record: DomainStats) -> _PlanText:
        texts = self._texts.setdefault(record.layout, [])
        for text in texts:
            if text.plan.holds_for(record):
                return text
        text = _PlanText(self.mapping.plan(record), self._constant_labels)
        texts.append(text)
        return text

    def _keep(self, shown: list[_DomainLines]) -> None:
        """Remembers what is shown now and forgets the rest."""
        self._shown = shown
        self._domains = {one.domain.uuid: one for one in shown}
        self._texts = {}
        for text in {id(one.text): one.text for one in shown}.values():
            self._texts.setdefault(text.plan.layout, []).append(text)

    def _make_templates(self, shown: Sequence[_DomainLines]) -> None:
        families: dict[str, _FamilyParts] = {}
        end = sum([len(one.text.plan.layout.fields) for one in shown])
        self._sums = []
        offset = 0
        for text, group in groupby(shown, key=lambda one: one.text):
            run = list(group)
            width = len(text.plan.layout.fields)
            offsets = [offset + width * place for place in range(len(run))]
            offset += width * len(run)
            filled = [one.fill() for one in run]
            for place, values in enumerate(text.values):
                parts = families.setdefault(values.name, _FamilyParts())
                parts.lines += [lines[place] for lines in filled]
                if values.singles is not None:
                    parts.positions += [start + i for start in offsets for i in values.singles]
                else:
                    parts.positions += [
                        self._position(i, start, end) for start in offsets for i in values.indices
                    ]
                if values.holes:
                    parts.runs.append((values, len(run)))
        self._templates = [
            families[family.name].template(family)
            for family in self.mapping.families
            if family.name in families
        ]

    def _position(self, indices: tuple[int, ...], offset: int, end: int) -> int:
        """Where a series' value stands among all records' values; sums stand behind them."""
        if len(indices) == 1:
            return offset + indices[0]
        self._sums.append(tuple([offset + i for i in indices]))
        return end + len(self._sums) - 1


def _picker(positions: Sequence[int]) -> Callable[[Sequence[TypedValue]], Values]:
    """The values at these positions, as a tuple however many there are."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda values: tuple([values[i] for i in positions])
