"""One scrape: a deadline, every collector, and the figures about the scrape itself.

Scrapes that overlap share one collection. A scrape never waits for a connection: without one the page
says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence

from exporter.availability import reason_of
from exporter.collectors.collector import Collector, DomainList, NotListed, Scrape
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
    SERIES_DROPPED,
)
from exporter.series_cap import SeriesCap
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError

logger = logging.getLogger(__name__)

HURRY_SECONDS = 0.3
GRACE_SECONDS = 0.25
"""Beyond the deadline: a collector that keeps to it by itself has as much of its page as can be."""
LONGEST_WAIT_SECONDS = 0.1
"""The deadline may be brought forward meanwhile."""


class NotEnded(Exception):
    """The collector still works for an earlier scrape, which has given it up."""


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
        max_series: int = 0,
    ) -> None:
        """`max_series` is how many a page may have of this hypervisor; 0 is no bound."""
        self.hypervisor = hypervisor
        self.collectors = collectors
        self.labels = labels
        self._min_interval = min_interval_seconds
        self._clock = clock
        self._cap = SeriesCap(max_series)
        self.failures: dict[str, str] = {}
        """What failed in the last scrape, by collector, as a sentence."""
        self.reasons: dict[str, str] = {}
        """Why a collector has nothing for good, as `reason_of` has it, in the last scrape."""
        self._unended: dict[str, asyncio.Task[Iterable[Sample] | None]] = {}
        """Runs of collectors that go on though they were cancelled."""
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
        self.failures, self.reasons = {}, {}
        page = Page()
        failed = False
        if self.hypervisor.is_connected:
            domains = DomainList()
            scrapes = [
                Scrape(self.hypervisor, Page(), deadline, self.labels, self._clock, domains)
                for _ in self.collectors
            ]
            runs = [
                self._run(collector, scrape)
                for collector, scrape in zip(self.collectors, scrapes, strict=True)
            ]
            failed = not all(await asyncio.gather(*runs))
            for scrape in scrapes:
                page.add_page(scrape.page)
            names = [collector.name for collector in self.collectors]
            page.add(self.hypervisor.availability.samples(self.labels, without=names))
        self._cap.apply(page)
        # It may have been lost meanwhile.
        connected = self.hypervisor.is_connected
        self.has_failed = failed or not connected
        self._describe_connection(page, connected=connected)
        own = self.labels
        page.add(
            [
                Sample(SCRAPES, self._scrapes, own),
                Sample(SERIES_DROPPED, self._cap.dropped, own),
                Sample(LAST_SCRAPE_ERROR, int(self.has_failed), own),
                Sample(LAST_SCRAPE_DURATION, round(time.monotonic() - started, 6), own),
            ]
        )
        return page

    async def _run(self, collector: Collector, scrape: Scrape) -> bool:
        """Whether nothing failed; that libvirt does not offer what the collector needs is no failure."""
        started = time.monotonic()
        reason = failure = ""
        try:
            samples = await self._collected(collector, scrape)
            scrape.page.add(samples or ())
        except NotListed as exc:
            failure = str(exc)
        except LibvirtRPCError as exc:
            failure = timeless(exc)
            self._states.failed(collector.name, f"collector {collector.name}: {failure}")
            reason = reason_of(exc)
        except NotEnded:
            # The deadline that it missed has been said.
            failure = "its last run has not ended"
        except TimeoutError:
            failure = "it missed the deadline"
            self._states.failed(collector.name, f"collector {collector.name} missed the deadline")
        except Exception as exc:
            failure = f"it raised {type(exc).__name__}: {exc}"
            logger.exception("collector %s failed", collector.name)
        else:
            self._states.recovered(collector.name, f"collector {collector.name} works again")
        reason = reason or self.hypervisor.availability.reason(collector.name)
        success = not failure
        if failure:
            self.failures[collector.name] = failure
        if reason:
            self.reasons[collector.name] = reason
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

    async def _collected(self, collector: Collector, scrape: Scrape) -> Iterable[Sample] | None:
        """What the collector gives. Raises TimeoutError where it does not end by the deadline.

        One whose last run goes on, though it was cancelled, is not run again: raises NotEnded.
        """
        before = self._unended.get(collector.name)
        if before is not None and not before.done():
            raise NotEnded
        task = asyncio.ensure_future(collector.collect(scrape))
        while (left := _left(collector, scrape.deadline)) > 0 and not task.done():
            await asyncio.wait((task,), timeout=min(left, LONGEST_WAIT_SECONDS))
        if not task.done():
            task.cancel()
            task.add_done_callback(_retrieve)
            self._unended[collector.name] = task
            raise TimeoutError
        self._unended.pop(collector.name, None)
        if task.cancelled():
            # By itself: who waits for the page is not to be cancelled with it.
            raise RuntimeError("it was cancelled")
        return task.result()

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


def _left(collector: Collector, deadline: Deadline) -> float:
    """Seconds until a collector is given up."""
    grace = GRACE_SECONDS if getattr(collector, "keeps_deadline", False) else 0.0
    return deadline.at + grace - deadline.clock()


def _retrieve(task: asyncio.Task[Iterable[Sample] | None]) -> None:
    if not task.cancelled():
        task.exception()
