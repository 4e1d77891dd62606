"""The names of vexxhost/libvirtd_exporter, which Atmosphere deploys: libvirt's own units. Data only."""

from __future__ import annotations

from exporter.metrics.rows import COUNTER, GAUGE, UNIT, MetricType, Scale
from exporter.profiles.lineage import Labels
from exporter.profiles.rows import Age, Need, Own, Profile, Row, Scaled
from exporter.profiles.sources import (
    DISK_PATH,
    DISK_RANK,
    TO_KIBIBYTES,
    TO_NANOSECONDS,
    openstack,
)

__all__ = ["VEXXHOST"]

_DOMAIN: Labels = (("uuid", Own("uuid")),)
_VCPU: Labels = (*_DOMAIN, ("vcpu", Own("vcpu")))
_DISK: Labels = (*_DOMAIN, ("device", DISK_RANK), ("path", DISK_PATH))
_INTERFACE: Labels = (*_DOMAIN, ("interface", Own("interface")))

_Table = tuple[tuple[str, MetricType, str, Scale, str], ...]

_DOMAIN_TABLE: _Table = (
    ("domain_state", GAUGE, "state", UNIT, "State of the domain by libvirt's number."),
    (
        "domain_state_reason",
        GAUGE,
        "state_reason",
        UNIT,
        "Reason of the domain's state by libvirt's number.",
    ),
    (
        "cpu_time",
        COUNTER,
        "cpu_time_seconds_total",
        TO_NANOSECONDS,
        "Processor time used by the domain, in nanoseconds.",
    ),
    (
        "cpu_user",
        COUNTER,
        "cpu_user_seconds_total",
        TO_NANOSECONDS,
        "Processor time used in user mode of the host, in nanoseconds.",
    ),
    (
        "cpu_system",
        COUNTER,
        "cpu_system_seconds_total",
        TO_NANOSECONDS,
        "Processor time used in kernel mode of the host, in nanoseconds.",
    ),
    (
        "balloon_current",
        GAUGE,
        "memory_current_bytes",
        TO_KIBIBYTES,
        "Memory that the domain has at present, in KiB.",
    ),
    (
        "balloon_maximum",
        GAUGE,
        "memory_max_bytes",
        TO_KIBIBYTES,
        "Memory that the domain may have at most, in KiB.",
    ),
    (
        "balloon_swap_in",
        COUNTER,
        "memory_swap_in_bytes_total",
        TO_KIBIBYTES,
        "Memory that the guest read back from its swap space, in KiB.",
    ),
    (
        "balloon_swap_out",
        COUNTER,
        "memory_swap_out_bytes_total",
        TO_KIBIBYTES,
        "Memory that the guest wrote to its swap space, in KiB.",
    ),
    (
        "balloon_major_fault",
        COUNTER,
        "memory_major_faults_total",
        UNIT,
        "Page faults of the guest that needed input or output.",
    ),
    (
        "balloon_minor_fault",
        COUNTER,
        "memory_minor_faults_total",
        UNIT,
        "Page faults of the guest that needed no input or output.",
    ),
    (
        "balloon_unused",
        GAUGE,
        "memory_unused_bytes",
        TO_KIBIBYTES,
        "Memory that the guest leaves wholly unused, in KiB.",
    ),
    (
        "balloon_available",
        GAUGE,
        "memory_available_bytes",
        TO_KIBIBYTES,
        "Memory that the guest's kernel manages, in KiB.",
    ),
    (
        "balloon_rss",
        GAUGE,
        "memory_rss_bytes",
        TO_KIBIBYTES,
        "Memory of the host in which the domain's process is resident, in KiB.",
    ),
    (
        "balloon_usable",
        GAUGE,
        "memory_usable_bytes",
        TO_KIBIBYTES,
        "Memory that the guest could use without swapping, in KiB.",
    ),
    (
        "balloon_disk_caches",
        GAUGE,
        "memory_disk_caches_bytes",
        TO_KIBIBYTES,
        "Memory that the guest uses for disk caches, in KiB.",
    ),
    (
        "balloon_hugetlb_pgalloc",
        COUNTER,
        "memory_hugetlb_pgalloc_total",
        UNIT,
        "Huge pages that the guest allocated.",
    ),
    (
        "balloon_hugetlb_pgfail",
        COUNTER,
        "memory_hugetlb_pgfail_total",
        UNIT,
        "Huge pages that the guest failed to allocate.",
    ),
)

_VCPU_TABLE: _Table = (
    (
        "vcpu_state",
        GAUGE,
        "vcpu_state",
        UNIT,
        "State of the virtual CPU: 0 offline, 1 running, 2 blocked.",
    ),
    (
        "vcpu_time",
        COUNTER,
        "vcpu_time_seconds_total",
        TO_NANOSECONDS,
        "Processor time used by the virtual CPU, in nanoseconds.",
    ),
)

_INTERFACE_TABLE: _Table = tuple(
    (f"net_{name}", kind, f"network_{source}_total", UNIT, text)
    for name, kind, source, text in (
        ("rx_bytes", COUNTER, "receive_bytes", "Bytes that the guest received."),
        ("rx_packets", COUNTER, "receive_packets", "Packets that the guest received."),
        ("rx_errors", COUNTER, "receive_errors", "Errors while the guest received."),
        ("rx_drop", COUNTER, "receive_drops", "Packets towards the guest that were dropped."),
        ("tx_bytes", COUNTER, "transmit_bytes", "Bytes that the guest sent."),
        ("tx_packets", COUNTER, "transmit_packets", "Packets that the guest sent."),
        ("tx_errors", COUNTER, "transmit_errors", "Errors while the guest sent."),
        ("tx_drop", GAUGE, "transmit_drops", "Packets from the guest that were dropped."),
    )
)

_DISK_TABLE: _Table = tuple(
    (f"block_{name}", kind, f"disk_{source}", scale, text)
    for name, kind, source, scale, text in (
        ("read_requests", COUNTER, "read_requests_total", UNIT, "Read requests to the disk."),
        ("read_bytes", COUNTER, "read_bytes_total", UNIT, "Bytes read from the disk."),
        (
            "read_times",
            COUNTER,
            "read_time_seconds_total",
            TO_NANOSECONDS,
            "Time spent reading from the disk, in nanoseconds.",
        ),
        ("write_requests", COUNTER, "write_requests_total", UNIT, "Write requests to the disk."),
        ("write_bytes", COUNTER, "write_bytes_total", UNIT, "Bytes written to the disk."),
        (
            "write_times",
            COUNTER,
            "write_time_seconds_total",
            TO_NANOSECONDS,
            "Time spent writing to the disk, in nanoseconds.",
        ),
        ("flush_requests", COUNTER, "flush_requests_total", UNIT, "Flush requests to the disk."),
        (
            "flush_times",
            COUNTER,
            "flush_time_seconds_total",
            TO_NANOSECONDS,
            "Time spent flushing the disk, in nanoseconds.",
        ),
        ("allocation", GAUGE, "allocation_bytes", UNIT, "Highest offset written in the image."),
        ("capacity", GAUGE, "capacity_bytes", UNIT, "Size of the disk as the guest sees it."),
        ("physical", GAUGE, "physical_bytes", UNIT, "Size of what holds the disk."),
    )
)


def _rows(table: _Table, labels: Labels) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"libvirtd_domain_{name}",
            kind,
            text,
            f"libvirt_domain_{source}",
            labels,
            value=Scaled(scale),
        )
        for name, kind, source, scale, text in table
    )


VEXXHOST = Profile(
    "vexxhost",
    (
        Row(
            "libvirtd_info",
            COUNTER,
            "Versions of libvirt and the hypervisor, always 1.",
            "libvirt_versions_info",
            (
                ("driver", Own("driver")),
                ("driver_version", Own("hypervisor")),
                ("version", Own("libvirt")),
            ),
        ),
        Row(
            "libvirtd_domain_seconds",
            COUNTER,
            "Time since Nova wrote its metadata of the instance.",
            "libvirt_domain_openstack_creation_timestamp_seconds",
            (
                *_DOMAIN,
                ("instance_type", openstack("flavor")),
                ("user_id", openstack("user_id")),
                ("project_id", openstack("project_id")),
            ),
            value=Age(),
        ),
        *_rows(_DOMAIN_TABLE, _DOMAIN),
        *_rows(_VCPU_TABLE, _VCPU),
        *_rows(_INTERFACE_TABLE, _INTERFACE),
        *_rows(_DISK_TABLE, _DISK),
    ),
    (
        Need("domain.info", "libvirtd_domain_seconds and libvirtd_domain_block_*"),
        Need("host.stats", "libvirtd_info"),
    ),
)
