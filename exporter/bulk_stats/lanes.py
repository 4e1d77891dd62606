"""Which of a hypervisor's connections takes the next call, and when a further one is needed.

The daemon works on few of one connection's calls at a time, and a stuck call keeps its place there.
So beside a connection with stuck calls a second one is opened, within a bound and in the background,
and dropped when it is needed no more. Nothing here waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from exporter.logs import StateLogger
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS

logger = logging.getLogger(__name__)

STUCK_PER_LANE = 2
"""A connection with so many calls stuck is left aside for another."""
EXTRA_LANES = 2
OPENING_SECONDS = 5.0
PAUSE_SECONDS = 30.0
"""After a lane that could not be opened; the try may have cost the daemon a worker, too."""


class LaneSource(Protocol):
    """Where connections come from: `lanes` are those that stand, the main one first."""

    @property
    def lanes(self) -> Sequence[Connection]: ...

    async def add_lane(self, deadline: Deadline) -> Connection: ...

    async def drop_lane(self, connection: Connection) -> None: ...


class LaneChoice:
    """`slots` is how many calls one connection is given at most, the last of them a question that
    cannot wait.
    """

    def __init__(self, source: LaneSource, *, slots: int = DAEMON_REQUEST_SLOTS) -> None:
        self.source = source
        self.slots = slots
        self._opening: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._no_lane_before = 0.0
        self._states = StateLogger(logger)

    @property
    def opening(self) -> asyncio.Task[None] | None:
        """The lane that is being opened; it may hold a worker of the daemon, as a call does."""
        return None if self._opening is None or self._opening.done() else self._opening

    def choose(self, stuck_on: Callable[[Connection], int], *, spare: int) -> Connection | None:
        """The connection with the fewest stuck calls that keeps `spare` places with one call more."""
        with_room = [
            lane for lane in self.source.lanes if lane.session.outstanding + spare < self.slots
        ]
        return min(with_room, key=stuck_on, default=None)

    def is_another_needed(self, stuck_on: Callable[[Connection], int], now: float) -> bool:
        lanes = self.source.lanes
        return (
            0 < len(lanes) <= EXTRA_LANES
            and self.opening is None
            and now >= self._no_lane_before
            and all(stuck_on(lane) >= STUCK_PER_LANE for lane in lanes)
        )

    def open_another(self, clock: Callable[[], float]) -> None:
        self._opening = asyncio.create_task(self._open(clock))

    async def _open(self, clock: Callable[[], float]) -> None:
        try:
            await self.source.add_lane(Deadline.after(OPENING_SECONDS))
        except LibvirtRPCError as exc:
            self._no_lane_before = clock() + PAUSE_SECONDS
            self._states.failed("lane", f"no further connection beside stuck calls: {exc}")
        else:
            self._states.recovered("lane", "a further connection beside stuck calls stands")

    def drop_idle(self) -> None:
        """Closes the further connections that have nothing to do, if the main one has nothing stuck."""
        main, *extra = self.source.lanes or (None,)
        if main is None or main.session.stuck:
            return
        for connection in extra:
            if connection is not None and not connection.session.outstanding:
                self._close(self.source.drop_lane(connection))

    def _close(self, dropping: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(dropping)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
