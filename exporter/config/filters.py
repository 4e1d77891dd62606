"""Kinds of values that say what is shown: regular expressions for names, states and labels; names of collectors.

Everything is compiled here; what it is held against is elsewhere.
"""

import re
import warnings
from dataclasses import dataclass

from exporter.config.kinds import Kind
from exporter.config.problems import ConfigError, refuse, show
from libvirt_rpc.enums import DomainState

__all__ = [
    "COLLECTOR_NAMES",
    "LABEL_REGEXES",
    "REGEXES",
    "STATES",
    "STATE_REGEXES",
    "UNKNOWN_STATE",
    "LabelPattern",
]

UNKNOWN_STATE = "unknown"
"""The state of a domain of which nothing came."""
STATES = (*(state.label for state in DomainState), UNKNOWN_STATE)

_REGEX = "a regular expression for the whole text, such as web-[0-9]+, or a list of them"
_LABEL_REGEX = (
    "a label and a regular expression for the whole of its value, such as project_name=web-.*, "
    "or a list of them"
)
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class LabelPattern:
    """What a label's value is held against."""

    label: str
    pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.label}={self.pattern.pattern}"


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _compile(text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read differently
            return re.compile(text)
    except re.error as exc:
        place = "" if exc.pos is None else f" at position {exc.pos}"
        message = f"the regular expression {show(text)} is invalid: {exc.msg}{place}"
        raise ConfigError("", message) from exc
    except (OverflowError, RecursionError) as exc:
        raise ConfigError("", f"the regular expression {show(text)} is too large") from exc


def _check_regexes(value: object) -> tuple[re.Pattern[str], ...]:
    return tuple(map(_check_regex, _items(value)))


def _check_regex(value: object) -> re.Pattern[str]:
    if not isinstance(value, str) or not value:
        raise refuse(_REGEX, value)
    return _compile(value)


def _render_regexes(patterns: tuple[re.Pattern[str], ...]) -> str:
    return " ".join(pattern.pattern for pattern in patterns)


# A comma is part of many an expression; \s stands for white space.
REGEXES: Kind[tuple[re.Pattern[str], ...]] = Kind(
    "REGEX", _check_regexes, _render_regexes, is_repeatable=True, separator=None
)


def _check_states(value: object) -> tuple[re.Pattern[str], ...]:
    patterns = _check_regexes(value)
    for pattern in patterns:
        if not any(pattern.fullmatch(state) for state in STATES):
            raise ConfigError(
                "", f"{show(pattern.pattern)} matches none of the states {', '.join(STATES)}"
            )
    return patterns


STATE_REGEXES: Kind[tuple[re.Pattern[str], ...]] = Kind(
    "REGEX", _check_states, _render_regexes, is_repeatable=True, separator=None
)


def _check_label_regexes(value: object) -> tuple[LabelPattern, ...]:
    return tuple(map(_check_label_regex, _items(value)))


def _check_label_regex(value: object) -> LabelPattern:
    label, separator, regex = value.partition("=") if isinstance(value, str) else ("", "", "")
    if not separator or not _LABEL.fullmatch(label):
        raise refuse(_LABEL_REGEX, value)
    return LabelPattern(label, _compile(regex))


def _render_label_regexes(patterns: tuple[LabelPattern, ...]) -> str:
    return " ".join(str(pattern) for pattern in patterns)


LABEL_REGEXES: Kind[tuple[LabelPattern, ...]] = Kind(
    "LABEL=REGEX", _check_label_regexes, _render_label_regexes, is_repeatable=True, separator=None
)

_COLLECTOR_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def _check_names(value: object) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for name in _items(value):
        if not isinstance(name, str) or not _COLLECTOR_NAME.fullmatch(name):
            raise refuse("the name of a collector, such as domain_jobs, or a list of them", name)
        if name in names:
            raise ConfigError("", f"the collector {name} is given twice")
        names[name] = None
    return tuple(names)


COLLECTOR_NAMES: Kind[tuple[str, ...]] = Kind("NAME", _check_names, ",".join, is_repeatable=True)
