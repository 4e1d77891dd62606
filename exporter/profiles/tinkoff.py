"""The names of Tinkoff/libvirt-exporter 2.3, which Kolla deploys. Data only."""

from __future__ import annotations

from exporter.metrics.rows import GAUGE
from exporter.profiles.lineage import (
    Labels,
    disk_rows,
    domain_rows,
    interface_rows,
    memory_rows,
    up_row,
    vcpu_rows,
)
from exporter.profiles.rows import Constant, Need, Own, Profile, Row, Written
from exporter.profiles.sources import (
    ACTIVE,
    BRIDGE,
    DISK_NAME,
    HAS_NETWORK,
    IS_DISK,
    openstack,
    root,
)

__all__ = ["TINKOFF"]

_DOMAIN: Labels = (("domain", Own("domain")),)
_VCPU: Labels = (*_DOMAIN, ("vcpu", Own("vcpu")))
_DISK: Labels = (*_DOMAIN, ("target_device", Own("disk")))
_INTERFACE: Labels = (*_DOMAIN, ("target_device", Own("interface")))

_LIBVIRT_ROWS = (
    up_row(),
    Row(
        "libvirt_versions_info",
        GAUGE,
        "Versions of libvirt and the hypervisor, always 1.",
        "libvirt_versions_info",
        (
            ("hypervisor_running", Own("hypervisor")),
            ("libvirtd_running", Own("libvirt")),
            # No library stands between the exporter and the daemon.
            ("libvirt_library", Constant("")),
        ),
    ),
    *(
        Row(
            f"libvirt_pool_info_{name}_bytes",
            GAUGE,
            text,
            f"libvirt_storage_pool_{name}_bytes",
            (("pool", Own("pool")),),
        )
        for name, text in (
            ("capacity", "Size of the storage pool."),
            ("allocation", "Space of the storage pool that is taken."),
            ("available", "Space of the storage pool that is left."),
        )
    ),
)

_INFO_ROWS = (
    Row(
        "libvirt_domain_info_meta",
        GAUGE,
        "The domain and the OpenStack instance that it is, always 1.",
        "libvirt_domain_state",
        (
            *_DOMAIN,
            ("uuid", Own("uuid")),
            ("instance_name", openstack("instance_name")),
            ("flavor", openstack("flavor")),
            ("user_name", openstack("user_name")),
            ("user_uuid", openstack("user_id")),
            ("project_name", openstack("project_name")),
            ("project_uuid", openstack("project_id")),
            ("root_type", root("type")),
            ("root_uuid", root("root_id")),
        ),
        value=Written(Constant("1")),
    ),
    *domain_rows(_DOMAIN),
    Row(
        "libvirt_domain_info_vstate",
        GAUGE,
        "State of the domain by libvirt's number.",
        "libvirt_domain_state",
        _DOMAIN,
    ),
)

_DISK_ROWS = (
    Row(
        "libvirt_domain_block_meta",
        GAUGE,
        "How the disk is attached and where its data is, always 1.",
        "libvirt_domain_disk_info",
        (
            *_DISK,
            ("source_file", DISK_NAME),
            ("serial", Own("serial")),
            ("bus", Own("bus")),
            ("disk_type", Own("type")),
            ("driver_type", Own("format")),
            ("cache", Own("cache")),
            ("discard", Own("discard")),
        ),
        only=(IS_DISK,),
    ),
    *disk_rows(_DISK, (IS_DISK,)),
    *(
        Row(
            f"libvirt_domain_block_stats_{name}",
            GAUGE,
            text,
            f"libvirt_domain_disk_{source}_bytes",
            _DISK,
            only=(IS_DISK,),
        )
        for name, source, text in (
            ("allocation", "allocation", "Highest offset written in the disk's image, in bytes."),
            ("capacity_bytes", "capacity", "Size of the disk as the guest sees it."),
            ("physicalsize_bytes", "physical", "Size of what holds the disk."),
        )
    ),
)

_UNITS = {"bytes": "bytes", "iops": "requests"}
"""Of a limit: our word and its."""

_LIMIT_TABLE = (
    *(
        (
            f"limit_{operation}_{name}",
            f"{operation}_{unit}_per_second",
            f"{operation.capitalize()} {name} of the disk a second at most.",
        )
        for unit, name in _UNITS.items()
        for operation in ("total", "write", "read")
    ),
    *(
        (
            f"limit_burst_{operation}_{name}",
            f"{operation}_{unit}_burst_per_second",
            f"{operation.capitalize()} {name} of the disk a second in a burst.",
        )
        for unit, name in _UNITS.items()
        for operation in ("total", "write", "read")
    ),
    *(
        (name, source, f"How long a burst of {operation} {what} may last.")
        for operation in ("total", "write", "read")
        for name, source, what in (
            (
                f"limit_burst_{operation}_bytes_length_seconds",
                f"{operation}_bytes_burst_length_seconds",
                "bytes",
            ),
            (
                f"limit_burst_length_{operation}_requests_seconds",
                f"{operation}_iops_burst_length_seconds",
                "requests",
            ),
        )
    ),
    (
        "size_iops_bytes",
        "iops_size_bytes",
        "Size beyond which a request to the disk counts as several.",
    ),
)

_LIMIT_ROWS = tuple(
    Row(
        f"libvirt_domain_block_stats_{name}",
        GAUGE,
        text,
        f"libvirt_domain_disk_throttle_{source}",
        _DISK,
        only=(IS_DISK,),
    )
    for name, source, text in _LIMIT_TABLE
)

_INTERFACE_META = Row(
    "libvirt_domain_interface_meta",
    GAUGE,
    "What the network interface is attached to, always 1.",
    "libvirt_domain_interface_info",
    (
        *_DOMAIN,
        ("source_bridge", BRIDGE),
        ("target_device", Own("interface")),
        ("virtual_interface", Constant("")),
    ),
    only=(ACTIVE, HAS_NETWORK),
)

_MEMORY_ROWS = (
    *memory_rows(_DOMAIN, (ACTIVE,)),
    Row(
        "libvirt_domain_memory_stats_actual_balloon_bytes",
        GAUGE,
        "Memory that the balloon leaves the domain.",
        "libvirt_domain_memory_current_bytes",
        _DOMAIN,
        only=(ACTIVE,),
    ),
    Row(
        "libvirt_domain_memory_stats_disk_cache_bytes",
        GAUGE,
        "Memory that the guest uses for disk caches and can reclaim quickly.",
        "libvirt_domain_memory_disk_caches_bytes",
        _DOMAIN,
        only=(ACTIVE,),
    ),
)

TINKOFF = Profile(
    "tinkoff",
    (
        *_LIBVIRT_ROWS,
        *_INFO_ROWS,
        *vcpu_rows(_VCPU, (ACTIVE,)),
        *_DISK_ROWS,
        *_LIMIT_ROWS,
        _INTERFACE_META,
        *interface_rows(_INTERFACE, (ACTIVE,)),
        *_MEMORY_ROWS,
    ),
    (
        Need("domain.info", "libvirt_domain_block_meta, _interface_meta and labels of _info_meta"),
        Need("domain.limits", "libvirt_domain_block_stats_limit_*"),
        Need("host.stats", "libvirt_versions_info"),
        Need("network.networks", "source_bridge of interfaces on virtual networks"),
        Need("storage.pools", "libvirt_pool_info_*"),
    ),
)
