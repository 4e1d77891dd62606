"""The configuration: one annotated field a setting, and `load`, which makes a checked `Config`.

The fields are the one table: keys, flags, variables, defaults, checks and the reference page come
from them (`SETTINGS`). A flag goes before a variable, that before the file, that before the
default. `load` reports every mistake at once and opens nothing but the configuration file.
"""

import dataclasses
import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Self, TypeVar, get_args, get_origin, get_type_hints

import cattrs
import yaml
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

__all__ = [
    "CONFIG_FILE",
    "LARGEST_FILE_BYTES",
    "RESERVED_LABELS",
    "SETTINGS",
    "CollectorsConfig",
    "Config",
    "ConfigError",
    "DiskCollectors",
    "DomainCollectors",
    "Kind",
    "LibvirtConfig",
    "ListenAddress",
    "LoggingConfig",
    "MetricsConfig",
    "NetworkCollectors",
    "Problem",
    "Setting",
    "WebConfig",
    "expand_boolean_flags",
    "load",
    "parse_boolean",
    "parse_duration",
    "parse_listen_address",
    "render_duration",
    "show",
]

# What is wrong, in an operator's words: values on one line, cut short.


_SHOWN_CHARACTERS = 60
_SHOWN_INTEGER = 10**18  # str() refuses an integer of thousands of digits


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
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _SHOWN_INTEGER):
        return str(value)
    return _type_name(value)


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")


def show_key(path: Iterable[str]) -> str:
    """Renders a key's path with dots, whatever an operator put in the place of a key."""
    return ".".join(
        key if key.isprintable() and len(key) <= _SHOWN_CHARACTERS else show(key) for key in path
    )


def refuse(allowed: str, value: object) -> ConfigError:
    """The error for a value that is none of what is allowed; `load` adds the key and the source."""
    return ConfigError("", f"expected {allowed}, got {show(value)}")


# Durations as operators write them <-> seconds.


DURATION = "a duration (30s, 1m, 1h30m, 500ms or a number of seconds)"

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_WITH_UNITS = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _MILLISECONDS))
_PLAIN = re.compile(_NUMBER)
_LONGEST_TEXT = 64


def parse_duration(value: object) -> float:
    """Reads a duration as seconds, from text or a plain number; units go from days down, each once.

    Raises ConfigError for everything else: negative, not finite, another unit, no number at all.
    """
    match value:
        case bool():
            raise refuse(DURATION, value)
        case int() | float():
            return _seconds_of_number(value)
        case str() if 0 < len(value) <= _LONGEST_TEXT:
            return _seconds_of_text(value)
        case _:
            raise refuse(DURATION, value)


def _seconds_of_number(value: float) -> float:
    try:
        seconds = float(value)
    except OverflowError as exc:  # an integer beyond every float
        raise refuse(DURATION, value) from exc
    if not math.isfinite(seconds) or seconds < 0:
        raise refuse(DURATION, value)
    return seconds


def _seconds_of_text(text: str) -> float:
    if _PLAIN.fullmatch(text):
        return float(text)
    parts = _WITH_UNITS.fullmatch(text)
    if parts is None:
        raise refuse(DURATION, text)
    # Decimal, so that 1s100ms is the float nearest to 1.1 and not a sum of rounded ones.
    milliseconds = sum(
        Decimal(number) * _MILLISECONDS[unit]
        for unit, number in parts.groupdict().items()
        if number is not None
    )
    return float(milliseconds / 1000)


def render_duration(seconds: float) -> str:
    """Writes seconds in the largest units that fit, to the millisecond: 90 is `1m30s`."""
    rest = round(seconds * 1000)
    text = ""
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


# What one setting may hold: text of a flag or a variable -> what YAML gives -> a checked value.


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value: `read_text` gives what YAML would have given, `check` makes the value of it.

    The text of a repeatable kind is read item by item and checked as a list.
    """

    metavar: str
    check: Callable[[object], T]
    render: Callable[[T], str]
    read_text: Callable[[str], object] = str
    is_repeatable: bool = False
    is_boolean: bool = False

    def read(self, given: object) -> object:
        """What YAML would have given for a flag's or a variable's value."""
        if not self.is_repeatable:
            return self.read_text(given) if isinstance(given, str) else given
        if isinstance(given, str):
            return [self.read_text(item.strip()) for item in given.split(",")]
        if isinstance(given, list | tuple):
            return [self.read_text(item) if isinstance(item, str) else item for item in given]
        return given


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings; `default` is written as an operator would write it."""

    key: str
    kind: Kind[Any]
    default: str
    help: str
    flag: str
    environment: str

    @property
    def parameter(self) -> str:
        """The key as a Python identifier, for a command line library."""
        return self.key.replace(".", "__")

    @property
    def negative_flag(self) -> str:
        """The flag that switches a boolean off (`--no-...`); empty for other kinds."""
        return f"--no-{self.flag.removeprefix('--')}" if self.kind.is_boolean else ""


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
    """Where to listen; an empty host is every address of the machine, port 0 a free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_ADDRESS = "an address such as :9177, 127.0.0.1:9177, localhost:9177 or '[::1]:9177'"
_HOST_AND_PORT = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_DOTTED_NUMBER = re.compile(r"[0-9.]+")


def parse_listen_address(text: object) -> ListenAddress:
    """Reads host:port, [IPv6]:port or :port; raises ConfigError for everything else."""
    parts = _HOST_AND_PORT.fullmatch(text) if isinstance(text, str) else None
    if parts is None or int(parts["port"]) > 65535:
        raise refuse(_ADDRESS, text)
    host = parts["ipv6"] or parts["host"] or ""
    if parts["ipv6"] or _DOTTED_NUMBER.fullmatch(host):
        _check_ip_address(host, 6 if parts["ipv6"] else 4, text)
    elif host and not _HOST_NAME.fullmatch(host):
        raise refuse(_ADDRESS, text)
    return ListenAddress(host, int(parts["port"]))


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
        if address.port and addresses.count(address) > 1:
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


def _check_uri(value: object) -> str | None:
    # A URI may carry a user and a password: it is never shown.
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise ConfigError("", "expected a libvirt URI without spaces, such as qemu:///system")
    return value or None


def _render_uri(value: str | None) -> str:
    return value or "qemu:///system"


URI: Kind[str | None] = Kind("URI", _check_uri, _render_uri)


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
    hostname implementation instance_id instance_name interval io kind le libvirt mac machine
    major minor mode model monitor network node operation os_type page_size patchlevel path pool
    procedure project_id project_name python_version quantile serial source stat status title type
    uri user_id user_name vcpus version volume
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
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _SHOWN_INTEGER:
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


# The YAML file: text -> a plain tree and the line of every key; it knows no setting.


LARGEST_FILE_BYTES = 1 << 20
_MERGE_TAG = "tag:yaml.org,2002:merge"

_KEYS_ARE_TEXT = "a key must be plain text; merge keys (<<) and other keys are not supported"

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file's content: `tree` as YAML gives it, `lines` counted from 1."""

    name: str
    tree: Mapping[object, object]
    lines: Mapping[KeyPath, int]

    def source(self, path: KeyPath) -> str:
        """The file and the line of the key, or of the nearest section above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines[path]}" if path else self.name


def read_config_file(path: Path) -> ConfigFile:
    """Reads and parses a file of at most LARGEST_FILE_BYTES; an empty one is an empty mapping."""
    name = str(path)
    loader = _open_loader(_read_text(path, name), name)
    try:
        root = loader.get_single_node()
        if root is None:
            return ConfigFile(name, {}, {})
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError("", "expected a mapping of settings at the top", source=name)
        lines = _key_lines(root, name)
        return ConfigFile(name, loader.construct_document(root), lines)
    except yaml.MarkedYAMLError as exc:
        raise _syntax_error(exc, name) from exc
    except RecursionError as exc:
        raise ConfigError("", "the YAML is nested too deeply", source=name) from exc
    except ConfigError:
        raise
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as exc:
        # PyYAML lets these through for a scalar that does not fit its tag: !!int "", 2024-13-45.
        reason = "a value does not fit its YAML type; put text in quotes"
        raise ConfigError("", reason, source=name) from exc
    finally:
        loader.dispose()


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "not a file name"
        raise ConfigError("", f"cannot read the file: {reason}", source=name) from exc
    if len(content) > LARGEST_FILE_BYTES:
        reason = f"the file is larger than {LARGEST_FILE_BYTES} bytes"
        raise ConfigError("", reason, source=name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ConfigError("", "the file is not UTF-8 text", source=f"{name}:{line}") from exc


def _open_loader(text: str, name: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as exc:
        before = text[: exc.position]
        source = f"{name}:{before.count(chr(10)) + 1}:{exc.position - before.rfind(chr(10))}"
        reason = f"the character U+{ord(text[exc.position]):04X} is not allowed in YAML"
        raise ConfigError("", reason, source=source) from exc


def _syntax_error(error: yaml.MarkedYAMLError, name: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    source = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    return ConfigError("", f"not valid YAML: {reason}", source=source)


def _key_lines(root: yaml.Node, name: str) -> dict[KeyPath, int]:
    """The line of every key; raises for keys that stand twice in one mapping and for merge keys."""
    lines: dict[KeyPath, int] = {}
    problems: dict[int, Problem] = {}
    visited: set[int] = set()  # an alias leads to a node that was seen, perhaps around a circle
    pending: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while pending:
        path, node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend((path, item) for item in node.value)
        if not isinstance(node, yaml.MappingNode):
            continue
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE_TAG:
                problems[line] = Problem("", _KEYS_ARE_TEXT, f"{name}:{line}")
                continue
            key = key_node.value
            if key in first_lines:
                reason = f"given twice, first on line {first_lines[key]}"
                problems[line] = Problem(show_key((*path, key)), reason, f"{name}:{line}")
            first_lines.setdefault(key, line)
            lines.setdefault((*path, key), line)
            pending.append(((*path, key), value_node))
    if problems:
        raise ConfigError.of(problems[line] for line in sorted(problems))
    return lines


# The table of settings.


ENVIRONMENT_PREFIX = "LIBVIRT_EXPORTER_"
_DAY = 86_400.0
_MILLISECOND = 0.001


@dataclass(frozen=True, slots=True)
class Doc:
    """What a field's annotation adds to its type: kind, help, and a flag that breaks the rule."""

    kind: Kind[Any]
    help: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class LibvirtConfig:
    uri: Annotated[
        str | None,
        Doc(URI, "Connection URI. When it is not set, LIBVIRT_DEFAULT_URI is used."),
    ] = None
    timeout_seconds: Annotated[
        float, Doc(duration(_MILLISECOND, _DAY), "Longest time that one scrape may take.")
    ] = 10.0
    reconnect_interval_seconds: Annotated[
        float,
        Doc(duration(_MILLISECOND, _DAY), "Longest pause between two attempts to connect."),
    ] = 30.0
    parallel: Annotated[
        int, Doc(integer(1, 64), "Calls in flight on one connection; libvirtd runs 5 at a time.")
    ] = 4
    max_stuck_calls: Annotated[
        int,
        Doc(integer(1, 64), "Calls without an answer after which no more are sent."),
    ] = 3
    keepalive_interval_seconds: Annotated[
        float,
        Doc(duration(0, _DAY), "Silence after which the daemon is pinged; 0 switches it off."),
    ] = 5.0
    keepalive_count: Annotated[
        int, Doc(integer(1, 1000), "Unanswered pings after which the connection is given up.")
    ] = 5
    read_only: Annotated[
        bool, Doc(BOOLEAN, "Open the connection read-only. Guest agent data needs a full one.")
    ] = True


@dataclass(frozen=True, slots=True)
class WebConfig:
    listen_address: Annotated[
        tuple[ListenAddress, ...],
        Doc(ADDRESSES, "Address to listen on; may be repeated. An empty host is every address."),
    ] = (ListenAddress("", 9177),)
    telemetry_path: Annotated[str, Doc(TELEMETRY_PATH, "Path of the metrics page.")] = "/metrics"
    timeout_offset_seconds: Annotated[
        float, Doc(duration(0, _DAY), "Margin taken off the scrape timeout that Prometheus states.")
    ] = 0.5


@dataclass(frozen=True, slots=True)
class DomainCollectors:
    stats: Annotated[bool, Doc(BOOLEAN, "CPU, memory and vCPU statistics of domains.")] = True
    state: Annotated[bool, Doc(BOOLEAN, "State of domains and its reason.")] = True
    perf: Annotated[bool, Doc(BOOLEAN, "Performance events (perf) of domains.")] = False
    iothread: Annotated[bool, Doc(BOOLEAN, "Polling figures of I/O threads.")] = False
    memory_bandwidth: Annotated[
        bool, Doc(BOOLEAN, "Memory bandwidth monitors (resctrl) of domains.")
    ] = False
    dirtyrate: Annotated[bool, Doc(BOOLEAN, "Memory dirty rate of domains.")] = False
    vm: Annotated[bool, Doc(BOOLEAN, "Hypervisor-specific statistics of domains.")] = False
    vcpu_stats: Annotated[bool, Doc(BOOLEAN, "Hypervisor-specific statistics of vCPUs.")] = False


@dataclass(frozen=True, slots=True)
class DiskCollectors:
    stats: Annotated[bool, Doc(BOOLEAN, "Statistics of disks.")] = True
    limits: Annotated[bool, Doc(BOOLEAN, "I/O limits of disks.")] = False


@dataclass(frozen=True, slots=True)
class NetworkCollectors:
    stats: Annotated[bool, Doc(BOOLEAN, "Statistics of network interfaces.")] = True


@dataclass(frozen=True, slots=True)
class CollectorsConfig:
    domain: DomainCollectors = DomainCollectors()
    disk: DiskCollectors = DiskCollectors()
    network: NetworkCollectors = NetworkCollectors()
    min_interval_seconds: Annotated[
        float, Doc(duration(0, _DAY), "Age up to which a page is served again; 0 is never.")
    ] = 0.0


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    extra_labels: Annotated[
        tuple[tuple[str, str], ...],
        Doc(LABELS, "Constant label for every sample; may be repeated.", "--metrics.extra-label"),
    ] = ()


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    level: Annotated[
        str, Doc(choice("debug", "info", "warning", "error"), "Least severe level that is logged.")
    ] = "info"
    format: Annotated[str, Doc(choice("text", "json"), "Form of a log line.")] = "text"
    file: Annotated[
        Path | None, Doc(FILE, "File to log to, opened again when it is rotated; empty is stderr.")
    ] = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `warnings` are sentences for the log, not errors."""

    libvirt: LibvirtConfig = LibvirtConfig()
    web: WebConfig = WebConfig()
    collectors: CollectorsConfig = CollectorsConfig()
    metrics: MetricsConfig = MetricsConfig()
    logging: LoggingConfig = LoggingConfig()
    warnings: tuple[str, ...] = ()


# From the fields to the table of settings.


@dataclass(frozen=True, slots=True)
class _Field:
    """A field as the file sees it: its key, and either the section or the setting that it holds."""

    attribute: str
    key: str
    section: type[Any] | None
    doc: Doc | None
    default: object


def _fields(section: type[Any]) -> Iterator[_Field]:
    hints = get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        hint = hints[field.name]
        key = field.name.removesuffix("_seconds")
        if get_origin(hint) is Annotated:
            yield _Field(field.name, key, None, get_args(hint)[1], field.default)
        elif dataclasses.is_dataclass(hint):
            yield _Field(field.name, key, type(field.default), None, field.default)


_FLAG_SECTIONS = {"collectors": "collector", "logging": "log"}


def _flag(key: str) -> str:
    section, _, rest = key.partition(".")
    return f"--{_FLAG_SECTIONS.get(section, section)}.{rest}".replace("_", "-")


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.replace(".", "_").upper()


def _settings(section: type[Any], prefix: str = "") -> Iterator[Setting]:
    for field in _fields(section):
        key = f"{prefix}{field.key}"
        if field.section is not None:
            yield from _settings(field.section, f"{key}.")
        if field.doc is not None:
            kind, flag = field.doc.kind, field.doc.flag or _flag(key)
            default = kind.render(field.default)
            yield Setting(key, kind, default, field.doc.help, flag, _variable(key))


SETTINGS: tuple[Setting, ...] = tuple(_settings(Config))
"""Every setting of the configuration file, in the order of the reference page."""

CONFIG_FILE = Setting(
    "config.file",
    FILE,
    "",
    "Configuration file (YAML).",
    "--config.file",
    _variable("config.file"),
)
"""The one setting that has no key in the file."""

_BY_KEY = {setting.key: setting for setting in SETTINGS}


def expand_boolean_flags(arguments: Sequence[str]) -> list[str]:
    """Writes bare boolean flags out: `--x` becomes `--x=true` and `--no-x` `--x=false`.

    Every boolean is then an ordinary option with a value, which never takes the next word for it.
    """
    written_out = {
        spelling: f"{setting.flag}={value}"
        for setting in SETTINGS
        if setting.kind.is_boolean
        for spelling, value in ((setting.flag, "true"), (setting.negative_flag, "false"))
    }
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    options = [written_out.get(argument, argument) for argument in arguments[:end]]
    return [*options, *arguments[end:]]


# From what was given to a Config.


def load(path: Path | None, *, flags: Mapping[str, object], environ: Mapping[str, str]) -> Config:
    """Reads file, variables and flags; without a path LIBVIRT_EXPORTER_CONFIG_FILE names the file.

    `flags` are by the settings' keys: text or values, a list for a repeatable one; None and an
    empty list are flags that were not given. An empty variable counts as not set. A list or a
    mapping is replaced as a whole, never merged. Raises ConfigError.
    """
    if path is None and environ.get(CONFIG_FILE.environment):
        path = Path(environ[CONFIG_FILE.environment])
    problems: list[Problem] = []
    # Every source is checked by itself: a mistake is reported even where another source hides it.
    given = {} if path is None else _given_by_file(path, problems)
    for setting in SETTINGS:
        _read_given(
            setting, setting.environment, environ.get(setting.environment) or None, given, problems
        )
        _read_given(setting, setting.flag, flags.get(setting.key), given, problems)
    unknown_flags = flags.keys() - _BY_KEY.keys()
    problems.extend(Problem(key, "is no setting") for key in sorted(unknown_flags))
    if problems:
        raise ConfigError.of(problems)
    config: Config = _CONVERTER.structure(_nested(given), Config)
    return dataclasses.replace(config, warnings=tuple(_unknown_variables(environ)))


def _read_given(
    setting: Setting,
    source: str,
    value: object,
    given: dict[str, object],
    problems: list[Problem],
) -> None:
    if value is None or (setting.kind.is_repeatable and value in ((), [])):
        return
    try:
        read = setting.kind.read(value)
        setting.kind.check(read)
    except ConfigError as error:
        problems.extend(error.located(key=setting.key, source=source))
        return
    given[setting.key] = read


def _given_by_file(path: Path, problems: list[Problem]) -> dict[str, object]:
    try:
        file = read_config_file(path)
        _CONVERTER.structure(file.tree, Config)
    except ConfigError as error:
        problems.extend(error.problems)
        return {}
    except ClassValidationError as error:
        problems.extend(_file_problems(error, Config, (), file))
        return {}
    found = ((setting.key, _value_at(file.tree, setting.key)) for setting in SETTINGS)
    return {key: value for key, value in found if value is not None}


def _value_at(tree: object, key: str) -> object:
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


def _nested(given: Mapping[str, object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for key, value in given.items():
        *sections, last = key.split(".")
        section: dict[str, Any] = tree
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return tree


def _file_problems(
    error: ClassValidationError, section: type[Any], path: tuple[str, ...], file: ConfigFile
) -> Iterator[Problem]:
    """Takes the tree of cattrs' errors apart: one problem a leaf."""
    fields = {field.attribute: field for field in _fields(section)}
    placed, own = error.group_exceptions()
    for exc, note in placed:
        field = fields[note.name]
        here = (*path, field.key)
        if isinstance(exc, ClassValidationError) and field.section is not None:
            yield from _file_problems(exc, field.section, here, file)
        elif isinstance(exc, ConfigError):
            yield from exc.located(key=".".join(here), source=file.source(here))
        else:
            raise exc
    for exc in own:
        if not isinstance(exc, ForbiddenExtraKeysError):
            raise exc
        known = [field.key for field in fields.values()]
        for key in sorted(exc.extra_fields):
            yield _unknown_key(key, known, path, file)


def _unknown_key(
    key: str, known: Sequence[str], path: tuple[str, ...], file: ConfigFile
) -> Problem:
    elsewhere = [setting.key for setting in SETTINGS if key == setting.key.rpartition(".")[2]]
    close = difflib.get_close_matches(key, known, 1)
    meant = [".".join((*path, *close))] if close else elsewhere
    question = f", did you mean {' or '.join(meant)}?" if meant else ""
    allowed = f"allowed here: {', '.join(known)}"
    here = (*path, key)
    return Problem(show_key(here), f"unknown key{question} ({allowed})", file.source(here))


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    table = (*SETTINGS, CONFIG_FILE)
    known = [setting.environment.removeprefix(ENVIRONMENT_PREFIX) for setting in table]
    for name in sorted(environ):
        own = name.removeprefix(ENVIRONMENT_PREFIX)
        if own == name or own in known:
            continue
        # The prefix is left out of the comparison: it alone would make every name look close.
        close = difflib.get_close_matches(own, known, 1)
        question = f", did you mean {ENVIRONMENT_PREFIX}{close[0]}?" if close else ""
        yield f"the environment variable {show_key([name])} is no setting{question}"


def _structure_section(
    section: type[Any], converter: cattrs.Converter
) -> Callable[[object, object], Any]:
    """The hook for one section: the mapping's shape by cattrs, each leaf by its setting's kind."""
    overrides: dict[str, Any] = {
        field.name: override(omit=True) for field in dataclasses.fields(section)
    }
    for field in _fields(section):
        hook = None if field.doc is None else _leaf_hook(field.doc.kind)
        overrides[field.attribute] = override(rename=field.key, struct_hook=hook)
    structure = make_dict_structure_fn(
        section,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        **overrides,
    )

    def structure_section(value: object, _: object) -> Any:
        if not isinstance(value, Mapping | None):
            raise refuse("a mapping of settings", Hidden(value))
        # A key without a value (`libvirt:` alone) is a key that was not given.
        given = {
            key if isinstance(key, str) else show(key): item
            for key, item in (value or {}).items()
            if item is not None
        }
        return structure(given, section)

    return structure_section


def _leaf_hook(kind: Kind[Any]) -> Callable[[object, object], Any]:
    return lambda value, _: kind.check(value)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=True)
    converter.register_structure_hook_factory(
        dataclasses.is_dataclass, lambda section: _structure_section(section, converter)
    )
    return converter


_CONVERTER = _make_converter()
