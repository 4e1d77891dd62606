"""TCP: every address of the host is tried, each with a head start before the next (RFC 8305).

`open_socket` is the way of +tls too. A peer that ends the connection before its first byte is no
daemon of ours: that is ConnectFailed, not a session that was closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Sequence

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import Attempt, ConnectFailed
from libvirt_rpc.session import Session
from libvirt_rpc.uri import ConnectionURI, Transport

__all__ = ["NO_ANSWER", "connect_tcp", "open_socket", "render_address"]

HEAD_START_SECONDS = 0.25
"""RFC 8305's Connection Attempt Delay."""

NO_ANSWER = "no answer in time"

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to its network",
    errno.ETIMEDOUT: NO_ANSWER,
    errno.EACCES: "a rule of this machine's firewall forbids it",
    errno.EPERM: "a rule of this machine's firewall forbids it",
}

_LISTENING = {
    Transport.TCP: "libvirtd-tcp.socket or virtproxyd-tcp.socket, or libvirtd --listen with listen_tcp = 1",
    Transport.TLS: "libvirtd-tls.socket or virtproxyd-tls.socket, or libvirtd --listen with listen_tls = 1",
}

SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
AddressInfo = tuple[int, int, int, str, SocketAddress]


async def connect_tcp(
    uri: ConnectionURI, factory: Callable[[], Session], deadline: Deadline
) -> Session:
    """Connects without encryption. Raises ConnectFailed with every address's reason."""
    sock = await open_socket(uri, deadline)
    session = factory()
    opening = _Opening(session, uri.redacted, render_address(sock.getpeername()))
    await asyncio.get_running_loop().create_connection(lambda: opening, sock=sock)
    return session


class _Opening(asyncio.Protocol):
    """Stands in the session's place until the peer's first byte; an end before that has its own error."""

    def __init__(self, session: Session, target: str, address: str) -> None:
        self._session = session
        self._target = target
        self._address = address
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._session.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.set_protocol(self._session)
        self._session.data_received(data)

    def eof_received(self) -> None:
        self._fail(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc)
        self._session.connection_lost(exc)

    def _fail(self, cause: Exception | None) -> None:
        attempt = Attempt(self._address, "the peer closed the connection without a word")
        advice = "if this is the port for TLS, 16514 by default, write +tls in place of +tcp"
        self._session.fail(ConnectFailed(self._target, (attempt,), advice), cause=cause)


# The race


async def open_socket(uri: ConnectionURI, deadline: Deadline) -> socket.socket:
    """A connected socket to the URI's host and port. Raises ConnectFailed."""
    assert uri.host is not None
    assert uri.port is not None
    waiting = await _addresses(uri, uri.host, uri.port, deadline)
    running: dict[asyncio.Task[socket.socket], str] = {}
    attempts: list[Attempt] = []
    try:
        while (waiting or running) and not deadline.expired:
            if waiting:
                info = waiting.pop(0)
                running[asyncio.create_task(_connected(info))] = render_address(info[4])
            done, _ = await asyncio.wait(
                running, timeout=_patience(waiting, deadline), return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                address = running.pop(task)
                error = task.exception()
                if error is None:
                    return task.result()
                assert isinstance(error, OSError)
                attempts.append(Attempt(address, _reason(error)))
        attempts += [Attempt(address, NO_ANSWER) for address in running.values()]
        attempts += [Attempt(render_address(info[4]), NO_ANSWER) for info in waiting]
        raise ConnectFailed(uri.redacted, tuple(attempts), _advice(uri, attempts))
    finally:
        for task in running:
            task.add_done_callback(_close_unused)
            task.cancel()


def _patience(waiting: Sequence[AddressInfo], deadline: Deadline) -> float:
    remaining = deadline.remaining()
    return min(HEAD_START_SECONDS, remaining) if waiting else remaining


async def _connected(info: AddressInfo) -> socket.socket:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_unused(task: asyncio.Task[socket.socket]) -> None:
    """Another address won, perhaps in the same turn of the loop."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


# Addresses


async def _addresses(
    uri: ConnectionURI, host: str, port: int, deadline: Deadline
) -> list[AddressInfo]:
    with contextlib.suppress(socket.gaierror, UnicodeError):
        # An address in figures needs no thread and no name server.
        flags = socket.AI_NUMERICHOST
        return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]
    try:
        async with asyncio.timeout(deadline.remaining()):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except TimeoutError as exc:
        attempt = Attempt(host, "the name servers did not answer in time")
        raise ConnectFailed(uri.redacted, (attempt,), "is DNS in order here?") from exc
    except (socket.gaierror, UnicodeError) as exc:
        attempt = Attempt(host, _resolver_reason(exc))
        raise ConnectFailed(uri.redacted, (attempt,), "is the host's name right?") from exc
    return list(_interleaved(found))


def _interleaved(found: Sequence[AddressInfo]) -> Iterator[AddressInfo]:
    """The families in turn, beginning with the resolver's favourite."""
    families = dict.fromkeys(info[0] for info in found)
    by_family = [[info for info in found if info[0] == family] for family in families]
    for round_of in itertools.zip_longest(*by_family):
        yield from (info for info in round_of if info is not None)


def _resolver_reason(exc: socket.gaierror | UnicodeError) -> str:
    number = exc.errno if isinstance(exc, socket.gaierror) else None
    if number in {socket.EAI_NONAME, socket.EAI_NODATA}:
        return "no such host: the name has no address"
    if number == socket.EAI_AGAIN:
        return "the name servers do not answer"
    return f"the name cannot be resolved: {getattr(exc, 'strerror', None) or exc}"


def render_address(address: Sequence[object]) -> str:
    """`127.0.0.1:16509`, `[::1]:16509`."""
    host, port, *_ = map(str, address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(exc: OSError) -> str:
    if exc.errno is None:
        return str(exc)
    return _REASONS.get(exc.errno, os.strerror(exc.errno))


def _advice(uri: ConnectionURI, attempts: Sequence[Attempt]) -> str:
    reasons = {attempt.reason for attempt in attempts}
    if _REASONS[errno.ECONNREFUSED] in reasons:
        return f"does a daemon listen there? It takes {_LISTENING[uri.transport]}"
    if NO_ANSWER in reasons:
        return "is the host up, and does a firewall on the way drop the packets?"
    return ""
