"""What PromQL expressions ask for, read from their text: no more than the tests here need."""

import re
from collections.abc import Iterable

from exporter.catalogue import Entry

# Strings and the names of labels after by, without, on, ignoring, group_left and group_right are no
# metrics; neither is what stands within braces before an operator.
_NO_METRICS = re.compile(
    r'"(?:[^"\\]|\\.)*"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|#.*'
)
_METRIC = re.compile(r"(?<![\w:])libvirt_\w+(?![\w:])")
_RECORDED = re.compile(r"\b[a-z]+:libvirt_\w+:\w+")
_LABELS = re.compile(r"\{([^{}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


def metrics_in(expression: str) -> set[str]:
    """The names of the exporter's metrics in an expression, as they stand there."""
    return set(_METRIC.findall(_NO_METRICS.sub("", expression)))


def recorded_in(expression: str) -> set[str]:
    """The names of recorded series, of the form level:metric:operations."""
    return set(_RECORDED.findall(_NO_METRICS.sub("", expression)))


def unknown_metrics(expression: str, entries: Iterable[Entry]) -> set[str]:
    """The names in an expression that the catalogue has not; histograms have three each."""
    known = set()
    for entry in entries:
        histogram = entry.type == "histogram"
        known |= {entry.name + suffix for suffix in (_HISTOGRAM_SUFFIXES if histogram else ("",))}
    return metrics_in(expression) - known
