"""What is known of one hypervisor's domains beside their statistics, kept up to date in the background.

Their XML documents are fetched one by one when a domain is new, when an event says that it changed, and
on a slow refresh. What libvirt can list for all domains at once (autostart, persistence, managed save,
snapshots, checkpoints) is asked so, a few calls whatever the number of domains.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from exporter.config import MetadataConfig
from exporter.domain_cache import DomainCache, wait_for
from exporter.domain_xml import BrokenXML, DomainKeeping, DomainMetadata, parse_domain
from exporter.events import EventHub
from exporter.hypervisor import Hypervisor
from exporter.logs import StateLogger
from exporter.pace import NotAsked, PacedConnection
from exporter.snapshot_times import SnapshotTimes
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import ConnectListAllDomainsFlags as List
from libvirt_rpc.enums import DomainCheckpointListFlags, DomainSnapshotListFlags
from libvirt_rpc.errors import CallTimeout, InvalidArgument, LibvirtRPCError, RemoteError
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain, DomainCheckpoint, DomainSnapshot

logger = logging.getLogger(__name__)

PART = "domain_info"
KEEPING_SECONDS = 60.0
"""What is listed is listed anew so often, and soon after an event."""
DOCUMENTS_AT_ONCE = 4
"""A first page waits for all of them, which of a remote daemon takes a round trip each."""
EVENT_PAUSE_SECONDS = 1.0
"""Events come in bunches."""

_CHANGES = (
    e.DomainLifecycleEvent,
    e.DomainDeviceAddedEvent,
    e.DomainDeviceRemovedEvent,
    e.DomainMetadataChangeEvent,
    e.DomainBlockJob2Event,
    e.DomainDiskChangeEvent,
    e.DomainTrayChangeEvent,
    e.DomainNICMACChangeEvent,
    e.DomainAgentLifecycleEvent,
    e.DomainTunableEvent,
)
"""Events after which a domain's document may read otherwise."""


class Inventory:
    """A watcher of the connection and a listener of events."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        config: MetadataConfig,
        events: EventHub,
        *,
        is_needed: bool = True,
    ) -> None:
        """Where it is not `is_needed` it asks for nothing and knows nothing."""
        self._rules = config.all_rules
        self._longest_label = config.max_label_length
        self._availability = hypervisor.availability
        self._cache: DomainCache[DomainMetadata | None] = DomainCache(
            "metadata",
            self._fetch,
            interval_seconds=config.refresh_seconds,
            at_once=DOCUMENTS_AT_ONCE,
        )
        self._keeping: dict[uuid.UUID, DomainKeeping] = {}
        self._keeping_version = 0
        self._snapshot_times: SnapshotTimes[DomainSnapshot] = SnapshotTimes()
        self._checkpoint_times: SnapshotTimes[DomainCheckpoint] = SnapshotTimes()
        self._states = StateLogger(logger)
        self._is_listed = asyncio.Event()
        self._is_dirty = asyncio.Event()
        if is_needed:
            hypervisor.watchers.append(self)
            events.listeners.append(self._heard)

    @property
    def version(self) -> int:
        """Goes up whenever something that is known is another."""
        return self._cache.version + self._keeping_version

    def get(self, domain: Domain) -> DomainMetadata | None:
        """What the domain's document says; None where it is not known yet, or broken."""
        return self._cache.get(domain)

    def keeping(self, domain: Domain) -> DomainKeeping:
        return self._keeping.get(domain.uuid, DomainKeeping())

    def __iter__(self) -> Iterator[tuple[Domain, DomainMetadata]]:
        for domain, metadata in self._cache:
            if metadata is not None:
                yield domain, metadata

    def keep(self, domains: Iterable[Domain]) -> None:
        """These are the domains now."""
        listed = tuple(domains)
        self._cache.keep(listed)
        if any(domain.uuid not in self._keeping for domain in listed):
            self._is_dirty.set()

    async def read(self, deadline: Deadline, *, reserve_seconds: float = 0.0) -> None:
        """Waits until every document was fetched once on this connection, or as `settled` does."""
        await self._cache.settled(deadline, reserve_seconds=reserve_seconds)

    async def settled(self, deadline: Deadline, *, reserve_seconds: float = 0.0) -> None:
        """Waits until everything was fetched once on this connection, or `reserve_seconds` before the deadline."""
        await self._cache.settled(deadline, reserve_seconds=reserve_seconds)
        await wait_for(self._is_listed, deadline, reserve_seconds=reserve_seconds)

    # What goes on in the background.

    async def begin(self, connection: PacedConnection) -> None:
        self._is_listed.clear()
        self._forget_keeping()
        self._snapshot_times.forget()
        self._checkpoint_times.forget()
        await self._cache.begin(connection)

    async def watch(self, connection: PacedConnection) -> None:
        await asyncio.gather(self._cache.watch(connection), self._watch_keeping(connection))

    def _heard(self, event: e.Event) -> None:
        if isinstance(event, _CHANGES):
            self._cache.refresh(event.domain)
            self._is_dirty.set()

    async def _fetch(self, connection: PacedConnection, domain: Domain) -> DomainMetadata | None:
        xml = await self._availability.ask(
            f"{PART}.xml", lambda: connection.domain_get_xml_desc(domain)
        )
        if xml is None:
            return None
        key = str(domain.uuid)
        try:
            metadata = parse_domain(xml, self._rules, longest_label=self._longest_label)
        except BrokenXML as exc:
            what = f"the document of {domain.name} cannot be used: {exc.reason}"
            self._states.failed(key, what, uuid=key)
            return None
        self._states.recovered(key, f"the document of {domain.name} can be used again", uuid=key)
        return metadata

    async def _watch_keeping(self, connection: PacedConnection) -> None:
        while True:
            try:
                await self._list_keeping(connection)
            except LibvirtRPCError as exc:
                # What was known is old: an unknown value is absent.
                self._forget_keeping()
                logger.debug("domains could not be listed by what is kept of them: %s", exc)
            except Exception:
                self._forget_keeping()
                logger.exception("what is kept of the domains could not be listed")
            self._is_listed.set()
            try:
                async with asyncio.timeout(KEEPING_SECONDS):
                    await self._is_dirty.wait()
                await asyncio.sleep(EVENT_PAUSE_SECONDS)
            except TimeoutError:
                pass
            self._is_dirty.clear()

    def _forget_keeping(self) -> None:
        if self._keeping:
            self._keeping = {}
            self._keeping_version += 1

    async def _list_keeping(self, connection: PacedConnection) -> None:
        every = {
            one.uuid for one in await connection.list_all_domains(List.PERSISTENT | List.TRANSIENT)
        }
        persistent = await self._listed(connection, "persistent", List.PERSISTENT)
        autostart = await self._listed(connection, "autostart", List.AUTOSTART)
        saved = await self._listed(connection, "managed_save", List.MANAGEDSAVE)
        snapshots = await self._listed(connection, "snapshots", List.HAS_SNAPSHOT)
        checkpoints = await self._listed(connection, "checkpoints", List.HAS_CHECKPOINT)
        snapshot_numbers = await _numbers(snapshots, connection.domain_snapshot_num)
        checkpoint_numbers = await _numbers(checkpoints, connection.domain_count_all_checkpoints)
        newest_snapshots = await self._snapshot_times.newest(
            snapshots or {},
            snapshot_numbers,
            lambda domain: connection.domain_list_all_snapshots(
                domain, DomainSnapshotListFlags.LEAVES
            ),
            connection.domain_snapshot_get_xml_desc,
        )
        newest_checkpoints = await self._checkpoint_times.newest(
            checkpoints or {},
            checkpoint_numbers,
            lambda domain: connection.domain_list_all_checkpoints(
                domain, DomainCheckpointListFlags.LEAVES
            ),
            connection.domain_checkpoint_get_xml_desc,
        )
        keeping = {
            key: DomainKeeping(
                persistent=_contains(persistent, key),
                autostart=_contains(autostart, key),
                has_managed_save=_contains(saved, key),
                snapshots=None if snapshots is None else snapshot_numbers.get(key, 0),
                checkpoints=None if checkpoints is None else checkpoint_numbers.get(key, 0),
                newest_snapshot=newest_snapshots.get(key),
                newest_checkpoint=newest_checkpoints.get(key),
            )
            for key in every
        }
        if keeping != self._keeping:
            self._keeping = keeping
            self._keeping_version += 1

    async def _listed(
        self, connection: PacedConnection, part: str, flags: List
    ) -> Mapping[uuid.UUID, Domain] | None:
        """The domains of this kind; None where the daemon does not tell."""
        name = f"{PART}.{part}"
        try:
            listed = await self._availability.ask(name, lambda: connection.list_all_domains(flags))
        except InvalidArgument:
            # An older daemon that does not know the flag.
            self._availability.switch_off(name, "too_old")
            return None
        return None if listed is None else {one.uuid: one for one in listed}


async def _numbers(
    domains: Mapping[uuid.UUID, Domain] | None, ask: Callable[[Domain], Awaitable[int]]
) -> dict[uuid.UUID, int | None]:
    """What `ask` says of each; None of one that is gone meanwhile, hangs, or does not tell."""

    async def number(domain: Domain) -> int | None:
        try:
            return await ask(domain)
        except (RemoteError, CallTimeout, NotAsked):
            return None

    asked = domains or {}
    numbers = await asyncio.gather(*(number(domain) for domain in asked.values()))
    return dict(zip(asked, numbers, strict=True))


def _contains(domains: Mapping[uuid.UUID, Domain] | None, key: uuid.UUID) -> bool | None:
    return None if domains is None else key in domains
