"""Writes every dashboard into a directory, deploy/grafana/dashboards unless one is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import domain, exporter, fleet, host

HERE = Path(__file__).parent / "dashboards"


def main(arguments: list[str]) -> None:
    directory = Path(arguments[0]) if arguments else HERE
    for name, build in (
        ("fleet", fleet.build),
        ("host", host.build),
        ("domain", domain.build),
        ("exporter", exporter.build),
    ):
        text = json.dumps(build(), indent=2, ensure_ascii=False)
        (directory / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


main(sys.argv[1:])
