"""The domains' statistics: state, CPU, memory, vCPUs, disks, interfaces, and their age.

They come by libvirt's bulk call; from a daemon that refuses it, by the calls about one domain that it has.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from exporter import metrics
from exporter.availability import reason_of
from exporter.bulk_stats import BulkStats, Collected
from exporter.collectors.collector import Scrape
from exporter.config import UNKNOWN_STATE
from exporter.events import EventHub
from exporter.exposition import Labels, Sample
from exporter.filters import Filters
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.logs import StateLogger
from exporter.mapping import STATE_FIELD, Mapping
from exporter.metrics.own import (
    DOMAIN_START_TIME,
    DOMAIN_STATS_TIMED_OUT,
    DOMAIN_UPTIME,
    DOMAINS,
    STUCK_CALLS,
    UNKNOWN_FIELDS,
)
from exporter.metrics.rows import Group
from exporter.per_domain_stats import PerDomainStats
from exporter.start_times import StartTimes
from exporter.stats_page import StatsPage
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainState
from libvirt_rpc.errors import CallTimeout, LibvirtRPCError
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.procedures import CONNECT_GET_ALL_DOMAIN_STATS
from libvirt_rpc.protocol.types import Domain

logger = logging.getLogger(__name__)

BULK = "domain_stats.bulk"
"""The bulk call as a part of the collector: where it is not available, the others are made."""
NO_BULK = frozenset({"unsupported", "too_old"})
"""The reasons for which there are other calls to make."""


class DomainStatsCollector:
    """One collection feeds all switches (`collectors`) of the statistics tables."""

    name = "domain_stats"
    keeps_deadline = True
    """By itself, with what has come by then: it is not cancelled in the middle of putting its page together."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        collectors: frozenset[str],
        start_times: StartTimes,
        *,
        inventory: Inventory | None = None,
        events: EventHub | None = None,
        labels: Labels = (),
        filters: Filters | None = None,
        own_groups: Iterable[Group] = (),
    ) -> None:
        config = hypervisor.config
        self._mapping = Mapping(
            metrics.GROUPS,
            metrics.INSTANCES,
            metrics.NOT_METRICS,
            metrics.QUIRKS,
            collectors=collectors,
            own_groups=own_groups,
            shows=filters.by_label if filters is not None else {},
        )
        self._filters = filters or Filters()
        self._page = StatsPage(self._mapping, labels)
        pace = hypervisor.pace
        self._bulk = BulkStats(
            hypervisor,
            parallel=config.parallel,
            max_stuck_calls=config.max_stuck_calls,
            others=lambda: pace.held + self._per_domain.held,
            others_in_flight=lambda: pace.in_flight,
        )
        self._per_domain = PerDomainStats(
            hypervisor,
            hypervisor.availability,
            parallel=config.parallel,
            max_stuck_calls=config.max_stuck_calls,
            others=lambda: pace.held + self._bulk.held,
        )
        if events is not None and events.listeners:
            # It listens along: for its sake alone no events are registered for.
            events.listeners.append(self._per_domain.heard)
        pace.others_stuck = lambda: self._bulk.stuck_calls + self._per_domain.stuck_calls
        pace.others_held = lambda: self._bulk.held + self._per_domain.held
        self._refusal: LibvirtRPCError | None = None
        """Of the bulk call."""
        self._start_times = start_times
        self._inventory = inventory
        self._unknown: set[str] = set()
        self._states = StateLogger(logger)

    async def collect(self, scrape: Scrape) -> None:
        started = time.monotonic()
        pace = scrape.hypervisor.pace
        pace.is_narrow = True
        try:
            collected = await self._collected(scrape)
            asked = sum(one.uuid not in collected.vanished for one in collected.domains)
            if self._filters.needs_state:
                self._keep_by_state(collected)
                scrape.domain_list.announce(collected.domains)
        finally:
            pace.is_narrow = False
            scrape.domain_list.fail()
            stuck = self._bulk.stuck_calls + self._per_domain.stuck_calls + pace.stuck_calls
            stuck += sum(one.stuck_calls for one in scrape.hypervisor.sibling_paces.values())
            scrape.page.add([Sample(STUCK_CALLS, stuck, scrape.labels)])
        pace.suspects = frozenset(collected.missing)
        pace.release_lost(collected.missing)
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
        scrape.page.add(_by_state(there, collected, scrape.labels))
        self._note_unknown(records)
        scrape.page.add([Sample(UNKNOWN_FIELDS, len(self._unknown), scrape.labels)])
        self._note_hanging(collected)
        if collected.errors:
            raise collected.errors[0]
        if asked == len(collected.missing) > 0:
            # Not a domain that hangs, but the daemon.
            is_bulk = not scrape.hypervisor.availability.is_off(BULK)
            what = CONNECT_GET_ALL_DOMAIN_STATS.name if is_bulk else "calls about any domain"
            raise CallTimeout(what, time.monotonic() - started)

    async def _collected(self, scrape: Scrape) -> Collected:
        """By the bulk call, unless the daemon of this connection has refused it for good."""
        availability = scrape.hypervisor.availability
        stats, deadline = self._mapping.stats, scrape.deadline
        choose, on_list = partial(self._choose, scrape), partial(self._listed, scrape)
        if not availability.is_off(BULK):
            try:
                return await self._bulk.collect(stats, deadline, choose=choose, on_list=on_list)
            except LibvirtRPCError as exc:
                reason = reason_of(exc)
                if reason not in NO_BULK:
                    raise
                availability.switch_off(BULK, reason)
                self._refusal = exc
        try:
            return await self._per_domain.collect(stats, deadline, choose=choose, on_list=on_list)
        except LibvirtRPCError as exc:
            if reason_of(exc) and self._refusal is not None:
                raise self._refusal from exc  # it has no other calls either
            raise

    async def _choose(self, scrape: Scrape, listed: tuple[Domain, ...]) -> tuple[Domain, ...]:
        return await choose_domains(self._filters, self._inventory, listed, scrape.deadline)

    def _listed(self, scrape: Scrape, domains: tuple[Domain, ...]) -> None:
        if not self._filters.needs_state:
            scrape.domain_list.announce(domains)

    def _keep_by_state(self, collected: Collected) -> None:
        """Only the records tell the states, so that whoever waits for the list waits for them."""
        collected.domains = tuple(
            domain
            for domain in collected.domains
            if self._filters.state(_state(collected.records.get(domain.uuid)))
        )

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


async def choose_domains(
    filters: Filters,
    inventory: Inventory | None,
    listed: tuple[Domain, ...],
    deadline: Deadline,
) -> tuple[Domain, ...]:
    """Those that the filters let be shown, as far as states do not matter. The inventory keeps them.

    Where it takes the domains' documents to tell, new ones are waited for, up to half of the time.
    """
    chosen = tuple(domain for domain in listed if filters.identity(domain))
    if inventory is not None:
        inventory.keep(chosen)
    if not filters.needs_metadata or inventory is None:
        return chosen
    await inventory.read(deadline, reserve_seconds=deadline.remaining() / 2)
    return tuple(domain for domain in chosen if filters.metadata(inventory.get(domain)))


def _timed_out(collected: Collected, labels: Labels) -> Iterable[Sample]:
    for domain in collected.domains:
        if domain.uuid not in collected.vanished:
            own = (("domain", domain.name), ("uuid", str(domain.uuid)), *labels)
            yield Sample(DOMAIN_STATS_TIMED_OUT, int(domain.uuid in collected.missing), own)


def _by_state(domains: Iterable[Domain], collected: Collected, labels: Labels) -> Iterable[Sample]:
    """How many domains are in each state; every state has its series, so that none comes and goes."""
    numbers = Counter(_state(collected.records.get(domain.uuid)) for domain in domains)
    for state in (*(one.label for one in DomainState), UNKNOWN_STATE):
        yield Sample(DOMAINS, numbers.pop(state, 0), (("state", state), *labels))
    for state, number in numbers.items():
        yield Sample(DOMAINS, number, (("state", state), *labels))


def _state(record: DomainStats | None) -> str:
    if record is None or STATE_FIELD not in record.layout.fields:
        return UNKNOWN_STATE
    return DomainState(int(record.values[record.layout.fields.index(STATE_FIELD)])).label
