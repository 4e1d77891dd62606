"""docs/profiles.md has every row of the tables.

`python -m tests.exporter.profiles.test_document` writes its tables anew, after a change that was meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exporter.config import CollectorsConfig
from exporter.metrics.rows import UNIT
from exporter.profiles.rows import (
    Age,
    Profile,
    Row,
    Scaled,
    UsedPercent,
    Written,
    lookups_of,
)
from exporter.profiles.tables import PROFILES

DOCUMENT = Path(__file__).parents[3] / "docs" / "profiles.md"

_UNITS = {(10**9, 1): "nanoseconds", (10**3, 1): "milliseconds", (1, 1024): "KiB"}


def table(profile: Profile) -> str:
    return "\n".join([*_lines(profile), ""])


def _lines(profile: Profile) -> Iterator[str]:
    yield "| Metric | Type | Labels | Made of |"
    yield "| --- | --- | --- | --- |"
    for row in profile.rows:
        labels = ", ".join(f"`{name}`" for name in row.label_names)
        yield f"| `{row.name}` | {row.type} | {labels} | {_made_of(row)} |"


def _made_of(row: Row) -> str:
    looked_up = sorted({lookup.family for lookup in lookups_of(row)} - {row.source})
    if isinstance(row.value, UsedPercent):
        looked_up.append(row.value.unused)
    families = ", ".join(f"`{family}`" for family in (row.source, *looked_up))
    return f"{'sum of ' if row.is_sum else ''}{families}{_unit(row)}"


def _unit(row: Row) -> str:
    match row.value:
        case Scaled(scale) | Written(_, scale) if scale != UNIT:
            return f", in {_UNITS[scale.multiplier, scale.divisor]}"
        case Age():
            return ", its age"
        case UsedPercent():
            return ", of 100"
        case _:
            return ""


def _with_tables(text: str) -> str:
    for name, profile in PROFILES.items():
        begin, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        _, _, behind = rest.partition(end)
        text = f"{before}{begin}\n{table(profile)}\n{end}{behind}"
    return text


def test_the_document_has_the_tables_of_today() -> None:
    text = DOCUMENT.read_text()
    for name in PROFILES:
        assert f"<!-- table: {name} -->\n" in text
    assert text == _with_tables(text), "run: python -m tests.exporter.profiles.test_document"


def test_the_document_says_which_collectors_a_profile_needs_that_are_off_by_default() -> None:
    text = DOCUMENT.read_text()
    off = {
        need.switch
        for profile in PROFILES.values()
        for need in profile.needs
        for section, _, name in [need.switch.partition(".")]
        if not getattr(getattr(CollectorsConfig(), section), name)
    }
    assert all(f"`{switch}`" in text for switch in off)


if __name__ == "__main__":
    DOCUMENT.write_text(_with_tables(DOCUMENT.read_text()))
