"""The kinds of rows of a profile: which series of ours becomes which series under another exporter's names.

Data only; `exporter.profiles.translation` interprets it. A text (`Text`) is made of a series of ours:
of its own labels, or of those of another series that is looked up by what the two have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass

from exporter.metrics.rows import UNIT, MetricType, Scale

__all__ = [
    "VALUE",
    "Age",
    "Before",
    "Behind",
    "Cases",
    "Constant",
    "Found",
    "Lookup",
    "Need",
    "Only",
    "Own",
    "Profile",
    "Rank",
    "Row",
    "Scaled",
    "Text",
    "UsedPercent",
    "Version",
    "Written",
    "lookups_of",
]

VALUE = "="
"""Stands for a series' value where a label's name is asked for."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The series of `family` by their labels `keys`; of several the first counts."""

    family: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """A label of the series itself; a series without it has no row."""

    label: str


@dataclass(frozen=True, slots=True)
class Constant:
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A label of the series that is found by `by`, which are the series' own labels unless given.

    `default` is for a series that is not there; None leaves the row out.
    """

    lookup: Lookup
    label: str
    _: KW_ONLY
    by: tuple[Text, ...] = ()
    default: str | None = ""


@dataclass(frozen=True, slots=True)
class Cases:
    """One text or another, by what a third is."""

    of: Text
    cases: Mapping[str, Text]
    otherwise: Text


@dataclass(frozen=True, slots=True)
class Before:
    """What stands before the first `separator`, or nothing."""

    of: Text
    separator: str


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the first `separator`, or all of it."""

    of: Text
    separator: str


@dataclass(frozen=True, slots=True)
class Rank:
    """The place of a series, from 0, among those of `lookup` that have the same first key."""

    lookup: Lookup


@dataclass(frozen=True, slots=True)
class Version:
    """`9.0.1` as libvirt's number 9000001."""

    of: Text


Text = Own | Constant | Found | Cases | Before | Behind | Rank | Version


@dataclass(frozen=True, slots=True)
class Scaled:
    """Our value in another unit, exactly."""

    scale: Scale = UNIT


@dataclass(frozen=True, slots=True)
class Written:
    """A number that a text is, in another unit."""

    text: Text
    scale: Scale = UNIT


@dataclass(frozen=True, slots=True)
class Age:
    """Seconds since our value, which is a time."""


@dataclass(frozen=True, slots=True)
class UsedPercent:
    """The part of our value that is not in `unused`, a family of one series a domain, of 100."""

    unused: str


Value = Scaled | Written | Age | UsedPercent


@dataclass(frozen=True, slots=True)
class Only:
    """The series for which `text` is one of `among`, or with `but` none of them."""

    text: Text
    among: frozenset[str]
    _: KW_ONLY
    but: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Each series of our family `source` that is in `only` becomes one of the family `name`."""

    name: str
    type: MetricType
    help: str
    source: str
    labels: tuple[tuple[str, Text], ...] = ()
    _: KW_ONLY
    value: Value = Scaled()
    only: tuple[Only, ...] = ()
    is_sum: bool = False
    """Series that get the same labels are added up; else they may not."""

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.labels)


@dataclass(frozen=True, slots=True)
class Need:
    """What lacks on the page when a collector's switch is off."""

    switch: str
    what: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One exporter's names."""

    name: str
    rows: tuple[Row, ...]
    needs: tuple[Need, ...]


def lookups_of(row: Row) -> Mapping[Lookup, bool]:
    """What a row is looked up in beside its source, and whether by its own labels alone."""
    texts = [text for _, text in row.labels]
    texts += [only.text for only in row.only]
    if isinstance(row.value, Written):
        texts.append(row.value.text)
    found: dict[Lookup, bool] = {}
    for text in texts:
        for lookup, by_own in _lookups(text):
            found[lookup] = found.get(lookup, True) and by_own
    return found


def _lookups(text: Text) -> Iterator[tuple[Lookup, bool]]:
    match text:
        case Own() | Constant():
            pass
        case Rank(lookup):
            yield lookup, True
        case Found(lookup, by=by):
            yield lookup, not by
            for one in by:
                yield from _lookups(one)
        case Cases(of, cases, otherwise):
            for one in (of, otherwise, *cases.values()):
                yield from _lookups(one)
        case Before(of) | Behind(of) | Version(of):
            yield from _lookups(of)
