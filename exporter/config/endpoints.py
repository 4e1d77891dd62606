"""Kinds of values that say which hypervisor and as whom: URIs, names, credentials, patterns.

A refusal says nothing of the value itself, for a user's name or a password may stand in it.
Nothing is opened, looked up or resolved here.
"""

import re
import warnings
from pathlib import Path

from exporter.config.kinds import Kind
from exporter.config.problems import ConfigError, Hidden, refuse
from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.uri import parse_uri

__all__ = ["NAME", "OPTIONAL_URI", "PASSWORD_FILE", "PATTERNS", "URI", "USERNAME"]

_URI = "a libvirt URI such as qemu:///system"
# The characters that libvirt allows in an alias; what it stands for is known at connecting.
_ALIAS = re.compile(r"[A-Za-z0-9_-]+")


def _check_uri(value: object) -> str:
    if not isinstance(value, str):
        raise refuse(_URI, Hidden(value))
    if _ALIAS.fullmatch(value):
        return value
    try:
        parse_uri(value)
    except InvalidURI as exc:
        raise ConfigError("", f"this libvirt URI cannot be used: {exc.reason}") from exc
    return value


URI: Kind[str] = Kind("URI", _check_uri, str)
"""What parses as a URI, or could be an alias of libvirt.conf."""


def _check_optional_uri(value: object) -> str | None:
    return None if value == "" else _check_uri(value)


def _render_optional_uri(value: str | None) -> str:
    return value or "qemu:///system"


OPTIONAL_URI: Kind[str | None] = Kind("URI", _check_optional_uri, _render_optional_uri)

_NAME = "a name: text in quotes that is no URI and has no white space around it"


def _check_name(value: object) -> str:
    # Whoever asks for a target gives a name or a URI: the one must not look like the other.
    if not isinstance(value, str) or not value.isprintable() or "://" in value:
        raise refuse(_NAME, Hidden(value))
    if not value or value != value.strip():
        raise refuse(_NAME, Hidden(value))
    return value


NAME: Kind[str] = Kind("NAME", _check_name, str)


def _check_username(value: object) -> str | None:
    if not isinstance(value, str) or not value.isprintable():
        raise refuse("a user's name as printable text", Hidden(value))
    return value or None


def _render_optional(value: object) -> str:
    return "" if value is None else str(value)


USERNAME: Kind[str | None] = Kind("NAME", _check_username, _render_optional)


def _check_password_file(value: object) -> Path | None:
    if not isinstance(value, str) or "\0" in value:
        raise refuse("the name of a file that holds the password", Hidden(value))
    return Path(value) if value else None


PASSWORD_FILE: Kind[Path | None] = Kind("FILE", _check_password_file, _render_optional)

_PATTERNS = r"a regular expression such as qemu\+tls://[a-z0-9.-]+/system, or a list of them"


def _check_patterns(value: object) -> tuple[re.Pattern[str], ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_compile(number, item) for number, item in enumerate(items, start=1))


def _compile(number: int, value: object) -> re.Pattern[str]:
    if not isinstance(value, str) or not value:
        raise refuse(_PATTERNS, Hidden(value))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read differently
            return re.compile(value)
    except re.error as exc:
        place = "" if exc.pos is None else f" at position {exc.pos}"
        message = f"regular expression {number} is invalid: {exc.msg}{place}"
        raise ConfigError("", message) from exc
    except (OverflowError, RecursionError) as exc:
        raise ConfigError("", f"regular expression {number} is too large") from exc


def _render_patterns(patterns: tuple[re.Pattern[str], ...]) -> str:
    return " ".join(pattern.pattern for pattern in patterns)


# A URI has no white space, so that an expression for one needs none; it may well need a comma.
PATTERNS: Kind[tuple[re.Pattern[str], ...]] = Kind(
    "REGEX", _check_patterns, _render_patterns, is_repeatable=True, separator=None
)
