"""What the domains are: their XML's names, devices and metadata, and what libvirt keeps of them.

Nothing is asked on the scrape: the inventory knows it already, but for the first scrape of a connection,
which waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.collectors.collector import Scrape
from exporter.domain_xml import keeping_samples, metadata_samples
from exporter.exposition import Labels, Page, Sample
from exporter.filters import Filters
from exporter.inventory import Inventory
from libvirt_rpc.protocol.types import Domain

RESERVE_SECONDS = 0.25
"""Kept of the deadline for putting the page together."""


class DomainInfoCollector:
    """The page is made anew only when something changed."""

    name = "domain_info"

    def __init__(self, inventory: Inventory, filters: Filters | None = None) -> None:
        self._inventory = inventory
        self._filters = filters or Filters()
        self._made_of: object = None
        self._page = Page()

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        domains = await scrape.domains()
        await self._inventory.settled(scrape.deadline, reserve_seconds=RESERVE_SECONDS)
        identity = scrape.hypervisor.identity
        kind = identity.type if identity is not None else ""
        made_of = (domains, kind, self._inventory.version)
        if made_of != self._made_of:
            self._page = Page()
            self._page.add(self._samples(domains, kind, scrape.labels))
            self._made_of = made_of
        scrape.page.add_page(self._page)
        return ()

    def _samples(self, domains: Iterable[Domain], kind: str, labels: Labels) -> Iterator[Sample]:
        for domain in domains:
            metadata = self._inventory.get(domain)
            if metadata is not None:
                samples = metadata_samples(domain.name, domain.uuid, kind, metadata)
                shown = (one for one in samples if self._filters.labels(one.labels))
                yield from _labelled(shown, labels)
            keeping = self._inventory.keeping(domain)
            yield from _labelled(keeping_samples(domain.name, domain.uuid, kind, keeping), labels)


def _labelled(samples: Iterable[Sample], labels: Labels) -> Iterable[Sample]:
    if not labels:
        return samples
    return (Sample(one.family, one.value, (*one.labels, *labels)) for one in samples)
