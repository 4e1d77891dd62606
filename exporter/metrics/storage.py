"""Metrics of storage pools and volumes. Data only. All are as of the pool's last refresh by libvirt."""

from exporter.metrics.rows import GAUGE, INFO, Family

POOL_LABELS = ("pool", "uuid")

POOL_STATE = Family(
    "libvirt_storage_pool_state",
    GAUGE,
    "State of the pool: 0 inactive, 1 building, 2 running, 3 degraded, 4 inaccessible.",
    POOL_LABELS,
)

POOL_CAPACITY = Family(
    "libvirt_storage_pool_capacity_bytes", GAUGE, "Size of an active pool.", POOL_LABELS
)

POOL_ALLOCATION = Family(
    "libvirt_storage_pool_allocation_bytes",
    GAUGE,
    "What is in use of an active pool.",
    POOL_LABELS,
)

POOL_AVAILABLE = Family(
    "libvirt_storage_pool_available_bytes", GAUGE, "What is free of an active pool.", POOL_LABELS
)

POOL_INFO = Family(
    "libvirt_storage_pool_info",
    INFO,
    "Type and place of the pool, always 1.",
    (*POOL_LABELS, "type", "path"),
)

POOL_AUTOSTART = Family(
    "libvirt_storage_pool_autostart",
    GAUGE,
    "Whether the pool starts with the host: 1 it does, 0 not.",
    POOL_LABELS,
)

POOL_PERSISTENT = Family(
    "libvirt_storage_pool_persistent",
    GAUGE,
    "Whether the pool stays defined when it stops: 1 it does, 0 not.",
    POOL_LABELS,
)

POOL_VOLUMES = Family(
    "libvirt_storage_pool_volumes", GAUGE, "Volumes of an active pool.", POOL_LABELS
)

VOLUME_LABELS = ("pool", "volume", "type")

VOLUME_CAPACITY = Family(
    "libvirt_storage_volume_capacity_bytes",
    GAUGE,
    "Size of the volume as a guest sees it.",
    VOLUME_LABELS,
)

VOLUME_ALLOCATION = Family(
    "libvirt_storage_volume_allocation_bytes",
    GAUGE,
    "What the volume uses of its pool.",
    VOLUME_LABELS,
)

VOLUMES_NOT_SHOWN = Family(
    "libvirt_exporter_volumes_not_shown",
    GAUGE,
    "Volumes beyond the most that are shown.",
)

POOL_FAMILIES: tuple[Family, ...] = (
    POOL_STATE,
    POOL_CAPACITY,
    POOL_ALLOCATION,
    POOL_AVAILABLE,
    POOL_INFO,
    POOL_AUTOSTART,
    POOL_PERSISTENT,
    POOL_VOLUMES,
)

VOLUME_FAMILIES: tuple[Family, ...] = (VOLUME_CAPACITY, VOLUME_ALLOCATION, VOLUMES_NOT_SHOWN)
