"""Other exporters' names beside the exporters and dashboards that they come from.

Debian's prometheus-libvirt-exporter scrapes the same daemon, and its page is compared with ours. The
expressions of public dashboards (tests/exporter/profiles/dashboards) are asked of a real Prometheus.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support import domains, real_parts
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporter_process import exporter_process, poll
from tests.support.guest import GuestUnavailable, build_guest
from tests.support.libvirtd import PrivateLibvirtd, missing_part
from tests.support.pages import families_of
from tests.support.ports import free_port
from tests.support.prometheus import FAST, Prometheus, prometheus

DASHBOARDS = Path(__file__).parents[1] / "exporter" / "profiles" / "dashboards"

SAMPLES_TIMEOUT = 90.0
"""Until a guest under emulation has booted and Prometheus has scraped twice behind that."""

NEVER_FILLED = {
    "libvirt_domain_block_stats_read_seconds_total",
    "libvirt_domain_block_stats_write_seconds_total",
    "libvirt_domain_block_stats_flush_requests_total",
    "libvirt_domain_block_stats_flush_seconds_total",
}
"""Debian's exporter describes them and asks libvirt for what has none of them."""

CPU_TIME = "libvirt_domain_info_cpu_time_seconds_total"

Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class PeerPage:
    """What starts with `libvirt_` and is not our word about ourselves."""

    types: dict[str, str]
    samples: dict[Series, float]

    @classmethod
    def of(cls, page: bytes) -> PeerPage:
        families = [
            family
            for family in families_of(page)
            if family.name.startswith("libvirt_")
            and not family.name.startswith(("libvirt_exporter_", "libvirt_connection_"))
        ]
        return cls(
            {sample.name: family.type for family in families for sample in family.samples},
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in families
                for sample in family.samples
            },
        )


@contextlib.contextmanager
def debian_exporter(program: str, uri: str) -> Iterator[str]:
    """Runs it on loopback and gives the URL of its page."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            program,
            f"--web.listen-address={address}",
            f"--libvirt.uri={uri}",
            "--libvirt.export-nova-metadata",
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://{address}/metrics"
    try:
        poll(lambda: _answers(url), "Debian's exporter answers")
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def test_the_kumina_profile_is_debian_s_page_sample_by_sample(
    require: Callable[[str], str], libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    program = require("prometheus-libvirt-exporter")
    ours = exporter_process(f"--libvirt.uri={libvirtd.uri()}", "--metrics.profile=kumina")
    with debian_exporter(program, libvirtd.uri()) as url, ours as exporter:
        before = PeerPage.of(exporter.get().content)
        theirs = PeerPage.of(httpx.get(url, timeout=30).content)
        after = PeerPage.of(exporter.get().content)
    assert {one.name for one in fleet if one.state == "paused"} <= {
        dict(labels).get("domain") for _, labels in theirs.samples
    }
    assert theirs.samples.keys() <= before.samples.keys()
    assert {name for name, _ in before.samples.keys() - theirs.samples.keys()} == NEVER_FILLED
    assert {name: before.types[name] for name in theirs.types} == theirs.types
    for series, value in theirs.samples.items():
        if series[0] == CPU_TIME:
            # A paused domain's process still answers its monitor.
            assert before.samples[series] <= value <= after.samples[series], series
        else:
            assert before.samples[series] == value, series


INSTANCE = "instance-0000002a"


@contextlib.contextmanager
def bridge() -> Iterator[str]:
    """A bridge of the host that nothing else is on."""
    name = f"lvb{os.getpid()}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


@pytest.fixture(scope="module")
def openstack() -> Iterator[tuple[PrivateLibvirtd, bool]]:
    """A daemon with an OpenStack instance, and whether that runs a guest that reports its memory."""
    if (reason := missing_part()) is not None:
        real_parts.lacks(reason)
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(PrivateLibvirtd())
        device = stack.enter_context(bridge())
        boot = None
        with contextlib.suppress(GuestUnavailable):
            boot = build_guest(daemon.images).boot(console=daemon.images / "console")
        instance = DomainSpec(
            INSTANCE,
            state="running",
            memory_mib=128 if boot else 32,
            vcpus=2,
            disks=(Disk("vda"), Disk("hdc", device="cdrom")),
            interfaces=(Interface(),),
            nova=domains.EXAMPLE_NOVA_METADATA,
            boot=boot,
            balloon_period=1,
        )
        paused = DomainSpec("plain", disks=(Disk("vda"),), interfaces=(Interface(),))
        stopped = DomainSpec("archive", state="shut off", disks=(Disk("vda"),))
        domains.create(daemon, instance, paused, stopped)
        source = ("--type", "bridge", "--source", device)
        daemon.virsh("attach-interface", INSTANCE, *source, "--model", "virtio", "--live")
        yield daemon, boot is not None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What a file of DASHBOARDS says, its variables put in."""

    profiles: tuple[str, ...]
    target_labels: dict[str, str]
    variable_queries: tuple[str, ...]
    expressions: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Dashboard:
        content: dict[str, Any] = yaml.safe_load(file.read_text())
        variables = {**content["variables"], "__rate_interval": "5m"}
        return cls(
            tuple(content["profiles"]),
            content["target_labels"],
            tuple(_with(variables, _as_query(one)) for one in content["variable_queries"]),
            tuple(_with(variables, one) for one in content["expressions"]),
        )


def _with(variables: dict[str, str], text: str) -> str:
    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", lambda one: variables[one[1] or one[2]], text)


def _as_query(variable: str) -> str:
    """Grafana's `label_values(SERIES, LABEL)` as an expression that has a series a value."""
    match = re.fullmatch(r"label_values\((?:(.+),)?\s*(\w+)\)", variable)
    if match is None:
        return variable
    series, label = match[1] or f'{{{match[2]}!=""}}', match[2]
    return f'count by ({label}) ({series}) and on ({label}) count by ({label}) ({{{label}!=""}})'


WITHOUT_DATA = {
    r"openstack_project_(usage|quota)": "of the OpenStack exporter",
    r'state_desc=~"(running|shut |paused|crashed)': "no state of inovex reads like that",
    r"vcpu_time_seconds_total / libvirt_domain_uptime_seconds": "a vCPU's series by a domain's",
}
"""Expressions that cannot have data, with any exporter of libvirt, and why."""

OF_A_GUEST = re.compile(
    r"memory_stats_(available|usable|unused|used_percent|disk_caches|swap_|major_|minor_|hugetlb_)"
)
"""What the balloon's driver in a guest reports."""


@pytest.mark.parametrize(
    "file", sorted(DASHBOARDS.glob("*.yml")), ids=lambda file: file.name.removesuffix(".yml")
)
def test_every_expression_of_a_dashboard_has_data(
    require: Callable[[str], str],
    openstack: tuple[PrivateLibvirtd, bool],
    tmp_path: Path,
    file: Path,
) -> None:
    program = require("prometheus")
    daemon, has_guest = openstack
    dashboard = Dashboard.read(file)
    flags = [f"--metrics.profile={one}" for one in dashboard.profiles]
    with exporter_process(f"--libvirt.uri={daemon.uri()}", *flags) as exporter:
        labels = dict(dashboard.target_labels)
        job = {
            "job_name": labels.pop("job"),
            "static_configs": [
                {"targets": [httpx.URL(exporter.url).netloc.decode()], "labels": labels}
            ],
        }
        config = {"global": dict(FAST), "scrape_configs": [job]}
        with prometheus(program, tmp_path, config) as server:
            _assert_data(server, dashboard, has_guest=has_guest)


def _assert_data(server: Prometheus, dashboard: Dashboard, *, has_guest: bool) -> None:
    every = [*dashboard.variable_queries, *dashboard.expressions]
    never = {one for one in every if any(re.search(text, one) for text in WITHOUT_DATA)}
    asked = {one for one in every if has_guest or not OF_A_GUEST.search(one)} - never
    assert asked

    lacking = sorted(asked)

    def has_all() -> bool:
        lacking[:] = [one for one in lacking if not server.query(one)]
        return not lacking

    with contextlib.suppress(AssertionError):
        poll(has_all, "data", timeout=SAMPLES_TIMEOUT)
    assert lacking == []
    assert [one for one in sorted(never) if server.query(one)] == []
