"""libvirt's limits in Prometheus' units; what is no limit is no sample."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from exporter.exposition import Sample
from exporter.limits import device_limit_samples, limit_samples
from exporter.metrics import limits as m
from exporter.metrics.limits import Limit
from exporter.metrics.rows import INFO
from libvirt_rpc.protocol.typed_params import TypedValue

OWN = (("domain", "web"),)


def shown(limits: tuple[Limit, ...], **parameters: TypedValue) -> dict[str, float]:
    """By the metric's name behind `libvirt_domain_`, and the values of its own labels."""
    return _by_name(limit_samples(limits, parameters, OWN))


def _by_name(samples: Iterable[Sample]) -> dict[str, float]:
    found: dict[str, float] = {}
    for sample in samples:
        assert sample.labels[: len(OWN)] == OWN
        assert isinstance(sample.value, int | float)
        name = sample.family.name.removeprefix("libvirt_domain_")
        own = (value for _, value in sample.labels[len(OWN) :])
        found[" ".join((name, *own))] = sample.value
    return found


def test_a_disk_has_its_speeds_bursts_and_lengths() -> None:
    assert shown(
        m.DISK_LIMITS,
        read_bytes_sec=1_000,
        read_bytes_sec_max=2_000,
        read_bytes_sec_max_length=10,
        total_iops_sec=7,
        write_iops_sec=0,
        size_iops_sec=4096,
        group_name="shared",
    ) == {
        "disk_throttle_read_bytes_per_second": 1_000,
        "disk_throttle_read_bytes_burst_per_second": 2_000,
        "disk_throttle_read_bytes_burst_length_seconds": 10,
        "disk_throttle_total_iops_per_second": 7,
        "disk_throttle_iops_size_bytes": 4096,
    }


def test_processor_time_is_in_seconds_and_a_negative_quota_is_none() -> None:
    assert shown(
        m.CPU_LIMITS,
        cpu_shares=512,
        vcpu_period=100_000,
        vcpu_quota=50_000,
        emulator_quota=-1,
        global_quota=2**63,
        iothread_period=0,
    ) == {
        "cpu_shares": 512,
        "cpu_period_seconds vcpu": 0.1,
        "cpu_quota_seconds vcpu": 0.05,
        "cpu_quota_seconds global": 2**63 / 10**6,
    }


@pytest.mark.parametrize(
    ("kib", "expected"),
    [
        (1024, {"memory_hard_limit_bytes": 1024 * 1024}),
        (0, {}),
        (9_007_199_254_740_990, {"memory_hard_limit_bytes": 9_007_199_254_740_990 * 1024}),
        (9_007_199_254_740_991, {}),
        (2**64 - 1, {}),
    ],
)
def test_unlimited_memory_is_absent(kib: int, expected: dict[str, float]) -> None:
    assert shown(m.MEMORY_LIMITS, hard_limit=kib) == expected


def test_a_bandwidth_is_in_bytes_by_its_direction() -> None:
    parameters: dict[str, TypedValue] = {
        "inbound.average": 1000,
        "inbound.burst": 64,
        "outbound.peak": 600,
        "outbound.floor": 0,
    }
    assert _by_name(limit_samples(m.INTERFACE_LIMITS, parameters, OWN)) == {
        "interface_bandwidth_average_bytes_per_second inbound": 1000 * 1024,
        "interface_bandwidth_burst_bytes inbound": 64 * 1024,
        "interface_bandwidth_peak_bytes_per_second outbound": 600 * 1024,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("/dev/sda,300", {"blkio_device_weight /dev/sda": 300}),
        (
            "/dev/sda,300,/dev/sdb,0,/dev/sdc,7",
            {"blkio_device_weight /dev/sda": 300, "blkio_device_weight /dev/sdc": 7},
        ),
        ("/dev/sda,300,/dev/sda,400", {"blkio_device_weight /dev/sda": 400}),
        ("/dev/sda", {}),
        ("/dev/sda,many,,5", {}),
    ],
)
def test_a_device_has_its_own_limit(text: str, expected: dict[str, float]) -> None:
    samples = device_limit_samples(m.DEVICE_LIMITS, {"device_weight": text}, OWN)
    assert _by_name(samples) == expected


def test_every_row_has_its_own_series_and_a_family_of_the_table() -> None:
    rows = (
        *m.DISK_LIMITS,
        *m.CPU_LIMITS,
        *m.MEMORY_LIMITS,
        *m.BLKIO_LIMITS,
        *m.DEVICE_LIMITS,
        *m.INTERFACE_LIMITS,
    )
    assert len({(row.family.name, row.labels) for row in rows}) == len(rows)
    assert {row.family for row in rows} | {m.DISK_THROTTLE_GROUP} == set(m.FAMILIES)
    for family in m.FAMILIES:
        assert family.name.endswith("_info") == (family.type == INFO)
