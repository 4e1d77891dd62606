from __future__ import annotations

import json
import re
from pathlib import Path

from exporter.catalogue import entries, label_names, render_json, render_markdown
from exporter.metrics import FAMILIES, FAMILY_GROUPS, GROUPS, NOT_METRICS, QUIRKS

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def table_rows() -> list[list[str]]:
    lines = [line for line in render_markdown().splitlines() if line.startswith("| `")]
    return [line.strip("| ").split(" | ") for line in lines]


def test_docs_metrics_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render_markdown(), (
        "run: libvirt-exporter metrics > docs/metrics.md"
    )


def test_every_metric_is_listed_once() -> None:
    names = [entry.name for entry in entries()]
    expected = {row.metric for group in GROUPS for row in group.rows}
    expected |= {family.name for family in FAMILIES}
    assert sorted(names) == sorted(expected)


def test_every_field_is_listed_with_its_metric() -> None:
    listed = {(entry.name, field) for entry in entries() for field in entry.fields}
    assert ("libvirt_domain_state", "state.state") in listed
    assert ("libvirt_domain_state_info", "state.state") in listed
    timed = "block.<disk>.timed_group.<interval>"
    assert ("libvirt_domain_disk_queue_depth_avg", f"{timed}.rd_queue_depth_avg") in listed
    assert ("libvirt_domain_disk_queue_depth_avg", f"{timed}.wr_queue_depth_avg") in listed
    histogram = "block.<disk>.latency_histogram.read.bin.*"
    assert ("libvirt_domain_disk_read_latency_seconds", histogram) in listed


def test_labels_are_the_domain_s_then_the_parts_then_the_row_s_own() -> None:
    labels = {row.metric: label_names(row) for group in GROUPS for row in group.rows}
    assert labels["libvirt_domain_cpu_time_seconds_total"] == ("domain", "uuid", "hypervisor")
    assert labels["libvirt_domain_vcpu_state"] == ("domain", "uuid", "vcpu")
    assert labels["libvirt_domain_disk_latency_min_seconds"] == (
        "domain",
        "uuid",
        "disk",
        "interval",
        "operation",
    )
    assert labels["libvirt_domain_cpu_cache_monitor_bytes"] == (
        "domain",
        "uuid",
        "monitor",
        "vcpus",
        "bank",
    )


def test_json_holds_what_the_entries_hold() -> None:
    document = json.loads(render_json())
    assert [item["name"] for item in document] == [entry.name for entry in entries()]
    assert document[0] == {
        "name": "libvirt_domain_state",
        "type": "gauge",
        "labels": ["domain", "uuid", "hypervisor"],
        "help": entries()[0].help,
        "fields": ["state.state"],
        "collector": "domain.state",
        "opt_in": False,
    }


def test_markdown_has_a_whole_table_row_for_every_metric() -> None:
    rows = table_rows()
    assert [row[0] for row in rows] == [f"`{entry.name}`" for entry in entries()]
    assert {len(row) for row in rows} == {5}
    assert [row[4] for row in rows] == [entry.help for entry in entries()]


def test_markdown_says_which_collector_has_to_be_asked_for() -> None:
    titles = re.findall(r"^## Collector `(.+)` \((.+)\)$", render_markdown(), re.MULTILINE)
    switched = {(item.collector, item.opt_in) for item in GROUPS}
    switched |= {(item.collector, item.opt_in) for item in FAMILY_GROUPS}
    assert sorted(titles) == sorted(
        (name, "opt-in" if opt_in else "on by default") for name, opt_in in switched if name
    )


def test_markdown_ends_in_one_newline_and_has_no_ragged_lines() -> None:
    document = render_markdown()
    assert document.endswith(" |\n")
    assert "\n\n\n" not in document
    assert not re.search(r"[ \t]$", document, re.MULTILINE)
    # A heading has an empty line on either side.
    assert not re.search(r"[^\n]\n#", document)
    assert not re.search(r"^#.*\n[^\n]", document, re.MULTILINE)


def test_markdown_names_what_is_left_out_and_why() -> None:
    document = render_markdown()
    assert all(quirk.reason in document for quirk in QUIRKS)
    assert all(f"- `{field}`" in document for field in NOT_METRICS)
