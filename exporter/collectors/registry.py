"""The collectors that come with the exporter: one row a collector, in the order of their metrics.

A collector is made for each hypervisor; what it shares with others is in `Parts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass

from exporter.collectors.block_jobs import BlockJobsCollector
from exporter.collectors.collector import Collector
from exporter.collectors.devices import DevicesCollector
from exporter.collectors.domain_events import DomainEventsCollector
from exporter.collectors.domain_info import DomainInfoCollector
from exporter.collectors.domain_jobs import DomainJobsCollector
from exporter.collectors.domain_stats import DomainStatsCollector
from exporter.collectors.host import HostCollector
from exporter.collectors.networks import DHCPLeasesCollector, NetworksCollector
from exporter.collectors.storage import StoragePoolsCollector, StorageVolumesCollector
from exporter.config import CollectorsConfig, ModuleConfig
from exporter.events import EventHub
from exporter.exposition import Labels
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.siblings import Siblings
from exporter.start_times import StartTimes


@dataclass(frozen=True, slots=True)
class Parts:
    """What the collectors of one hypervisor are made of.

    A collector that has something to do in the background appends a watcher to `hypervisor.watchers`; one
    that wants to hear of events appends a listener to `events.listeners`.
    """

    hypervisor: Hypervisor
    module: ModuleConfig
    start_times: StartTimes
    events: EventHub
    inventory: Inventory
    siblings: Siblings
    labels: Labels

    @property
    def slow_interval_seconds(self) -> float:
        return self.module.collectors.slow_interval_seconds


@dataclass(frozen=True, slots=True)
class Registration:
    """A collector: its name on the page, its switches (any of them switches it on), how it is made.

    Without a switch it is always on.
    """

    name: str
    switches: tuple[str, ...]
    make: Callable[[Parts], Collector]


REGISTRY: tuple[Registration, ...] = (
    Registration(
        "domain_stats",
        (),
        lambda parts: DomainStatsCollector(
            parts.hypervisor,
            switches_of(parts.module.collectors),
            parts.start_times,
            inventory=parts.inventory,
            labels=parts.labels,
        ),
    ),
    Registration(
        "domain_info", ("domain.info",), lambda parts: DomainInfoCollector(parts.inventory)
    ),
    Registration(
        "domain_events",
        ("domain.events",),
        lambda parts: DomainEventsCollector(parts.events, parts.inventory, labels=parts.labels),
    ),
    Registration(
        "domain_jobs",
        ("domain.jobs",),
        lambda parts: DomainJobsCollector(
            parts.hypervisor,
            parts.events,
            interval_seconds=parts.module.collectors.jobs_interval_seconds,
        ),
    ),
    Registration(
        "block_jobs",
        ("domain.block_jobs",),
        lambda parts: BlockJobsCollector(
            parts.hypervisor,
            parts.events,
            parts.inventory,
            # There are more disks than domains.
            interval_seconds=2 * parts.module.collectors.jobs_interval_seconds,
        ),
    ),
    Registration("host", ("host.stats",), lambda parts: HostCollector(parts.hypervisor)),
    Registration(
        "host_devices",
        ("host.devices",),
        lambda parts: DevicesCollector(
            parts.hypervisor, parts.siblings, interval_seconds=parts.slow_interval_seconds
        ),
    ),
    Registration(
        "storage_pools",
        ("storage.pools",),
        lambda parts: StoragePoolsCollector(
            parts.hypervisor, parts.siblings, interval_seconds=parts.slow_interval_seconds
        ),
    ),
    Registration(
        "storage_volumes",
        ("storage.volumes",),
        lambda parts: StorageVolumesCollector(
            parts.hypervisor,
            parts.siblings,
            interval_seconds=parts.slow_interval_seconds,
            max_volumes=parts.module.collectors.storage.max_volumes,
        ),
    ),
    Registration(
        "networks",
        ("network.networks",),
        lambda parts: NetworksCollector(
            parts.hypervisor, parts.siblings, interval_seconds=parts.slow_interval_seconds
        ),
    ),
    Registration(
        "dhcp_leases",
        ("network.dhcp_leases",),
        lambda parts: DHCPLeasesCollector(parts.siblings),
    ),
)


NEED_INVENTORY = frozenset({"domain.info", "domain.block_jobs", "domain.guest_agent"})
"""Switches of collectors that are nothing without the domains' documents."""


def make_collectors(parts: Parts) -> list[Collector]:
    """The collectors that are switched on for this hypervisor."""
    on = switches_of(parts.module.collectors)
    return [
        registration.make(parts)
        for registration in REGISTRY
        if not registration.switches or on.intersection(registration.switches)
    ]


def switches_of(config: CollectorsConfig) -> frozenset[str]:
    """The switches that are on, named as in the configuration file: `domain.stats`."""
    on = set()
    for section in fields(config):
        value = getattr(config, section.name)
        if not is_dataclass(value):
            continue
        on |= {
            f"{section.name}.{switch.name}"
            for switch in fields(value)
            if getattr(value, switch.name) is True
        }
    return frozenset(on)
