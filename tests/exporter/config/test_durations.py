from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, parse_duration, render_duration
from tests.exporter.config.loading import error_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m", 60.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("1s100ms", 1.1),
        ("1d", 86_400.0),
        ("1.5h", 5400.0),
        ("0.1s", 0.1),
        ("1.1d", 95_040.0),
        ("2.5", 2.5),
        ("0", 0.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_as_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s",
        "-1s",
        "-1",
        "+1s",
        "1 s",
        "1s ",
        "1s1s",
        "1s1m",
        "1w",
        "1S",
        "1e3",
        ".5s",
        "1.s",
        "nan",
        "inf",
        "infinity",
        "1_0",
        "\u0663s",
        "9" * 65,
        "1s\n",
        -1,
        -0.5,
        math.nan,
        math.inf,
        10**400,
        True,
        None,
        [],
        b"1s",
    ],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="expected a duration"):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_a_rendered_duration_is_read_back_as_it_was(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(render_duration(seconds)) == seconds


@given(st.text() | st.from_regex(r"[0-9.]{0,5}(d|h|m|s|ms){0,2}[0-9]{0,3}(s|ms|)"))
def test_any_text_is_a_duration_or_raises_config_error(text: str) -> None:
    error = error_of(lambda: parse_duration(text))
    if error is None:
        assert 0 <= parse_duration(text) < math.inf
    else:
        assert len(str(error).splitlines()) == 1
