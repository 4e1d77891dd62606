"""The configuration: `load` makes a checked `Config` of file, variables and flags.

The fields of its sections are the one table: keys, flags, variables, defaults, checks and the
reference page come from them (`SETTINGS`). Import from here; the modules below are its parts.
"""

from exporter.config.durations import parse_duration, render_duration
from exporter.config.file import LARGEST_FILE_BYTES
from exporter.config.filters import UNKNOWN_STATE, LabelPattern
from exporter.config.kinds import (
    RESERVED_LABELS,
    Kind,
    ListenAddress,
    parse_boolean,
    parse_listen_address,
)
from exporter.config.loader import load
from exporter.config.problems import ConfigError, Problem, show
from exporter.config.sections import (
    DEFAULT_MODULE,
    CollectorsConfig,
    Config,
    ConnectionConfig,
    DiskCollectors,
    DomainCollectors,
    FilterConfig,
    HostCollectors,
    LibvirtConfig,
    LoggingConfig,
    MetadataConfig,
    MetadataRuleConfig,
    MetricRowConfig,
    MetricsConfig,
    ModuleConfig,
    NetworkCollectors,
    ProbeConfig,
    StorageCollectors,
    TargetConfig,
    WebConfig,
)
from exporter.config.settings import CONFIG_FILE, SETTINGS, Setting, expand_boolean_flags

__all__ = [
    "CONFIG_FILE",
    "DEFAULT_MODULE",
    "LARGEST_FILE_BYTES",
    "RESERVED_LABELS",
    "SETTINGS",
    "UNKNOWN_STATE",
    "CollectorsConfig",
    "Config",
    "ConfigError",
    "ConnectionConfig",
    "DiskCollectors",
    "DomainCollectors",
    "FilterConfig",
    "HostCollectors",
    "Kind",
    "LabelPattern",
    "LibvirtConfig",
    "ListenAddress",
    "LoggingConfig",
    "MetadataConfig",
    "MetadataRuleConfig",
    "MetricRowConfig",
    "MetricsConfig",
    "ModuleConfig",
    "NetworkCollectors",
    "ProbeConfig",
    "Problem",
    "Setting",
    "StorageCollectors",
    "TargetConfig",
    "WebConfig",
    "expand_boolean_flags",
    "load",
    "parse_boolean",
    "parse_duration",
    "parse_listen_address",
    "render_duration",
    "show",
]
