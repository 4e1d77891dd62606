"""Metrics of what the guest's agent tells of the guest. Data only."""

from __future__ import annotations

from types import MappingProxyType

from exporter.metrics.instances import INSTANCE_LABELS
from exporter.metrics.rows import COUNTER, GAUGE, INFO, Family

GUEST_AGENT_RESPONSIVE = Family(
    "libvirt_domain_guest_agent_responsive",
    GAUGE,
    "Whether the guest agent answered when it was last asked: 1 it did, 0 not; "
    "absent where none is connected.",
    INSTANCE_LABELS,
)

GUEST_AGENT_TIMEOUTS = Family(
    "libvirt_domain_guest_agent_timeouts_total",
    COUNTER,
    "Times that the guest agent did not answer in the time that it is given.",
    INSTANCE_LABELS,
)

OS_LABELS = MappingProxyType(
    {
        "os_id": "os.id",
        "name": "os.name",
        "pretty_name": "os.pretty-name",
        "version": "os.version",
        "version_id": "os.version-id",
        "variant": "os.variant",
        "kernel_release": "os.kernel-release",
        "kernel_version": "os.kernel-version",
        "machine": "os.machine",
    }
)
"""The labels of libvirt_domain_guest_info, each with libvirt's parameter."""

GUEST_INFO = Family(
    "libvirt_domain_guest_info",
    INFO,
    "The operating system that the guest runs, as its agent names it, always 1.",
    (*INSTANCE_LABELS, *OS_LABELS),
)

GUEST_HOSTNAME = Family(
    "libvirt_domain_guest_hostname_info",
    INFO,
    "The guest's own host name, always 1.",
    (*INSTANCE_LABELS, "hostname"),
)

GUEST_TIMEZONE_OFFSET = Family(
    "libvirt_domain_guest_timezone_offset_seconds",
    GAUGE,
    "How far the guest's local time is ahead of UTC.",
    INSTANCE_LABELS,
)

GUEST_USERS = Family(
    "libvirt_domain_guest_users",
    GAUGE,
    "Users that are logged in to the guest.",
    INSTANCE_LABELS,
)

_FILESYSTEM = (*INSTANCE_LABELS, "mountpoint", "fstype", "disks")

GUEST_FILESYSTEM_TOTAL = Family(
    "libvirt_domain_guest_filesystem_total_bytes",
    GAUGE,
    "Size of a filesystem that is mounted in the guest, with the domain's disks that it lies on.",
    _FILESYSTEM,
)

GUEST_FILESYSTEM_USED = Family(
    "libvirt_domain_guest_filesystem_used_bytes",
    GAUGE,
    "What is used of a filesystem that is mounted in the guest.",
    _FILESYSTEM,
)

GUEST_INTERFACE_ADDRESS = Family(
    "libvirt_domain_guest_interface_address_info",
    INFO,
    "An address of a network interface, by the guest's name of it, always 1.",
    (*INSTANCE_LABELS, "interface", "mac", "address", "prefix", "type"),
)

GUEST_VCPUS = Family(
    "libvirt_domain_guest_vcpus",
    GAUGE,
    "Processors that the guest sees.",
    INSTANCE_LABELS,
)

GUEST_VCPUS_ONLINE = Family(
    "libvirt_domain_guest_vcpus_online",
    GAUGE,
    "Processors that the guest has switched on.",
    INSTANCE_LABELS,
)

LOADS = MappingProxyType(
    {
        f"load.{minutes}m": Family(
            f"libvirt_domain_guest_load{minutes}",
            GAUGE,
            f"The guest's load average over {text}.",
            INSTANCE_LABELS,
        )
        for minutes, text in ((1, "a minute"), (5, "5 minutes"), (15, "15 minutes"))
    }
)
"""By libvirt's parameter; since libvirt 11.2."""

FAMILIES: tuple[Family, ...] = (
    GUEST_AGENT_RESPONSIVE,
    GUEST_AGENT_TIMEOUTS,
    GUEST_INFO,
    GUEST_HOSTNAME,
    GUEST_TIMEZONE_OFFSET,
    GUEST_USERS,
    GUEST_FILESYSTEM_TOTAL,
    GUEST_FILESYSTEM_USED,
    GUEST_INTERFACE_ADDRESS,
    GUEST_VCPUS,
    GUEST_VCPUS_ONLINE,
    *LOADS.values(),
)
