"""How many calls may be in flight, of which kind, and on which connection: the daemon's workers are few."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from exporter.bulk_stats.lanes import LaneChoice
from exporter.bulk_stats.memory import Memory
from exporter.bulk_stats.requests import ASKING, Kind, Request
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import Call

PROBES_AT_ONCE = 2
"""Unanswered ones, those left behind included: where the daemon does not even answer these, no more."""


class Slots:
    """The calls of one collection that are open, within the bounds of `parallel` and `bound`."""

    def __init__(
        self,
        memory: Memory,
        lanes: LaneChoice,
        deadline: Deadline,
        *,
        parallel: int,
        bound: int,
        others: Callable[[], int] = lambda: 0,
        others_in_flight: Callable[[], int] = lambda: 0,
    ) -> None:
        """`others` and `others_in_flight` are as `BulkStats` has them."""
        self.memory = memory
        self.lanes = lanes
        self.parallel = parallel
        self.bound = bound
        self.open: dict[asyncio.Future[Any], Request] = {}
        self._deadline = deadline
        self._others = others
        self._others_in_flight = others_in_flight

    @property
    def held(self) -> int:
        """How many of the daemon's workers the exporter may hold now."""
        return self.held_here + self._others()

    @property
    def held_here(self) -> int:
        opening = self.lanes.opening is not None
        return self.memory.stuck_calls + len(self.open) + opening

    @property
    def is_held_up(self) -> bool:
        """Whether calls of other parts of the exporter are in the way for a moment."""
        return self._others_in_flight() > 0

    def lane(self, kind: Kind) -> Connection | None:
        """A connection for one more call; where they are crowded, a further one is on its way."""
        lanes = self.lanes
        if self.held < self.bound - 1 and lanes.is_another_needed(
            self._stuck_on, self._deadline.clock()
        ):
            lanes.open_another(self._deadline.clock)
        return lanes.choose(self._stuck_on, spare=int(kind in ASKING))

    def _stuck_on(self, connection: Connection) -> int:
        slow = sum(one.is_slow and one.connection is connection for one in self.open.values())
        return connection.session.stuck + slow

    def may_start(self, kind: Kind) -> bool:
        free = self.bound - self.held
        if kind is Kind.PROBE:
            everything = (*self.memory.left_behind, *self.open.values())
            return free > 0 and sum(one.kind is kind for one in everything) < PROBES_AT_ONCE
        active = [one.kind for one in self.open.values() if not one.is_slow]
        if sum(one in ASKING for one in active) >= self.parallel:
            return False
        if kind is Kind.INACTIVE and active.count(kind) >= max(1, self.parallel // 2):
            # Images on a dead storage must not take every place.
            return False
        # The last one is kept for what hangs only where the daemon itself does.
        return free > (0 if kind is Kind.CHEAP else 1)

    def track(
        self,
        kind: Kind,
        domains: tuple[Domain, ...],
        call: Call[Any],
        connection: Connection,
        about: Request | None = None,
    ) -> Request:
        patience = self.memory.patience(self._deadline)
        overdue_at = self._deadline.clock() + patience
        request = Request(
            kind, domains, call, connection, patience, overdue_at, self.memory.flags, about
        )
        self.open[call.future] = request
        return request

    def domains_of_open_calls(self, *kinds: Kind) -> set[uuid.UUID]:
        return {
            domain.uuid
            for one in self.open.values()
            if not kinds or one.kind in kinds
            for domain in one.domains
        }

    def leave_behind(self) -> list[Request]:
        """Gives up what is still open; gives the requests that the daemon goes on with."""
        for request in self.open.values():
            request.connection.session.abandon(request.call)
        return [request for request in self.open.values() if not request.call.done]
