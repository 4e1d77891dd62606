"""The collectors that come with the exporter: one row a collector, in the order of their metrics.

A collector is made for each hypervisor; what it shares with others is in `Parts`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass

from exporter.collectors.block_jobs import BlockJobsCollector
from exporter.collectors.collector import Collector
from exporter.collectors.devices import DevicesCollector
from exporter.collectors.disk_errors import DiskErrorsCollector
from exporter.collectors.domain_events import DomainEventsCollector
from exporter.collectors.domain_info import DomainInfoCollector
from exporter.collectors.domain_jobs import DomainJobsCollector
from exporter.collectors.domain_limits import DomainLimitsCollector
from exporter.collectors.domain_list import DomainListCollector
from exporter.collectors.domain_messages import DomainMessagesCollector
from exporter.collectors.domain_stats import DomainStatsCollector
from exporter.collectors.guest_agent import GuestAgentCollector
from exporter.collectors.host import HostCollector
from exporter.collectors.networks import DHCPLeasesCollector, NetworksCollector
from exporter.collectors.storage import StoragePoolsCollector, StorageVolumesCollector
from exporter.collectors.vcpu_placement import VcpuPlacementCollector
from exporter.config import CollectorsConfig, ModuleConfig
from exporter.domain_xml import label_set_family
from exporter.events import EventHub
from exporter.exposition import Labels
from exporter.filters import Filters
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.metrics.rows import INFO
from exporter.plugins import Plugin, make_plugin_collectors
from exporter.siblings import Siblings
from exporter.start_times import StartTimes

logger = logging.getLogger(__name__)


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
    filters: Filters = field(default_factory=Filters)
    plugins: Sequence[Plugin] = ()

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
            events=parts.events,
            labels=parts.labels,
            filters=parts.filters,
            own_groups=[row.group for row in parts.module.rows],
        ),
    ),
    Registration(
        "domain_info",
        ("domain.info",),
        lambda parts: DomainInfoCollector(parts.inventory, parts.filters),
    ),
    Registration(
        "domain_events",
        ("domain.events",),
        lambda parts: DomainEventsCollector(
            parts.events, parts.inventory, labels=parts.labels, filters=parts.filters
        ),
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
            filters=parts.filters,
        ),
    ),
    Registration(
        "domain_limits",
        ("domain.limits",),
        lambda parts: DomainLimitsCollector(
            parts.hypervisor,
            parts.events,
            parts.inventory,
            interval_seconds=parts.slow_interval_seconds,
            filters=parts.filters,
        ),
    ),
    Registration(
        "vcpu_placement",
        ("domain.vcpu_placement",),
        lambda parts: VcpuPlacementCollector(
            parts.hypervisor,
            parts.events,
            interval_seconds=parts.module.collectors.jobs_interval_seconds,
        ),
    ),
    Registration(
        "disk_errors",
        ("disk.errors",),
        lambda parts: DiskErrorsCollector(
            parts.hypervisor,
            parts.events,
            interval_seconds=parts.module.collectors.jobs_interval_seconds,
            filters=parts.filters,
        ),
    ),
    Registration(
        "domain_messages",
        ("domain.messages",),
        lambda parts: DomainMessagesCollector(
            parts.hypervisor,
            parts.events,
            interval_seconds=parts.slow_interval_seconds,
            longest_label=parts.module.metadata.max_label_length,
        ),
    ),
    Registration(
        "guest_agent",
        ("domain.guest_agent",),
        lambda parts: GuestAgentCollector(
            parts.hypervisor,
            parts.events,
            parts.inventory,
            interval_seconds=parts.module.collectors.guest_agent_interval_seconds,
            timeout_seconds=parts.module.collectors.guest_agent_timeout_seconds,
            longest_label=parts.module.metadata.max_label_length,
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


NEED_INVENTORY = frozenset(
    {"domain.info", "domain.block_jobs", "domain.limits", "domain.guest_agent"}
)
"""Switches of collectors that are nothing without the domains' documents."""


STATISTICS = "domain_stats"


def make_collectors(parts: Parts) -> list[Collector]:
    """The collectors that are switched on for this hypervisor, those of plugins last."""
    config = parts.module.collectors
    made = [registration.make(parts) for registration in REGISTRY if is_on(registration, config)]
    if STATISTICS in config.disable:
        made.insert(0, DomainListCollector(parts.inventory, parts.filters))
    own = {registration.name for registration in REGISTRY} | {DomainListCollector.name}
    reserved = [(row.name, row.stat.type) for row in parts.module.rows]
    reserved += [
        (label_set_family(rule.name, ()).name, INFO) for rule in parts.module.metadata.rules
    ]
    made += make_plugin_collectors(
        parts.plugins,
        enable=config.enable,
        disable=config.disable,
        taken=own,
        reserved=reserved,
    )
    for name in sorted({*config.enable, *config.disable} - collector_names(parts.plugins)):
        logger.warning("there is no collector or plugin %s to switch on or off", name)
    return made


def collector_names(plugins: Sequence[Plugin]) -> frozenset[str]:
    """The names by which a collector or a plugin can be switched on or off."""
    own = {registration.name for registration in REGISTRY}
    return frozenset(own | {plugin.name for plugin in plugins})


def is_on(registration: Registration, config: CollectorsConfig) -> bool:
    """Whether the collector runs: its name goes before its switches."""
    if registration.name in config.disable:
        return False
    if not registration.switches or registration.name in config.enable:
        return True
    return not _switched_on(config).isdisjoint(registration.switches)


def switches_of(config: CollectorsConfig) -> frozenset[str]:
    """The switches that are on, named as in the configuration file: `domain.stats`.

    Those of collectors that are switched on or off by their names count as these say.
    """
    on = set(_switched_on(config))
    for registration in REGISTRY:
        if registration.name in config.enable:
            on |= {*registration.switches}
    for registration in REGISTRY:
        if registration.name in config.disable:
            on -= {*registration.switches}
    return frozenset(on)


def _switched_on(config: CollectorsConfig) -> frozenset[str]:
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
