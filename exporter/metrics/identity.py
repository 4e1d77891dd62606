"""Metrics of what a domain is, from its XML and the calls that go with it. Data only.

`LABEL_SETS` are the families that rules over the metadata fill, by the rules' name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from exporter.metrics.instances import DOMAIN_LABELS, INSTANCE_LABELS
from exporter.metrics.metadata_profiles import OPENSTACK, OPENSTACK_ROOT
from exporter.metrics.rows import GAUGE, INFO, Family

DOMAIN_INFO = Family(
    "libvirt_domain_info",
    INFO,
    "What the domain runs as, always 1.",
    (*DOMAIN_LABELS, "os_type", "arch", "machine", "type", "title"),
)

DISK_INFO = Family(
    "libvirt_domain_disk_info",
    INFO,
    "How the disk is attached and where its data is, always 1.",
    (
        *INSTANCE_LABELS,
        "disk",
        "device",
        "bus",
        "type",
        "source",
        "format",
        "cache",
        "discard",
        "io",
        "serial",
    ),
)

INTERFACE_INFO = Family(
    "libvirt_domain_interface_info",
    INFO,
    "How the network interface is attached, always 1; "
    "the interface of a domain that does not run has no name on the host.",
    (*INSTANCE_LABELS, "interface", "type", "source", "mac", "model", "alias"),
)

CPU_INFO = Family(
    "libvirt_domain_cpu_info",
    INFO,
    "The processor that the guest sees, always 1.",
    (*DOMAIN_LABELS, "mode", "model", "sockets", "dies", "cores", "threads"),
)

HOSTDEV_INFO = Family(
    "libvirt_domain_hostdev_info",
    INFO,
    "A device of the host that the domain has to itself, always 1.",
    (*INSTANCE_LABELS, "type", "address", "alias"),
)

# No info family: without its suffix it would have the name of libvirt_domain_watchdog_total's.
WATCHDOG_INFO = Family(
    "libvirt_domain_watchdog_info",
    GAUGE,
    "The guest's watchdog and what happens when it fires, always 1.",
    (*INSTANCE_LABELS, "model", "action"),
)

GRAPHICS_INFO = Family(
    "libvirt_domain_graphics_info",
    INFO,
    "A kind of graphical console that the domain has, always 1.",
    (*INSTANCE_LABELS, "type"),
)

TPM_INFO = Family(
    "libvirt_domain_tpm_info",
    INFO,
    "The trusted platform module that the domain has, always 1.",
    (*INSTANCE_LABELS, "model", "type", "version"),
)

RNG_INFO = Family(
    "libvirt_domain_rng_info",
    INFO,
    "A source of random numbers that the domain has, always 1.",
    (*INSTANCE_LABELS, "model", "source"),
)

LAUNCH_SECURITY_INFO = Family(
    "libvirt_domain_launch_security_info",
    INFO,
    "How the domain's memory is protected from the host, always 1.",
    (*INSTANCE_LABELS, "type"),
)

GUEST_AGENT_CHANNEL = Family(
    "libvirt_domain_guest_agent_channel",
    GAUGE,
    "Whether the domain has a channel for the guest agent: 1 it has, 0 not.",
    DOMAIN_LABELS,
)

MEMORY_HUGEPAGES = Family(
    "libvirt_domain_memory_hugepages",
    GAUGE,
    "Whether the domain's memory is asked to be huge pages: 1 it is, 0 not.",
    DOMAIN_LABELS,
)

IOTHREADS = Family(
    "libvirt_domain_iothreads",
    GAUGE,
    "Threads that the domain has for the input and output of its disks.",
    DOMAIN_LABELS,
)

BALLOON_STATS_PERIOD = Family(
    "libvirt_domain_balloon_stats_period_seconds",
    GAUGE,
    "Time between two collections of the guest's memory statistics, 0 where none are collected.",
    DOMAIN_LABELS,
)

AUTOSTART = Family(
    "libvirt_domain_autostart",
    GAUGE,
    "Whether the domain starts with the host: 1 it does, 0 not.",
    DOMAIN_LABELS,
)

PERSISTENT = Family(
    "libvirt_domain_persistent",
    GAUGE,
    "Whether the domain stays defined when it stops: 1 it does, 0 not.",
    DOMAIN_LABELS,
)

HAS_MANAGED_SAVE = Family(
    "libvirt_domain_has_managed_save",
    GAUGE,
    "Whether the domain has a saved state to start from: 1 it has, 0 not.",
    DOMAIN_LABELS,
)

SNAPSHOTS = Family(
    "libvirt_domain_snapshots",
    GAUGE,
    "Snapshots of the domain.",
    DOMAIN_LABELS,
)

CHECKPOINTS = Family(
    "libvirt_domain_checkpoints",
    GAUGE,
    "Checkpoints of the domain.",
    DOMAIN_LABELS,
)

NEWEST_SNAPSHOT = Family(
    "libvirt_domain_newest_snapshot_timestamp_seconds",
    GAUGE,
    "Unix time at which the newest of the domain's snapshots was made; absent without one.",
    DOMAIN_LABELS,
)

NEWEST_CHECKPOINT = Family(
    "libvirt_domain_newest_checkpoint_timestamp_seconds",
    GAUGE,
    "Unix time at which the newest of the domain's checkpoints was made; absent without one.",
    DOMAIN_LABELS,
)

OPENSTACK_CREATION_TIME = Family(
    "libvirt_domain_openstack_creation_timestamp_seconds",
    GAUGE,
    "Unix time at which OpenStack Nova wrote its metadata of the instance.",
    DOMAIN_LABELS,
)

OPENSTACK_INFO = Family(
    "libvirt_domain_openstack_info",
    INFO,
    "The OpenStack instance that the domain is, always 1.",
    (
        *DOMAIN_LABELS,
        "instance_name",
        "instance_id",
        "flavor",
        "user_name",
        "user_id",
        "project_name",
        "project_id",
    ),
)

OPENSTACK_ROOT_INFO = Family(
    "libvirt_domain_openstack_root_info",
    INFO,
    "The image or volume that the OpenStack instance started from, always 1.",
    (*DOMAIN_LABELS, "type", "root_id"),
)

OVIRT_INFO = Family(
    "libvirt_domain_ovirt_info",
    INFO,
    "What oVirt notes of the virtual machine, always 1.",
    (
        *DOMAIN_LABELS,
        "cluster_version",
        "resume_behavior",
        "data_center_id",
        "storage_domain_id",
    ),
)

CLOUDSTACK_INFO = Family(
    "libvirt_domain_cloudstack_info",
    INFO,
    "The CloudStack instance that the domain is, always 1.",
    (
        *DOMAIN_LABELS,
        "instance_name",
        "service_offering",
        "template_name",
        "owner_domain",
        "account_name",
        "host_tags",
    ),
)

OPENNEBULA_INFO = Family(
    "libvirt_domain_opennebula_info",
    INFO,
    "The OpenNebula virtual machine that the domain is, always 1.",
    (
        *DOMAIN_LABELS,
        "instance_name",
        "user_name",
        "user_id",
        "group_name",
        "group_id",
        "system_datastore",
        "version",
    ),
)

LIBOSINFO_INFO = Family(
    "libvirt_domain_libosinfo_info",
    INFO,
    "The guest's operating system as the domain's maker named it, always 1.",
    (*DOMAIN_LABELS, "os_id"),
)

LABEL_SETS: Mapping[str, Family] = MappingProxyType(
    {
        OPENSTACK: OPENSTACK_INFO,
        OPENSTACK_ROOT: OPENSTACK_ROOT_INFO,
        "ovirt": OVIRT_INFO,
        "cloudstack": CLOUDSTACK_INFO,
        "opennebula": OPENNEBULA_INFO,
        "libosinfo": LIBOSINFO_INFO,
    }
)

FAMILIES: tuple[Family, ...] = (
    DOMAIN_INFO,
    DISK_INFO,
    INTERFACE_INFO,
    CPU_INFO,
    HOSTDEV_INFO,
    WATCHDOG_INFO,
    GRAPHICS_INFO,
    TPM_INFO,
    RNG_INFO,
    LAUNCH_SECURITY_INFO,
    GUEST_AGENT_CHANNEL,
    MEMORY_HUGEPAGES,
    IOTHREADS,
    BALLOON_STATS_PERIOD,
    AUTOSTART,
    PERSISTENT,
    HAS_MANAGED_SAVE,
    SNAPSHOTS,
    CHECKPOINTS,
    NEWEST_SNAPSHOT,
    NEWEST_CHECKPOINT,
    OPENSTACK_CREATION_TIME,
    *LABEL_SETS.values(),
)
