"""What the service manager is told: readiness, a status line, and that the event loop turns (sd_notify(3)).

The variables that systemd sets go in, datagrams come out. Without NOTIFY_SOCKET nothing is sent, and a
manager that does not take a message is no error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping

STATUS_INTERVAL_SECONDS = 10.0
"""Between two looks at the status, where the manager asks for no more frequent sign of life."""

_MICROSECONDS = 1_000_000


class ServiceManager:
    """systemd, as far as a service of type `notify` knows it.

    Signs of life are sent by a task of the event loop, so that a loop that is blocked stops sending them.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        """`address` is a path, or `@` and the name of an abstract socket."""
        self._address = address
        if address is not None and address.startswith("@"):
            self._address = f"\0{address[1:]}"
        self._interval_seconds = STATUS_INTERVAL_SECONDS
        if watchdog_seconds is not None:
            # Half of what is allowed, as sd_watchdog_enabled(3) recommends.
            self._interval_seconds = min(STATUS_INTERVAL_SECONDS, watchdog_seconds / 2)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ServiceManager:
        """The manager that began this process, if one did."""
        return cls(environ.get("NOTIFY_SOCKET") or None, _watchdog_seconds(environ))

    def ready(self) -> None:
        """To be called once requests are answered, and when a reload has ended."""
        self._send("READY=1")

    def reloading(self) -> None:
        """To be called before a reload, which `ready` ends."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    @contextlib.asynccontextmanager
    async def informed(self, status: Callable[[], str]) -> AsyncIterator[None]:
        """Says that the service is ready, then signs of life and the status while the context lasts."""
        if self._address is None:
            yield
            return
        self.ready()
        task = asyncio.create_task(self._inform(status))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _inform(self, status: Callable[[], str]) -> None:
        while True:
            # systemd reads a variable a line.
            self._send("WATCHDOG=1", f"STATUS={' '.join(status().split())}")
            await asyncio.sleep(self._interval_seconds)

    def _send(self, *variables: str) -> None:
        if self._address is None:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            # A manager that does not read must not stop the loop.
            sender.settimeout(0)
            sender.sendto("\n".join(variables).encode(), self._address)


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """How long the manager waits for a sign of life, None where it does not wait for this process's."""
    try:
        seconds = int(environ["WATCHDOG_USEC"]) / _MICROSECONDS
        is_ours = int(environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return seconds if is_ours and seconds > 0 else None
