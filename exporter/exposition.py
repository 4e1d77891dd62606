"""Samples to pages: the text format 0.0.4 and OpenMetrics 1.0.

A `Page` collects the lines of every family and renders them family by family, each once. A line reads
the same in both formats; only the headers and the end differ. No series stands on a page twice.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from math import isfinite

from prometheus_client.utils import floatToGoString

from exporter.metrics.rows import UNIT, Family, MetricType, Scale
from libvirt_rpc.protocol.typed_params import TypedValue

Labels = tuple[tuple[str, str], ...]


class Format(Enum):
    """What a page is rendered as; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a family. `suffix` is that of a histogram's parts (`_bucket`, `_count`, `_sum`)."""

    family: Family
    value: float
    labels: Labels = ()
    _: KW_ONLY
    suffix: str = ""


# What bytes that are no UTF-8 were decoded to cannot be written again.
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_PLAIN = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
"""Text without anything to escape or replace, as nearly every label has it."""
_ESCAPES = {**str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"}), **_SURROGATES}


def valid_text(text: str) -> str:
    """The text that a page can show: each byte that is no UTF-8 becomes U+FFFD."""
    return text if text.isascii() else text.translate(_SURROGATES)


def escape_label_value(text: str) -> str:
    """A label's valid text as it stands between the quotes."""
    return text if _PLAIN.fullmatch(text) else text.translate(_ESCAPES)


def render_labels(labels: Iterable[tuple[str, str]]) -> str:
    """`{domain="web",uuid="..."}`, or nothing where there are none."""
    inside = ",".join([f'{name}="{escape_label_value(value)}"' for name, value in labels])
    return f"{{{inside}}}" if inside else ""


def render_value(value: TypedValue, scale: Scale = UNIT) -> str:
    """A number in Prometheus' unit. Whole numbers are exact: quotients are written as decimals."""
    if isinstance(value, float):
        # A zero has no sign here, because two values that are equal have to read the same.
        value = value * scale.multiplier / scale.divisor or 0.0
        return repr(value) if isfinite(value) else render_float(value)
    number = int(value) * scale.multiplier
    if scale.divisor == 1:
        return str(number)
    sign = "-" if number < 0 else ""
    whole, rest = divmod(abs(number), scale.divisor)
    return f"{sign}{whole}.{rest:0{scale.decimals}d}"


def render_float(value: float) -> str:
    """A float in its canonical form, which OpenMetrics asks for in the label `le`."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def series_name(family: Family, suffix: str, labels: Iterable[tuple[str, str]]) -> str:
    """A line up to the blank before its value."""
    return f"{family.name}{suffix}{render_labels(labels)}"


@functools.lru_cache(maxsize=32_768)
def _series_name(name: str, suffix: str, labels: Labels) -> str:
    """series_name of the few that a page adds one by one: they are the same at every scrape."""
    return f"{name}{suffix}{render_labels(labels)}"


_OPENMETRICS_TYPES = {MetricType.UNTYPED: "unknown"}
_OPENMETRICS_SUFFIXES = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}


def render_header(family: Family, page_format: Format) -> str:
    """The HELP and TYPE lines."""
    name, kind = family.name, str(family.type)
    text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if page_format is Format.OPENMETRICS:
        if family.type is MetricType.COUNTER and not name.endswith("_total"):
            # Another exporter's name: there is no counter without the suffix.
            kind = _OPENMETRICS_TYPES[MetricType.UNTYPED]
        name = name.removesuffix(_OPENMETRICS_SUFFIXES.get(family.type, ""))
        kind = _OPENMETRICS_TYPES.get(family.type, kind)
        text = text.replace('"', r"\"")
    elif family.type is MetricType.INFO:
        kind = MetricType.GAUGE
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


class Page:
    """What one scrape has to show, in the order in which families came first."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._lines: dict[str, list[bytes]] = {}
        self._series: set[str] = set()

    def add(self, samples: Iterable[Sample]) -> None:
        """Adds samples; the second of one series is dropped."""
        for sample in samples:
            series = _series_name(sample.family.name, sample.suffix, sample.labels)
            if series in self._series:
                continue
            self._series.add(series)
            self.add_lines(sample.family, f"{series} {render_value(sample.value)}\n".encode())

    def add_page(self, other: Page) -> None:
        """Adds another page's lines, family by family; the two have no series in common."""
        for name, family in other._families.items():
            self.add_lines(family, b"".join(other._lines[name]))

    def add_lines(self, family: Family, lines: bytes) -> None:
        """Adds whole lines of a family; the caller answers for their being unique."""
        if not lines:
            return
        known = self._lines.get(family.name)
        if known is None:
            self._families[family.name] = family
            self._lines[family.name] = [lines]
        else:
            known.append(lines)

    @property
    def families(self) -> Sequence[Family]:
        return tuple(self._families.values())

    def lines(self, name: str) -> bytes:
        """The lines of the family `name`; empty where there are none."""
        return b"".join(self._lines.get(name, ()))

    def size(self, name: str) -> int:
        """The bytes of the family's lines."""
        return sum(map(len, self._lines.get(name, ())))

    def drop(self, name: str) -> None:
        """Takes the family `name` off the page."""
        self._families.pop(name, None)
        self._lines.pop(name, None)

    def render(self, page_format: Format = Format.TEXT) -> bytes:
        parts: list[bytes] = []
        for name, family in self._families.items():
            parts.append(render_header(family, page_format).encode())
            parts.extend(self._lines[name])
        if page_format is Format.OPENMETRICS:
            parts.append(b"# EOF\n")
        return b"".join(parts)
