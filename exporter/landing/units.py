"""Figures as a person reads them: three digits and a unit. Numbers in, text out."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = ["render_bytes", "render_duration", "render_rate", "render_share", "render_time"]

NOT_KNOWN = "\N{EN DASH}"
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP = 1024
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def render_bytes(amount: float | None) -> str:
    """`1.2 GiB`; from ten on without decimals."""
    if amount is None or not math.isfinite(amount):
        return NOT_KNOWN
    unit = 0
    # What would read 1000 and more is one of the next unit.
    while abs(amount) >= 999.5 and unit < len(_BINARY) - 1:
        amount /= _STEP
        unit += 1
    # What rounds to ten reads 10, not 10.0.
    has_decimal = unit > 0 and abs(amount) < 9.95
    return f"{amount:.{int(has_decimal)}f}{_SPACE}{_BINARY[unit]}"


def render_rate(amount: float | None) -> str:
    return NOT_KNOWN if amount is None or not math.isfinite(amount) else f"{render_bytes(amount)}/s"


def render_share(share: float | None) -> str:
    """`35 %`; below ten with a decimal where that says something."""
    percent = math.nan if share is None else share * 100
    if not math.isfinite(percent):
        return NOT_KNOWN
    decimals = 1 if 0.05 <= percent < 9.95 else 0
    return f"{percent:.{decimals}f}{_SPACE}%"


def render_duration(seconds: float | None) -> str:
    """The two largest units that count: `3 h 12 min`, `12 s`, `84 ms`."""
    if seconds is None or not math.isfinite(seconds):
        return NOT_KNOWN
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}{_SPACE}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}{_SPACE}s"
    counted = []
    rest = round(seconds)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        counted.append((count, unit))
    while counted[0][0] == 0:
        del counted[0]
    return " ".join(f"{count}{_SPACE}{unit}" for count, unit in counted[:2] if count)


def render_time(seconds: float) -> str:
    """A moment in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
