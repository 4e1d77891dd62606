"""Metrics of what libvirt said happened to domains. Data only."""

from exporter.metrics.instances import INSTANCE_LABELS
from exporter.metrics.rows import COUNTER, GAUGE, Family

EVENTS = Family(
    "libvirt_domain_events_total",
    COUNTER,
    "Times that the domain was defined, started, suspended, stopped and so on, since the exporter watches.",
    (*INSTANCE_LABELS, "event", "detail"),
)

LAST_EVENT = Family(
    "libvirt_domain_last_event_timestamp_seconds",
    GAUGE,
    "Unix time of the last such event of the domain.",
    (*INSTANCE_LABELS, "event"),
)

REBOOTS = Family(
    "libvirt_domain_reboots_total",
    COUNTER,
    "Times that the guest rebooted itself or was reset.",
    INSTANCE_LABELS,
)

WATCHDOG = Family(
    "libvirt_domain_watchdog_total",
    COUNTER,
    "Times that the domain's watchdog fired, by what it then did.",
    (*INSTANCE_LABELS, "action"),
)

IO_ERRORS = Family(
    "libvirt_domain_io_errors_total",
    COUNTER,
    "I/O errors of the domain's disks, by libvirt's reason and what was done about them.",
    (*INSTANCE_LABELS, "disk", "reason", "action"),
)

CONTROL_ERRORS = Family(
    "libvirt_domain_control_errors_total",
    COUNTER,
    "Times that libvirt lost control of the domain's monitor.",
    INSTANCE_LABELS,
)

GUEST_AGENT_CONNECTED = Family(
    "libvirt_domain_guest_agent_connected",
    GAUGE,
    "Whether the guest agent's channel is open in the guest: 1 open, 0 not; absent without a channel.",
    INSTANCE_LABELS,
)

MEMORY_FAILURES = Family(
    "libvirt_domain_memory_failures_total",
    COUNTER,
    "Failures of the host's memory that hit the domain, by whose memory it was and what was done about it.",
    (*INSTANCE_LABELS, "recipient", "action"),
)

BLOCK_JOBS = Family(
    "libvirt_domain_block_jobs_total",
    COUNTER,
    "Block jobs that came to an end, or got ready to.",
    (*INSTANCE_LABELS, "type", "status"),
)

JOBS_COMPLETED = Family(
    "libvirt_domain_jobs_completed_total",
    COUNTER,
    "Jobs (migration, save, backup) that ended, by whether they succeeded.",
    (*INSTANCE_LABELS, "operation", "success"),
)

DEVICE_CHANGES = Family(
    "libvirt_domain_device_changes_total",
    COUNTER,
    "Devices plugged and unplugged while the domain ran, and unplugging that the guest refused.",
    (*INSTANCE_LABELS, "change"),
)

BALLOON_CHANGES = Family(
    "libvirt_domain_balloon_changes_total",
    COUNTER,
    "Times that the size of the memory balloon changed.",
    INSTANCE_LABELS,
)

BLOCK_THRESHOLDS = Family(
    "libvirt_domain_disk_write_thresholds_total",
    COUNTER,
    "Times that writing to a disk passed the threshold set for it.",
    (*INSTANCE_LABELS, "disk"),
)

UNKNOWN_EVENTS = Family(
    "libvirt_exporter_unknown_events",
    GAUGE,
    "Events of this connection that the exporter does not know or cannot read.",
)

DROPPED_EVENTS = Family(
    "libvirt_exporter_dropped_events",
    GAUGE,
    "Events of this connection that came faster than the exporter took them.",
)

FAMILIES: tuple[Family, ...] = (
    EVENTS,
    LAST_EVENT,
    REBOOTS,
    WATCHDOG,
    IO_ERRORS,
    CONTROL_ERRORS,
    GUEST_AGENT_CONNECTED,
    MEMORY_FAILURES,
    BLOCK_JOBS,
    JOBS_COMPLETED,
    DEVICE_CHANGES,
    BALLOON_CHANGES,
    BLOCK_THRESHOLDS,
    UNKNOWN_EVENTS,
    DROPPED_EVENTS,
)
