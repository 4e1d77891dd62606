"""All hypervisors: what is there, what it is promised to, which domains use most."""

from __future__ import annotations

from .model import (
    BAD_IF_ANY,
    GREEN,
    HOST,
    INSTANCE,
    RED,
    UP_OR_DOWN,
    USED,
    YELLOW,
    Column,
    Json,
    Panel,
    Query,
    Row,
    bar_gauge,
    choice,
    dashboard,
    link_to,
    stat,
    state_timeline,
    table,
    timeseries,
)

SELECTED = 'instance=~"$instance", host=~"$host"'
ACTIVE = f'libvirt_domain_state_info{{{SELECTED}, state!~"nostate|shutoff|crashed"}} == 1'
PLACE = "instance, host"
DOMAIN = "instance, host, domain, uuid"
PROMISED_VCPUS = f"libvirt_domain_vcpu_count{{{SELECTED}}} and ignoring (state) {ACTIVE}"
PROMISED_MEMORY = f"libvirt_domain_memory_current_bytes{{{SELECTED}}} and ignoring (state) {ACTIVE}"


def rate(metric: str, more: str = "") -> str:
    return f"rate({metric}{{{SELECTED}{more}}}[$__rate_interval])"


def by_domain(*metrics: str) -> str:
    """The sum of rates of all parts of a domain."""
    return " + ".join(f"sum by ({DOMAIN}) ({rate(metric)})" for metric in metrics)


def top(expression: str) -> str:
    return f"topk($top, {expression})"


def _largest(title: str, expression: str, unit: str, description: str = "") -> Panel:
    query = Query(top(expression), "{{domain}} ({{instance}})")
    return bar_gauge(title, query, unit=unit, description=description)


def build() -> Json:
    return dashboard(
        "libvirt-fleet",
        "Libvirt / Fleet",
        "All hypervisors: their state, what they have and what they have promised, and the domains that use most.",
        variables=[INSTANCE, HOST, choice("top", "Bars", ("5", "10", "20", "50"), "10")],
        rows=[_overview(), _hypervisors(), _domains(), _storage(), _trouble()],
    )


def _overview() -> Row:
    connected = f"libvirt_exporter_connected{{{SELECTED}}}"
    return Row(
        "Overview",
        [
            stat("Hypervisors connected", f"sum({connected})"),
            stat(
                "Hypervisors not connected",
                f"sum({connected} == bool 0)",
                steps=BAD_IF_ANY,
            ),
            stat(
                "Domains running", f'sum(libvirt_domain_state_info{{{SELECTED}, state="running"}})'
            ),
            stat(
                "Domains not running",
                f'sum(libvirt_domain_state_info{{{SELECTED}, state!="running"}})',
            ),
            stat(
                "vCPUs promised, of host's",
                f"sum({PROMISED_VCPUS}) / sum(libvirt_host_cpus{{{SELECTED}}})",
                unit="percentunit",
                description="Virtual processors of the domains that have a process, of the hosts' processors.",
            ),
            stat(
                "Memory promised, of hosts'",
                f"sum({PROMISED_MEMORY}) / sum(libvirt_host_memory_total_bytes{{{SELECTED}}})",
                unit="percentunit",
                steps=((None, GREEN), (0.9, YELLOW), (1, RED)),
            ),
            timeseries(
                "Domains by state",
                [Query(f"sum by (state) (libvirt_domain_state_info{{{SELECTED}}})", "{{state}}")],
                stacked=True,
                width=8,
            ),
            timeseries(
                "Processors in use",
                [
                    Query(f"sum({rate('libvirt_domain_cpu_time_seconds_total')})", "by domains"),
                    Query(
                        f"sum({rate('libvirt_host_cpu_seconds_total', _BUSY)})",
                        "in use on the hosts",
                    ),
                    Query(f"sum(libvirt_host_cpus{{{SELECTED}}})", "there"),
                ],
                width=8,
            ),
            timeseries(
                "Memory",
                [
                    Query(f"sum({PROMISED_MEMORY})", "promised to domains"),
                    Query(
                        f"sum(libvirt_domain_memory_rss_bytes{{{SELECTED}}})", "in use by domains"
                    ),
                    Query(f"sum(libvirt_host_memory_total_bytes{{{SELECTED}}})", "there"),
                ],
                unit="bytes",
                width=8,
            ),
        ],
    )


_BUSY = ', mode!~"idle|iowait"'


def _hypervisors() -> Row:
    busy = f"sum by ({PLACE}) ({rate('libvirt_host_cpu_seconds_total', _BUSY)})"
    of_host = f"sum by ({PLACE}) (libvirt_host_cpus{{{SELECTED}}})"
    memory = f"sum by ({PLACE}) (libvirt_host_memory_total_bytes{{{SELECTED}}})"
    return Row(
        "Hypervisors",
        [
            table(
                "Hypervisors",
                [
                    Query(
                        f"max by ({PLACE}) (libvirt_exporter_connected{{{SELECTED}}})", "Connection"
                    ),
                    Query(
                        f'sum by ({PLACE}) (libvirt_domain_state_info{{{SELECTED}, state="running"}})',
                        "Running",
                    ),
                    Query(f"{busy} / {of_host}", "Processors in use"),
                    Query(f"sum by ({PLACE}) ({PROMISED_VCPUS}) / {of_host}", "vCPUs promised"),
                    Query(f"sum by ({PLACE}) ({PROMISED_MEMORY}) / {memory}", "Memory promised"),
                    Query(
                        f"sum by ({PLACE}) (libvirt_domain_stats_timed_out{{{SELECTED}}})",
                        "Domains that hang",
                    ),
                    Query(
                        f"max by ({PLACE}) (libvirt_exporter_last_scrape_duration_seconds{{{SELECTED}}})",
                        "Scrape",
                    ),
                ],
                columns={
                    "Connection": Column(mapped=UP_OR_DOWN),
                    "Processors in use": Column("percentunit", gauge=True, maximum=1, steps=USED),
                    "vCPUs promised": Column("percentunit"),
                    "Memory promised": Column("percentunit", gauge=True, maximum=1, steps=USED),
                    "Scrape": Column("s"),
                    "Hypervisor": Column(link=link_to("libvirt-host", instance="Hypervisor")),
                },
                renamed={"instance": "Hypervisor", "host": "Connection's name"},
                sort="Processors in use",
            ),
            state_timeline(
                "Connections",
                Query(f"libvirt_exporter_connected{{{SELECTED}}}", "{{instance}} {{host}}"),
                UP_OR_DOWN,
                height=6,
            ),
        ],
    )


def _domains() -> Row:
    memory = (
        f"1 - libvirt_domain_memory_usable_bytes{{{SELECTED}}}"
        f" / libvirt_domain_memory_available_bytes{{{SELECTED}}}"
    )
    requests = by_domain(
        "libvirt_domain_disk_read_requests_total", "libvirt_domain_disk_write_requests_total"
    )
    times = by_domain(
        "libvirt_domain_disk_read_time_seconds_total",
        "libvirt_domain_disk_write_time_seconds_total",
    )
    return Row(
        "Domains that use most",
        [
            _largest("Processors", rate("libvirt_domain_cpu_time_seconds_total"), "short"),
            _largest(
                "Steal",
                by_domain("libvirt_domain_vcpu_delay_seconds_total"),
                "short",
                "Seconds a second that virtual processors were ready and did not run.",
            ),
            _largest(
                "Memory in use", memory, "percentunit", "As the guest's balloon driver tells it."
            ),
            _largest(
                "Disks, bytes",
                by_domain(
                    "libvirt_domain_disk_read_bytes_total", "libvirt_domain_disk_write_bytes_total"
                ),
                "Bps",
            ),
            _largest("Disks, requests", requests, "iops"),
            _largest("Disks, time of a request", f"({times}) / ({requests} > 0)", "s"),
            _largest(
                "Network, bytes",
                by_domain(
                    "libvirt_domain_network_receive_bytes_total",
                    "libvirt_domain_network_transmit_bytes_total",
                ),
                "Bps",
            ),
            _largest(
                "Network, drops and errors",
                by_domain(
                    "libvirt_domain_network_receive_drops_total",
                    "libvirt_domain_network_transmit_drops_total",
                    "libvirt_domain_network_receive_errors_total",
                    "libvirt_domain_network_transmit_errors_total",
                ),
                "pps",
            ),
            _largest(
                "Memory on the host", f"libvirt_domain_memory_rss_bytes{{{SELECTED}}}", "bytes"
            ),
        ],
    )


def _storage() -> Row:
    used = (
        f"1 - libvirt_storage_pool_available_bytes{{{SELECTED}}}"
        f" / (libvirt_storage_pool_capacity_bytes{{{SELECTED}}} > 0)"
    )
    return Row(
        "Storage pools",
        [
            bar_gauge(
                "Fullest pools",
                Query(top(used), "{{pool}} ({{instance}})"),
                unit="percentunit",
                steps=USED,
                maximum=1,
                width=12,
            ),
            timeseries(
                "All pools together",
                [
                    Query(f"sum(libvirt_storage_pool_capacity_bytes{{{SELECTED}}})", "there"),
                    Query(f"sum(libvirt_storage_pool_allocation_bytes{{{SELECTED}}})", "in use"),
                ],
                unit="bytes",
            ),
        ],
    )


def _trouble() -> Row:
    off = f'libvirt_domain_state_info{{{SELECTED}, state=~"shutoff|crashed"}} == 1'
    reason = f'libvirt_domain_state_reason_info{{{SELECTED}, state=~"paused|shutoff|crashed"}}'
    happened = f"increase(libvirt_domain_events_total{{{SELECTED}}}[$__rate_interval])"
    link = link_to("libvirt-domain", instance="Hypervisor", domain="Domain")
    return Row(
        "What happened",
        [
            table(
                "Domains that do not run, and why",
                [
                    Query(f"max by ({DOMAIN}, state, reason) ({reason})"),
                    Query(
                        f"max by ({DOMAIN}) (libvirt_domain_autostart{{{SELECTED}}}"
                        f" and ignoring (state) {off})",
                        "Starts with the host",
                    ),
                ],
                columns={
                    "Domain": Column(link=link),
                    "Starts with the host": Column(mapped={0: ("no", "text"), 1: ("yes", YELLOW)}),
                },
                renamed={
                    "instance": "Hypervisor",
                    "host": "Connection's name",
                    "domain": "Domain",
                    "state": "State",
                    "reason": "Reason",
                },
                hidden=["uuid"],
                width=12,
            ),
            timeseries(
                "Events",
                [Query(f"sum by (event, detail) ({happened})", "{{event}} {{detail}}")],
                description="What libvirt said happened to domains, by kind.",
                height=10,
            ),
        ],
    )
