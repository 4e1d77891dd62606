"""What every collector is: a name, and one entry point that gives samples by a deadline.

A plugin is a collector too; docs/plugins.md is written for its author.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from exporter.exposition import Labels, Page, Sample
from exporter.hypervisor import Hypervisor
from exporter.pace import PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError
from libvirt_rpc.protocol.types import Domain

T = TypeVar("T")


class NotListed(LibvirtRPCError):
    """There is no list of domains in this scrape; what failed has been said by whoever asked for it."""

    def __str__(self) -> str:
        return "the domains could not be listed"


class DomainList:
    """The domains of one scrape: listed once, for whoever waits for them."""

    def __init__(self) -> None:
        self._listed: asyncio.Future[tuple[Domain, ...]] = (
            asyncio.get_running_loop().create_future()
        )
        self._listed.add_done_callback(_retrieve)

    def announce(self, domains: Sequence[Domain]) -> None:
        if not self._listed.done():
            self._listed.set_result(tuple(domains))

    def fail(self) -> None:
        """There is no list, unless there was one already."""
        if not self._listed.done():
            self._listed.set_exception(NotListed())

    async def get(self) -> tuple[Domain, ...]:
        """Raises NotListed."""
        return await asyncio.shield(self._listed)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape of one hypervisor, for one collector.

    `page` is where a collector puts what shall stay even if it fails later; what it returns is put there
    too. `labels` go onto every sample; `clock` gives Unix time.
    """

    hypervisor: Hypervisor
    page: Page
    deadline: Deadline
    labels: Labels
    clock: Callable[[], float]
    domain_list: DomainList = field(default_factory=DomainList)

    @property
    def connection(self) -> PacedConnection:
        """Libvirt's API, at a pace that harms nobody. Raises SessionClosed where there is none."""
        return self.hypervisor.paced

    async def domains(self) -> tuple[Domain, ...]:
        """The domains of this scrape, after the filters. Raises NotListed."""
        return await self.domain_list.get()

    async def ask(self, part: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """Of what not every daemon offers: its answer, or None where this one does not offer it.

        Such a refusal is remembered until the next connection and shown as
        libvirt_exporter_collector_available{collector=part}. Raises every other LibvirtRPCError.
        """
        return await self.hypervisor.availability.ask(part, call)


class Collector(Protocol):
    """`collect` raises LibvirtRPCError where it has nothing; what it has put on the page by then stays.

    It is given until the deadline of the scrape, and cancelled behind it.
    """

    name: str

    async def collect(self, scrape: Scrape) -> Iterable[Sample] | None: ...


def domain_labels(domain: Domain, labels: Labels = ()) -> Labels:
    """The labels of a series of one of a domain's parts."""
    return (("domain", domain.name), ("uuid", str(domain.uuid)), *labels)


def labelled(samples: Iterable[Sample], labels: Labels) -> Iterable[Sample]:
    """The samples with `labels` behind their own."""
    if not labels:
        return samples
    return (Sample(one.family, one.value, (*one.labels, *labels)) for one in samples)


def _retrieve(future: asyncio.Future[tuple[Domain, ...]]) -> None:
    if not future.cancelled():
        future.exception()


__all__ = ["Collector", "DomainList", "NotListed", "Scrape", "domain_labels", "labelled"]
