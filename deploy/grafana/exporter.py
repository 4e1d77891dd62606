"""The exporters themselves: connections, scrapes, calls to libvirt, and what they cost."""

from __future__ import annotations

from .fleet import PLACE, SELECTED
from .model import (
    BAD_IF_ANY,
    GREEN,
    HOST,
    INSTANCE,
    ORANGE,
    RED,
    UP_OR_DOWN,
    YELLOW,
    Column,
    Json,
    Query,
    Row,
    dashboard,
    stat,
    state_timeline,
    table,
    timeseries,
)

WHERE = "{{instance}} {{host}}"
# Of exporters alone, whatever else Prometheus scrapes; their own pages have the process's figures.
OF_EXPORTERS = "and on (job, instance) libvirt_exporter_build_info"
OK_OR_NOT = {0: ("failed", RED), 1: ("ok", GREEN)}


def build() -> Json:
    return dashboard(
        "libvirt-exporter",
        "Libvirt / Exporter",
        "The exporters themselves: connections, scrapes, calls to libvirt, and what they cost.",
        variables=[INSTANCE, HOST],
        rows=[_overview(), _scrapes(), _calls(), _process()],
    )


def _overview() -> Row:
    expiry = f"libvirt_exporter_tls_certificate_expiry_timestamp_seconds{{{SELECTED}}}"
    return Row(
        "Overview",
        [
            stat("Connected", f"sum(libvirt_exporter_connected{{{SELECTED}}})"),
            stat(
                "Not connected",
                f"sum(libvirt_exporter_connected{{{SELECTED}}} == bool 0)",
                steps=BAD_IF_ANY,
            ),
            stat(
                "Last scrapes that failed",
                f"sum(libvirt_exporter_last_scrape_error{{{SELECTED}}})",
                steps=BAD_IF_ANY,
            ),
            stat(
                "Domains that hang",
                f"sum(libvirt_domain_stats_timed_out{{{SELECTED}}})",
                steps=BAD_IF_ANY,
            ),
            stat(
                "Calls that hang",
                f"sum(libvirt_exporter_stuck_calls{{{SELECTED}}})",
                steps=BAD_IF_ANY,
            ),
            stat(
                "Next certificate to expire",
                f"min({expiry} - time())",
                unit="s",
                steps=((None, RED), (2 * 86400, YELLOW), (14 * 86400, GREEN)),
                description="Of the TLS connections to libvirt.",
            ),
            state_timeline(
                "Connections",
                Query(f"libvirt_exporter_connected{{{SELECTED}}}", WHERE),
                UP_OR_DOWN,
                height=6,
            ),
            table(
                "Connections",
                [
                    Query(
                        f"max by ({PLACE}, uri, connected) (libvirt_connection_info{{{SELECTED}}})"
                    ),
                    Query(
                        f"sum by ({PLACE}) (libvirt_exporter_reconnects_total{{{SELECTED}}})",
                        "Made anew",
                    ),
                    Query(
                        f"sum by ({PLACE}) (libvirt_exporter_unknown_fields{{{SELECTED}}})",
                        "Unknown fields",
                    ),
                ],
                width=12,
                height=7,
            ),
            table(
                "Versions",
                [
                    Query(
                        "max by (instance, version, python_version, build_date)"
                        " (libvirt_exporter_build_info)"
                    )
                ],
                width=12,
                height=7,
            ),
        ],
    )


def _scrapes() -> Row:
    return Row(
        "Scrapes",
        [
            timeseries(
                "Time of a scrape",
                [Query(f"libvirt_exporter_last_scrape_duration_seconds{{{SELECTED}}}", WHERE)],
                unit="s",
            ),
            timeseries(
                "Time of a collector",
                [
                    Query(
                        "max by (collector)"
                        f" (libvirt_exporter_collector_duration_seconds{{{SELECTED}}})",
                        "{{collector}}",
                    )
                ],
                unit="s",
                description="The longest of the chosen hypervisors'.",
            ),
            state_timeline(
                "Collectors",
                Query(
                    f"min by (collector) (libvirt_exporter_collector_success{{{SELECTED}}})",
                    "{{collector}}",
                ),
                OK_OR_NOT,
                width=12,
                height=9,
            ),
            table(
                "What libvirt does not offer",
                [
                    Query(
                        f"max by ({PLACE}, collector, reason)"
                        f" (libvirt_exporter_collector_available{{{SELECTED}}} == 0)"
                    )
                ],
                columns={"reason": Column(mapped={})},
                description="Parts of collectors, and why they are not there: unsupported, denied, too_old.",
                width=12,
                height=9,
            ),
            timeseries(
                "Series on a page",
                [
                    Query(
                        f"increase(libvirt_exporter_series_dropped_total{{{SELECTED}}}[$__rate_interval])",
                        f"{WHERE} left out",
                    ),
                    Query(
                        f"scrape_samples_scraped {OF_EXPORTERS}{{{SELECTED}}}",
                        "{{instance}}",
                    ),
                ],
            ),
            timeseries(
                "Time as Prometheus sees it",
                [Query(f"scrape_duration_seconds {OF_EXPORTERS}{{{SELECTED}}}", "{{instance}}")],
                unit="s",
            ),
        ],
    )


def _calls() -> Row:
    calls = "libvirt_exporter_rpc_duration_seconds"
    errors = f"sum by (procedure, code) (rate(libvirt_exporter_rpc_errors_total{{{SELECTED}}}[$__rate_interval]))"
    return Row(
        "Calls to libvirt",
        [
            timeseries(
                "Calls",
                [
                    Query(
                        f"sum by (procedure) (rate({calls}_count{{{SELECTED}}}[$__rate_interval]))",
                        "{{procedure}}",
                    )
                ],
                unit="reqps",
            ),
            timeseries(
                "Time of a call",
                [
                    Query(
                        f"histogram_quantile({share}, sum by (procedure, le)"
                        f" (rate({calls}_bucket{{{SELECTED}}}[$__rate_interval])))",
                        f"{{{{procedure}}}}, {share}",
                    )
                    for share in ("0.5", "0.99")
                ],
                unit="s",
            ),
            timeseries(
                "Calls that failed",
                [Query(errors, "{{procedure}}, {{code}}")],
                unit="reqps",
                description="By libvirt's error code.",
            ),
            timeseries(
                "Calls that hang",
                [Query(f"libvirt_exporter_stuck_calls{{{SELECTED}}}", WHERE)],
            ),
        ],
    )


def _process() -> Row:
    return Row(
        "Processes (an exporter's own page has them)",
        [
            timeseries(
                "Processor",
                [
                    Query(
                        f"rate(process_cpu_seconds_total[$__rate_interval]) {OF_EXPORTERS}",
                        "{{instance}}",
                    )
                ],
                unit="percentunit",
            ),
            timeseries(
                "Memory",
                [Query(f"process_resident_memory_bytes {OF_EXPORTERS}", "{{instance}}")],
                unit="bytes",
            ),
            timeseries(
                "Open files",
                [
                    Query(f"process_open_fds {OF_EXPORTERS}", "{{instance}}"),
                    Query(f"process_max_fds {OF_EXPORTERS}", "{{instance}} at most"),
                ],
            ),
            stat(
                "Configuration loaded",
                "min(libvirt_exporter_config_last_reload_successful)",
                mapped={0: ("failed", RED), 1: ("ok", GREEN)},
                steps=((None, ORANGE), (1, GREEN)),
                width=12,
                height=8,
                description="Whether the last reload succeeded; after a failure the old configuration goes on.",
            ),
        ],
    )
