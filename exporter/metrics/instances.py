"""What identifies a series: the labels of a domain, and of each varying part of a field."""

from exporter.metrics.rows import Instance

DOMAIN_LABELS = ("domain", "uuid", "hypervisor")
"""Of a row whose field has no varying part."""

INSTANCE_LABELS = ("domain", "uuid")
"""Of a row whose field has varying parts; the labels of the parts follow, in the field's order."""

INSTANCES: tuple[Instance, ...] = (
    Instance("disk", (("disk", "block.<disk>.name"),)),
    Instance("interface", (("interface", "net.<interface>.name"),)),
    Instance("vcpu", (("vcpu", None),)),
    # Numbered by the iothread's own id, which is what its name in the domain XML is.
    Instance("iothread", (("iothread", None),)),
    Instance("interval", (("interval", "block.<disk>.timed_group.<interval>.interval"),)),
    Instance(
        "cache_monitor",
        (
            ("monitor", "cpu.cache.monitor.<cache_monitor>.name"),
            ("vcpus", "cpu.cache.monitor.<cache_monitor>.vcpus"),
        ),
    ),
    Instance("bank", (("bank", "cpu.cache.monitor.<cache_monitor>.bank.<bank>.id"),)),
    Instance(
        "bandwidth_monitor",
        (
            ("monitor", "memory.bandwidth.monitor.<bandwidth_monitor>.name"),
            ("vcpus", "memory.bandwidth.monitor.<bandwidth_monitor>.vcpus"),
        ),
    ),
    Instance("node", (("node", "memory.bandwidth.monitor.<bandwidth_monitor>.node.<node>.id"),)),
    Instance("stat", (("stat", None),)),
    Instance("kind", (("kind", None),)),
)
