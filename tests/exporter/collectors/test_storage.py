"""Storage pools and volumes on a page: inactive ones, vanished ones, denied ones, and those that hang."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from exporter.config import StorageCollectors
from exporter.pace import PATIENCE_SECONDS
from libvirt_rpc.enums import ConnectListAllStoragePoolsFlags as List
from libvirt_rpc.enums import StoragePoolState
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import Answer, Answers, Peer, by_table, never, refuses, returns
from tests.support.exporting import QEMU_HOST, Held, calls
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.watching import only, page_of, watched

IMAGES = t.StoragePool("images", uuid.UUID(int=11))
IDLE = t.StoragePool("idle", uuid.UUID(int=12))
ODD = t.StoragePool('dead "nfs" \\ ü', uuid.UUID(int=13))
POOLS = (IMAGES, IDLE, ODD)
XML = "<pool type='{type}'><name>x</name><target><path>/srv/{name}</path></target></pool>"
RUNNING = t.StoragePoolInfo(StoragePoolState.RUNNING, 1000, 600, 400)
INACTIVE = t.StoragePoolInfo(StoragePoolState.INACTIVE, 0, 0, 0)
COLLECTORS = only(storage=StorageCollectors(pools=True))
VOLUMES = only(storage=StorageCollectors(pools=False, volumes=True, max_volumes=3))

POOL_INFO = p.STORAGE_POOL_GET_INFO
ON_PAGE = "libvirt_storage_pool"


def lists(by_flags: Mapping[int, tuple[t.StoragePool, ...]]) -> Answer:
    def answer(peer: Peer, call: Frame) -> None:
        flags = xdr.decode(p.CONNECT_LIST_ALL_STORAGE_POOLS.arguments, call.payload).flags
        pools = by_flags.get(flags, ())
        peer.reply(call, t.ConnectListAllStoragePoolsReply(pools, len(pools)))

    return answer


def of_pool(procedure: p.Procedure[Any, Any], answers: Mapping[str, Answer]) -> Answer:
    """Answers by the pool that is asked about."""

    def answer(peer: Peer, call: Frame) -> None:
        name = xdr.decode(procedure.arguments, call.payload).pool.name
        answers[name](peer, call)

    return answer


def documents(peer: Peer, call: Frame) -> None:
    name = xdr.decode(p.STORAGE_POOL_GET_XML_DESC.arguments, call.payload).pool.name
    peer.reply(call, t.String(XML.format(type="dir", name=name.split()[0])))


BY_FLAGS = {0: POOLS, List.PERSISTENT: (IMAGES, IDLE), List.AUTOSTART: (IMAGES,)}
ANSWERS: Answers = {
    p.CONNECT_LIST_ALL_STORAGE_POOLS: lists({**BY_FLAGS, List.ACTIVE: (IMAGES, ODD)}),
    p.STORAGE_POOL_GET_XML_DESC: documents,
    POOL_INFO: of_pool(
        POOL_INFO,
        {IMAGES.name: returns(RUNNING), IDLE.name: returns(INACTIVE), ODD.name: returns(RUNNING)},
    ),
    p.STORAGE_POOL_NUM_OF_VOLUMES: returns(t.Number(2)),
}


def with_odd(procedure: p.Procedure[Any, Any], answer: Answer, others: Answer) -> Answers:
    """What the daemon answers where only the odd pool answers so."""
    names = {IMAGES.name: others, IDLE.name: others, ODD.name: answer}
    return {**ANSWERS, procedure: of_pool(procedure, names)}


# Pools.


async def test_pools_are_shown_with_what_they_are_and_hold() -> None:
    async with watched(ANSWERS, COLLECTORS, labels=(("rack", "r1"),)) as (daemon, application):
        page = await page_of(application)
        again = await page_of(application)
        assert calls(daemon, [p.STORAGE_POOL_GET_XML_DESC]) == len(POOLS)
        # Of one that does not run the daemon would only log an error.
        assert calls(daemon, [p.STORAGE_POOL_NUM_OF_VOLUMES]) == 4
    own = {"pool": IMAGES.name, "uuid": str(IMAGES.uuid), "rack": "r1"}
    for one in (page, again):
        assert one.value(f"{ON_PAGE}_info", **own, type="dir", path="/srv/images") == 1
        assert one.value(f"{ON_PAGE}_state", **own) == StoragePoolState.RUNNING
        assert one.value(f"{ON_PAGE}_capacity_bytes", **own) == 1000
        assert one.value(f"{ON_PAGE}_allocation_bytes", **own) == 600
        assert one.value(f"{ON_PAGE}_available_bytes", **own) == 400
        assert one.value(f"{ON_PAGE}_autostart", **own) == 1
        assert one.value(f"{ON_PAGE}_persistent", pool=ODD.name) == 0
        assert one.value(f"{ON_PAGE}_state", pool=IDLE.name) == StoragePoolState.INACTIVE
        # Nothing is made up of a pool that does not run.
        assert sorted(one.labels(f"{ON_PAGE}_capacity_bytes", "pool")) == [ODD.name, IMAGES.name]
        assert one.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_a_pool_that_hangs_costs_no_other_its_figures(clock: VirtualClock) -> None:
    answers = with_odd(POOL_INFO, never, returns(RUNNING))
    async with watched(answers, COLLECTORS) as (daemon, application):
        before = clock.now
        first = await page_of(application)
        assert clock.now - before < PATIENCE_SECONDS + 1
        before = clock.now
        second = await page_of(application)
        # It is not waited for again, nor asked.
        assert clock.now - before < 1
        assert calls(daemon, [POOL_INFO]) == 2 * len(POOLS) - 1
    for page in (first, second):
        assert sorted(page.labels(f"{ON_PAGE}_state", "pool")) == [IDLE.name, IMAGES.name]
        assert page.value(f"{ON_PAGE}_volumes", pool=IMAGES.name) == 2
        assert page.value("libvirt_exporter_collector_success", collector="storage_pools") == 0
        assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1


@in_virtual_time
async def test_a_pool_whose_document_hangs_costs_no_other_its_facts(clock: VirtualClock) -> None:
    answers = with_odd(p.STORAGE_POOL_GET_XML_DESC, never, documents)
    async with watched(answers, COLLECTORS) as (daemon, application):
        page = await page_of(application)
        assert sorted(page.labels(f"{ON_PAGE}_info", "pool")) == [IDLE.name, IMAGES.name]
        asked = calls(daemon, [p.STORAGE_POOL_GET_XML_DESC])
        for _ in range(3):
            await asyncio.sleep(15)
            page = await page_of(application)
        # What is of no use is not fetched anew on every scrape.
        assert calls(daemon, [p.STORAGE_POOL_GET_XML_DESC]) == asked
        assert sorted(page.labels(f"{ON_PAGE}_info", "pool")) == [IDLE.name, IMAGES.name]


async def test_a_pool_without_a_number_of_volumes_keeps_its_sizes() -> None:
    broken = {**ANSWERS, p.STORAGE_POOL_NUM_OF_VOLUMES: refuses(1, "broken")}
    async with watched(broken, COLLECTORS) as (_, application):
        page = await page_of(application)
    assert page.value(f"{ON_PAGE}_capacity_bytes", pool=IMAGES.name) == 1000
    assert not page.values(f"{ON_PAGE}_volumes")
    assert page.value("libvirt_exporter_collector_success", collector="storage_pools") == 0


async def test_a_pool_that_vanished_since_it_was_listed_is_no_failure() -> None:
    for answers in (
        with_odd(POOL_INFO, refuses(49, "no storage pool"), returns(RUNNING)),
        with_odd(p.STORAGE_POOL_NUM_OF_VOLUMES, refuses(55, "not active"), returns(t.Number(2))),
    ):
        async with watched(answers, COLLECTORS) as (_, application):
            page = await page_of(application)
        assert IMAGES.name in page.labels(f"{ON_PAGE}_volumes", "pool")
        assert ODD.name not in page.labels(f"{ON_PAGE}_volumes", "pool")
        assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_what_is_denied_is_asked_once_and_leaves_the_rest() -> None:
    denied = refuses(88, "access denied")
    answers = {**ANSWERS, POOL_INFO: denied, p.STORAGE_POOL_GET_XML_DESC: denied}
    async with watched(answers, COLLECTORS) as (daemon, application):
        await page_of(application)
        asked = calls(daemon, [POOL_INFO, p.STORAGE_POOL_GET_XML_DESC])
        page = await page_of(application)
        assert calls(daemon, [POOL_INFO, p.STORAGE_POOL_GET_XML_DESC]) == asked
    for part in ("storage_pools.info", "storage_pools.xml"):
        off = {"collector": part, "reason": "denied"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0
    assert not page.values(f"{ON_PAGE}_state")
    assert page.value("libvirt_exporter_collector_available", collector="storage_pools") == 1
    assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_a_new_pool_has_its_facts_soon(clock: VirtualClock) -> None:
    few = {**ANSWERS, p.CONNECT_LIST_ALL_STORAGE_POOLS: lists({0: (IMAGES,)})}
    async with watched(few, COLLECTORS) as (daemon, application):
        page = await page_of(application)
        assert page.labels(f"{ON_PAGE}_info", "pool") == [IMAGES.name]
        daemon.script = by_table({**QEMU_HOST, **ANSWERS})
        await page_of(application)
        await asyncio.sleep(2)
        page = await page_of(application)
        assert len(page.values(f"{ON_PAGE}_info")) == len(POOLS)


# Volumes.


def volume(pool: t.StoragePool, name: str) -> t.StorageVol:
    return t.StorageVol(pool.name, name, f"/srv/{name}")


def volumes_of(*volumes: t.StorageVol) -> Answer:
    return returns(t.StoragePoolListAllVolumesReply(volumes, len(volumes)))


LIST_VOLUMES = p.STORAGE_POOL_LIST_ALL_VOLUMES
VOLUME_INFO = returns(t.StorageVolInfo(0, 50, 20))
OF_POOLS: Answers = {
    **ANSWERS,
    LIST_VOLUMES: of_pool(
        LIST_VOLUMES,
        {
            IMAGES.name: volumes_of(*(volume(IMAGES, f"disk-{n}") for n in range(4))),
            ODD.name: volumes_of(volume(ODD, "far")),
        },
    ),
    p.STORAGE_VOL_GET_INFO: VOLUME_INFO,
}


async def test_so_many_volumes_are_shown_and_the_others_are_counted() -> None:
    async with watched(OF_POOLS, VOLUMES, labels=(("rack", "r1"),)) as (daemon, application):
        page = await page_of(application)
        assert calls(daemon, [p.STORAGE_VOL_GET_INFO]) == 3
    first = {"pool": ODD.name, "volume": "far", "type": "file", "rack": "r1"}
    assert page.value("libvirt_storage_volume_capacity_bytes", **first) == 50
    assert page.value("libvirt_storage_volume_allocation_bytes", **first) == 20
    assert len(page.values("libvirt_storage_volume_capacity_bytes")) == 3
    assert page.value("libvirt_exporter_volumes_not_shown", rack="r1") == 2


@in_virtual_time
async def test_a_pool_whose_volumes_cannot_be_listed_costs_no_other_its_own(
    clock: VirtualClock,
) -> None:
    several = volumes_of(volume(IMAGES, "disk-0"))
    for broken in (never, refuses(39, "too many volumes")):
        answers = {
            **OF_POOLS,
            LIST_VOLUMES: of_pool(LIST_VOLUMES, {IMAGES.name: several, ODD.name: broken}),
        }
        async with watched(answers, VOLUMES) as (_, application):
            page = await page_of(application)
        assert page.labels("libvirt_storage_volume_capacity_bytes", "volume") == ["disk-0"]
        assert page.value("libvirt_exporter_collector_success", collector="storage_volumes") == 0


@in_virtual_time
async def test_the_volumes_of_a_dead_storage_take_one_worker_in_all(clock: VirtualClock) -> None:
    held = Held(VOLUME_INFO)
    answers: Answers = {**OF_POOLS, p.STORAGE_VOL_GET_INFO: held}
    async with watched(answers, VOLUMES) as (_, application):
        await page_of(application)
        await asyncio.sleep(120)
        # One of each pool: both hang.
        assert held.count == 2
        page = await page_of(application)
        assert page.value("libvirt_exporter_stuck_calls") == 2
        assert page.value("libvirt_domain_state", domain="web") == 1
