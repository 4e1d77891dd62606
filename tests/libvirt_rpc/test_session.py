"""One connection over a real socket: calls in flight, deadlines, ends of every kind, keepalive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from libvirt_rpc.authentication import authenticate
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import (
    CallTimeout,
    DecodeError,
    EncodeError,
    FrameTooLarge,
    FrameTooShort,
    LibvirtRPCError,
    NoDomain,
    ProtocolError,
    SessionClosed,
    UnexpectedMessage,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.session import CallObservation, Keepalive, Session
from libvirt_rpc.transports.unix import connect_unix
from libvirt_rpc.uri import parse_uri
from tests.support.daemon import (
    HANDSHAKE,
    PING,
    Answer,
    Answers,
    Peer,
    ScriptedDaemon,
    by_table,
    closes,
    message,
    never,
    payload_of,
    refuses,
    reply_to,
    returns,
    sends,
    truncated,
)
from tests.support.virtual_time import VirtualClock, in_virtual_time

HOST = t.String("host")
EVENT = message(Program.REMOTE, 318, b"1234", serial=1)


class Tap:
    """Notes the frames that pass."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, Frame]] = []

    def sent(self, frame: Frame) -> None:
        self.passed.append(("sent", frame))

    def received(self, frame: Frame) -> None:
        self.passed.append(("received", frame))


def soon() -> Deadline:
    """Long enough for a daemon that answers, however busy the machine is."""
    return Deadline.after(20)


@contextlib.asynccontextmanager
async def connected(
    daemon: ScriptedDaemon, make: Callable[[], Session] = Session
) -> AsyncIterator[tuple[Session, Peer]]:
    """A session that is open, and the daemon's end of it."""
    session = await connect_unix("test", [daemon.path], make, soon())
    await authenticate(session, parse_uri("qemu:///system"), deadline=soon())
    await session.call(p.CONNECT_OPEN, t.ConnectOpenArgs("qemu:///system", 1), deadline=soon())
    try:
        yield session, daemon.peer
    finally:
        session.fail(SessionClosed("the test is over"))
        await session.wait_closed()


@contextlib.asynccontextmanager
async def opened(
    answers: Answers | None = None,
    make: Callable[[], Session] = Session,
    *,
    on_ping: Answer = never,
) -> AsyncIterator[tuple[Session, Peer]]:
    script = by_table({**HANDSHAKE, **(answers or {})}, on_ping=on_ping)
    async with ScriptedDaemon(script) as daemon, connected(daemon, make) as pair:
        yield pair


async def hostname(session: Session, deadline: Deadline | None = None) -> str:
    reply: t.String = await session.call(p.CONNECT_GET_HOSTNAME, None, deadline=deadline or soon())
    return reply.value


async def failure(session: Session) -> BaseException:
    """What the call of a session that ends raises."""
    with pytest.raises(SessionClosed) as caught:
        await hostname(session)
    return caught.value


# Calls and replies.


async def test_a_call_gives_its_reply() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: returns(HOST)}) as (session, peer):
        assert await hostname(session) == "host"
        assert [call.serial for call in peer.frames] == [0, 1, 2]
        assert session.outstanding == session.stuck == 0


async def test_several_calls_are_in_flight_and_replies_come_in_any_order() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        tasks = [asyncio.create_task(hostname(session)) for _ in range(5)]
        frames = await peer.received(2 + 5)
        assert session.outstanding == 5
        for frame in reversed(frames[2:]):
            peer.reply(frame, t.String(f"host-{frame.serial}"))
        assert await asyncio.gather(*tasks) == [f"host-{serial}" for serial in range(2, 7)]


async def test_replies_that_come_byte_by_byte_are_replies() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        task = asyncio.create_task(hostname(session))
        call = (await peer.received(3))[-1]
        for byte in reply_to(call, HOST).encode():
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await task == "host"


async def test_a_refusal_is_raised_and_the_connection_stays() -> None:
    answers: Answers = {
        p.CONNECT_GET_HOSTNAME: refuses(42, "gone"),
        p.CONNECT_GET_TYPE: returns(HOST),
    }
    async with opened(answers) as (session, _):
        with pytest.raises(NoDomain, match="CONNECT_GET_HOSTNAME: gone"):
            await hostname(session)
        assert await session.call(p.CONNECT_GET_TYPE, None, deadline=soon()) == HOST


async def test_a_reply_that_does_not_decode_fails_its_call_and_the_connection_stays() -> None:
    answers: Answers = {
        p.CONNECT_GET_HOSTNAME: returns(t.Number(9)),
        p.CONNECT_GET_TYPE: returns(HOST),
    }
    async with opened(answers) as (session, _):
        with pytest.raises(DecodeError):
            await hostname(session)
        assert await session.call(p.CONNECT_GET_TYPE, None, deadline=soon()) == HOST


async def test_arguments_that_do_not_fit_are_not_sent() -> None:
    answers: Answers = {p.CONNECT_SUPPORTS_FEATURE: returns(t.Number(1))}
    async with opened(answers) as (session, peer):
        with pytest.raises(EncodeError):
            await session.call(p.CONNECT_SUPPORTS_FEATURE, t.Number(2**40), deadline=soon())
        await session.call(p.CONNECT_SUPPORTS_FEATURE, t.Number(14), deadline=soon())
        assert [frame.payload for frame in peer.frames[2:]] == [payload_of(t.Number(14))]


async def test_a_decoder_of_ones_own_reads_the_reply() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: returns(t.Number(7))}) as (session, _):
        call = session.call(p.CONNECT_GET_HOSTNAME, None, deadline=soon(), decode=bytes.hex)
        assert await call == "00000007"


async def test_a_tap_sees_every_frame_both_ways() -> None:
    tap = Tap()
    answers: Answers = {p.CONNECT_GET_HOSTNAME: returns(HOST)}
    async with opened(answers, lambda: Session(tap=tap)) as (session, peer):
        await hostname(session)
        sent = [frame for way, frame in tap.passed if way == "sent"]
        assert sent == peer.frames
        received = [frame for way, frame in tap.passed if way == "received"]
        assert received[-1] == reply_to(sent[-1], HOST)
        assert [way for way, _ in tap.passed] == ["sent", "received"] * 3


async def test_a_call_that_was_started_can_be_awaited_later() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        call = session.start(p.CONNECT_GET_HOSTNAME, None)
        assert not call.done
        peer.reply((await peer.received(3))[-1], HOST)
        assert await call.future == HOST
        assert call.done


# Deadlines.


@in_virtual_time
async def test_a_call_without_an_answer_ends_at_its_deadline(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, _):
        started = clock.now
        with pytest.raises(CallTimeout) as caught:
            await hostname(session, Deadline.after(3.0, clock))
        assert clock.now - started == pytest.approx(3.0)
        assert caught.value.procedure == "CONNECT_GET_HOSTNAME"
        assert caught.value.seconds == pytest.approx(3.0)
        assert str(caught.value) == "libvirt did not answer CONNECT_GET_HOSTNAME within 3 s"


@in_virtual_time
async def test_the_late_reply_is_dropped_and_the_connection_stays(clock: VirtualClock) -> None:
    answers: Answers = {
        p.CONNECT_GET_HOSTNAME: never,
        p.CONNECT_GET_TYPE: returns(t.String("QEMU")),
    }
    async with opened(answers) as (session, peer):
        with pytest.raises(CallTimeout):
            await hostname(session, Deadline.after(1.0, clock))
        assert (session.stuck, session.outstanding) == (1, 1)
        with pytest.raises(CallTimeout):
            await hostname(session, Deadline.after(1.0, clock))
        assert (session.stuck, session.outstanding) == (2, 2)
        first, second = peer.calls(p.CONNECT_GET_HOSTNAME)
        peer.reply(second, t.String("late"))
        peer.reply(first, t.String("later"))
        reply = await session.call(p.CONNECT_GET_TYPE, None, deadline=soon())
        assert reply.value == "QEMU"
        assert (session.stuck, session.outstanding) == (0, 0)
        assert session.error is None


async def test_a_deadline_that_has_passed_still_lets_nothing_be_lost() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: returns(HOST)}) as (session, _):
        with pytest.raises(CallTimeout):
            await hostname(session, Deadline.after(0))
        assert session.stuck == 1
        assert await hostname(session) == "host"
        assert session.stuck == 0


async def test_a_call_whose_task_is_cancelled_is_abandoned() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never, p.CONNECT_GET_TYPE: returns(HOST)}) as (
        session,
        peer,
    ):
        task = asyncio.create_task(hostname(session))
        call = (await peer.received(3))[-1]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.stuck == 1
        peer.reply(call, HOST)
        await session.call(p.CONNECT_GET_TYPE, None, deadline=soon())
        assert session.stuck == 0


@pytest.mark.parametrize("answer", [returns(HOST), refuses(42, "gone")], ids=["reply", "refusal"])
async def test_the_answer_to_a_started_call_whose_waiter_was_cancelled_harms_nothing(
    answer: Answer,
) -> None:
    answers: Answers = {p.CONNECT_GET_HOSTNAME: never, p.CONNECT_GET_TYPE: returns(HOST)}
    async with opened(answers) as (session, peer):
        session.start(p.CONNECT_GET_HOSTNAME, None).future.cancel()
        answer(peer, (await peer.received(3))[-1])
        assert await session.call(p.CONNECT_GET_TYPE, None, deadline=soon()) == HOST
        assert session.error is None


async def test_to_abandon_a_call_twice_or_after_its_reply_does_nothing() -> None:
    seen: list[CallObservation] = []
    answers: Answers = {p.CONNECT_GET_HOSTNAME: returns(HOST)}
    async with opened(answers, lambda: Session(observe=seen.append)) as (session, _):
        call = session.start(p.CONNECT_GET_HOSTNAME, None)
        session.abandon(call)
        session.abandon(call)
        assert session.stuck == 1
        assert await hostname(session) == "host"
        session.abandon(call)
        assert session.stuck == 0
        assert [type(one.error) for one in seen[2:]] == [CallTimeout, type(None)]


# Ends.


async def test_the_end_of_the_connection_fails_every_pending_call_once() -> None:
    seen: list[CallObservation] = []
    answers: Answers = {p.CONNECT_GET_HOSTNAME: never, p.CONNECT_GET_TYPE: closes}
    async with opened(answers, lambda: Session(observe=seen.append)) as (session, _):
        pending = [session.start(p.CONNECT_GET_HOSTNAME, None) for _ in range(3)]
        session.abandon(pending[0])
        ending = asyncio.create_task(session.call(p.CONNECT_GET_TYPE, None, deadline=soon()))
        with pytest.raises(SessionClosed, match=r"the daemon closed it$"):
            await ending
        for call in pending[1:]:
            with pytest.raises(SessionClosed, match=r"the daemon closed it$"):
                await call.future
        assert pending[0].future.cancelled()
        assert all(call.done for call in pending)
        assert session.stuck == 0
        assert await session.wait_closed() is session.error
        assert [(one.procedure, type(one.error)) for one in seen] == [
            ("AUTH_LIST", type(None)),
            ("CONNECT_OPEN", type(None)),
            ("CONNECT_GET_HOSTNAME", CallTimeout),
            ("CONNECT_GET_HOSTNAME", SessionClosed),
            ("CONNECT_GET_HOSTNAME", SessionClosed),
            ("CONNECT_GET_TYPE", SessionClosed),
        ]


async def test_a_call_after_the_end_fails_with_its_reason() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: closes}) as (session, _):
        first, second = await failure(session), await failure(session)
        assert first is not second
        assert first.__cause__ is second.__cause__ is session.error


async def test_a_truncated_reply_and_the_end_are_told_from_an_end_between_packets() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: truncated(HOST)}) as (session, _):
        error = await failure(session)
        assert "the daemon closed it in the middle of a packet" in str(error)


@pytest.mark.parametrize(
    ("answer", "cause", "text"),
    [
        (sends(b"\xff\xff\xff\xff"), FrameTooLarge, "a packet of 4294967295 bytes is announced"),
        (sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), FrameTooLarge, "is the peer a libvirt daemon"),
        (sends((27).to_bytes(4)), FrameTooShort, "a packet of 27 bytes is announced"),
        (sends(bytes(64)), FrameTooShort, "a packet of 0 bytes is announced"),
        (returns(HOST, serial=99), UnexpectedMessage, "with the serial 99, which is not in flight"),
        (returns(HOST, program=0x12345678), UnexpectedMessage, "a reply to 0x12345678/59"),
        (returns(HOST, procedure=3), UnexpectedMessage, "a reply to CONNECT_GET_TYPE"),
        (returns(HOST, status=7), UnexpectedMessage, "status 7"),
        (returns(HOST, type=5), UnexpectedMessage, "type 5"),
    ],
)
async def test_a_peer_that_breaks_the_protocol_ends_the_session(
    answer: Answer, cause: type[ProtocolError], text: str
) -> None:
    answers: Answers = {p.CONNECT_GET_TYPE: never, p.CONNECT_GET_HOSTNAME: answer}
    async with opened(answers) as (session, peer):
        other = session.start(p.CONNECT_GET_TYPE, None)
        error = await failure(session)
        assert type(error.__cause__) is cause
        assert error.__cause__ is session.error
        assert text in str(error)
        with pytest.raises(SessionClosed) as caught:
            await other.future
        assert caught.value.__cause__ is session.error
        # The daemon is let go, too.
        await peer.ended.wait()


async def test_what_came_before_the_protocol_was_broken_is_taken() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        good, bad = (session.start(p.CONNECT_GET_HOSTNAME, None) for _ in range(2))
        frames = await peer.received(4)
        peer.send(reply_to(frames[2], HOST).encode() + b"garbage, but no length")
        assert await good.future == HOST
        with pytest.raises(SessionClosed):
            await bad.future


async def test_a_socket_error_is_the_cause_of_the_end() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        call = session.start(p.CONNECT_GET_HOSTNAME, None)
        await peer.received(3)
        # The daemon goes with bytes of ours unread: the kernel resets the connection.
        session.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
        with pytest.raises(SessionClosed, match="Connection reset by peer"):
            await call.future
        assert session.error is not None
        assert isinstance(session.error.__cause__, ConnectionResetError)


async def test_the_first_reason_of_an_end_is_the_one_that_counts() -> None:
    async with opened() as (session, _):
        session.fail(SessionClosed("first"))
        session.fail(SessionClosed("second"))
        assert str(await session.wait_closed()).endswith("closed: first")


async def test_a_session_that_ends_with_nobody_looking_leaves_no_unhandled_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: handled.append(context))
    async with opened({p.CONNECT_GET_HOSTNAME: closes}) as (session, _):
        session.start(p.CONNECT_GET_HOSTNAME, None)
        await session.wait_closed()
    assert handled == []
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


# Taking leave.


async def test_to_close_is_to_say_so_and_to_wait_for_the_answer() -> None:
    async with opened() as (session, peer):
        await session.close(soon())
        assert peer.frames[-1].procedure == p.CONNECT_CLOSE.number
        await peer.ended.wait()
        assert "closed by this side" in str(await failure(session))


@in_virtual_time
async def test_a_daemon_that_does_not_answer_the_farewell_is_left(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_CLOSE: never}) as (session, peer):
        started = clock.now
        await session.close(Deadline.after(2.0, clock))
        assert clock.now - started == pytest.approx(2.0)
        await peer.ended.wait()


async def test_to_close_twice_or_after_the_end_does_nothing() -> None:
    async with opened() as (session, peer):
        await session.close(soon())
        await session.close(soon())
        assert len(peer.calls(p.CONNECT_CLOSE)) == 1


async def test_a_call_while_the_session_closes_fails_as_after_it() -> None:
    async with opened({p.CONNECT_CLOSE: never}) as (session, peer):
        closing = asyncio.create_task(session.close(soon()))
        farewell = (await peer.received(3))[-1]
        assert "closed by this side" in str(await failure(session))
        peer.reply(farewell)
        await closing


async def test_calls_in_flight_when_the_session_closes_fail() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, _):
        call = session.start(p.CONNECT_GET_HOSTNAME, None)
        await session.close(soon())
        with pytest.raises(SessionClosed, match="closed by this side"):
            await call.future


# Messages.


async def test_an_event_goes_to_its_listener_and_is_no_reply() -> None:
    events: list[Frame] = []
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        session.on_message = events.append
        task = asyncio.create_task(hostname(session))
        call = (await peer.received(3))[-1]
        peer.send(EVENT)
        peer.reply(call, HOST)
        assert await task == "host"
        assert [event.encode() for event in events] == [EVENT]


async def test_messages_that_nobody_knows_or_takes_are_counted_and_passed_over() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}) as (session, peer):
        task = asyncio.create_task(hostname(session))
        call = (await peer.received(3))[-1]
        peer.send(EVENT + message(0x12345678, 1) + message(Program.KEEPALIVE, 9))
        peer.reply(call, HOST)
        assert await task == "host"
        assert session.ignored_messages == 3


async def test_the_end_is_told_once_when_its_reason_is_known() -> None:
    ends: list[LibvirtRPCError | None] = []
    async with opened() as (session, peer):
        session.on_end = lambda: ends.append(session.error)
        peer.close()
        reason = await session.wait_closed()
        await session.close(soon())
        assert ends == [reason]


async def test_a_ping_is_answered() -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: sends(PING)}) as (session, peer):
        session.start(p.CONNECT_GET_HOSTNAME, None)
        await peer.received(4)
        assert peer.pongs == 1


async def test_every_end_of_a_call_is_observed_once() -> None:
    seen: list[CallObservation] = []
    answers: Answers = {p.CONNECT_GET_HOSTNAME: returns(HOST), p.CONNECT_GET_TYPE: refuses(3, "no")}
    async with opened(answers, lambda: Session(observe=seen.append)) as (session, _):
        await hostname(session)
        with pytest.raises(Exception, match="no"):
            await session.call(p.CONNECT_GET_TYPE, None, deadline=soon())
        with pytest.raises(CallTimeout):
            await hostname(session, Deadline.after(0))
        await hostname(session)
        assert [(one.procedure, type(one.error).__name__) for one in seen[2:]] == [
            ("CONNECT_GET_HOSTNAME", "NoneType"),
            ("CONNECT_GET_TYPE", "NoSupport"),
            ("CONNECT_GET_HOSTNAME", "CallTimeout"),
            ("CONNECT_GET_HOSTNAME", "NoneType"),
        ]
        assert all(one.seconds >= 0 for one in seen)


# Keepalive.


def every_five_seconds() -> Session:
    return Session(keepalive=Keepalive(interval_seconds=5.0, count=3))


@in_virtual_time
async def test_a_silent_daemon_that_answers_pings_is_alive(clock: VirtualClock) -> None:
    answers_pings = by_table(HANDSHAKE)
    async with (
        ScriptedDaemon(answers_pings) as daemon,
        connected(daemon, every_five_seconds) as (session, peer),
    ):
        await asyncio.sleep(51)
        assert session.error is None
        assert peer.pings == 10


@in_virtual_time
async def test_a_daemon_that_answers_nothing_is_given_up(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}, every_five_seconds) as (session, peer):
        started = clock.now
        error = await failure(session)
        assert clock.now - started == pytest.approx(15.0)
        assert peer.pings == 2
        assert "no sign of life for 15.0 s (3 keepalive intervals)" in str(error)


@in_virtual_time
async def test_without_keepalive_nothing_is_pinged(clock: VirtualClock) -> None:
    async with opened() as (session, peer):
        await asyncio.sleep(10_000)
        assert session.error is None
        assert peer.pings == 0


@in_virtual_time
async def test_any_byte_of_the_daemon_is_a_sign_of_life(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}, every_five_seconds) as (session, peer):
        call = session.start(p.CONNECT_GET_HOSTNAME, None)
        reply = reply_to((await peer.received(3))[-1], HOST).encode()
        for byte in reply:
            await asyncio.sleep(4)
            peer.send(bytes([byte]))
        assert await call.future == HOST
        assert peer.pings == 0
        await asyncio.sleep(6)
        assert peer.pings == 1
        assert session.error is None


@in_virtual_time
async def test_an_answer_after_some_pings_starts_the_count_anew(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}, every_five_seconds) as (session, peer):
        call = session.start(p.CONNECT_GET_HOSTNAME, None)
        frame = (await peer.received(3))[-1]
        await asyncio.sleep(14)
        assert peer.pings == 2
        peer.reply(frame, HOST)
        assert await call.future == HOST
        await asyncio.sleep(14)
        assert session.error is None
        await asyncio.sleep(2)
        assert session.error is not None


@in_virtual_time
async def test_a_ping_that_went_out_late_puts_nothing_off(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}, every_five_seconds) as (session, peer):
        started = clock.now
        call = asyncio.create_task(failure(session))
        await asyncio.sleep(4)
        clock.now += 3  # the loop was held up: the first ping goes out at 7, the second at 12
        await call
        assert clock.now - started == pytest.approx(15.0)
        assert peer.pings == 2


@in_virtual_time
async def test_a_daemon_that_is_too_busy_to_read_pings_is_not_given_up(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}, every_five_seconds) as (session, peer):
        calls = [session.start(p.CONNECT_GET_HOSTNAME, None) for _ in range(5)]
        frames = await peer.received(7)
        await asyncio.sleep(100)
        assert session.error is None
        assert peer.pings == 0
        # One of the five is answered: the daemon reads again, and its silence counts from there.
        peer.reply(frames[2], HOST)
        assert await calls[0].future == HOST
        started = clock.now
        await session.wait_closed()
        assert clock.now - started == pytest.approx(15.0)
        assert peer.pings == 2


@in_virtual_time
async def test_abandoned_calls_keep_a_daemon_busy_too(clock: VirtualClock) -> None:
    async with opened({p.CONNECT_GET_HOSTNAME: never}, every_five_seconds) as (session, peer):
        for _ in range(5):
            session.abandon(session.start(p.CONNECT_GET_HOSTNAME, None))
        await peer.received(7)
        await asyncio.sleep(100)
        assert session.error is None
        assert peer.pings == 0


@in_virtual_time
async def test_after_the_end_no_ping_is_sent(clock: VirtualClock) -> None:
    tap = Tap()
    keepalive = Keepalive(interval_seconds=5.0, count=3)
    async with opened({}, lambda: Session(keepalive=keepalive, tap=tap)) as (session, _):
        session.fail(SessionClosed("over"))
        before = len(tap.passed)
        await asyncio.sleep(100)
        assert len(tap.passed) == before
