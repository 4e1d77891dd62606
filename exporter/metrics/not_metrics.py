"""Fields that are known and deliberately no metric, so that they do not count as unknown.

Not listed, and so counted as unknown: `cpu.energy.monitor.<n>.pkg.<n>.<event>` of libvirt 12.4. The
kernel makes up the event names and their units, so a row for them would have to guess the unit.
"""

NOT_METRICS: tuple[str, ...] = (
    # How many records follow: the series themselves can be counted.
    "block.count",
    "block.<disk>.timed_group.count",
    "block.<disk>.latency_histogram.<operation>.bin.count",
    "net.count",
    "iothread.count",
    "cpu.cache.monitor.count",
    "cpu.cache.monitor.<cache_monitor>.bank.count",
    "cpu.energy.monitor.count",
    "cpu.energy.monitor.<energy_monitor>.pkg.count",
    "memory.bandwidth.monitor.count",
    "memory.bandwidth.monitor.<bandwidth_monitor>.node.count",
    # Values of labels.
    "block.<disk>.name",
    "block.<disk>.timed_group.<interval>.interval",
    "net.<interface>.name",
    "cpu.cache.monitor.<cache_monitor>.name",
    "cpu.cache.monitor.<cache_monitor>.vcpus",
    "cpu.cache.monitor.<cache_monitor>.bank.<bank>.id",
    "cpu.energy.monitor.<energy_monitor>.name",
    "cpu.energy.monitor.<energy_monitor>.vcpus",
    "cpu.energy.monitor.<energy_monitor>.pkg.<package>.id",
    "memory.bandwidth.monitor.<bandwidth_monitor>.name",
    "memory.bandwidth.monitor.<bandwidth_monitor>.vcpus",
    "memory.bandwidth.monitor.<bandwidth_monitor>.node.<node>.id",
    # Text that describes and does not identify: the source of a disk, the method of a measurement.
    "block.<disk>.path",
    "dirtyrate.calc_mode",
    # The number of a layer within a disk's chain of images, which moves when the chain changes.
    "block.<disk>.backingIndex",
)
