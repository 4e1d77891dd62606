"""Figures as a person reads them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.landing.units import (
    render_bytes,
    render_duration,
    render_rate,
    render_share,
    render_time,
)


def plain(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_190, "10 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (1.25 * 2**30, "1.2 GiB"),
        (128 * 2**20, "128 MiB"),
        (3 * 2**80, f"{3 * 2**20} EiB"),
        (-2048, "-2.0 KiB"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_bytes_have_a_unit_that_leaves_few_digits(amount: float | None, shown: str) -> None:
    assert plain(render_bytes(amount)) == shown
    assert plain(render_rate(amount)) == (shown if shown == "–" else f"{shown}/s")


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0 %"),
        (0.0001, "0 %"),
        (0.001, "0.1 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.354, "35 %"),
        (1.03, "103 %"),
        (None, "–"),
    ],
)
def test_shares_are_percents(share: float | None, shown: str) -> None:
    assert plain(render_share(share)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1.0, "0 ms"),
        (0.0004, "0 ms"),
        (0.084, "84 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600 * 3 + 60 * 12, "3 h 12 min"),
        (3600 * 24, "1 d"),
        (3600 * 24 + 59, "1 d"),
        (3600 * 50, "2 d 2 h"),
        (None, "–"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, shown: str) -> None:
    assert plain(render_duration(seconds)) == shown


def test_a_moment_says_its_zone() -> None:
    assert render_time(1_700_000_000.4) == "2023-11-14 22:13:20 UTC"


@given(st.floats())
def test_whatever_the_number_there_is_a_short_text(number: float) -> None:
    for render in (render_bytes, render_rate, render_share, render_duration):
        assert re.fullmatch(r"–|-?[\d.]+ \S+( \d+ \S+)?", plain(render(number)))
