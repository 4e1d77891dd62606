"""The connection is kept: attempts grow rarer, a scrape never waits, what fails is told once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import LibvirtConfig
from exporter.hypervisor import (
    FAREWELL_SECONDS,
    FIRST_PAUSE_SECONDS,
    STABLE_SECONDS,
    Backoff,
    Hypervisor,
    Identity,
    render_version,
    timeless,
)
from libvirt_rpc.connection import Dial
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import (
    Attempt,
    AuthenticationFailed,
    CallTimeout,
    ConnectFailed,
    InvalidURI,
    SessionClosed,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS, Session
from libvirt_rpc.transports.dial import dial
from libvirt_rpc.uri import ConnectionURI
from tests.support.daemon import Peer, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.exporting import QEMU_HOST
from tests.support.virtual_time import VirtualClock, in_virtual_time

NOBODY = ConnectFailed("qemu:///system", (Attempt("/run/sock", "no such socket"),))


class Line:
    """A `Dial` that notes when it was used, and fails as long as `error` is set."""

    def __init__(self, clock: Callable[[], float], error: Exception | None = None) -> None:
        self.error = error
        self.times: list[float] = []
        self._clock = clock

    async def __call__(
        self,
        uri: ConnectionURI,
        factory: Callable[[], Session],
        *,
        read_only: bool,
        deadline: Deadline,
    ) -> Session:
        self.times.append(self._clock())
        if self.error is not None:
            raise self.error
        return await dial(uri, factory, read_only=read_only, deadline=deadline)

    @property
    def pauses(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


def answers_and_leaves(peer: Peer, call: Frame) -> None:
    peer.reply(call, t.String("host-1"))
    peer.close()


@contextlib.asynccontextmanager
async def kept(hypervisor: Hypervisor) -> AsyncIterator[asyncio.Task[None]]:
    """Runs the hypervisor's keeper for the length of a test."""
    running = asyncio.create_task(hypervisor.run())
    try:
        yield running
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def make_hypervisor(
    uri: str = "qemu:///system",
    *,
    dial: Dial = dial,
    reconnect_interval_seconds: float = 30.0,
    timeout_seconds: float = 10.0,
) -> Hypervisor:
    config = LibvirtConfig(
        uri=uri,
        reconnect_interval_seconds=reconnect_interval_seconds,
        timeout_seconds=timeout_seconds,
        keepalive_interval_seconds=0.0,
    )
    return Hypervisor(config, dial=dial, environ={})


# Pauses.


def test_a_pause_doubles_up_to_the_longest() -> None:
    backoff = Backoff(30.0, jitter=lambda: 1.0)
    assert [backoff.pause() for _ in range(9)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_half_of_a_pause_is_left_to_chance() -> None:
    backoff = Backoff(30.0, jitter=lambda: 0.0)
    assert [backoff.pause() for _ in range(3)] == [0.125, 0.25, 0.5]


def test_after_a_reset_the_pauses_begin_anew() -> None:
    backoff = Backoff(30.0, jitter=lambda: 1.0)
    backoff.pause_after_refusal()
    backoff.reset()
    assert backoff.pause() == FIRST_PAUSE_SECONDS


def test_pauses_after_refusals_grow_from_the_longest_to_an_hour() -> None:
    backoff = Backoff(30.0, jitter=lambda: 1.0)
    pauses = [backoff.pause_after_refusal() for _ in range(9)]
    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]
    assert backoff.pause() == FIRST_PAUSE_SECONDS


@given(st.floats(0.001, 86_400), st.lists(st.floats(0, 1, exclude_max=True), max_size=30))
def test_no_pause_is_longer_than_the_longest_or_shorter_than_half_the_first(
    longest: float, chances: list[float]
) -> None:
    given_out = iter(chances)
    backoff = Backoff(longest, jitter=lambda: next(given_out))
    for _ in chances:
        assert min(FIRST_PAUSE_SECONDS, longest) / 2 <= backoff.pause() <= longest


# Keeping the connection.


@in_virtual_time
async def test_attempts_grow_rarer_up_to_the_reconnect_interval(clock: VirtualClock) -> None:
    line = Line(clock, NOBODY)
    async with kept(make_hypervisor(dial=line, reconnect_interval_seconds=4.0)):
        await asyncio.sleep(60)
    for number, pause in enumerate(line.pauses):
        step = min(FIRST_PAUSE_SECONDS * 2**number, 4.0)
        assert step / 2 <= pause <= step
    assert len(line.pauses) > 10


@in_virtual_time
async def test_it_connects_when_the_daemon_comes(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        line = Line(clock, NOBODY)
        hypervisor = make_hypervisor(daemon.uri, dial=line)
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            assert (hypervisor.connection, hypervisor.error) == (None, NOBODY)
            line.error = None
            await asyncio.sleep(1)
            assert hypervisor.is_connected
            assert hypervisor.error is None
            assert hypervisor.reconnects == 0
            assert hypervisor.identity == Identity("QEMU", 7_002_022, 9_000_000, "host-1")


@in_virtual_time
async def test_a_connection_that_held_lets_the_next_attempts_come_soon(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        line = Line(clock, NOBODY)
        async with kept(make_hypervisor(daemon.uri, dial=line)):
            await asyncio.sleep(120)
            line.error = None
            peer = await daemon.first_peer()
            await asyncio.sleep(STABLE_SECONDS + 1)
            lost = clock()
            peer.close()
            await asyncio.sleep(1)
        assert 0 < line.times[-1] - lost <= FIRST_PAUSE_SECONDS


@in_virtual_time
async def test_connections_that_break_at_once_grow_rarer_too(clock: VirtualClock) -> None:
    answers = {**QEMU_HOST, p.CONNECT_GET_HOSTNAME: answers_and_leaves}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        line = Line(clock)
        hypervisor = make_hypervisor(daemon.uri, dial=line)
        async with kept(hypervisor):
            await asyncio.sleep(120)
        assert hypervisor.connections_made > 3
        assert line.pauses[-1] >= 15.0


@in_virtual_time
async def test_after_refused_credentials_the_pauses_grow_beyond_the_interval(
    clock: VirtualClock,
) -> None:
    line = Line(clock, AuthenticationFailed("wrong password", credentials_refused=True))
    async with kept(make_hypervisor(dial=line, reconnect_interval_seconds=40.0)):
        await asyncio.sleep(1000)
    assert len(line.pauses) >= 4
    for number, pause in enumerate(line.pauses):
        assert 20.0 * 2**number <= pause <= 40.0 * 2**number


@in_virtual_time
async def test_an_authentication_that_cannot_be_done_waits_for_the_longest_pause(
    clock: VirtualClock,
) -> None:
    sasl = by_table({**QEMU_HOST, p.AUTH_LIST: returns(t.AuthListReply((1,)))})
    async with ScriptedDaemon(sasl) as daemon:
        line = Line(clock)
        hypervisor = make_hypervisor(daemon.uri, dial=line, reconnect_interval_seconds=40.0)
        async with kept(hypervisor):
            await asyncio.sleep(100)
        assert isinstance(hypervisor.error, AuthenticationFailed)
        assert line.pauses
        assert all(20.0 <= pause <= 40.0 for pause in line.pauses)


@in_virtual_time
async def test_a_daemon_that_never_answers_is_given_up_after_the_timeout(
    clock: VirtualClock,
) -> None:
    async with ScriptedDaemon(by_table({p.AUTH_LIST: never})) as daemon:
        hypervisor = make_hypervisor(daemon.uri, timeout_seconds=3.0)
        began = clock()
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            assert clock() - began == pytest.approx(3.0, abs=0.01)
            assert isinstance(hypervisor.error, CallTimeout)
            await asyncio.sleep(10)
        assert len(daemon.peers) > 1


@in_virtual_time
async def test_a_daemon_that_hangs_after_the_open_is_given_up_too(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table({**QEMU_HOST, p.CONNECT_GET_TYPE: never})) as daemon:
        hypervisor = make_hypervisor(daemon.uri, timeout_seconds=3.0)
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            assert isinstance(hypervisor.error, CallTimeout)
            assert not hypervisor.is_connected


@in_virtual_time
async def test_a_mistake_of_ours_does_not_end_the_attempts(clock: VirtualClock) -> None:
    line = Line(clock, ZeroDivisionError("a mistake"))
    async with kept(make_hypervisor(dial=line)) as running:
        await asyncio.sleep(10)
        assert not running.done()
    assert len(line.times) > 3


@in_virtual_time
async def test_each_new_connection_is_counted_and_told(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        hypervisor = make_hypervisor(daemon.uri)
        told = []
        hypervisor.on_connected.append(lambda: told.append(hypervisor.connections_made))
        async with kept(hypervisor):
            for number in range(3):
                await asyncio.sleep(40)
                assert hypervisor.reconnects == number
                daemon.peers[-1].close()
            await asyncio.sleep(0.01)
            assert isinstance(hypervisor.error, SessionClosed)
        assert told == [1, 2, 3]


async def test_the_end_says_goodbye_on_every_connection() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        hypervisor = make_hypervisor(daemon.uri)
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            await hypervisor.add_lane(Deadline.after(5))
        assert [len(peer.calls(p.CONNECT_CLOSE)) for peer in daemon.peers] == [1, 1]
        assert hypervisor.connection is None


@in_virtual_time
async def test_the_end_waits_for_no_farewell_however_many_connections_hang(
    clock: VirtualClock,
) -> None:
    async with ScriptedDaemon(by_table({**QEMU_HOST, p.CONNECT_CLOSE: never})) as daemon:
        hypervisor = make_hypervisor(daemon.uri)
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            for _ in range(2):
                await hypervisor.add_lane(Deadline.after(5))
            began = clock()
        assert clock() - began == pytest.approx(FAREWELL_SECONDS, abs=0.05)


# Further connections.


async def test_a_lane_stands_beside_the_main_connection_and_ends_with_it() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        hypervisor = make_hypervisor(daemon.uri)
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            lane = await hypervisor.add_lane(Deadline.after(5))
            assert list(hypervisor.lanes) == [hypervisor.connection, lane]
            daemon.peers[0].close()
            await daemon.peers[1].ended.wait()
            assert list(hypervisor.lanes) == []


async def test_a_dropped_lane_says_goodbye_and_a_broken_one_is_no_lane() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        hypervisor = make_hypervisor(daemon.uri)
        async with kept(hypervisor):
            await hypervisor.first_attempt()
            dropped = await hypervisor.add_lane(Deadline.after(5))
            broken = await hypervisor.add_lane(Deadline.after(5))
            await hypervisor.drop_lane(dropped)
            assert len(daemon.peers[1].calls(p.CONNECT_CLOSE)) == 1
            daemon.peers[2].close()
            await broken.session.wait_closed()
            assert list(hypervisor.lanes) == [hypervisor.connection]


# What it tells.


@in_virtual_time
async def test_the_same_failure_is_logged_once(clock: VirtualClock) -> None:
    line = Line(clock, NOBODY)
    with _warnings() as warnings:
        async with kept(make_hypervisor(dial=line)):
            await asyncio.sleep(60)
            line.error = ConnectFailed("qemu:///system", (Attempt("/run/sock", "refused"),))
            await asyncio.sleep(60)
    assert len(line.times) > 6
    assert [record.getMessage() for record in warnings] == [
        "cannot reach libvirt: cannot connect to qemu:///system: /run/sock: no such socket",
        "cannot reach libvirt: cannot connect to qemu:///system: /run/sock: refused",
    ]


@in_virtual_time
async def test_a_daemon_that_never_answers_is_logged_once(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table({p.AUTH_LIST: never})) as daemon:
        with _warnings() as warnings:
            async with kept(make_hypervisor(daemon.uri, timeout_seconds=0.7)):
                await asyncio.sleep(60)
        assert [record.getMessage() for record in warnings] == [
            "cannot reach libvirt: libvirt did not answer AUTH_LIST in time"
        ]


@in_virtual_time
async def test_the_loss_of_a_connection_is_news_each_time(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        with _warnings() as warnings:
            async with kept(make_hypervisor(daemon.uri)):
                for _ in range(2):
                    await asyncio.sleep(20)
                    daemon.peers[-1].close()
                await asyncio.sleep(20)
        lost = "lost libvirt: the connection to libvirt is closed: the daemon closed it"
        assert [record.getMessage() for record in warnings] == [lost, lost]


def test_two_timeouts_of_one_call_read_the_same() -> None:
    assert timeless(CallTimeout("AUTH_LIST", 9.5)) == timeless(CallTimeout("AUTH_LIST", 9.51))
    assert timeless(NOBODY) == str(NOBODY)


async def test_a_daemon_that_will_not_say_who_it_is_is_good_enough() -> None:
    refused = refuses(3, "not supported")
    answers = {
        **QEMU_HOST,
        p.CONNECT_GET_VERSION: refused,
        p.CONNECT_GET_LIB_VERSION: refused,
        p.CONNECT_GET_HOSTNAME: refused,
    }
    async with ScriptedDaemon(by_table(answers)) as daemon:
        hypervisor = make_hypervisor(daemon.uri)
        await hypervisor.open()
        assert hypervisor.identity == Identity("QEMU", 0, 0, "")
        await hypervisor.close()


def test_a_uri_that_does_not_parse_is_refused_at_once() -> None:
    with pytest.raises(InvalidURI):
        make_hypervisor("qemu//system")


def test_the_uri_of_the_environment_counts_where_none_is_configured() -> None:
    environ = {"LIBVIRT_DEFAULT_URI": "test:///default"}
    assert Hypervisor(LibvirtConfig(), environ=environ).uri.redacted == "test:///default"


@pytest.mark.parametrize(
    ("version", "text"),
    [(9_000_000, "9.0.0"), (7_002_022, "7.2.22"), (12_008_000, "12.8.0"), (0, "")],
)
def test_a_version_is_written_with_dots(version: int, text: str) -> None:
    assert render_version(version) == text


@contextlib.contextmanager
def _warnings() -> Iterator[list[logging.LogRecord]]:
    """The exporter's warnings; pytest's own fixture cannot be had in virtual time."""
    caught: list[logging.LogRecord] = []

    class Catcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            caught.append(record)

    handler = Catcher(logging.WARNING)
    logger = logging.getLogger("exporter")
    logger.addHandler(handler)
    try:
        yield caught
    finally:
        logger.removeHandler(handler)


async def test_where_hanging_calls_fill_a_connection_the_others_take_the_further_one() -> None:
    memory = p.NODE_GET_FREE_MEMORY
    answers = {**QEMU_HOST, p.CONNECT_GET_URI: never, memory: returns(t.UnsignedNumber(4096))}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        hypervisor = Hypervisor(LibvirtConfig(uri=daemon.uri), environ={})
        try:
            main = await hypervisor.open()
            await hypervisor.add_lane(Deadline.after(5))
            for _ in range(DAEMON_REQUEST_SLOTS):
                assert await hypervisor.paced.node_get_free_memory() == 4096
                main.session.abandon(main.session.start(p.CONNECT_GET_URI, None))
            assert await hypervisor.paced.node_get_free_memory() == 4096
            counts = [len(peer.calls(memory)) for peer in daemon.peers]
            assert counts == [DAEMON_REQUEST_SLOTS, 1]
        finally:
            await hypervisor.close()
