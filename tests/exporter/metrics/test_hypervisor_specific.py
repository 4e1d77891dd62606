from __future__ import annotations

import pytest

from exporter.metrics.hypervisor_specific import GROUPS
from exporter.metrics.rows import COUNTER, GAUGE, MetricType, Stat

STATS = {row.field: row for group in GROUPS for row in group.rows if isinstance(row, Stat)}

COUNTED_EVENTS = [
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
]

NANO, MEBI = 1e-9, 1024.0**2
BANDWIDTH = "memory.bandwidth.monitor.<bandwidth_monitor>.node.<node>.bytes"
FIELDS: dict[str, tuple[str, MetricType, float]] = {
    "perf.cmt": ("perf_cmt_bytes", GAUGE, 1),
    "perf.mbmt": ("perf_mbmt_bytes_per_second", GAUGE, 1),
    "perf.mbml": ("perf_mbml_bytes_per_second", GAUGE, 1),
    "perf.cpu_clock": ("perf_cpu_clock_seconds_total", COUNTER, NANO),
    "perf.task_clock": ("perf_task_clock_seconds_total", COUNTER, NANO),
    "iothread.<iothread>.poll-max-ns": ("iothread_poll_max_seconds", GAUGE, NANO),
    "iothread.<iothread>.poll-grow": ("iothread_poll_grow", GAUGE, 1),
    "iothread.<iothread>.poll-shrink": ("iothread_poll_shrink", GAUGE, 1),
    "iothread.<iothread>.poll-weight": ("iothread_poll_weight", GAUGE, 1),
    f"{BANDWIDTH}.local": ("memory_bandwidth_local_bytes_total", COUNTER, 1),
    f"{BANDWIDTH}.total": ("memory_bandwidth_total_bytes_total", COUNTER, 1),
    "dirtyrate.calc_status": ("dirtyrate_status", GAUGE, 1),
    "dirtyrate.calc_start_time": ("dirtyrate_start_seconds", GAUGE, 1),
    "dirtyrate.calc_period": ("dirtyrate_period_seconds", GAUGE, 1),
    "dirtyrate.megabytes_per_second": ("dirtyrate_bytes_per_second", GAUGE, MEBI),
    "dirtyrate.vcpu.<vcpu>.megabytes_per_second": (
        "dirtyrate_vcpu_bytes_per_second",
        GAUGE,
        MEBI,
    ),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_becomes_its_metric_in_base_units(field: str) -> None:
    row = STATS[field]
    name, metric_type, factor = FIELDS[field]
    assert (row.metric, row.type) == (f"libvirt_domain_{name}", metric_type)
    assert row.scale.multiplier / row.scale.divisor == factor


@pytest.mark.parametrize("event", COUNTED_EVENTS)
def test_a_counted_perf_event_is_a_counter_by_its_own_name(event: str) -> None:
    row = STATS[f"perf.{event}"]
    assert (row.metric, row.type) == (f"libvirt_domain_perf_{event}_total", COUNTER)
    assert row.scale.multiplier == row.scale.divisor == 1


def test_there_are_22_perf_events() -> None:
    assert len([field for field in STATS if field.startswith("perf.")]) == 22


def test_all_of_it_is_opt_in() -> None:
    assert all(group.opt_in for group in GROUPS)


def test_a_dirty_rate_that_was_never_measured_has_no_start_and_no_period() -> None:
    assert STATS["dirtyrate.calc_start_time"].absent_if_zero
    assert STATS["dirtyrate.calc_period"].absent_if_zero
    assert not STATS["dirtyrate.calc_status"].absent_if_zero


@pytest.mark.parametrize("code", ["0 unstarted", "1 measuring", "2 measured"])
def test_the_help_of_the_dirty_rate_s_status_names_every_code(code: str) -> None:
    assert code in STATS["dirtyrate.calc_status"].help
