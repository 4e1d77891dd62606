"""The dashboards that are shipped: made anew they are the same, and every expression finds data.

A real Prometheus scrapes the demo by itself, a real libvirtd by way of /probe, and the same daemon
as one of several on a page, so that each set of labels is there.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exporter import catalogue
from tests.deploy.promql import metrics_in, recorded_in, unknown_metrics
from tests.deploy.scene import Source, hypervisor, scraped
from tests.support import domains
from tests.support.domains import EXAMPLE_NOVA_METADATA, Disk, DomainSpec, Interface
from tests.support.libvirtd import IMAGES, PrivateLibvirtd, VirshFailed
from tests.support.prometheus import Prometheus

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "grafana" / "dashboards"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.json"))

NOWHERE = {
    "libvirt_domain_job_data_remaining_bytes": "needs a migration that is under way",
    "libvirt_domain_job_memory_bytes_per_second": "needs a migration that is under way",
    "libvirt_domain_job_dirty_rate_bytes_per_second": "needs a migration that is under way",
    "libvirt_domain_guest_filesystem_used_bytes": "needs a guest agent",
    "libvirt_domain_io_errors_total": "needs a disk that fails under a guest",
    "libvirt_exporter_tls_certificate_expiry_timestamp_seconds": "needs a TLS connection",
    "libvirt_domain_disk_read_latency_seconds_bucket": "needs libvirt 12.1",
    "libvirt_domain_disk_write_latency_seconds_bucket": "needs libvirt 12.1",
    "libvirt_domain_disk_latency_max_seconds": "needs libvirt 11.10",
}
"""Metrics that neither the demo nor a private daemon of this machine has, and why."""

WITHIN_SECONDS = 90.0
GRAFANA = {
    "$__rate_interval": "20s",
    "$__interval": "1s",
    "$__range": "1m",
    "$top": "10",
    "$domain": ".*",
}
"""What Grafana's variables are here, beside $instance and $host."""

SHOP = DomainSpec(
    "shop",
    state="running",
    vcpus=2,
    disks=(Disk("vda"), Disk("vdb", "raw", size_mib=4)),
    interfaces=(Interface(),),
    title="The shop",
    nova=EXAMPLE_NOVA_METADATA,
)
SAVED = DomainSpec("saved", state="running")
OFF = DomainSpec("off", state="shut off", disks=(Disk("vda"),))
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
WATCHDOG = "<watchdog model='ib700' action='none'/>"
NETWORK = "<network><name>lab</name><bridge name='lvlab0'/></network>"
BACKUP = (
    "<domainbackup mode='pull'><server transport='unix' socket='{socket}'/>"
    "<disks><disk name='vda' backup='yes' type='file'><scratch file='{scratch}'/></disk>"
    "<disk name='vdb' backup='no'/></disks></domainbackup>"
)
IO_COMMANDS = ("aio_write 0 64k", "aio_read 0 64k", "aio_flush")


def dashboard(name: str) -> dict[str, Any]:
    loaded = json.loads((SHIPPED / f"{name}.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def panels(name: str) -> list[dict[str, Any]]:
    found = dashboard(name)["panels"]
    assert isinstance(found, list)
    return found


def expressions(name: str) -> list[str]:
    return [target["expr"] for panel in panels(name) for target in panel.get("targets", ())]


def variables(name: str) -> list[dict[str, Any]]:
    found = dashboard(name)["templating"]["list"]
    assert isinstance(found, list)
    return found


ALL = sorted({one for name in NAMES for one in expressions(name)})


# What needs nothing but the files


def test_the_dashboards_are_what_their_source_makes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.grafana", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in SHIPPED.iterdir()}


def test_no_two_dashboards_have_one_uid_or_title() -> None:
    assert NAMES == ["domain", "exporter", "fleet", "host"]
    for key in ("uid", "title"):
        assert len({dashboard(name)[key] for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_panels_have_one_id_or_overlap(name: str) -> None:
    ids = [panel["id"] for panel in panels(name)]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels(name):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", NAMES)
def test_the_data_source_is_chosen_on_the_dashboard(name: str) -> None:
    uids = set(re.findall(r'"uid": "([^"]*)"', (SHIPPED / f"{name}.json").read_text()))
    assert uids == {"${datasource}", dashboard(name)["uid"]}
    (datasource,) = (one for one in variables(name) if one["type"] == "datasource")
    assert datasource["name"] == "datasource"


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_a_title_and_queries_with_letters_of_their_own(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        if panel["type"] != "row":
            letters = [target["refId"] for target in panel["targets"]]
            assert letters
            assert len(letters) == len(set(letters))


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_that_is_used_is_there(name: str) -> None:
    text = (SHIPPED / f"{name}.json").read_text()
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__data", "__url_time_range", "__all"}
    used = {one for one in used if not one.startswith("__")}
    assert used == {one["name"] for one in variables(name)}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_dashboards_with_the_variables_that_they_set(name: str) -> None:
    by_uid = {dashboard(one)["uid"]: one for one in NAMES}
    text = (SHIPPED / f"{name}.json").read_text()
    for uid, query in re.findall(r'"url": "/d/([\w-]+)\?([^"]*)"', text):
        there = {one["name"] for one in variables(by_uid[uid])}
        assert set(re.findall(r"var-(\w+)=", query)) <= there


@pytest.mark.parametrize("name", NAMES)
def test_dashboards_ask_only_for_metrics_of_the_catalogue(name: str) -> None:
    queries = [one["definition"] for one in variables(name) if "definition" in one]
    for expression in (*expressions(name), *queries):
        assert unknown_metrics(expression, catalogue.entries()) == set(), expression


@pytest.mark.parametrize("name", NAMES)
def test_the_dashboards_need_no_recorded_series(name: str) -> None:
    assert [one for one in expressions(name) if recorded_in(one)] == []


# What needs a real Prometheus


@dataclass(slots=True)
class Scene:
    server: Prometheus
    sources: dict[str, Source]
    keep_busy: Callable[[], None]
    found: dict[str, set[str]] = field(default_factory=dict)
    """By source the expressions that have had data."""

    def filled(self, source: str, expression: str) -> str:
        """The expression as Grafana sends it when this source is chosen."""
        labels = self.sources[source]
        chosen = {**GRAFANA, "$instance": labels.instance, "$host": labels.host}
        for name in sorted(chosen, key=len, reverse=True):
            expression = expression.replace(name, chosen[name])
        assert "$" not in expression
        return expression

    def has(self, source: str, expression: str) -> bool:
        """Whether the expression has data of the source, now or before."""
        found = self.found.setdefault(source, set())
        if expression not in found and self.server.query(self.filled(source, expression)):
            found.add(expression)
        return expression in found

    def metrics(self, source: str) -> set[str]:
        """The names of what was scraped of a source."""
        chosen = self.sources[source]
        selector = f'{{instance="{chosen.instance}", host=~"{chosen.host}"}}'
        rows = self.server.query(f"count by (__name__) ({selector})")
        return {row["metric"]["__name__"] for row in rows}

    def lacks_values(self, source: str, selector: str, label: str) -> bool:
        """Whether no series of the source has this label, which a variable would offer."""
        query = self.filled(source, f"count by ({label}) ({selector})")
        return not any(label in row["metric"] for row in self.server.query(query))

    def wait(self, missing: Callable[[], object]) -> None:
        """Until nothing is missing."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while lacks := missing():
            assert time.monotonic() < deadline, f"no data of {lacks}"
            self.keep_busy()


def prepare(libvirtd: PrivateLibvirtd) -> None:
    """Domains of several states, a pool, a network, and jobs that ran and run."""

    def written(name: str, xml: str) -> str:
        path = libvirtd.images / name
        path.write_text(xml)
        return str(path)

    domains.create(libvirtd, SAVED, OFF)
    domains.define(libvirtd, SHOP)
    devices = domains.domain_xml(SHOP).replace("</devices>", f"{AGENT}{WATCHDOG}</devices>")
    libvirtd.virsh("define", written("shop.xml", devices))
    domains.start(libvirtd, SHOP)
    libvirtd.virsh("autostart", OFF.name)
    (libvirtd.images / "pool").mkdir()
    libvirtd.virsh("pool-define-as", "images", "dir", "--target", str(IMAGES / "pool"))
    libvirtd.virsh("pool-start", "images")
    libvirtd.virsh("net-create", written("lab.xml", NETWORK))


def set_going(libvirtd: PrivateLibvirtd) -> None:
    """What happens while the exporters watch."""
    libvirtd.virsh("suspend", SHOP.name)
    libvirtd.virsh("resume", SHOP.name)
    libvirtd.virsh("managedsave", SAVED.name)
    # As a guest's driver would: the port of the watchdog, with two seconds on it.
    libvirtd.virsh("qemu-monitor-command", SHOP.name, "--hmp", "o /b 0x443 0xe")
    libvirtd.virsh("blockcopy", SHOP.name, "vdb", str(IMAGES / "copy.raw"), "--transient-job")
    backup = libvirtd.images / "backup.xml"
    backup.write_text(
        BACKUP.format(socket=IMAGES / "backup.socket", scratch=IMAGES / "scratch.qcow2")
    )
    libvirtd.virsh("backup-begin", SHOP.name, str(backup))


def keep_busy(libvirtd: PrivateLibvirtd) -> None:
    """Reads, writes and flushes a disk, as its guest would."""
    for command in IO_COMMANDS:
        device = "/machine/peripheral/virtio-disk0/virtio-backend"
        hmp = f'qemu-io -d {device} "{command}"'
        libvirtd.virsh("qemu-monitor-command", SHOP.name, "--hmp", hmp)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("dashboards")
    with hypervisor() as libvirtd:
        prepare(libvirtd)
        with scraped(directory, libvirtd) as (server, sources):
            one = Scene(server, sources, lambda: keep_busy(libvirtd))
            states = 'libvirt_domain_state{instance=~"$instance"}'
            one.wait(lambda: [name for name in sources if not one.has(name, states)])
            set_going(libvirtd)
            yield one
            with contextlib.suppress(VirshFailed):
                libvirtd.virsh("domjobabort", SHOP.name)


def of_nowhere(expression: str) -> bool:
    return not metrics_in(expression).isdisjoint(NOWHERE)


def depends_on_values(expression: str) -> bool:
    """Whether it leaves out what is in order or idle, which all of a source may be."""
    return re.search(r"(==|!=|>) (?!bool)\d", expression) is not None


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_every_expression_finds_data_somewhere(scene: Scene) -> None:
    wanted = [one for one in ALL if not of_nowhere(one)]
    scene.wait(
        lambda: [
            one for one in wanted if not any(scene.has(source, one) for source in scene.sources)
        ]
    )


@pytest.mark.integration
@pytest.mark.timeout(240)
@pytest.mark.parametrize("source", ["single", "probe", "several"])
def test_an_expression_finds_data_where_its_metrics_are(scene: Scene, source: str) -> None:
    there = scene.metrics(source)
    wanted = [one for one in ALL if metrics_in(one) <= there and not depends_on_values(one)]
    assert len(wanted) > len(ALL) / 3
    scene.wait(lambda: [one for one in wanted if not scene.has(source, one)])


@pytest.mark.integration
@pytest.mark.parametrize("source", ["single", "probe", "several"])
@pytest.mark.parametrize("name", NAMES)
def test_every_variable_finds_values(scene: Scene, name: str, source: str) -> None:
    for one in variables(name):
        if one["type"] != "query" or (one["name"] == "host" and source != "several"):
            continue
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", one["definition"])
        assert match is not None
        selector, label = match.groups()
        scene.wait(functools.partial(scene.lacks_values, source, selector, label))


@pytest.mark.integration
def test_what_is_said_to_be_nowhere_is_nowhere(scene: Scene) -> None:
    there = set.union(*(scene.metrics(source) for source in scene.sources))
    assert there.isdisjoint(NOWHERE)
