"""A page's lines back to values, for what is made of the page itself: other names, the landing page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.exposition import Page

_LINE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Series:
    """One line. `name` is the family's, or that with a histogram's suffix; `value` is as it is written."""

    name: str
    labels: dict[str, str]
    value: str


def read_family(page: Page, family: str) -> Iterator[Series]:
    """The series of a family on our own page, in their order."""
    # Not splitlines: a label may hold other line breaks than ours.
    for line in page.lines(family).decode().split("\n")[:-1]:
        yield read_line(line)


def read_line(line: str) -> Series:
    """One line of our own page, without its end."""
    match = _LINE.fullmatch(line)
    assert match is not None, line
    labels = match["labels"] or ""
    return Series(
        match["name"],
        {one["name"]: _unescaped(one["value"]) for one in _LABEL.finditer(labels)},
        match["value"],
    )


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
