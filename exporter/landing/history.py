"""What was last scraped of each hypervisor, and the counters of the scrape before: enough for rates.

Nothing is parsed here: it costs a scrape next to nothing where nobody looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from exporter.exposition import Page
from exporter.hypervisor import Hypervisor
from exporter.target import Target

__all__ = ["COUNTERS", "PageHistory", "Scraped"]

COUNTERS = (
    "libvirt_domain_cpu_time_seconds_total",
    "libvirt_domain_disk_read_bytes_total",
    "libvirt_domain_disk_write_bytes_total",
    "libvirt_domain_network_receive_bytes_total",
    "libvirt_domain_network_transmit_bytes_total",
)

SHORTEST_SPAN_SECONDS = 2.0
"""Two Prometheus that scrape one after the other make no rate: figures of libvirt are coarser."""
STALE_SECONDS = 60.0
SOON_SECONDS = 5.0
"""A second scrape so soon behind the only one is worth its cost: it gives the rates."""
LONGEST_WAIT_SECONDS = 3.0
"""A page comes without the scrape that it asked for, rather than late."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """A page as it was served, and the counters' lines of an earlier one, by their families."""

    page: Page
    at: float
    """Unix time."""
    data_time: float
    """The same by the clock of the data, which is the recording's where one is played."""
    earlier: Mapping[str, bytes]
    earlier_data_time: float | None = None


class PageHistory:
    """`clock` gives the time of the data."""

    def __init__(
        self, clock: Callable[[], float] = time.time, now: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._now = now
        self._scraped: dict[Hypervisor, Scraped] = {}

    def note(self, target: Target, page: Page) -> None:
        """Takes note of a page that was scraped of a target."""
        last = self._scraped.get(target.hypervisor)
        if last is not None and last.page is page:
            return
        data_time = self._clock()
        earlier: Mapping[str, bytes] = {}
        earlier_data_time = None
        if last is not None and data_time - last.data_time >= SHORTEST_SPAN_SECONDS:
            earlier = {name: last.page.lines(name) for name in COUNTERS}
            earlier_data_time = last.data_time
        elif last is not None and data_time >= last.data_time:
            earlier, earlier_data_time = last.earlier, last.earlier_data_time
        self._scraped[target.hypervisor] = Scraped(
            page, self._now(), data_time, earlier, earlier_data_time
        )

    def last(self, target: Target) -> Scraped | None:
        return self._scraped.get(target.hypervisor)

    def forget_others(self, targets: Iterable[Target]) -> None:
        """Drops what was scraped of all but these."""
        present = {target.hypervisor for target in targets}
        self._scraped = {one: kept for one, kept in self._scraped.items() if one in present}

    async def refresh(
        self, targets: Iterable[Target], scrape: Callable[[Target], Awaitable[object]]
    ) -> None:
        """Has those scraped that nobody has scraped for a while; waits for them, but not for long."""
        tasks = [asyncio.ensure_future(scrape(one)) for one in targets if self._is_due(one)]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=LONGEST_WAIT_SECONDS)
        for task in tasks:
            if task in late:
                # It goes on: what it scrapes is there for the next look.
                task.add_done_callback(_retrieve)
            else:
                _retrieve(task)

    def _is_due(self, target: Target) -> bool:
        if not target.hypervisor.is_connected:
            return False
        last = self._scraped.get(target.hypervisor)
        if last is None:
            return True
        age = self._now() - last.at
        return age >= STALE_SECONDS or (last.earlier_data_time is None and age >= SOON_SECONDS)


def _retrieve(task: asyncio.Future[object]) -> None:
    if not task.cancelled():
        task.exception()
