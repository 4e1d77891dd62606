"""A real Prometheus scrapes the exporter with three lines of configuration."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.domains import DomainSpec
from tests.support.exporter_process import exporter_process, poll
from tests.support.libvirtd import PrivateLibvirtd


@contextlib.contextmanager
def prometheus(program: str, directory: Path, target: str) -> Iterator[str]:
    """Runs a Prometheus that scrapes `target` each second; gives its own address."""
    config = directory / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"- {{job_name: libvirt, static_configs: [{{targets: ['{target}']}}]}}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = directory / "prometheus.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        yield f"http://{address}"
        lines = log.read_text().splitlines()
    finally:
        process.kill()
        process.wait()
    assert [line for line in lines if "level=warn" in line and "scrape" in line] == []


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The result of an instant query; empty while Prometheus is not ready."""
    try:
        response = httpx.get(f"{address}/api/v1/query", params={"query": expression})
        result = response.json()["data"]["result"]
    except (httpx.HTTPError, json.JSONDecodeError, KeyError):
        return []
    assert isinstance(result, list)
    return result


def test_prometheus_scrapes_every_domain(
    require: Callable[[str], str],
    libvirtd: PrivateLibvirtd,
    fleet: tuple[DomainSpec, ...],
    tmp_path: Path,
) -> None:
    program = require("prometheus")
    with exporter_process(f"--libvirt.uri={libvirtd.uri()}") as exporter:
        target = httpx.URL(exporter.url).netloc.decode()
        with prometheus(program, tmp_path, target) as address:
            poll(
                lambda: [one["value"][1] for one in query(address, "up")] == ["1"],
                "up is 1",
                timeout=60,
            )
            poll(
                lambda: bool(query(address, "libvirt_exporter_scrapes_total > 1")),
                "a second scrape",
            )
            states = query(address, "libvirt_domain_state")
            refused = query(
                address, "scrape_samples_scraped - scrape_samples_post_metric_relabeling"
            )
    by_name = {one["metric"]["domain"]: one["value"][1] for one in states}
    codes = {"paused": "3", "shut off": "5"}
    assert {spec.name: codes[spec.state] for spec in fleet}.items() <= by_name.items()
    assert [one["value"][1] for one in refused] == ["0"]
