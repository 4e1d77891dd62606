"""The names of openEuler's uos-libvirtd-exporter, and those that its dashboards ask for. Data only."""

from __future__ import annotations

from exporter.metrics.rows import COUNTER, GAUGE, UNIT, MetricType, Scale
from exporter.profiles.lineage import Labels
from exporter.profiles.rows import (
    VALUE,
    Cases,
    Constant,
    Found,
    Lookup,
    Need,
    Only,
    Own,
    Profile,
    Row,
    Scaled,
    Text,
    Version,
    Written,
)
from exporter.profiles.sources import ACTIVE, STATE_CODE, TO_NANOSECONDS, has

__all__ = ["UOS"]

_DOMAIN: Labels = (("domain", Own("domain")), ("uuid", Own("uuid")))
_DISK: Labels = (*_DOMAIN, ("device", Own("disk")))
_INTERFACE: Labels = (*_DOMAIN, ("interface", Own("interface")))
_POOL: Labels = (("name", Own("pool")),)

_SHUTOFF = frozenset({"shutoff"})

_Table = tuple[tuple[str, MetricType, str, Scale, str], ...]

_STATUS = Row(
    "libvirt_vm_status",
    GAUGE,
    "Whether the domain is running: 1 it is, 0 not.",
    "libvirt_domain_state",
    _DOMAIN,
    value=Written(Cases(STATE_CODE, {"1": Constant("1")}, Constant("0"))),
)

_STEAL = Row(
    "libvirt_vm_cpu_steal_time_nanoseconds",
    COUNTER,
    "Time that the virtual CPUs queued for a host CPU, in nanoseconds.",
    "libvirt_domain_vcpu_delay_seconds_total",
    _DOMAIN,
    value=Scaled(TO_NANOSECONDS),
    only=(ACTIVE,),
    is_sum=True,
)

_OF_ALL: _Table = (
    (
        "cpu_time_seconds_total",
        COUNTER,
        "cpu_time_seconds_total",
        UNIT,
        "Processor time used by the domain.",
    ),
    (
        "memory_current_bytes",
        GAUGE,
        "memory_current_bytes",
        UNIT,
        "Memory that the domain has at present.",
    ),
    (
        "memory_max_bytes",
        GAUGE,
        "memory_max_bytes",
        UNIT,
        "Memory that the domain may have at most.",
    ),
    ("uptime_seconds", GAUGE, "uptime_seconds", UNIT, "Time since the domain started or arrived."),
    (
        "autostart_enabled",
        GAUGE,
        "autostart",
        UNIT,
        "Whether the domain starts with the host: 1 it does, 0 not.",
    ),
    (
        "persistent",
        GAUGE,
        "persistent",
        UNIT,
        "Whether the domain stays defined when it stops: 1 it does, 0 not.",
    ),
    (
        "managed_save",
        GAUGE,
        "has_managed_save",
        UNIT,
        "Whether the domain has a saved state to start from: 1 it has, 0 not.",
    ),
    ("snapshot_count", GAUGE, "snapshots", UNIT, "Snapshots of the domain."),
)

_OF_ACTIVE: _Table = (
    ("vcpu_max", GAUGE, "vcpu_maximum", UNIT, "Virtual CPUs that the domain may have at most."),
    ("vcpu_current", GAUGE, "vcpu_count", UNIT, "Virtual CPUs that are online."),
    (
        "cpu_time_total_nanoseconds",
        COUNTER,
        "cpu_time_seconds_total",
        TO_NANOSECONDS,
        "Processor time used by the domain, in nanoseconds.",
    ),
    (
        "cpu_user_time_nanoseconds",
        COUNTER,
        "cpu_user_seconds_total",
        TO_NANOSECONDS,
        "Processor time used in user mode of the host, in nanoseconds.",
    ),
    (
        "cpu_system_time_nanoseconds",
        COUNTER,
        "cpu_system_seconds_total",
        TO_NANOSECONDS,
        "Processor time used in kernel mode of the host, in nanoseconds.",
    ),
    (
        "memory_balloon_bytes",
        GAUGE,
        "memory_current_bytes",
        UNIT,
        "Memory that the balloon leaves the domain.",
    ),
    (
        "memory_unused_bytes",
        GAUGE,
        "memory_unused_bytes",
        UNIT,
        "Memory that the guest leaves wholly unused.",
    ),
    (
        "memory_available_bytes",
        GAUGE,
        "memory_available_bytes",
        UNIT,
        "Memory that the guest's kernel manages in total, free or not.",
    ),
    (
        "memory_rss_bytes",
        GAUGE,
        "memory_rss_bytes",
        UNIT,
        "Memory of the host in which the domain's process is resident.",
    ),
    (
        "memory_swap_in_bytes",
        COUNTER,
        "memory_swap_in_bytes_total",
        UNIT,
        "Memory that the guest read back from its swap space.",
    ),
    (
        "memory_swap_out_bytes",
        COUNTER,
        "memory_swap_out_bytes_total",
        UNIT,
        "Memory that the guest wrote to its swap space.",
    ),
    (
        "memory_major_faults_total",
        COUNTER,
        "memory_major_faults_total",
        UNIT,
        "Page faults of the guest that needed input or output.",
    ),
    (
        "memory_minor_faults_total",
        COUNTER,
        "memory_minor_faults_total",
        UNIT,
        "Page faults of the guest that needed no input or output.",
    ),
    (
        "memory_total_bytes",
        GAUGE,
        "memory_available_bytes",
        UNIT,
        "Memory that the guest's kernel manages in total, free or not.",
    ),
)

_OF_DISK: _Table = tuple(
    (f"disk_{name}_total", COUNTER, f"disk_{source}_total", UNIT, text)
    for name, source, text in (
        ("read_bytes", "read_bytes", "Bytes read from the disk."),
        ("write_bytes", "write_bytes", "Bytes written to the disk."),
        ("read_ops", "read_requests", "Read requests to the disk."),
        ("write_ops", "write_requests", "Write requests to the disk."),
        ("read_time_seconds", "read_time_seconds", "Time spent reading from the disk."),
        ("write_time_seconds", "write_time_seconds", "Time spent writing to the disk."),
    )
)

_OF_INTERFACE: _Table = tuple(
    (f"network_{name}_total", COUNTER, f"network_{source}_total", UNIT, text)
    for name, source, text in (
        ("rx_bytes", "receive_bytes", "Bytes that the guest received."),
        ("tx_bytes", "transmit_bytes", "Bytes that the guest sent."),
        ("rx_packets", "receive_packets", "Packets that the guest received."),
        ("tx_packets", "transmit_packets", "Packets that the guest sent."),
        ("rx_errors", "receive_errors", "Errors while the guest received."),
        ("tx_errors", "transmit_errors", "Errors while the guest sent."),
        ("rx_dropped", "receive_drops", "Packets towards the guest that were dropped."),
        ("tx_dropped", "transmit_drops", "Packets from the guest that were dropped."),
    )
)


def _rows(table: _Table, labels: Labels, only: tuple[Only, ...] = ()) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"libvirt_vm_{name}",
            kind,
            text,
            f"libvirt_domain_{source}",
            labels,
            value=Scaled(scale),
            only=only,
        )
        for name, kind, source, scale, text in table
    )


_DEVICE_ROWS = tuple(
    Row(
        f"libvirt_vm_has_{device}",
        GAUGE,
        f"Whether the domain has {text}: 1 it has, 0 not.",
        "libvirt_domain_info",
        _DOMAIN,
        value=Written(has(f"libvirt_domain_{device}_info")),
    )
    for device, text in (
        ("tpm", "a trusted platform module"),
        ("rng", "a source of random numbers"),
    )
)

_DRIVERS: dict[str, Text] = {
    "QEMU": Constant("qemu"),
    "Xen": Constant("xen"),
    "LXC": Constant("lxc"),
}

_CONNECTION_ROWS = (
    *(
        Row(
            name,
            GAUGE,
            "Whether libvirt is connected: 1 it is, 0 not.",
            "libvirt_exporter_connected",
        )
        for name in ("libvirt_exporter_up", "libvirt_connection_alive")
    ),
    Row(
        "libvirt_exporter_scrape_duration_seconds",
        GAUGE,
        "Time that the last scrape took.",
        "libvirt_exporter_last_scrape_duration_seconds",
    ),
    *(
        Row(name, GAUGE, text, "libvirt_domains", only=only, is_sum=True)
        for name, text, only in (
            ("libvirt_exporter_domains_discovered", "Domains, whether they run or not.", ()),
            (
                "libvirt_active_domains",
                "Domains that are not shut off.",
                (Only(Own("state"), _SHUTOFF, but=True),),
            ),
            (
                "libvirt_inactive_domains",
                "Domains that are shut off.",
                (Only(Own("state"), _SHUTOFF),),
            ),
        )
    ),
    Row(
        "libvirt_host_name",
        GAUGE,
        "The host's name, always 1.",
        "libvirt_host_info",
        (("hostname", Own("hostname")),),
    ),
    Row(
        "libvirt_host_driver_type",
        GAUGE,
        "The kind of hypervisor, always 1.",
        "libvirt_versions_info",
        (("driver", Cases(Own("driver"), _DRIVERS, Constant("unknown"))),),
    ),
    *(
        Row(
            f"libvirt_host_{name}_version",
            GAUGE,
            f"Version of {what} as libvirt's number, 9000001 for 9.0.1.",
            "libvirt_versions_info",
            value=Written(Version(Own(name))),
        )
        for name, what in (("libvirt", "libvirt"), ("hypervisor", "the hypervisor"))
    ),
    Row("libvirt_host_cpu_count", GAUGE, "Processors of the host.", "libvirt_host_cpus"),
    *(
        Row(
            f"libvirt_host_memory_{kind}_bytes",
            GAUGE,
            text,
            f"libvirt_host_memory_{kind}_bytes",
        )
        for kind, text in (
            ("total", "Memory of the host."),
            ("free", "Memory of the host that is free."),
        )
    ),
)

_NETWORKS = Lookup("libvirt_network_info", ("network",))
_POOL_STATE = Lookup("libvirt_storage_pool_state", ("uuid",))

_STORAGE_AND_NETWORK_ROWS = (
    Row(
        "libvirt_storage_pool_info",
        GAUGE,
        "The storage pool's kind and whether it is active, always 1.",
        "libvirt_storage_pool_info",
        (
            *_POOL,
            ("type", Own("type")),
            (
                "state",
                Cases(Found(_POOL_STATE, VALUE), {"0": Constant("inactive")}, Constant("active")),
            ),
        ),
    ),
    *(
        Row(f"libvirt_storage_pool_{name}", GAUGE, text, f"libvirt_storage_pool_{name}", _POOL)
        for name, text in (
            ("capacity_bytes", "Size of the storage pool."),
            ("allocation_bytes", "Space of the storage pool that is taken."),
            ("available_bytes", "Space of the storage pool that is left."),
            ("volumes", "Volumes of the storage pool."),
        )
    ),
    Row(
        "libvirt_network_pool_info",
        GAUGE,
        "The virtual network's bridge, always 1.",
        "libvirt_network_info",
        (("name", Own("network")), ("bridge", Own("bridge"))),
    ),
    Row(
        "libvirt_network_pool_bridge",
        GAUGE,
        "Whether the virtual network is active: 1 it is, 0 not.",
        "libvirt_network_active",
        (("name", Own("network")), ("bridge", Found(_NETWORKS, "bridge"))),
    ),
)

_DASHBOARD_ROWS = tuple(
    Row(
        f"libvirt_domain_{name}_bytes_total",
        COUNTER,
        text,
        f"libvirt_domain_{source}_bytes_total",
        labels,
        only=(ACTIVE,),
    )
    for name, source, labels, text in (
        ("block_read", "disk_read", _DISK, "Bytes read from the disk."),
        ("block_write", "disk_write", _DISK, "Bytes written to the disk."),
        ("interface_receive", "network_receive", _INTERFACE, "Bytes that the guest received."),
        ("interface_transmit", "network_transmit", _INTERFACE, "Bytes that the guest sent."),
    )
)
"""Names that its dashboards ask for and it does not export; others of theirs are ours."""

UOS = Profile(
    "uos",
    (
        *_CONNECTION_ROWS,
        *_STORAGE_AND_NETWORK_ROWS,
        _STATUS,
        *_rows(_OF_ALL, _DOMAIN),
        *_DEVICE_ROWS,
        *_rows(_OF_ACTIVE, _DOMAIN, (ACTIVE,)),
        _STEAL,
        *_rows(_OF_DISK, _DISK, (ACTIVE,)),
        *_rows(_OF_INTERFACE, _INTERFACE, (ACTIVE,)),
        *_DASHBOARD_ROWS,
    ),
    (
        Need("domain.info", "libvirt_vm_autostart_enabled, _persistent, _managed_save and _has_*"),
        Need("host.stats", "libvirt_host_*"),
        Need("network.networks", "libvirt_network_pool_*"),
        Need("storage.pools", "libvirt_storage_pool_*"),
    ),
)
