"""The names of inovex/prometheus-libvirt-exporter 2.5. Data only."""

from __future__ import annotations

from exporter.metrics.rows import GAUGE, UNIT, MetricType
from exporter.profiles.lineage import (
    Labels,
    disk_rows,
    domain_rows,
    interface_rows,
    memory_rows,
    up_row,
    vcpu_rows,
)
from exporter.profiles.rows import (
    Cases,
    Constant,
    Need,
    Only,
    Own,
    Profile,
    Row,
    Text,
    Written,
)
from exporter.profiles.sources import (
    ACTIVE,
    BRIDGE,
    DISK_FILE,
    DISK_PROTOCOL,
    HAS_DEVICE,
    IS_DISK,
    JOBS_ARE_KNOWN,
    STATE_CODE,
    TO_MILLISECONDS,
    job,
    openstack,
)

__all__ = ["INOVEX"]

_DOMAIN: Labels = (("domain", Own("domain")),)
_VCPU: Labels = (*_DOMAIN, ("vcpu", Own("vcpu")))
_DISK: Labels = (*_DOMAIN, ("target_device", Own("disk")))
_INTERFACE: Labels = (*_DOMAIN, ("target_device", Own("interface")))
_POOL: Labels = (("storage_pool", Own("pool")),)

_STATES: dict[str, Text] = {
    "0": Constant("no state"),
    "1": Constant("the domain is running"),
    "2": Constant("the domain is blocked on resource"),
    "3": Constant("the domain is paused by user"),
    "4": Constant("the domain is being shut down"),
    "5": Constant("the domain is shut off"),
    "6": Constant("the domain is crashed"),
    "7": Constant("the domain is suspended by guest power management"),
}

_LIBVIRT_ROWS = (
    up_row(),
    Row(
        "libvirt_domains",
        GAUGE,
        "Domains, whether they run or not.",
        "libvirt_domains",
        is_sum=True,
    ),
    *(
        Row(f"libvirt_storage_pool_{name}", GAUGE, text, f"libvirt_storage_pool_{name}", _POOL)
        for name, text in (
            ("state", "State of the storage pool by libvirt's number."),
            ("capacity_bytes", "Size of the storage pool."),
            ("allocation_bytes", "Space of the storage pool that is taken."),
            ("available_bytes", "Space of the storage pool that is left."),
        )
    ),
)

_OPENSTACK_INFO = "libvirt_domain_openstack_info"
_OPENSTACK_HELP = "The OpenStack instance that the domain is, always 1."
_OPENSTACK_LABELS = (
    "instance_name",
    "instance_id",
    "flavor_name",
    "user_name",
    "user_id",
    "project_name",
    "project_id",
)

_INFO_ROWS = (
    Row(
        "libvirt_domain_timed_out",
        GAUGE,
        "Whether the domain's statistics missed the deadline: 1 missed, 0 not.",
        "libvirt_domain_stats_timed_out",
        _DOMAIN,
    ),
    Row(
        "libvirt_domain_info",
        GAUGE,
        "What the domain runs as, always 1.",
        "libvirt_domain_info",
        (
            *_DOMAIN,
            ("os_type", Own("os_type")),
            ("os_type_arch", Own("arch")),
            ("os_type_machine", Own("machine")),
        ),
    ),
    Row(
        _OPENSTACK_INFO,
        GAUGE,
        _OPENSTACK_HELP,
        _OPENSTACK_INFO,
        (
            *_DOMAIN,
            *((name, Own(name.replace("flavor_name", "flavor"))) for name in _OPENSTACK_LABELS),
        ),
    ),
    # Of every other domain it says the UUID.
    Row(
        _OPENSTACK_INFO,
        GAUGE,
        _OPENSTACK_HELP,
        "libvirt_domain_info",
        (
            *_DOMAIN,
            *(
                (name, Own("uuid") if name == "instance_id" else Constant(""))
                for name in _OPENSTACK_LABELS
            ),
        ),
        only=(Only(openstack("instance_id"), frozenset({""})),),
    ),
    Row(
        "libvirt_domain_info_state",
        GAUGE,
        "State of the domain by libvirt's number, with its meaning.",
        "libvirt_domain_state",
        (*_DOMAIN, ("state_desc", Cases(STATE_CODE, _STATES, Constant("")))),
    ),
    *domain_rows(_DOMAIN),
    *(
        Row(f"libvirt_domain_vcpu_{name}", GAUGE, text, source, _DOMAIN, only=(ACTIVE,))
        for name, source, text in (
            ("current", "libvirt_domain_vcpu_count", "Virtual CPUs that are online."),
            ("maximum", "libvirt_domain_vcpu_maximum", "Virtual CPUs at most."),
        )
    ),
)

_DISK_ROWS = (
    Row(
        "libvirt_domain_block_stats_info",
        GAUGE,
        "How the disk is attached and where its data is, always 1.",
        "libvirt_domain_disk_info",
        (
            *_DOMAIN,
            ("disk_type", Own("type")),
            ("target_bus", Own("bus")),
            ("driver_name", Constant("")),
            ("driver_type", Own("format")),
            ("driver_cache", Own("cache")),
            ("driver_discard", Own("discard")),
            ("source_file", DISK_FILE),
            ("source_protocol", DISK_PROTOCOL),
            ("target_device", Own("disk")),
            ("serial", Own("serial")),
        ),
        only=(ACTIVE, IS_DISK),
    ),
    *disk_rows(_DISK, (ACTIVE, IS_DISK)),
    Row(
        "libvirt_domain_block_stats_capacity_bytes",
        GAUGE,
        "Size of the disk as the guest sees it.",
        "libvirt_domain_disk_capacity_bytes",
        _DISK,
        only=(ACTIVE,),
    ),
)

_INTERFACE_INFO = Row(
    "libvirt_domain_interface_stats_info",
    GAUGE,
    "How the network interface is attached, always 1.",
    "libvirt_domain_interface_info",
    (
        *_DOMAIN,
        ("interface_type", Own("type")),
        ("source_bridge", BRIDGE),
        ("target_device", Own("interface")),
        ("mac_address", Own("mac")),
        ("model_type", Own("model")),
        ("mtu_size", Constant("")),
    ),
    only=(ACTIVE, HAS_DEVICE),
)

_JOB_ROWS = tuple(
    Row(
        f"libvirt_domain_job_info_{name}",
        GAUGE,
        text,
        "libvirt_domain_state",
        _DOMAIN,
        value=Written(value, scale),
        only=(ACTIVE, JOBS_ARE_KNOWN),
    )
    for name, value, scale, text in (
        (
            "type",
            # libvirt calls every running job of QEMU unbounded.
            Cases(job("active"), {"1": Constant("2")}, Constant("0")),
            UNIT,
            "Kind of the job that runs in the domain by libvirt's number, 0 without one.",
        ),
        (
            "time_elapsed_seconds",
            job("elapsed_seconds"),
            TO_MILLISECONDS,
            "Time since the job began, in milliseconds in spite of the name.",
        ),
        (
            "time_remaining_seconds",
            job("remaining_seconds"),
            TO_MILLISECONDS,
            "Time that the job is likely to take yet, in milliseconds in spite of the name.",
        ),
        *(
            (
                f"{kind}_{part}_bytes",
                job(f"{source}_{part}_bytes"),
                UNIT,
                f"{what} that the job {verb}.",
            )
            for kind, source, what in (
                ("data", "data", "Data"),
                ("memory", "memory", "Memory"),
                ("file", "disk", "Disk data"),
            )
            for part, verb in (
                ("total", "has to move"),
                ("processed", "has moved"),
                ("remaining", "has yet to move"),
            )
        ),
    )
)

_MEMORY: tuple[tuple[str, MetricType, str, str], ...] = (
    ("current_balloon_bytes", GAUGE, "current_bytes", "Memory that the balloon leaves the domain."),
    ("maximum_bytes", GAUGE, "max_bytes", "Memory that the domain may have at most."),
    ("swap_in_bytes", GAUGE, "swap_in_bytes_total", "Memory that the guest read back from swap."),
    ("swap_out_bytes", GAUGE, "swap_out_bytes_total", "Memory that the guest wrote to swap."),
    (
        "last_update_timestamp_seconds",
        GAUGE,
        "last_update_timestamp_seconds",
        "Unix time at which the guest last reported its memory statistics.",
    ),
    (
        "disk_caches_bytes",
        GAUGE,
        "disk_caches_bytes",
        "Memory that the guest uses for disk caches.",
    ),
    ("hugetlb_pgalloc_total", GAUGE, "hugetlb_pgalloc_total", "Huge pages that were allocated."),
    ("hugetlb_pgfail_total", GAUGE, "hugetlb_pgfail_total", "Huge pages that were not to be had."),
)

_MEMORY_ROWS = (
    *memory_rows(_DOMAIN, (ACTIVE,)),
    *(
        Row(
            f"libvirt_domain_memory_stats_{name}",
            kind,
            text,
            f"libvirt_domain_memory_{source}",
            _DOMAIN,
            only=(ACTIVE,),
        )
        for name, kind, source, text in _MEMORY
    ),
)

INOVEX = Profile(
    "inovex",
    (
        *_LIBVIRT_ROWS,
        *_INFO_ROWS,
        *vcpu_rows(_VCPU, (ACTIVE,)),
        *_DISK_ROWS,
        _INTERFACE_INFO,
        *interface_rows(_INTERFACE, (ACTIVE,)),
        *_JOB_ROWS,
        *_MEMORY_ROWS,
    ),
    (
        Need(
            "domain.info",
            "libvirt_domain_info, _openstack_info, _block_stats_info and _interface_stats_info",
        ),
        Need("domain.jobs", "libvirt_domain_job_info_*"),
        Need("network.networks", "source_bridge of interfaces on virtual networks"),
        Need("storage.pools", "libvirt_storage_pool_*"),
    ),
)
