"""What the guests' agents tell of them. Only a connection that may write is told it.

Agents are asked in the background, one at a time, each for no longer than its deadline. One that is not
there is not asked again before libvirt says that it came.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from exporter.collectors.collector import Scrape, domain_labels, labelled
from exporter.domain_cache import DomainCache
from exporter.domain_xml.metadata import GUEST_AGENT
from exporter.events import EventHub
from exporter.exposition import Sample
from exporter.guest_info import (
    GuestInfo,
    Parameters,
    count_cpus,
    guest_samples,
    interface_parameters,
    parse_guest_info,
)
from exporter.hypervisor import Hypervisor
from exporter.inventory import Inventory
from exporter.metrics import guest as m
from exporter.pace import NotAsked, PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectDomainEventAgentLifecycleState,
    DomainEventType,
    DomainGetHostnameFlags,
    DomainGuestInfoTypes,
    DomainInterfaceAddressesSource,
    ErrorNumber,
)
from libvirt_rpc.errors import CallTimeout, NoDomain, OperationInvalid, RemoteError
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import Domain

T = TypeVar("T")

PART = "guest_agent"
SILENT_SECONDS = 600.0
"""After a refusal, where libvirt says that the agent is connected: one that hung comes back unannounced."""

GROUPS = (
    DomainGuestInfoTypes.USERS,
    DomainGuestInfoTypes.OS,
    DomainGuestInfoTypes.TIMEZONE,
    DomainGuestInfoTypes.HOSTNAME,
    DomainGuestInfoTypes.FILESYSTEM,
    DomainGuestInfoTypes.INTERFACES,
    DomainGuestInfoTypes.LOAD,
)
"""Asked one by one where asking for all fails: one command that the guest forbids costs no other."""

_NOBODY_THERE = (ErrorNumber.ARGUMENT_UNSUPPORTED, ErrorNumber.OPERATION_INVALID)
"""There is no channel for it, or the domain is paused."""

_HANGS = (
    ErrorNumber.AGENT_UNRESPONSIVE,
    ErrorNumber.AGENT_UNSYNCED,
    ErrorNumber.AGENT_COMMAND_TIMEOUT,
)
"""There is a channel, and no sense or nothing comes out of it."""

_RUNS_AGAIN = (DomainEventType.STARTED, DomainEventType.RESUMED)


@dataclass(frozen=True, slots=True)
class Guest:
    """What was learnt of one guest; `info` is None where its agent did not answer in time."""

    info: GuestInfo | None


class GuestAgentCollector:
    """A listener of events with a cache of its own."""

    name = PART

    def __init__(
        self,
        hypervisor: Hypervisor,
        events: EventHub,
        inventory: Inventory,
        *,
        interval_seconds: float,
        timeout_seconds: float,
        longest_label: int,
    ) -> None:
        self._is_read_only = hypervisor.config.read_only
        self._availability = hypervisor.availability
        self._inventory = inventory
        self._timeout = timeout_seconds
        self._longest_label = longest_label
        self._cache: DomainCache[Guest | None] = DomainCache(
            "guest agent", self._fetch, interval_seconds=interval_seconds
        )
        self._refused_at: dict[uuid.UUID, float] = {}
        self._heard_connected: dict[uuid.UUID, bool] = {}
        self._timeouts: dict[uuid.UUID, int] = {}
        hypervisor.watchers.append(self)
        events.listeners.append(self._heard)

    async def begin(self, connection: PacedConnection) -> None:
        # What was heard of the agents before may be otherwise now; their state is in the documents.
        self._heard_connected.clear()
        self._refused_at.clear()
        await self._cache.begin(connection)

    async def watch(self, connection: PacedConnection) -> None:
        await self._cache.watch(connection)

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        if self._is_read_only:
            self._availability.switch_off(PART, "denied")
            return ()
        domains = await scrape.domains()
        listed = {domain.uuid for domain in domains}
        for known in (self._refused_at, self._heard_connected, self._timeouts):
            for key in known.keys() - listed:
                del known[key]
        self._cache.keep(domain for domain in domains if self._may_be_connected(domain))
        return labelled(self._samples(domains), scrape.labels)

    def _may_be_connected(self, domain: Domain) -> bool:
        """As the last event says it, else the domain's document."""
        metadata = self._inventory.get(domain)
        if domain.id == -1 or metadata is None or not metadata.has_agent_channel:
            return False
        heard = self._heard_connected.get(domain.uuid, metadata.agent_is_connected)
        # Where libvirt does not tell, it is asked.
        return heard is not False

    async def _fetch(self, connection: PacedConnection, domain: Domain) -> Guest | None:
        known = self._cache.get(domain)
        refused_at = self._refused_at.get(domain.uuid)
        if refused_at is not None and _now() - refused_at < SILENT_SECONDS:
            return known
        deadline = Deadline.after(self._timeout)
        try:
            guest = await self._ask(connection, domain, deadline)
        except CallTimeout:
            self._timeouts[domain.uuid] = self._timeouts.get(domain.uuid, 0) + 1
            return Guest(None)
        except NotAsked:
            # It has not answered yet what it was asked before, or others have not: then nothing is known.
            return known if known is not None and known.info is None else None
        except RemoteError as exc:
            if not _says_that_none_is_there(exc):
                raise
            self._refused_at[domain.uuid] = _now()
            return Guest(None) if exc.code in _HANGS else None
        self._refused_at.pop(domain.uuid, None)
        return guest

    async def _ask(
        self, connection: PacedConnection, domain: Domain, deadline: Deadline
    ) -> Guest | None:
        parameters = await self._parameters(connection, domain, deadline)
        if parameters is None:
            return None
        if "if.count" not in parameters:
            source = DomainInterfaceAddressesSource.AGENT
            interfaces = await _or_none(
                connection.domain_interface_addresses(domain, source, deadline=deadline)
            )
            parameters = {**parameters, **interface_parameters(interfaces or ())}
        info = parse_guest_info(parameters, longest_label=self._longest_label)
        vcpus = await _or_none(connection.domain_get_guest_vcpus(domain, deadline=deadline)) or {}
        return Guest(
            replace(
                info,
                vcpus=count_cpus(vcpus.get("vcpus")),
                vcpus_online=count_cpus(vcpus.get("online")),
            )
        )

    async def _parameters(
        self, connection: PacedConnection, domain: Domain, deadline: Deadline
    ) -> Parameters | None:
        """What virDomainGetGuestInfo gives; of an older libvirt, what another call does. None if denied."""
        try:
            found = await self._availability.ask(
                PART, lambda: connection.domain_get_guest_info(domain, deadline=deadline)
            )
        except RemoteError as exc:
            if _says_that_none_is_there(exc) or isinstance(exc, NoDomain):
                raise
            return await self._by_groups(connection, domain, deadline)
        if found is not None or self._availability.reason(PART) == "denied":
            return found
        source = DomainGetHostnameFlags.AGENT
        hostname = await _or_none(connection.domain_get_hostname(domain, source, deadline=deadline))
        return {"hostname": hostname or ""}

    async def _by_groups(
        self, connection: PacedConnection, domain: Domain, deadline: Deadline
    ) -> Parameters:
        found: dict[str, TypedValue] = {}
        for group in GROUPS:
            call = connection.domain_get_guest_info(domain, group, deadline=deadline)
            found |= await _or_none(call) or {}
        return found

    def _heard(self, event: e.Event) -> None:
        match event:
            case e.DomainAgentLifecycleEvent():
                self._note_agent(event.domain, event.state)
            case e.DomainChannelLifecycleEvent() if event.channel_name == GUEST_AGENT:
                self._note_agent(event.domain, event.state)
            case e.DomainLifecycleEvent() if event.event in _RUNS_AGAIN:
                self._refused_at.pop(event.domain.uuid, None)
                self._cache.refresh(event.domain)

    def _note_agent(self, domain: Domain, state: ConnectDomainEventAgentLifecycleState) -> None:
        is_connected = state == ConnectDomainEventAgentLifecycleState.CONNECTED
        self._heard_connected[domain.uuid] = is_connected
        self._refused_at.pop(domain.uuid, None)
        if is_connected:
            self._cache.refresh(domain)

    def _samples(self, domains: Iterable[Domain]) -> Iterator[Sample]:
        for domain in domains:
            own = domain_labels(domain)
            timeouts = self._timeouts.get(domain.uuid)
            guest = self._cache.get(domain)
            if guest is not None:
                yield Sample(m.GUEST_AGENT_RESPONSIVE, int(guest.info is not None), own)
                timeouts = timeouts or 0
            if timeouts is not None:
                yield Sample(m.GUEST_AGENT_TIMEOUTS, timeouts, own)
            if guest is not None and guest.info is not None:
                yield from guest_samples(guest.info, own)


async def _or_none(call: Awaitable[T]) -> T | None:
    """The answer, or None where the agent refuses this one command."""
    try:
        return await call
    except RemoteError as exc:
        if exc.code in _HANGS or isinstance(exc, NoDomain | OperationInvalid):
            raise
        return None


def _says_that_none_is_there(error: RemoteError) -> bool:
    return error.code in _NOBODY_THERE or error.code in _HANGS


def _now() -> float:
    return asyncio.get_running_loop().time()
