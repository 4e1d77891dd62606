"""A collector of one thing about every running domain: fetched in the background, kept, shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from exporter.collectors.collector import Scrape, labelled
from exporter.domain_cache import DomainCache
from exporter.events import EventHub
from exporter.exposition import Sample
from exporter.hypervisor import Hypervisor
from exporter.pace import PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import OperationInvalid
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain

T = TypeVar("T")

FIRST_WAIT_SECONDS = 2.0
"""How long the first scrapes of a connection wait for what has not been asked yet."""


class RunningDomainsCollector(ABC, Generic[T]):
    """A listener of events with a cache of its own. `changes` are events after which it is asked anew."""

    name: str
    changes: tuple[type[e.DomainEvent], ...] = (e.DomainLifecycleEvent,)

    def __init__(
        self, hypervisor: Hypervisor, events: EventHub, *, interval_seconds: float
    ) -> None:
        self.availability = hypervisor.availability
        self._cache: DomainCache[T | None] = DomainCache(
            self.name.replace("_", " "), self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._cache)
        events.listeners.append(self._heard)

    @abstractmethod
    async def ask(self, connection: PacedConnection, domain: Domain) -> T | None:
        """What is known of a running domain; None where the daemon does not tell."""

    @abstractmethod
    def samples(self, domain: Domain, known: T) -> Iterator[Sample]:
        """What is shown of it, without the labels of every sample."""

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        domains = await scrape.domains()
        self._cache.keep(domain for domain in domains if domain.id != -1)
        patience = Deadline(
            min(scrape.deadline.at, scrape.deadline.clock() + FIRST_WAIT_SECONDS),
            scrape.deadline.clock,
        )
        await self._cache.settled(patience)
        return labelled(self._shown(), scrape.labels)

    def _shown(self) -> Iterator[Sample]:
        for domain, known in self._cache:
            if known is not None:
                yield from self.samples(domain, known)

    async def _fetch(self, connection: PacedConnection, domain: Domain) -> T | None:
        try:
            return await self.ask(connection, domain)
        except OperationInvalid:
            return None  # it stopped meanwhile

    def _heard(self, event: e.Event) -> None:
        if isinstance(event, self.changes):
            self._cache.refresh(event.domain)
