"""One real QEMU process is stopped while everything is asked for: the others and the host stay whole."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from exporter.config import (
    CollectorsConfig,
    DiskCollectors,
    DomainCollectors,
    HostCollectors,
    NetworkCollectors,
    StorageCollectors,
)
from tests.integration.test_hung_domains import busy_workers
from tests.support import domains, real_parts
from tests.support import libvirtd as private
from tests.support.call_counter import counted
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporting import configured, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_response

TIMEOUT_SECONDS = 5.0
ROUNDS = 4
NAMES = tuple(f"vm-{number}" for number in range(5))
HUNG = "vm-2"
EVERYTHING = CollectorsConfig(
    domain=DomainCollectors(limits=True, vcpu_placement=True, messages=True),
    disk=DiskCollectors(limits=True, errors=True),
    network=NetworkCollectors(networks=True, dhcp_leases=True),
    host=HostCollectors(stats=True, devices=True),
    storage=StorageCollectors(pools=True, volumes=True),
    # Asked so often that what hangs is met again and again.
    jobs_interval_seconds=1.0,
    slow_interval_seconds=1.0,
)

WHOLE = (
    *("domain_stats", "domain_info", "domain_events", "domain_jobs", "block_jobs", "domain_limits"),
    *("disk_errors", "vcpu_placement", "domain_messages"),
    *("host", "host_devices", "storage_pools", "storage_volumes", "networks", "dhcp_leases"),
)
"""Collectors that one domain that hangs does not make fail."""


@pytest.fixture
def host() -> Iterator[PrivateLibvirtd]:
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    specs = (
        DomainSpec(name, disks=(Disk("vda"),), interfaces=(Interface(user_mode=True),))
        for name in NAMES
    )
    with PrivateLibvirtd() as daemon:
        domains.create(daemon, *specs)
        for name in NAMES:
            daemon.virsh("blkdeviotune", name, "vda", "--total-iops-sec", "300", "--live")
        yield daemon


def domains_of(page: ReadPage, series: str) -> set[str]:
    return set(page.labels(series, "domain"))


async def test_a_stopped_process_costs_the_others_and_the_host_nothing(
    host: PrivateLibvirtd,
) -> None:
    config = configured(host.uri(), collectors=EVERYTHING, timeout_seconds=TIMEOUT_SECONDS)
    bound = config.libvirt.parallel + config.libvirt.max_stuck_calls
    others = set(NAMES) - {HUNG}
    pid = domains.qemu_pid(host, HUNG)
    async with counted(config) as (application, counter):

        async def scrape() -> ReadPage:
            started = time.monotonic()
            response = await get(application)
            assert time.monotonic() - started < TIMEOUT_SECONDS
            assert await asyncio.to_thread(busy_workers, host) <= bound
            return read_response(response)

        await scrape()
        await asyncio.sleep(2.5)
        whole = await scrape()
        throttled = next(
            name for name, labels in whole.samples if "iops" in name and ("domain", HUNG) in labels
        )
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(ROUNDS):
                await asyncio.sleep(1.5)
                page = await scrape()
                for series in ("libvirt_domain_disk_read_requests_total", throttled):
                    assert domains_of(page, series) >= others
                for series in ("libvirt_domain_info", "libvirt_domain_state"):
                    assert domains_of(page, series) == set(NAMES)
                for name in ("libvirt_host_cpu_seconds_total", "libvirt_host_memory_free_bytes"):
                    assert page.values(name)
                for collector in WHOLE:
                    succeeded = page.value(
                        "libvirt_exporter_collector_success", collector=collector
                    )
                    assert succeeded == 1, collector
            await asyncio.to_thread(host.virsh, "reset", min(others))
            await asyncio.sleep(1)
            page = await scrape()
            assert page.value("libvirt_domain_reboots_total", domain=min(others)) >= 1
            assert page.value("libvirt_domain_stats_timed_out", domain=HUNG) == 1
            assert page.value("libvirt_exporter_stuck_calls") == counter.in_flight
        finally:
            os.kill(pid, signal.SIGCONT)
        await counter.idle()
        await asyncio.sleep(1)
        page = await scrape()
        assert domains_of(page, "libvirt_domain_disk_read_requests_total") == set(NAMES)
        assert page.value("libvirt_exporter_stuck_calls") == 0
        assert counter.most_in_flight <= bound
