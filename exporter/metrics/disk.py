"""Rows of the group block.*: each disk's counters, sizes, latencies and limits. Data only."""

from exporter.metrics.rows import (
    COUNTER,
    GAUGE,
    NANOSECONDS,
    Group,
    LatencyHistogram,
    Stat,
)
from libvirt_rpc.enums import DomainStatsTypes

_OPERATIONS = (("rd", "read"), ("wr", "write"), ("zone_append", "zone_append"), ("flush", "flush"))
"""libvirt's spelling in a timed group and the label's; one row a spelling and metric below."""

_LATENCIES = (
    ("min", "Lowest latency of the disk's requests in the last interval of that many seconds."),
    ("max", "Highest latency of the disk's requests in the last interval of that many seconds."),
    ("avg", "Mean latency of the disk's requests in the last interval of that many seconds."),
)

_TIMED_GROUP_ROWS = (
    *(
        Stat(
            f"block.<disk>.timed_group.<interval>.{spelling}_latency_{kind}",
            f"libvirt_domain_disk_latency_{kind}_seconds",
            GAUGE,
            text,
            scale=NANOSECONDS,
            labels=(("operation", operation),),
        )
        for kind, text in _LATENCIES
        for spelling, operation in _OPERATIONS
    ),
    *(
        Stat(
            f"block.<disk>.timed_group.<interval>.{spelling}_queue_depth_avg",
            "libvirt_domain_disk_queue_depth_avg",
            GAUGE,
            "Mean number of the disk's queued requests in the last interval of that many seconds.",
            labels=(("operation", operation),),
        )
        for spelling, operation in _OPERATIONS
        if operation != "flush"  # libvirt has no queue depth of flushes
    ),
)

GROUPS: tuple[Group, ...] = (
    Group(
        "disk.stats",
        DomainStatsTypes.BLOCK,
        (
            Stat(
                "block.<disk>.rd.bytes",
                "libvirt_domain_disk_read_bytes_total",
                COUNTER,
                "Bytes read from the disk.",
            ),
            Stat(
                "block.<disk>.wr.bytes",
                "libvirt_domain_disk_write_bytes_total",
                COUNTER,
                "Bytes written to the disk.",
            ),
            Stat(
                "block.<disk>.rd.reqs",
                "libvirt_domain_disk_read_requests_total",
                COUNTER,
                "Read requests to the disk.",
            ),
            Stat(
                "block.<disk>.wr.reqs",
                "libvirt_domain_disk_write_requests_total",
                COUNTER,
                "Write requests to the disk.",
            ),
            Stat(
                "block.<disk>.rd.times",
                "libvirt_domain_disk_read_time_seconds_total",
                COUNTER,
                "Time spent reading from the disk.",
                scale=NANOSECONDS,
            ),
            Stat(
                "block.<disk>.wr.times",
                "libvirt_domain_disk_write_time_seconds_total",
                COUNTER,
                "Time spent writing to the disk.",
                scale=NANOSECONDS,
            ),
            Stat(
                "block.<disk>.fl.reqs",
                "libvirt_domain_disk_flush_requests_total",
                COUNTER,
                "Flush requests to the disk.",
            ),
            Stat(
                "block.<disk>.fl.times",
                "libvirt_domain_disk_flush_time_seconds_total",
                COUNTER,
                "Time spent flushing the disk.",
                scale=NANOSECONDS,
            ),
            Stat(
                "block.<disk>.errors",
                "libvirt_domain_disk_errors_total",
                COUNTER,
                "Errors of the disk, which Xen alone reports.",
            ),
            Stat(
                "block.<disk>.allocation",
                "libvirt_domain_disk_allocation_bytes",
                GAUGE,
                "Highest offset written in the image of a running domain, else the space it takes.",
            ),
            Stat(
                "block.<disk>.capacity",
                "libvirt_domain_disk_capacity_bytes",
                GAUGE,
                "Size of the disk as the guest sees it.",
            ),
            Stat(
                "block.<disk>.physical",
                "libvirt_domain_disk_physical_bytes",
                GAUGE,
                "Size of the file or device that holds the disk.",
            ),
            Stat(
                "block.<disk>.threshold",
                "libvirt_domain_disk_write_threshold_bytes",
                GAUGE,
                "Offset in the disk's image at whose writing libvirt sends an event.",
            ),
            LatencyHistogram(
                "block.<disk>.latency_histogram.read",
                "libvirt_domain_disk_read_latency_seconds",
                "Latency of read requests to the disk.",
                "block.<disk>.rd.reqs",
                "block.<disk>.rd.times",
            ),
            LatencyHistogram(
                "block.<disk>.latency_histogram.write",
                "libvirt_domain_disk_write_latency_seconds",
                "Latency of write requests to the disk.",
                "block.<disk>.wr.reqs",
                "block.<disk>.wr.times",
            ),
            # No total counts zone appends alone.
            LatencyHistogram(
                "block.<disk>.latency_histogram.zone_append",
                "libvirt_domain_disk_zone_append_latency_seconds",
                "Latency of zone append requests to the disk.",
                None,
                None,
            ),
            LatencyHistogram(
                "block.<disk>.latency_histogram.flush",
                "libvirt_domain_disk_flush_latency_seconds",
                "Latency of flush requests to the disk.",
                "block.<disk>.fl.reqs",
                "block.<disk>.fl.times",
            ),
            *_TIMED_GROUP_ROWS,
        ),
    ),
    Group(
        "disk.limits",
        DomainStatsTypes.BLOCK,
        (
            Stat(
                "block.<disk>.limits.request_alignment",
                "libvirt_domain_disk_limit_request_alignment_bytes",
                GAUGE,
                "Alignment that the disk's storage needs of every request.",
            ),
            Stat(
                "block.<disk>.limits.discard_max",
                "libvirt_domain_disk_limit_discard_max_bytes",
                GAUGE,
                "Largest discard request that the disk's storage takes.",
            ),
            Stat(
                "block.<disk>.limits.discard_alignment",
                "libvirt_domain_disk_limit_discard_alignment_bytes",
                GAUGE,
                "Alignment at which the disk's storage discards best.",
            ),
            Stat(
                "block.<disk>.limits.write_zeroes_max",
                "libvirt_domain_disk_limit_write_zeroes_max_bytes",
                GAUGE,
                "Largest request to write zeroes that the disk's storage takes.",
            ),
            Stat(
                "block.<disk>.limits.write_zeroes_alignment",
                "libvirt_domain_disk_limit_write_zeroes_alignment_bytes",
                GAUGE,
                "Alignment at which the disk's storage writes zeroes best.",
            ),
            Stat(
                "block.<disk>.limits.transfer_optimal",
                "libvirt_domain_disk_limit_transfer_optimal_bytes",
                GAUGE,
                "Size of a transfer at which the disk's storage is fastest.",
            ),
            Stat(
                "block.<disk>.limits.transfer_max",
                "libvirt_domain_disk_limit_transfer_max_bytes",
                GAUGE,
                "Largest transfer that the disk's storage takes.",
            ),
            Stat(
                "block.<disk>.limits.transfer_hw_max",
                "libvirt_domain_disk_limit_transfer_hw_max_bytes",
                GAUGE,
                "Largest transfer that the hardware below the disk takes.",
            ),
            Stat(
                "block.<disk>.limits.iov_max",
                "libvirt_domain_disk_limit_iov_max",
                GAUGE,
                "Most buffers in one request to the disk's storage.",
            ),
            Stat(
                "block.<disk>.limits.iov_hw_max",
                "libvirt_domain_disk_limit_iov_hw_max",
                GAUGE,
                "Most buffers in one request to the hardware below the disk.",
            ),
            Stat(
                "block.<disk>.limits.memory_alignment_minimal",
                "libvirt_domain_disk_limit_memory_alignment_minimal_bytes",
                GAUGE,
                "Alignment that the disk's storage needs of buffers in memory.",
            ),
            Stat(
                "block.<disk>.limits.memory_alignment_optimal",
                "libvirt_domain_disk_limit_memory_alignment_optimal_bytes",
                GAUGE,
                "Alignment of buffers in memory at which the disk's storage is fastest.",
            ),
        ),
        opt_in=True,
    ),
)
