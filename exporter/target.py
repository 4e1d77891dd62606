"""One monitored hypervisor with everything that scrapes it: connection, collectors, scraper."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from exporter.collectors.registry import NEED_INVENTORY, Parts, make_collectors, switches_of
from exporter.config import ConnectionConfig, LibvirtConfig, ModuleConfig, TargetConfig
from exporter.events import EventHub
from exporter.exposition import Labels, Page
from exporter.filters import Filters
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.plugins import Plugin, installed_plugins
from exporter.profiles.tables import NATIVE
from exporter.profiles.translation import Translation
from exporter.scrape import Scraper
from exporter.siblings import Siblings
from exporter.start_times import (
    EventStartTimes,
    NoStartTimes,
    ProcessStartTimes,
    RecordedStartTimes,
    StartTimes,
)
from libvirt_rpc.session import CallObservation
from libvirt_rpc.trace.replay import Replayer, replay_dial
from libvirt_rpc.trace.tap import FrameTap
from libvirt_rpc.transports.dial import dial


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of one hypervisor's monitoring."""

    hypervisor: Hypervisor
    start_times: StartTimes
    scraper: Scraper
    translation: Translation | None = None

    def shown(self, page: Page) -> Page:
        """A page of the scraper under the names that are configured."""
        return page if self.translation is None else self.translation(page)


def make_target(
    libvirt: LibvirtConfig,
    module: ModuleConfig,
    *,
    labels: Labels = (),
    replayer: Replayer | None = None,
    tap: FrameTap | None = None,
    observe: Callable[[CallObservation], None] | None = None,
    plugins: Sequence[Plugin] | None = None,
) -> Target:
    """With a `replayer` the hypervisor is a recorded one, in the recording's time. Raises InvalidURI.

    `plugins` are by default those that are installed.
    """
    hypervisor = Hypervisor(
        libvirt,
        dial=dial if replayer is None else replay_dial(replayer),
        tap=tap,
        observe=observe,
    )
    clock = time.time if replayer is None else lambda: replayer.time
    start_times = _start_times(hypervisor, replayer)
    events = EventHub(hypervisor.availability, clock=clock)
    hypervisor.watchers.append(events)
    switches = switches_of(module.collectors)
    filters = Filters(module.filter)
    if "domain.events" in switches and replayer is None:
        start_times = _from_events(start_times, events, hypervisor)
    needed = filters.needs_metadata or not NEED_INVENTORY.isdisjoint(switches)
    inventory = Inventory(hypervisor, module.metadata, events, is_needed=needed)
    siblings = Siblings(hypervisor)
    parts = Parts(
        hypervisor,
        module,
        start_times,
        events,
        inventory,
        siblings,
        labels,
        filters,
        installed_plugins() if plugins is None else plugins,
    )
    collectors = make_collectors(parts)
    scraper = Scraper(
        hypervisor,
        collectors,
        labels=labels,
        min_interval_seconds=module.collectors.min_interval_seconds,
        clock=clock,
        max_series=module.max_series,
    )
    translation = None
    if module.profile != (NATIVE,):
        translation = Translation(module.profile, labels=labels, clock=clock)
    return Target(hypervisor, start_times, scraper, translation)


def _from_events(
    otherwise: StartTimes, events: EventHub, hypervisor: Hypervisor
) -> EventStartTimes:
    heard = EventStartTimes(otherwise)
    events.listeners.append(heard.heard)
    hypervisor.on_connected.append(heard.forget)
    return heard


def for_endpoint(
    libvirt: LibvirtConfig, endpoint: ConnectionConfig | TargetConfig
) -> LibvirtConfig:
    """The settings of one connection or target among several."""
    return replace(
        libvirt,
        uri=endpoint.uri,
        username=endpoint.username,
        password_file=endpoint.password_file,
        read_only=endpoint.read_only,
        connections=(),
    )


def _start_times(hypervisor: Hypervisor, replayer: Replayer | None) -> StartTimes:
    if replayer is not None:
        return RecordedStartTimes(replayer.start_times)
    if not hypervisor.is_local:
        return NoStartTimes()
    processes = ProcessStartTimes()
    hypervisor.on_connected.append(processes.forget)
    return processes
