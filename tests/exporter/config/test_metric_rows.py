"""Metrics of one's own: what a row may say, and what becomes of it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import yaml

from exporter import metrics
from exporter.config import ConfigError, MetricRowConfig
from exporter.mapping import Mapping
from exporter.metrics.rows import COUNTER, Scale
from exporter.stats_page import StatsPage, render_plain
from libvirt_rpc.enums import DomainStatsTypes
from libvirt_rpc.protocol.types import Domain
from tests.exporter.config.loading import load_text
from tests.support.records import stats_of

ROW: dict[str, object] = {"field": "block.<disk>.rd.bytes", "name": "own_bytes", "help": "A help."}


def load_rows(
    tmp_path: Path, *rows: dict[str, object], **more: object
) -> tuple[MetricRowConfig, ...]:
    text = yaml.safe_dump({"metrics": {"rows": list(rows), **more}})
    return load_text(tmp_path, text).metrics.rows


@pytest.mark.parametrize(
    ("changed", "key", "told"),
    [
        ({"field": "blok.<disk>.x"}, "field", "a field begins with one of balloon, block, cpu, "),
        ({"field": "block"}, "field", "expected the name of a statistics field, such as "),
        ({"field": "block.<disk>."}, "field", "expected the name of a statistics field, such as "),
        (
            {"field": "block.<disc>.x"},
            "field",
            "'block.<disc>' is no varying part; there are block",
        ),
        (
            {"field": "block.<vcpu>.x"},
            "field",
            "'block.<vcpu>' is no varying part; there are block",
        ),
        ({"field": "balloon.<stat>"}, "field", "'balloon.<stat>' is no varying part; these fields"),
        ({"name": "own-bytes"}, "name", "expected the name of a metric, such as "),
        ({"name": "libvirt_exporter_x"}, "name", "libvirt_exporter_x begins as a metric about the"),
        ({"help": "no sentence"}, "help", "expected a sentence that ends in a full stop"),
        ({"type": "summary"}, "type", "expected one of counter, gauge, got 'summary'"),
        ({"unit": "s"}, "unit", "expected one of none, ns, us, ms, kib, mib, got 's'"),
        ({"divisor": 60}, "divisor", "expected a power of ten from 1 to 1000000000, got 60"),
        ({"multiplier": 0}, "multiplier", "expected a whole number from 1 to "),
        ({"labels": {"disk": "x"}}, "labels", "the label disk is the exporter's own; choose"),
        ({"type": "counter"}, "name", "the name of a counter ends in _total, got own_bytes"),
        ({"name": "own_total"}, "name", "no name but a counter's ends in _total, got own_total"),
        ({"name": "own_info"}, "name", "own_info ends as a metric of another type does"),
        ({"name": "libvirt_domain_state"}, "name", "libvirt_domain_state would get into the way"),
        ({"labels": {"rack": "x"}}, "labels", "the label rack is a constant label of every sample"),
    ],
)
def test_a_row_is_refused_with_its_place(
    changed: dict[str, object], key: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_rows(tmp_path, ROW, {**ROW, **changed}, extra_labels={"rack": "r12"})
    (problem,) = caught.value.problems
    assert problem.key == f"metrics.rows[1].{key}"
    assert problem.message.startswith(told)


def test_rows_of_one_name_have_one_type_and_help(tmp_path: Path) -> None:
    other = {**ROW, "field": "block.<disk>.wr.bytes", "help": "Another help."}
    with pytest.raises(ConfigError, match=r"rows\[1\].name: another row gives own_bytes another"):
        load_rows(tmp_path, ROW, other)


def test_a_row_of_a_module_is_checked_too(tmp_path: Path) -> None:
    text = yaml.safe_dump({"modules": {"own": {"rows": [{**ROW, "type": "counter"}]}}})
    with pytest.raises(ConfigError, match=r"^modules.own.rows\[0\].name: the name of a counter"):
        load_text(tmp_path, text)


def test_a_row_becomes_series_beside_those_of_the_tables(tmp_path: Path) -> None:
    rows = load_rows(
        tmp_path,
        {
            "field": "block.<disk>.rd.times",
            "name": "own_seconds_total",
            "help": "A help.",
            "type": "counter",
            "unit": "ns",
            "labels": {"way": "in"},
        },
        {"field": "block.0.rd.times", "name": "own_first", "help": "A help.", "multiplier": 3},
        {"field": "perf.new_event", "name": "own_perf", "help": "A help."},
    )
    assert rows[0].stat.scale == Scale(divisor=10**9)
    assert rows[0].stat.type is COUNTER
    mapping = Mapping(
        metrics.GROUPS,
        metrics.INSTANCES,
        metrics.NOT_METRICS,
        metrics.QUIRKS,
        collectors=frozenset({"disk.stats"}),
        own_groups=[row.group for row in rows],
    )
    assert mapping.stats == DomainStatsTypes.STATE | DomainStatsTypes.BLOCK | DomainStatsTypes.PERF
    record = stats_of(
        {"block.0.name": "vda", "block.0.rd.times": 1_500_000_000, "perf.new_event": 7},
        Domain("web", uuid.UUID(int=1), 1),
    )
    assert mapping.unknown_fields(record.layout) == ()
    lines = StatsPage(mapping).render([record], "QEMU")
    assert lines == render_plain(mapping, [record], "QEMU")
    text = b"".join(line for _, line in lines).decode()
    key = 'domain="web",uuid="00000000-0000-0000-0000-000000000001"'
    assert f'libvirt_domain_disk_read_time_seconds_total{{{key},disk="vda"}} 1.500000000\n' in text
    assert f'own_seconds_total{{{key},disk="vda",way="in"}} 1.500000000\n' in text
    assert f'own_first{{{key},hypervisor="QEMU"}} 4500000000\n' in text
    assert f'own_perf{{{key},hypervisor="QEMU"}} 7\n' in text
