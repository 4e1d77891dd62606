"""Block jobs: copies, commits, pulls and backups of disks, with how far they have come.

As with the domains' jobs, nothing says that one has begun: disks are asked in turn in the background, and
those that have one on every scrape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from exporter.collectors.collector import Scrape, domain_labels
from exporter.domain_cache import DomainCache, first_values
from exporter.events import EventHub
from exporter.exposition import Sample
from exporter.filters import Filters
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.metrics.jobs import (
    BLOCK_JOB_ACTIVE,
    BLOCK_JOB_BANDWIDTH,
    BLOCK_JOB_PROCESSED,
    BLOCK_JOB_TOTAL,
)
from exporter.pace import NotAsked, PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainBlockJobType
from libvirt_rpc.errors import CallTimeout, InvalidArgument, OperationInvalid, RemoteError
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain, DomainBlockJobInfo

PART = "block_jobs"
SCRAPE_PATIENCE_SECONDS = 1.0
DOCUMENTS_SECONDS = 30.0
_WITHOUT_JOBS = ("cdrom", "floppy")


@dataclass(frozen=True, slots=True)
class BlockJobs:
    """The jobs of one domain's disks, by the disk's target."""

    by_disk: Mapping[str, DomainBlockJobInfo]


class BlockJobsCollector:
    """A listener of events with a cache of its own."""

    name = "block_jobs"

    def __init__(
        self,
        hypervisor: Hypervisor,
        events: EventHub,
        inventory: Inventory,
        *,
        interval_seconds: float,
        filters: Filters | None = None,
    ) -> None:
        self._availability = hypervisor.availability
        self._inventory = inventory
        self._filters = filters or Filters()
        self._cache: DomainCache[BlockJobs] = DomainCache(
            "block jobs", self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._cache)
        events.listeners.append(self._heard)

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        domains = await scrape.domains()
        self._cache.keep(domain for domain in domains if domain.id != -1)
        await first_values(self._cache, scrape.deadline)
        deadline = Deadline(
            min(scrape.deadline.at, scrape.deadline.clock() + SCRAPE_PATIENCE_SECONDS),
            scrape.deadline.clock,
        )
        busy = [(domain, jobs) for domain, jobs in self._cache if jobs.by_disk]
        await asyncio.gather(
            *(
                self._ask_again(scrape.connection, domain, list(jobs.by_disk), deadline)
                for domain, jobs in busy
            )
        )
        return list(self._samples(scrape))

    async def _ask_again(
        self, connection: PacedConnection, domain: Domain, disks: Iterable[str], deadline: Deadline
    ) -> None:
        try:
            self._cache.put(domain, await self._ask(connection, domain, disks, deadline))
        except (NotAsked, CallTimeout, RemoteError):
            # What was known of it is old: an unknown value is absent.
            self._cache.drop(domain)
            self._cache.refresh(domain)

    async def _fetch(self, connection: PacedConnection, domain: Domain) -> BlockJobs:
        # Of a new connection the documents come first.
        await self._inventory.settled(Deadline.after(DOCUMENTS_SECONDS))
        metadata = self._inventory.get(domain)
        disks = metadata.disks if metadata is not None else ()
        targets = [
            disk.target
            for disk in disks
            if disk.device not in _WITHOUT_JOBS and self._filters.disk(disk.target)
        ]
        try:
            return await self._ask(connection, domain, targets, None)
        except OperationInvalid:
            return BlockJobs({})  # it stopped meanwhile

    async def _ask(
        self,
        connection: PacedConnection,
        domain: Domain,
        disks: Iterable[str],
        deadline: Deadline | None,
    ) -> BlockJobs:
        found = {}
        for disk in disks:
            try:
                ask = partial(connection.domain_get_block_job_info, domain, disk, deadline=deadline)
                info = await self._availability.ask(PART, ask)
            except InvalidArgument:
                continue  # unplugged meanwhile
            if info is not None:
                found[disk] = info
        return BlockJobs(found)

    def _heard(self, event: e.Event) -> None:
        match event:
            case e.DomainBlockJob2Event() | e.DomainBlockJobEvent():
                self._cache.refresh(event.domain)

    def _samples(self, scrape: Scrape) -> Iterator[Sample]:
        for domain, jobs in self._cache:
            for disk, job in jobs.by_disk.items():
                kind = DomainBlockJobType(job.type).label
                own = (*domain_labels(domain), ("disk", disk), ("type", kind), *scrape.labels)
                yield Sample(BLOCK_JOB_ACTIVE, 1, own)
                yield Sample(BLOCK_JOB_PROCESSED, job.cur, own)
                yield Sample(BLOCK_JOB_TOTAL, job.end, own)
                if job.bandwidth:
                    yield Sample(BLOCK_JOB_BANDWIDTH, job.bandwidth, own)
