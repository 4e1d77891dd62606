from __future__ import annotations

import re
from pathlib import Path

from exporter.config import (
    CONFIG_FILE,
    SETTINGS,
    CollectorsConfig,
    Config,
    ConnectionConfig,
    DiskCollectors,
    DomainCollectors,
    LibvirtConfig,
    ListenAddress,
    LoggingConfig,
    MetadataConfig,
    MetadataRuleConfig,
    MetricsConfig,
    ModuleConfig,
    TargetConfig,
    WebConfig,
    load,
)
from exporter.config.reference import render_markdown
from exporter.config.sections import fields_of
from exporter.config.settings import ENTRIES

ENDING = ["metadata.rules", "metrics.rows"]
"""Entries that have a chapter of their own behind the others."""

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_docs_configuration_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render_markdown(), (
        "run: python -m exporter.config.reference > docs/configuration.md"
    )


def test_every_setting_has_one_line_of_five_cells_in_the_table_s_order() -> None:
    page = render_markdown().partition("## Many hypervisors")[0]
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines[2:]]
    assert {len(row) for row in cells} == {5}
    assert [row[2].strip(" `") for row in cells] == [
        setting.environment for setting in (CONFIG_FILE, *SETTINGS)
    ]


def test_every_key_of_entries_has_a_line_in_the_table_of_its_section() -> None:
    sections = render_markdown().split("### ")[1:]
    assert [section.partition("`\n")[0].strip("`") for section in sections] == [
        "libvirt.connections[]",
        "modules.NAME",
        "targets.NAME",
        "metadata.rules[]",
        "metrics.rows[]",
    ]
    in_chapters = sorted(ENTRIES, key=lambda key: ENDING.index(key) if key in ENDING else -1)
    for section, entries in zip(sections, map(ENTRIES.__getitem__, in_chapters), strict=True):
        keys = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)
        assert keys == [field.key for field in fields_of(entries.section)]


def load_example(number: int, path: Path) -> Config:
    examples = re.findall(r"^```yaml\n(.*?)^```$", render_markdown(), re.DOTALL | re.MULTILINE)
    file = path / "config.yaml"
    file.write_text(examples[number], encoding="utf-8")
    return load(file, flags={}, environ={})


def test_the_example_of_many_hypervisors_loads_without_a_warning(tmp_path: Path) -> None:
    config = load_example(1, tmp_path)
    assert config.libvirt.connections == (
        ConnectionConfig("local", "qemu:///system"),
        ConnectionConfig(
            "hv9",
            "qemu+tls://hv9.example.org/system",
            "exporter",
            Path("/etc/libvirt-exporter/hv9.password"),
        ),
    )
    assert config.targets == {
        "hv1": TargetConfig("hv1", "qemu+tls://hv1.example.org/system", labels={"rack": "r12"}),
        "hv2": TargetConfig("hv2", "qemu+ssh://monitor@hv2.example.org/system", "brief"),
    }
    brief = CollectorsConfig(disk=DiskCollectors(stats=False))
    assert config.modules == {
        "default": ModuleConfig("default", timeout_seconds=8.0),
        "brief": ModuleConfig(
            "brief", brief, timeout_seconds=3.0, labels={"detail_level": "brief"}
        ),
    }
    (pattern,) = config.probe.allow
    assert pattern.fullmatch("qemu+tls://hv3.example.org/system")
    assert not pattern.fullmatch("qemu+tls://hv3.example.org/system?command=x")
    assert config.warnings == ()


def test_the_example_of_metadata_loads_without_a_warning(tmp_path: Path) -> None:
    namespace = "https://inventory.example.org/vm"
    config = load_example(2, tmp_path)
    assert config.metadata == MetadataConfig(
        ("nova", "libosinfo"),
        rules=(
            MetadataRuleConfig("team", namespace, "vm/owner", "owner"),
            MetadataRuleConfig("team", namespace, "vm/tags/tag/@name", "tags"),
        ),
    )
    assert config.warnings == ()


def test_the_example_of_own_metrics_loads_without_a_warning(tmp_path: Path) -> None:
    config = load_example(3, tmp_path)
    assert [row.name for row in config.metrics.rows] == [
        "own_vcpu_halt_wakeups_total",
        "own_disk_time_seconds_total",
    ]
    assert config.warnings == ()


def test_the_first_example_loads_without_a_warning(tmp_path: Path) -> None:
    assert load_example(0, tmp_path) == Config(
        LibvirtConfig(uri="qemu:///system", timeout_seconds=8.0),
        WebConfig((ListenAddress("127.0.0.1", 9177), ListenAddress("::1", 9177))),
        CollectorsConfig(
            DomainCollectors(perf=True), DiskCollectors(limits=True), min_interval_seconds=2.5
        ),
        MetricsConfig((("rack", "r12"),)),
        LoggingConfig(level="warning", format="json"),
    )
