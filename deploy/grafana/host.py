"""One hypervisor: its processors, memory and storage, and what its domains do with them."""

from __future__ import annotations

from .fleet import DOMAIN, PLACE, PROMISED_MEMORY, PROMISED_VCPUS, SELECTED, by_domain, rate
from .model import (
    BAD_IF_ANY,
    GOOD_IF_ONE,
    HOST,
    INSTANCE,
    POOL_STATES,
    STATES,
    UP_OR_DOWN,
    USED,
    YES_OR_NO,
    Column,
    Json,
    Query,
    Row,
    bar_gauge,
    dashboard,
    link_to,
    stat,
    state_timeline,
    table,
    timeseries,
)

CPUS = f"sum(libvirt_host_cpus{{{SELECTED}}})"
MEMORY = f"sum(libvirt_host_memory_total_bytes{{{SELECTED}}})"
BUSY = rate("libvirt_host_cpu_seconds_total", ', mode!~"idle|iowait"')
FREEABLE = " + ".join(
    f"sum(libvirt_host_memory_{part}_bytes{{{SELECTED}}})" for part in ("free", "buffers", "cached")
)
NAME = "{{domain}}"


def build() -> Json:
    return dashboard(
        "libvirt-host",
        "Libvirt / Host",
        "One hypervisor, or several together: processors, memory, storage, networks and the domains on it.",
        variables=[INSTANCE, HOST],
        rows=[_overview(), _domains(), _processors(), _memory(), _disks(), _networks()],
    )


def _overview() -> Row:
    info = f"max by ({PLACE}, hostname, cpu_model) (libvirt_host_info{{{SELECTED}}})"
    versions = (
        f"max by ({PLACE}, driver, hypervisor, libvirt) (libvirt_versions_info{{{SELECTED}}})"
    )
    return Row(
        "Overview",
        [
            stat(
                "Connection",
                f"min(libvirt_exporter_connected{{{SELECTED}}})",
                mapped=UP_OR_DOWN,
                steps=GOOD_IF_ONE,
            ),
            stat("Domains running", f'sum(libvirt_domains{{{SELECTED}, state="running"}})'),
            stat("Processors in use", f"sum({BUSY}) / {CPUS}", unit="percentunit", steps=USED),
            stat(
                "Memory in use",
                f"1 - ({FREEABLE}) / {MEMORY}",
                unit="percentunit",
                steps=USED,
                description="All but what is free or can be freed.",
            ),
            stat("vCPUs promised", f"sum({PROMISED_VCPUS}) / {CPUS}", unit="percentunit"),
            stat("Memory promised", f"sum({PROMISED_MEMORY}) / {MEMORY}", unit="percentunit"),
            stat("Processors", CPUS),
            stat("Memory", MEMORY, unit="bytes"),
            stat(
                "Up for",
                f"min(sum by ({PLACE}) (libvirt_host_cpu_seconds_total{{{SELECTED}}})"
                f" / sum by ({PLACE}) (libvirt_host_cpus{{{SELECTED}}}))",
                unit="s",
                description="The time that its processors have counted.",
            ),
            stat(
                "Domains that hang",
                f"sum(libvirt_domain_stats_timed_out{{{SELECTED}}})",
                steps=BAD_IF_ANY,
            ),
            stat(
                "Huge pages free",
                f'sum(libvirt_host_free_pages{{{SELECTED}, page_size!="4096"}})',
            ),
            stat(
                "Scrape",
                f"max(libvirt_exporter_last_scrape_duration_seconds{{{SELECTED}}})",
                unit="s",
            ),
            table(
                "Versions",
                [Query(info), Query(versions)],
                renamed={
                    "instance": "Instance",
                    "host": "Connection's name",
                    "hostname": "Host",
                    "cpu_model": "Processor",
                    "driver": "Driver",
                    "hypervisor": "Hypervisor",
                    "libvirt": "libvirt",
                },
                height=5,
            ),
        ],
    )


def _domains() -> Row:
    link = link_to("libvirt-domain", instance="instance", domain="Domain")
    return Row(
        "Domains",
        [
            table(
                "Domains",
                [
                    Query(f"max by ({DOMAIN}) (libvirt_domain_state{{{SELECTED}}})", "State"),
                    Query(
                        f"max by ({DOMAIN}) (libvirt_domain_uptime_seconds{{{SELECTED}}})", "Up for"
                    ),
                    Query(f"max by ({DOMAIN}) (libvirt_domain_vcpu_count{{{SELECTED}}})", "vCPUs"),
                    Query(
                        f"sum by ({DOMAIN}) ({rate('libvirt_domain_cpu_time_seconds_total')})"
                        f" / sum by ({DOMAIN}) (libvirt_domain_vcpu_count{{{SELECTED}}})",
                        "Processors",
                    ),
                    Query(
                        f"max by ({DOMAIN}) (libvirt_domain_memory_current_bytes{{{SELECTED}}})",
                        "Memory",
                    ),
                    Query(
                        f"max by ({DOMAIN}) (libvirt_domain_memory_rss_bytes{{{SELECTED}}})",
                        "On the host",
                    ),
                    Query(by_domain("libvirt_domain_disk_read_bytes_total"), "Read"),
                    Query(by_domain("libvirt_domain_disk_write_bytes_total"), "Written"),
                    Query(by_domain("libvirt_domain_network_receive_bytes_total"), "Received"),
                    Query(by_domain("libvirt_domain_network_transmit_bytes_total"), "Sent"),
                ],
                columns={
                    "Domain": Column(link=link),
                    "State": Column(mapped=STATES),
                    "Up for": Column("s"),
                    "Processors": Column("percentunit", gauge=True, maximum=1, steps=USED),
                    "Memory": Column("bytes"),
                    "On the host": Column("bytes"),
                    "Read": Column("Bps"),
                    "Written": Column("Bps"),
                    "Received": Column("Bps"),
                    "Sent": Column("Bps"),
                },
                renamed={"domain": "Domain", "host": "Connection's name"},
                hidden=["uuid"],
                sort="Processors",
                height=12,
            ),
            state_timeline(
                "States", Query(f"libvirt_domain_state{{{SELECTED}}}", NAME), STATES, height=9
            ),
        ],
    )


def _processors() -> Row:
    return Row(
        "Processors",
        [
            timeseries(
                "Host, by mode",
                [
                    Query(
                        f"sum by (mode) ({rate('libvirt_host_cpu_seconds_total', _NOT_IDLE)})",
                        "{{mode}}",
                    )
                ],
                description="Processors in each mode, the idle ones left out.",
                stacked=True,
            ),
            timeseries(
                "By domain",
                [Query(rate("libvirt_domain_cpu_time_seconds_total"), NAME)],
                stacked=True,
            ),
            timeseries(
                "Steal by domain",
                [Query(by_domain("libvirt_domain_vcpu_delay_seconds_total"), NAME)],
                description="Seconds a second that virtual processors were ready and did not run.",
            ),
            timeseries(
                "Wait by domain",
                [Query(by_domain("libvirt_domain_vcpu_wait_seconds_total"), NAME)],
                description="Seconds a second of waiting for input or output; needs the kernel's schedstats.",
            ),
        ],
    )


_NOT_IDLE = ', mode!="idle"'


def _memory() -> Row:
    return Row(
        "Memory",
        [
            timeseries(
                "Host",
                [
                    Query(f"{MEMORY} - ({FREEABLE})", "in use"),
                    Query(f"sum(libvirt_host_memory_buffers_bytes{{{SELECTED}}})", "buffers"),
                    Query(f"sum(libvirt_host_memory_cached_bytes{{{SELECTED}}})", "cached"),
                    Query(f"sum(libvirt_host_memory_free_bytes{{{SELECTED}}})", "free"),
                ],
                unit="bytes",
                stacked=True,
            ),
            timeseries(
                "On the host, by domain",
                [Query(f"libvirt_domain_memory_rss_bytes{{{SELECTED}}}", NAME)],
                unit="bytes",
                stacked=True,
            ),
            timeseries(
                "Free by NUMA cell",
                [
                    Query(
                        f"libvirt_host_memory_node_free_bytes{{{SELECTED}}}",
                        "cell {{node}}",
                    )
                ],
                unit="bytes",
            ),
            timeseries(
                "Free pages by size",
                [
                    Query(
                        f"libvirt_host_free_pages{{{SELECTED}}}",
                        "cell {{node}}, {{page_size}} bytes",
                    )
                ],
            ),
        ],
    )


def _disks() -> Row:
    latency = {
        word: f"sum by ({DOMAIN}, disk) ({rate(f'libvirt_domain_disk_{word}_time_seconds_total')})"
        f" / (sum by ({DOMAIN}, disk) ({rate(f'libvirt_domain_disk_{word}_requests_total')}) > 0)"
        for word in ("read", "write", "flush")
    }
    pool = f"{PLACE}, pool, uuid"
    return Row(
        "Disks and storage",
        [
            timeseries(
                "Bytes by domain",
                [
                    Query(by_domain("libvirt_domain_disk_read_bytes_total"), "{{domain}} read"),
                    Query(by_domain("libvirt_domain_disk_write_bytes_total"), "{{domain}} written"),
                ],
                unit="Bps",
                negative="/ written$/",
            ),
            timeseries(
                "Requests by domain",
                [
                    Query(by_domain("libvirt_domain_disk_read_requests_total"), "{{domain}} read"),
                    Query(
                        by_domain("libvirt_domain_disk_write_requests_total"), "{{domain}} written"
                    ),
                ],
                unit="iops",
                negative="/ written$/",
            ),
            timeseries(
                "Time of a request by disk",
                [
                    Query(expression, f"{{{{domain}}}} {{{{disk}}}} {word}")
                    for word, expression in latency.items()
                ],
                unit="s",
            ),
            bar_gauge(
                "Storage pools",
                Query(
                    f"1 - libvirt_storage_pool_available_bytes{{{SELECTED}}}"
                    f" / (libvirt_storage_pool_capacity_bytes{{{SELECTED}}} > 0)",
                    "{{pool}}",
                ),
                unit="percentunit",
                steps=USED,
                maximum=1,
                width=12,
            ),
            table(
                "Storage pools",
                [
                    Query(f"max by ({pool}) (libvirt_storage_pool_state{{{SELECTED}}})", "State"),
                    Query(
                        f"max by ({pool}) (libvirt_storage_pool_capacity_bytes{{{SELECTED}}})",
                        "Capacity",
                    ),
                    Query(
                        f"max by ({pool}) (libvirt_storage_pool_allocation_bytes{{{SELECTED}}})",
                        "In use",
                    ),
                    Query(
                        f"max by ({pool}) (libvirt_storage_pool_available_bytes{{{SELECTED}}})",
                        "Free",
                    ),
                    Query(
                        f"max by ({pool}) (libvirt_storage_pool_volumes{{{SELECTED}}})", "Volumes"
                    ),
                ],
                columns={
                    "State": Column(mapped=POOL_STATES),
                    "Capacity": Column("bytes"),
                    "In use": Column("bytes"),
                    "Free": Column("bytes"),
                },
                renamed={"pool": "Pool", "host": "Connection's name"},
                hidden=["uuid"],
                height=8,
            ),
        ],
    )


def _networks() -> Row:
    network = f"{PLACE}, network, uuid"
    return Row(
        "Networks",
        [
            timeseries(
                "Bytes by domain",
                [
                    Query(
                        by_domain("libvirt_domain_network_receive_bytes_total"),
                        "{{domain}} received",
                    ),
                    Query(
                        by_domain("libvirt_domain_network_transmit_bytes_total"), "{{domain}} sent"
                    ),
                ],
                unit="Bps",
                negative="/ sent$/",
            ),
            timeseries(
                "Drops and errors by domain",
                [
                    Query(
                        by_domain(
                            "libvirt_domain_network_receive_drops_total",
                            "libvirt_domain_network_transmit_drops_total",
                        ),
                        "{{domain}} drops",
                    ),
                    Query(
                        by_domain(
                            "libvirt_domain_network_receive_errors_total",
                            "libvirt_domain_network_transmit_errors_total",
                        ),
                        "{{domain}} errors",
                    ),
                ],
                unit="pps",
            ),
            table(
                "Virtual networks",
                [
                    Query(f"max by ({network}) (libvirt_network_active{{{SELECTED}}})", "Active"),
                    Query(
                        f"max by ({network}) (libvirt_network_autostart{{{SELECTED}}})",
                        "Starts with the host",
                    ),
                    Query(
                        f"max by ({network}) (libvirt_network_ports{{{SELECTED}}})", "Interfaces"
                    ),
                    Query(
                        f"max by ({network}) (libvirt_network_dhcp_leases{{{SELECTED}}})",
                        "DHCP leases",
                    ),
                ],
                columns={
                    "Active": Column(mapped=YES_OR_NO),
                    "Starts with the host": Column(mapped=YES_OR_NO),
                },
                renamed={"network": "Network", "host": "Connection's name"},
                hidden=["uuid"],
                height=8,
            ),
        ],
    )
