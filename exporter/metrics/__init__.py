"""The metric tables: which libvirt field becomes which metric. Data only.

`GROUPS` is every group of rows over the bulk statistics, `FAMILY_GROUPS` every other metric by its switch.
"""

from exporter.metrics import (
    diagnostics,
    disk,
    domain,
    events,
    guest,
    host,
    hypervisor_specific,
    identity,
    jobs,
    limits,
    network,
    networks,
    own,
    storage,
)
from exporter.metrics.instances import DOMAIN_LABELS, INSTANCE_LABELS, INSTANCES
from exporter.metrics.not_metrics import NOT_METRICS
from exporter.metrics.quirks import QUIRKS
from exporter.metrics.rows import Family, FamilyGroup, Group

__all__ = [
    "DOMAIN_LABELS",
    "FAMILIES",
    "FAMILY_GROUPS",
    "GROUPS",
    "INSTANCES",
    "INSTANCE_LABELS",
    "NOT_METRICS",
    "QUIRKS",
]

GROUPS: tuple[Group, ...] = (
    *domain.GROUPS,
    *disk.GROUPS,
    *network.GROUPS,
    *hypervisor_specific.GROUPS,
)

FAMILY_GROUPS: tuple[FamilyGroup, ...] = (
    FamilyGroup("domain.info", identity.FAMILIES),
    FamilyGroup("domain.events", events.FAMILIES),
    FamilyGroup("domain.jobs", jobs.FAMILIES),
    FamilyGroup("domain.block_jobs", jobs.BLOCK_FAMILIES),
    FamilyGroup("domain.limits", limits.FAMILIES, opt_in=True),
    FamilyGroup("domain.vcpu_placement", diagnostics.PLACEMENT_FAMILIES, opt_in=True),
    FamilyGroup("disk.errors", diagnostics.DISK_ERROR_FAMILIES, opt_in=True),
    FamilyGroup("domain.messages", diagnostics.MESSAGE_FAMILIES, opt_in=True),
    FamilyGroup("domain.guest_agent", guest.FAMILIES, opt_in=True),
    FamilyGroup("host.stats", host.FAMILIES),
    FamilyGroup("host.devices", host.DEVICE_FAMILIES),
    FamilyGroup("storage.pools", storage.POOL_FAMILIES),
    FamilyGroup("storage.volumes", storage.VOLUME_FAMILIES, opt_in=True),
    FamilyGroup("network.networks", networks.FAMILIES),
    FamilyGroup("network.dhcp_leases", networks.LEASE_FAMILIES),
    FamilyGroup("", own.FAMILIES),
)

FAMILIES: tuple[Family, ...] = tuple(family for group in FAMILY_GROUPS for family in group.families)
