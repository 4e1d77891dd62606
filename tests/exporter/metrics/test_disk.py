from __future__ import annotations

import pytest

from exporter.metrics.disk import GROUPS
from exporter.metrics.rows import LatencyHistogram, Stat

FIELDS = {
    "rd.bytes": ("libvirt_domain_disk_read_bytes_total", 1),
    "wr.bytes": ("libvirt_domain_disk_write_bytes_total", 1),
    "rd.reqs": ("libvirt_domain_disk_read_requests_total", 1),
    "wr.reqs": ("libvirt_domain_disk_write_requests_total", 1),
    "rd.times": ("libvirt_domain_disk_read_time_seconds_total", 1e-9),
    "wr.times": ("libvirt_domain_disk_write_time_seconds_total", 1e-9),
    "fl.reqs": ("libvirt_domain_disk_flush_requests_total", 1),
    "fl.times": ("libvirt_domain_disk_flush_time_seconds_total", 1e-9),
    "errors": ("libvirt_domain_disk_errors_total", 1),
    "allocation": ("libvirt_domain_disk_allocation_bytes", 1),
    "capacity": ("libvirt_domain_disk_capacity_bytes", 1),
    "physical": ("libvirt_domain_disk_physical_bytes", 1),
    "threshold": ("libvirt_domain_disk_write_threshold_bytes", 1),
    "timed_group.<interval>.rd_latency_min": ("libvirt_domain_disk_latency_min_seconds", 1e-9),
    "timed_group.<interval>.flush_latency_avg": ("libvirt_domain_disk_latency_avg_seconds", 1e-9),
    "timed_group.<interval>.wr_queue_depth_avg": ("libvirt_domain_disk_queue_depth_avg", 1),
    "limits.request_alignment": ("libvirt_domain_disk_limit_request_alignment_bytes", 1),
    "limits.iov_max": ("libvirt_domain_disk_limit_iov_max", 1),
}

ROWS = [row for group in GROUPS for row in group.rows]
STATS = {row.field: row for row in ROWS if isinstance(row, Stat)}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_becomes_its_metric_in_base_units(field: str) -> None:
    row = STATS[f"block.<disk>.{field}"]
    assert (row.metric, row.scale.multiplier / row.scale.divisor) == FIELDS[field]


def test_a_timed_group_tells_operations_apart_by_a_label() -> None:
    operations = {
        (row.metric, dict(row.labels)["operation"])
        for row in STATS.values()
        if "timed_group" in row.field
    }
    four = {"read", "write", "zone_append", "flush"}
    kinds = ("latency_min_seconds", "latency_max_seconds", "latency_avg_seconds")
    expected = {(f"libvirt_domain_disk_{kind}", name) for kind in kinds for name in four}
    expected |= {("libvirt_domain_disk_queue_depth_avg", name) for name in four - {"flush"}}
    assert operations == expected


def test_every_limit_is_there_and_opt_in() -> None:
    (limits,) = (group for group in GROUPS if group.collector == "disk.limits")
    assert limits.opt_in
    assert {row.field.rpartition(".")[2] for row in limits.rows if isinstance(row, Stat)} == {
        "request_alignment",
        "discard_max",
        "discard_alignment",
        "write_zeroes_max",
        "write_zeroes_alignment",
        "transfer_optimal",
        "transfer_max",
        "transfer_hw_max",
        "iov_max",
        "iov_hw_max",
        "memory_alignment_minimal",
        "memory_alignment_optimal",
    }


def test_a_latency_histogram_takes_the_totals_of_its_own_operation() -> None:
    histograms = [row for row in ROWS if isinstance(row, LatencyHistogram)]
    assert [
        (row.bins.rpartition(".")[2], row.metric, row.count_field, row.sum_field)
        for row in histograms
    ] == [
        (
            operation,
            f"libvirt_domain_disk_{operation}_latency_seconds",
            totals and f"block.<disk>.{totals}.reqs",
            totals and f"block.<disk>.{totals}.times",
        )
        for operation, totals in (
            ("read", "rd"),
            ("write", "wr"),
            ("zone_append", None),
            ("flush", "fl"),
        )
    ]
