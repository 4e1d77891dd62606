"""Counters of what libvirt said happened to domains; they cost no call.

They count from when the exporter began to watch, and go on over lost connections. A domain that is gone
keeps its counters for a while, so that its end is seen.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from exporter.collectors.collector import Scrape, domain_labels
from exporter.events import EventHub
from exporter.exposition import Labels, Page, Sample
from exporter.filters import Filters
from exporter.inventory import Inventory
from exporter.metrics.events import (
    BALLOON_CHANGES,
    BLOCK_JOBS,
    BLOCK_THRESHOLDS,
    CONTROL_ERRORS,
    DEVICE_CHANGES,
    DROPPED_EVENTS,
    EVENTS,
    GUEST_AGENT_CONNECTED,
    IO_ERRORS,
    JOBS_COMPLETED,
    LAST_EVENT,
    MEMORY_FAILURES,
    REBOOTS,
    UNKNOWN_EVENTS,
    WATCHDOG,
)
from exporter.metrics.rows import Family
from libvirt_rpc.enums import (
    ConnectDomainEventAgentLifecycleState,
    ConnectDomainEventBlockJobStatus,
    DomainEventType,
    DomainJobOperation,
)
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain

logger = logging.getLogger(__name__)

KEPT_SECONDS = 900.0
"""How long the counters of a domain that is gone stay."""

LOOK_SECONDS = 1.0
"""All domains are gone through no more often."""

LIFECYCLE_AT_ZERO = (
    ("started", "booted"),
    ("stopped", "shutdown"),
    ("stopped", "destroyed"),
    ("stopped", "crashed"),
    ("stopped", "failed"),
    ("suspended", "ioerror"),
    ("crashed", "panicked"),
)
"""What a rate is wanted of from its first occurrence on: shown with 0 before."""

Count = tuple[Family, tuple[str, ...]]
"""A family and the values of the labels that it has beside the domain's."""


@dataclass(slots=True)
class _Watched:
    """What happened to one domain. `seen_at` is when it was last listed, by the monotonic clock."""

    domain: Domain
    seen_at: float
    counts: dict[Count, int] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    agent: bool | None = None


class DomainEventsCollector:
    """A listener of events, and the counters on the page."""

    name = "domain_events"

    def __init__(
        self,
        events: EventHub,
        inventory: Inventory,
        *,
        labels: Labels = (),
        filters: Filters | None = None,
    ) -> None:
        self._events = events
        self._filters = filters or Filters()
        self._inventory = inventory
        self._labels = labels
        self._clock = events.clock
        self._watched: dict[uuid.UUID, _Watched] = {}
        self._looked_at = 0.0
        self._page: Page | None = None
        events.listeners.append(self._heard)

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        subscription = self._events.subscription
        if subscription is None:
            return ()
        self._note_listed(await scrape.domains())
        if self._page is None:
            self._page = Page()
            for watched in self._watched.values():
                self._page.add(self._samples(watched))
        scrape.page.add_page(self._page)
        unknown = subscription.unknown + subscription.undecodable
        return (
            *self._agents(),
            Sample(UNKNOWN_EVENTS, unknown, self._labels),
            Sample(DROPPED_EVENTS, subscription.dropped, self._labels),
        )

    # What is heard.

    def _heard(self, event: e.Event) -> None:
        domain = getattr(event, "domain", None)
        if not isinstance(domain, Domain) or not self._is_shown(domain):
            return
        _log(event, domain)
        watched = self._of(domain)
        counted = self._counted(event)
        if counted is not None and self._filters.labels(_own_labels(counted)):
            watched.counts[counted] = watched.counts.get(counted, 0) + 1
            watched.last[_last_event_name(event)] = round(self._clock(), 3)
            self._page = None
        match event:
            case e.DomainAgentLifecycleEvent():
                watched.agent = event.state is ConnectDomainEventAgentLifecycleState.CONNECTED
            case e.DomainLifecycleEvent(event=DomainEventType.STOPPED):
                watched.agent = None

    def _is_shown(self, domain: Domain) -> bool:
        # An event may be of a domain that has just stopped, or is about to start.
        if not self._filters.identity(domain, has_activity=False):
            return False
        return self._filters.metadata(self._inventory.get(domain))

    def _of(self, domain: Domain) -> _Watched:
        watched = self._watched.get(domain.uuid)
        if watched is None:
            self._page = None
            self._forget_gone(time.monotonic())
            watched = self._watched[domain.uuid] = _Watched(domain, time.monotonic())
            for at_zero in LIFECYCLE_AT_ZERO:
                watched.counts[EVENTS, at_zero] = 0
            watched.counts[REBOOTS, ()] = 0
        return watched

    def _note_listed(self, domains: Iterable[Domain]) -> None:
        now = time.monotonic()
        for domain in domains:
            watched = self._of(domain)
            if watched.domain.name != domain.name:
                self._page = None
            watched.domain, watched.seen_at = domain, now
        self._forget_gone(now)

    def _forget_gone(self, now: float) -> None:
        """Also where nobody scrapes, so that domains that come and go take no more and more memory."""
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        gone = [key for key, one in self._watched.items() if now - one.seen_at > KEPT_SECONDS]
        for key in gone:
            del self._watched[key]
            self._page = None

    def _counted(self, event: e.Event) -> Count | None:
        """What goes up by one; None for events that are used elsewhere only."""
        if isinstance(event, e.DomainIOErrorReasonEvent):
            disk = self._disk(event.domain, event.device_alias)
            return IO_ERRORS, (disk, event.reason or "unknown", event.action.label)
        row = _COUNTED.get(type(event))
        if row is None:
            return None
        family, values_of = row
        return family, values_of(event)

    def _disk(self, domain: Domain, alias: str) -> str:
        """The disk's target, as the other metrics have it; its alias where that is not known."""
        known = self._inventory.get(domain)
        for disk in known.disks if known is not None else ():
            if disk.alias == alias:
                return disk.target
        return alias

    # What is shown.

    def _samples(self, watched: _Watched) -> Iterator[Sample]:
        own = domain_labels(watched.domain)
        for (family, values), count in sorted(watched.counts.items(), key=_order):
            names = family.labels[len(own) :]
            yield Sample(family, count, (*own, *zip(names, values, strict=True), *self._labels))
        for name, at in sorted(watched.last.items()):
            yield Sample(LAST_EVENT, at, (*own, ("event", name), *self._labels))

    def _agents(self) -> Iterator[Sample]:
        for watched in self._watched.values():
            connected = watched.agent
            known = self._inventory.get(watched.domain)
            if connected is None and known is not None:
                connected = known.agent_is_connected
            if connected is not None and watched.domain.id != -1:
                labels = domain_labels(watched.domain, self._labels)
                yield Sample(GUEST_AGENT_CONNECTED, int(connected), labels)


def _job_values(event: e.DomainJobCompletedEvent) -> tuple[str, ...]:
    operation, is_success = _job(event)
    return operation, "true" if is_success else "false"


_COUNTED: dict[type[e.Event], tuple[Family, Callable[[Any], tuple[str, ...]]]] = {
    e.DomainLifecycleEvent: (EVENTS, lambda event: (event.event.label, event.detail.label)),
    e.DomainRebootEvent: (REBOOTS, lambda _: ()),
    e.DomainWatchdogEvent: (WATCHDOG, lambda event: (event.action.label,)),
    e.DomainControlErrorEvent: (CONTROL_ERRORS, lambda _: ()),
    e.DomainMemoryFailureEvent: (
        MEMORY_FAILURES,
        lambda event: (event.recipient.label, event.action.label),
    ),
    e.DomainBlockJob2Event: (BLOCK_JOBS, lambda event: (event.type.label, event.status.label)),
    e.DomainJobCompletedEvent: (JOBS_COMPLETED, _job_values),
    e.DomainDeviceAddedEvent: (DEVICE_CHANGES, lambda _: ("added",)),
    e.DomainDeviceRemovedEvent: (DEVICE_CHANGES, lambda _: ("removed",)),
    e.DomainDeviceRemovalFailedEvent: (DEVICE_CHANGES, lambda _: ("removal_failed",)),
    e.DomainBalloonChangeEvent: (BALLOON_CHANGES, lambda _: ()),
    e.DomainBlockThresholdEvent: (BLOCK_THRESHOLDS, lambda event: (event.dev,)),
}
"""What is counted of an event: the family, and the values of the labels that it has beside the domain's."""


def _own_labels(counted: Count) -> Labels:
    """The labels beside the domain's."""
    family, values = counted
    return tuple(zip(family.labels[-len(values) :], values, strict=True)) if values else ()


def _order(item: tuple[Count, int]) -> tuple[str, tuple[str, ...]]:
    (family, values), _ = item
    return family.name, values


def _last_event_name(event: e.Event) -> str:
    if isinstance(event, e.DomainLifecycleEvent):
        return event.event.label
    named = e.message_of(event).id
    assert named is not None, event
    return named.label


def _job(event: e.DomainJobCompletedEvent) -> tuple[str, bool]:
    params = {one.field: one.value for one in event.params}
    operation = DomainJobOperation(int(params.get("operation", 0)))
    return operation.label, bool(params.get("success", True))


_NOTEWORTHY_STOPS = {"crashed", "failed"}


def _log(event: e.Event, domain: Domain) -> None:
    """Every event at debug; at info what somebody will ask about."""
    level = logging.INFO if _is_noteworthy(event) else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    details = {
        f"event_{name}": str(getattr(value, "label", value))
        for name, value in ((one.name, getattr(event, one.name)) for one in fields(event))
        if name not in ("domain", "params")
    }
    logger.log(
        level,
        "libvirt event",
        extra={
            "event": _last_event_name(event),
            "domain": domain.name,
            "uuid": str(domain.uuid),
            **details,
        },
    )


def _is_noteworthy(event: e.Event) -> bool:
    match event:
        case e.DomainLifecycleEvent():
            return event.event is DomainEventType.CRASHED or (
                event.event is DomainEventType.STOPPED and event.detail.label in _NOTEWORTHY_STOPS
            )
        case e.DomainIOErrorReasonEvent() | e.DomainWatchdogEvent() | e.DomainControlErrorEvent():
            return True
        case e.DomainMemoryFailureEvent():
            return True
        case e.DomainBlockJob2Event():
            return event.status is ConnectDomainEventBlockJobStatus.FAILED
        case e.DomainJobCompletedEvent():
            return not _job(event)[1]
    return False
