from __future__ import annotations

from exporter.metrics import own
from exporter.metrics.rows import Family


def test_every_family_of_the_module_is_in_its_table() -> None:
    defined = [value for value in vars(own).values() if isinstance(value, Family)]
    assert sorted(family.name for family in defined) == sorted(
        family.name for family in own.FAMILIES
    )
