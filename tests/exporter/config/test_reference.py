from __future__ import annotations

import re
from pathlib import Path

from exporter.config import (
    CONFIG_FILE,
    SETTINGS,
    CollectorsConfig,
    Config,
    DiskCollectors,
    DomainCollectors,
    LibvirtConfig,
    ListenAddress,
    LoggingConfig,
    MetricsConfig,
    WebConfig,
    load,
)
from exporter.config.reference import render_markdown

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_docs_configuration_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render_markdown(), (
        "run: python -m exporter.config.reference > docs/configuration.md"
    )


def test_every_setting_has_one_line_of_five_cells_in_the_table_s_order() -> None:
    lines = [line for line in render_markdown().splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines[2:]]
    assert {len(row) for row in cells} == {5}
    assert [row[2].strip(" `") for row in cells] == [
        setting.environment for setting in (CONFIG_FILE, *SETTINGS)
    ]


def test_the_example_loads_without_a_warning(tmp_path: Path) -> None:
    example = re.search(r"^```yaml\n(.*?)^```$", render_markdown(), re.DOTALL | re.MULTILINE)
    assert example is not None
    file = tmp_path / "config.yaml"
    file.write_text(example[1], encoding="utf-8")
    assert load(file, flags={}, environ={}) == Config(
        LibvirtConfig(uri="qemu:///system", timeout_seconds=8.0),
        WebConfig((ListenAddress("127.0.0.1", 9177), ListenAddress("::1", 9177))),
        CollectorsConfig(
            DomainCollectors(perf=True), DiskCollectors(limits=True), min_interval_seconds=2.5
        ),
        MetricsConfig((("rack", "r12"),)),
        LoggingConfig(level="warning", format="json"),
    )
