"""Durations as operators write them (`1h30m`, `500ms`, 2.5) <-> seconds.

Text or a number goes in, a finite float of at least 0 or a ConfigError comes out, and back.
"""

import math
import re
from decimal import Decimal

from exporter.config.problems import refuse

__all__ = ["DURATION", "parse_duration", "render_duration"]

DURATION = "a duration (30s, 1m, 1h30m, 500ms or a number of seconds)"

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_WITH_UNITS = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _MILLISECONDS))
_PLAIN = re.compile(_NUMBER)
_LONGEST_TEXT = 64


def parse_duration(value: object) -> float:
    """Reads a duration as seconds, from text or a plain number; units go from days down, each once.

    Raises ConfigError for everything else: negative, not finite, another unit, no number at all.
    """
    match value:
        case bool():
            raise refuse(DURATION, value)
        case int() | float():
            return _seconds_of_number(value)
        case str() if 0 < len(value) <= _LONGEST_TEXT:
            return _seconds_of_text(value)
        case _:
            raise refuse(DURATION, value)


def _seconds_of_number(value: float) -> float:
    try:
        seconds = float(value)
    except OverflowError as exc:  # an integer beyond every float
        raise refuse(DURATION, value) from exc
    if not math.isfinite(seconds) or seconds < 0:
        raise refuse(DURATION, value)
    return seconds


def _seconds_of_text(text: str) -> float:
    if _PLAIN.fullmatch(text):
        return float(text)
    parts = _WITH_UNITS.fullmatch(text)
    if parts is None:
        raise refuse(DURATION, text)
    # Decimal, so that 1s100ms is the float nearest to 1.1 and not a sum of rounded ones.
    milliseconds = sum(
        Decimal(number) * _MILLISECONDS[unit]
        for unit, number in parts.groupdict().items()
        if number is not None
    )
    return float(milliseconds / 1000)


def render_duration(seconds: float) -> str:
    """Writes seconds in the largest units that fit, to the millisecond: 90 is `1m30s`."""
    rest = round(seconds * 1000)
    text = ""
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"
