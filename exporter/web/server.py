"""The server: uvicorn on listening sockets, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from exporter.web.access import Access
from exporter.web.protocol import Bounds, ServerConfig

__all__ = ["SHUTDOWN_SECONDS", "serve"]

SHUTDOWN_SECONDS = 1
BACKLOG = 128


class _Server(uvicorn.Server):
    """uvicorn's server, which ends quietly: after a signal it would kill its own process with it."""

    config: ServerConfig

    def __init__(self, config: ServerConfig, at_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._at_end = at_end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._at_end()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.connections.drop_unheard()
        await super().shutdown(sockets)


async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    at_end: Callable[[], None],
    *,
    access: Access | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008  # frozen
) -> None:
    """Serves until SIGTERM or SIGINT, then calls `at_end` and lets running requests end for a second."""
    config = ServerConfig(
        app,
        access or Access.of_everyone(),
        bounds,
        interface="asgi3",
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with _without_clients_mistakes():
        await _Server(config, at_end).serve(sockets=list(sockets))


@contextlib.contextmanager
def _without_clients_mistakes() -> Iterator[None]:
    """Keeps uvicorn's warnings out of the log: each is of a request, and whoever connects could fill it."""
    uvicorn_logger = logging.getLogger("uvicorn.error")

    def is_no_warning(record: logging.LogRecord) -> bool:
        return record.levelno != logging.WARNING

    uvicorn_logger.addFilter(is_no_warning)
    try:
        yield
    finally:
        uvicorn_logger.removeFilter(is_no_warning)
