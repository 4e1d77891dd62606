"""A real Prometheus scrapes the exporter with three lines of configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from tests.support.domains import DomainSpec
from tests.support.exporter_process import exporter_process, poll
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.prometheus import FAST, prometheus


def test_prometheus_scrapes_every_domain(
    require: Callable[[str], str],
    libvirtd: PrivateLibvirtd,
    fleet: tuple[DomainSpec, ...],
    tmp_path: Path,
) -> None:
    program = require("prometheus")
    with exporter_process(f"--libvirt.uri={libvirtd.uri()}") as exporter:
        target = httpx.URL(exporter.url).netloc.decode()
        job = {"job_name": "libvirt", "static_configs": [{"targets": [target]}]}
        config = {"global": dict(FAST), "scrape_configs": [job]}
        with prometheus(program, tmp_path, config) as server:
            poll(
                lambda: [one["value"][1] for one in server.query("up")] == ["1"],
                "up is 1",
                timeout=60,
            )
            poll(
                lambda: bool(server.query("libvirt_exporter_scrapes_total > 1")),
                "a second scrape",
            )
            states = server.query("libvirt_domain_state")
            refused = server.query("scrape_samples_scraped - scrape_samples_post_metric_relabeling")
    by_name = {one["metric"]["domain"]: one["value"][1] for one in states}
    codes = {"paused": "3", "shut off": "5"}
    assert {spec.name: codes[spec.state] for spec in fleet}.items() <= by_name.items()
    assert [one["value"][1] for one in refused] == ["0"]
