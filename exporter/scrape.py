"""One scrape: a deadline, every collector, and the figures about the scrape itself.

Scrapes that overlap share one collection. A scrape never waits for a connection: without one the page
says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from exporter.collectors.collector import Collector, Scrape
from exporter.exposition import Labels, Page, Sample
from exporter.hypervisor import Hypervisor, timeless
from exporter.logs import StateLogger
from exporter.metrics.own import (
    CERTIFICATE_EXPIRY,
    COLLECTOR_AVAILABLE,
    COLLECTOR_DURATION,
    COLLECTOR_SUCCESS,
    CONNECTED,
    CONNECTION_INFO,
    LAST_SCRAPE_DURATION,
    LAST_SCRAPE_ERROR,
    RECONNECTS,
    SCRAPES,
)
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import AccessDenied, LibvirtRPCError, NoSupport, OperationDenied

logger = logging.getLogger(__name__)

HURRY_SECONDS = 0.3


_UNAVAILABLE: dict[type[LibvirtRPCError], str] = {
    NoSupport: "unsupported",
    OperationDenied: "denied",
    AccessDenied: "denied",
}
"""Refusals that will be the same the next time, and what the metric calls them."""


class Scraper:
    """Scrapes one hypervisor with its collectors."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        collectors: Sequence[Collector],
        *,
        labels: Labels = (),
        min_interval_seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hypervisor = hypervisor
        self.collectors = collectors
        self.labels = labels
        self._min_interval = min_interval_seconds
        self._clock = clock
        self.has_failed = False
        """The last scrape, wholly or in part."""
        self._scrapes = 0
        self._deadline = Deadline.after(0)
        self._running: asyncio.Task[Page] | None = None
        self._last: tuple[float, Page] | None = None
        self._states = StateLogger(logger)

    async def scrape(self, timeout_seconds: float | None = None) -> Page:
        """A page by `timeout_seconds` at the latest, or by the configured timeout where that is less."""
        seconds = self.hypervisor.config.timeout_seconds
        if timeout_seconds is not None:
            seconds = min(seconds, timeout_seconds)
        deadline = Deadline.after(seconds)
        if self._last is not None and time.monotonic() - self._last[0] < self._min_interval:
            return self._last[1]
        if self._running is None:
            self._deadline = deadline
            self._running = asyncio.create_task(self._collect(deadline))
            self._running.add_done_callback(self._ended)
        else:
            self._deadline.bring_forward(deadline.at)
        # A client that goes away does not take the others' page with it.
        return await asyncio.shield(self._running)

    def hurry(self) -> None:
        """Lets the running scrape end soon, with what is there by then: the exporter shall end."""
        self._deadline.bring_forward(Deadline.after(HURRY_SECONDS).at)

    def _ended(self, task: asyncio.Task[Page]) -> None:
        self._running = None
        if not task.cancelled() and task.exception() is None:
            self._last = (time.monotonic(), task.result())

    async def _collect(self, deadline: Deadline) -> Page:
        started = time.monotonic()
        self._scrapes += 1
        page = Page()
        scrape = Scrape(self.hypervisor, page, deadline, self.labels, self._clock)
        failed = False
        if self.hypervisor.is_connected:
            for collector in self.collectors:
                failed = not await self._run(collector, scrape) or failed
        # It may have been lost meanwhile.
        connected = self.hypervisor.is_connected
        self.has_failed = failed or not connected
        self._describe_connection(page, connected=connected)
        own = self.labels
        page.add(
            [
                Sample(SCRAPES, self._scrapes, own),
                Sample(LAST_SCRAPE_ERROR, int(self.has_failed), own),
                Sample(LAST_SCRAPE_DURATION, round(time.monotonic() - started, 6), own),
            ]
        )
        return page

    async def _run(self, collector: Collector, scrape: Scrape) -> bool:
        """Whether nothing failed; that libvirt does not offer what the collector needs is no failure."""
        started = time.monotonic()
        reason = ""
        try:
            await collector.collect(scrape)
        except LibvirtRPCError as exc:
            self._states.failed(collector.name, f"collector {collector.name}: {timeless(exc)}")
            success = False
            reason = _UNAVAILABLE.get(type(exc), "")
        except Exception:
            logger.exception("collector %s failed", collector.name)
            success = False
        else:
            self._states.recovered(collector.name, f"collector {collector.name} works again")
            success = True
        labels = (("collector", collector.name), *self.labels)
        seconds = round(time.monotonic() - started, 6)
        scrape.page.add(
            [
                Sample(COLLECTOR_DURATION, seconds, labels),
                Sample(COLLECTOR_SUCCESS, int(success), labels),
                Sample(COLLECTOR_AVAILABLE, int(not reason), (*labels, ("reason", reason))),
            ]
        )
        return success or bool(reason)

    def _describe_connection(self, page: Page, *, connected: bool) -> None:
        hypervisor = self.hypervisor
        info = (
            ("uri", hypervisor.uri.redacted),
            ("connected", "true" if connected else "false"),
            *self.labels,
        )
        page.add(
            [
                Sample(CONNECTION_INFO, 1, info),
                Sample(CONNECTED, int(connected), self.labels),
                Sample(RECONNECTS, hypervisor.reconnects, self.labels),
            ]
        )
        if hypervisor.connection is not None:
            page.add(
                Sample(CERTIFICATE_EXPIRY, expiry, (("certificate", kind), *self.labels))
                for kind, expiry in hypervisor.connection.session.certificates.items()
            )
