"""The metric tables: which libvirt field becomes which metric. Data only.

`GROUPS` is every group of rows over the bulk statistics, `FAMILIES` every other metric.
"""

from exporter.metrics import disk, domain, hypervisor_specific, network, own
from exporter.metrics.instances import DOMAIN_LABELS, INSTANCE_LABELS, INSTANCES
from exporter.metrics.not_metrics import NOT_METRICS
from exporter.metrics.quirks import QUIRKS
from exporter.metrics.rows import Family, Group

__all__ = [
    "DOMAIN_LABELS",
    "FAMILIES",
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

FAMILIES: tuple[Family, ...] = own.FAMILIES
