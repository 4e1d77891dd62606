"""What is known beside the statistics: nothing old, nothing invented, one domain's trouble its own."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping

from exporter.config import LibvirtConfig, MetadataConfig
from exporter.domain_xml import DomainKeeping
from exporter.events import EventHub
from exporter.hypervisor import Hypervisor
from exporter.inventory import KEEPING_SECONDS, Inventory
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import ConnectListAllDomainsFlags as List
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import (
    Answer,
    Answers,
    Peer,
    ScriptedDaemon,
    by_table,
    never,
    refuses,
    returns,
)
from tests.support.exporting import ARCHIVE, QEMU_HOST, WEB, calls
from tests.support.virtual_time import VirtualClock, in_virtual_time

LIST = p.CONNECT_LIST_ALL_DOMAINS
EVERY = List.PERSISTENT | List.TRANSIENT
XML = "<domain type='kvm'><name>x</name><title>{title}</title></domain>"


def lists(by_flags: Mapping[int, tuple[t.Domain, ...]]) -> Answer:
    def answer(peer: Peer, call: Frame) -> None:
        flags = xdr.decode(LIST.arguments, call.payload).flags
        found = by_flags.get(flags, ())
        peer.reply(call, t.ConnectListAllDomainsReply(found, len(found)))

    return answer


BOTH = (WEB, ARCHIVE)
KEPT: dict[int, tuple[t.Domain, ...]] = {
    EVERY: BOTH,
    List.PERSISTENT: (WEB,),
    List.AUTOSTART: (WEB,),
    List.HAS_SNAPSHOT: BOTH,
}
ANSWERS: Answers = {
    **QEMU_HOST,
    p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: returns(t.Number(0)),
    LIST: lists(KEPT),
    p.DOMAIN_GET_XML_DESC: returns(t.String(XML.format(title="one"))),
    p.DOMAIN_SNAPSHOT_NUM: returns(t.Number(3)),
}


@contextlib.asynccontextmanager
async def inventory_on(answers: Answers) -> AsyncIterator[tuple[ScriptedDaemon, Inventory]]:
    async with ScriptedDaemon(by_table({**ANSWERS, **answers})) as daemon:
        config = LibvirtConfig(
            uri=daemon.uri, keepalive_interval_seconds=0, reconnect_interval_seconds=1
        )
        hypervisor = Hypervisor(config, environ={})
        events = EventHub(hypervisor.availability)
        hypervisor.watchers.append(events)
        inventory = Inventory(hypervisor, MetadataConfig(), events)
        running = asyncio.create_task(hypervisor.run())
        try:
            await hypervisor.first_attempt()
            inventory.keep(BOTH)
            await inventory.settled(Deadline.after(20))
            yield daemon, inventory
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def test_what_libvirt_keeps_is_listed_for_all_at_once() -> None:
    async with inventory_on({}) as (daemon, inventory):
        assert inventory.keeping(WEB) == DomainKeeping(
            persistent=True, autostart=True, has_managed_save=False, snapshots=3, checkpoints=0
        )
        assert inventory.keeping(ARCHIVE).persistent is False
        assert len(daemon.peer.calls(LIST)) == 6


async def test_where_nobody_needs_it_nothing_is_asked() -> None:
    async with ScriptedDaemon(by_table(ANSWERS)) as daemon:
        hypervisor = Hypervisor(LibvirtConfig(uri=daemon.uri), environ={})
        events = EventHub(hypervisor.availability)
        inventory = Inventory(hypervisor, MetadataConfig(), events, is_needed=False)
        assert hypervisor.watchers == []
        assert events.listeners == []
        inventory.keep(BOTH)
        assert inventory.get(WEB) is None


async def test_what_an_older_daemon_does_not_list_is_unknown_and_not_no() -> None:
    def refused(peer: Peer, call: Frame) -> None:
        flags = xdr.decode(LIST.arguments, call.payload).flags
        answer = refuses(8, "unsupported flags") if flags == List.HAS_CHECKPOINT else lists(KEPT)
        answer(peer, call)

    async with inventory_on({LIST: refused}) as (_, inventory):
        assert inventory.keeping(WEB).checkpoints is None
        assert inventory.keeping(WEB).snapshots == 3


@in_virtual_time
async def test_a_domain_whose_snapshots_are_not_counted_costs_no_other(
    clock: VirtualClock,
) -> None:
    for broken in (refuses(1, "broken"), never):

        def number(peer: Peer, call: Frame, broken: Answer = broken) -> None:
            asked = xdr.decode(p.DOMAIN_SNAPSHOT_NUM.arguments, call.payload).dom
            (broken if asked == WEB else returns(t.Number(3)))(peer, call)

        async with inventory_on({p.DOMAIN_SNAPSHOT_NUM: number}) as (_, inventory):
            assert inventory.keeping(WEB).snapshots is None
            assert inventory.keeping(WEB).autostart is True
            assert inventory.keeping(ARCHIVE).snapshots == 3


@in_virtual_time
async def test_what_can_be_listed_no_longer_is_unknown(clock: VirtualClock) -> None:
    async with inventory_on({}) as (daemon, inventory):
        version = inventory.version
        daemon.script = by_table({**ANSWERS, LIST: refuses(1, "broken")})
        await asyncio.sleep(KEEPING_SECONDS + 2)
        assert inventory.keeping(WEB) == DomainKeeping()
        assert inventory.version > version
        daemon.script = by_table(ANSWERS)
        await asyncio.sleep(KEEPING_SECONDS + 2)
        assert inventory.keeping(WEB).snapshots == 3


@in_virtual_time
async def test_a_reply_of_no_use_does_not_end_the_listing(clock: VirtualClock) -> None:
    async with inventory_on({}) as (daemon, inventory):
        # A number where a list belongs: another message's body.
        daemon.script = by_table({**ANSWERS, LIST: returns(t.Number(0))})
        await asyncio.sleep(KEEPING_SECONDS + 2)
        daemon.script = by_table(ANSWERS)
        await asyncio.sleep(2 * KEEPING_SECONDS + 2)
        assert inventory.keeping(WEB).snapshots == 3


@in_virtual_time
async def test_behind_a_new_connection_everything_is_asked_anew(clock: VirtualClock) -> None:
    async with inventory_on({}) as (daemon, inventory):
        daemon.script = by_table(
            {
                **ANSWERS,
                LIST: lists({EVERY: BOTH}),
                p.DOMAIN_GET_XML_DESC: returns(t.String(XML.format(title="two"))),
            }
        )
        daemon.peers[0].close()
        await asyncio.sleep(5)
        known = inventory.get(WEB)
        assert known is not None
        assert known.title == "two"
        assert inventory.keeping(WEB).autostart is False
        assert calls(daemon, [p.DOMAIN_GET_XML_DESC]) == 4


async def test_two_domains_of_one_name_are_two() -> None:
    other = t.Domain(WEB.name, uuid.UUID(int=77), 9)
    async with inventory_on({LIST: lists({**KEPT, EVERY: (*BOTH, other)})}) as (_, inventory):
        inventory.keep((*BOTH, other))
        await inventory.settled(Deadline.after(5))
        assert {domain.uuid for domain, _ in inventory} == {WEB.uuid, ARCHIVE.uuid, other.uuid}
