from __future__ import annotations

import re

import pytest

from exporter.metrics import GROUPS, NOT_METRICS
from exporter.metrics.instances import INSTANCES
from exporter.metrics.rows import Instance, LatencyHistogram

PATTERNS = [
    row.bins if isinstance(row, LatencyHistogram) else row.field
    for group in GROUPS
    for row in group.rows
]


def test_a_part_has_one_instance() -> None:
    assert len({instance.part for instance in INSTANCES}) == len(INSTANCES)


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.part)
def test_the_field_of_a_label_is_known_to_be_no_metric(instance: Instance) -> None:
    for _, field in instance.labels:
        assert field is None or field in NOT_METRICS


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.part)
def test_the_field_of_a_label_varies_only_in_parts_that_every_row_of_the_part_has(
    instance: Instance,
) -> None:
    rows = [pattern for pattern in PATTERNS if f"<{instance.part}>" in pattern]
    assert rows
    for _, field in instance.labels:
        for part in re.findall(r"<\w+>", field or ""):
            assert all(part in pattern for pattern in rows)


def test_a_disk_goes_by_its_target_and_an_interface_by_its_host_device() -> None:
    labels = {instance.part: instance.labels for instance in INSTANCES}
    assert labels["disk"] == (("disk", "block.<disk>.name"),)
    assert labels["interface"] == (("interface", "net.<interface>.name"),)


@pytest.mark.parametrize("part", ["vcpu", "iothread", "stat", "kind"])
def test_what_libvirt_numbers_or_names_itself_goes_by_that(part: str) -> None:
    (instance,) = (instance for instance in INSTANCES if instance.part == part)
    assert instance.labels == ((part, None),)
