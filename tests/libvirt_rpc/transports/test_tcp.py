"""Connecting over TCP: whose address is taken, and what is said when none works."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import Attempt, ConnectFailed, SessionClosed
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.transports import tcp
from libvirt_rpc.transports.tcp import open_socket, render_address
from libvirt_rpc.uri import parse_uri
from tests.support.daemon import HANDSHAKE, Peer, ScriptedDaemon, by_table, closes

ADVICE = (
    "does a daemon listen there? It takes libvirtd-tcp.socket or virtproxyd-tcp.socket, or "
    "libvirtd --listen with listen_tcp = 1"
)


@contextlib.asynccontextmanager
async def listening(host: str = "127.0.0.1", script: Any = None) -> AsyncIterator[int]:
    """A scripted daemon at a port."""
    daemon = ScriptedDaemon(script)
    server = await asyncio.get_running_loop().create_server(lambda: Peer(daemon), host, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for peer in daemon.peers:
        peer.abort()
        await peer.ended.wait()


@contextlib.contextmanager
def deaf(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that answers no SYN: its queue is full."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket())
        sock.bind((host, 0))
        sock.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(sock.getsockname())
        yield sock.getsockname()[1]


@contextlib.contextmanager
def closed(host: str = "127.0.0.1") -> Iterator[int]:
    """A port on which nobody listens, and nobody else can."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        yield sock.getsockname()[1]


def resolve(monkeypatch: pytest.MonkeyPatch, *places: tuple[str, int]) -> None:
    """Makes the resolver give these places for every name."""

    async def getaddrinfo(*_: object, **__: object) -> Sequence[tcp.AddressInfo]:
        return [
            (
                socket.AF_INET6 if ":" in host else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (host, port),
            )
            for host, port in places
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def opened(port: int = 1, seconds: float = 10) -> tuple[str, int]:
    """Opens a socket, closes it, and says where it led."""
    uri = parse_uri(f"qemu+tcp://the-host:{port}/system")
    with await open_socket(uri, Deadline.after(seconds)) as sock:
        address: tuple[str, int] = sock.getpeername()[:2]
        return address


async def refusal(text: str, seconds: float = 10) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await open_socket(parse_uri(text), Deadline.after(seconds))
    return caught.value


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_daemon_behind_a_port_answers() -> None:
    async with listening() as port, connect(f"qemu+tcp://127.0.0.1:{port}/system") as connection:
        assert connection.session.error is None
        assert connection.session.certificates == {}


async def test_a_port_without_a_daemon_is_refused() -> None:
    with closed() as port:
        error = await refusal(f"qemu+tcp://127.0.0.1:{port}/system")
    assert str(error) == (
        f"cannot connect to qemu+tcp://127.0.0.1:{port}/system: "
        f"127.0.0.1:{port}: connection refused ({ADVICE})"
    )


async def test_the_next_address_is_taken_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed("127.0.0.2") as shut:
        async with listening() as port:
            resolve(monkeypatch, ("127.0.0.2", shut), ("127.0.0.1", port))
            assert await opened() == ("127.0.0.1", port)


async def test_the_next_address_has_its_turn_while_one_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp, "HEAD_START_SECONDS", 0.01)
    before = open_files()
    with deaf("127.0.0.2") as silent:
        async with listening() as port:
            resolve(monkeypatch, ("127.0.0.2", silent), ("127.0.0.1", port))
            assert await opened() == ("127.0.0.1", port)
    while open_files() > before:
        await asyncio.sleep(0)  # the loser's socket closes in the loop's next turn


async def test_of_two_that_answer_in_the_same_moment_one_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    connect_now, both = loop.sock_connect, asyncio.Barrier(2)

    async def connect_together(sock: socket.socket, address: Any) -> None:
        await connect_now(sock, address)
        await both.wait()

    monkeypatch.setattr(loop, "sock_connect", connect_together)
    monkeypatch.setattr(tcp, "HEAD_START_SECONDS", 0)
    before = open_files()
    async with listening() as one, listening("127.0.0.2") as two:
        resolve(monkeypatch, ("127.0.0.1", one), ("127.0.0.2", two))
        assert await opened() in {("127.0.0.1", one), ("127.0.0.2", two)}
    while open_files() > before:
        await asyncio.sleep(0)


async def test_the_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed() as one, closed() as two, closed() as three:
        resolve(monkeypatch, ("::1", one), ("::1", two), ("127.0.0.1", three), ("127.0.0.1", one))
        error = await refusal("qemu+tcp://the-host/system")
    assert [attempt.address for attempt in error.attempts] == [
        f"[::1]:{one}",
        f"127.0.0.1:{three}",
        f"[::1]:{two}",
        f"127.0.0.1:{one}",
    ]


async def test_at_the_deadline_every_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "HEAD_START_SECONDS", 100)
    with closed() as shut, deaf() as silent:
        resolve(monkeypatch, ("127.0.0.1", shut), ("127.0.0.1", silent), ("127.0.0.1", 9))
        error = await refusal("qemu+tcp://the-host/system", seconds=0.05)
    assert error.attempts == (
        Attempt(f"127.0.0.1:{shut}", "connection refused"),
        Attempt(f"127.0.0.1:{silent}", "no answer in time"),
        Attempt("127.0.0.1:9", "no answer in time"),
    )


async def test_a_name_without_an_address_is_refused() -> None:
    error = await refusal("qemu+tcp://no-such-host.invalid/system")
    (attempt,) = error.attempts
    assert attempt.address == "no-such-host.invalid"
    assert "name" in attempt.reason


async def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    error = await refusal("qemu+tcp://the-host/system", seconds=0.01)
    assert error.attempts == (Attempt("the-host", "the name servers did not answer in time"),)


async def test_a_peer_that_closes_without_a_word_is_no_session_that_ended() -> None:
    async with listening(script=lambda peer, _: peer.close()) as port:
        with pytest.raises(ConnectFailed) as caught:
            await connect(f"qemu+tcp://127.0.0.1:{port}/system")
    assert str(caught.value) == (
        f"cannot connect to qemu+tcp://127.0.0.1:{port}/system: 127.0.0.1:{port}: "
        "the peer closed the connection without a word "
        "(if this is the port for TLS, 16514 by default, write +tls in place of +tcp)"
    )


async def test_a_peer_that_resets_without_a_word_is_no_session_that_ended() -> None:
    async with listening(script=lambda peer, _: peer.abort()) as port:
        with pytest.raises(ConnectFailed):
            await connect(f"qemu+tcp://127.0.0.1:{port}/system")


async def test_a_daemon_that_goes_later_is_a_session_that_ended() -> None:
    script = by_table({**HANDSHAKE, p.CONNECT_OPEN: closes})
    async with listening(script=script) as port:
        with pytest.raises(SessionClosed, match="the daemon closed it"):
            await connect(f"qemu+tcp://127.0.0.1:{port}/system")


async def test_no_socket_is_left_open_by_a_cancelled_attempt() -> None:
    with deaf() as silent:
        before = open_files()
        uri = parse_uri(f"qemu+tcp://127.0.0.1:{silent}/system")
        attempt = asyncio.create_task(open_socket(uri, Deadline.after(10)))
        while open_files() == before:
            await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        while open_files() > before:
            await asyncio.sleep(0)


def test_an_ipv6_address_has_brackets() -> None:
    assert render_address(("::1", 16509, 0, 0)) == "[::1]:16509"
    assert render_address(("127.0.0.1", 16509)) == "127.0.0.1:16509"


def test_every_errno_has_a_text() -> None:
    assert tcp._reason(OSError(1234567, "x")) == os.strerror(1234567)
    assert tcp._reason(OSError("odd")) == "odd"
