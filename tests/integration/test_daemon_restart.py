"""libvirtd restarts or dies under the exporter, which goes on; so do the domains."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvirt_rpc.protocol import procedures as p
from tests.support import domains, real_parts
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporter_process import ExporterProcess, exporter_process, poll
from tests.support.exporting import configured, exporting, get
from tests.support.libvirtd import PrivateLibvirtd, missing_part
from tests.support.pages import ReadPage, read_response

SURVIVOR = DomainSpec("survivor", disks=(Disk("vda"),), interfaces=(Interface(),))


@pytest.fixture(scope="module")
def restartable() -> Iterator[PrivateLibvirtd]:
    """A daemon with one paused domain, running again after each test."""
    reason = missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        domains.create(daemon, SURVIVOR)
        yield daemon


def age(pid: int) -> float:
    """Seconds since a process started, by the kernel."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def assert_survivor_is_there(page: ReadPage, libvirtd: PrivateLibvirtd) -> None:
    pid = domains.qemu_pid(libvirtd, SURVIVOR.name)
    assert page.value("libvirt_domain_state", domain=SURVIVOR.name) == 3
    assert page.value("libvirt_domain_uptime_seconds", domain=SURVIVOR.name) == pytest.approx(
        age(pid), abs=1
    )
    assert page.values("libvirt_domain_disk_read_bytes_total", domain=SURVIVOR.name, disk="vda")
    assert page.value("libvirt_exporter_last_scrape_error") == 0


def wait_for(exporter: ExporterProcess, *, connected: bool) -> ReadPage:
    """Scrapes until the exporter says so; every page on the way is a good one."""
    pages: list[ReadPage] = []

    def is_so() -> bool:
        pages.append(exporter.scrape())
        return pages[-1].value("libvirt_exporter_connected") == connected

    poll(is_so, f"connected is {connected}")
    return pages[-1]


def test_it_recovers_by_itself_from_a_restart(restartable: PrivateLibvirtd) -> None:
    flags = (f"--libvirt.uri={restartable.uri()}", "--libvirt.reconnect-interval=1s")
    pid = domains.qemu_pid(restartable, SURVIVOR.name)
    with exporter_process(*flags) as exporter:
        first = wait_for(exporter, connected=True)
        assert_survivor_is_there(first, restartable)
        assert first.value("libvirt_exporter_reconnects_total") == 0
        restartable.stop()
        lost = wait_for(exporter, connected=False)
        assert SURVIVOR.name not in lost.domain_names
        assert lost.value("libvirt_exporter_last_scrape_error") == 1
        restartable.start()
        again = wait_for(exporter, connected=True)
        assert_survivor_is_there(again, restartable)
        assert again.value("libvirt_exporter_reconnects_total") == 1
        messages = [str(line["message"]) for line in exporter.log_lines()]
    assert domains.qemu_pid(restartable, SURVIVOR.name) == pid
    assert sum(message == "connected to libvirt" for message in messages) == 2
    assert sum(message.startswith("lost libvirt") for message in messages) == 1


async def test_it_survives_a_daemon_that_is_killed_in_mid_call(
    restartable: PrivateLibvirtd,
) -> None:
    uri = restartable.uri()
    config = configured(uri, timeout_seconds=30.0, reconnect_interval_seconds=1.0)
    async with exporting(config) as application:
        connection = application.hypervisor.connection
        assert connection is not None
        os.kill(restartable.pid, signal.SIGSTOP)  # so that the call is surely under way
        scrape = asyncio.create_task(get(application))
        while not connection.session.outstanding:
            await asyncio.sleep(0)
        began = time.monotonic()
        await asyncio.to_thread(restartable.kill)
        page = read_response(await scrape)
        assert time.monotonic() - began < 5
        assert page.value("libvirt_exporter_connected") == 0
        assert page.value("libvirt_exporter_last_scrape_error") == 1
        assert (
            page.value(
                "libvirt_exporter_rpc_errors_total",
                procedure=p.CONNECT_LIST_ALL_DOMAINS.name,
                code="connection",
            )
            == 1
        )
        await asyncio.to_thread(restartable.start)
        async with asyncio.timeout(20):
            while not application.hypervisor.is_connected:
                await asyncio.sleep(0.05)
        again = read_response(await get(application))
        assert_survivor_is_there(again, restartable)
        assert again.value("libvirt_exporter_reconnects_total") == 1


async def test_a_domain_that_was_restarted_meanwhile_is_young(
    restartable: PrivateLibvirtd,
) -> None:
    config = configured(restartable.uri(), reconnect_interval_seconds=1.0)
    async with exporting(config) as application:
        before = read_response(await get(application))
        assert_survivor_is_there(before, restartable)
        # The new daemon counts the domains' ids from 1 again.
        await asyncio.to_thread(domains.destroy, restartable, [SURVIVOR])
        await asyncio.to_thread(restartable.restart)
        await asyncio.to_thread(domains.start, restartable, SURVIVOR)
        async with asyncio.timeout(20):
            while not application.hypervisor.is_connected:
                await asyncio.sleep(0.05)
        after = read_response(await get(application))
    assert_survivor_is_there(after, restartable)
    name = "libvirt_domain_start_time_seconds"
    assert after.value(name, domain="survivor") > before.value(name, domain="survivor")
