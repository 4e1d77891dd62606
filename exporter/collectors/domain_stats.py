"""The domains' bulk statistics: state, CPU, memory, vCPUs, disks, interfaces, and their age."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from functools import partial

from exporter import metrics
from exporter.bulk_stats import BulkStats, Collected
from exporter.collectors.collector import Scrape
from exporter.exposition import Labels, Sample
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.logs import StateLogger
from exporter.mapping import Mapping
from exporter.metrics.own import (
    DOMAIN_START_TIME,
    DOMAIN_STATS_TIMED_OUT,
    DOMAIN_UPTIME,
    STUCK_CALLS,
    UNKNOWN_FIELDS,
)
from exporter.start_times import StartTimes
from exporter.stats_page import StatsPage
from libvirt_rpc.errors import CallTimeout
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.procedures import CONNECT_GET_ALL_DOMAIN_STATS
from libvirt_rpc.protocol.types import Domain

logger = logging.getLogger(__name__)


class DomainStatsCollector:
    """One bulk collection feeds all switches (`collectors`) of the statistics tables."""

    name = "domain_stats"

    def __init__(
        self,
        hypervisor: Hypervisor,
        collectors: frozenset[str],
        start_times: StartTimes,
        *,
        inventory: Inventory | None = None,
        labels: Labels = (),
    ) -> None:
        config = hypervisor.config
        self._mapping = Mapping(
            metrics.GROUPS,
            metrics.INSTANCES,
            metrics.NOT_METRICS,
            metrics.QUIRKS,
            collectors=collectors,
        )
        self._page = StatsPage(self._mapping, labels)
        pace = hypervisor.pace
        self._bulk = BulkStats(
            hypervisor,
            parallel=config.parallel,
            max_stuck_calls=config.max_stuck_calls,
            others=lambda: pace.held,
        )
        pace.may_start = lambda: self._bulk.has_room(pace.held)
        self._start_times = start_times
        self._inventory = inventory
        self._unknown: set[str] = set()
        self._states = StateLogger(logger)

    async def collect(self, scrape: Scrape) -> None:
        started = time.monotonic()
        pace = scrape.hypervisor.pace
        try:
            collected = await self._bulk.collect(
                self._mapping.stats, scrape.deadline, on_list=partial(self._listed, scrape)
            )
        finally:
            scrape.domain_list.fail()
            stuck = self._bulk.stuck_calls + pace.stuck_calls
            scrape.page.add([Sample(STUCK_CALLS, stuck, scrape.labels)])
        pace.suspects = frozenset(collected.missing)
        pace.healthy(collected.records.keys() - collected.missing)
        identity = scrape.hypervisor.identity
        kind = identity.type if identity else ""
        records = [
            collected.records[domain.uuid]
            for domain in collected.domains
            if domain.uuid in collected.records
        ]
        for family, lines in self._page.render(records, kind):
            scrape.page.add_lines(family, lines)
        there = [one for one in collected.domains if one.uuid not in collected.vanished]
        scrape.page.add(self._ages(there, kind, scrape))
        scrape.page.add(_timed_out(collected, scrape.labels))
        self._note_unknown(records)
        scrape.page.add([Sample(UNKNOWN_FIELDS, len(self._unknown), scrape.labels)])
        self._note_hanging(collected)
        if collected.errors:
            raise collected.errors[0]
        if len(there) == len(collected.missing) > 0:
            # Not a domain that hangs, but the daemon.
            raise CallTimeout(CONNECT_GET_ALL_DOMAIN_STATS.name, time.monotonic() - started)

    def _listed(self, scrape: Scrape, domains: tuple[Domain, ...]) -> None:
        if self._inventory is not None:
            self._inventory.keep(domains)
        scrape.domain_list.announce(domains)

    def _ages(self, domains: Sequence[Domain], kind: str, scrape: Scrape) -> Iterable[Sample]:
        start_times = self._start_times.of(domains)
        now = scrape.clock()
        for domain in domains:
            start = start_times.get(domain.uuid)
            if start is not None:
                labels = (
                    ("domain", domain.name),
                    ("uuid", str(domain.uuid)),
                    ("hypervisor", kind),
                    *scrape.labels,
                )
                yield Sample(DOMAIN_UPTIME, max(0.0, round(now - start, 3)), labels)
                yield Sample(DOMAIN_START_TIME, round(start, 3), labels)

    def _note_unknown(self, records: Iterable[DomainStats]) -> None:
        for layout in {id(record.layout): record.layout for record in records}.values():
            for field in self._mapping.unknown_fields(layout):
                # One name for all the disks or vCPUs that have the field.
                name = ".".join("<n>" if part.isdigit() else part for part in field.split("."))
                if name not in self._unknown:
                    self._unknown.add(name)
                    logger.info("libvirt reports a field that has no metric", extra={"field": name})

    def _note_hanging(self, collected: Collected) -> None:
        for domain in collected.domains:
            key = str(domain.uuid)
            if domain.uuid in collected.missing:
                self._states.failed(key, f"no full statistics of {domain.name}", uuid=key)
            else:
                self._states.recovered(key, f"full statistics of {domain.name} again", uuid=key)


def _timed_out(collected: Collected, labels: Labels) -> Iterable[Sample]:
    for domain in collected.domains:
        if domain.uuid not in collected.vanished:
            own = (("domain", domain.name), ("uuid", str(domain.uuid)), *labels)
            yield Sample(DOMAIN_STATS_TIMED_OUT, int(domain.uuid in collected.missing), own)
