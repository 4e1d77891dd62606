"""The domains' jobs: what runs, how far it has come, and how the last one ended.

libvirt does not say that a job has begun. Every running domain is asked in turn in the background, and a
domain with a job on every scrape; that one has ended, and its figures, comes as an event.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.collectors.collector import Scrape, domain_labels
from exporter.domain_cache import DomainCache, first_values
from exporter.events import EventHub
from exporter.exposition import Sample
from exporter.hypervisor import Hypervisor
from exporter.metrics.jobs import (
    JOB_ACTIVE,
    JOB_FIGURES,
    LAST_JOB_SUCCESS,
    LAST_JOB_TIMESTAMP,
    JobFigure,
)
from exporter.pace import NotAsked, PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    DomainEventType,
    DomainGetJobStatsFlags,
    DomainJobOperation,
    DomainJobType,
)
from libvirt_rpc.errors import (
    CallTimeout,
    InvalidArgument,
    OperationInvalid,
    RemoteError,
)
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import Domain

PART = "domain_jobs"
SCRAPE_PATIENCE_SECONDS = 1.0

_RUNNING = (DomainJobType.BOUNDED, DomainJobType.UNBOUNDED)
# Without the second flag the daemon would forget the job: nothing of a hypervisor is ever changed.
_LAST = DomainGetJobStatsFlags.COMPLETED | DomainGetJobStatsFlags.KEEP_COMPLETED


@dataclass(frozen=True, slots=True)
class Job:
    """A job's parameters. `ended_at` is Unix time, None where nobody saw it end."""

    operation: str
    figures: Mapping[str, TypedValue]
    is_success: bool = True
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a domain has: the job that runs and the last one that ended."""

    running: Job | None = None
    last: Job | None = None


class DomainJobsCollector:
    """A listener of events, and a watcher of the connection with a cache of its own."""

    name = "domain_jobs"

    def __init__(
        self,
        hypervisor: Hypervisor,
        events: EventHub,
        *,
        interval_seconds: float,
    ) -> None:
        self._availability = hypervisor.availability
        self._clock = events.clock
        self._cache: DomainCache[Jobs] = DomainCache(
            "jobs", self._fetch, interval_seconds=interval_seconds
        )
        self._last: dict[uuid.UUID, Job] = {}
        self._asked_for_last: set[uuid.UUID] = set()
        hypervisor.watchers.append(self)
        events.listeners.append(self._heard)

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        domains = await scrape.domains()
        listed = {domain.uuid for domain in domains}
        self._last = {key: job for key, job in self._last.items() if key in listed}
        self._asked_for_last &= listed
        self._cache.keep(domain for domain in domains if domain.id != -1)
        await first_values(self._cache, scrape.deadline)
        await self._ask_busy_ones(scrape)
        return list(self._samples(domains, scrape))

    async def begin(self, connection: PacedConnection) -> None:
        # Jobs that ended while there was no connection were no events.
        self._asked_for_last = set()
        await self._cache.begin(connection)

    async def watch(self, connection: PacedConnection) -> None:
        await self._cache.watch(connection)

    async def _ask_busy_ones(self, scrape: Scrape) -> None:
        busy = [domain for domain, jobs in self._cache if jobs.running is not None]
        deadline = Deadline(
            min(scrape.deadline.at, scrape.deadline.clock() + SCRAPE_PATIENCE_SECONDS),
            scrape.deadline.clock,
        )
        await asyncio.gather(*(self._ask_again(scrape.connection, one, deadline) for one in busy))

    async def _ask_again(
        self, connection: PacedConnection, domain: Domain, deadline: Deadline
    ) -> None:
        try:
            running = await self._running(connection, domain, deadline)
        except (NotAsked, CallTimeout, RemoteError):
            # What was known of it is old: an unknown value is absent.
            self._cache.drop(domain)
            self._cache.refresh(domain)
        else:
            self._cache.put(domain, Jobs(running))

    async def _fetch(self, connection: PacedConnection, domain: Domain) -> Jobs:
        try:
            running = await self._running(connection, domain, None)
        except OperationInvalid:
            return Jobs()  # it stopped meanwhile
        if domain.uuid not in self._asked_for_last:
            await self._ask_for_last(connection, domain)
        return Jobs(running)

    async def _running(
        self, connection: PacedConnection, domain: Domain, deadline: Deadline | None
    ) -> Job | None:
        reply = await self._availability.ask(
            PART, lambda: connection.domain_get_job_stats(domain, deadline=deadline)
        )
        if reply is None:
            return None
        kind, figures = reply
        return _job(figures) if kind in _RUNNING else None

    async def _ask_for_last(self, connection: PacedConnection, domain: Domain) -> None:
        """Once a connection: later ones come as events."""
        try:
            reply = await self._availability.ask(
                f"{PART}.last", lambda: connection.domain_get_job_stats(domain, _LAST)
            )
        except InvalidArgument:
            # A daemon from before libvirt 6.0, which could tell it once only.
            self._availability.switch_off(f"{PART}.last", "too_old")
            return
        except OperationInvalid:
            return
        self._asked_for_last.add(domain.uuid)
        if reply is not None and reply[1]:
            known = self._last.get(domain.uuid)
            if known is None or any(
                known.figures.get(name) != value for name, value in reply[1].items()
            ):
                self._last[domain.uuid] = _job(reply[1])

    def _heard(self, event: e.Event) -> None:
        match event:
            case e.DomainJobCompletedEvent():
                figures = {one.field: one.value for one in event.params}
                self._last[event.domain.uuid] = _job(figures, round(self._clock(), 3))
                self._asked_for_last.add(event.domain.uuid)
                self._cache.drop(event.domain)
                self._cache.refresh(event.domain)
            case e.DomainMigrationIterationEvent():
                self._cache.refresh(event.domain)
            case e.DomainLifecycleEvent() if event.event in (
                DomainEventType.SUSPENDED,
                DomainEventType.STARTED,
                DomainEventType.RESUMED,
            ):
                self._cache.refresh(event.domain)

    def _samples(self, domains: Iterable[Domain], scrape: Scrape) -> Iterator[Sample]:
        for domain in domains:
            jobs = self._cache.get(domain)
            running = jobs.running if jobs is not None else None
            if running is not None:
                labels = (*domain_labels(domain), ("operation", running.operation), *scrape.labels)
                yield Sample(JOB_ACTIVE, 1, labels)
                for figure, value in _figures(running):
                    yield Sample(figure.running, value, labels)
            last = self._last.get(domain.uuid)
            if last is not None:
                labels = (*domain_labels(domain), ("operation", last.operation), *scrape.labels)
                for figure, value in _figures(last):
                    yield Sample(figure.last, value, labels)
                yield Sample(LAST_JOB_SUCCESS, int(last.is_success), labels)
                if last.ended_at is not None:
                    yield Sample(LAST_JOB_TIMESTAMP, last.ended_at, labels)


def _job(figures: Mapping[str, TypedValue], ended_at: float | None = None) -> Job:
    operation = DomainJobOperation(int(figures.get("operation", 0)))
    return Job(operation.label, figures, bool(figures.get("success", True)), ended_at)


def _figures(job: Job) -> Iterator[tuple[JobFigure, float]]:
    """What the job tells, in Prometheus' units."""
    for figure in JOB_FIGURES:
        value = job.figures.get(figure.parameter)
        factor = 1 if figure.per is None else job.figures.get(figure.per)
        if isinstance(value, str) or isinstance(factor, str) or value is None or factor is None:
            continue
        scaled = value * factor * figure.scale.multiplier
        yield figure, scaled / figure.scale.divisor if figure.scale.divisor > 1 else scaled
