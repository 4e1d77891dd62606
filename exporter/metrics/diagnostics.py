"""Metrics of where a domain's processors run and of what is wrong with it. Data only."""

from exporter.metrics.instances import INSTANCE_LABELS
from exporter.metrics.rows import GAUGE, INFO, Family

VCPU_PHYSICAL_CPU = Family(
    "libvirt_domain_vcpu_physical_cpu",
    GAUGE,
    "Number of the host's processor on which the vCPU ran when it was last asked for.",
    (*INSTANCE_LABELS, "vcpu"),
)

VCPU_AFFINITY = Family(
    "libvirt_domain_vcpu_affinity_info",
    INFO,
    "The host's processors on which the vCPU may run, such as 0-3,8, always 1.",
    (*INSTANCE_LABELS, "vcpu", "cpus"),
)

PLACEMENT_FAMILIES = (VCPU_PHYSICAL_CPU, VCPU_AFFINITY)

DISK_ERROR = Family(
    "libvirt_domain_disk_error",
    GAUGE,
    "The disk has an error at present (no_space, unspec), always 1; absent without one.",
    (*INSTANCE_LABELS, "disk", "error"),
)

DISK_ERROR_FAMILIES = (DISK_ERROR,)

MESSAGES = Family(
    "libvirt_domain_messages",
    GAUGE,
    "What libvirt has against the running domain, by kind: tainting, deprecation, ioerrors.",
    (*INSTANCE_LABELS, "kind"),
)

MESSAGE_INFO = Family(
    "libvirt_domain_message_info",
    INFO,
    "One of the things that libvirt has against the running domain, always 1.",
    (*INSTANCE_LABELS, "kind", "message"),
)

UPDATED = Family(
    "libvirt_domain_updated",
    GAUGE,
    "Whether the domain was changed since it started, so that its next start is another: "
    "1 it was, 0 not.",
    INSTANCE_LABELS,
)

MESSAGE_FAMILIES = (MESSAGES, MESSAGE_INFO, UPDATED)

FAMILIES: tuple[Family, ...] = (*PLACEMENT_FAMILIES, *DISK_ERROR_FAMILIES, *MESSAGE_FAMILIES)
