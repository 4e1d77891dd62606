"""The list of domains for the other collectors, where nobody asks for statistics."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.collectors.collector import Scrape
from exporter.collectors.domain_stats import choose_domains
from exporter.exposition import Sample
from exporter.filters import Filters
from exporter.inventory import Inventory


class DomainListCollector:
    """One call a scrape. A filter by state counts only as far as a domain runs or not."""

    name = "domain_list"

    def __init__(self, inventory: Inventory, filters: Filters) -> None:
        self._inventory = inventory
        self._filters = filters

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        try:
            listed = await scrape.connection.list_all_domains(deadline=scrape.deadline)
            unique = {domain.uuid: domain for domain in listed}
            domains = tuple(sorted(unique.values(), key=lambda one: (one.name, one.uuid)))
            running = {domain.uuid for domain in domains if domain.id != -1}
            scrape.hypervisor.pace.release_lost(running)
            chosen = await choose_domains(self._filters, self._inventory, domains, scrape.deadline)
            scrape.domain_list.announce(chosen)
        finally:
            scrape.domain_list.fail()
        return ()
