"""Connection URIs: their text in, what to connect to and what to ask the daemon for out.

`parse_uri` takes what libvirt's own client takes and gives CONNECT_OPEN the name that it would
give; everything else is `InvalidURI`. `resolve_uri` finds the URI that is meant where none, or an
alias, is given. Pure: no file is read and no name is looked up. User names, passwords and queries
stay out of every message and of the reprs.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from urllib.parse import quote, unquote

from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.libvirt_conf import LibvirtConf, RemoteMode, RemoteProxy

__all__ = [
    "ConnectionURI",
    "Transport",
    "URIParameters",
    "parse_uri",
    "resolve_uri",
]

_DEFAULT_URI = "qemu:///system"


class Transport(StrEnum):
    """How the bytes reach the daemon."""

    UNIX = "unix"
    TLS = "tls"
    TCP = "tcp"
    SSH = "ssh"


_DEFAULT_PORTS = {Transport.TLS: 16514, Transport.TCP: 16509}

_UNSUPPORTED_TRANSPORTS = {
    "libssh": "write +ssh, which runs your own ssh program",
    "libssh2": "write +ssh, which runs your own ssh program",
    "ext": "write +ssh and name the program with command=",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class URIParameters:
    """The parameters that the client keeps for itself; None or False where the URI has none.

    `mode` and `proxy` are None where libvirt.conf, and then libvirt's default, decides. `auth` is
    `sasl`, `sasl.MECHANISM` or `polkit`.
    """

    name: str | None = field(default=None, repr=False)
    socket: str | None = None
    mode: RemoteMode | None = None
    proxy: RemoteProxy | None = None
    command: str | None = None
    netcat: str | None = None
    keyfile: str | None = None
    no_verify: bool = False
    no_tty: bool = False
    pkipath: str | None = None
    tls_priority: str | None = None
    auth: str | None = None
    authfile: str | None = None
    no_sanity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConnectionURI:
    """What a connection URI means.

    `scheme` is as written, `driver` its part before the transport. `host` is what to connect to
    (`localhost` where a remote URI names none) and `port` what to connect at; `host` is None for
    unix, `port` for unix and where ssh decides. `open_name` is what CONNECT_OPEN gets. `redacted`
    is the URI without user, password and query, for messages and metrics. `suspicious` has a text
    for each unknown parameter that looks like a misspelt known one.
    """

    scheme: str
    driver: str
    transport: Transport
    user: str | None
    host: str | None
    port: int | None
    path: str
    parameters: URIParameters
    open_name: str
    redacted: str
    suspicious: tuple[str, ...]

    @property
    def is_local(self) -> bool:
        """Whether the daemon is this machine's, as far as the URI can tell."""
        return self.transport is Transport.UNIX

    def __str__(self) -> str:
        return self.redacted

    def __repr__(self) -> str:
        return f"ConnectionURI({self.redacted!r})"


def parse_uri(text: str) -> ConnectionURI:
    """Reads a connection URI; raises InvalidURI, whose reason says what to write instead."""
    try:
        return _parse(text)
    except _Refusal as refusal:
        raise InvalidURI(_without_secrets(text), str(refusal)) from None


def resolve_uri(text: str | None, environ: Mapping[str, str], conf: LibvirtConf) -> str:
    """The URI that is meant: the given one, else LIBVIRT_DEFAULT_URI, else libvirt.conf's
    uri_default, else the system's QEMU; an alias of libvirt.conf is replaced by its URI, once.
    """
    chosen = text or environ.get("LIBVIRT_DEFAULT_URI") or conf.uri_default or _DEFAULT_URI
    if _is_bare_xen(chosen):
        return chosen  # libvirt's client completes it before it looks for aliases
    return conf.uri_aliases.get(chosen, chosen)


class _Refusal(Exception):
    """Why a URI is refused, in words that give nothing of its user, password or query away."""


# RFC 3986; libvirt's client refuses everything else, non-ASCII characters too.
_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AT = re.compile("@|%40")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?"
)
# What libvirt's client does not escape in the name that it sends.
_PATH_SAFE = "/;@&=+$,!*'()"
_FRAGMENT_SAFE = _PATH_SAFE + ":?[]"


def _parse(text: str) -> ConnectionURI:
    if _is_bare_xen(text):
        text = "xen:///system"
    _check_characters(text)
    match = _URI.fullmatch(text)
    if match is None:
        raise _Refusal(_what_is_no_uri(text))
    scheme, raw_path, fragment = match["scheme"], match["path"], match["fragment"]
    if any(bracket in part for part in (raw_path, match["query"] or "") for bracket in "[]"):
        raise _Refusal("brackets belong around an IPv6 address only: write %5B and %5D")
    if fragment is not None and re.search(r"[#\[\]]", fragment):
        raise _Refusal("a second # or a bracket after the # is not allowed: write %23, %5B, %5D")

    path = _decoded(raw_path)
    user, host, port = _authority(match["authority"])
    driver, transport = _transport(scheme, host)
    if transport is Transport.UNIX and port is not None:
        raise _Refusal("a port needs a host: write driver://host:port/path")
    if match["authority"] and "@" in raw_path:
        # Else part of a user's name or password with an unescaped slash would pass for the path.
        raise _Refusal("an @ follows the path's first slash: write %2F for a / in the user's name")
    if host in {"system", "session"} and not path:
        raise _Refusal(f"{host!r} stands in the host's place: write {driver}:///{host}")

    known, unknown = _query(match["query"] or "")
    parameters = _parameters(known, transport)
    return ConnectionURI(
        scheme=scheme,
        driver=driver,
        transport=transport,
        user=user,
        host=host if transport is Transport.UNIX else host or "localhost",
        port=_DEFAULT_PORTS.get(transport) if port is None else port,
        path=path,
        parameters=parameters,
        open_name=_open_name(scheme, _local_uri(driver, path, unknown, fragment), parameters.name),
        redacted=_redacted(scheme, host, port, path),
        suspicious=tuple(
            f"{name} (did you mean {near[0]}?)"
            for name, _ in unknown
            if (near := difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=0.7))
        ),
    )


def _is_bare_xen(text: str) -> bool:
    return text.lower() == "xen" or text == "xen://"


def _check_characters(text: str) -> None:
    if not text.strip():
        raise _Refusal(f"it is empty: write {_DEFAULT_URI}, for instance")
    if text != text.strip():
        raise _Refusal("it begins or ends with white space: leave that out")
    if foreign := _FOREIGN.search(text):
        character = foreign.group()
        if not character.isprintable():
            raise _Refusal(f"it has the character U+{ord(character):04X}: leave that out")
        raise _Refusal(f"it has a {character!r}: write {quote(character)} for it")
    if _BAD_ESCAPE.search(text):
        raise _Refusal(
            "two hexadecimal digits follow a percent sign: write %25 for the sign itself"
        )


def _what_is_no_uri(text: str) -> str:
    if match := re.match(r"([A-Za-z][A-Za-z0-9+.\-]*):", text):
        # With an @ it may be a user's name that stands before the colon.
        driver = "qemu" if _AT.search(text) else match[1]
        return (
            "two slashes, a host (or none) and a path follow the driver: "
            f"write {driver}:///system, or {driver}://HOST/system"
        )
    if "://" in text:
        return "a driver's name has letters, digits, '.' and '-' and begins with a letter"
    return f"it has no driver and is no alias of libvirt.conf: write {_DEFAULT_URI}, for instance"


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _Refusal("its percent escapes are not UTF-8: write %C3%A9 for é, say") from None
    if _CONTROL.search(decoded):
        raise _Refusal("its percent escapes hide a control character: leave that out")
    return decoded


def _authority(text: str) -> tuple[str | None, str | None, int | None]:
    """User, host and port as far as they are there; an IPv6 address comes without its brackets."""
    userinfo, _, place = text.rpartition("@")
    if "@" in userinfo:
        raise _Refusal("it has two @ before the path: write %40 for the one in the user's name")
    if ":" in userinfo:
        raise _Refusal(
            "a password has no place in a URI and libvirt uses none from there: write user@host, "
            "and the password into libvirt's auth.conf"
        )
    user = _decoded(userinfo) or None
    if place.startswith("["):
        address, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _Refusal("an IPv6 address ends with a bracket: write [2001:db8::1]:16514")
        return user, _ipv6(_decoded(address)), _port(rest)
    if place.count(":") > 1:
        raise _Refusal("an IPv6 address needs brackets: write [2001:db8::1]")
    host, colon, port = place.partition(":")
    return user, _host(_decoded(host)), _port(colon + port)


def _ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        raise _Refusal("what is in brackets is no IPv6 address: write [2001:db8::1]") from None
    if percent and not re.fullmatch(r"[A-Za-z0-9_.\-]+", zone):
        raise _Refusal("an IPv6 address's zone is an interface's name: write [fe80::1%25eth0]")
    return text


def _host(text: str) -> str | None:
    if not text:
        return None
    # ssh would take a name that begins with a hyphen for an option.
    if not re.fullmatch(r"[A-Za-z0-9_.~][A-Za-z0-9_.~\-]*", text):
        raise _Refusal(
            "a host's name has letters, digits, '.', '_' and '-' and begins with no '-': write "
            "its ASCII form (xn--...) or its address"
        )
    return text


def _port(text: str) -> int | None:
    """`text` is what follows the host, its colon included."""
    if not text:
        return None
    digits = text[1:]
    if re.fullmatch(r"0*[0-9]{1,5}", digits) and 1 <= int(digits[-5:]) <= 65535:
        return int(digits[-5:])
    raise _Refusal("the port is a number from 1 to 65535: write host:16514, or leave it out")


def _transport(scheme: str, host: str | None) -> tuple[str, Transport]:
    driver, plus, suffix = scheme.partition("+")
    if not plus:
        return driver, Transport.UNIX if host is None else Transport.TLS
    name = suffix.lower()
    if name in _UNSUPPORTED_TRANSPORTS:
        raise _Refusal(f"+{name} is not supported here: {_UNSUPPORTED_TRANSPORTS[name]}")
    if name not in {transport.value for transport in Transport}:
        accepted = ", ".join(f"+{transport}" for transport in Transport)
        raise _Refusal(f"+{name} is no transport: write one of {accepted}")
    transport = Transport(name)
    if transport is Transport.UNIX and host is not None:
        raise _Refusal(
            f"a unix socket has no host: write {driver}+unix:///path, or {driver}+ssh or "
            f"{driver}+tls for a remote daemon"
        )
    return driver, transport


# Parameters

# For libssh and libssh2, which are no transports here; libvirt's client does not forward them.
_UNUSED = ("sshauth", "known_hosts", "known_hosts_verify")
_KNOWN = frozenset({*URIParameters.__dataclass_fields__, *_UNUSED})


def _query(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The client's own parameters (the last of equal names counts), and those of the daemon."""
    known: dict[str, str] = {}
    unknown: list[tuple[str, str]] = []
    *parts, last = text.split("&")
    # libvirt's client takes a semicolon for a separator where no & follows.
    for part in (*parts, *last.split(";")):
        raw_name, _, raw_value = part.partition("=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name.lower() in _KNOWN:
            known[name.lower()] = value
        elif name:
            unknown.append((name, value))
    return known, unknown


def _parameters(known: Mapping[str, str], transport: Transport) -> URIParameters:
    parameters = URIParameters(
        name=known.get("name"),
        socket=_text(known, "socket"),
        mode=_choice(known, "mode", RemoteMode),
        proxy=_choice(known, "proxy", RemoteProxy),
        command=_text(known, "command"),
        netcat=_text(known, "netcat"),
        keyfile=_text(known, "keyfile"),
        no_verify=_boolean(known, "no_verify"),
        no_tty=_boolean(known, "no_tty"),
        pkipath=_text(known, "pkipath"),
        tls_priority=_text(known, "tls_priority"),
        auth=_auth(known),
        authfile=_text(known, "authfile"),
        no_sanity=_boolean(known, "no_sanity"),
    )
    if transport is Transport.SSH:
        if parameters.mode is RemoteMode.DIRECT:
            raise _Refusal("mode=direct is for +unix only: leave it out")
        if parameters.netcat is not None and parameters.proxy is RemoteProxy.NATIVE:
            raise _Refusal("proxy=native uses no netcat: leave one of the two out")
    return parameters


def _text(known: Mapping[str, str], name: str) -> str | None:
    if known.get(name) == "":
        raise _Refusal(f"{name}= has no value: write one, or leave the parameter out")
    return known.get(name)


def _boolean(known: Mapping[str, str], name: str) -> bool:
    if name not in known:
        return False
    # An int of C; its client takes white space before the number and none after it.
    if re.fullmatch(r" *[+-]?0{0,20}[0-9]{1,10}", known[name]):
        number = int(known[name])
        if -(2**31) <= number < 2**31:
            return number != 0
    raise _Refusal(f"{name} is a number: write {name}=1 or {name}=0")


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(known: Mapping[str, str], name: str, choices: type[_Choice]) -> _Choice | None:
    if name not in known:
        return None
    try:
        return choices(known[name])
    except ValueError:
        raise _Refusal(f"{name} is one of {', '.join(choices)}") from None


def _auth(known: Mapping[str, str]) -> str | None:
    if "auth" not in known:
        return None
    kind, dot, mechanism = known["auth"].partition(".")
    if kind.lower() == "sasl" and (mechanism or not dot):
        return f"sasl{dot}{mechanism}"
    if kind.lower() == "polkit" and not dot:
        return "polkit"
    raise _Refusal("auth is sasl, sasl.MECHANISM (auth=sasl.SCRAM-SHA-256) or polkit")


# Texts


def _open_name(scheme: str, local_uri: str, name: str | None) -> str:
    if name is not None:
        return name
    if scheme == "remote" or scheme.startswith("remote+"):
        return ""  # the daemon finds its own default
    return local_uri


def _local_uri(driver: str, path: str, unknown: list[tuple[str, str]], fragment: str | None) -> str:
    """The URI as the daemon sees it: nothing of the way to it, no parameter of the client's."""
    text = f"{driver}://{quote(path, safe=_PATH_SAFE)}"
    if unknown:
        pairs = (f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in unknown)
        text += f"?{'&'.join(pairs)}"
    return text if fragment is None else f"{text}#{quote(_decoded(fragment), safe=_FRAGMENT_SAFE)}"


def _redacted(scheme: str, host: str | None, port: int | None, path: str) -> str:
    place = quote(host or "", safe=":")
    if ":" in place:
        place = f"[{place}]"
    if port is not None:
        place = f"{place}:{port}"
    return f"{scheme}://{place}{quote(path, safe=_PATH_SAFE)}"


def _without_secrets(text: str) -> str:
    """What may be shown of a text that did not parse: a secret may stand anywhere in it."""
    match = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", text)
    prefix = match.group() if match else ""
    before_query = re.split("[?#]", text, maxsplit=1)[0]
    if _AT.search(text, len(before_query)):
        return f"{prefix}..."  # an unescaped ? or # in a password looks like a query's beginning
    place = _AT.split(before_query)
    return before_query if len(place) == 1 else prefix + place[-1]
