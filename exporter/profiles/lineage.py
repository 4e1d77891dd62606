"""Rows that kumina's exporter and its descendants have in common, each with labels of its own. Data only."""

from __future__ import annotations

from exporter.metrics.rows import COUNTER, GAUGE
from exporter.profiles.rows import Only, Row, Text, UsedPercent

__all__ = [
    "Labels",
    "disk_rows",
    "domain_rows",
    "interface_rows",
    "memory_rows",
    "up_row",
    "vcpu_rows",
]

Labels = tuple[tuple[str, Text], ...]
Selection = tuple[Only, ...]

_DOMAIN = (
    (
        "maximum_memory_bytes",
        GAUGE,
        "memory_max_bytes",
        "Memory that the domain may have at most.",
    ),
    (
        "memory_usage_bytes",
        GAUGE,
        "memory_current_bytes",
        "Memory that the domain has at present.",
    ),
    ("virtual_cpus", GAUGE, "vcpu_count", "Virtual CPUs of the domain."),
    (
        "cpu_time_seconds_total",
        COUNTER,
        "cpu_time_seconds_total",
        "Processor time used by the domain.",
    ),
)

_DISK = {
    "read_bytes": "Bytes read from the disk.",
    "read_requests": "Read requests to the disk.",
    "read_time_seconds": "Time spent reading from the disk.",
    "write_bytes": "Bytes written to the disk.",
    "write_requests": "Write requests to the disk.",
    "write_time_seconds": "Time spent writing to the disk.",
    "flush_requests": "Flush requests to the disk.",
    "flush_time_seconds": "Time spent flushing the disk.",
}

_INTERFACE = {
    "receive_bytes": "Bytes that the guest received on the interface.",
    "receive_packets": "Packets that the guest received on the interface.",
    "receive_errors": "Errors while the guest received on the interface.",
    "receive_drops": "Packets towards the guest that were dropped.",
    "transmit_bytes": "Bytes that the guest sent on the interface.",
    "transmit_packets": "Packets that the guest sent on the interface.",
    "transmit_errors": "Errors while the guest sent on the interface.",
    "transmit_drops": "Packets from the guest that were dropped.",
}

_VCPU = (
    ("state", GAUGE, "State of the virtual CPU: 0 offline, 1 running, 2 blocked."),
    ("time_seconds_total", COUNTER, "Processor time used by the virtual CPU."),
    ("wait_seconds_total", COUNTER, "Time that the virtual CPU waited."),
    (
        "delay_seconds_total",
        COUNTER,
        "Time that the virtual CPU queued for a host CPU, which the guest sees as steal.",
    ),
)

_MEMORY = {
    "unused": "Memory that the guest leaves wholly unused.",
    "available": "Memory that the guest's kernel manages in total, free or not.",
    "usable": "Memory that the guest could use without swapping.",
    "rss": "Memory of the host in which the domain's process is resident.",
}

_AVAILABLE = "libvirt_domain_memory_available_bytes"
_USABLE = "libvirt_domain_memory_usable_bytes"


def up_row() -> Row:
    return Row(
        "libvirt_up",
        GAUGE,
        "Whether libvirt is connected: 1 it is, 0 not.",
        "libvirt_exporter_connected",
    )


def domain_rows(labels: Labels, only: Selection = ()) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"libvirt_domain_info_{name}", kind, text, f"libvirt_domain_{source}", labels, only=only
        )
        for name, kind, source, text in _DOMAIN
    )


def disk_rows(labels: Labels, only: Selection, *, time: str = "time_seconds") -> tuple[Row, ...]:
    """`time` is how the exporter ends the names of times."""
    return tuple(
        Row(
            f"libvirt_domain_block_stats_{name.replace('time_seconds', time)}_total",
            COUNTER,
            text,
            f"libvirt_domain_disk_{name}_total",
            labels,
            only=only,
        )
        for name, text in _DISK.items()
    )


def interface_rows(labels: Labels, only: Selection) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"libvirt_domain_interface_stats_{name}_total",
            COUNTER,
            text,
            f"libvirt_domain_network_{name}_total",
            labels,
            only=only,
        )
        for name, text in _INTERFACE.items()
    )


def vcpu_rows(labels: Labels, only: Selection) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"libvirt_domain_vcpu_{name}",
            kind,
            text,
            f"libvirt_domain_vcpu_{name}",
            labels,
            only=only,
        )
        for name, kind, text in _VCPU
    )


def memory_rows(labels: Labels, only: Selection) -> tuple[Row, ...]:
    """What the balloon tells; the rest each exporter names in its own way."""
    gauges = (
        Row(
            f"libvirt_domain_memory_stats_{name}_bytes",
            GAUGE,
            text,
            f"libvirt_domain_memory_{name}_bytes",
            labels,
            only=only,
        )
        for name, text in _MEMORY.items()
    )
    faults = (
        Row(
            f"libvirt_domain_memory_stats_{size}_fault_total",
            COUNTER,
            text,
            f"libvirt_domain_memory_{size}_faults_total",
            labels,
            only=only,
        )
        for size, text in (
            ("major", "Page faults of the guest that needed input or output."),
            ("minor", "Page faults of the guest that needed no input or output."),
        )
    )
    return (*gauges, *faults, _used_percent_row(labels, only))


def _used_percent_row(labels: Labels, only: Selection) -> Row:
    return Row(
        "libvirt_domain_memory_stats_used_percent",
        GAUGE,
        "Part of the guest's memory that it could not use without swapping, of 100.",
        _AVAILABLE,
        labels,
        value=UsedPercent(_USABLE),
        only=only,
    )
