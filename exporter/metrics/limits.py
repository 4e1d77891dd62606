"""Metrics of what domains are limited to: their disks, processors, memory, interfaces. Data only.

A row for each parameter of libvirt; a limit that is not set is absent.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from exporter.metrics.instances import INSTANCE_LABELS
from exporter.metrics.rows import GAUGE, INFO, KIBIBYTES, UNIT, Family, Scale

MICROSECONDS = Scale(divisor=10**6)

UNLIMITED_KIB = 9_007_199_254_740_991
"""VIR_DOMAIN_MEMORY_PARAM_UNLIMITED; what is more is no limit either."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A parameter that becomes a series of `family`, with the constant `labels` of this row.

    Zero, less, and `unlimited` or more mean that there is no limit.
    """

    parameter: str
    family: Family
    _: KW_ONLY
    scale: Scale = UNIT
    labels: tuple[tuple[str, str], ...] = ()
    unlimited: int | None = None


_DISK = (*INSTANCE_LABELS, "disk")
_OF_WHAT = {"read": "reads of", "write": "writes to", "total": "reads of and writes to"}
_UNITS = {"bytes": "Bytes", "iops": "Requests"}


def _throttles(operation: str, unit: str) -> tuple[Limit, ...]:
    name = f"libvirt_domain_disk_throttle_{operation}_{unit}"
    what = f"{_UNITS[unit]} a second that {_OF_WHAT[operation]} the disk"
    parameter = f"{operation}_{unit}_sec"
    return (
        Limit(
            parameter,
            Family(f"{name}_per_second", GAUGE, f"{what} are limited to.", _DISK),
        ),
        Limit(
            f"{parameter}_max",
            Family(f"{name}_burst_per_second", GAUGE, f"{what} may come to in a burst.", _DISK),
        ),
        Limit(
            f"{parameter}_max_length",
            Family(
                f"{name}_burst_length_seconds",
                GAUGE,
                f"How long a burst of {_OF_WHAT[operation]} the disk may last, for the limit in {unit}.",
                _DISK,
            ),
        ),
    )


DISK_LIMITS: tuple[Limit, ...] = (
    *(limit for unit in _UNITS for operation in _OF_WHAT for limit in _throttles(operation, unit)),
    Limit(
        "size_iops_sec",
        Family(
            "libvirt_domain_disk_throttle_iops_size_bytes",
            GAUGE,
            "Size beyond which a request to the disk counts as several.",
            _DISK,
        ),
    ),
)

DISK_THROTTLE_GROUP = Family(
    "libvirt_domain_disk_throttle_info",
    INFO,
    "The group whose disks share the disk's limits, always 1; absent without a limit.",
    (*_DISK, "group"),
)

CPU_SHARES = Family(
    "libvirt_domain_cpu_shares",
    GAUGE,
    "Weight of the domain's processors against other domains' where the host's are scarce.",
    INSTANCE_LABELS,
)

_SCOPE = (*INSTANCE_LABELS, "scope")

CPU_PERIOD = Family(
    "libvirt_domain_cpu_period_seconds",
    GAUGE,
    "Period in which the quota of processor time is counted: of each vCPU, each I/O thread, "
    "the emulator, or the domain as a whole (global).",
    _SCOPE,
)

CPU_QUOTA = Family(
    "libvirt_domain_cpu_quota_seconds",
    GAUGE,
    "Processor time that may be used in each period; absent without a limit.",
    _SCOPE,
)

CPU_LIMITS: tuple[Limit, ...] = (
    Limit("cpu_shares", CPU_SHARES),
    *(
        Limit(f"{scope}_{what}", family, scale=MICROSECONDS, labels=(("scope", scope),))
        for what, family in (("period", CPU_PERIOD), ("quota", CPU_QUOTA))
        for scope in ("vcpu", "emulator", "global", "iothread")
    ),
)

MEMORY_LIMITS: tuple[Limit, ...] = tuple(
    Limit(
        parameter,
        Family(f"libvirt_domain_memory_{parameter}_bytes", GAUGE, text, INSTANCE_LABELS),
        scale=KIBIBYTES,
        unlimited=UNLIMITED_KIB,
    )
    for parameter, text in (
        ("hard_limit", "Memory of the host that the domain's process may not exceed."),
        ("soft_limit", "Memory that the domain's process is held to where the host's is scarce."),
        ("swap_hard_limit", "Memory and swap together that the domain's process may not exceed."),
        ("min_guarantee", "Memory that the domain is sure to have."),
    )
)

BLKIO_WEIGHT = Family(
    "libvirt_domain_blkio_weight",
    GAUGE,
    "Weight of the domain's requests against other domains' at the host's disks.",
    INSTANCE_LABELS,
)

BLKIO_LIMITS: tuple[Limit, ...] = (Limit("weight", BLKIO_WEIGHT),)

_DEVICE = (*INSTANCE_LABELS, "device")

DEVICE_LIMITS: tuple[Limit, ...] = (
    Limit(
        "device_weight",
        Family(
            "libvirt_domain_blkio_device_weight",
            GAUGE,
            "Weight of the domain's requests against other domains' at one of the host's disks.",
            _DEVICE,
        ),
    ),
    *(
        Limit(
            f"device_{operation}_{unit}_sec",
            Family(
                f"libvirt_domain_blkio_device_{operation}_{unit}_per_second",
                GAUGE,
                f"{_UNITS[unit]} a second that the domain's {operation}s at one of the host's disks "
                "are limited to.",
                _DEVICE,
            ),
        )
        for operation in ("read", "write")
        for unit in _UNITS
    ),
)
"""Each parameter is text: pairs of a device's path and its limit."""

_DIRECTION = (*INSTANCE_LABELS, "interface", "direction")

_BANDWIDTHS = (
    (
        "average",
        "average_bytes_per_second",
        "Bytes a second that the interface is held to: inbound is into the guest.",
    ),
    ("peak", "peak_bytes_per_second", "Bytes a second that the interface may come to in a burst."),
    ("burst", "burst_bytes", "Bytes that the interface may move at its peak speed."),
    ("floor", "floor_bytes_per_second", "Bytes a second that the interface is sure to have."),
)
_BANDWIDTH_FAMILIES = {
    what: Family(f"libvirt_domain_interface_bandwidth_{name}", GAUGE, text, _DIRECTION)
    for what, name, text in _BANDWIDTHS
}

INTERFACE_LIMITS: tuple[Limit, ...] = tuple(
    Limit(f"{direction}.{what}", family, scale=KIBIBYTES, labels=(("direction", direction),))
    for what, family in _BANDWIDTH_FAMILIES.items()
    for direction in ("inbound", "outbound")
)

FAMILIES: tuple[Family, ...] = (
    *dict.fromkeys(
        limit.family
        for limits in (
            DISK_LIMITS,
            CPU_LIMITS,
            MEMORY_LIMITS,
            BLKIO_LIMITS,
            DEVICE_LIMITS,
            INTERFACE_LIMITS,
        )
        for limit in limits
    ),
    DISK_THROTTLE_GROUP,
)
