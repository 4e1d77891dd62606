"""The tables against the catalogue: what they take of our page is there, and what they give is one page."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import pytest

from exporter.catalogue import entries
from exporter.config import CollectorsConfig
from exporter.profiles.rows import (
    VALUE,
    Before,
    Behind,
    Cases,
    Constant,
    Found,
    Own,
    Profile,
    Rank,
    Row,
    Scaled,
    Text,
    UsedPercent,
    Version,
    Written,
    lookups_of,
)
from exporter.profiles.tables import NAMES, NATIVE, PROFILES, conflicts

LABELS = {entry.name: entry.labels for entry in entries()}
ROWS = [(profile, row) for profile in PROFILES.values() for row in profile.rows]


def texts_of(row: Row) -> Iterator[Text]:
    yield from (text for _, text in row.labels)
    yield from (only.text for only in row.only)
    if isinstance(row.value, Written):
        yield row.value.text


def own_labels(text: Text) -> Iterator[str]:
    """The labels that a text takes of the series itself."""
    match text:
        case Own(label):
            yield label
        case Constant():
            pass
        case Found(lookup, by=by):
            yield from [label for one in by for label in own_labels(one)] if by else lookup.keys
        case Rank(lookup):
            yield from lookup.keys
        case Cases(of, cases, otherwise):
            for one in (of, otherwise, *cases.values()):
                yield from own_labels(one)
        case Before(of) | Behind(of) | Version(of):
            yield from own_labels(of)


def found_labels(text: Text) -> Iterator[tuple[str, str]]:
    """The families and labels that a text is looked up in."""
    match text:
        case Found(lookup, label, by=by):
            yield lookup.family, label
            for one in by:
                yield from found_labels(one)
        case Cases(of, cases, otherwise):
            for one in (of, otherwise, *cases.values()):
                yield from found_labels(one)
        case Before(of) | Behind(of) | Version(of):
            yield from found_labels(of)
        case Own() | Constant() | Rank():
            pass


def test_every_profile_is_known_by_its_name() -> None:
    assert NAMES == ("native", "tinkoff", "inovex", "kumina", "vexxhost", "uos")
    assert {profile.name for profile in PROFILES.values()} == set(PROFILES)


@pytest.mark.parametrize(("profile", "row"), ROWS, ids=lambda one: one.name)
def test_a_row_is_made_of_families_and_labels_that_we_have(profile: Profile, row: Row) -> None:
    families = {row.source, *(lookup.family for lookup in lookups_of(row))}
    if isinstance(row.value, UsedPercent):
        families.add(row.value.unused)
    assert families <= LABELS.keys(), profile.name
    for text in texts_of(row):
        assert set(own_labels(text)) <= set(LABELS[row.source])
        for family, label in found_labels(text):
            assert label == VALUE or label in LABELS[family]
    for lookup in lookups_of(row):
        assert set(lookup.keys) <= set(LABELS[lookup.family])


@pytest.mark.parametrize(("profile", "row"), ROWS, ids=lambda one: one.name)
def test_a_row_is_a_metric_with_a_sentence(profile: Profile, row: Row) -> None:
    assert re.fullmatch(r"libvirtd?_[a-z0-9_]+", row.name), profile.name
    assert row.help.endswith(".")
    assert len(set(row.label_names)) == len(row.labels)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.name)
def test_the_rows_of_one_family_agree_on_its_form(profile: Profile) -> None:
    forms = defaultdict(set)
    for row in profile.rows:
        forms[row.name].add((row.type, row.help, row.label_names))
    assert {name: form for name, form in forms.items() if len(form) > 1} == {}


@pytest.mark.parametrize(
    ("profile", "row"),
    [(profile, row) for profile, row in ROWS if row.name in LABELS and row.source == row.name],
    ids=lambda one: one.name,
)
def test_beside_ours_a_family_of_the_same_name_has_our_values_and_no_label_of_another_meaning(
    profile: Profile, row: Row
) -> None:
    if row.is_sum:
        return
    assert row.value == Scaled(), profile.name
    shared = {name: text for name, text in row.labels if name in LABELS[row.name]}
    assert shared == {name: Own(name) for name in shared}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.name)
def test_what_a_profile_needs_is_a_collector_s_switch(profile: Profile) -> None:
    for need in profile.needs:
        section, _, name = need.switch.partition(".")
        switches = getattr(CollectorsConfig(), section)
        assert name in {one.name for one in dataclasses.fields(switches)}


def test_profiles_that_disagree_on_a_family_cannot_be_together() -> None:
    refused = {
        pair: [str(conflict) for conflict in conflicts(pair)]
        for pair in combinations(NAMES, 2)
        if any(conflicts(pair))
    }
    memory = "libvirt_domain_info_maximum_memory_bytes"
    assert refused == {
        ("tinkoff", "kumina"): [f"tinkoff and kumina both have {memory}, which differ"],
        ("inovex", "kumina"): [f"inovex and kumina both have {memory}, which differ"],
        ("inovex", "uos"): [
            "inovex and uos both have libvirt_storage_pool_capacity_bytes, which differ"
        ],
    }


def test_each_pair_that_disagrees_is_told_once() -> None:
    every = [str(conflict).split(" both ")[0] for conflict in conflicts(NAMES)]
    assert every == ["tinkoff and kumina", "inovex and kumina", "inovex and uos"]


def test_the_native_names_go_with_every_profile() -> None:
    assert [list(conflicts((NATIVE, name))) for name in PROFILES] == [[]] * len(PROFILES)
