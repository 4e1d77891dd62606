"""Filters, switches, own metrics and constant labels on a real libvirtd with QEMU domains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.domains import DomainSpec
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_page

READS = "libvirt_domain_disk_read_requests_total"


def scraped(libvirtd: PrivateLibvirtd, *flags: str, uri: str = "") -> ReadPage:
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "exporter", "scrape", f"--libvirt.uri={uri or libvirtd.uri()}"),
            *flags,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return read_page(done.stdout)


def named(page: ReadPage, label: str = "domain") -> set[str]:
    return {dict(own)[label] for _, own in page.samples if label in dict(own)}


def test_domains_are_filtered_by_name_uuid_state_and_metadata(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    every = {spec.name for spec in fleet}
    (archive,) = [spec for spec in fleet if spec.state == "shut off"]
    assert named(scraped(libvirtd)) >= every
    for flag, shown in (
        ("--filter.domain-name-include=(web|db)-.*", {"web-01", "db-01"}),
        (f"--filter.domain-uuid-include={archive.uuid}", {archive.name}),
        ("--filter.domain-state-include=paused", every - {archive.name}),
        ("--filter.domain-state-include=shutoff", {archive.name}),
        ("--filter.domain-metadata-include=title=Daten.*", {"db-01"}),
        ("--filter.domain-metadata-include=project_name=.+", {"instance-0000002a"}),
    ):
        page = scraped(libvirtd, flag)
        assert named(page) & every == shown, flag
        assert named(page) <= shown, flag
        assert {dict(own)["domain"] for name, own in page.samples if name == "libvirt_domain_info"}


def test_disks_and_interfaces_are_filtered_in_every_collector(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    page = scraped(
        libvirtd,
        "--filter.disk-include=vd[ab]",
        "--filter.interface-exclude=.*",
        "--collector.domain.limits",
    )
    assert page.value("libvirt_exporter_collector_success", collector="domain_limits") == 1
    assert named(page, "disk") == {"vda", "vdb"}
    assert {name for name, own in page.samples if "interface" in dict(own)} == set()
    infos = [dict(own)["disk"] for name, own in page.samples if name == "libvirt_domain_disk_info"]
    assert set(infos) == {"vda", "vdb"}


def test_own_metrics_and_constant_labels_are_on_a_page_of_everything(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...], tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "metrics:\n  extra_labels: {rack: r12}\n  rows:\n"
        "  - {field: block.<disk>.rd.reqs, name: own_reads_total, type: counter, help: Reads.}\n"
        "collectors: {storage: {volumes: true}, disk: {limits: true}}\n"
    )
    page = scraped(libvirtd, f"--config.file={file}")
    own = {labels: value for (name, labels), value in page.samples.items() if name == READS}
    assert own
    assert {
        labels: value for (name, labels), value in page.samples.items() if name == "own_reads_total"
    } == own
    assert [name for name, labels in page.samples if ("rack", "r12") not in labels] == []
    driver = scraped(libvirtd, f"--config.file={file}", uri=libvirtd.test_uri)
    assert "libvirt_storage_pool_capacity_bytes" in {name for name, _ in driver.samples}
    assert [name for name, labels in driver.samples if ("rack", "r12") not in labels] == []


def test_collectors_are_switched_by_their_names(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    page = scraped(
        libvirtd,
        "--collector.disable=domain_stats",
        "--collector.disable=host",
        "--collector.enable=storage_volumes",
    )
    ran = set(page.labels("libvirt_exporter_collector_success", "collector"))
    assert {"domain_list", "storage_volumes", "domain_info"} <= ran
    assert ran.isdisjoint({"domain_stats", "host"})
    assert named(page) >= {spec.name for spec in fleet}
    assert page.values("libvirt_domain_state") == []
