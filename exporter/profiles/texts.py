"""What a profile's texts are on one page: a series' own labels, and those of series that are looked up."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.exposition import Page
from exporter.page_reader import Series, read_line
from exporter.profiles.rows import (
    VALUE,
    Before,
    Behind,
    Cases,
    Constant,
    Found,
    Lookup,
    Only,
    Own,
    Rank,
    Text,
    Version,
)

__all__ = ["Line", "Source", "Table"]

Line = tuple[bytes, bytes, bytes]
"""The text before a value, a blank, the value."""


class Table:
    """The series of a lookup's family, by their keys, as the last page had them."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._lines = b""
        self._series: dict[str, Series] = {}
        self._found: dict[tuple[str, ...], Series] = {}
        self._ranks: dict[tuple[str, ...], int] = {}
        self.version = 0
        """Changes with every change of a series or a value."""
        self.changed: frozenset[str] = frozenset()
        """First keys of the series that the last change was about."""

    def read(self, lines: bytes) -> None:
        if lines == self._lines:
            return
        self._lines = lines
        known, self._series = self._series, {}
        for line in lines.decode().split("\n")[:-1]:
            self._series[line] = known.get(line) or read_line(line)
        old, self._found = self._found, {}
        self._ranks = {}
        counts: dict[str, int] = {}
        for series in self._series.values():
            key = tuple(series.labels.get(label, "") for label in self._lookup.keys)
            if key not in self._found:
                self._found[key] = series
                self._ranks[key] = counts.get(key[0], 0)
                counts[key[0]] = self._ranks[key] + 1
        self.version += 1
        self.changed = frozenset(
            key[0]
            for key in old.keys() | self._found.keys()
            if old.get(key) is not self._found.get(key)
        )

    def text(self, key: tuple[str, ...], label: str) -> str | None:
        """A label of the series with this key, or its value; None where there is no such series."""
        series = self._found.get(key)
        if series is None:
            return None
        return series.value if label == VALUE else series.labels.get(label, "")

    def rank(self, key: tuple[str, ...]) -> str | None:
        rank = self._ranks.get(key)
        return None if rank is None else str(rank)


class Source:
    """One page to read from: each family's lines are taken apart once."""

    def __init__(self, page: Page, tables: Mapping[Lookup, Table], now: float) -> None:
        self.tables = tables
        self.now = now
        self._page = page
        self._lines: dict[str, list[Line]] = {}

    def lines(self, family: str) -> list[Line]:
        """Text before the value, a blank, the value; for each series."""
        lines = self._lines.get(family)
        if lines is None:
            whole = self._page.lines(family).split(b"\n")
            lines = self._lines[family] = [line.rpartition(b" ") for line in whole[:-1]]
        return lines

    def values(self, family: str, label: str) -> dict[str, str]:
        """The value of each series by one of its labels, which tells them apart."""
        every = (read_line(b"".join(line).decode()) for line in self.lines(family))
        return {series.labels[label]: series.value for series in every}

    def text(self, text: Text, series: Series) -> str | None:
        """What a text is for a series; None leaves the series out."""
        match text:
            case Own(label):
                return series.labels.get(label)
            case Constant(constant):
                return constant
            case Found(lookup, label, by=by, default=default):
                found = self.tables[lookup].text(self._key(lookup, by, series), label)
                return default if found is None else found
            case Rank(lookup):
                return self.tables[lookup].rank(self._key(lookup, (), series))
            case Cases(of, cases, otherwise):
                return self.text(cases.get(self.text(of, series) or "", otherwise), series)
            case Before(of) | Behind(of) | Version(of):
                return _derived(text, self.text(of, series) or "")

    def has(self, only: Only, series: Series) -> bool:
        return (self.text(only.text, series) in only.among) != only.but

    def _key(self, lookup: Lookup, by: tuple[Text, ...], series: Series) -> tuple[str, ...]:
        if by:
            return tuple(self.text(one, series) or "" for one in by)
        return tuple(series.labels.get(label, "") for label in lookup.keys)


def _derived(text: Before | Behind | Version, of: str) -> str | None:
    match text:
        case Before(_, separator):
            before, is_there, _ = of.partition(separator)
            return before if is_there else ""
        case Behind(_, separator):
            return of.split(separator, 1)[-1]
        case Version():
            return _version_number(of)


def _version_number(text: str) -> str | None:
    """`9.0.1` as 9000001; None for what is no version."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    major, minor, micro = map(int, parts)
    return str(major * 1_000_000 + minor * 1_000 + micro)
