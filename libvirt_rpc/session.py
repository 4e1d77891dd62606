"""The asyncio shell of one connection: calls become futures by serial, bytes go to and fro.

One object is the asyncio protocol of the transport. It resolves a call when its reply comes, drops the
late replies of abandoned calls, answers and sends keepalive pings, and fails every pending call once,
with the cause, when the connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import (
    CallTimeout,
    LibvirtRPCError,
    ProtocolError,
    SessionClosed,
)
from libvirt_rpc.protocol.client import (
    CallFailed,
    Client,
    Event,
    LateReply,
    MessageIgnored,
    MessageReceived,
    Phase,
    PingReceived,
    ReplyReceived,
)
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import CONNECT_CLOSE, Procedure
from libvirt_rpc.sasl.mechanism import SecurityLayer
from libvirt_rpc.trace.tap import FrameTap

A = TypeVar("A")
R = TypeVar("R")

logger = logging.getLogger(__name__)

DAEMON_REQUEST_SLOTS = 5
"""libvirtd's max_client_requests: with so many calls unanswered it does not even read our pings."""
_CLOSED_HERE = "closed by this side"


@dataclass(frozen=True, slots=True)
class Keepalive:
    """Pings after `interval_seconds` of silence; dead after `count` intervals. 0 seconds: no pings."""

    interval_seconds: float = 5.0
    count: int = 5


NO_KEEPALIVE = Keepalive(interval_seconds=0)


@dataclass(slots=True, eq=False)
class Call(Generic[R]):
    """A call that was sent. `done` tells whether its answer came, wanted or not, or can come no more.

    `is_lost`: it was abandoned, and the session ended before its answer; the daemon may still work on it.
    """

    procedure: Procedure[Any, R]
    serial: int
    started: float
    future: asyncio.Future[R]
    abandoned: bool = False
    done: bool = field(default=False)
    is_lost: bool = field(default=False)


@dataclass(frozen=True, slots=True)
class CallObservation:
    """How a call ended, for statistics: `error` is None, a RemoteError, a CallTimeout or the session's end."""

    procedure: str
    seconds: float
    error: BaseException | None


class Session(asyncio.Protocol):
    """One connection to a daemon, from the transport's opening to its end."""

    def __init__(
        self,
        *,
        keepalive: Keepalive = NO_KEEPALIVE,
        tap: FrameTap | None = None,
        observe: Callable[[CallObservation], None] | None = None,
    ) -> None:
        self.client = Client()
        self.keepalive = keepalive
        self.on_message: Callable[[Frame], None] | None = None
        """Gets every event message as it comes. It must neither raise nor wait."""
        self.on_end: Callable[[], None] | None = None
        """Called once, when `error` is set and nothing comes any more."""
        self.ignored_messages = 0
        """Messages of kinds that are not known here, and events that nobody takes."""
        self.certificates: Mapping[str, float] = {}
        """When the certificates in use expire, seconds since the epoch: server, client, ca. Set by TLS."""
        self._tap = tap
        self._observe = observe
        self._transport: asyncio.Transport | None = None
        self._layer: SecurityLayer | None = None
        self._calls: dict[int, Call[Any]] = {}
        self._error: LibvirtRPCError | None = None
        self._closed = asyncio.Event()
        self._last_received = time.monotonic()
        self._last_ping = self._last_received
        self._keepalive_timer: asyncio.TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._last_received = self._last_ping = time.monotonic()
        if self.keepalive.interval_seconds > 0:
            _let_the_kernel_watch(transport, self.keepalive)
            self._schedule_keepalive()

    def data_received(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._last_received = time.monotonic()
        try:
            if self._layer is not None:
                data = self._layer.decode(data)
            for frame, event in self.client.receive_data(data):
                if self._tap is not None:
                    self._tap.received(frame)
                self._handle(event)
        except ProtocolError as exc:
            self.fail(exc)

    def eof_received(self) -> None:
        cut = " in the middle of a packet" if self.client.mid_frame else ""
        self.fail(SessionClosed(f"{self._who_closed()}{cut}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(SessionClosed(str(exc) if exc else self._who_closed()), cause=exc)
        self._closed.set()

    def _who_closed(self) -> str:
        # After the farewell it is chance which side closes first.
        return _CLOSED_HERE if self.client.phase is Phase.CLOSING else "the daemon closed it"

    # What the package calls.

    @property
    def error(self) -> LibvirtRPCError | None:
        """Why the session ended, or None while it stands."""
        return self._error

    @property
    def outstanding(self) -> int:
        """Calls without an answer, abandoned ones included."""
        return self.client.outstanding

    @property
    def stuck(self) -> int:
        """Abandoned calls that the daemon still works on."""
        return sum(1 for call in self._calls.values() if call.abandoned)

    def start(
        self,
        procedure: Procedure[A, R],
        args: A,
        *,
        decode: Callable[[bytes], Any] | None = None,
    ) -> Call[Any]:
        """Sends a call without waiting; await its `future`, or `abandon` it. Raises the session's error."""
        if self._error is not None:
            raise self._closed_error()
        if self.client.phase is Phase.CLOSING:
            raise SessionClosed(_CLOSED_HERE)
        assert self._transport is not None
        serial, frame = self.client.call(procedure, args, decode)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # A session that fails while nobody looks at the future is no unhandled error.
        future.add_done_callback(_retrieve)
        call = Call(procedure, serial, time.monotonic(), future)
        self._calls[serial] = call
        self._send(frame)
        return call

    async def call(
        self,
        procedure: Procedure[A, R],
        args: A,
        *,
        deadline: Deadline,
        decode: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """Sends a call and gives its reply. At the deadline the call is abandoned: CallTimeout."""
        call = self.start(procedure, args, decode=decode)
        try:
            await asyncio.wait((call.future,), timeout=deadline.remaining())
        finally:
            if not call.future.done():
                self.abandon(call)
        if call.future.cancelled():
            raise CallTimeout(procedure.name, time.monotonic() - call.started)
        return call.future.result()

    def abandon(self, call: Call[Any]) -> None:
        """Waits no longer for a call. It stays outstanding until the daemon answers; the answer is dropped."""
        if call.done or call.abandoned:
            return
        call.abandoned = True
        self.client.abandon(call.serial)
        call.future.cancel()
        seconds = time.monotonic() - call.started
        self._report(call, CallTimeout(call.procedure.name, seconds))

    def fail(self, error: LibvirtRPCError, *, cause: BaseException | None = None) -> None:
        """Ends the session: every pending call fails with `error`, once."""
        if self._error is not None:
            return
        error.__cause__ = cause
        self._error = error
        if self._keepalive_timer is not None:
            self._keepalive_timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        else:
            self._closed.set()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.done = True
            call.is_lost = call.abandoned
            if not call.future.done():
                closed = self._closed_error()
                call.future.set_exception(closed)
                self._report(call, closed)
        if self.on_end is not None:
            self.on_end()

    async def close(self, deadline: Deadline) -> None:
        """Says goodbye (a daemon logs an error for every client that just goes) and closes the transport."""
        if self._error is None and self.client.phase is Phase.OPEN:
            with contextlib.suppress(LibvirtRPCError):
                await self.call(CONNECT_CLOSE, None, deadline=deadline)
        self.fail(SessionClosed(_CLOSED_HERE))
        await self._closed.wait()

    def begin_layer(self, layer: SecurityLayer) -> None:
        """Sends every later byte through `layer`, in both directions. Raises what its `decode` raises.

        Call it while the reply that ends the authentication is decoded: the bytes behind it are wrapped.
        """
        self._layer = layer
        self.client.translate_rest(layer.decode)

    @property
    def peer_address(self) -> str:
        """The socket's path on a unix socket that has one, else empty."""
        address = self._transport.get_extra_info("peername") if self._transport else None
        return address if isinstance(address, str) else ""

    async def wait_closed(self) -> LibvirtRPCError:
        """Waits for the session's end and gives its reason."""
        await self._closed.wait()
        assert self._error is not None
        return self._error

    # Inside.

    def _closed_error(self) -> LibvirtRPCError:
        assert self._error is not None
        closed = SessionClosed(getattr(self._error, "reason", str(self._error)))
        closed.__cause__ = self._error
        return closed

    def _send(self, frame: Frame) -> None:
        assert self._transport is not None
        if self._tap is not None:
            self._tap.sent(frame)
        data = frame.encode()
        if self._layer is not None:
            try:
                data = self._layer.encode(data)
            except ProtocolError as exc:
                self.fail(exc)
                return
        self._transport.write(data)

    def _handle(self, event: Event) -> None:
        match event:
            case ReplyReceived(serial, value):
                call = self._finish(serial)
                self._report(call, None)
                if not call.future.done():  # whoever awaited it may have been cancelled
                    call.future.set_result(value)
            case CallFailed(serial, error):
                call = self._finish(serial)
                self._report(call, error)
                if not call.future.done():
                    call.future.set_exception(error)
            case LateReply(serial):
                call = self._finish(serial)
                logger.debug(
                    "dropped the late reply to %s after %.1f s",
                    call.procedure.name,
                    time.monotonic() - call.started,
                )
            case PingReceived():
                self._send(self.client.pong())
            case MessageReceived(frame):
                if self.on_message is not None:
                    self.on_message(frame)
                else:
                    self.ignored_messages += 1
            case MessageIgnored():
                self.ignored_messages += 1

    def _finish(self, serial: int) -> Call[Any]:
        call = self._calls.pop(serial)
        call.done = True
        return call

    def _report(self, call: Call[Any], error: BaseException | None) -> None:
        if self._observe is not None:
            seconds = time.monotonic() - call.started
            self._observe(CallObservation(call.procedure.name, seconds, error))

    # Keepalive.

    def _schedule_keepalive(self) -> None:
        now = time.monotonic()
        silent_since = max(self._last_received, self._last_ping)
        due = silent_since + self._pause_before_ping
        give_up = self._last_received + self.keepalive.interval_seconds * self.keepalive.count
        at = min(due, give_up) if self._pings_are_read() else due
        self._keepalive_timer = asyncio.get_running_loop().call_later(
            max(0.0, at - now), self._keepalive_due
        )

    @property
    def _pause_before_ping(self) -> float:
        # Nobody is given up without having been asked.
        interval = self.keepalive.interval_seconds
        return interval if self.keepalive.count > 1 else interval / 2

    def _pings_are_read(self) -> bool:
        return self.outstanding < DAEMON_REQUEST_SLOTS

    def _keepalive_due(self) -> None:
        interval, count = self.keepalive.interval_seconds, self.keepalive.count
        now = time.monotonic()
        silence = now - self._last_received
        if not self._pings_are_read():
            # Silence says nothing here; start to count when the daemon reads again.
            self._last_received = now
        elif silence >= interval * count:
            self.fail(
                SessionClosed(f"no sign of life for {silence:.1f} s ({count} keepalive intervals)")
            )
            return
        elif now - max(self._last_received, self._last_ping) >= self._pause_before_ping:
            self._last_ping = now
            self._send(self.client.ping())
        self._schedule_keepalive()


def _let_the_kernel_watch(transport: asyncio.Transport, keepalive: Keepalive) -> None:
    """Has TCP find a host that is gone even while the daemon is too busy to read our pings."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    seconds = max(1, round(keepalive.interval_seconds))
    whole = int(keepalive.interval_seconds * keepalive.count * 1000)
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, seconds),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, max(1, keepalive.count - 1)),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1000, whole)),
    ):
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, value)


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
