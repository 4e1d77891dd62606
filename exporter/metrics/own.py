"""Metrics that come from no statistics field: about the exporter, its connection, a domain's age.

Data only: the names, types and labels; what fills them in stands where the value is known.
"""

from exporter.metrics.instances import DOMAIN_LABELS, INSTANCE_LABELS
from exporter.metrics.rows import COUNTER, GAUGE, HISTOGRAM, Family

DOMAINS = Family(
    "libvirt_domains",
    GAUGE,
    "Domains of the hypervisor by their state, `unknown` where nothing came of one.",
    ("state",),
)

DOMAIN_UPTIME = Family(
    "libvirt_domain_uptime_seconds",
    GAUGE,
    "Time since the domain started or arrived on this host.",
    DOMAIN_LABELS,
)

DOMAIN_START_TIME = Family(
    "libvirt_domain_start_time_seconds",
    GAUGE,
    "Unix time at which the domain started or arrived on this host.",
    DOMAIN_LABELS,
)

DOMAIN_STATS_TIMED_OUT = Family(
    "libvirt_domain_stats_timed_out",
    GAUGE,
    "Whether the domain's statistics missed the deadline of the scrape: 1 missed, 0 not.",
    INSTANCE_LABELS,
)

BUILD_INFO = Family(
    "libvirt_exporter_build_info",
    GAUGE,
    "Version and build of the exporter, always 1.",
    ("version", "python_version", "build_date"),
)

CONNECTION_INFO = Family(
    "libvirt_connection_info",
    GAUGE,
    "The connection to libvirt and whether it is there, always 1.",
    ("uri", "connected"),
)

CONNECTED = Family(
    "libvirt_exporter_connected",
    GAUGE,
    "Whether the connection to libvirt is there: 1 connected, 0 not.",
)

CERTIFICATE_EXPIRY = Family(
    "libvirt_exporter_tls_certificate_expiry_timestamp_seconds",
    GAUGE,
    "Unix time at which a certificate of the TLS connection to libvirt expires.",
    ("certificate",),
)

RECONNECTS = Family(
    "libvirt_exporter_reconnects_total",
    COUNTER,
    "Times that the lost connection to libvirt was made anew.",
)

SCRAPES = Family(
    "libvirt_exporter_scrapes_total",
    COUNTER,
    "Scrapes that the exporter has made.",
)

LAST_SCRAPE_ERROR = Family(
    "libvirt_exporter_last_scrape_error",
    GAUGE,
    "Whether the last scrape failed wholly or in part: 1 failed, 0 not; "
    "domains that hang are no failure while others answer.",
)

LAST_SCRAPE_DURATION = Family(
    "libvirt_exporter_last_scrape_duration_seconds",
    GAUGE,
    "Time that the last scrape took.",
)

COLLECTOR_DURATION = Family(
    "libvirt_exporter_collector_duration_seconds",
    GAUGE,
    "Time that the collector took in the last scrape.",
    ("collector",),
)

COLLECTOR_SUCCESS = Family(
    "libvirt_exporter_collector_success",
    GAUGE,
    "Whether the collector succeeded in the last scrape: 1 succeeded, 0 failed.",
    ("collector",),
)

COLLECTOR_AVAILABLE = Family(
    "libvirt_exporter_collector_available",
    GAUGE,
    "Whether libvirt offers what the collector needs: 1 available, 0 not, for the reason given.",
    ("collector", "reason"),
)

SERIES_DROPPED = Family(
    "libvirt_exporter_series_dropped_total",
    COUNTER,
    "Series that were left out of pages because there were more than may be shown.",
)

RPC_DURATION = Family(
    "libvirt_exporter_rpc_duration_seconds",
    HISTOGRAM,
    "Time from a call to libvirt to its reply.",
    ("procedure",),
)

RPC_ERRORS = Family(
    "libvirt_exporter_rpc_errors_total",
    COUNTER,
    "Calls to libvirt that failed, by libvirt's error code.",
    ("procedure", "code"),
)

STUCK_CALLS = Family(
    "libvirt_exporter_stuck_calls",
    GAUGE,
    "Calls to libvirt that missed their deadline and are still unanswered.",
)

CONFIG_RELOAD_SUCCESSFUL = Family(
    "libvirt_exporter_config_last_reload_successful",
    GAUGE,
    "Whether the last attempt to load the configuration succeeded: 1 succeeded, 0 failed.",
)

CONFIG_RELOAD_TIME = Family(
    "libvirt_exporter_config_last_reload_success_timestamp_seconds",
    GAUGE,
    "Unix time at which the configuration was last loaded with success.",
)

UNKNOWN_FIELDS = Family(
    "libvirt_exporter_unknown_fields",
    GAUGE,
    "Names of statistics fields seen from libvirt that the exporter does not know.",
)

FAMILIES: tuple[Family, ...] = (
    DOMAINS,
    DOMAIN_UPTIME,
    DOMAIN_START_TIME,
    DOMAIN_STATS_TIMED_OUT,
    BUILD_INFO,
    CONNECTION_INFO,
    CONNECTED,
    CERTIFICATE_EXPIRY,
    RECONNECTS,
    SCRAPES,
    LAST_SCRAPE_ERROR,
    LAST_SCRAPE_DURATION,
    COLLECTOR_DURATION,
    COLLECTOR_SUCCESS,
    COLLECTOR_AVAILABLE,
    SERIES_DROPPED,
    RPC_DURATION,
    RPC_ERRORS,
    STUCK_CALLS,
    UNKNOWN_FIELDS,
    CONFIG_RELOAD_SUCCESSFUL,
    CONFIG_RELOAD_TIME,
)
