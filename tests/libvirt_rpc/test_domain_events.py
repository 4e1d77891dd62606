"""Subscribing on a scripted daemon: what is registered, what comes through, and what costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.domain_events import DEFAULT_EVENT_IDS, Subscription, subscribe
from libvirt_rpc.enums import (
    DomainEventID,
    DomainEventShutdownDetailType,
    DomainEventType,
    ErrorNumber,
    NetworkEventID,
    NetworkEventLifecycleType,
    NodeDeviceEventID,
    SecretEventID,
    StoragePoolEventID,
)
from libvirt_rpc.errors import (
    AccessDenied,
    CallTimeout,
    NoSupport,
    RemoteError,
    RPCError,
    SessionClosed,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.events import (
    DomainBalloonChangeEvent,
    DomainLifecycleEvent,
    DomainRebootEvent,
    Event,
    NetworkLifecycleEvent,
)
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS
from tests.support.daemon import (
    HANDSHAKE,
    Answer,
    Answers,
    Peer,
    ScriptedDaemon,
    by_table,
    never,
    refuses,
    returns,
)
from tests.support.event_messages import event_frame, event_message
from tests.support.virtual_time import VirtualClock, in_virtual_time

DOMAIN = t.Domain("vm-1", uuid.UUID(int=1), 7)
REGISTER = p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY
HOST = t.String("host")
ID = DomainEventID


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the user's libvirt.conf nor the environment has a say."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def soon() -> Deadline:
    """Long enough for a daemon that answers, however busy the machine is."""
    return Deadline.after(20)


def balloons(*numbers: int) -> list[Event]:
    """Events that can be told apart by their number."""
    return [DomainBalloonChangeEvent(DOMAIN, number) for number in numbers]


def sent(peer: Peer, *events: Event) -> None:
    peer.send(b"".join(event_frame(event).encode() for event in events))


@contextlib.asynccontextmanager
async def opened(answers: Answers | None = None) -> AsyncIterator[tuple[Connection, Peer]]:
    """A connection to a daemon that takes every registration, and the daemon's end of it."""
    table = {**HANDSHAKE, REGISTER: returns(t.Number(0)), p.CONNECT_GET_HOSTNAME: returns(HOST)}
    async with ScriptedDaemon(by_table({**table, **(answers or {})})) as daemon:
        connection = await connect(daemon.uri)
        try:
            yield connection, daemon.peer
        finally:
            connection.session.fail(SessionClosed("the test is over"))
            await connection.session.wait_closed()


def registered(peer: Peer) -> list[t.ConnectDomainEventCallbackRegisterAnyArgs]:
    return [xdr.decode(REGISTER.arguments, call.payload) for call in peer.calls(REGISTER)]


def by_id(answers: dict[DomainEventID, Answer], otherwise: Answer) -> Answer:
    """An answer to a registration that goes by the event."""

    def answer(peer: Peer, call: Frame) -> None:
        event_id = xdr.decode(REGISTER.arguments, call.payload).event_id
        answers.get(DomainEventID(event_id), otherwise)(peer, call)

    return answer


async def first(subscription: Subscription, count: int) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(20):
        while len(events) < count:
            events.append(await anext(subscription))
    return events


async def rest(subscription: Subscription) -> list[Event]:
    """What comes until the iteration ends."""
    async with asyncio.timeout(20):
        return [event async for event in subscription]


# Registering.


async def test_each_event_is_registered_once_of_all_domains() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection, [ID.REBOOT, ID.LIFECYCLE, ID.REBOOT])
        args = t.ConnectDomainEventCallbackRegisterAnyArgs
        assert registered(peer) == [args(0, None), args(1, None)]
        assert subscription.ids == {ID.LIFECYCLE, ID.REBOOT}
        assert not subscription.refused


async def test_the_default_leaves_out_what_says_nothing_of_a_domain_or_says_it_twice() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        assert subscription.ids == DEFAULT_EVENT_IDS
    assert set(ID) - DEFAULT_EVENT_IDS == {ID.RTC_CHANGE, ID.IO_ERROR, ID.GRAPHICS, ID.BLOCK_JOB}
    assert [one.event_id for one in registered(peer)] == sorted(DEFAULT_EVENT_IDS)


async def test_the_registrations_go_out_without_waiting_for_each_other() -> None:
    async with opened({REGISTER: never}) as (connection, peer):
        task = asyncio.create_task(subscribe(connection))
        await peer.received(2 + len(DEFAULT_EVENT_IDS))
        assert connection.session.outstanding == len(DEFAULT_EVENT_IDS)
        # In any order, with the daemon's own numbers.
        for number, call in enumerate(reversed(peer.calls(REGISTER))):
            peer.reply(call, t.Number(number))
        assert (await task).ids == DEFAULT_EVENT_IDS


async def test_the_registrations_keep_the_pace_of_a_connection_that_has_one() -> None:
    class Paced(Connection):
        places = asyncio.Semaphore(DAEMON_REQUEST_SLOTS - 1)
        most = 0

        async def _call(
            self, procedure: Procedure[Any, Any], args: Any, deadline: Deadline | None
        ) -> Any:
            async with self.places:
                self.most = max(self.most, self.session.outstanding + 1)
                return await super()._call(procedure, args, deadline)

    async with opened() as (connection, _):
        paced = Paced(connection.session, connection.uri, 20)
        assert (await subscribe(paced)).ids == DEFAULT_EVENT_IDS
        assert paced.most == DAEMON_REQUEST_SLOTS - 1


async def test_what_this_daemon_does_not_know_is_passed_over() -> None:
    unknown = {
        ID.NIC_MAC_CHANGE: refuses(ErrorNumber.INTERNAL_ERROR, "unsupported event ID 27"),
        ID.VCPU_REMOVED: refuses(ErrorNumber.NO_SUPPORT, "not supported"),
        ID.CHANNEL_LIFECYCLE: refuses(ErrorNumber.RPC, "unknown procedure: 316"),
    }
    async with opened({REGISTER: by_id(unknown, returns(t.Number(0)))}) as (connection, peer):
        subscription = await subscribe(connection)
        assert subscription.ids == DEFAULT_EVENT_IDS - set(unknown)
        assert set(subscription.refused) == set(unknown)
        assert subscription.refused[ID.NIC_MAC_CHANGE].message == "unsupported event ID 27"
        sent(peer, *balloons(1))
        assert await first(subscription, 1) == balloons(1)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (ErrorNumber.NO_SUPPORT, NoSupport),
        (ErrorNumber.RPC, RPCError),
        (ErrorNumber.INTERNAL_ERROR, RemoteError),
        (ErrorNumber.ACCESS_DENIED, AccessDenied),
    ],
)
async def test_a_daemon_that_takes_nothing_says_why(code: int, error: type[RemoteError]) -> None:
    async with opened({REGISTER: refuses(code, "no")}) as (connection, _):
        with pytest.raises(error, match="no") as caught:
            await subscribe(connection)
        assert caught.value.code == code
        assert await connection.get_hostname() == "host"


async def test_any_other_refusal_of_one_event_is_raised() -> None:
    denied = {ID.REBOOT: refuses(ErrorNumber.ACCESS_DENIED, "denied")}
    async with opened({REGISTER: by_id(denied, returns(t.Number(0)))}) as (connection, _):
        with pytest.raises(AccessDenied):
            await subscribe(connection)


async def test_after_a_failure_one_can_subscribe_again() -> None:
    # The first time one goes through, the second time it is the one that is refused: as a duplicate.
    tracked = refuses(ErrorNumber.INVALID_ARG, "event callback already tracked")
    answers: dict[DomainEventID, Answer] = {ID.REBOOT: refuses(ErrorNumber.ACCESS_DENIED, "no")}
    async with opened({REGISTER: by_id(answers, returns(t.Number(0)))}) as (connection, peer):
        with pytest.raises(AccessDenied):
            await subscribe(connection, [ID.LIFECYCLE, ID.REBOOT])
        answers[ID.LIFECYCLE], answers[ID.REBOOT] = tracked, returns(t.Number(3))
        subscription = await subscribe(connection, [ID.LIFECYCLE, ID.REBOOT])
        assert subscription.ids == {ID.LIFECYCLE, ID.REBOOT}
        sent(peer, *balloons(1))
        assert await first(subscription, 1) == balloons(1)


@in_virtual_time
async def test_a_daemon_that_does_not_answer_is_given_up_at_the_deadline(
    clock: VirtualClock,
) -> None:
    async with opened({REGISTER: never}) as (connection, _):
        before = clock.now
        with pytest.raises(CallTimeout):
            await subscribe(connection, deadline=Deadline.after(3))
        assert clock.now - before == pytest.approx(3)
        assert connection.session.stuck == len(DEFAULT_EVENT_IDS)


async def test_a_connection_has_one_subscription() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        with pytest.raises(AssertionError, match="one subscription"):
            await subscribe(connection)
        sent(peer, *balloons(1))
        assert await first(subscription, 1) == balloons(1)


# Events.


async def test_events_come_in_the_order_of_the_daemon() -> None:
    events = [
        DomainLifecycleEvent(
            DOMAIN, DomainEventType.SHUTDOWN, DomainEventShutdownDetailType.FINISHED
        ),
        *balloons(1, 2),
        DomainRebootEvent(DOMAIN),
        *balloons(3),
    ]
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        sent(peer, *events)
        assert await first(subscription, len(events)) == events


async def test_a_reader_that_waits_gets_the_event_when_it_comes() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        for number in range(3):
            task = asyncio.create_task(first(subscription, 1))
            await connection.get_hostname()
            assert not task.done()
            sent(peer, *balloons(number))
            assert await task == balloons(number)


async def test_nothing_is_lost_that_comes_around_the_registrations_replies() -> None:
    def answer(peer: Peer, call: Frame) -> None:
        sent(peer, *balloons(1))
        peer.reply(call, t.Number(0))
        sent(peer, *balloons(2))

    async with opened({REGISTER: answer}) as (connection, _):
        subscription = await subscribe(connection, [ID.BALLOON_CHANGE])
        await connection.get_hostname()
        assert await first(subscription, 2) == balloons(1, 2)


async def test_an_unknown_event_is_counted_and_passed_over() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        for frame in (
            event_message(9999, b"whatever"),
            event_message(6, b"", program=Program.QEMU),
            event_frame(*balloons(1)),
        ):
            peer.send(frame.encode())
        assert await first(subscription, 1) == balloons(1)
        assert (subscription.unknown, subscription.undecodable, subscription.dropped) == (2, 0, 0)
        assert await connection.get_hostname() == "host"


async def test_a_malformed_event_costs_itself_alone() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        good = event_frame(*balloons(1))
        for payload in (b"", good.payload[:-1], good.payload + bytes(4)):
            peer.send(event_message(good.procedure, payload).encode())
            peer.send(good.encode())
        assert await first(subscription, 3) == balloons(1, 1, 1)
        assert (subscription.unknown, subscription.undecodable, subscription.dropped) == (0, 3, 0)
        assert await connection.get_hostname() == "host"


async def test_when_nobody_reads_the_oldest_are_dropped_and_calls_go_on() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection, queue_size=3)
        sent(peer, *balloons(*range(10)))
        # Its reply is behind all of them.
        assert await connection.get_hostname() == "host"
        assert subscription.dropped == 7
        assert await first(subscription, 3) == balloons(7, 8, 9)
        sent(peer, *balloons(10))
        assert await first(subscription, 1) == balloons(10)
        assert subscription.dropped == 7


async def test_ten_thousand_events_wait_for_a_reader() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        sent(peer, *balloons(*range(10_001)))
        assert await connection.get_hostname() == "host"
        assert subscription.dropped == 1
        assert await first(subscription, 10_000) == balloons(*range(1, 10_001))


async def test_a_consumer_may_make_calls_on_the_same_connection() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        sent(peer, *balloons(1, 2))
        for event in balloons(1, 2):
            assert await first(subscription, 1) == [event]
            assert await connection.get_hostname() == "host"


Register = Callable[[Connection], Any]


@pytest.mark.parametrize(
    ("procedure", "register", "event_id"),
    [
        (
            p.CONNECT_NETWORK_EVENT_REGISTER_ANY,
            lambda one: one.network_event_register_any(NetworkEventID.METADATA_CHANGE),
            1,
        ),
        (
            p.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
            lambda one: one.storage_pool_event_register_any(StoragePoolEventID.REFRESH),
            1,
        ),
        (
            p.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY,
            lambda one: one.node_device_event_register_any(NodeDeviceEventID.UPDATE),
            1,
        ),
        (
            p.CONNECT_SECRET_EVENT_REGISTER_ANY,
            lambda one: one.secret_event_register_any(SecretEventID.VALUE_CHANGED),
            1,
        ),
        (
            REGISTER,
            lambda one: one.domain_event_register_any(ID.REBOOT),
            1,
        ),
    ],
    ids=lambda one: one.name if isinstance(one, Procedure) else "",
)
async def test_events_of_every_kind_of_object_can_be_registered(
    procedure: Procedure[Any, Any], register: Register, event_id: int
) -> None:
    async with opened({procedure: returns(t.Number(31))}) as (connection, peer):
        assert await register(connection) == 31
        [call] = peer.calls(procedure)
        assert call.payload == event_id.to_bytes(4) + bytes(4)


async def test_one_domain_s_events_can_be_registered() -> None:
    async with opened() as (connection, peer):
        assert await connection.domain_event_register_any(ID.REBOOT, DOMAIN) == 0
        assert registered(peer) == [t.ConnectDomainEventCallbackRegisterAnyArgs(1, DOMAIN)]


async def test_events_of_other_objects_come_the_same_way() -> None:
    network = t.Network("default", uuid.UUID(int=5))
    event = NetworkLifecycleEvent(network, NetworkEventLifecycleType.STARTED, 0)
    answers = {p.CONNECT_NETWORK_EVENT_REGISTER_ANY: returns(t.Number(0))}
    async with opened(answers) as (connection, peer):
        subscription = await subscribe(connection)
        await connection.network_event_register_any(NetworkEventID.LIFECYCLE)
        sent(peer, event)
        assert await first(subscription, 1) == [event]


# The end.


async def test_the_iteration_ends_with_the_session_behind_its_last_event() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        reader = asyncio.create_task(rest(subscription))
        await connection.get_hostname()
        sent(peer, *balloons(1, 2))
        peer.close()
        assert await reader == balloons(1, 2)
        assert await rest(subscription) == []


async def test_what_waits_at_the_end_can_still_be_read() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        sent(peer, *balloons(1, 2))
        peer.send(bytes(28))  # no packet is so short: the protocol is broken
        await connection.session.wait_closed()
        assert await rest(subscription) == balloons(1, 2)


async def test_every_reader_ends_with_the_session() -> None:
    async with opened() as (connection, _):
        subscription = await subscribe(connection)
        readers = [asyncio.create_task(rest(subscription)) for _ in range(3)]
        await connection.get_hostname()
        await connection.close()
        assert await asyncio.gather(*readers) == [[], [], []]


async def test_the_end_while_registering_is_raised() -> None:
    def closes_at_the_second(peer: Peer, call: Frame) -> None:
        if len(peer.calls(REGISTER)) == 2:
            peer.close()

    async with opened({REGISTER: closes_at_the_second}) as (connection, _):
        with pytest.raises(SessionClosed):
            await subscribe(connection)


async def test_after_a_reconnect_one_subscribes_again() -> None:
    table = {**HANDSHAKE, REGISTER: returns(t.Number(0))}
    seen: list[Event] = []
    async with ScriptedDaemon(by_table(table)) as daemon:
        for number in range(3):
            async with connect(daemon.uri) as connection:
                subscription = await subscribe(connection, [ID.BALLOON_CHANGE])
                peer = daemon.peers[number]
                assert len(registered(peer)) == 1
                sent(peer, *balloons(number))
                peer.close()
                seen += await rest(subscription)
    assert seen == balloons(0, 1, 2)


async def test_who_leaves_while_waiting_takes_no_event_along() -> None:
    async with opened() as (connection, peer):
        subscription = await subscribe(connection)
        reader = asyncio.create_task(rest(subscription))
        await connection.get_hostname()
        reader.cancel()
        sent(peer, *balloons(1))
        assert await first(subscription, 1) == balloons(1)
        assert reader.cancelled()
