from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain_xml.label_text import CUT, cut_text, join_values


@pytest.mark.parametrize(
    ("text", "longest", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc…"),
        ("äöü", 6, "äöü"),
        ("äöüx", 6, "ä…"),
        ("😀😀", 8, "😀😀"),
        ("😀😀x", 8, "😀…"),
        ("", 6, ""),
    ],
)
def test_a_text_is_cut_before_the_character_that_does_not_fit(
    text: str, longest: int, cut: str
) -> None:
    assert cut_text(text, longest) == cut


@given(st.text(st.characters(codec="utf-8")), st.integers(3, 40))
def test_a_cut_text_fits_starts_the_same_and_shows_that_it_is_cut(text: str, longest: int) -> None:
    cut = cut_text(text, longest)
    assert len(cut.encode()) <= longest
    if len(text.encode()) <= longest:
        assert cut == text
    else:
        assert cut.endswith(CUT)
        assert text.startswith(cut.removesuffix(CUT))
        assert len(cut.encode()) > longest - 4


@given(st.text(), st.integers(3, 40))
def test_any_text_can_be_cut(text: str, longest: int) -> None:
    cut_text(text, longest)


@given(st.lists(st.text("ab ")))
def test_joined_values_do_not_depend_on_their_order(values: list[str]) -> None:
    assert join_values(values) == join_values(reversed(values)) == join_values(values * 2)


def test_values_are_sorted_each_once_without_the_empty_ones() -> None:
    assert join_values(["b", "", "a", "b"]) == "a,b"
    assert join_values([]) == join_values([""]) == ""
