"""One monitored hypervisor with everything that scrapes it: connection, collectors, scraper."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.collectors.domain_stats import DomainStatsCollector
from exporter.config import CollectorsConfig, ConnectionConfig, LibvirtConfig, TargetConfig
from exporter.exposition import Labels
from exporter.hypervisor import Hypervisor
from exporter.scrape import Scraper
from exporter.start_times import (
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


def make_target(
    libvirt: LibvirtConfig,
    collectors: CollectorsConfig,
    *,
    labels: Labels = (),
    replayer: Replayer | None = None,
    tap: FrameTap | None = None,
    observe: Callable[[CallObservation], None] | None = None,
) -> Target:
    """With a `replayer` the hypervisor is a recorded one, in the recording's time. Raises InvalidURI."""
    hypervisor = Hypervisor(
        libvirt,
        dial=dial if replayer is None else replay_dial(replayer),
        tap=tap,
        observe=observe,
    )
    start_times = _start_times(hypervisor, replayer)
    collector = DomainStatsCollector(
        hypervisor, collectors_of(collectors), start_times, labels=labels
    )
    scraper = Scraper(
        hypervisor,
        [collector],
        labels=labels,
        min_interval_seconds=collectors.min_interval_seconds,
        clock=time.time if replayer is None else lambda: replayer.time,
    )
    return Target(hypervisor, start_times, scraper)


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
    hypervisor.on_connected = processes.forget
    return processes


def collectors_of(config: CollectorsConfig) -> frozenset[str]:
    """The names of the enabled collectors, as the metric tables have them."""
    switches = {
        f"{section}.{name}": getattr(getattr(config, section), name)
        for section in ("domain", "disk", "network")
        for name in type(getattr(config, section)).__dataclass_fields__
    }
    return frozenset(name for name, enabled in switches.items() if enabled)
