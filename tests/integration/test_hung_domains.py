"""Real QEMU processes are stopped and go on: everybody else comes whole, and the daemon stays usable.

The daemon's workers are those that virt-admin tells of, all that exist less those that are free; and
the calls in flight on the exporter's connections, counted at every frame, cannot hold more of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from exporter.application import Application
from tests.support import domains, real_parts
from tests.support import libvirtd as private
from tests.support.call_counter import counted
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporting import configured, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_response

logger = logging.getLogger(__name__)

SPECS = tuple(
    DomainSpec(f"vm-{number:02}", disks=(Disk("vda"),), interfaces=(Interface(user_mode=True),))
    for number in range(10)
)
NAMES = {spec.name for spec in SPECS}
TIMEOUT_SECONDS = 5.0
AT_ONCE_SECONDS = 3.0
"""What virsh is given, whose process takes most of it on a busy machine."""
USUAL_SECONDS = 2.0
"""A scrape of ten domains takes a tenth of it on a quiet machine; a hung call would take all of five."""


@pytest.fixture(scope="module")
def host() -> Iterator[PrivateLibvirtd]:
    """A daemon with ten paused domains, whose processes the tests stop and continue."""
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        domains.create(daemon, *SPECS)
        yield daemon


@contextlib.contextmanager
def stopped(host: PrivateLibvirtd, *names: str) -> Iterator[None]:
    pids = [domains.qemu_pid(host, name) for name in names]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def busy_workers(host: PrivateLibvirtd) -> int:
    lines = host.virt_admin("server-threadpool-info", "libvirtd").splitlines()
    info = {key.strip(): int(value) for key, _, value in (line.partition(":") for line in lines)}
    return info["nWorkers"] - info["freeWorkers"]


@contextlib.asynccontextmanager
async def workers_watched(host: PrivateLibvirtd) -> AsyncIterator[list[int]]:
    """Samples of how many workers are busy, taken all the while."""
    samples: list[int] = []

    async def watch() -> None:
        while True:
            samples.append(await asyncio.to_thread(busy_workers, host))

    watching = asyncio.create_task(watch())
    try:
        yield samples
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        samples.append(await asyncio.to_thread(busy_workers, host))


@dataclass(frozen=True, slots=True)
class Scraped:
    page: ReadPage
    seconds: float
    workers: list[int]

    @property
    def whole(self) -> set[str]:
        """The domains with figures that only their QEMU tells."""
        return self._domains("libvirt_domain_disk_read_requests_total")

    @property
    def shown(self) -> set[str]:
        return self._domains("libvirt_domain_state")

    @property
    def timed_out(self) -> set[str]:
        name = "libvirt_domain_stats_timed_out"
        assert set(self.page.values(name)) <= {0.0, 1.0}
        assert self._domains(name) == NAMES
        return {one for one in NAMES if self.page.value(name, domain=one) == 1.0}

    @property
    def stuck(self) -> float:
        return self.page.value("libvirt_exporter_stuck_calls")

    def _domains(self, name: str) -> set[str]:
        return {dict(labels)["domain"] for series, labels in self.page.samples if series == name}


async def scrape(host: PrivateLibvirtd, application: Application) -> Scraped:
    async with workers_watched(host) as workers:
        started = time.monotonic()
        response = await get(application)
        seconds = time.monotonic() - started
    return Scraped(read_response(response), seconds, workers)


async def assert_daemon_answers_at_once(host: PrivateLibvirtd, name: str) -> None:
    for command in (("list", "--all"), ("domstats", name)):
        assert name in await asyncio.to_thread(host.virsh, *command, timeout=AT_ONCE_SECONDS)


@pytest.mark.parametrize("stopped_names", [("vm-03",), ("vm-00", "vm-03", "vm-04", "vm-09")])
async def test_stopped_processes_cost_only_their_own_figures(
    host: PrivateLibvirtd, stopped_names: tuple[str, ...]
) -> None:
    others = NAMES - set(stopped_names)
    config = configured(host.uri(), timeout_seconds=TIMEOUT_SECONDS)
    bound = config.libvirt.parallel + config.libvirt.max_stuck_calls
    async with counted(config) as (application, counter):
        scrapes = [await scrape(host, application)]
        assert_whole(scrapes[0])
        with stopped(host, *stopped_names):
            for number in range(4):
                hanging = await scrape(host, application)
                scrapes.append(hanging)
                assert hanging.seconds < (TIMEOUT_SECONDS if number == 0 else USUAL_SECONDS)
                assert hanging.whole == others
                assert hanging.shown == NAMES
                assert hanging.timed_out == set(stopped_names)
                assert hanging.stuck == counter.in_flight == len(stopped_names)
                assert max(hanging.workers) <= bound
                await assert_daemon_answers_at_once(host, min(others))
        # A process that goes on takes a moment to answer the call that waits for it.
        await counter.idle()
        scrapes.append(await scrape(host, application))
        assert_whole(scrapes[-1])
        assert counter.most_in_flight <= bound
    tell(scrapes)


async def test_a_host_where_everything_is_stopped_stays_usable(host: PrivateLibvirtd) -> None:
    config = configured(host.uri(), timeout_seconds=TIMEOUT_SECONDS)
    bound = config.libvirt.parallel + config.libvirt.max_stuck_calls
    async with counted(config) as (application, counter):
        scrapes = []
        with stopped(host, *NAMES):
            for _ in range(3):
                hanging = await scrape(host, application)
                scrapes.append(hanging)
                assert hanging.seconds < TIMEOUT_SECONDS
                assert hanging.shown == hanging.timed_out == NAMES
                assert max(hanging.workers) <= bound
                listed = await asyncio.to_thread(host.virsh, "list", timeout=AT_ONCE_SECONDS)
                assert all(name in listed for name in NAMES)
        # A process that goes on takes a moment to answer the call that waits for it.
        await counter.idle()
        scrapes.append(await scrape(host, application))
        assert_whole(scrapes[-1])
        assert counter.most_in_flight <= bound
    tell(scrapes)


def assert_whole(scraped: Scraped) -> None:
    assert scraped.whole == scraped.shown == NAMES
    assert not scraped.timed_out
    assert scraped.stuck == 0
    page = scraped.page
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1
    assert page.value("libvirt_exporter_reconnects_total") == 0


def tell(scrapes: list[Scraped]) -> None:
    """The measured figures, for who runs it with --log-cli-level=info."""
    for one in scrapes:
        logger.info("%.3f s, at most %d workers busy", one.seconds, max(one.workers))
