"""Storage pools, and their volumes where that is asked for. Nothing is refreshed: libvirt's figures are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from exporter.collectors.collector import Scrape
from exporter.collectors.parts import collect_parts
from exporter.domain_xml import BrokenXML
from exporter.domain_xml.document import parse_document
from exporter.exposition import Labels, Sample
from exporter.hypervisor import Hypervisor
from exporter.kept_value import KeptValue
from exporter.metrics import storage as m
from exporter.pace import NotAsked, PacedConnection
from exporter.siblings import Siblings
from libvirt_rpc.enums import ConnectListAllStoragePoolsFlags as List
from libvirt_rpc.enums import ErrorNumber, StoragePoolState, StorageVolType
from libvirt_rpc.errors import CallTimeout, LibvirtRPCError, RemoteError
from libvirt_rpc.protocol.types import StoragePool, StorageVol, StorageVolInfo

DRIVER = "storage"
POOLS = "storage_pools"
VOLUMES = "storage_volumes"
RESERVE_SECONDS = 0.5

_GONE = (ErrorNumber.NO_STORAGE_POOL, ErrorNumber.NO_STORAGE_VOL, ErrorNumber.OPERATION_INVALID)
"""What is answered of what vanished, or was stopped, since it was listed."""

_HAS_FIGURES = (StoragePoolState.RUNNING, StoragePoolState.DEGRADED)


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What hardly changes of a pool."""

    type: str
    path: str
    is_persistent: bool
    has_autostart: bool


class StoragePoolsCollector:
    """State and sizes are asked on the scrape, one call a pool; type and path are kept."""

    name = POOLS

    def __init__(
        self, hypervisor: Hypervisor, siblings: Siblings, *, interval_seconds: float
    ) -> None:
        self._siblings = siblings
        self._facts: KeptValue[Mapping[UUID, PoolFacts | None]] = KeptValue(
            "storage pools", self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._facts)

    async def collect(self, scrape: Scrape) -> None:
        pools = await self._listed(List(0))
        if pools is None:
            return
        known = await self._facts.settled(scrape.deadline, reserve_seconds=RESERVE_SECONDS)
        facts = known or {}
        if known is not None and any(pool.uuid not in known for pool in pools):
            self._facts.refresh()
        kept = [sample for pool in pools for sample in _kept_samples(pool, facts.get(pool.uuid))]
        errors: list[LibvirtRPCError] = []
        await collect_parts(scrape, _ready(kept), *(self._pool(pool, errors) for pool in pools))
        if errors:
            raise errors[0]

    async def _listed(self, flags: List) -> Sequence[StoragePool] | None:
        return await self._siblings.ask(
            POOLS, DRIVER, lambda connection: connection.list_all_storage_pools(flags)
        )

    async def _fetch(self, connection: PacedConnection) -> Mapping[UUID, PoolFacts | None]:  # noqa: ARG002
        facts: dict[UUID, PoolFacts | None] = {}
        persistent = _uuids(await self._listed(List.PERSISTENT))
        autostart = _uuids(await self._listed(List.AUTOSTART))
        for pool in await self._listed(List(0)) or ():
            facts[pool.uuid] = None
            try:
                xml = await self._xml(pool)
                if xml is not None:
                    facts[pool.uuid] = _facts(
                        xml,
                        is_persistent=pool.uuid in persistent,
                        has_autostart=pool.uuid in autostart,
                    )
            except (RemoteError, CallTimeout, NotAsked, BrokenXML):
                continue  # gone meanwhile, hangs, or of no use: it costs no other its facts
        return facts

    async def _xml(self, pool: StoragePool) -> str | None:
        return await self._siblings.ask(
            f"{POOLS}.xml", DRIVER, lambda connection: connection.storage_pool_get_xml_desc(pool)
        )

    async def _pool(self, pool: StoragePool, errors: list[LibvirtRPCError]) -> Iterable[Sample]:
        labels = _labels(pool)
        try:
            info = await self._siblings.ask(
                f"{POOLS}.info", DRIVER, lambda connection: connection.storage_pool_get_info(pool)
            )
            if info is None:
                return ()
            samples = [Sample(m.POOL_STATE, info.state, labels)]
            if info.state not in _HAS_FIGURES:
                return samples
            samples += [
                Sample(m.POOL_CAPACITY, info.capacity, labels),
                Sample(m.POOL_ALLOCATION, info.allocation, labels),
                Sample(m.POOL_AVAILABLE, info.available, labels),
            ]
        except RemoteError as exc:
            if exc.code in _GONE:
                return ()
            raise
        try:
            volumes = await self._siblings.ask(
                f"{POOLS}.volumes",
                DRIVER,
                lambda connection: connection.storage_pool_num_of_volumes(pool),
            )
        except LibvirtRPCError as exc:
            if not (isinstance(exc, RemoteError) and exc.code in _GONE):
                errors.append(exc)  # what is known stays
            return samples
        if volumes is not None:
            samples.append(Sample(m.POOL_VOLUMES, volumes, labels))
        return samples


@dataclass(frozen=True, slots=True)
class Volumes:
    """Volumes with what is known of each; `not_shown` is how many there are more.

    `error` is why those of a pool could not be listed.
    """

    shown: tuple[tuple[StorageVol, StorageVolInfo], ...]
    not_shown: int
    error: LibvirtRPCError | None = None


class StorageVolumesCollector:
    """Everything is kept, because a call a volume is needed; so many at most."""

    name = VOLUMES

    def __init__(
        self,
        hypervisor: Hypervisor,
        siblings: Siblings,
        *,
        interval_seconds: float,
        max_volumes: int,
    ) -> None:
        self._siblings = siblings
        self._max_volumes = max_volumes
        self._volumes: KeptValue[Volumes] = KeptValue(
            "storage volumes", self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._volumes)

    async def collect(self, scrape: Scrape) -> None:
        known = await self._volumes.settled(scrape.deadline, reserve_seconds=RESERVE_SECONDS)
        if known is not None:
            await collect_parts(scrape, _ready(_volume_samples(known)))
            if known.error is not None:
                raise known.error

    async def _fetch(self, connection: PacedConnection) -> Volumes:  # noqa: ARG002
        pools = await self._siblings.ask(
            VOLUMES, DRIVER, lambda asked: asked.list_all_storage_pools(List.ACTIVE)
        )
        listed: list[StorageVol] = []
        error: LibvirtRPCError | None = None
        for pool in pools or ():
            try:
                listed += await self._listed(pool)
            except (RemoteError, CallTimeout, NotAsked) as exc:
                error = exc  # it costs no other its volumes
        listed.sort(key=lambda volume: (volume.pool, volume.name))
        wanted = listed[: self._max_volumes]
        shown = [(volume, info) for volume in wanted if (info := await self._info(volume))]
        return Volumes(tuple(shown), len(listed) - len(wanted), error)

    async def _listed(self, pool: StoragePool) -> Sequence[StorageVol]:
        try:
            volumes = await self._siblings.ask(
                VOLUMES, DRIVER, lambda connection: connection.storage_pool_list_all_volumes(pool)
            )
        except RemoteError as exc:
            if exc.code in _GONE:
                return ()
            raise
        return volumes or ()

    async def _info(self, volume: StorageVol) -> StorageVolInfo | None:
        try:
            return await self._siblings.ask(
                VOLUMES, DRIVER, lambda connection: connection.storage_vol_get_info(volume)
            )
        except (RemoteError, CallTimeout, NotAsked):
            return None  # gone meanwhile, or not to be read: it costs no other its figures


def _volume_samples(volumes: Volumes) -> Iterable[Sample]:
    for volume, info in volumes.shown:
        kind = StorageVolType(info.type).label
        labels = (("pool", volume.pool), ("volume", volume.name), ("type", kind))
        yield Sample(m.VOLUME_CAPACITY, info.capacity, labels)
        yield Sample(m.VOLUME_ALLOCATION, info.allocation, labels)
    yield Sample(m.VOLUMES_NOT_SHOWN, volumes.not_shown)


def _facts(xml: str, *, is_persistent: bool, has_autostart: bool) -> PoolFacts:
    root = parse_document(xml)
    path = root.find("target", "path").text
    return PoolFacts(root.get("type"), path, is_persistent, has_autostart)


def _labels(pool: StoragePool) -> Labels:
    return (("pool", pool.name), ("uuid", str(pool.uuid)))


def _uuids(pools: Iterable[StoragePool] | None) -> frozenset[UUID]:
    return frozenset(pool.uuid for pool in pools or ())


def _kept_samples(pool: StoragePool, facts: PoolFacts | None) -> Iterable[Sample]:
    if facts is None:
        return
    labels = _labels(pool)
    yield Sample(m.POOL_INFO, 1, (*labels, ("type", facts.type), ("path", facts.path)))
    yield Sample(m.POOL_AUTOSTART, int(facts.has_autostart), labels)
    yield Sample(m.POOL_PERSISTENT, int(facts.is_persistent), labels)


async def _ready(samples: Iterable[Sample]) -> Iterable[Sample]:
    return samples
