"""What one setting may hold: text of a flag or a variable -> what YAML gives -> a checked value.

Every refusal is a ConfigError without a place; `load` adds the key and the source. Nothing is
opened, looked up or resolved here.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from exporter.config.durations import DURATION, parse_duration, render_duration
from exporter.config.problems import SHOWN_INTEGER, ConfigError, refuse, show

__all__ = [
    "ADDRESSES",
    "BOOLEAN",
    "FILE",
    "LABELS",
    "LABEL_MAPPING",
    "RESERVED_LABELS",
    "TELEMETRY_PATH",
    "Kind",
    "ListenAddress",
    "choice",
    "duration",
    "integer",
    "parse_boolean",
    "parse_listen_address",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value: `read_text` gives what YAML would have given, `check` makes the value of it.

    The text of a repeatable kind is read item by item and checked as a list; in a variable the
    `separator` is between the items, None for white space.
    """

    metavar: str
    check: Callable[[object], T]
    render: Callable[[T], str]
    read_text: Callable[[str], object] = str
    is_repeatable: bool = False
    is_boolean: bool = False
    separator: str | None = ","

    def read(self, given: object) -> object:
        """What YAML would have given for a flag's or a variable's value."""
        if not self.is_repeatable:
            return self.read_text(given) if isinstance(given, str) else given
        if isinstance(given, str):
            return [self.read_text(item.strip()) for item in given.split(self.separator)]
        if isinstance(given, list | tuple):
            return [self.read_text(item) if isinstance(item, str) else item for item in given]
        return given


_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def parse_boolean(text: str) -> bool:
    """Reads true, yes, on, 1 or false, no, off, 0 in any case; raises ConfigError for the rest."""
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise refuse("true or false", text)
    return value


def _check_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise refuse("true or false", value)
    return value


def _render_boolean(value: object) -> str:
    return "true" if value else "false"


BOOLEAN: Kind[bool] = Kind(
    "BOOLEAN", _check_boolean, _render_boolean, parse_boolean, is_boolean=True
)


def integer(lowest: int, highest: int) -> Kind[int]:
    """A whole number within both bounds."""
    allowed = f"a whole number from {lowest} to {highest}"

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(allowed, value)
        if not lowest <= value <= highest:
            raise refuse(allowed, value)
        return value

    def read_text(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise refuse(allowed, text)
        return int(text)

    return Kind("NUMBER", check, str, read_text)


def duration(lowest_seconds: float, highest_seconds: float) -> Kind[float]:
    """Seconds within both bounds."""
    bounds = f"from {render_duration(lowest_seconds)} to {render_duration(highest_seconds)}"

    def check(value: object) -> float:
        seconds = parse_duration(value)
        if not lowest_seconds <= seconds <= highest_seconds:
            raise refuse(f"{DURATION} {bounds}", value)
        return seconds

    return Kind("DURATION", check, render_duration)


def choice(*allowed: str) -> Kind[str]:
    """One of a few words."""
    one_of = f"one of {', '.join(allowed)}"

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise refuse(one_of, value)
        return value

    return Kind("|".join(allowed), check, str)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen; an empty host is every address of the machine, port 0 a free port.

    With a `socket_path` it is a Unix socket, which has neither.
    """

    host: str
    port: int
    socket_path: str = ""

    def __str__(self) -> str:
        if self.socket_path:
            return f"{_UNIX}{self.socket_path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_UNIX = "unix:"
_LONGEST_SOCKET_PATH = 107  # sun_path of Linux, less the byte that ends it
_ADDRESS = (
    "an address such as :9177, 127.0.0.1:9177, localhost:9177, '[::1]:9177' "
    "or unix:/run/exporter.sock"
)
_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_DOTTED_NUMBER = re.compile(r"[0-9.]+")


def parse_listen_address(text: object) -> ListenAddress:
    """Reads host:port, [IPv6]:port, :port or unix:PATH; raises ConfigError for everything else."""
    if isinstance(text, str) and text.startswith(_UNIX):
        return _parse_socket_path(text.removeprefix(_UNIX))
    parts = _HOST_AND_PORT.fullmatch(text) if isinstance(text, str) else None
    if parts is None or int(parts["port"]) > 65535:
        raise refuse(_ADDRESS, text)
    host = parts["ipv6"] or parts["host"] or ""
    if parts["ipv6"] or _DOTTED_NUMBER.fullmatch(host):
        _check_ip_address(host, 6 if parts["ipv6"] else 4, text)
    elif host and not _HOST_NAME.fullmatch(host):
        raise refuse(_ADDRESS, text)
    return ListenAddress(host, int(parts["port"]))


def _parse_socket_path(path: str) -> ListenAddress:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise refuse("an absolute path behind unix:, such as unix:/run/exporter.sock", path)
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        message = f"a socket's path has {_LONGEST_SOCKET_PATH} bytes at most"
        raise ConfigError("", f"{message}, got {len(path.encode())}")
    return ListenAddress("", 0, path)


def _check_ip_address(host: str, version: int, text: object) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as exc:
        raise refuse(_ADDRESS, text) from exc
    if address.version != version or not host.isprintable():
        raise refuse(_ADDRESS, text)


def _check_addresses(value: object) -> tuple[ListenAddress, ...]:
    if not isinstance(value, list):
        return (parse_listen_address(value),)
    addresses = tuple(parse_listen_address(item) for item in value)
    if not addresses:
        raise ConfigError("", f"expected {_ADDRESS}, or a list of them, got an empty list")
    for address in addresses:
        has_one_place = address.port or address.socket_path
        if has_one_place and addresses.count(address) > 1:
            raise ConfigError("", f"the address {address} is given twice")
    return addresses


def _render_addresses(addresses: tuple[ListenAddress, ...]) -> str:
    return ",".join(str(address) for address in addresses)


ADDRESSES: Kind[tuple[ListenAddress, ...]] = Kind(
    "ADDRESS", _check_addresses, _render_addresses, is_repeatable=True
)

_PATH = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)+/?|/")
_OWN_PAGES = ("/-/", "/probe/", "/sd/")


def _check_telemetry_path(value: object) -> str:
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise refuse("an absolute path without a query, such as /metrics", value)
    if f"{value.rstrip('/')}/".startswith(_OWN_PAGES):
        raise ConfigError(
            "", f"{value} is one of the exporter's own pages; use another, such as /metrics"
        )
    return value


TELEMETRY_PATH: Kind[str] = Kind("PATH", _check_telemetry_path, str)


def _check_file(value: object) -> Path | None:
    if not isinstance(value, str) or "\0" in value:
        raise refuse("a file name", value)
    return Path(value) if value else None


def _render_file(value: Path | None) -> str:
    return "" if value is None else str(value)


FILE: Kind[Path | None] = Kind("FILE", _check_file, _render_file)

_OWN_LABELS = """
    domain uuid hypervisor host disk interface vcpu state reason
    action alias arch bank bridge build_date bus cache certificate code collector connected
    connection destination detail device discard driver event flavor format generation
    hostname implementation instance_id instance_name interval io iothread kind le libvirt mac
    machine major minor mode model monitor network node operation os_type page_size patchlevel path
    pool procedure project_id project_name python_version quantile serial source stat status title
    type uri user_id user_name vcpus version volume
    account_name address cluster_version cores data_center_id dies group_id group_name host_tags mode
    os_id owner_domain resume_behavior root_id service_offering sockets storage_domain_id
    system_datastore template_name threads
    capability change cpu_model cpu_vendor domain_name forward recipient success
    cpus direction disks error fstype group kernel_release kernel_version message mountpoint name prefix
    pretty_name scope variant version_id
"""
RESERVED_LABELS = frozenset(_OWN_LABELS.split())
"""Label names that the exporter's own metrics use; an extra label must not hide one."""

_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABELS = "a mapping of label names to text, such as rack: r12"


def _read_label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise refuse("a label such as rack=r12", text)
    return name, value


def _check_labels(value: object) -> tuple[tuple[str, str], ...]:
    pairs: Sequence[object] = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        pairs = value
    elif not isinstance(value, dict):
        raise refuse(_LABELS, value)
    labels: dict[str, str] = {}
    for pair in pairs:
        assert isinstance(pair, tuple)
        name, text = _check_label(*pair)
        if name in labels:
            raise ConfigError("", f"the label {name} is given twice")
        labels[name] = text
    return tuple(sorted(labels.items()))


def _check_label(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise refuse(
            "a label name of letters, digits and underscores that starts with no digit "
            "and no double underscore",
            name,
        )
    if name in RESERVED_LABELS:
        raise ConfigError("", f"the label {name} is the exporter's own; choose another name")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < SHOWN_INTEGER:
        value = str(value)
    if not isinstance(value, str):
        raise ConfigError(
            "", f"the value of the label {name} must be text in quotes, got {show(value)}"
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ConfigError("", f"the value of the label {name} is not valid UTF-8")
    return name, value


def _render_labels(labels: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels)


LABELS: Kind[tuple[tuple[str, str], ...]] = Kind(
    "NAME=VALUE", _check_labels, _render_labels, _read_label, is_repeatable=True
)


def _check_label_mapping(value: object) -> Mapping[str, str]:
    return MappingProxyType(dict(_check_labels(value)))


def _render_label_mapping(labels: Mapping[str, str]) -> str:
    return _render_labels(tuple(labels.items()))


LABEL_MAPPING: Kind[Mapping[str, str]] = Kind(
    "NAME=VALUE", _check_label_mapping, _render_label_mapping, _read_label, is_repeatable=True
)
