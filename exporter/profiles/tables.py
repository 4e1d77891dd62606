"""Every profile by its name, and which of them cannot be shown on one page. Data and pure functions only.

`NATIVE` stands for the exporter's own names, which are not written down here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType

from exporter.profiles.inovex import INOVEX
from exporter.profiles.kumina import KUMINA
from exporter.profiles.rows import Profile, Row
from exporter.profiles.tinkoff import TINKOFF
from exporter.profiles.uos import UOS
from exporter.profiles.vexxhost import VEXXHOST

__all__ = ["NAMES", "NATIVE", "PROFILES", "Conflict", "conflicts", "means_the_same"]

NATIVE = "native"

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (TINKOFF, INOVEX, KUMINA, VEXXHOST, UOS)}
)

NAMES: tuple[str, ...] = (NATIVE, *PROFILES)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two profiles have the family `metric`, each in a form of its own."""

    first: str
    second: str
    metric: str

    def __str__(self) -> str:
        return f"{self.first} and {self.second} both have {self.metric}, which differ"


def conflicts(names: Sequence[str]) -> Iterator[Conflict]:
    """One for each pair of the profiles that cannot be together.

    The native names go with all: a family that another has of the same name, and of the same series, gets
    the labels of both; of one that it makes otherwise, the native one stays.
    """
    profiles = [PROFILES[name] for name in names if name in PROFILES]
    for first, second in combinations(profiles, 2):
        metric = next(_differing(first, second), None)
        if metric is not None:
            yield Conflict(first.name, second.name, metric)


def means_the_same(row: Row, other: Row) -> bool:
    """Whether two rows give the same series, but for which they leave out and how they explain them."""
    return replace(row, help="", only=()) == replace(other, help="", only=())


def _differing(first: Profile, second: Profile) -> Iterator[str]:
    for row in first.rows:
        same_name = [other for other in second.rows if other.name == row.name]
        if same_name and not any(means_the_same(row, other) for other in same_name):
            yield row.name
