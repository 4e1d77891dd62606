"""The credentials that libvirt's own client reads from auth.conf, found and read as it does.

`conf_path` says which file counts, `parse` reads one, `load` does both. Nothing that stands in the
file is quoted in an error: any line of it may be a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed

__all__ = ["AuthConf", "InvalidAuthConf", "conf_path", "load", "parse"]

SERVICE = "libvirt"
"""What the groups of the daemon's SASL credentials are named after; ssh and ESX have others."""
_SYSTEM_PATH = "/etc/libvirt/auth.conf"
_DEFAULT_HOST = "default"


class InvalidAuthConf(AuthenticationFailed):
    """An auth.conf that cannot be used; `line` is None where no line is at fault."""

    def __init__(self, fault: str, *, line: int | None = None, path: str = "") -> None:
        where = path or "auth.conf"
        super().__init__(f"{where if line is None else f'{where}, line {line}'}: {fault}")
        self.fault = fault
        self.line = line
        self.path = path


@dataclass(frozen=True, slots=True)
class AuthConf:
    """The groups of one file, by name; their contents stay out of the repr."""

    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    path: str = ""

    def credentials(self, host: str, *, service: str = SERVICE) -> Credentials | None:
        """Those for `host`, else those for every host, else None. Raises InvalidAuthConf."""
        for name in (f"auth-{service}-{host}", f"auth-{service}-{_DEFAULT_HOST}"):
            if name in self.groups:
                break
        else:
            return None
        if "credentials" not in self.groups[name]:
            raise InvalidAuthConf(f"[{name}] has no line credentials=NAME", path=self.path)
        chosen = self.groups.get(f"credentials-{self.groups[name]['credentials']}")
        if chosen is None:
            raise InvalidAuthConf(
                f"[{name}] says credentials=NAME, and there is no group [credentials-NAME]",
                path=self.path,
            )
        # SASL's name for the user is authname; `username` is whom to act as once in.
        username = chosen.get("authname") or chosen.get("username")
        password = chosen.get("password")
        if not username or not password:
            missing = "password" if username else "authname"
            raise InvalidAuthConf(
                f"the credentials that [{name}] chooses have no {missing}=", path=self.path
            )
        return Credentials(username, password, chosen.get("realm"), self.path or "auth.conf")


def conf_path(environ: Mapping[str, str], *, authfile: str | None = None) -> Path | None:
    """The one file that counts: LIBVIRT_AUTH_FILE, the URI's `authfile`, the user's, the system's.

    The first two count whether they can be read or not, the others where they can.
    """
    if named := environ.get("LIBVIRT_AUTH_FILE") or authfile:
        return Path(named)
    candidates = [Path(_SYSTEM_PATH)]
    if config_home := environ.get("XDG_CONFIG_HOME"):
        candidates.insert(0, Path(config_home, "libvirt", "auth.conf"))
    elif home := environ.get("HOME"):
        candidates.insert(0, Path(home, ".config", "libvirt", "auth.conf"))
    return next((path for path in candidates if os.access(path, os.R_OK)), None)


def load(environ: Mapping[str, str], *, authfile: str | None = None) -> AuthConf:
    """Reads the file of `conf_path`; without one there are no credentials. Raises InvalidAuthConf."""
    path = conf_path(environ, authfile=authfile)
    if path is None:
        return AuthConf()
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except OSError as exc:
        raise InvalidAuthConf(f"cannot be read: {exc.strerror}", path=str(path)) from exc
    try:
        return AuthConf(parse(text), str(path))
    except InvalidAuthConf as exc:
        raise InvalidAuthConf(exc.fault, line=exc.line, path=str(path)) from None


_BLANKS = " \t\n\v\f\r"
_GROUP = re.compile(r"\[([^\x00-\x1f\x7f\[\]]+)\][ \t]*")
_ENTRY = re.compile(r"([^=\[\]]+)(?:\[[^\]]*\])?=(.*)", re.DOTALL)
_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "": ""}


def parse(text: str) -> dict[str, dict[str, str]]:
    r"""The groups of an auth.conf's text; anything wrong with it is an InvalidAuthConf.

    As in libvirt's client, which reads it with GLib: the blanks before a value are no part of it, those
    behind it and quotes are; \s, \n, \t, \r and \\ stand for characters; the last of equal names counts.
    """
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] | None = None
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole.removesuffix("\r").lstrip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        if match := _GROUP.fullmatch(line):
            group = groups.setdefault(match[1], {})
            continue
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise InvalidAuthConf("a line is [group], name=value or a # comment", line=number)
        if group is None:
            raise InvalidAuthConf("a value stands before the first [group]", line=number)
        group[match[1].rstrip(_BLANKS)] = _unescaped(match[2].lstrip(_BLANKS))
    return groups


def _unescaped(value: str) -> str:
    # A backslash before another character stands for itself, one at the end for nothing.
    return re.sub(r"\\(.?)", lambda match: _ESCAPES.get(match[1], match[0]), value, flags=re.DOTALL)
