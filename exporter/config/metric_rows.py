"""Kinds of values that an operator's own row of metrics is made of: field, name, help, unit.

`statistics_of` is which statistics a field is of, and `row_problem` what its parts ask of each other.
"""

import re

from exporter.config.kinds import Kind
from exporter.config.problems import ConfigError, refuse, show
from exporter.metrics import GROUPS
from exporter.metrics.rows import (
    COUNTER,
    GAUGE,
    KIBIBYTES,
    MEBIBYTES,
    MILLISECONDS,
    NANOSECONDS,
    UNIT,
    LatencyHistogram,
    Scale,
)
from exporter.metrics.taken_names import METRIC_NAME, OWN_PREFIXES, is_own
from libvirt_rpc.enums import DomainStatsTypes

__all__ = [
    "DIVISOR",
    "FIELD",
    "HELP",
    "METRIC",
    "UNITS",
    "row_problem",
    "statistics_of",
    "varying_parts",
]

UNITS = {
    "none": UNIT,
    "ns": NANOSECONDS,
    "us": Scale(divisor=10**6),
    "ms": MILLISECONDS,
    "kib": KIBIBYTES,
    "mib": MEBIBYTES,
}
"""What libvirt counts in, and how it becomes seconds or bytes."""

_PART = re.compile(r"<([a-z_]+)>")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_FIELD = "the name of a statistics field, such as block.<disk>.rd.bytes"


def _patterns() -> list[tuple[str, DomainStatsTypes]]:
    return [
        (row.bins if isinstance(row, LatencyHistogram) else row.field, group.stats)
        for group in GROUPS
        for row in group.rows
    ]


def _first_words() -> dict[str, DomainStatsTypes]:
    words: dict[str, DomainStatsTypes] = {}
    for pattern, stats in _patterns():
        words.setdefault(pattern.partition(".")[0], stats)
    return words


def _places() -> frozenset[str]:
    """Where the tables have a varying part, up to the part: `block.<disk>`."""
    places = set()
    for pattern, _ in _patterns():
        tokens = pattern.split(".")
        places |= {
            ".".join(tokens[: place + 1])
            for place, token in enumerate(tokens)
            if token.startswith("<")
        }
    return frozenset(places)


_STATISTICS = _first_words()
_PLACES = _places()


def statistics_of(field: str) -> DomainStatsTypes:
    """The statistics that have the field, by its first word."""
    return _STATISTICS[field.partition(".")[0]]


def varying_parts(field: str) -> tuple[str, ...]:
    return tuple(_PART.findall(field))


def _check_field(value: object) -> str:
    if not isinstance(value, str) or "." not in value:
        raise refuse(_FIELD, value)
    tokens = value.split(".")
    if tokens[0] not in _STATISTICS:
        words = ", ".join(sorted(_STATISTICS))
        raise ConfigError("", f"a field begins with one of {words}, got {show(tokens[0])}")
    for place, token in enumerate(tokens):
        part = _PART.fullmatch(token)
        if part is None and not _WORD.fullmatch(token):
            raise refuse(_FIELD, value)
        here = ".".join(tokens[: place + 1])
        if part is not None and here not in _PLACES:
            meant = [one for one in sorted(_PLACES) if one.split(".")[0] == tokens[0]]
            known = f"; there are {', '.join(meant)}" if meant else "; these fields have none"
            raise ConfigError("", f"{show(here)} is no varying part{known}")
    return value


FIELD: Kind[str] = Kind("FIELD", _check_field, str)


def _check_metric(value: object) -> str:
    if not isinstance(value, str) or not METRIC_NAME.fullmatch(value) or ":" in value:
        raise refuse("the name of a metric, such as libvirt_domain_disk_own_bytes_total", value)
    if value.startswith(OWN_PREFIXES):
        raise ConfigError("", f"{value} begins as a metric about the exporter; choose another name")
    return value


METRIC: Kind[str] = Kind("NAME", _check_metric, str)


def _check_help(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.endswith("."):
        raise refuse("a sentence that ends in a full stop", value)
    return value


HELP: Kind[str] = Kind("TEXT", _check_help, str)


def _check_divisor(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _DIVISORS:
        raise refuse("a power of ten from 1 to 1000000000", value)
    return value


_DIVISORS = frozenset(10**exponent for exponent in range(10))
# A quotient is written as an exact decimal.
DIVISOR: Kind[int] = Kind("NUMBER", _check_divisor, str)


def row_problem(name: str, kind: str) -> tuple[str, str] | None:
    """What is wrong with a metric's name for its type: the key and a sentence; None where nothing is."""
    is_counter = kind == COUNTER
    if is_counter != name.endswith("_total"):
        whose = "the name of a counter" if is_counter else "no name but a counter's"
        return "name", f"{whose} ends in _total, got {name}"
    if name.endswith(("_info", "_bucket", "_count", "_sum", "_created")):
        return "name", f"{name} ends as a metric of another type does; choose another name"
    if is_own(name, COUNTER if is_counter else GAUGE):
        return "name", f"{name} would get into the way of one of the exporter's own metrics"
    return None
