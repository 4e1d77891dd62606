"""Text of a document as the value of a label: cut where it is too long, many values as one."""

from __future__ import annotations

from collections.abc import Iterable

CUT = "…"
"""The last character of what was cut; it counts towards the length."""

SHORTEST_LIMIT = len(CUT.encode())


def cut_text(text: str, longest: int) -> str:
    """The text in at most `longest` bytes of UTF-8, never ending within a character."""
    if len(text) * 4 <= longest:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= longest:
        return text
    return encoded[: longest - SHORTEST_LIMIT].decode(errors="ignore") + CUT


def join_values(values: Iterable[str]) -> str:
    """Values in the order of the alphabet, each once, with commas between; empty ones do not count."""
    return ",".join(sorted({value for value in values if value}))
