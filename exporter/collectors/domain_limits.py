"""What domains are limited to: disk throttles, processor time, memory, block I/O weights, bandwidth.

Everything is kept, asked anew when libvirt says that something of the domain changed, and now and then.
Of a domain that does not run its definition is asked, which opens no image.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from exporter.collectors.collector import Scrape, domain_labels, labelled
from exporter.domain_cache import DomainCache
from exporter.domain_xml import DomainMetadata
from exporter.events import EventHub
from exporter.exposition import Labels, Sample
from exporter.filters import Filters
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.limits import device_limit_samples, limit_samples
from exporter.metrics import limits as m
from exporter.pace import PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import NoDomain, OperationTimeout, RemoteError
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import Domain

PART = "domain_limits"
FIRST_WAIT_SECONDS = 2.0
"""How long the first scrapes of a connection wait for what has not been asked yet."""

_WITHOUT_THROTTLES = ("cdrom", "floppy")
_CHANGES = (
    e.DomainTunableEvent,
    e.DomainLifecycleEvent,
    e.DomainDeviceAddedEvent,
    e.DomainDeviceRemovedEvent,
)

Parameters = Mapping[str, TypedValue]


@dataclass(frozen=True, slots=True)
class Devices:
    """What is asked for by its name."""

    disks: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """libvirt's parameters of one domain; `devices` are those that it had when it was asked."""

    devices: Devices
    disks: Mapping[str, Parameters]
    interfaces: Mapping[str, Parameters]
    cpu: Parameters
    memory: Parameters
    blkio: Parameters


class DomainLimitsCollector:
    """A listener of events with a cache of its own."""

    name = PART

    def __init__(
        self,
        hypervisor: Hypervisor,
        events: EventHub,
        inventory: Inventory,
        *,
        interval_seconds: float,
        filters: Filters | None = None,
    ) -> None:
        self._availability = hypervisor.availability
        self._inventory = inventory
        self._filters = filters or Filters()
        self._cache: DomainCache[Limits] = DomainCache(
            "limits", self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._cache)
        events.listeners.append(self._heard)

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        domains = await scrape.domains()
        self._cache.keep(domains)
        for domain, limits in self._cache:
            metadata = self._inventory.get(domain)
            if metadata is not None and self._devices(metadata) != limits.devices:
                self._cache.refresh(domain)  # a device came or went without an event
        patience = Deadline(
            min(scrape.deadline.at, scrape.deadline.clock() + FIRST_WAIT_SECONDS),
            scrape.deadline.clock,
        )
        await self._cache.settled(patience)
        return labelled(self._samples(), scrape.labels)

    async def _fetch(self, connection: PacedConnection, domain: Domain) -> Limits:
        metadata = self._inventory.get(domain)
        if metadata is None:
            await self._inventory.read(Deadline.after(FIRST_WAIT_SECONDS))
            metadata = self._inventory.get(domain)
        devices = Devices() if metadata is None else self._devices(metadata)
        ask = self._ask
        return Limits(
            devices,
            {
                disk: await ask("disks", partial(connection.domain_get_block_io_tune, domain, disk))
                for disk in devices.disks
            },
            {
                one: await ask(
                    "interfaces", partial(connection.domain_get_interface_parameters, domain, one)
                )
                for one in devices.interfaces
            },
            await ask("cpu", partial(connection.domain_get_scheduler_parameters_flags, domain)),
            await ask("memory", partial(connection.domain_get_memory_parameters, domain)),
            await ask("blkio", partial(connection.domain_get_blkio_parameters, domain)),
        )

    def _devices(self, metadata: DomainMetadata) -> Devices:
        devices = _devices(metadata)
        return Devices(
            tuple(filter(self._filters.disk, devices.disks)),
            tuple(filter(self._filters.interface, devices.interfaces)),
        )

    async def _ask(self, part: str, call: Callable[[], Awaitable[Parameters]]) -> Parameters:
        try:
            return await self._availability.ask(f"{PART}.{part}", call) or {}
        except (NoDomain, OperationTimeout):
            raise
        except RemoteError:
            # It runs without that cgroup, or the device is gone: nothing limits it.
            return {}

    def _heard(self, event: e.Event) -> None:
        if isinstance(event, _CHANGES):
            self._cache.refresh(event.domain)

    def _samples(self) -> Iterator[Sample]:
        for domain, limits in self._cache:
            own = domain_labels(domain)
            for disk, parameters in limits.disks.items():
                yield from _disk_samples(parameters, domain_labels(domain, (("disk", disk),)))
            yield from limit_samples(m.CPU_LIMITS, limits.cpu, own)
            yield from limit_samples(m.MEMORY_LIMITS, limits.memory, own)
            yield from limit_samples(m.BLKIO_LIMITS, limits.blkio, own)
            yield from device_limit_samples(m.DEVICE_LIMITS, limits.blkio, own)
            for interface, parameters in limits.interfaces.items():
                of_one = domain_labels(domain, (("interface", interface),))
                yield from limit_samples(m.INTERFACE_LIMITS, parameters, of_one)


def _disk_samples(parameters: Parameters, labels: Labels) -> Iterator[Sample]:
    samples = tuple(limit_samples(m.DISK_LIMITS, parameters, labels))
    yield from samples
    group = parameters.get("group_name")
    if samples and isinstance(group, str) and group:
        yield Sample(m.DISK_THROTTLE_GROUP, 1, (*labels, ("group", group)))


def _devices(metadata: DomainMetadata) -> Devices:
    return Devices(
        tuple(one.target for one in metadata.disks if one.device not in _WITHOUT_THROTTLES),
        tuple(one.target for one in metadata.interfaces if one.target),
    )
