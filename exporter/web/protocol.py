"""One connection of a client: uvicorn's, bounded in everything that a client may take its time or room for.

TLS, too, begins here and not at the listening socket, so that each handshake has the certificates of
the day and counts as a connection.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from exporter.web.access import Access
from exporter.web.connections import Connections
from exporter.web.guard import SECURITY_HEADERS

__all__ = ["BoundedProtocol", "Bounds", "ServerConfig"]

logger = logging.getLogger(__name__)

HEAD_BYTES = 16 * 1024
"""A request line and its headers; Prometheus sends 300 to 700 bytes."""

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may take."""

    connections: int = 512
    handshake_seconds: float = 10.0
    head_seconds: float = 30.0
    """From the connection, or from a later request's first byte, to the end of the request head."""
    keep_alive_seconds: float = 120.0
    """Longer than most scrape intervals, so that Prometheus connects once."""
    send_seconds: float = 60.0
    """From the end of an answer's making until the client has taken it."""
    goodbye_seconds: float = 5.0
    """For a client's share in ending TLS."""


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, and what the connections share."""

    def __init__(self, app: Any, access: Access, bounds: Bounds, **options: Any) -> None:
        super().__init__(
            app,
            http=BoundedProtocol,
            ws="none",
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=bounds.keep_alive_seconds,  # type: ignore[arg-type]  # any number will do
            **options,
        )
        self.access = access
        self.bounds = bounds
        clock = asyncio.get_running_loop().time
        self.connections: Connections[BoundedProtocol] = Connections(bounds.connections, clock)
        self.handshakes: set[asyncio.Task[None]] = set()


class BoundedProtocol(H11Protocol):
    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._access = config.access
        self._bounds = config.bounds
        self._connections = config.connections
        self._handshakes = config.handshakes
        self._socket: asyncio.Transport | None = None  # beneath TLS, or what there is without it
        self._is_open = False  # for requests: after the handshake
        self._is_lost = False
        self._early = bytearray()
        self._heard = 0  # bytes of a request head that is not yet whole
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    # The connection's beginning and end.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        self._socket = transport
        if not self._connections.admit(self):
            self._refuse(transport)
            return
        self._wait_for_head()
        if not self._access.has_tls:
            self._is_open = True
            super().connection_made(transport)
            return
        transport.pause_reading()  # until TLS reads
        task = self.loop.create_task(self._shake_hands(transport))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    def _refuse(self, transport: asyncio.Transport) -> None:
        logger.debug("a connection is refused: there are too many")
        if self._access.has_tls:
            transport.abort()
            return
        transport.write(_answer(503, "too many connections (--web.max-connections)"))
        transport.close()

    async def _shake_hands(self, socket: asyncio.Transport) -> None:
        context = self._access.tls_context()
        assert context is not None  # it is neither switched on nor off
        try:
            transport = await self.loop.start_tls(
                socket,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._bounds.handshake_seconds,
                ssl_shutdown_timeout=self._bounds.goodbye_seconds,
            )
        except OSError as exc:  # of TLS, too
            logger.debug("a TLS handshake failed: %s", exc)
            self._leave()
            return
        if self._is_lost or transport is None:
            return
        if not self._access.is_allowed(transport.get_extra_info("ssl_object")):
            logger.debug("a client's certificate has none of client_allowed_sans")
            self.drop()
            return
        self._is_open = True
        super().connection_made(transport)
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._leave()
        if self._is_open:
            super().connection_lost(exc)

    def drop(self) -> None:
        """Closes it at once, whatever is not yet sent."""
        self._leave()
        if self._socket is not None:
            self._socket.abort()

    def _leave(self) -> None:
        self._connections.forget(self)
        self._set_head_timer(None)
        self._set_send_timer(None)

    # Requests.

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._early += data  # what came with the end of the handshake; reading goes on after it
            return
        if self.conn.their_state is h11.IDLE:
            allowed = HEAD_BYTES - self._heard
            if len(data) > allowed and _HEAD_END not in data[:allowed]:
                self._refuse_request(431)
                return
            self._heard += len(data)
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            if self._head_timer is None:
                self._wait_for_head()
            self._connections.is_reading(self)
            return
        self._heard = 0
        self._set_head_timer(None)
        self._connections.is_busy(self)
        if self.conn.their_state is h11.SEND_BODY and self.cycle is not None:
            # Nobody reads the body, and whoever sends it slowly must not keep the connection.
            self.cycle.keep_alive = False

    def eof_received(self) -> None:
        if not self._is_open:
            return
        super().eof_received()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the base's
        """Refuses what is no HTTP; uvicorn calls this while it handles h11's error."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._refuse_request(hint if hint in _REASONS else 400)

    def _refuse_request(self, status: int) -> None:
        self._set_head_timer(None)
        if self.cycle is not None and not self.cycle.response_complete:
            # Another request's answer is being made, and this one would come into it.
            self.cycle.disconnected = True
            self.drop()
            return
        self.transport.write(_answer(status, _REASONS[status]))
        self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._socket is not None and self._socket.get_write_buffer_size():
            self._set_send_timer(self._drop_if_unsent)
        elif not self.transport.is_closing() and self.cycle.response_complete:
            self._connections.is_idle(self)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self._send_timer is None and self._socket is not None:
            self._set_send_timer(self._drop_if_unsent)

    # Time.

    def _wait_for_head(self) -> None:
        self._set_head_timer(self.drop)

    def _set_head_timer(self, then: Callable[[], None] | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if then is not None:
            self._head_timer = self.loop.call_later(self._bounds.head_seconds, then)

    def _set_send_timer(self, then: Callable[[], None] | None) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        if then is not None:
            self._send_timer = self.loop.call_later(self._bounds.send_seconds, then)

    def _drop_if_unsent(self) -> None:
        self._send_timer = None
        if self._socket is None or self._socket.get_write_buffer_size() or self._is_lost:
            self.drop()


_REASONS = {
    400: "this is no HTTP request",
    431: f"the request line and the headers are longer than {HEAD_BYTES} bytes",
    501: "this transfer encoding is not supported",
}


def _answer(status: int, text: str) -> bytes:
    body = f"{text}\n".encode()
    lines = [
        b"HTTP/1.1 %d %s" % (status, STATUS_PHRASES[status]),
        b"content-type: text/plain; charset=utf-8",
        b"content-length: %d" % len(body),
        *(b"%s: %s" % header for header in SECURITY_HEADERS),
        b"connection: close",
        *([b"retry-after: 1"] if status == 503 else []),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
