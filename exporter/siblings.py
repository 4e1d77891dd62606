"""Modular daemons: what the connected one cannot answer is asked of its own daemon, beside it.

virtqemud passes most such questions on by itself. Where it does not, the socket of virtstoraged,
virtnetworkd and so on in the same directory is opened; of remote daemons there is no such directory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from exporter.availability import reason_of
from exporter.hypervisor import FAREWELL_SECONDS, Hypervisor
from exporter.pace import Pace, PacedConnection
from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError, NoConnect, SessionClosed

T = TypeVar("T")

DRIVERS = ("interface", "network", "nodedev", "nwfilter", "secret", "storage")
OPENING_SECONDS = 2.0
PAUSE_SECONDS = 30.0
"""After a daemon that could not be reached; the try may have cost it a worker, too."""


class Siblings:
    """A watcher of the main connection: its siblings' connections end with it."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._refused: dict[str, str] = {}
        self._connections: dict[str, tuple[Connection, PacedConnection]] = {}
        self._failed: dict[str, tuple[float, LibvirtRPCError]] = {}
        self._opening = {driver: asyncio.Lock() for driver in DRIVERS}
        hypervisor.watchers.append(self)

    async def begin(self, connection: PacedConnection) -> None:  # noqa: ARG002
        self._refused = {}
        self._failed = {}

    async def watch(self, connection: PacedConnection) -> None:
        try:
            await connection.session.wait_closed()
        finally:
            connections, self._connections = self._connections, {}
            self._hypervisor.sibling_paces.clear()
            deadline = Deadline.after(FAREWELL_SECONDS)
            await asyncio.gather(*(own.close(deadline=deadline) for own, _ in connections.values()))

    async def ask(
        self, part: str, driver: str, call: Callable[[PacedConnection], Awaitable[T]]
    ) -> T | None:
        """As Availability.ask; `driver` is one of DRIVERS, `call` is given who to ask."""
        availability = self._hypervisor.availability
        if part not in self._refused:
            try:
                answer = await call(self._hypervisor.paced)
            except LibvirtRPCError as exc:
                reason = "unsupported" if isinstance(exc, NoConnect) else reason_of(exc)
                if not reason:
                    raise
                self._refused[part] = reason
            else:
                availability.found(part)
                return answer
        if availability.is_off(part):
            return None
        sibling = await self._sibling(driver)
        if sibling is None:
            availability.switch_off(part, self._refused[part])
            return None
        return await availability.ask(part, lambda: call(sibling))

    async def _sibling(self, driver: str) -> PacedConnection | None:
        """The connection to the driver's own daemon; None where there is no such daemon."""
        async with self._opening[driver]:
            known = self._connections.get(driver)
            if known is not None and known[0].session.error is None:
                return known[1]
            socket = self._socket(driver)
            if socket is None:
                return None
            now = asyncio.get_running_loop().time()
            since, error = self._failed.get(driver, (-PAUSE_SECONDS, None))
            if error is not None and now - since < PAUSE_SECONDS:
                raise error
            main = self._hypervisor.connection
            config = self._hypervisor.config
            try:
                own = await connect(
                    f"{driver}:///system?socket={socket}",
                    read_only=config.read_only,
                    timeout=OPENING_SECONDS,
                )
            except LibvirtRPCError as exc:
                self._failed[driver] = now, exc
                raise
            if main is not self._hypervisor.connection:
                # It was to stand beside the main one, which has ended meanwhile.
                await own.close(deadline=Deadline.after(FAREWELL_SECONDS))
                raise SessionClosed("the main connection has ended")
            pace = Pace(bound=config.parallel + config.max_stuck_calls)
            self._hypervisor.sibling_paces[driver] = pace
            paced = PacedConnection(own, pace, config.timeout_seconds)
            self._connections[driver] = own, paced
            return paced

    def _socket(self, driver: str) -> Path | None:
        hypervisor = self._hypervisor
        if not hypervisor.is_local or hypervisor.connection is None:
            return None
        main = hypervisor.connection.session.peer_address
        if not main:
            return None
        suffix = "-ro" if hypervisor.config.read_only else ""
        socket = Path(main).parent / f"virt{driver}d-sock{suffix}"
        with contextlib.suppress(OSError):
            if socket.is_socket():
                return socket
        return None
