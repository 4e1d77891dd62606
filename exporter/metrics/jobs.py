"""Metrics of the domains' jobs: migration, save, dump, backup, and the block jobs of their disks. Data only.

`JOB_FIGURES` is a row for each parameter of virDomainGetJobStats that becomes a metric.
"""

from __future__ import annotations

import functools
from dataclasses import KW_ONLY, dataclass

from exporter.metrics.instances import INSTANCE_LABELS
from exporter.metrics.rows import GAUGE, MILLISECONDS, UNIT, Family, Scale

_JOB_LABELS = (*INSTANCE_LABELS, "operation")
_BLOCK_LABELS = (*INSTANCE_LABELS, "disk", "type")


@dataclass(frozen=True, slots=True)
class JobFigure:
    """A parameter of a job: `name` is the metric's behind `libvirt_domain_job_`.

    With `per`, the value is multiplied by that of another parameter, such as pages by the page size.
    """

    parameter: str
    name: str
    meaning: str
    _: KW_ONLY
    scale: Scale = UNIT
    per: str | None = None

    @property
    def running(self) -> Family:
        """Of the job that runs."""
        return _family(f"libvirt_domain_job_{self.name}", f"{self.meaning}.")

    @property
    def last(self) -> Family:
        """Of the last job that ended."""
        text = f"{self.meaning}, of the last job that ended."
        return _family(f"libvirt_domain_last_job_{self.name}", text)


@functools.cache
def _family(name: str, text: str) -> Family:
    return Family(name, GAUGE, text, _JOB_LABELS)


JOB_FIGURES: tuple[JobFigure, ...] = (
    JobFigure("time_elapsed", "elapsed_seconds", "Time since the job began", scale=MILLISECONDS),
    JobFigure(
        "time_elapsed_net",
        "elapsed_net_seconds",
        "Time of the job without the time that hosts' clocks differ by",
        scale=MILLISECONDS,
    ),
    JobFigure(
        "time_remaining",
        "remaining_seconds",
        "Time that the job is likely to take yet",
        scale=MILLISECONDS,
    ),
    JobFigure(
        "downtime",
        "downtime_seconds",
        "Time that the guest stands still for the migration, as expected or measured",
        scale=MILLISECONDS,
    ),
    JobFigure(
        "downtime_net",
        "downtime_net_seconds",
        "Time that the guest stands still without the time that hosts' clocks differ by",
        scale=MILLISECONDS,
    ),
    JobFigure(
        "setup_time", "setup_seconds", "Time that setting up the migration took", scale=MILLISECONDS
    ),
    JobFigure("data_total", "data_total_bytes", "Data that the job has to move"),
    JobFigure("data_processed", "data_processed_bytes", "Data that the job has moved"),
    JobFigure("data_remaining", "data_remaining_bytes", "Data that the job has yet to move"),
    JobFigure("memory_total", "memory_total_bytes", "Memory that the job has to move"),
    JobFigure("memory_processed", "memory_processed_bytes", "Memory that the job has moved"),
    JobFigure("memory_remaining", "memory_remaining_bytes", "Memory that the job has yet to move"),
    JobFigure("memory_constant", "memory_constant_pages", "Pages that held one byte throughout"),
    JobFigure("memory_normal", "memory_normal_pages", "Pages that were moved as they are"),
    JobFigure("memory_normal_bytes", "memory_normal_bytes", "Memory that was moved as it is"),
    JobFigure("memory_bps", "memory_bytes_per_second", "Speed at which memory moves"),
    JobFigure(
        "memory_dirty_rate",
        "dirty_rate_bytes_per_second",
        "Speed at which the guest writes to memory that was moved already",
        per="memory_page_size",
    ),
    JobFigure("memory_iteration", "memory_iterations", "Passes over the guest's memory"),
    JobFigure(
        "memory_postcopy_requests",
        "postcopy_requests",
        "Pages that the guest waited for in post-copy",
    ),
    JobFigure("disk_total", "disk_total_bytes", "Disk data that the job has to move"),
    JobFigure("disk_processed", "disk_processed_bytes", "Disk data that the job has moved"),
    JobFigure("disk_remaining", "disk_remaining_bytes", "Disk data that the job has yet to move"),
    JobFigure("disk_bps", "disk_bytes_per_second", "Speed at which disk data moves"),
    JobFigure("disk_temp_used", "disk_temporary_used_bytes", "Scratch space that the backup uses"),
    JobFigure(
        "disk_temp_total", "disk_temporary_total_bytes", "Scratch space that the backup may use"
    ),
    JobFigure("compression_cache", "compression_cache_bytes", "Size of the cache for XBZRLE"),
    JobFigure("compression_bytes", "compression_bytes", "Memory that was moved compressed"),
    JobFigure("compression_pages", "compression_pages", "Pages that were moved compressed"),
    JobFigure(
        "compression_cache_misses", "compression_cache_misses", "Changed pages not in the cache"
    ),
    JobFigure("compression_overflow", "compression_overflows", "Pages that did not get smaller"),
    JobFigure(
        "auto_converge_throttle",
        "auto_converge_throttle_ratio",
        "Share of its processors that is taken from the guest so that the migration ends",
        scale=Scale(divisor=100),
    ),
    JobFigure("vfio_data_transferred", "vfio_transferred_bytes", "State of devices that was moved"),
)

JOB_ACTIVE = Family(
    "libvirt_domain_job_active",
    GAUGE,
    "A job is running in the domain, always 1; absent without one.",
    _JOB_LABELS,
)

LAST_JOB_SUCCESS = Family(
    "libvirt_domain_last_job_success",
    GAUGE,
    "Whether the last job that ended succeeded: 1 it did, 0 not.",
    _JOB_LABELS,
)

LAST_JOB_TIMESTAMP = Family(
    "libvirt_domain_last_job_timestamp_seconds",
    GAUGE,
    "Unix time at which the last job ended, where the exporter was there.",
    _JOB_LABELS,
)

BLOCK_JOB_ACTIVE = Family(
    "libvirt_domain_block_job_active",
    GAUGE,
    "A block job is running on the disk, always 1; absent without one.",
    _BLOCK_LABELS,
)

BLOCK_JOB_PROCESSED = Family(
    "libvirt_domain_block_job_processed_bytes",
    GAUGE,
    "How far the block job has come.",
    _BLOCK_LABELS,
)

BLOCK_JOB_TOTAL = Family(
    "libvirt_domain_block_job_total_bytes",
    GAUGE,
    "Where the block job ends; it can move while the guest writes.",
    _BLOCK_LABELS,
)

BLOCK_JOB_BANDWIDTH = Family(
    "libvirt_domain_block_job_bandwidth_limit_bytes_per_second",
    GAUGE,
    "Speed that the block job may not exceed; absent without a limit.",
    _BLOCK_LABELS,
)

FAMILIES: tuple[Family, ...] = (
    JOB_ACTIVE,
    *(figure.running for figure in JOB_FIGURES),
    *(figure.last for figure in JOB_FIGURES),
    LAST_JOB_SUCCESS,
    LAST_JOB_TIMESTAMP,
)

BLOCK_FAMILIES: tuple[Family, ...] = (
    BLOCK_JOB_ACTIVE,
    BLOCK_JOB_PROCESSED,
    BLOCK_JOB_TOTAL,
    BLOCK_JOB_BANDWIDTH,
)
