"""The table of settings: one annotated field a setting, in the section that holds it.

Keys, flags, variables, defaults, checks and the reference page all come from these fields, by
way of `SETTINGS`. Data and what derives it; no source is read here.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from exporter.config.kinds import (
    ADDRESSES,
    BOOLEAN,
    FILE,
    LABELS,
    TELEMETRY_PATH,
    URI,
    Kind,
    ListenAddress,
    choice,
    duration,
    integer,
)

__all__ = [
    "CONFIG_FILE",
    "ENVIRONMENT_PREFIX",
    "SETTINGS",
    "CollectorsConfig",
    "Config",
    "DiskCollectors",
    "DomainCollectors",
    "Field",
    "LibvirtConfig",
    "LoggingConfig",
    "MetricsConfig",
    "NetworkCollectors",
    "Setting",
    "WebConfig",
    "expand_boolean_flags",
    "fields_of",
]

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


@dataclass(frozen=True, slots=True)
class LibvirtConfig:
    uri: Annotated[
        str | None,
        Doc(
            URI,
            "Connection URI. When it is not set, LIBVIRT_DEFAULT_URI and libvirt.conf's "
            "uri_default go before the default.",
        ),
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
        Doc(
            integer(1, 64),
            "Calls left unanswered past their deadline that are tolerated, beside `parallel`, "
            "before no more are sent.",
        ),
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


@dataclass(frozen=True, slots=True)
class Field:
    """A field as the file sees it: its key, and either the section or the setting that it holds."""

    attribute: str
    key: str
    section: type[Any] | None
    doc: Doc | None
    default: object


def fields_of(section: type[Any]) -> Iterator[Field]:
    """The fields of a section that the file may hold, in order."""
    hints = get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        hint = hints[field.name]
        key = field.name.removesuffix("_seconds")
        if get_origin(hint) is Annotated:
            yield Field(field.name, key, None, get_args(hint)[1], field.default)
        elif dataclasses.is_dataclass(hint):
            yield Field(field.name, key, type(field.default), None, field.default)


_FLAG_SECTIONS = {"collectors": "collector", "logging": "log"}


def _flag(key: str) -> str:
    section, _, rest = key.partition(".")
    return f"--{_FLAG_SECTIONS.get(section, section)}.{rest}".replace("_", "-")


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.replace(".", "_").upper()


def _settings(section: type[Any], prefix: str = "") -> Iterator[Setting]:
    for field in fields_of(section):
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
