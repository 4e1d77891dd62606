"""What the daemon asks for at the door, what it is told, and what the operator is told."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import queue
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scramp  # type: ignore[import-untyped]  # it has no types
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc.authentication import authenticate
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import (
    AuthenticationFailed,
    DecodeError,
    LibvirtRPCError,
    RPCError,
    SessionClosed,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.client import Phase
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.sasl.digest_md5 import Digest
from libvirt_rpc.session import Session
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
    refuses,
    reply_to,
    returns,
)
from tests.support.sasl import digest_md5_server_layer, digest_md5_session_key

LOCAL, TCP = "qemu:///system", "qemu+tcp://hv/system"
GOOD = Credentials("exporter-1", "s3cret-1", source="the tests")
NOWHERE = {"HOME": "/dev/null"}


async def authenticated(
    answers: Answers,
    uri: str = LOCAL,
    credentials: Credentials | None = GOOD,
    *,
    read_only: bool = False,
    environ: dict[str, str] | None = None,
    seconds: float = 20,
    then: Callable[[Session, Peer], Any] | None = None,
) -> list[int]:
    """Authenticates with a daemon that answers so; the procedures that were called, in order."""
    deadline = Deadline.after(seconds)
    async with ScriptedDaemon(by_table(answers)) as daemon:
        session = await connect_unix("test", [daemon.path], Session, deadline)
        try:
            await authenticate(
                session,
                parse_uri(uri),
                deadline=deadline,
                read_only=read_only,
                credentials=credentials,
                environ=NOWHERE if environ is None else environ,
            )
            assert session.client.phase is Phase.AUTHENTICATED
            if then is not None:
                await then(session, daemon.peer)
            return [frame.procedure for frame in daemon.peer.frames]
        finally:
            session.fail(SessionClosed("the test is over"))
            await session.wait_closed()


async def refused(answers: Answers, *args: Any, **kwargs: Any) -> AuthenticationFailed:
    with pytest.raises(AuthenticationFailed) as caught:
        await authenticated(answers, *args, **kwargs)
    return caught.value


def asks_for(*types: int) -> Answers:
    return {p.AUTH_LIST: returns(t.AuthListReply(types))}


# What is asked for


@pytest.mark.parametrize("types", [(0,), (), (0, 2), (1, 0)])
async def test_a_daemon_that_asks_for_nothing_lets_us_in(types: tuple[int, ...]) -> None:
    assert await authenticated(asks_for(*types)) == [66]


@pytest.mark.parametrize(
    ("types", "names"), [((7,), ("unknown_7",)), ((-1, 9), ("unknown_-1", "unknown_9"))]
)
async def test_what_this_client_cannot_do_is_named(
    types: tuple[int, ...], names: tuple[str, ...]
) -> None:
    error = await refused(asks_for(*types))
    assert error.offered == names
    assert f"the daemon asks for {' or '.join(names)}" in str(error)
    assert "read-only socket" in str(error)


@pytest.mark.parametrize(
    ("types", "auth", "text"),
    [
        ((0,), "sasl", "insists on sasl, and the daemon asks for none here"),
        ((2,), "sasl.SCRAM-SHA-256", "insists on sasl, and the daemon asks for polkit here"),
        ((1,), "polkit", "insists on polkit, and the daemon asks for sasl here"),
        ((), "polkit", "insists on polkit, and the daemon asks for nothing here"),
    ],
)
async def test_a_uri_that_insists_gets_what_it_insists_on_or_an_error(
    types: tuple[int, ...], auth: str, text: str
) -> None:
    assert text in str(await refused(asks_for(*types), f"{LOCAL}?auth={auth}"))


async def test_the_uri_decides_between_two_that_are_asked_for() -> None:
    answers = {**scram(), **asks_for(2, 1), p.AUTH_POLKIT: returns(t.Number(1))}
    assert await authenticated(answers) == [66, 70]
    assert await authenticated(answers, f"{LOCAL}?auth=sasl") == [66, 67, 68, 69]
    assert await authenticated(answers, f"{LOCAL}?auth=polkit") == [66, 70]


async def test_a_daemon_that_refuses_the_question_is_quoted() -> None:
    with pytest.raises(RPCError, match="AUTH_LIST: too many clients"):
        await authenticated({p.AUTH_LIST: refuses(39, "too many clients")})


async def test_a_daemon_that_lets_nobody_in_is_a_failed_authentication() -> None:
    error = await refused({p.AUTH_LIST: refuses(45, "authentication failed")})
    assert "the daemon lets nobody in (libvirt error 45)" in str(error)


# SASL


def scram(
    known: Credentials = GOOD, final: Callable[[bytes], bytes] = lambda message: message
) -> Answers:
    """A daemon that does SCRAM-SHA-256 and knows one user; `final` is what it makes of its proof."""
    server_side = scramp.ScramMechanism("SCRAM-SHA-256")
    stored = server_side.make_auth_info(known.password, iteration_count=4096)
    server = server_side.make_server(lambda name: stored if name == known.username else None)

    def start(peer: Peer, call: Frame) -> None:
        args = xdr.decode(p.AUTH_SASL_START.arguments, call.payload)
        assert (args.mech, args.nil) == ("SCRAM-SHA-256", 0)
        try:
            server.set_client_first(args.data.decode())
        except scramp.ScramException:
            refuses(45, f"authentication failed for {args.data!r}")(peer, call)
        else:
            peer.reply(call, t.AuthSaslReply(0, 0, server.get_server_first().encode()))

    def step(peer: Peer, call: Frame) -> None:
        args = xdr.decode(p.AUTH_SASL_STEP.arguments, call.payload)
        try:
            server.set_client_final(args.data.decode())
        except scramp.ScramException:
            refuses(45, f"authentication failed for {args.data!r}")(peer, call)
        else:
            proof = final(server.get_server_final().encode())
            peer.reply(call, t.AuthSaslReply(1, int(not proof), proof))

    return {
        **asks_for(1),
        p.AUTH_SASL_INIT: returns(t.String("SCRAM-SHA-256,NTLM")),
        p.AUTH_SASL_START: start,
        p.AUTH_SASL_STEP: step,
    }


def digest_md5(known: Credentials = GOOD, *, behind: bytes = b"", plainly: bytes = b"") -> Answers:
    """A daemon that does DIGEST-MD5 and wraps what follows, `behind` first, but not `plainly`."""

    def step(peer: Peer, call: Frame) -> None:
        args = xdr.decode(p.AUTH_SASL_STEP.arguments, call.payload)
        key, cnonce, response = digest_md5_session_key(args.data, "nonce-of-tests", known)
        digest = Digest(key, "nonce-of-tests", cnonce, "auth-conf", "libvirt/hv")
        if response != digest.of("AUTHENTICATE"):
            refuses(45, "authentication failed")(peer, call)
            return
        proof = f"rspauth={digest.of('')}".encode()
        layer = digest_md5_server_layer(key, 16)
        reply = reply_to(call, t.AuthSaslReply(1, 0, proof)).encode()
        peer.send(reply + plainly + layer.encode(behind))  # one segment
        peer.layer = layer

    challenge = (
        b'nonce="nonce-of-tests",realm="vm",qop="auth-conf",cipher="rc4",'
        b"charset=utf-8,algorithm=md5-sess"
    )
    return {
        **HANDSHAKE,
        **asks_for(1),
        p.AUTH_SASL_INIT: returns(t.String("DIGEST-MD5")),
        p.AUTH_SASL_START: returns(t.AuthSaslReply(0, 0, challenge)),
        p.AUTH_SASL_STEP: step,
    }


async def test_credentials_that_the_daemon_knows_let_us_in() -> None:
    assert await authenticated(scram()) == [66, 67, 68, 69]


async def test_what_comes_behind_the_last_plain_reply_goes_through_the_layer_already() -> None:
    async def talk(session: Session, peer: Peer) -> None:
        frames = await peer.received(5)
        assert frames[4].procedure == 2  # the answer to the ping
        open_args = t.ConnectOpenArgs("qemu:///system", 1)
        await session.call(p.CONNECT_OPEN, open_args, deadline=Deadline.after(20))
        assert b"qemu:///system" not in peer.raw

    called = await authenticated(digest_md5(behind=PING), TCP, then=talk)
    assert called == [66, 67, 68, 69, 2, 1]


async def test_garbage_behind_the_last_plain_reply_is_not_taken_for_plain_frames() -> None:
    with pytest.raises(DecodeError, match="a wrapped packet of DIGEST-MD5 has no trailer"):
        await authenticated(digest_md5(plainly=PING + PING), TCP)


async def test_wrong_credentials_are_told_what_to_check_and_not_whose() -> None:
    error = await refused(scram(), LOCAL, Credentials("exporter-1", "other", source="FILE"))
    assert error.offered == ("sasl",)
    assert "the daemon refused SCRAM-SHA-256 (libvirt error 45): check the user's name" in str(
        error
    )
    assert "which are from FILE" in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("final", "text"),
    [
        (b"v=AAAA", "did not prove by SCRAM-SHA-256 that it knows the password"),
        (b"", "the daemon ended SCRAM-SHA-256 before it had proven"),
    ],
)
async def test_a_daemon_that_only_pretends_to_know_the_password_is_left(
    final: bytes, text: str
) -> None:
    assert text in str(await refused(scram(final=lambda _: final)))


async def test_a_daemon_that_says_yes_at_once_is_left() -> None:
    answers = {**scram(), p.AUTH_SASL_START: returns(t.AuthSaslReply(1, 1, b""))}
    assert "before it had proven" in str(await refused(answers))


async def test_a_daemon_that_never_says_yes_is_left() -> None:
    on_and_on = returns(t.AuthSaslReply(0, 1, b""))
    answers = {
        **asks_for(1),
        p.AUTH_SASL_INIT: returns(t.String("PLAIN")),
        p.AUTH_SASL_START: on_and_on,
        p.AUTH_SASL_STEP: on_and_on,
    }
    assert "PLAIN does not come to an end" in str(await refused(answers))


@pytest.mark.parametrize("code", [1, 39, 45, 79, 94])
async def test_a_refusal_by_any_code_is_a_failed_authentication(code: int) -> None:
    error = await refused({**scram(), p.AUTH_SASL_INIT: refuses(code, "no")})
    assert f"the daemon cannot begin SASL (libvirt error {code})" in str(error)
    error = await refused({**scram(), p.AUTH_SASL_START: refuses(code, "no")})
    assert f"the daemon refused SCRAM-SHA-256 (libvirt error {code})" in str(error)
    error = await refused({**scram(), p.AUTH_SASL_STEP: refuses(code, "no")})
    assert f"the daemon refused SCRAM-SHA-256 (libvirt error {code})" in str(error)


async def test_a_connection_that_breaks_is_no_failed_authentication() -> None:
    with pytest.raises(SessionClosed, match="the daemon closed it"):
        await authenticated({**scram(), p.AUTH_SASL_STEP: closes})


async def test_no_data_and_empty_data_are_told_apart_on_the_wire() -> None:
    sent: list[tuple[int, bytes]] = []

    def proves_before_the_end(peer: Peer, call: Frame) -> None:
        args = xdr.decode(p.AUTH_SASL_STEP.arguments, call.payload)
        sent.append((args.nil, args.data))
        if not args.data:
            peer.reply(call, t.AuthSaslReply(1, 1, b""))
            return
        key, cnonce, _ = digest_md5_session_key(args.data, "nonce-of-tests", GOOD)
        proof = Digest(key, "nonce-of-tests", cnonce, "auth-conf", "libvirt/hv").of("")
        peer.reply(call, t.AuthSaslReply(0, 0, f"rspauth={proof}".encode()))

    def notes_start(peer: Peer, call: Frame) -> None:
        args = xdr.decode(p.AUTH_SASL_START.arguments, call.payload)
        sent.append((args.nil, args.data))
        digest_md5()[p.AUTH_SASL_START](peer, call)

    answers = {**digest_md5(), p.AUTH_SASL_START: notes_start}
    assert await authenticated({**answers, p.AUTH_SASL_STEP: proves_before_the_end}, TCP)
    assert sent[0] == (1, b"")
    assert sent[1][0] == 0
    assert sent[2] == (0, b"")


async def test_without_credentials_those_of_auth_conf_count(tmp_path: Path) -> None:
    conf = tmp_path / "auth.conf"
    conf.write_text(
        "[credentials-x]\nauthname=exporter-1\npassword=s3cret-1\n"
        "[auth-libvirt-localhost]\ncredentials=x\n"
    )
    by_environment = {**NOWHERE, "LIBVIRT_AUTH_FILE": str(conf)}
    assert len(await authenticated(scram(), LOCAL, None, environ=by_environment)) == 4
    assert len(await authenticated(scram(), f"{LOCAL}?authfile={conf}", None)) == 4
    # Another host, and a file with a mistake.
    error = await refused(scram(), "qemu+tls://hv/system", None, environ=by_environment)
    assert f"write a group [auth-libvirt-hv] into {conf}" in str(error)
    conf.write_text("s3cret-1\n")
    error = await refused(scram(), LOCAL, None, environ=by_environment)
    assert f"SCRAM-SHA-256: {conf}, line 1: a line is [group]" in str(error)


async def test_without_any_credentials_the_error_says_where_to_put_them() -> None:
    error = await refused(scram(), LOCAL, None)
    assert "configure username and password_file" in str(error)
    assert "[auth-libvirt-localhost] into /etc/libvirt/auth.conf" in str(error)
    assert "NTLM: this client does not do that" in str(error)


async def test_a_file_that_does_not_come_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    fifo = tmp_path / "auth.conf"
    os.mkfifo(fifo)
    try:
        async with asyncio.timeout(10):
            error = await refused(scram(), f"{LOCAL}?authfile={fifo}", None, seconds=0.3)
        assert "this side's part of SASL was not done in time" in str(error)
    finally:
        with fifo.open("w"):  # lets the thread go that reads it
            pass


async def test_nothing_is_sent_where_the_channel_is_not_fit_for_it() -> None:
    answers = {**asks_for(1), p.AUTH_SASL_INIT: returns(t.String("PLAIN,SCRAM-SHA-1"))}
    error = await refused(answers, TCP)
    assert "PLAIN would send the password over this connection" in str(error)
    assert "SCRAM-SHA-1 has no encryption of its own" in str(error)


UNUSUAL = st.text(st.characters(min_codepoint=0x410, max_codepoint=0x44F), min_size=4, max_size=8)
REPLIES = st.builds(
    t.AuthSaslReply,
    st.integers(0, 1),
    st.integers(0, 1),
    st.binary(max_size=40)
    | st.sampled_from(
        [
            b'nonce="n",qop="auth,auth-conf",cipher="rc4",algorithm=md5-sess',
            b'nonce="n",realm="vm",qop="auth,auth-conf",cipher="rc4",algorithm=md5-sess,charset=utf-8',
            b"r=x,s=QSXCR+Q6sek8bf92,i=4096",
            b"v=AAAA",
            b"rspauth=0",
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    username=UNUSUAL,
    password=UNUSUAL,
    mechanism=st.sampled_from(["PLAIN", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-512"]),
    uri=st.sampled_from([LOCAL, TCP]),
    replies=st.lists(REPLIES | st.just(None), min_size=1, max_size=4),
)
def test_whatever_the_daemon_does_no_text_shows_name_or_password(
    username: str, password: str, mechanism: str, uri: str, replies: list[t.AuthSaslReply | None]
) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    waiting = [*replies, None, None]

    def next_reply(peer: Peer, call: Frame) -> None:
        reply = waiting.pop(0) if waiting else None
        if reply is not None:
            peer.reply(call, reply)
            return
        # A daemon that repeats what it got.
        data = bytes(byte for byte in call.payload if byte).decode(errors="replace")
        refuses(45, f"authentication failed: {username} {password} {data}")(peer, call)

    answers: dict[Any, Answer] = {
        **asks_for(1),
        p.AUTH_SASL_INIT: returns(t.String(mechanism)),
        p.AUTH_SASL_START: next_reply,
        p.AUTH_SASL_STEP: next_reply,
    }
    shown = ""
    try:
        asyncio.run(authenticated(answers, uri, Credentials(username, password)))
    except LibvirtRPCError as exc:
        shown = "".join(traceback.format_exception(exc)) + repr(exc) + repr(exc.args)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    while not records.empty():
        record = records.get()
        shown += record.getMessage() + str(record.exc_text)
    assert username not in shown
    assert password not in shown


async def test_data_that_the_wire_cannot_carry_is_not_shown_either() -> None:
    with pytest.raises(LibvirtRPCError) as caught:
        xdr.encode(p.AUTH_SASL_STEP.arguments, t.AuthSaslStepArgs(2**40, b"s3cret-1"))
    assert "s3cret-1" not in str(caught.value) + repr(caught.value)
    for struct in (
        t.AuthSaslStartArgs("PLAIN", 0, b"s3cret-1"),
        t.AuthSaslStepArgs(0, b"s3cret-1"),
        t.AuthSaslReply(0, 0, b"s3cret-1"),
    ):
        assert "s3cret-1" not in repr(struct)


# polkit


async def test_polkit_lets_us_in() -> None:
    answers = {**asks_for(2), p.AUTH_POLKIT: returns(t.Number(1))}
    assert await authenticated(answers) == [66, 70]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (refuses(45, "access denied by policy", domain=60), "polkit denies ACTION to this user"),
        (returns(t.Number(0)), "polkit denies ACTION to this user"),
        (refuses(79, "cancelled", domain=60), "the question of polkit for ACTION was dismissed"),
        (refuses(94, "no agent", domain=60), "this process has no polkit agent"),
    ],
)
async def test_a_refusal_names_the_action_and_gives_the_rule(answer: Answer, text: str) -> None:
    answers = {**asks_for(2), p.AUTH_POLKIT: answer}
    for read_only, action in (
        (False, "org.libvirt.unix.manage"),
        (True, "org.libvirt.unix.manage"),  # the socket decides, and its path has no -ro
    ):
        error = await refused(answers, read_only=read_only)
        assert error.offered == ("polkit",)
        assert text.replace("ACTION", action) in str(error)
        assert "write /etc/polkit-1/rules.d/50-libvirt-exporter.rules: polkit.addRule(" in str(
            error
        )
        assert f'action.id == "{action}"' in str(error)


@pytest.mark.parametrize(
    ("code", "domain", "text"),
    [
        (1, 47, "it reaches no system bus"),
        (1, 60, "or no polkit there"),
        (1, 7, "the daemon refused to ask polkit about org.libvirt.unix.manage (libvirt error 1)"),
    ],
)
async def test_a_daemon_that_cannot_ask_polkit_is_no_denial(
    code: int, domain: int, text: str
) -> None:
    error = await refused({**asks_for(2), p.AUTH_POLKIT: refuses(code, "no", domain=domain)})
    assert text in str(error)
    assert "addRule" not in str(error)
