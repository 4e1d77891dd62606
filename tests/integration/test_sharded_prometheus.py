"""A real Prometheus shares eight hypervisors among two exporters, by the configuration that we ship."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.exporter_process import ExporterProcess, exporter_process, poll
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import read_response
from tests.support.prometheus import FAST, Prometheus, prometheus

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
NAMES = [f"hv-{number}" for number in range(8)]
RACKS = {name: f"r{number % 3}" for number, name in enumerate(NAMES)}
SCRAPES = "libvirt_exporter_scrapes_total"


def address(exporter: ExporterProcess) -> str:
    return httpx.URL(exporter.url).netloc.decode()


def sharded(*exporters: ExporterProcess) -> dict[str, Any]:
    """The shipped file, but that the exporters are where they are; and it scrapes each second."""
    text = (SHIPPED / "sharded.yml").read_text()
    for number, exporter in enumerate(exporters):
        assert f"exporter-{number}:9177" in text
        text = text.replace(f"exporter-{number}:9177", address(exporter))
    config = yaml.safe_load(text)
    assert isinstance(config, dict)
    return {**config, "global": dict(FAST)}


def scrapes_at(exporter: ExporterProcess, name: str) -> float:
    """How often this exporter was asked for the target until now, this time included."""
    return read_response(exporter.get(f"/probe?target={name}")).value(SCRAPES)


def shard_of(server: Prometheus, exporter: ExporterProcess) -> set[str]:
    """The targets that Prometheus scrapes by this exporter."""
    shard = [
        one["labels"]["instance"]
        for one in server.targets()
        if one["labels"]["job"] == "libvirt"
        and httpx.URL(one["scrapeUrl"]).netloc.decode() == address(exporter)
    ]
    assert len(set(shard)) == len(shard)
    return set(shard)


def test_two_exporters_share_the_hypervisors_and_one_of_them_dies(
    require: Callable[[str], str], libvirtd: PrivateLibvirtd, tmp_path: Path
) -> None:
    program = require("prometheus")
    file = tmp_path / "exporter.yaml"
    targets = {name: {"uri": libvirtd.test_uri, "labels": {"rack": RACKS[name]}} for name in NAMES}
    file.write_text(yaml.safe_dump({"targets": targets}))
    arguments = (f"--config.file={file}", f"--libvirt.uri={libvirtd.test_uri}")
    with (
        exporter_process(*arguments) as first,
        exporter_process(*arguments) as second,
        prometheus(program, tmp_path, sharded(first, second)) as server,
    ):
        all_up = dict.fromkeys(NAMES, 1.0)
        poll(
            lambda: server.values('up{job="libvirt"}', "instance") == all_up,
            "all targets are up",
            timeout=60,
        )
        poll(lambda: len(server.query(f'{SCRAPES}{{job="libvirt"}} > 2')) == 8, "three scrapes")

        # Each target once, with its labels and no other.
        assert {frozenset(one["metric"].items()) for one in server.query('up{job="libvirt"}')} == {
            frozenset({"__name__": "up", "job": "libvirt", "instance": name, "rack": rack}.items())
            for name, rack in RACKS.items()
        }
        states = server.query('libvirt_domain_state{job="libvirt"}')
        assert {(one["metric"]["instance"], one["metric"]["rack"]) for one in states} == set(
            RACKS.items()
        )
        assert len(states) == 8
        assert len(server.query('up{job="libvirt-exporter"} == 1')) == 2
        refused = "scrape_samples_scraped != scrape_samples_post_metric_relabeling"
        assert server.query(refused) == []

        # By exactly one of the exporters, and each of them has its share.
        shards = [shard_of(server, one) for one in (first, second)]
        assert shards[0] | shards[1] == set(NAMES)
        assert shards[0] & shards[1] == set()
        assert all(shards)
        for name in NAMES:
            own, other = (first, second) if name in shards[0] else (second, first)
            assert scrapes_at(own, name) > 3
            assert scrapes_at(other, name) == 1  # this one

        # Half of them goes down with an exporter, and the other half goes on.
        first.process.kill()
        half_up = {name: float(name in shards[1]) for name in NAMES}
        poll(lambda: server.values('up{job="libvirt"}', "instance") == half_up, "half is up")
        before = server.values(f'{SCRAPES}{{job="libvirt"}}', "instance")
        assert set(before) == shards[1]
        poll(
            lambda: all(
                count > before[name] + 1
                for name, count in server.values(f'{SCRAPES}{{job="libvirt"}}', "instance").items()
            ),
            "the other half is scraped twice more",
        )
        assert server.values('up{job="libvirt"}', "instance") == half_up
        assert server.values('up{job="libvirt-exporter"}', "instance") == {
            address(first): 0,
            address(second): 1,
        }


@pytest.mark.parametrize("name", ["local.yml", "probe.yml", "sharded.yml"])
def test_prometheus_takes_every_configuration_that_is_shipped(
    require: Callable[[str], str], name: str
) -> None:
    done = subprocess.run(
        [require("promtool"), "check", "config", "--lint-fatal", str(SHIPPED / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
