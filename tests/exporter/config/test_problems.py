from __future__ import annotations

import pytest

from exporter.config import show


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", r"'a\nb'"),
        ("\u202eb", r"'\u202eb'"),
        ("x" * 61, repr("x" * 60 + "...")),
        pytest.param(10**5000, "a number", id="huge"),
        pytest.param(-(10**5000), "a number", id="huge and negative"),
        (b"x", "a bytes"),
        ((), "a list"),
        ({}, "a mapping"),
        (None, "nothing"),
        (1.5, "1.5"),
    ],
)
def test_a_refused_value_is_shown_on_one_short_line(value: object, shown: str) -> None:
    assert show(value) == shown
