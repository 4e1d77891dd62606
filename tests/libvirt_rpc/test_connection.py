"""Connecting, one step after the other; then libvirt's calls by their names."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import libvirt_rpc
from libvirt_rpc.connection import Connecting, Connection, connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainStatsTypes,
    DomainXMLFlags,
    TypedParameterType,
)
from libvirt_rpc.errors import (
    AuthenticationFailed,
    CallTimeout,
    ConnectFailed,
    DecodeError,
    FrameTooLarge,
    InvalidURI,
    NoConnect,
    NoSupport,
    OperationDenied,
    RPCError,
    SessionClosed,
    UnexpectedMessage,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.protocol.typed_params import TypedParameter
from libvirt_rpc.protocol.xdr import Struct
from libvirt_rpc.session import CallObservation, Keepalive
from tests.support.daemon import (
    HANDSHAKE,
    Answer,
    Answers,
    Peer,
    ScriptedDaemon,
    by_table,
    closes,
    never,
    payload_of,
    refuses,
    returns,
    sends,
    truncated,
)
from tests.support.virtual_time import VirtualClock, in_virtual_time

DOMAIN = t.Domain("vm-1", uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f"), 7)
OTHER = t.Domain("vm-2", uuid.UUID(int=2), -1)


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the user's libvirt.conf nor the environment has a say."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)


def daemon_with(answers: Answers) -> ScriptedDaemon:
    return ScriptedDaemon(by_table({**HANDSHAKE, **answers}))


def record(domain: t.Domain, *values: int) -> t.DomainStatsRecord:
    params = tuple(
        TypedParameter(f"field.{index}", TypedParameterType.ULLONG, value)
        for index, value in enumerate(values)
    )
    return t.DomainStatsRecord(domain, params)


# The handshake.

AUTH_LIST_CALL = bytes.fromhex(
    "0000001c"  # the length: a header and no payload
    "20008086"  # the program: remote
    "00000001"  # its version
    "00000042"  # the procedure: 66, AUTH_LIST
    "00000000"  # the type: a call
    "00000000"  # the serial: the first
    "00000000"  # the status
)
CONNECT_OPEN_CALL = bytes.fromhex(
    "00000038"  # the length: a header and 28 bytes
    "20008086"  # the program
    "00000001"  # its version
    "00000001"  # the procedure: 1, CONNECT_OPEN
    "00000000"  # the type: a call
    "00000001"  # the serial: one more
    "00000000"  # the status
    "00000001"  # a name follows
    "0000000e"  # its length
    "71656d753a2f2f2f73797374656d"  # "qemu:///system"
    "0000"  # padding
    "00000001"  # the flags: read-only
)
CONNECT_GET_TYPE_CALL = bytes.fromhex(
    "0000001c 20008086 00000001 00000003 00000000 00000002 00000000"
)
CONNECT_CLOSE_CALL = bytes.fromhex("0000001c 20008086 00000001 00000002 00000000 00000003 00000000")


@in_virtual_time
async def test_the_steps_go_out_in_order_and_each_waits_for_the_one_before(
    clock: VirtualClock,
) -> None:
    async with ScriptedDaemon(never) as daemon:
        opening = asyncio.create_task(_opened(daemon.uri))
        peer = await daemon.first_peer()
        expected = b""
        for step, answer in (
            (AUTH_LIST_CALL, t.AuthListReply((0,))),
            (CONNECT_OPEN_CALL, None),
        ):
            expected += step
            frame = (await peer.received(len(peer.frames) + 1))[-1]
            await asyncio.sleep(4)
            assert bytes(peer.raw) == expected
            assert not opening.done()
            peer.reply(frame, answer)
        connection = await opening
        asking = asyncio.create_task(connection.get_type())
        peer.reply((await peer.received(3))[-1], t.String("QEMU"))
        assert await asking == "QEMU"
        closing = asyncio.create_task(connection.close())
        peer.reply((await peer.received(4))[-1])
        await closing
        assert bytes(peer.raw) == expected + CONNECT_GET_TYPE_CALL + CONNECT_CLOSE_CALL


async def _opened(uri: str) -> Connection:
    return await connect(uri)


async def test_the_context_takes_leave_when_it_ends() -> None:
    async with daemon_with({}) as daemon:
        async with libvirt_rpc.connect(daemon.uri) as connection:
            assert connection.uri.open_name == "qemu:///system"
        assert [frame.procedure for frame in daemon.peer.frames] == [66, 1, 2]
        assert [frame.serial for frame in daemon.peer.frames] == [0, 1, 2]
        await daemon.peer.ended.wait()


async def test_the_context_takes_leave_when_its_body_fails() -> None:
    async with daemon_with({}) as daemon:
        with pytest.raises(ZeroDivisionError):
            async with connect(daemon.uri):
                raise ZeroDivisionError
        assert [frame.procedure for frame in daemon.peer.frames] == [66, 1, 2]


async def test_a_connection_that_was_awaited_is_a_context_too() -> None:
    async with daemon_with({}) as daemon:
        async with await connect(daemon.uri) as connection:
            assert connection.session.error is None
        assert len(daemon.peer.calls(p.CONNECT_CLOSE)) == 1


@pytest.mark.parametrize(
    ("connecting", "flags"),
    [
        (connect, 1),
        (lambda uri: connect(uri, read_only=True), 1),
        (lambda uri: connect(uri, read_only=False), 0),
    ],
    ids=["by default", "read-only", "read-write"],
)
async def test_a_connection_is_read_only_unless_told_otherwise(
    connecting: Callable[[str], Connecting], flags: int
) -> None:
    async with daemon_with({}) as daemon, connecting(daemon.uri):
        (call,) = daemon.peer.calls(p.CONNECT_OPEN)
        assert call.payload == payload_of(t.ConnectOpenArgs("qemu:///system", flags))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu+unix:///session?socket={}", "qemu:///session"),
        ("test+unix:///default?socket={}", "test:///default"),
        ("xen+unix:///system?socket={}", "xen:///system"),
        ("qemu+unix:///system?name=qemu:///embed&socket={}", "qemu:///embed"),
    ],
)
async def test_the_daemon_is_asked_for_the_uri_that_it_knows(uri: str, name: str) -> None:
    async with daemon_with({}) as daemon, connect(uri.format(daemon.path)):
        (call,) = daemon.peer.calls(p.CONNECT_OPEN)
        assert call.payload == payload_of(t.ConnectOpenArgs(name, 1))


async def test_without_a_uri_the_environments_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with daemon_with({}) as daemon:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", daemon.uri)
        async with connect() as connection:
            assert connection.uri.open_name == "qemu:///system"


async def test_the_environment_is_read_when_connecting_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connecting = connect()
    async with daemon_with({}) as daemon:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", daemon.uri)
        async with connecting:
            assert len(daemon.peer.frames) == 2


@pytest.mark.parametrize("asked", [(1,), (2,)])
async def test_authentication_that_is_asked_for_ends_the_attempt(asked: tuple[int]) -> None:
    async with daemon_with({p.AUTH_LIST: returns(t.AuthListReply(asked))}) as daemon:
        with pytest.raises(AuthenticationFailed, match="sasl" if asked == (1,) else "polkit"):
            await connect(daemon.uri)
        await daemon.peer.ended.wait()
        begun = 67 if asked == (1,) else 70
        assert [frame.procedure for frame in daemon.peer.frames] == [66, begun]


async def test_a_uri_that_the_daemon_does_not_serve_is_its_refusal() -> None:
    answers: Answers = {
        p.CONNECT_OPEN: refuses(5, "no connection driver available for xen:///system")
    }
    async with daemon_with(answers) as daemon:
        with pytest.raises(NoConnect, match="CONNECT_OPEN: no connection driver available"):
            await connect(daemon.uri)
        await daemon.peer.ended.wait()
        # What was never opened is not closed by a call either.
        assert [frame.procedure for frame in daemon.peer.frames] == [66, 1]


@pytest.mark.parametrize("silent", [p.AUTH_LIST, p.CONNECT_OPEN], ids=lambda one: one.name)
def test_a_daemon_that_accepts_and_never_answers_is_an_error_in_time(
    silent: Procedure[Any, Any],
) -> None:
    @in_virtual_time
    async def attempt(clock: VirtualClock) -> None:
        async with daemon_with({silent: never}) as daemon:
            started = clock.now
            with pytest.raises(CallTimeout, match=f"did not answer {silent.name} within 3 s"):
                await connect(daemon.uri, timeout=3.0)
            assert clock.now - started == pytest.approx(3.0, abs=0.5)
            await daemon.peer.ended.wait()

    attempt()


@pytest.mark.parametrize("step", [p.AUTH_LIST, p.CONNECT_OPEN], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("answer", "cause", "text"),
    [
        (closes, SessionClosed, "the daemon closed it"),
        (truncated(t.AuthListReply((0,))), SessionClosed, "in the middle of a packet"),
        (sends(b"\xff" * 4), FrameTooLarge, "4294967295 bytes"),
        (returns(serial=9), UnexpectedMessage, "serial 9"),
        (returns(status=7), UnexpectedMessage, "status 7"),
    ],
    ids=["closes", "truncated", "4 GiB", "serial", "status"],
)
async def test_a_daemon_that_fails_in_the_handshake_ends_the_attempt(
    step: Procedure[Any, Any], answer: Answer, cause: type[Exception], text: str
) -> None:
    async with daemon_with({step: answer}) as daemon:
        with pytest.raises(SessionClosed, match=text) as caught:
            await connect(daemon.uri)
        assert type(caught.value.__cause__) is cause
        await daemon.peer.ended.wait()


async def test_a_handshake_reply_that_does_not_decode_ends_the_attempt() -> None:
    async with daemon_with({p.AUTH_LIST: returns(t.Number(5))}) as daemon:
        with pytest.raises(DecodeError):
            await connect(daemon.uri)
        await daemon.peer.ended.wait()


async def test_an_attempt_that_is_cancelled_leaves_no_connection() -> None:
    async with daemon_with({p.CONNECT_OPEN: never}) as daemon:
        opening = asyncio.create_task(_opened(daemon.uri))
        peer = await daemon.first_peer()
        await peer.received(2)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await peer.ended.wait()


async def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with pytest.raises(ConnectFailed) as caught:
        await connect(f"qemu+unix:///system?socket={path}")
    assert f"{path}: no such socket" in str(caught.value)


async def test_a_uri_that_cannot_be_used_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(InvalidURI):
        await connect("qemu:system")


# Calls.


Ask = Callable[[Connection], Awaitable[Any]]

CALLS: list[tuple[Ask, Procedure[Any, Any], Struct | None, Struct, Any]] = [
    (lambda c: c.get_type(), p.CONNECT_GET_TYPE, None, t.String("QEMU"), "QEMU"),
    (lambda c: c.get_version(), p.CONNECT_GET_VERSION, None, t.UnsignedNumber(7002022), 7002022),
    (
        lambda c: c.get_lib_version(),
        p.CONNECT_GET_LIB_VERSION,
        None,
        t.UnsignedNumber(9000000),
        9000000,
    ),
    (lambda c: c.get_hostname(), p.CONNECT_GET_HOSTNAME, None, t.String("é\udcff"), "é\udcff"),
    (lambda c: c.get_uri(), p.CONNECT_GET_URI, None, t.String("qemu:///system"), "qemu:///system"),
    (
        lambda c: c.list_all_domains(),
        p.CONNECT_LIST_ALL_DOMAINS,
        t.ConnectListAllDomainsArgs(1, 0),
        t.ConnectListAllDomainsReply((DOMAIN, OTHER), 2),
        (DOMAIN, OTHER),
    ),
    (
        lambda c: c.list_all_domains(ConnectListAllDomainsFlags.ACTIVE),
        p.CONNECT_LIST_ALL_DOMAINS,
        t.ConnectListAllDomainsArgs(1, 1),
        t.ConnectListAllDomainsReply((), 0),
        (),
    ),
    (
        lambda c: c.get_all_domain_stats(),
        p.CONNECT_GET_ALL_DOMAIN_STATS,
        t.ConnectGetAllDomainStatsArgs((), 0, 0),
        t.ConnectGetAllDomainStatsReply(()),
        (),
    ),
    (
        lambda c: c.domain_get_xml_desc(DOMAIN),
        p.DOMAIN_GET_XML_DESC,
        t.DomainFlagsArgs(DOMAIN, 0),
        t.String("<domain/>"),
        "<domain/>",
    ),
    (
        lambda c: c.domain_get_xml_desc(DOMAIN, DomainXMLFlags.INACTIVE),
        p.DOMAIN_GET_XML_DESC,
        t.DomainFlagsArgs(DOMAIN, 2),
        t.String("<domain/>"),
        "<domain/>",
    ),
    (
        lambda c: c.domain_get_state(DOMAIN),
        p.DOMAIN_GET_STATE,
        t.DomainFlagsArgs(DOMAIN, 0),
        t.DomainState(5, 1),
        t.DomainState(5, 1),
    ),
    (
        lambda c: c.domain_get_control_info(DOMAIN),
        p.DOMAIN_GET_CONTROL_INFO,
        t.DomainFlagsArgs(DOMAIN, 0),
        t.DomainControlInfo(2, 0, 5000),
        t.DomainControlInfo(2, 0, 5000),
    ),
]


@pytest.mark.parametrize(
    ("ask", "procedure", "arguments", "reply", "value"), CALLS, ids=[case[1].name for case in CALLS]
)
async def test_a_method_makes_its_call_and_gives_what_it_holds(
    ask: Ask,
    procedure: Procedure[Any, Any],
    arguments: Struct | None,
    reply: Struct,
    value: Any,
) -> None:
    async with (
        daemon_with({procedure: returns(reply)}) as daemon,
        connect(daemon.uri) as connection,
    ):
        assert await ask(connection) == value
        (call,) = daemon.peer.calls(procedure)
        assert call.payload == payload_of(arguments)


def test_every_call_of_the_table_that_has_a_method_is_tested() -> None:
    without_method = {p.AUTH_LIST, p.CONNECT_OPEN, p.CONNECT_CLOSE, p.CONNECT_SUPPORTS_FEATURE}
    methods = {name for name in vars(Connection) if not name.startswith("_")}
    tested = {case[1] for case in CALLS}
    for procedure in set(p.PROCEDURES.values()) - without_method - tested:
        assert procedure.name.lower().removeprefix("connect_") not in methods


@pytest.mark.parametrize("ask", [case[0] for case in CALLS], ids=[case[1].name for case in CALLS])
async def test_a_refusal_is_raised_and_the_next_call_works(ask: Ask) -> None:
    refused: set[int] = set()

    def script(peer: Peer, frame: Frame) -> None:
        if frame.procedure in {66, 1, 2}:
            by_table(HANDSHAKE)(peer, frame)
        elif frame.procedure not in refused:
            refused.add(frame.procedure)
            refuses(3, "this function is not supported by the connection driver")(peer, frame)
        else:
            refuses(29, "read only access prevents it")(peer, frame)

    async with ScriptedDaemon(script) as daemon, connect(daemon.uri) as connection:
        with pytest.raises(NoSupport):
            await ask(connection)
        with pytest.raises(OperationDenied):
            await ask(connection)


async def test_a_procedure_that_an_old_daemon_lacks_is_an_rpc_error() -> None:
    async with daemon_with({}) as daemon, connect(daemon.uri) as connection:
        with pytest.raises(RPCError, match="unknown procedure: 344"):
            await connection.get_all_domain_stats()


@in_virtual_time
async def test_a_call_has_the_connections_timeout_or_a_deadline_of_its_own(
    clock: VirtualClock,
) -> None:
    async with (
        daemon_with({p.CONNECT_GET_TYPE: never}) as daemon,
        connect(daemon.uri, timeout=7.0) as connection,
    ):
        started = clock.now
        with pytest.raises(CallTimeout):
            await connection.get_type()
        assert clock.now - started == pytest.approx(7.0, abs=0.5)
        started = clock.now
        with pytest.raises(CallTimeout):
            await connection.get_type(deadline=Deadline.after(2.0, clock))
        assert clock.now - started == pytest.approx(2.0)
        assert connection.session.stuck == 2


@in_virtual_time
async def test_statistics_have_a_deadline_too(clock: VirtualClock) -> None:
    async with (
        daemon_with({p.CONNECT_GET_ALL_DOMAIN_STATS: never}) as daemon,
        connect(daemon.uri) as connection,
    ):
        started = clock.now
        with pytest.raises(CallTimeout, match="CONNECT_GET_ALL_DOMAIN_STATS"):
            await connection.get_all_domain_stats(deadline=Deadline.after(2.0, clock))
        assert clock.now - started == pytest.approx(2.0)


async def test_the_end_of_the_daemon_in_mid_call_is_raised() -> None:
    async with daemon_with({p.CONNECT_GET_TYPE: closes}) as daemon:
        connection = await connect(daemon.uri)
        with pytest.raises(SessionClosed, match="the daemon closed it"):
            await connection.get_type()
        with pytest.raises(SessionClosed, match="the daemon closed it"):
            await connection.get_hostname()
        await connection.close()


@in_virtual_time
async def test_a_daemon_that_does_not_answer_the_farewell_holds_it_up_for_two_seconds(
    clock: VirtualClock,
) -> None:
    async with daemon_with({p.CONNECT_CLOSE: never}) as daemon:
        connection = await connect(daemon.uri)
        started = clock.now
        await connection.close()
        assert clock.now - started == pytest.approx(2.0, abs=0.5)


# Statistics.


async def test_statistics_ask_for_domains_groups_and_flags() -> None:
    answers: Answers = {
        p.CONNECT_GET_ALL_DOMAIN_STATS: returns(t.ConnectGetAllDomainStatsReply(()))
    }
    async with daemon_with(answers) as daemon, connect(daemon.uri) as connection:
        await connection.get_all_domain_stats(
            (domain for domain in (DOMAIN, OTHER)),
            DomainStatsTypes.STATE | DomainStatsTypes.BLOCK,
            ConnectGetAllDomainStatsFlags.NOWAIT,
        )
        (call,) = daemon.peer.calls(p.CONNECT_GET_ALL_DOMAIN_STATS)
        assert call.payload == payload_of(
            t.ConnectGetAllDomainStatsArgs((DOMAIN, OTHER), 1 | 32, 1 << 29)
        )


async def test_records_of_one_connection_share_their_layouts() -> None:
    replies = [
        t.ConnectGetAllDomainStatsReply((record(DOMAIN, 1, 2), record(OTHER, 3, 4))),
        t.ConnectGetAllDomainStatsReply((record(DOMAIN, 5, 6),)),
    ]

    def in_turn(peer: Peer, call: Frame) -> None:
        peer.reply(call, replies.pop(0))

    async with (
        daemon_with({p.CONNECT_GET_ALL_DOMAIN_STATS: in_turn}) as daemon,
        connect(daemon.uri) as connection,
    ):
        first, second = await connection.get_all_domain_stats()
        (third,) = await connection.get_all_domain_stats()
    assert (first.domain, second.domain, third.domain) == (DOMAIN, OTHER, DOMAIN)
    assert first.layout.fields == ("field.0", "field.1")
    assert (first.values, second.values, third.values) == ((1, 2), (3, 4), (5, 6))
    assert first.layout is second.layout is third.layout


async def test_domains_that_are_gone_can_be_forgotten() -> None:
    reply = t.ConnectGetAllDomainStatsReply((record(DOMAIN, 1), record(OTHER, 1, 2)))
    async with (
        daemon_with({p.CONNECT_GET_ALL_DOMAIN_STATS: returns(reply)}) as daemon,
        connect(daemon.uri) as connection,
    ):
        kept, forgotten = await connection.get_all_domain_stats()
        connection.forget_other_domains([DOMAIN])
        again = await connection.get_all_domain_stats()
    assert again[0].layout is kept.layout
    assert again[1].layout is not forgotten.layout


async def test_several_statistics_calls_can_be_in_flight() -> None:
    async with (
        daemon_with({p.CONNECT_GET_ALL_DOMAIN_STATS: never}) as daemon,
        connect(daemon.uri) as connection,
    ):
        nothing = DomainStatsTypes(0), ConnectGetAllDomainStatsFlags.NOWAIT
        calls = [
            connection.start_get_all_domain_stats([domain], *nothing) for domain in (DOMAIN, OTHER)
        ]
        first, second = (await daemon.peer.received(4))[2:]
        daemon.peer.reply(second, t.ConnectGetAllDomainStatsReply((record(OTHER, 2),)))
        daemon.peer.reply(first, t.ConnectGetAllDomainStatsReply((record(DOMAIN, 1),)))
        records = [await call.future for call in calls]
    assert [one.values for (one,) in records] == [(1,), (2,)]


async def test_a_statistics_reply_that_does_not_decode_is_an_error_of_its_call_alone() -> None:
    answers: Answers = {
        p.CONNECT_GET_ALL_DOMAIN_STATS: returns(t.Number(3)),
        p.CONNECT_GET_TYPE: returns(t.String("QEMU")),
    }
    async with daemon_with(answers) as daemon, connect(daemon.uri) as connection:
        with pytest.raises(DecodeError):
            await connection.get_all_domain_stats()
        assert await connection.get_type() == "QEMU"


# What is handed on to the session.


async def test_an_observer_sees_how_each_call_ends() -> None:
    seen: list[CallObservation] = []
    async with daemon_with({}) as daemon, connect(daemon.uri, observe=seen.append):
        pass
    assert [(one.procedure, one.error) for one in seen] == [
        ("AUTH_LIST", None),
        ("CONNECT_OPEN", None),
        ("CONNECT_CLOSE", None),
    ]


@in_virtual_time
async def test_keepalive_is_the_callers_choice(clock: VirtualClock) -> None:
    async with daemon_with({}) as daemon:
        alive = connect(daemon.uri, keepalive=Keepalive(interval_seconds=1.0, count=3))
        async with alive, connect(daemon.uri):
            await asyncio.sleep(3.5)
            assert [peer.pings for peer in daemon.peers] == [3, 0]


async def test_another_way_to_dial_gets_the_uri_and_the_flag() -> None:
    dialled: list[tuple[str, bool]] = []

    async with daemon_with({}) as daemon:

        async def elsewhere(uri: Any, factory: Any, *, read_only: bool, deadline: Deadline) -> Any:
            dialled.append((uri.redacted, read_only))
            _, session = await asyncio.get_running_loop().create_unix_connection(
                factory, daemon.path
            )
            return session

        async with connect("qemu+tls://user@host/system", read_only=False, dial=elsewhere):
            assert daemon.peer.calls(p.CONNECT_OPEN)
    assert dialled == [("qemu+tls://host/system", False)]
