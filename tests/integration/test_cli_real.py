"""The commands as operators run them, against a real libvirtd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import domains
from tests.support.domains import DomainSpec
from tests.support.exporter_process import exporter_process
from tests.support.libvirtd import PrivateLibvirtd, VirshFailed
from tests.support.pages import read_page

NAMES = ['quote"', "back\\slash", "ünïcødé 日本", "new\nline", "percent%d", "\\n", "{}", "a=b,c"]


def command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_check_finds_all_in_order(libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]) -> None:
    done = command("check", f"--libvirt.uri={libvirtd.uri(read_only=True)}")
    said = done.stdout.decode().splitlines()
    assert done.returncode == 0, said
    assert {line.split()[0] for line in said} <= {"ok", "off"}
    assert "ok    domain_stats" in said
    assert any("libvirt " in line and "QEMU " in line for line in said)


def test_the_test_driver_is_served(libvirtd: PrivateLibvirtd) -> None:
    done = command("scrape", f"--libvirt.uri={libvirtd.test_uri}")
    page = read_page(done.stdout)
    assert done.returncode == 0
    assert page.value("libvirt_domain_state", domain="test", hypervisor="TEST") == 1
    assert page.value("libvirt_exporter_last_scrape_error") == 0


def test_a_recording_of_a_real_daemon_replays(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.jsonl.gz"
    uri = f"--libvirt.uri={libvirtd.uri()}"
    assert command("record", uri, "--scrapes=2", "--interval=0", str(trace)).returncode == 0
    live = read_page(command("scrape", uri).stdout)
    with exporter_process("replay", str(trace)) as exporter:
        replayed = exporter.scrape()
    assert replayed.domain_names >= {spec.name for spec in fleet}
    still = ("libvirt_domain_memory_max_bytes", "libvirt_domain_disk_capacity_bytes")
    for name in still:
        chosen = [
            {key: value for key, value in page.samples.items() if key[0] == name}
            for page in (live, replayed)
        ]
        assert chosen[0] == chosen[1] != {}


def test_nothing_in_the_process_maps_libvirts_c_library(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    with exporter_process(f"--libvirt.uri={libvirtd.uri()}") as exporter:
        page = exporter.scrape()
        maps = Path(f"/proc/{exporter.pid}/maps").read_text()
    assert page.domain_names >= {spec.name for spec in fleet}
    assert "libvirt.so" not in maps
    assert "libc" in maps


def test_the_uptime_is_the_age_of_the_domains_process(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    began = time.time()
    page = read_page(command("scrape", f"--libvirt.uri={libvirtd.uri()}").stdout)
    ended = time.time()
    boot = ended - time.clock_gettime(time.CLOCK_BOOTTIME)
    pids = qemu_pids(libvirtd)
    for spec in fleet:
        uptimes = page.values("libvirt_domain_uptime_seconds", uuid=str(spec.uuid))
        starts = page.values("libvirt_domain_start_time_seconds", uuid=str(spec.uuid))
        if spec.state == "shut off":
            assert (uptimes, starts) == ([], [])
            continue
        stat = Path(f"/proc/{pids[str(spec.uuid)]}/stat").read_text().rpartition(")")[2].split()
        started = boot + int(stat[19]) / os.sysconf("SC_CLK_TCK")
        assert starts == [pytest.approx(started, abs=1)]
        (uptime,) = uptimes
        assert began - started - 1 <= uptime <= ended - started + 1


def qemu_pids(libvirtd: PrivateLibvirtd) -> dict[str, int]:
    """The process of each running domain, by its UUID: libvirtd keeps a file for each."""
    pids = {}
    for file in (libvirtd.directory / "run" / "libvirt" / "qemu").glob("*.pid"):
        pid = int(file.read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"-uuid" in arguments:  # not a QEMU that only tells what it can do
            pids[arguments[arguments.index(b"-uuid") + 1].decode()] = pid
    return pids


def test_hostile_names_of_real_domains_break_nothing(libvirtd: PrivateLibvirtd) -> None:
    taken = []
    try:
        for name in NAMES:
            spec = DomainSpec(name, state="shut off")
            try:
                domains.define(libvirtd, spec)
            except VirshFailed:
                assert name == "new\nline"  # which daemons since 2.0 refuse
            else:
                taken.append(spec)
        page = read_page(command("scrape", f"--libvirt.uri={libvirtd.uri()}").stdout)
    finally:
        for spec in taken:
            domains.undefine(libvirtd, spec)
    for spec in taken:
        assert page.value("libvirt_domain_state", domain=spec.name, uuid=str(spec.uuid)) == 5
    assert len(taken) >= len(NAMES) - 1


def test_the_log_is_json_and_has_no_path_of_a_socket(libvirtd: PrivateLibvirtd) -> None:
    with exporter_process(f"--libvirt.uri={libvirtd.uri()}", "--log.level=debug") as exporter:
        exporter.scrape()
        status, seconds = exporter.end()
        log = exporter.log
    assert (status, seconds < 2) == (0, True)
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
    assert str(libvirtd.socket) not in log
