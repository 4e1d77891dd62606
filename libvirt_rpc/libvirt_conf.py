"""The client settings that libvirt's own client reads from libvirt.conf: aliases, defaults, modes.

`parse` turns the file's text into a `LibvirtConf`; `load` reads the file that libvirt's client
would read for this user. Keys that are no settings of this client are passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from libvirt_rpc.errors import LibvirtRPCError

__all__ = [
    "InvalidLibvirtConf",
    "LibvirtConf",
    "RemoteMode",
    "RemoteProxy",
    "conf_path",
    "load",
    "parse",
]


class RemoteMode(StrEnum):
    """Whose socket is used: the driver's own daemon (direct), libvirtd or its proxy (legacy)."""

    AUTO = "auto"
    DIRECT = "direct"
    LEGACY = "legacy"


class RemoteProxy(StrEnum):
    """How ssh reaches the daemon's socket: through `nc` (netcat) or `virt-ssh-helper` (native)."""

    AUTO = "auto"
    NETCAT = "netcat"
    NATIVE = "native"


class InvalidLibvirtConf(LibvirtRPCError):
    """A libvirt.conf that cannot be used; `line` is None where no line is at fault."""

    def __init__(self, reason: str, *, line: int | None = None, path: str = "") -> None:
        super().__init__(reason, line, path)
        self.reason = reason
        self.line = line
        self.path = path

    def __str__(self) -> str:
        where = self.path or "libvirt.conf"
        if self.line is not None:
            where = f"{where}, line {self.line}"
        return f"{where}: {self.reason}"


def _no_aliases() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LibvirtConf:
    """What libvirt.conf says; its URIs may hold user names and stay out of the repr."""

    uri_aliases: Mapping[str, str] = field(default_factory=_no_aliases, repr=False)
    uri_default: str | None = field(default=None, repr=False)
    remote_mode: RemoteMode = RemoteMode.AUTO
    remote_proxy: RemoteProxy = RemoteProxy.AUTO
    tls_priority: str | None = None


def conf_path(*, uid: int, environ: Mapping[str, str]) -> Path | None:
    """The one file that libvirt's client reads: root the system's, everybody else their own."""
    if uid == 0:
        return Path("/etc/libvirt/libvirt.conf")
    if config_home := environ.get("XDG_CONFIG_HOME"):
        return Path(config_home, "libvirt", "libvirt.conf")
    if home := environ.get("HOME"):
        return Path(home, ".config", "libvirt", "libvirt.conf")
    return None


def load(environ: Mapping[str, str], *, uid: int | None = None) -> LibvirtConf:
    """Reads the file of `conf_path`; an absent one says nothing. Without `uid`, the process's."""
    path = conf_path(uid=os.geteuid() if uid is None else uid, environ=environ)
    if path is None:
        return LibvirtConf()
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return LibvirtConf()
    except OSError as exc:
        if not os.access(path, os.F_OK, effective_ids=True):
            # Behind a folder that is closed to this user, it is absent for libvirt's client, too.
            return LibvirtConf()
        raise InvalidLibvirtConf(f"cannot be read: {exc.strerror}", path=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise InvalidLibvirtConf("is not UTF-8 text", path=str(path)) from exc
    try:
        return parse(text)
    except InvalidLibvirtConf as exc:
        raise InvalidLibvirtConf(exc.reason, line=exc.line, path=str(path)) from exc


def parse(text: str) -> LibvirtConf:
    """Reads a libvirt.conf's text; anything wrong with it is an `InvalidLibvirtConf`."""
    entries = _entries(list(_tokens(text)))
    return LibvirtConf(
        uri_aliases=MappingProxyType(_aliases(entries)),
        # An empty string stands for none: libvirt's client fails on it without a reason.
        uri_default=_text(entries, "uri_default") or None,
        remote_mode=_choice(entries, "remote_mode", RemoteMode.AUTO),
        remote_proxy=_choice(entries, "remote_proxy", RemoteProxy.AUTO),
        tls_priority=_text(entries, "tls_priority"),
    )


# The settings by name and type


@dataclass(frozen=True, slots=True)
class _Entry:
    value: str | int | list[str | int]
    line: int


_Choice = TypeVar("_Choice", bound=StrEnum)


def _text(entries: Mapping[str, _Entry], key: str) -> str | None:
    if key not in entries:
        return None
    entry = entries[key]
    if not isinstance(entry.value, str):
        raise InvalidLibvirtConf(f'{key} takes a string: write {key} = "..."', line=entry.line)
    return entry.value


def _choice(entries: Mapping[str, _Entry], key: str, default: _Choice) -> _Choice:
    text = _text(entries, key)
    if text is None:
        return default
    try:
        return type(default)(text)
    except ValueError:
        allowed = ", ".join(type(default))
        raise InvalidLibvirtConf(f"{key} is one of {allowed}", line=entries[key].line) from None


def _aliases(entries: Mapping[str, _Entry]) -> dict[str, str]:
    if "uri_aliases" not in entries:
        return {}
    entry = entries["uri_aliases"]
    if not isinstance(entry.value, list):
        raise InvalidLibvirtConf(
            'uri_aliases takes a list: write uri_aliases = [ "name=uri" ]', line=entry.line
        )
    aliases: dict[str, str] = {}
    for number, item in enumerate(entry.value, start=1):
        match = re.fullmatch(r"([A-Za-z0-9_-]+)=(.+)", item) if isinstance(item, str) else None
        if match is None:
            # The item itself stays out of the message: its URI may hold a user name.
            raise InvalidLibvirtConf(
                f'item {number} of uri_aliases is not "name=uri" with a name of the characters '
                "a-z, A-Z, 0-9, _ and -",
                line=entry.line,
            )
        aliases.setdefault(match[1], match[2])  # the first of two equal names counts
    return aliases


# The file's syntax


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


_TOKEN = re.compile(
    r"""
      (?P<skip>    [\ \t\r]+ | \#[^\n]* )
    | (?P<newline> \n )
    | (?P<name>    [A-Za-z][A-Za-z0-9_]* )
    | (?P<number>  -?[0-9]+ )
    | (?P<string>  \"{3}(?P<long>.*?)\"{3} | "(?P<double>[^"\n]*)" | '(?P<single>[^'\n]*)' )
    | (?P<mark>    [=\[\],;] )
    """,
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str) -> Iterator[_Token]:
    """Strings come without their quotes; the last token is always a newline."""
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidLibvirtConf(
                "a line is key = value, its value a number, a quoted string or a list in [ ]",
                line=line,
            )
        kinds = match.groupdict()
        for kind in ("newline", "name", "number", "mark"):
            if kinds[kind] is not None:
                yield _Token(kind, kinds[kind], line)
        for quoting in ("long", "double", "single"):
            if kinds[quoting] is not None:
                yield _Token("string", kinds[quoting], line)
        line += match.group().count("\n")
        position = match.end()
    yield _Token("newline", "", line)


def _entries(tokens: list[_Token]) -> dict[str, _Entry]:
    tokens.reverse()  # so that the next token is the cheap one to take
    entries: dict[str, _Entry] = {}
    while tokens:
        key = tokens.pop()
        if key.kind == "newline":
            continue
        if key.kind != "name":
            raise InvalidLibvirtConf("a line begins with a key", line=key.line)
        if not _is_mark(tokens.pop(), "="):
            raise InvalidLibvirtConf(f"write {key.text} = VALUE", line=key.line)
        entry = _Entry(_value(tokens, key), key.line)
        after = tokens.pop()
        if after.kind != "newline" and not _is_mark(after, ";"):
            raise InvalidLibvirtConf(
                f"the line goes on after the value of {key.text}", line=after.line
            )
        entries.setdefault(key.text, entry)  # the first of two equal keys counts
    return entries


def _value(tokens: list[_Token], key: _Token) -> str | int | list[str | int]:
    token = tokens.pop()
    if not _is_mark(token, "["):
        return _scalar(token, key)
    items: list[str | int] = []
    token = _pop_in_list(tokens, key)
    while not _is_mark(token, "]"):
        items.append(_scalar(token, key))
        token = _pop_in_list(tokens, key)
        if _is_mark(token, ","):
            token = _pop_in_list(tokens, key)
        elif not _is_mark(token, "]"):
            raise InvalidLibvirtConf(
                f"the items of {key.text} are separated by commas", line=token.line
            )
    return items


def _pop_in_list(tokens: list[_Token], key: _Token) -> _Token:
    """Lists go over several lines."""
    while tokens:
        token = tokens.pop()
        if token.kind != "newline":
            return token
    raise InvalidLibvirtConf(f"the list {key.text} has no closing ]", line=key.line)


def _scalar(token: _Token, key: _Token) -> str | int:
    if token.kind == "string":
        return token.text
    # No setting of ours is a number; the bound is far above libvirt's own 64 bits.
    if token.kind == "number" and len(token.text) <= 20:
        return int(token.text)
    raise InvalidLibvirtConf(
        f"{key.text} has neither a number nor a quoted string as its value", line=token.line
    )


def _is_mark(token: _Token, text: str) -> bool:
    return token.kind == "mark" and token.text == text
