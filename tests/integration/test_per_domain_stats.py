"""Statistics from the calls about one domain: against the bulk call, and against virsh.

QEMU's driver has both kinds of calls, so one is the other's oracle there. The test driver and a real
container have no such bulk call; there it is virsh that says what is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from exporter import metrics
from exporter.bulk_stats import BulkStats, Collected
from exporter.config import LibvirtConfig
from exporter.exposition import Format, Page
from exporter.hypervisor import Hypervisor
from exporter.mapping import Mapping
from exporter.per_domain_stats import PerDomainStats
from exporter.stats_page import StatsPage
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import NoSupport
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.session import CallObservation
from tests.support.containers import ContainerHost, containers, start
from tests.support.domains import Disk, DomainSpec, Interface, create, qemu_pid
from tests.support.exporting import configured, exporting, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, Series, read_page, read_response

COLLECTORS = frozenset({"domain.state", "domain.stats", "disk.stats", "network.stats"})
MAPPING = Mapping(
    metrics.GROUPS,
    metrics.INSTANCES,
    metrics.NOT_METRICS,
    metrics.QUIRKS,
    collectors=COLLECTORS,
)

BULK_ALONE = {
    # No call about one domain tells these.
    "libvirt_domain_cpu_haltpoll_success_seconds_total",
    "libvirt_domain_cpu_haltpoll_fail_seconds_total",
    "libvirt_domain_vcpu_wait_seconds_total",
    "libvirt_domain_vcpu_delay_seconds_total",
    # QEMU's driver refuses DOMAIN_GET_CPU_STATS without control groups (9.0.0).
    "libvirt_domain_cpu_user_seconds_total",
    "libvirt_domain_cpu_system_seconds_total",
}
OTHERWISE = {
    # Of a running domain, DOMAIN_GET_BLOCK_INFO takes what nothing was written to yet for allocated whole,
    # and tells how large the file is, not how much of it is on the disk.
    "libvirt_domain_disk_allocation_bytes",
    "libvirt_domain_disk_physical_bytes",
}
RSS = "libvirt_domain_memory_rss_bytes"
PAGES_OF_MEMORY = 4 * 1024 * 1024
"""How much the resident memory of a paused QEMU may come and go while the test runs."""


class Host:
    """A hypervisor, and what was called there."""

    def __init__(self, uri: str) -> None:
        self.called: list[CallObservation] = []
        config = LibvirtConfig(uri=uri)
        self.hypervisor = Hypervisor(config, environ={}, observe=self.called.append)
        self.bulk = BulkStats(self.hypervisor, parallel=4, max_stuck_calls=3)
        self.per_domain = PerDomainStats(
            self.hypervisor, self.hypervisor.availability, parallel=4, max_stuck_calls=3
        )

    async def by_bulk(self) -> Collected:
        return await self.bulk.collect(MAPPING.stats, Deadline.after(10))

    async def by_domain(self) -> Collected:
        collected = await self.per_domain.collect(MAPPING.stats, Deadline.after(10))
        assert not collected.missing
        assert not collected.errors
        return collected


@contextlib.asynccontextmanager
async def host(uri: str) -> AsyncIterator[Host]:
    one = Host(uri)
    await one.hypervisor.open()
    try:
        yield one
    finally:
        await one.hypervisor.close()


def page_of(collected: Collected) -> ReadPage:
    page = Page()
    for family, lines in StatsPage(MAPPING).render(list(collected.records.values()), "any"):
        page.add_lines(family, lines)
    return read_page(page.render(Format.TEXT))


def is_between(series: Series, before: str, value: str, after: str) -> bool:
    low, high = sorted((Decimal(before), Decimal(after)))
    slack = PAGES_OF_MEMORY if series[0] == RSS else 0
    return low - slack <= Decimal(value) <= high + slack


# Against the bulk call.


async def test_a_page_of_single_calls_is_that_of_the_bulk_call(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    async with host(libvirtd.uri(read_only=True)) as one:
        before, single, after = [
            page_of(collected)
            for collected in (await one.by_bulk(), await one.by_domain(), await one.by_bulk())
        ]
    assert single.domain_names == {spec.name for spec in fleet}
    assert single.samples.keys() <= before.samples.keys()
    lacking = {name for name, _ in before.samples.keys() - single.samples.keys()}
    assert lacking <= BULK_ALONE
    compared = [one for one in single.samples if one[0] not in OTHERWISE]
    differing = [
        (series, before.samples[series], single.samples[series])
        for series in compared
        if not is_between(
            series, before.samples[series], single.samples[series], after.samples[series]
        )
    ]
    assert differing == []
    families = {name for name, _ in compared}
    assert {
        "libvirt_domain_state",
        "libvirt_domain_cpu_time_seconds_total",
        "libvirt_domain_memory_current_bytes",
        "libvirt_domain_vcpu_time_seconds_total",
        "libvirt_domain_disk_read_bytes_total",
        "libvirt_domain_disk_flush_time_seconds_total",
        "libvirt_domain_disk_capacity_bytes",
        "libvirt_domain_network_receive_bytes_total",
        RSS,
    } <= families


async def test_sizes_of_disks_are_those_of_virsh(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    async with host(libvirtd.uri(read_only=True)) as one:
        page = page_of(await one.by_domain())
    compared = 0
    for spec in fleet:
        for disk in (one for one in spec.disks if one.device == "disk"):
            sizes = numbers(libvirtd.virsh("domblkinfo", spec.name, disk.target))
            for word in ("Allocation", "Capacity", "Physical"):
                family = f"libvirt_domain_disk_{word.lower()}_bytes"
                shown = page.value(family, domain=spec.name, disk=disk.target)
                assert shown == sizes[word]
                compared += 1
    assert compared == 3 * 7


async def test_a_refused_kind_of_call_is_made_once_a_connection(
    libvirtd: PrivateLibvirtd,
) -> None:
    async with host(libvirtd.test_uri) as one:
        for _ in range(3):
            await one.by_domain()
        refused = [call.procedure for call in one.called if isinstance(call.error, NoSupport)]
        assert refused == [p.DOMAIN_BLOCK_STATS_FLAGS.name]
        await one.hypervisor.close()
        await one.hypervisor.open()
        await one.by_domain()
        refused = [call.procedure for call in one.called if isinstance(call.error, NoSupport)]
        assert len(refused) == 2


# Against virsh.


def numbers(text: str) -> dict[str, int]:
    """What virsh prints as lines that end in a name and a whole number."""
    found = re.findall(r"(\w+):?\s+(-?\d+)$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


MEMORY = {
    "swap_in": ("libvirt_domain_memory_swap_in_bytes_total", 1024),
    "swap_out": ("libvirt_domain_memory_swap_out_bytes_total", 1024),
    "major_fault": ("libvirt_domain_memory_major_faults_total", 1),
    "minor_fault": ("libvirt_domain_memory_minor_faults_total", 1),
    "unused": ("libvirt_domain_memory_unused_bytes", 1024),
    "available": ("libvirt_domain_memory_available_bytes", 1024),
    "actual": ("libvirt_domain_memory_current_bytes", 1024),
    "rss": (RSS, 1024),
    "usable": ("libvirt_domain_memory_usable_bytes", 1024),
    "disk_caches": ("libvirt_domain_memory_disk_caches_bytes", 1024),
    "hugetlb_pgalloc": ("libvirt_domain_memory_hugetlb_pgalloc_total", 1),
    "hugetlb_pgfail": ("libvirt_domain_memory_hugetlb_pgfail_total", 1),
    "last_update": ("libvirt_domain_memory_last_update_timestamp_seconds", 1),
}
DISK = {
    "rd_req": "libvirt_domain_disk_read_requests_total",
    "rd_bytes": "libvirt_domain_disk_read_bytes_total",
    "wr_req": "libvirt_domain_disk_write_requests_total",
    "wr_bytes": "libvirt_domain_disk_write_bytes_total",
    "errs": "libvirt_domain_disk_errors_total",
}
INTERFACE = {
    f"{short}_{what}": f"libvirt_domain_network_{long}_{word}_total"
    for short, long in (("rx", "receive"), ("tx", "transmit"))
    for what, word in (
        ("bytes", "bytes"),
        ("packets", "packets"),
        ("errs", "errors"),
        ("drop", "drops"),
    )
}


async def test_the_test_drivers_figures_are_those_of_virsh(libvirtd: PrivateLibvirtd) -> None:
    def virsh(*arguments: str) -> str:
        return libvirtd.virsh("--connect", libvirtd.test_uri, *arguments)

    def disk_and_interface() -> tuple[dict[str, int], dict[str, int]]:
        # virsh prints the device's name before each figure.
        disk = virsh("domblkstat", "test", "vda")
        return (
            {name: int(value) for name, value in re.findall(r"vda (\w+) (\d+)", disk)},
            {
                name: int(value)
                for name, value in re.findall(
                    r"testnet0 (\w+) (\d+)", virsh("domifstat", "test", "testnet0")
                )
            },
        )

    async with host(libvirtd.test_uri) as one:
        disk_before, net_before = disk_and_interface()
        page = page_of(await one.by_domain())
        disk_after, net_after = disk_and_interface()
        memory = numbers(virsh("dommemstat", "test"))
    assert set(memory) == set(MEMORY)
    for name, (family, unit) in MEMORY.items():
        assert page.value(family) == memory[name] * unit
    assert set(disk_before) == set(DISK)
    for name, family in DISK.items():
        assert disk_before[name] <= page.value(family, disk="vda") <= disk_after[name]
    assert set(net_before) == set(INTERFACE)
    for name, family in INTERFACE.items():
        assert net_before[name] <= page.value(family, interface="testnet0") <= net_after[name]
    assert page.labels("libvirt_domain_vcpu_time_seconds_total", "vcpu") == ["0", "1"]
    assert page.value("libvirt_domain_vcpu_maximum") == 2


@pytest.fixture(scope="module")
def container_host() -> Iterator[ContainerHost]:
    """A real container that runs, and one that does not."""
    with containers() as one:
        one.define("box", memory_kib=65_536, vcpus=2)
        one.define("idle", memory_kib=32_768, vcpus=1)
        start(one, "box")
        yield one


async def test_a_containers_figures_are_those_of_virsh(container_host: ContainerHost) -> None:
    virsh = container_host.virsh
    (device,) = re.findall(r"^\s*(\S+)\s+ethernet", virsh("domiflist", "box"), re.MULTILINE)

    def figures() -> tuple[dict[str, int], Decimal, dict[str, int]]:
        seconds = re.search(r"cpu_time\s+(\S+) seconds", virsh("cpu-stats", "box", "--total"))
        assert seconds is not None
        packets = re.findall(rf"{device} (\w+) (\d+)", virsh("domifstat", "box", device))
        return (
            numbers(virsh("dommemstat", "box")),
            Decimal(seconds[1]),
            {name: int(value) for name, value in packets},
        )

    async with host(container_host.uri) as one:
        memory_before, cpu_before, net_before = await asyncio.to_thread(figures)
        page = page_of(await one.by_domain())
        memory_after, cpu_after, net_after = await asyncio.to_thread(figures)
        reasons = one.hypervisor.availability.reasons
    assert page.value("libvirt_domain_state", domain="box") == 1
    assert page.value("libvirt_domain_state", domain="idle") == 5
    current = page.value("libvirt_domain_memory_current_bytes", domain="box")
    assert current == memory_before["actual"] * 1024 == 65_536 * 1024
    assert page.value("libvirt_domain_memory_max_bytes", domain="idle") == 32_768 * 1024
    low, high = sorted((memory_before["rss"], memory_after["rss"]))
    assert low * 1024 <= page.value(RSS) <= high * 1024
    cpu = page.value("libvirt_domain_cpu_time_seconds_total", domain="box")
    assert cpu_before <= Decimal(str(cpu)) <= cpu_after
    assert set(net_before) == set(INTERFACE)
    for name, family in INTERFACE.items():
        shown = page.value(family, domain="box", interface=device)
        assert net_before[name] <= shown <= net_after[name]
    assert reasons["domain_stats.vcpus"] == "unsupported"
    assert page.value("libvirt_domain_vcpu_count", domain="box") == 2


async def test_what_a_container_calls_swap_in_is_no_counter(container_host: ContainerHost) -> None:
    """libvirt 9.0.0 gives the use of memory and swap under that name, which goes up and down."""
    memory = numbers(container_host.virsh("dommemstat", "box"))
    assert "swap_in" in memory
    assert "swap_out" not in memory
    async with host(container_host.uri) as one:
        page = page_of(await one.by_domain())
    assert page.values("libvirt_domain_memory_swap_in_bytes_total") == []


async def test_a_real_lxc_daemon_refuses_the_bulk_call(container_host: ContainerHost) -> None:
    async with host(container_host.uri) as one:
        with pytest.raises(NoSupport):
            await one.by_bulk()


async def test_the_exporters_page_of_containers_says_what_is_not_there(
    container_host: ContainerHost,
) -> None:
    async with exporting(configured(container_host.uri)) as exporter:
        page = read_response(await get(exporter))
    assert page.domain_names == {"box", "idle"}
    assert page.value("libvirt_domain_memory_max_bytes", domain="box", hypervisor="LXC") == 1 << 26
    available = "libvirt_exporter_collector_available"
    assert page.value(available, collector="domain_stats", reason="") == 1
    for part in ("bulk", "vcpus"):
        assert page.value(available, collector=f"domain_stats.{part}", reason="unsupported") == 0
    assert page.values("libvirt_domain_stats_timed_out") == [0, 0]
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_a_real_domain_that_hangs_costs_no_other_anything(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    specs = [
        DomainSpec(name, disks=(Disk("vda"),), interfaces=(Interface(),)) for name in ("a", "b")
    ]
    await asyncio.to_thread(create, own_libvirtd, *specs)
    pid = qemu_pid(own_libvirtd, "a")
    async with host(own_libvirtd.uri(read_only=True)) as one:
        hung, other = specs
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                collected = await one.per_domain.collect(MAPPING.stats, Deadline.after(10))
                assert collected.missing == {hung.uuid}
                assert collected.stuck == 1
                page = page_of(collected)
                assert page.value("libvirt_domain_state", domain=hung.name) == 3
                assert page.values(RSS, domain=hung.name) == []
                received = "libvirt_domain_network_receive_bytes_total"
                assert len(page.values(received, domain=hung.name)) == 1
                read = "libvirt_domain_disk_read_bytes_total"
                assert len(page.values(read, domain=other.name)) == 1
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.wait_for(until_nothing_is_stuck(one.per_domain), 10)
        page = page_of(await one.by_domain())
        assert len(page.values(RSS)) == 2


async def until_nothing_is_stuck(engine: PerDomainStats) -> None:
    """The late reply is read and dropped by the session; what asks next sees that it came."""
    while engine.stuck_calls:
        await engine.collect(MAPPING.stats, Deadline.after(10))
