"""What is wrong, in an operator's words: `Problem`, `ConfigError` and how a value is shown.

Any value goes in, one short printable line comes out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

__all__ = [
    "SHOWN_INTEGER",
    "ConfigError",
    "Hidden",
    "Problem",
    "item_key",
    "refuse",
    "show",
    "show_key",
]

_SHOWN_CHARACTERS = 60
SHOWN_INTEGER = 10**18  # str() refuses an integer of thousands of digits


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `source` is a file and line, a flag or a variable, `key` the setting's path."""

    key: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.message) if part)


class ConfigError(ValueError):
    """The configuration cannot be used; `problems` has every reason, one line each."""

    def __init__(self, key: str, message: str, *, source: str = "") -> None:
        super().__init__(key, message)
        self.problems: tuple[Problem, ...] = (Problem(key, message, source),)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        """Makes one error of at least one problem."""
        found = tuple(problems)
        error = cls(found[0].key, found[0].message, source=found[0].source)
        error.problems = found
        return error

    def located(self, *, key: str, source: str) -> tuple[Problem, ...]:
        """Its problems, with the place that the raiser did not know."""
        return tuple(
            replace(problem, key=problem.key or key, source=problem.source or source)
            for problem in self.problems
        )

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A refused value of which only the type is shown, because it may hold a secret."""

    value: object


_TYPE_NAMES: dict[type, str] = {
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    type(None): "nothing",
}


def show(value: object) -> str:
    """Renders a refused value on one short line, whatever it holds."""
    if isinstance(value, Hidden):
        return _type_name(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        cut = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}..."
        return repr(cut) if cut.isprintable() else ascii(cut)
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < SHOWN_INTEGER):
        return str(value)
    return _type_name(value)


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")


def item_key(number: int) -> str:
    """What stands in a key's path for an item of a list, counted from 0."""
    return f"[{number}]"


def show_key(path: Iterable[str]) -> str:
    """Renders a key's path with dots, whatever an operator put in the place of a key."""
    return ".".join(_show_key(key) for key in path).replace(".[", "[")


def _show_key(key: str) -> str:
    if "://" in key:
        return "(a URI)"  # in the place of a name, perhaps with a user's name or a password
    return key if key.isprintable() and len(key) <= _SHOWN_CHARACTERS else show(key)


def refuse(allowed: str, value: object) -> ConfigError:
    """The error for a value that is none of what is allowed; `load` adds the key and the source."""
    return ConfigError("", f"expected {allowed}, got {show(value)}")
