"""A page of ours to one that has other exporters' families: the interpreter of the profiles' rows.

Of each of our series a row makes one line, whose text before the value is kept: it stays as long as what
it is looked up in does. A page whose values alone changed costs a look at each line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Context, Decimal

from exporter import metrics
from exporter.exposition import Labels, Page, escape_label_value, render_labels, render_value
from exporter.metrics.rows import UNIT, Family, Scale
from exporter.page_reader import read_line
from exporter.profiles.rows import (
    Age,
    Lookup,
    Only,
    Row,
    Scaled,
    UsedPercent,
    Written,
    lookups_of,
)
from exporter.profiles.tables import NATIVE, PROFILES, means_the_same
from exporter.profiles.texts import Line, Source, Table

__all__ = ["Translation", "scaled"]

_EXACT = Context(prec=64)
"""A 64-bit number of nanoseconds, and some more."""

_KEPT_PREFIXES = ("libvirt_exporter_", "libvirt_connection_")
"""The exporter's word about itself, which is there under every profile."""

_OURS = "libvirt_"

MOST_CHANGES = 32
"""Of more domains at once everything is made anew, which is then quicker."""


class Translation:
    """Makes the pages of one hypervisor; `labels` are those that all its samples carry."""

    def __init__(
        self,
        profiles: Sequence[str],
        *,
        labels: Labels = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._has_native = NATIVE in profiles
        self._clock = clock
        self._tables: dict[Lookup, Table] = {}
        rows = [row for name in profiles if name in PROFILES for row in PROFILES[name].rows]
        native = _native_names() if self._has_native else frozenset()
        self._rows = _united([row for row in rows if row.name not in native], labels)
        self._beside_ours = _beside_ours([row for row in rows if row.name in native])
        self._all: list[_TranslatedRow | _WidenedFamily] = [*self._rows]
        self._all += self._beside_ours.values()
        for one in self._all:
            self._tables |= {lookup: Table(lookup) for lookup in one.kept.lookups}

    @property
    def kept_lines(self) -> int:
        """Beginnings of lines that are kept for the next page."""
        return sum(one.kept.count for one in self._all)

    def __call__(self, page: Page) -> Page:
        """The page under the profiles' names; `page` itself stays as it is."""
        for lookup, table in self._tables.items():
            table.read(page.lines(lookup.family))
        source = Source(page, self._tables, self._clock())
        made = Page()
        for family in page.families:
            beside = self._beside_ours.get(family.name)
            if beside is not None:
                made.add_lines(family, beside.lines(source))
            elif self._has_native or not _is_ours(family.name):
                made.add_lines(family, page.lines(family.name))
        for row in self._rows:
            made.add_lines(row.family, row.lines(source))
        return made


def _native_names() -> frozenset[str]:
    stats = (row.metric for group in metrics.GROUPS for row in group.rows)
    return frozenset((*stats, *(family.name for family in metrics.FAMILIES)))


def _is_ours(name: str) -> bool:
    """Whether a family is one that the native profile alone shows; a plugin's is not."""
    return name.startswith(_OURS) and not name.startswith(_KEPT_PREFIXES)


def _united(rows: Sequence[Row], labels: Labels) -> list[_TranslatedRow]:
    """Rows that mean the same are one, which has whatever one of them has."""
    united: list[tuple[Row, list[tuple[Only, ...]]]] = []
    for row in rows:
        for known, selections in united:
            if means_the_same(row, known):
                selections.append(row.only)
                break
        else:
            united.append((row, [row.only]))
    return [_TranslatedRow(row, selections, labels) for row, selections in united]


def _beside_ours(rows: Sequence[Row]) -> dict[str, _WidenedFamily]:
    """Families that have our name and are made of ours, series by series."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        if row.source == row.name and not row.is_sum:
            by_name.setdefault(row.name, []).append(row)
    return {name: _WidenedFamily(name, rows) for name, rows in by_name.items()}


class _Kept:
    """What rows made of the text before the value, for as long as what they looked up stays as it is."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.lookups: dict[Lookup, bool] = {}
        for row in rows:
            for lookup, by_own in lookups_of(row).items():
                self.lookups[lookup] = self.lookups.get(lookup, True) and by_own
        self._versions = dict.fromkeys(self.lookups, 0)
        self._made: dict[bytes, bytes | None] = {}

    @property
    def count(self) -> int:
        return len(self._made)

    def of(self, source: Source, lines: Sequence[Line]) -> dict[bytes, bytes | None]:
        changed: set[str] = set()
        is_known = True
        for lookup, version in self._versions.items():
            table = source.tables[lookup]
            if table.version != version:
                self._versions[lookup] = table.version
                changed |= table.changed
                is_known = is_known and self.lookups[lookup] and table.version == version + 1
        if not is_known or len(changed) > MOST_CHANGES:
            self._made = {}
        elif changed:
            self._forget(changed)
        # Whatever is gone from the page stays here for a while, but not for ever.
        if len(self._made) > 2 * len(lines):
            self._made = {}
        return self._made

    def _forget(self, keys: Iterable[str]) -> None:
        """Drops what is of series with one of these texts among their labels."""
        quoted = (re.escape(f'"{escape_label_value(key)}"'.encode()) for key in keys)
        is_of_one = re.compile(b"|".join(quoted)).search
        self._made = {begin: made for begin, made in self._made.items() if not is_of_one(begin)}


class _TranslatedRow:
    """A row, or several that mean the same; `selections` are what each of them has."""

    def __init__(self, row: Row, selections: Sequence[tuple[Only, ...]], labels: Labels) -> None:
        self.family = Family(row.name, row.type, row.help, row.label_names)
        self._row = row
        self._selections = selections
        self._constants = tuple(one for one in labels if one[0] not in row.label_names)
        self.kept = _Kept([replace(row, only=only) for only in selections])
        self._finish = _finish(row)

    def lines(self, source: Source) -> bytes:
        lines = source.lines(self._row.source)
        if not lines:
            return b""
        made = self.kept.of(source, lines)
        values = []
        for prefix, blank, value in lines:
            try:
                begin = made[prefix]
            except KeyError:
                begin = made[prefix] = self._begin(b"".join((prefix, blank, value)), source)
            if begin is not None:
                values.append((begin, value))
        return self._finish(values, source)

    def _begin(self, line: bytes, source: Source) -> bytes | None:
        series = read_line(line.decode())
        if not any(all(source.has(one, series) for one in only) for only in self._selections):
            return None
        labels = [(name, source.text(text, series)) for name, text in self._row.labels]
        known = [(name, text) for name, text in labels if text is not None]
        if len(known) < len(labels):
            return None
        begin = f"{self._row.name}{render_labels((*known, *self._constants))} "
        match self._row.value:
            case Written(text, scale):
                number = source.text(text, series)
                if not number:
                    return None
                return f"{begin}{scaled(number, scale)}\n".encode()
            case UsedPercent():
                return f"{series.labels['uuid']} {begin}".encode()
            case Scaled() | Age():
                return begin.encode()


_Values = list[tuple[bytes, bytes]]


def _finish(row: Row) -> Callable[[_Values, Source], bytes]:
    """What puts the values behind what `_begin` made."""
    if row.is_sum:
        return _summed(row.value.scale if isinstance(row.value, Scaled) else UNIT)
    match row.value:
        case Scaled(scale):
            return _as_they_are if scale == UNIT else _each_scaled(scale)
        case Written():
            return lambda values, _: b"".join([begin for begin, _ in values])
        case Age():
            return _ages
        case UsedPercent(unused):
            return _percentages(unused)


def _as_they_are(values: _Values, _: Source) -> bytes:
    return b"".join([b"%b%b\n" % value for value in values])


def _each_scaled(scale: Scale) -> Callable[[_Values, Source], bytes]:
    def finish(values: _Values, _: Source) -> bytes:
        return b"".join(
            [b"%b%b\n" % (begin, scaled(value.decode(), scale).encode()) for begin, value in values]
        )

    return finish


def _summed(scale: Scale) -> Callable[[_Values, Source], bytes]:
    def summed(values: _Values, _: Source) -> bytes:
        sums: dict[bytes, Decimal] = {}
        for begin, value in values:
            sums[begin] = _EXACT.add(sums.get(begin, Decimal(0)), Decimal(value.decode()))
        return b"".join(
            [
                b"%b%b\n" % (begin, scaled(str(total), scale).encode())
                for begin, total in sums.items()
            ]
        )

    return summed


def _ages(values: _Values, source: Source) -> bytes:
    return b"".join(
        [
            b"%b%b\n"
            % (begin, render_value(max(0.0, round(source.now - float(value), 3))).encode())
            for begin, value in values
        ]
    )


def _percentages(unused: str) -> Callable[[_Values, Source], bytes]:
    def percentages(values: _Values, source: Source) -> bytes:
        rest = source.values(unused, "uuid") if values else {}
        return b"".join([line for value in values for line in _percentage(*value, rest)])

    return percentages


def _percentage(begin: bytes, value: bytes, rest: Mapping[str, str]) -> Iterator[bytes]:
    uuid, _, begin = begin.partition(b" ")
    whole, unused = float(value), rest.get(uuid.decode())
    if unused is not None and whole > 0:
        used = (whole - float(unused)) / (whole / 100)
        yield b"%b%b\n" % (begin, render_value(used).encode())


def scaled(number: str, scale: Scale) -> str:
    """A number in another unit, with all its digits. What is no finite number stays as it is."""
    if scale == UNIT and "E" not in number and "e" not in number:
        return number
    value = Decimal(number)
    if not value.is_finite():
        return number
    value = _EXACT.divide(_EXACT.multiply(value, Decimal(scale.multiplier)), Decimal(scale.divisor))
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _WidenedFamily:
    """A family of ours whose series get the labels that other exporters give them, beside ours."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self._name = name
        self._rows = rows
        self.kept = _Kept(rows)

    def lines(self, source: Source) -> bytes:
        lines = source.lines(self._name)
        made = self.kept.of(source, lines)
        parts = []
        for prefix, blank, value in lines:
            begin = made.get(prefix)
            if begin is None:
                begin = made[prefix] = self._begin(b"".join((prefix, blank, value)), source)
            parts.append(b"%b%b\n" % (begin, value))
        return b"".join(parts)

    def _begin(self, line: bytes, source: Source) -> bytes:
        series = read_line(line.decode())
        labels = dict(series.labels)
        for row in self._rows:
            if all(source.has(one, series) for one in row.only):
                for name, text in row.labels:
                    labels.setdefault(name, source.text(text, series) or "")
        return f"{series.name}{render_labels(labels.items())} ".encode()
