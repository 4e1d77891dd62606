from __future__ import annotations

import pytest

from exporter.metrics.not_metrics import NOT_METRICS


@pytest.mark.parametrize(
    "field",
    [
        "block.count",
        "block.<disk>.name",
        "block.<disk>.path",
        "block.<disk>.backingIndex",
        "net.count",
        "net.<interface>.name",
        "iothread.count",
        "dirtyrate.calc_mode",
        "cpu.cache.monitor.count",
        "memory.bandwidth.monitor.count",
    ],
)
def test_counts_names_and_descriptions_are_known(field: str) -> None:
    assert field in NOT_METRICS


def test_an_energy_event_is_not_known_because_its_unit_is_the_kernel_s() -> None:
    events = [field for field in NOT_METRICS if field.startswith("cpu.energy.")]
    assert [field for field in events if field.split(".")[-1].startswith("<")] == []
