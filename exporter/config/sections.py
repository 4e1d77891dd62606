"""The sections of the configuration: one annotated field a setting, in the section that holds it.

Data only: what a file may hold, which values, their defaults and what they mean. `Entries` are
sections that stand in the file any number of times, each under a name.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from exporter.config.endpoints import NAME, OPTIONAL_URI, PASSWORD_FILE, PATTERNS, URI, USERNAME
from exporter.config.filters import (
    COLLECTOR_NAMES,
    LABEL_REGEXES,
    REGEXES,
    STATE_REGEXES,
    LabelPattern,
)
from exporter.config.kinds import (
    ADDRESSES,
    BOOLEAN,
    FILE,
    LABEL_MAPPING,
    LABELS,
    TELEMETRY_PATH,
    Kind,
    ListenAddress,
    choice,
    duration,
    integer,
)
from exporter.config.metadata import LABEL, NAMESPACE, PATH, PROFILES, SET_NAME
from exporter.config.metric_rows import DIVISOR, FIELD, HELP, METRIC, UNITS, statistics_of
from exporter.config.name_profiles import NAME_PROFILES
from exporter.metrics.metadata_profiles import PROFILES as RULES_BY_PROFILE
from exporter.metrics.metadata_profiles import MetadataRule
from exporter.metrics.rows import COUNTER, GAUGE, Group, Scale, Stat
from exporter.profiles.tables import NATIVE

__all__ = [
    "DEFAULT_MODULE",
    "CollectorsConfig",
    "Config",
    "ConnectionConfig",
    "DiskCollectors",
    "Doc",
    "DomainCollectors",
    "Entries",
    "Field",
    "FilterConfig",
    "HostCollectors",
    "LibvirtConfig",
    "LoggingConfig",
    "MetadataConfig",
    "MetadataRuleConfig",
    "MetricRowConfig",
    "MetricsConfig",
    "ModuleConfig",
    "NetworkCollectors",
    "ProbeConfig",
    "StorageCollectors",
    "TargetConfig",
    "WebConfig",
    "fields_of",
    "is_named_by_key",
]

DEFAULT_MODULE = "default"
_DAY = 86_400.0
_MILLISECOND = 0.001


@dataclass(frozen=True, slots=True)
class Doc:
    """What a field's annotation adds to its type: kind, help, and a flag that breaks the rule."""

    kind: Kind[Any]
    help: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """What the annotation of a field of many entries adds: the section of one of them, and help.

    They stand in the file alone: a list of entries that hold their names, or a mapping of names.
    """

    section: type[Any]
    help: str
    is_list: bool = False


_USERNAME = Doc(USERNAME, "User's name for SASL, where the daemon asks for one.")
_PASSWORD_FILE = Doc(PASSWORD_FILE, "File that holds the password for SASL.")
_READ_ONLY = Doc(BOOLEAN, "Open the connection read-only.")
_TIMEOUT = Doc(duration(_MILLISECOND, _DAY), "Longest time that one scrape may take.")


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """One of several hypervisors on the metrics page."""

    name: Annotated[str, Doc(NAME, "The `host` label of its samples; no two are the same.")]
    uri: Annotated[str, Doc(URI, "Connection URI, or an alias of libvirt.conf.")] = field(
        repr=False
    )
    username: Annotated[str | None, _USERNAME] = field(default=None, repr=False)
    password_file: Annotated[Path | None, _PASSWORD_FILE] = None
    read_only: Annotated[bool, _READ_ONLY] = True


@dataclass(frozen=True, slots=True)
class LibvirtConfig:
    uri: Annotated[
        str | None,
        Doc(
            OPTIONAL_URI,
            "Connection URI. When it is not set, LIBVIRT_DEFAULT_URI and libvirt.conf's "
            "uri_default go before the default.",
        ),
    ] = field(default=None, repr=False)
    timeout_seconds: Annotated[float, _TIMEOUT] = 10.0
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
    username: Annotated[str | None, _USERNAME] = field(default=None, repr=False)
    password_file: Annotated[Path | None, _PASSWORD_FILE] = None
    connections: Annotated[
        tuple[ConnectionConfig, ...],
        Entries(
            ConnectionConfig,
            "Several hypervisors on the metrics page, in the place of `libvirt.uri`.",
            is_list=True,
        ),
    ] = ()


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
    config_file: Annotated[
        Path | None,
        Doc(
            FILE,
            "File with TLS, users and headers, in the format of Prometheus' exporter toolkit.",
            "--web.config.file",
        ),
    ] = None
    systemd_socket: Annotated[
        bool, Doc(BOOLEAN, "Serve on the sockets that systemd hands over, not on an address.")
    ] = False
    max_connections: Annotated[
        int,
        Doc(
            integer(1, 65_536),
            "Open connections of clients; at the bound idle ones are closed, then new ones refused.",
        ),
    ] = 512
    max_requests: Annotated[
        int,
        Doc(
            integer(0, 65_536),
            "Scrapes, and as many probes, that are answered at once; more get a 503. 0 is no bound.",
        ),
    ] = 40
    enable_lifecycle: Annotated[
        bool, Doc(BOOLEAN, "Let POST /-/reload read the configuration anew, as SIGHUP does.")
    ] = False


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
    info: Annotated[
        bool,
        Doc(
            BOOLEAN,
            "What a domain is: names, devices and metadata of its XML, snapshots, autostart.",
        ),
    ] = True
    events: Annotated[bool, Doc(BOOLEAN, "Counters of what libvirt says happened to domains.")] = (
        True
    )
    jobs: Annotated[bool, Doc(BOOLEAN, "Migration, save and backup: running and last one.")] = True
    block_jobs: Annotated[bool, Doc(BOOLEAN, "Progress of copies, commits and pulls of disks.")] = (
        True
    )
    limits: Annotated[
        bool, Doc(BOOLEAN, "Throttles and limits of CPU, memory, disks and interfaces.")
    ] = False
    vcpu_placement: Annotated[
        bool, Doc(BOOLEAN, "On which of the host's processors vCPUs run, and may run.")
    ] = False
    messages: Annotated[
        bool, Doc(BOOLEAN, "What libvirt has against running domains: taints, deprecated parts.")
    ] = False
    guest_agent: Annotated[
        bool, Doc(BOOLEAN, "What the guest agent tells; needs `libvirt.read_only` off.")
    ] = False


@dataclass(frozen=True, slots=True)
class DiskCollectors:
    stats: Annotated[bool, Doc(BOOLEAN, "Statistics of disks.")] = True
    limits: Annotated[bool, Doc(BOOLEAN, "I/O limits of disks.")] = False
    errors: Annotated[bool, Doc(BOOLEAN, "Disks that have an error at present.")] = False


@dataclass(frozen=True, slots=True)
class NetworkCollectors:
    stats: Annotated[bool, Doc(BOOLEAN, "Statistics of network interfaces.")] = True
    networks: Annotated[bool, Doc(BOOLEAN, "State of virtual networks.")] = True
    dhcp_leases: Annotated[bool, Doc(BOOLEAN, "DHCP leases of virtual networks.")] = True


@dataclass(frozen=True, slots=True)
class HostCollectors:
    stats: Annotated[bool, Doc(BOOLEAN, "CPU, memory, NUMA cells and versions of the host.")] = True
    devices: Annotated[
        bool, Doc(BOOLEAN, "Numbers of node devices, interfaces, secrets and network filters.")
    ] = True


@dataclass(frozen=True, slots=True)
class StorageCollectors:
    pools: Annotated[bool, Doc(BOOLEAN, "State and capacity of storage pools.")] = True
    volumes: Annotated[bool, Doc(BOOLEAN, "Capacity and allocation of storage volumes.")] = False
    max_volumes: Annotated[
        int, Doc(integer(1, 100_000), "Volumes of one hypervisor that are shown at most.")
    ] = 1000


@dataclass(frozen=True, slots=True)
class CollectorsConfig:
    domain: DomainCollectors = DomainCollectors()
    disk: DiskCollectors = DiskCollectors()
    network: NetworkCollectors = NetworkCollectors()
    host: HostCollectors = HostCollectors()
    storage: StorageCollectors = StorageCollectors()
    jobs_interval_seconds: Annotated[
        float,
        Doc(
            duration(1.0, _DAY),
            "Time in which every running domain is asked once whether it has a job, an error of a "
            "disk, and where its vCPUs run; of jobs of disks, twice as long.",
        ),
    ] = 60.0
    slow_interval_seconds: Annotated[
        float,
        Doc(
            duration(1.0, _DAY),
            "Time after which what hardly changes (limits, volumes) is asked anew.",
        ),
    ] = 300.0
    guest_agent_interval_seconds: Annotated[
        float, Doc(duration(1.0, _DAY), "Time after which a guest agent is asked anew.")
    ] = 60.0
    guest_agent_timeout_seconds: Annotated[
        float, Doc(duration(_MILLISECOND, _DAY), "Longest time that one guest agent is waited for.")
    ] = 3.0
    min_interval_seconds: Annotated[
        float, Doc(duration(0, _DAY), "Age up to which a page is served again; 0 is never.")
    ] = 0.0
    enable: Annotated[
        tuple[str, ...],
        Doc(
            COLLECTOR_NAMES,
            "Collector or plugin to switch on, by its name on the page; may be repeated.",
        ),
    ] = ()
    disable: Annotated[
        tuple[str, ...],
        Doc(
            COLLECTOR_NAMES,
            "Collector or plugin to switch off, whatever else says; may be repeated.",
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class MetricRowConfig:
    """A metric of one's own, out of a field of the domains' statistics."""

    field: Annotated[
        str,
        Doc(
            FIELD,
            "The field, with its varying parts in angle brackets: `block.<disk>.rd.bytes`; "
            "each becomes the labels that the exporter's own metrics have for it.",
        ),
    ]
    name: Annotated[
        str, Doc(METRIC, "The metric; rows of one name share it, each with other labels.")
    ]
    help: Annotated[str, Doc(HELP, "What the metric means, as one sentence.")]
    type: Annotated[
        str, Doc(choice("counter", "gauge"), "A counter's name ends in `_total`, no other does.")
    ] = "gauge"
    unit: Annotated[
        str,
        Doc(
            choice(*UNITS),
            "What libvirt counts in: `ns`, `us` and `ms` become seconds, `kib` and `mib` bytes.",
        ),
    ] = "none"
    multiplier: Annotated[
        int, Doc(integer(1, 10**12), "What the value is multiplied by, beside its unit.")
    ] = 1
    divisor: Annotated[
        int, Doc(DIVISOR, "What the value is divided by, beside its unit: a power of ten.")
    ] = 1
    labels: Annotated[
        tuple[tuple[str, str], ...], Doc(LABELS, "Constant labels of this row's series.")
    ] = ()

    @property
    def stat(self) -> Stat:
        """The row as the tables have it."""
        unit = UNITS[self.unit]
        scale = Scale(unit.multiplier * self.multiplier, unit.divisor * self.divisor)
        kind = COUNTER if self.type == "counter" else GAUGE
        return Stat(self.field, self.name, kind, self.help, scale=scale, labels=self.labels)

    @property
    def group(self) -> Group:
        """The row, with the statistics that it needs."""
        return Group("", statistics_of(self.field), (self.stat,))


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    extra_labels: Annotated[
        tuple[tuple[str, str], ...],
        Doc(LABELS, "Constant label for every sample; may be repeated.", "--metrics.extra-label"),
    ] = ()
    profile: Annotated[
        tuple[str, ...],
        Doc(
            NAME_PROFILES,
            "Names under which the metrics are shown: the exporter's own (native), or another "
            "exporter's (tinkoff, inovex, kumina, vexxhost, uos); may be repeated.",
        ),
    ] = (NATIVE,)
    max_series: Annotated[
        int,
        Doc(
            integer(0, 1_000_000_000),
            "Series that one hypervisor may have on a page; beyond it whole metrics are left out, "
            "the last first, and counted. 0 is no bound.",
        ),
    ] = 1_000_000
    rows: Annotated[
        tuple[MetricRowConfig, ...],
        Entries(
            MetricRowConfig,
            "Metrics of one's own, out of the fields of the domains' statistics.",
            is_list=True,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class MetadataRuleConfig:
    """A label of one's own, out of the metadata of domains."""

    name: Annotated[
        str,
        Doc(SET_NAME, "The metric is libvirt_domain_NAME_info; rules of one name share it."),
    ]
    namespace: Annotated[
        str,
        Doc(NAMESPACE, "URI of the XML namespace, or empty for the elements of libvirt itself."),
    ]
    path: Annotated[
        str,
        Doc(
            PATH,
            "Names of elements below `metadata`, or below `domain` where the namespace is empty: "
            "`owner/user` is a text, `owner/user/@uuid` an attribute, `*` any one element.",
        ),
    ]
    label: Annotated[
        str,
        Doc(LABEL, "The label; of several rules for it the first that finds something counts."),
    ]


@dataclass(frozen=True, slots=True)
class MetadataConfig:
    profiles: Annotated[
        tuple[str, ...],
        Doc(
            PROFILES,
            "Platform whose metadata become labels: nova, ovirt, cloudstack, opennebula or "
            "libosinfo; may be repeated.",
            "--metadata.profile",
        ),
    ] = ("nova",)
    max_label_length: Annotated[
        int,
        Doc(
            integer(16, 65_536),
            "Bytes of a label's value at most, of all that comes from a domain's XML; "
            "what is cut ends in an ellipsis.",
        ),
    ] = 256
    refresh_seconds: Annotated[
        float,
        Doc(
            duration(1.0, _DAY),
            "Time after which a domain's XML is read again, though no event said that it changed.",
        ),
    ] = 600.0
    rules: Annotated[
        tuple[MetadataRuleConfig, ...],
        Entries(
            MetadataRuleConfig,
            "Labels out of the metadata of domains, beside those of the profiles.",
            is_list=True,
        ),
    ] = ()

    @property
    def all_rules(self) -> tuple[MetadataRule, ...]:
        """Those of the profiles, then the operator's own."""
        own = (MetadataRule(one.name, one.namespace, one.path, one.label) for one in self.rules)
        profiles = (rule for profile in self.profiles for rule in RULES_BY_PROFILE[profile])
        return (*profiles, *own)


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """What is shown at all. Every expression has to match the whole text."""

    domain_name_include: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "Only domains whose name matches; may be repeated."),
    ] = ()
    domain_name_exclude: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "No domain whose name matches; may be repeated."),
    ] = ()
    domain_uuid_include: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "Only domains whose UUID matches, in small letters; may be repeated."),
    ] = ()
    domain_uuid_exclude: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "No domain whose UUID matches, in small letters; may be repeated."),
    ] = ()
    domain_state_include: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(STATE_REGEXES, "Only domains in a state that matches; may be repeated."),
    ] = ()
    domain_state_exclude: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(STATE_REGEXES, "No domain in a state that matches; may be repeated."),
    ] = ()
    domain_metadata_include: Annotated[
        tuple[LabelPattern, ...],
        Doc(
            LABEL_REGEXES,
            "Only domains of which this label of their metadata, or `title`, matches; "
            "may be repeated.",
        ),
    ] = ()
    domain_metadata_exclude: Annotated[
        tuple[LabelPattern, ...],
        Doc(
            LABEL_REGEXES,
            "No domain of which this label of its metadata, or `title`, matches; may be repeated.",
        ),
    ] = ()
    disk_include: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "Only disks whose name in the guest matches; may be repeated."),
    ] = ()
    disk_exclude: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "No disk whose name in the guest matches; may be repeated."),
    ] = ()
    interface_include: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "Only interfaces of domains whose name on the host matches; may be repeated."),
    ] = ()
    interface_exclude: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(REGEXES, "No interface of a domain whose name on the host matches; may be repeated."),
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
class ProbeConfig:
    allow: Annotated[
        tuple[re.Pattern[str], ...],
        Doc(
            PATTERNS,
            "Regular expression for the whole URI of a target that may be probed though it is not "
            "configured; may be repeated. Without one there is no such target.",
        ),
    ] = ()
    max_connections: Annotated[
        int, Doc(integer(1, 10_000), "Connections that are kept for probes at the same time.")
    ] = 256
    idle_timeout_seconds: Annotated[
        float,
        Doc(duration(_MILLISECOND, _DAY), "Time without a probe after which one is closed."),
    ] = 300.0


@dataclass(frozen=True, slots=True)
class ModuleConfig:
    """How a target is probed."""

    name: str
    collectors: CollectorsConfig = CollectorsConfig()
    metadata: MetadataConfig = MetadataConfig()
    timeout_seconds: Annotated[float, _TIMEOUT] = 10.0
    labels: Annotated[
        Mapping[str, str],
        Doc(LABEL_MAPPING, "Constant labels for every sample of a probe by this module."),
    ] = field(default_factory=lambda: MappingProxyType({}))
    profile: Annotated[
        tuple[str, ...],
        Doc(NAME_PROFILES, "Names under which the metrics are shown, as `metrics.profile`."),
    ] = (NATIVE,)
    filter: FilterConfig = FilterConfig()
    max_series: Annotated[
        int, Doc(integer(0, 1_000_000_000), "Series on a page, as `metrics.max_series`.")
    ] = 1_000_000
    rows: Annotated[
        tuple[MetricRowConfig, ...],
        Entries(MetricRowConfig, "Metrics of one's own, as `metrics.rows`.", is_list=True),
    ] = ()


@dataclass(frozen=True, slots=True)
class TargetConfig:
    """A hypervisor that may be probed by its name."""

    name: str
    uri: Annotated[str, Doc(URI, "Connection URI, or an alias of libvirt.conf.")] = field(
        repr=False
    )
    module: Annotated[
        str, Doc(NAME, "The module for a probe that names none: `default`, or one of `modules`.")
    ] = DEFAULT_MODULE
    username: Annotated[str | None, _USERNAME] = field(default=None, repr=False)
    password_file: Annotated[Path | None, _PASSWORD_FILE] = None
    read_only: Annotated[bool, _READ_ONLY] = True
    labels: Annotated[
        Mapping[str, str], Doc(LABEL_MAPPING, "Labels of the target in the service discovery.")
    ] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `warnings` are sentences for the log, not errors.

    `modules` always has "default": unless it is given, it is what the top level says.
    """

    libvirt: LibvirtConfig = LibvirtConfig()
    web: WebConfig = WebConfig()
    collectors: CollectorsConfig = CollectorsConfig()
    metrics: MetricsConfig = MetricsConfig()
    logging: LoggingConfig = LoggingConfig()
    probe: ProbeConfig = ProbeConfig()
    modules: Annotated[
        Mapping[str, ModuleConfig],
        Entries(
            ModuleConfig,
            "Ways to probe a target. What a module leaves out is as the top level has it; "
            "`default` always exists.",
        ),
    ] = field(default_factory=dict)
    targets: Annotated[
        Mapping[str, TargetConfig],
        Entries(TargetConfig, "Hypervisors that may be probed by their names."),
    ] = field(default_factory=dict)
    metadata: MetadataConfig = MetadataConfig()
    filter: FilterConfig = FilterConfig()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        modules = {DEFAULT_MODULE: self.top_level, **self.modules}
        object.__setattr__(self, "modules", MappingProxyType(modules))
        object.__setattr__(self, "targets", MappingProxyType(dict(self.targets)))

    @property
    def top_level(self) -> ModuleConfig:
        """How the hypervisors of the metrics page are scraped, in the shape of a module."""
        return ModuleConfig(
            DEFAULT_MODULE,
            self.collectors,
            self.metadata,
            self.libvirt.timeout_seconds,
            profile=self.metrics.profile,
            filter=self.filter,
            max_series=self.metrics.max_series,
            rows=self.metrics.rows,
        )


@dataclass(frozen=True, slots=True)
class Field:
    """A field as the file sees it: its key, and one of section, setting or entries that it holds."""

    attribute: str
    key: str
    default: object
    section: type[Any] | None = None
    doc: Doc | None = None
    entries: Entries | None = None

    @property
    def is_required(self) -> bool:
        return self.doc is not None and self.default is dataclasses.MISSING


def fields_of(section: type[Any]) -> Iterator[Field]:
    """The fields of a section that the file may hold, in order."""
    hints = get_type_hints(section, include_extras=True)
    for one in dataclasses.fields(section):
        hint = hints[one.name]
        key = one.name.removesuffix("_seconds")
        default = one.default
        if one.default_factory is not dataclasses.MISSING:
            default = one.default_factory()
        if get_origin(hint) is not Annotated:
            if dataclasses.is_dataclass(hint):
                assert isinstance(hint, type)
                yield Field(one.name, key, default, section=hint)
            continue
        match get_args(hint)[1]:
            case Doc() as doc:
                yield Field(one.name, key, default, doc=doc)
            case Entries() as entries:
                yield Field(one.name, key, default, entries=entries)


def is_named_by_key(section: type[Any]) -> bool:
    """Whether a section has a name that is not in it: the key above it."""
    named = {one.name for one in dataclasses.fields(section)}
    return "name" in named - {one.attribute for one in fields_of(section)}
