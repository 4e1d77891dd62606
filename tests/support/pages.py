"""Pages read back with prometheus_client's parsers, as samples that compare, and linted by promtool.

Every page that an exporter gives to a test goes through `read_page`: page and format go in, a
`ReadPage` comes out. It ends the test where the page breaks a rule of its format.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from exporter.exposition import Format

Labels = dict[str, str]
ParsedSample = tuple[str, Labels, float]

_PARSERS: dict[Format, Any] = {Format.TEXT: text_parser, Format.OPENMETRICS: openmetrics_parser}

# The specification fixes this name, and promtool wants `_count` for histograms and summaries alone.
_ACCEPTED = "libvirt_domain_vcpu_count non-histogram and non-summary metrics should not have"


def families_of(page: bytes, page_format: Format = Format.TEXT) -> list[Any]:
    """The page's families as the parser of its format gives them. Raises ValueError."""
    return list(_PARSERS[page_format].text_string_to_metric_families(page.decode()))


def samples_of(page: bytes, page_format: Format = Format.TEXT) -> list[ParsedSample]:
    """Every sample of a page: name, labels and value. Raises ValueError."""
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in families_of(page, page_format)
        for sample in family.samples
    ]


def series_of(page: bytes) -> list[bytes]:
    """What stands before the value of each line that is no comment."""
    lines = page.removesuffix(b"\n").split(b"\n") if page else []
    return [line.rpartition(b" ")[0] for line in lines if not line.startswith(b"#")]


def promtool_complaints(promtool: str, page: bytes) -> list[str]:
    """What `promtool check metrics` says of a page, but for the line that is accepted."""
    result = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    lines = (result.stdout + result.stderr).decode().splitlines()
    return [line for line in lines if not line.startswith(_ACCEPTED)]


Series = tuple[str, frozenset[tuple[str, str]]]

_SAMPLE = re.compile(rb"(\w+)(?:\{(.*)\})? (\S+)\n")


@dataclass(frozen=True, slots=True)
class ReadPage:
    """`samples` has the value of each series as text, just as it stands on the page."""

    text: str
    samples: Mapping[Series, str]

    def value(self, name: str, /, **labels: str) -> float:
        """The value of the one series of this name that has these labels among its own."""
        (value,) = self.values(name, **labels)
        return value

    def values(self, name: str, /, **labels: str) -> list[float]:
        """The values of all series of this name that have these labels among their own."""
        wanted = labels.items()
        return [
            float(value)
            for (series, own), value in self.samples.items()
            if series == name and wanted <= own
        ]

    def labels(self, name: str, label: str) -> list[str]:
        """What a label is on the series of this name, in the page's order."""
        return [dict(own)[label] for series, own in self.samples if series == name]

    @property
    def domain_names(self) -> set[str]:
        return {dict(own)["domain"] for _, own in self.samples if "domain" in dict(own)}


def read_response(response: httpx.Response) -> ReadPage:
    """The page of a successful response, in the format that its content type names."""
    assert response.status_code == 200
    return read_page(response.content, Format(response.headers["content-type"]))


def read_page(page: bytes, page_format: Format = Format.TEXT) -> ReadPage:
    """Parses a page and, where promtool is there, lints it."""
    is_openmetrics = page_format is Format.OPENMETRICS
    assert page.endswith(b"\n")
    assert page.endswith(b"# EOF\n") == is_openmetrics
    families = families_of(page, page_format)
    assert all(family.documentation for family in families), "a family has no HELP"
    parsed = [sample for family in families for sample in family.samples]
    # Not splitlines: a label may hold a carriage return as it is.
    lines = [line + b"\n" for line in page.split(b"\n")[:-1] if not line.startswith(b"#")]
    assert len(parsed) == len(lines), "the parser sees other samples than there are lines"
    samples: dict[Series, str] = {}
    for line, sample in zip(lines, parsed, strict=True):
        match = _SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1].decode() == sample.name, "a family's samples do not stand together"
        series = (sample.name, frozenset(sample.labels.items()))
        assert series not in samples, f"{series} is there twice"
        samples[series] = match[3].decode()
    promtool = shutil.which("promtool")
    if promtool is not None and not is_openmetrics:
        _lint(promtool, _skeleton(page))
    return ReadPage(page.decode(), samples)


@functools.cache
def _lint(promtool: str, skeleton: bytes) -> None:
    assert promtool_complaints(promtool, skeleton) == []


def _skeleton(page: bytes) -> bytes:
    """The headers and the first sample of each name, which is all that the linter looks at."""
    kept: dict[bytes, bytes] = {}
    for line in (one + b"\n" for one in page.split(b"\n")[:-1]):
        match = _SAMPLE.fullmatch(line)
        if match is None:
            kept[line] = line
        else:
            kept.setdefault(match[1], line.removesuffix(match[3] + b"\n") + b"1\n")
    return b"".join(kept.values())
