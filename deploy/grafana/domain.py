"""One domain, on whichever hypervisor it is: everything that is known of it."""

from __future__ import annotations

from .model import (
    BAD_IF_ANY,
    GREEN,
    HOST,
    INSTANCE,
    ORANGE,
    RED,
    STATES,
    USED,
    YELLOW,
    YES_OR_NO,
    Column,
    Json,
    Query,
    Row,
    bar_gauge,
    dashboard,
    stat,
    state_timeline,
    table,
    timeseries,
    variable,
)

PLACED = 'instance=~"$instance", host=~"$host"'
SELECTED = f'{PLACED}, domain=~"$domain"'
DOMAIN = variable(
    "domain",
    "Domain",
    f"label_values(libvirt_domain_state{{{PLACED}}}, domain)",
    multi=False,
)
VCPU_STATES = {0: ("off", "#808080"), 1: ("running", GREEN), 2: ("blocked", YELLOW)}


def value(metric: str, legend: str = "", more: str = "") -> Query:
    return Query(f"{metric}{{{SELECTED}{more}}}", legend or "{{instance}}")


def rate(metric: str, legend: str = "") -> Query:
    return Query(f"rate({metric}{{{SELECTED}}}[$__rate_interval])", legend or "{{instance}}")


def build() -> Json:
    return dashboard(
        "libvirt-domain",
        "Libvirt / Domain",
        "One domain. With all instances chosen it is followed over migrations.",
        variables=[INSTANCE, HOST, DOMAIN],
        rows=[
            _overview(),
            _processors(),
            _memory(),
            _disks(),
            _latency(),
            _network(),
            _events(),
            _jobs(),
            _identity(),
        ],
    )


def _overview() -> Row:
    cpu = f"sum(rate(libvirt_domain_cpu_time_seconds_total{{{SELECTED}}}[$__rate_interval]))"
    steal = f"sum(rate(libvirt_domain_vcpu_delay_seconds_total{{{SELECTED}}}[$__rate_interval]))"
    vcpus = f"sum(libvirt_domain_vcpu_count{{{SELECTED}}})"
    return Row(
        "Overview",
        [
            stat(
                "State",
                f"libvirt_domain_state{{{SELECTED}}}",
                mapped=STATES,
                legend="{{instance}}",
            ),
            stat(
                "Reason",
                f"libvirt_domain_state_reason_info{{{SELECTED}}} == 1",
                legend="{{state}}: {{reason}}",
                text="name",
                description="Why the domain is in its state.",
            ),
            stat("Up for", f"max(libvirt_domain_uptime_seconds{{{SELECTED}}})", unit="s"),
            stat("vCPUs", vcpus),
            stat("Memory", f"max(libvirt_domain_memory_current_bytes{{{SELECTED}}})", unit="bytes"),
            stat(
                "Statistics late",
                f"max(libvirt_domain_stats_timed_out{{{SELECTED}}})",
                mapped={0: ("no", GREEN), 1: ("yes", RED)},
                steps=BAD_IF_ANY,
                description="Whether they missed the last scrape's deadline: it hangs, or a job holds it.",
            ),
            stat("Processors in use", f"{cpu} / {vcpus}", unit="percentunit", steps=USED),
            stat(
                "Steal",
                f"{steal} / {vcpus}",
                unit="percentunit",
                steps=((None, GREEN), (0.05, YELLOW), (0.2, RED)),
            ),
            stat(
                "Guest's memory in use",
                f"1 - max(libvirt_domain_memory_usable_bytes{{{SELECTED}}})"
                f" / max(libvirt_domain_memory_available_bytes{{{SELECTED}}})",
                unit="percentunit",
                steps=USED,
                description="As the guest's balloon driver tells it.",
            ),
            stat(
                "Starts with the host",
                f"max(libvirt_domain_autostart{{{SELECTED}}})",
                mapped=YES_OR_NO,
            ),
            stat(
                "Guest agent",
                f"max(libvirt_domain_guest_agent_connected{{{SELECTED}}})",
                mapped={0: ("gone", ORANGE), 1: ("there", GREEN)},
            ),
            stat("Snapshots", f"max(libvirt_domain_snapshots{{{SELECTED}}})"),
            state_timeline("State", value("libvirt_domain_state"), STATES, height=4),
        ],
    )


def _processors() -> Row:
    return Row(
        "Processors",
        [
            timeseries(
                "Domain",
                [
                    rate("libvirt_domain_cpu_time_seconds_total", "all"),
                    rate("libvirt_domain_cpu_user_seconds_total", "user"),
                    rate("libvirt_domain_cpu_system_seconds_total", "system"),
                    value("libvirt_domain_vcpu_count", "vCPUs"),
                ],
                description="Seconds a second, with what the hypervisor spends on it.",
            ),
            timeseries(
                "vCPUs",
                [rate("libvirt_domain_vcpu_time_seconds_total", "{{vcpu}}")],
                unit="percentunit",
            ),
            timeseries(
                "vCPUs: steal and wait",
                [
                    rate("libvirt_domain_vcpu_delay_seconds_total", "{{vcpu}} steal"),
                    rate("libvirt_domain_vcpu_wait_seconds_total", "{{vcpu}} wait"),
                ],
                unit="percentunit",
                description="Ready and not running; waiting for input or output.",
            ),
            state_timeline(
                "vCPUs: state",
                value("libvirt_domain_vcpu_state", "{{vcpu}}"),
                VCPU_STATES,
                width=12,
            ),
        ],
    )


def _memory() -> Row:
    return Row(
        "Memory",
        [
            timeseries(
                "Given",
                [
                    value("libvirt_domain_memory_max_bytes", "at most"),
                    value("libvirt_domain_memory_current_bytes", "at present"),
                    value("libvirt_domain_memory_rss_bytes", "on the host"),
                ],
                unit="bytes",
            ),
            timeseries(
                "In the guest",
                [
                    value("libvirt_domain_memory_available_bytes", "there"),
                    value("libvirt_domain_memory_usable_bytes", "usable"),
                    value("libvirt_domain_memory_unused_bytes", "unused"),
                    value("libvirt_domain_memory_disk_caches_bytes", "disk caches"),
                ],
                unit="bytes",
                description="As the guest's balloon driver tells it; needs <stats period> in the domain.",
            ),
            timeseries(
                "Swap",
                [
                    rate("libvirt_domain_memory_swap_in_bytes_total", "in"),
                    rate("libvirt_domain_memory_swap_out_bytes_total", "out"),
                ],
                unit="Bps",
                negative="out",
            ),
            timeseries(
                "Page faults",
                [
                    rate("libvirt_domain_memory_major_faults_total", "major"),
                    rate("libvirt_domain_memory_minor_faults_total", "minor"),
                ],
                unit="ops",
            ),
        ],
    )


def _disks() -> Row:
    disk = "libvirt_domain_disk"
    return Row(
        "Disks",
        [
            timeseries(
                "Bytes",
                [
                    rate(f"{disk}_read_bytes_total", "{{disk}} read"),
                    rate(f"{disk}_write_bytes_total", "{{disk}} written"),
                ],
                unit="Bps",
                negative="/ written$/",
            ),
            timeseries(
                "Requests",
                [
                    rate(f"{disk}_read_requests_total", "{{disk}} read"),
                    rate(f"{disk}_write_requests_total", "{{disk}} written"),
                    rate(f"{disk}_flush_requests_total", "{{disk}} flush"),
                ],
                unit="iops",
                negative="/ written$/",
            ),
            timeseries(
                "Time of a request",
                [
                    Query(
                        f"rate({disk}_{word}_time_seconds_total{{{SELECTED}}}[$__rate_interval])"
                        f" / (rate({disk}_{word}_requests_total{{{SELECTED}}}[$__rate_interval]) > 0)",
                        f"{{{{disk}}}} {word}",
                    )
                    for word in ("read", "write", "flush")
                ],
                unit="s",
            ),
            timeseries(
                "Busy",
                [
                    Query(
                        f"rate({disk}_read_time_seconds_total{{{SELECTED}}}[$__rate_interval])"
                        f" + rate({disk}_write_time_seconds_total{{{SELECTED}}}[$__rate_interval])",
                        "{{disk}}",
                    )
                ],
                description="Requests that are under way, on average.",
            ),
            table(
                "Disks",
                [
                    Query(f"max by (instance, disk) ({disk}_capacity_bytes{{{SELECTED}}})", "Size"),
                    Query(
                        f"max by (instance, disk) ({disk}_allocation_bytes{{{SELECTED}}})",
                        "Allocated",
                    ),
                    Query(
                        f"max by (instance, disk) ({disk}_physical_bytes{{{SELECTED}}})",
                        "On the host",
                    ),
                    Query(
                        f"max by (instance, disk, bus, format, source, cache)"
                        f" ({disk}_info{{{SELECTED}}})"
                    ),
                ],
                columns={
                    "Size": Column("bytes"),
                    "Allocated": Column("bytes"),
                    "On the host": Column("bytes"),
                },
                height=7,
            ),
        ],
    )


def _latency() -> Row:
    def quantile(share: str, word: str) -> Query:
        bucket = f"libvirt_domain_disk_{word}_latency_seconds_bucket{{{SELECTED}}}"
        return Query(
            f"histogram_quantile({share}, sum by (instance, disk, le)"
            f" (rate({bucket}[$__rate_interval])))",
            f"{{{{disk}}}} {word}, {share}",
        )

    return Row(
        "Disks: latency as QEMU measures it (libvirt 12.1, where the domain asks for it)",
        [
            timeseries(
                "Quantiles",
                [quantile(share, word) for word in ("read", "write") for share in ("0.5", "0.99")],
                unit="s",
            ),
            timeseries(
                "Highest of an interval",
                [
                    value(
                        "libvirt_domain_disk_latency_max_seconds",
                        "{{disk}} {{operation}}, {{interval}} s",
                    )
                ],
                unit="s",
            ),
        ],
    )


def _network() -> Row:
    network = "libvirt_domain_network"
    return Row(
        "Network",
        [
            timeseries(
                "Bytes",
                [
                    rate(f"{network}_receive_bytes_total", "{{interface}} received"),
                    rate(f"{network}_transmit_bytes_total", "{{interface}} sent"),
                ],
                unit="Bps",
                negative="/ sent$/",
            ),
            timeseries(
                "Packets",
                [
                    rate(f"{network}_receive_packets_total", "{{interface}} received"),
                    rate(f"{network}_transmit_packets_total", "{{interface}} sent"),
                ],
                unit="pps",
                negative="/ sent$/",
            ),
            timeseries(
                "Drops",
                [
                    rate(f"{network}_receive_drops_total", "{{interface}} received"),
                    rate(f"{network}_transmit_drops_total", "{{interface}} sent"),
                ],
                unit="pps",
                negative="/ sent$/",
            ),
            timeseries(
                "Errors",
                [
                    rate(f"{network}_receive_errors_total", "{{interface}} received"),
                    rate(f"{network}_transmit_errors_total", "{{interface}} sent"),
                ],
                unit="pps",
                negative="/ sent$/",
            ),
            table(
                "Interfaces",
                [
                    Query(
                        "max by (instance, interface, type, source, mac, model)"
                        f" (libvirt_domain_interface_info{{{SELECTED}}})"
                    )
                ],
                height=6,
            ),
        ],
    )


def _events() -> Row:
    return Row(
        "What happened",
        [
            timeseries(
                "Events",
                [
                    Query(
                        "sum by (event, detail)"
                        f" (increase(libvirt_domain_events_total{{{SELECTED}}}[$__rate_interval]))",
                        "{{event}} {{detail}}",
                    ),
                    Query(
                        f"increase(libvirt_domain_reboots_total{{{SELECTED}}}[$__rate_interval])",
                        "reboots",
                    ),
                ],
            ),
            table(
                "Last of each kind",
                [
                    Query(
                        "1000 * max by (instance, event)"
                        f" (libvirt_domain_last_event_timestamp_seconds{{{SELECTED}}})",
                        "At",
                    )
                ],
                columns={"At": Column("dateTimeAsIso")},
                sort="At",
                width=12,
                height=8,
            ),
            table(
                "I/O errors",
                [
                    Query(
                        "sum by (instance, disk, reason, action)"
                        f" (libvirt_domain_io_errors_total{{{SELECTED}}})",
                        "Errors",
                    )
                ],
                width=12,
                height=6,
            ),
            table(
                "Watchdog",
                [
                    Query(
                        f"sum by (instance, action) (libvirt_domain_watchdog_total{{{SELECTED}}})",
                        "Fired",
                    )
                ],
                width=12,
                height=6,
            ),
        ],
    )


def _jobs() -> Row:
    job = "libvirt_domain_job"
    return Row(
        "Jobs",
        [
            timeseries(
                "Migration, save, backup: what is left",
                [value(f"{job}_data_remaining_bytes", "{{operation}}")],
                unit="bytes",
            ),
            timeseries(
                "Speed, and speed of the guest's writing",
                [
                    value(f"{job}_memory_bytes_per_second", "{{operation}} memory"),
                    value(f"{job}_dirty_rate_bytes_per_second", "{{operation}} written anew"),
                ],
                unit="Bps",
            ),
            table(
                "Under way",
                [
                    Query(
                        f"max by (instance, operation) ({job}_elapsed_seconds{{{SELECTED}}})",
                        "For",
                    )
                ],
                columns={"For": Column("s")},
                width=6,
                height=6,
            ),
            bar_gauge(
                "Block jobs",
                Query(
                    f"libvirt_domain_block_job_processed_bytes{{{SELECTED}}}"
                    f" / (libvirt_domain_block_job_total_bytes{{{SELECTED}}} > 0)",
                    "{{disk}} {{type}}",
                ),
                unit="percentunit",
                maximum=1,
                width=6,
                height=6,
            ),
            table(
                "Last job",
                [
                    Query(
                        "max by (instance, operation)"
                        f" (libvirt_domain_last_job_success{{{SELECTED}}})",
                        "Succeeded",
                    ),
                    Query(
                        "max by (instance, operation)"
                        f" (libvirt_domain_last_job_elapsed_seconds{{{SELECTED}}})",
                        "Took",
                    ),
                    Query(
                        "max by (instance, operation)"
                        f" (libvirt_domain_last_job_downtime_seconds{{{SELECTED}}})",
                        "Stood still",
                    ),
                    Query(
                        "max by (instance, operation)"
                        f" (libvirt_domain_last_job_data_processed_bytes{{{SELECTED}}})",
                        "Moved",
                    ),
                ],
                columns={
                    "Succeeded": Column(mapped={0: ("no", RED), 1: ("yes", GREEN)}),
                    "Took": Column("s"),
                    "Stood still": Column("s"),
                    "Moved": Column("bytes"),
                },
                width=12,
                height=6,
            ),
        ],
    )


def _identity() -> Row:
    return Row(
        "What it is",
        [
            bar_gauge(
                "File systems in the guest",
                Query(
                    f"libvirt_domain_guest_filesystem_used_bytes{{{SELECTED}}}"
                    f" / libvirt_domain_guest_filesystem_total_bytes{{{SELECTED}}}",
                    "{{mountpoint}}",
                ),
                unit="percentunit",
                steps=USED,
                maximum=1,
                description="As the guest agent tells them, where it is asked.",
                width=24,
                height=6,
            ),
            table(
                "Domain",
                [
                    Query(
                        "max by (instance, host, uuid, title, type, os_type, arch, machine)"
                        f" (libvirt_domain_info{{{SELECTED}}})"
                    )
                ],
                height=5,
            ),
            table(
                "OpenStack",
                [
                    Query(
                        "max by (instance, instance_name, flavor, user_name, project_name, project_id)"
                        f" (libvirt_domain_openstack_info{{{SELECTED}}})"
                    )
                ],
                height=5,
            ),
        ],
    )
