"""The names that operators and dashboards rely on, written out by hand."""

from __future__ import annotations

import pytest

from exporter.catalogue import entries
from exporter.metrics.domain import GROUPS
from exporter.metrics.rows import COUNTER, GAUGE, HISTOGRAM, UNTYPED, MetricType, Stat
from libvirt_rpc.enums import DomainState, VcpuState

DOMAIN = ("domain", "uuid", "hypervisor")
VCPU = ("domain", "uuid", "vcpu")
DISK = ("domain", "uuid", "disk")
INTERFACE = ("domain", "uuid", "interface")
TIMED = (*DISK, "interval", "operation")
CACHE = ("domain", "uuid", "monitor", "vcpus", "bank")
BANDWIDTH = ("domain", "uuid", "monitor", "vcpus", "node")

# The names that the specification fixes.
SPECIFIED: dict[str, tuple[MetricType, tuple[str, ...]]] = {
    "libvirt_domain_state": (GAUGE, DOMAIN),
    "libvirt_domain_state_info": (GAUGE, (*DOMAIN, "state")),
    "libvirt_domain_vcpu_count": (GAUGE, DOMAIN),
    "libvirt_domain_memory_max_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_memory_current_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_cpu_time_seconds_total": (COUNTER, DOMAIN),
    "libvirt_domain_uptime_seconds": (GAUGE, DOMAIN),
    "libvirt_domain_disk_read_bytes_total": (COUNTER, DISK),
    "libvirt_domain_disk_write_bytes_total": (COUNTER, DISK),
    "libvirt_domain_disk_read_requests_total": (COUNTER, DISK),
    "libvirt_domain_disk_write_requests_total": (COUNTER, DISK),
    "libvirt_domain_disk_read_time_seconds_total": (COUNTER, DISK),
    "libvirt_domain_disk_write_time_seconds_total": (COUNTER, DISK),
    "libvirt_domain_network_receive_bytes_total": (COUNTER, INTERFACE),
    "libvirt_domain_network_transmit_bytes_total": (COUNTER, INTERFACE),
    "libvirt_domain_network_receive_packets_total": (COUNTER, INTERFACE),
    "libvirt_domain_network_transmit_packets_total": (COUNTER, INTERFACE),
    "libvirt_domain_network_receive_errors_total": (COUNTER, INTERFACE),
    "libvirt_domain_network_transmit_errors_total": (COUNTER, INTERFACE),
    "libvirt_exporter_build_info": (GAUGE, ("version", "python_version", "build_date")),
    "libvirt_connection_info": (GAUGE, ("uri", "connected")),
    "libvirt_exporter_last_scrape_error": (GAUGE, ()),
    "libvirt_exporter_last_scrape_duration_seconds": (GAUGE, ()),
    "libvirt_exporter_scrapes_total": (COUNTER, ()),
    "libvirt_exporter_connected": (GAUGE, ()),
}

OTHERS: dict[str, tuple[MetricType, tuple[str, ...]]] = {
    "libvirt_domain_state_reason": (GAUGE, DOMAIN),
    "libvirt_domain_state_reason_info": (GAUGE, (*DOMAIN, "state", "reason")),
    "libvirt_domain_start_time_seconds": (GAUGE, DOMAIN),
    "libvirt_domain_stats_timed_out": (GAUGE, ("domain", "uuid")),
    "libvirt_domain_cpu_user_seconds_total": (COUNTER, DOMAIN),
    "libvirt_domain_cpu_system_seconds_total": (COUNTER, DOMAIN),
    "libvirt_domain_cpu_haltpoll_success_seconds_total": (COUNTER, DOMAIN),
    "libvirt_domain_cpu_haltpoll_fail_seconds_total": (COUNTER, DOMAIN),
    "libvirt_domain_cpu_cache_monitor_bytes": (GAUGE, CACHE),
    "libvirt_domain_memory_swap_in_bytes_total": (COUNTER, DOMAIN),
    "libvirt_domain_memory_swap_out_bytes_total": (COUNTER, DOMAIN),
    "libvirt_domain_memory_major_faults_total": (COUNTER, DOMAIN),
    "libvirt_domain_memory_minor_faults_total": (COUNTER, DOMAIN),
    "libvirt_domain_memory_unused_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_memory_available_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_memory_usable_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_memory_rss_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_memory_disk_caches_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_memory_hugetlb_pgalloc_total": (COUNTER, DOMAIN),
    "libvirt_domain_memory_hugetlb_pgfail_total": (COUNTER, DOMAIN),
    "libvirt_domain_memory_last_update_timestamp_seconds": (GAUGE, DOMAIN),
    "libvirt_domain_vcpu_maximum": (GAUGE, DOMAIN),
    "libvirt_domain_vcpu_state": (GAUGE, VCPU),
    "libvirt_domain_vcpu_time_seconds_total": (COUNTER, VCPU),
    "libvirt_domain_vcpu_wait_seconds_total": (COUNTER, VCPU),
    "libvirt_domain_vcpu_delay_seconds_total": (COUNTER, VCPU),
    "libvirt_domain_vcpu_halted": (GAUGE, VCPU),
    "libvirt_domain_vcpu_stat": (UNTYPED, (*VCPU, "stat", "kind")),
    "libvirt_domain_vm_stat": (UNTYPED, ("domain", "uuid", "stat", "kind")),
    "libvirt_domain_disk_flush_requests_total": (COUNTER, DISK),
    "libvirt_domain_disk_flush_time_seconds_total": (COUNTER, DISK),
    "libvirt_domain_disk_allocation_bytes": (GAUGE, DISK),
    "libvirt_domain_disk_capacity_bytes": (GAUGE, DISK),
    "libvirt_domain_disk_physical_bytes": (GAUGE, DISK),
    "libvirt_domain_disk_write_threshold_bytes": (GAUGE, DISK),
    "libvirt_domain_disk_errors_total": (COUNTER, DISK),
    "libvirt_domain_disk_read_latency_seconds": (HISTOGRAM, DISK),
    "libvirt_domain_disk_write_latency_seconds": (HISTOGRAM, DISK),
    "libvirt_domain_disk_zone_append_latency_seconds": (HISTOGRAM, DISK),
    "libvirt_domain_disk_flush_latency_seconds": (HISTOGRAM, DISK),
    "libvirt_domain_disk_latency_min_seconds": (GAUGE, TIMED),
    "libvirt_domain_disk_latency_max_seconds": (GAUGE, TIMED),
    "libvirt_domain_disk_latency_avg_seconds": (GAUGE, TIMED),
    "libvirt_domain_disk_queue_depth_avg": (GAUGE, TIMED),
    "libvirt_domain_network_receive_drops_total": (COUNTER, INTERFACE),
    "libvirt_domain_network_transmit_drops_total": (COUNTER, INTERFACE),
    "libvirt_domain_perf_cmt_bytes": (GAUGE, DOMAIN),
    "libvirt_domain_perf_cpu_cycles_total": (COUNTER, DOMAIN),
    "libvirt_domain_iothread_poll_max_seconds": (GAUGE, ("domain", "uuid", "iothread")),
    "libvirt_domain_iothread_poll_grow": (GAUGE, ("domain", "uuid", "iothread")),
    "libvirt_domain_iothread_poll_shrink": (GAUGE, ("domain", "uuid", "iothread")),
    "libvirt_domain_memory_bandwidth_local_bytes_total": (COUNTER, BANDWIDTH),
    "libvirt_domain_memory_bandwidth_total_bytes_total": (COUNTER, BANDWIDTH),
    "libvirt_domain_dirtyrate_bytes_per_second": (GAUGE, DOMAIN),
    "libvirt_domain_dirtyrate_status": (GAUGE, DOMAIN),
    "libvirt_exporter_collector_duration_seconds": (GAUGE, ("collector",)),
    "libvirt_exporter_collector_success": (GAUGE, ("collector",)),
    "libvirt_exporter_collector_available": (GAUGE, ("collector", "reason")),
    "libvirt_exporter_rpc_duration_seconds": (HISTOGRAM, ("procedure",)),
    "libvirt_exporter_rpc_errors_total": (COUNTER, ("procedure", "code")),
    "libvirt_exporter_reconnects_total": (COUNTER, ()),
    "libvirt_exporter_stuck_calls": (GAUGE, ()),
    "libvirt_exporter_unknown_fields": (GAUGE, ()),
}

# libvirt's field, the metric that it becomes, and how much a 1 becomes.
SCALED = [
    ("cpu.time", "libvirt_domain_cpu_time_seconds_total", 1e-9),
    ("cpu.user", "libvirt_domain_cpu_user_seconds_total", 1e-9),
    ("cpu.system", "libvirt_domain_cpu_system_seconds_total", 1e-9),
    ("balloon.current", "libvirt_domain_memory_current_bytes", 1024),
    ("balloon.maximum", "libvirt_domain_memory_max_bytes", 1024),
    ("balloon.swap_in", "libvirt_domain_memory_swap_in_bytes_total", 1024),
    ("balloon.swap_out", "libvirt_domain_memory_swap_out_bytes_total", 1024),
    ("balloon.major_fault", "libvirt_domain_memory_major_faults_total", 1),
    ("balloon.minor_fault", "libvirt_domain_memory_minor_faults_total", 1),
    ("balloon.unused", "libvirt_domain_memory_unused_bytes", 1024),
    ("balloon.available", "libvirt_domain_memory_available_bytes", 1024),
    ("balloon.usable", "libvirt_domain_memory_usable_bytes", 1024),
    ("balloon.rss", "libvirt_domain_memory_rss_bytes", 1024),
    ("balloon.disk_caches", "libvirt_domain_memory_disk_caches_bytes", 1024),
    ("balloon.hugetlb_pgalloc", "libvirt_domain_memory_hugetlb_pgalloc_total", 1),
    ("balloon.hugetlb_pgfail", "libvirt_domain_memory_hugetlb_pgfail_total", 1),
    ("balloon.last-update", "libvirt_domain_memory_last_update_timestamp_seconds", 1),
    ("vcpu.current", "libvirt_domain_vcpu_count", 1),
    ("vcpu.maximum", "libvirt_domain_vcpu_maximum", 1),
    ("vcpu.<vcpu>.time", "libvirt_domain_vcpu_time_seconds_total", 1e-9),
    ("vcpu.<vcpu>.wait", "libvirt_domain_vcpu_wait_seconds_total", 1e-9),
    ("vcpu.<vcpu>.delay", "libvirt_domain_vcpu_delay_seconds_total", 1e-9),
]


def stat(field: str) -> Stat:
    rows = [row for group in GROUPS for row in group.rows if isinstance(row, Stat)]
    (row,) = (row for row in rows if row.field == field)
    return row


@pytest.mark.parametrize("name", [*SPECIFIED, *OTHERS])
def test_the_catalogue_has_the_metric_with_its_type_and_labels(name: str) -> None:
    (entry,) = (entry for entry in entries() if entry.name == name)
    expected_type, expected_labels = (SPECIFIED | OTHERS)[name]
    assert (entry.type, sorted(entry.labels)) == (expected_type, sorted(expected_labels))


def test_no_specified_metric_needs_to_be_asked_for() -> None:
    assert [entry.name for entry in entries() if entry.opt_in and entry.name in SPECIFIED] == []


@pytest.mark.parametrize(("field", "metric", "factor"), SCALED)
def test_a_field_becomes_its_metric_in_base_units(field: str, metric: str, factor: float) -> None:
    row = stat(field)
    assert row.metric == metric
    assert row.scale.multiplier / row.scale.divisor == factor


def test_a_guest_that_never_reported_its_memory_has_no_time_of_the_last_report() -> None:
    assert stat("balloon.last-update").absent_if_zero


@pytest.mark.parametrize("state", DomainState)
def test_the_help_of_the_state_names_every_code(state: DomainState) -> None:
    assert f"{state:d} {state.label}" in stat("state.state").help


@pytest.mark.parametrize("state", VcpuState)
def test_the_help_of_a_vcpu_s_state_names_every_code(state: VcpuState) -> None:
    assert f"{state:d} {state.label}" in stat("vcpu.<vcpu>.state").help
