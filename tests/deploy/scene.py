"""A real Prometheus that scrapes real exporters in each way that the shipped configurations know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from tests.support import libvirtd as private
from tests.support import real_parts
from tests.support.exporter_process import ExporterProcess, exporter_process
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.network import PrivateNetwork, require_networks
from tests.support.prometheus import FAST, Prometheus, prometheus

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"


@dataclass(frozen=True, slots=True)
class Source:
    """The labels of what was scraped in one way; `host` is a regular expression."""

    instance: str
    host: str = ".*"


@contextlib.contextmanager
def hypervisor() -> Iterator[PrivateLibvirtd]:
    """A private libvirtd in a network of its own: its bridges and taps are not this machine's."""
    real_parts.require("prometheus")
    if reason := private.missing_part():
        real_parts.lacks(reason)
    require_networks()
    with PrivateNetwork() as network, PrivateLibvirtd(network=network.name) as libvirtd:
        yield libvirtd


@contextlib.contextmanager
def scraped(
    directory: Path, libvirtd: PrivateLibvirtd, *, rule_files: Sequence[Path] = ()
) -> Iterator[tuple[Prometheus, dict[str, Source]]]:
    """Prometheus, and what it scrapes each second.

    `single` is the demo by itself, `probe` the daemon by way of /probe, and `several` the daemon
    beside libvirt's test driver on one page.
    """
    file = directory / "exporter.yml"
    connections = [
        {"name": "qemu", "uri": libvirtd.uri()},
        {"name": "lab", "uri": libvirtd.test_uri},
    ]
    config = {
        "libvirt": {"connections": connections, "reconnect_interval": "1s"},
        "targets": {"hv-1": {"uri": libvirtd.uri()}},
        "collectors": {"jobs_interval": "1s"},
    }
    file.write_text(yaml.safe_dump(config))
    with (
        exporter_process("demo") as demo,
        exporter_process(f"--config.file={file}") as several,
    ):
        text = (SHIPPED / "probe.yml").read_text().replace("exporter-0:9177", _address(several))
        local = {"job_name": "libvirt-demo", "static_configs": [{"targets": [_address(demo)]}]}
        scraping = {
            "global": {**FAST, "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rule_files],
            "scrape_configs": [*yaml.safe_load(text)["scrape_configs"], local],
        }
        sources = {
            "single": Source(_address(demo)),
            "probe": Source("hv-1"),
            "several": Source(_address(several), "qemu|lab|"),
        }
        with prometheus(real_parts.require("prometheus"), directory, scraping) as server:
            yield server, sources


def _address(exporter: ExporterProcess) -> str:
    return httpx.URL(exporter.url).netloc.decode()
