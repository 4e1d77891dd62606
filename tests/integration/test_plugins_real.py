"""The example plugin, installed as operators install one, in an exporter of its own process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.domains import DomainSpec
from tests.support.exporter_process import exporter_process
from tests.support.libvirtd import PrivateLibvirtd

EXAMPLE = Path(__file__).parents[1] / "example_plugin"
SUCCESS = "libvirt_exporter_collector_success"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the plugin is installed; PYTHONPATH leads there."""
    directory = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, directory / "source")
    target = directory / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", str(target), str(source)),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return str(target)


def test_an_installed_plugin_is_on_the_page_of_the_demo(installed: str) -> None:
    with exporter_process(
        "demo", "--collector.enable=example_version", PYTHONPATH=installed
    ) as exporter:
        page = exporter.scrape()
    lengths = page.values("example_domain_name_length_characters")
    assert len(lengths) == len(page.labels("libvirt_domain_state", "domain")) > 0
    assert page.value(SUCCESS, collector="example_names") == 1
    # The recording has no such call behind the connection's beginning, or has it.
    assert page.values(SUCCESS, collector="example_version") != []


def test_an_installed_plugin_asks_a_real_daemon(
    installed: str, libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    arguments = (f"--libvirt.uri={libvirtd.uri(read_only=True)}", "--metrics.extra-label=rack=r12")
    with exporter_process(
        *arguments, "--collector.enable=example_version", PYTHONPATH=installed
    ) as exporter:
        page = exporter.scrape()
    assert page.value("example_libvirt_version", rack="r12") >= 9_000_000
    for spec in fleet:
        length = page.value("example_domain_name_length_characters", domain=spec.name, rack="r12")
        assert length == len(spec.name)
    with exporter_process(
        *arguments, "--collector.disable=example_names", PYTHONPATH=installed
    ) as exporter:
        page = exporter.scrape()
    assert page.values(SUCCESS, collector="example_names") == []
    assert page.values(SUCCESS, collector="example_version") == []


def test_check_runs_plugins_and_filters_hold_on_real_domains(
    installed: str, libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    uri = f"--libvirt.uri={libvirtd.uri(read_only=True)}"
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", uri, "--collector.enable=example_version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": installed},
    )
    said = done.stdout.decode().splitlines()
    assert done.returncode == 0, said
    assert {"ok    example_names", "ok    example_version", "ok    domain_stats"} <= set(said)
    assert {line.split()[0] for line in said} <= {"ok", "off"}
