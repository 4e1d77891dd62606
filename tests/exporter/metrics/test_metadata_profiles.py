from __future__ import annotations

import pytest

from exporter.element_paths import parse_element_path
from exporter.metrics.metadata_profiles import PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_every_path_of_a_profile_is_one(profile: str) -> None:
    assert PROFILES[profile]
    for rule in PROFILES[profile]:
        assert parse_element_path(rule.path).steps


def test_a_set_belongs_to_one_profile() -> None:
    owners = [(name, rule.name) for name, rules in PROFILES.items() for rule in rules]
    assert len({rule for _, rule in set(owners)}) == len(set(owners))


def test_a_set_of_a_profile_needs_the_platforms_metadata() -> None:
    for rules in PROFILES.values():
        assert {rule.name for rule in rules} == {rule.name for rule in rules if rule.namespace}
