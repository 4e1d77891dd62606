"""Every call beside the bulk statistics, at a pace: few at once, and none that would only hang.

A `PacedConnection` is a Connection whose calls wait for a place, give up what does not answer and never
ask again for what still hangs. Collectors, plugins too, have no other connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import CallTimeout, LibvirtRPCError
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.session import Call, Session

A = TypeVar("A")
R = TypeVar("R")

PATIENCE_SECONDS = 4.0
"""For any call: what takes longer, such as a look at a dead storage, must not hold the others up."""

SLOW = frozenset({"CONNECT_GET_CAPABILITIES", "CONNECT_GET_MAX_VCPUS"})
"""Procedures for which a new daemon probes its hypervisors, for seconds: these have their deadline alone."""

MONITOR_PATIENCE_SECONDS = 2.0
"""For a call that waits for a domain's monitor: a healthy one answers in a few milliseconds."""

MAY_HANG = frozenset(
    {
        "DOMAIN_BLOCK_STATS",
        "DOMAIN_BLOCK_STATS_FLAGS",
        "DOMAIN_GET_BLOCK_INFO",
        "DOMAIN_GET_BLOCK_IO_TUNE",
        "DOMAIN_GET_BLOCK_JOB_INFO",
        "DOMAIN_GET_DISK_ERRORS",
        "DOMAIN_GET_IOTHREAD_INFO",
        "DOMAIN_GET_JOB_INFO",
        "DOMAIN_GET_JOB_STATS",
        "DOMAIN_GET_PERF_EVENTS",
        "DOMAIN_MEMORY_STATS",
    }
)
"""Procedures that wait for the domain's monitor, or for whoever holds its job."""

OF_AGENT = frozenset(
    {
        "DOMAIN_GET_FSINFO",
        "DOMAIN_GET_GUEST_INFO",
        "DOMAIN_GET_GUEST_VCPUS",
        "DOMAIN_GET_HOSTNAME",
        "DOMAIN_GET_TIME",
        "DOMAIN_INTERFACE_ADDRESSES",
    }
)
"""Procedures that wait for the domain's guest agent, which has a job lock of its own.

They have a place of their own, so that nothing else waits for a guest, and the deadline of who asks.
"""

LONGEST_WAIT_SECONDS = 0.05
"""What others of the exporter have with the daemon ends without a word."""

AGENTS_LEFT_BEHIND = 2
"""So many agents may hang: what is tolerated of calls that hang is not for guests alone."""


class NotAsked(LibvirtRPCError):
    """The call was not made, because it would only have hung."""

    def __init__(self, procedure: str, reason: str) -> None:
        super().__init__(procedure, reason)
        self.procedure = procedure
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.procedure} was not called: {self.reason}"


@dataclass(frozen=True, slots=True)
class _LeftBehind:
    call: Call[Any]
    arguments: object
    domain: uuid.UUID | None
    storage: str | None

    @property
    def is_of_agent(self) -> bool:
        return self.call.procedure.name in OF_AGENT


class Pace:
    """How many calls may be with one daemon, and which domains are not to be waited for.

    `places` calls at once, one while `is_narrow`, and one to a guest agent beside them. No more than `bound`
    are with the daemon, and of what may hang two less: those are for what never does.
    """

    def __init__(self, places: int = 1, *, bound: float = math.inf) -> None:
        self.is_narrow = False
        """While the statistics are asked for: they shall have the connection's other places."""
        self.others_stuck: Callable[[], int] = lambda: 0
        self.others_held: Callable[[], int] = lambda: 0
        """Calls of other parts of the exporter that hang, and that are with the daemon in all."""
        self.session_for: Callable[[Session], Session] = lambda session: session
        """Where a call goes in place of a session that the daemon reads no more of."""
        self.suspects: Collection[uuid.UUID] = frozenset()
        """Domains that hang, as the bulk statistics see it."""
        self._places = asyncio.Semaphore(places)
        self._agent_place = asyncio.Semaphore(1)
        self._bound = bound
        self._in_flight = 0
        self._in_flight_ordinary = 0
        self._ended = asyncio.Event()
        self._left_behind: list[_LeftBehind] = []

    @property
    def stuck_calls(self) -> int:
        """Calls that nobody waits for any longer and the daemon still works on."""
        self._left_behind = [
            one for one in self._left_behind if not one.call.done or one.call.is_lost
        ]
        return len(self._left_behind)

    @property
    def in_flight(self) -> int:
        """Calls that are waited for and end soon, or are given up: all but those to guest agents."""
        return self._in_flight_ordinary

    @property
    def held(self) -> int:
        """Calls that are with the daemon, waited for or not."""
        return self._in_flight + self.stuck_calls

    def release_lost(self, hanging: Collection[uuid.UUID]) -> None:
        """Only these domains hang: calls that were lost with a connection have ended in all others."""
        self._left_behind = [
            one
            for one in self._left_behind
            if not one.call.is_lost or one.domain is None or one.domain in hanging
        ]

    def meet_daemon(self) -> None:
        """Behind a new connection: of lost calls only those that hang in a domain can be told from done ones."""
        self._left_behind = [
            one for one in self._left_behind if one.domain is not None or not one.call.is_lost
        ]

    def check(self, procedure: Procedure[Any, Any], arguments: object) -> None:
        """Raises NotAsked for a call that would only hang, or that the daemon has no worker for."""
        domain = _domain_of(arguments)
        stuck = self.stuck_calls
        if stuck and any(
            one.call.procedure is procedure and one.arguments == arguments
            for one in self._left_behind
        ):
            raise NotAsked(procedure.name, "the last such call has not been answered yet")
        if domain is not None and self._hangs(procedure, domain):
            raise NotAsked(procedure.name, "the domain hangs")
        storage = _storage_of(arguments)
        if storage is not None and any(one.storage == storage for one in self._left_behind):
            raise NotAsked(procedure.name, "the storage pool hangs")
        if procedure.name in OF_AGENT and self._stuck_agents >= AGENTS_LEFT_BEHIND:
            raise NotAsked(procedure.name, "too many guest agents hang")
        if not self._has_room(procedure, stuck, stuck + self.others_stuck()):
            raise NotAsked(procedure.name, "too many calls hang (--libvirt.max-stuck-calls)")

    def _has_room(self, procedure: Procedure[Any, Any], own: int, held: int) -> bool:
        """Whether the daemon can be given one more beside `own` calls of here and `held` in all."""
        if not _may_hang(procedure):
            return held < self._bound
        # One is kept for what never hangs, and one more so that there are statistics whatever hangs here.
        return held < max(1, self._bound - 1) and own < max(1, self._bound - 2)

    def _may_start(self, procedure: Procedure[Any, Any]) -> bool:
        if procedure.name not in OF_AGENT and self.is_narrow and self._in_flight_ordinary:
            return False
        held = self.held
        return self._has_room(procedure, held, held + self.others_held())

    def _hangs(self, procedure: Procedure[Any, Any], domain: uuid.UUID) -> bool:
        """Whether what the procedure waits for hangs: the monitor and the agent do so by themselves."""
        if procedure.name not in MAY_HANG and procedure.name not in OF_AGENT:
            return False
        is_of_agent = procedure.name in OF_AGENT
        return domain in self.suspects or any(
            one.domain == domain and one.is_of_agent == is_of_agent for one in self._left_behind
        )

    @property
    def _stuck_agents(self) -> int:
        return sum(one.is_of_agent for one in self._left_behind)

    async def call(
        self,
        connection: Connection,
        procedure: Procedure[A, R],
        arguments: A,
        deadline: Deadline,
    ) -> R:
        """Makes the call by the deadline. Raises NotAsked, CallTimeout and what the daemon answers."""
        self.check(procedure, arguments)
        places = self._agent_place if procedure.name in OF_AGENT else self._places
        asked = time.monotonic()
        try:
            async with asyncio.timeout(deadline.remaining()):
                await places.acquire()
        except TimeoutError:
            raise CallTimeout(procedure.name, time.monotonic() - asked) from None
        try:
            await self._room(procedure, arguments, deadline, asked)
            is_ordinary = procedure.name not in OF_AGENT
            self._in_flight += 1
            self._in_flight_ordinary += is_ordinary
            try:
                return await self._answer(connection, procedure, arguments, deadline)
            finally:
                self._in_flight -= 1
                self._in_flight_ordinary -= is_ordinary
                self._ended.set()
        finally:
            places.release()

    async def _room(
        self,
        procedure: Procedure[Any, Any],
        arguments: object,
        deadline: Deadline,
        asked: float,
    ) -> None:
        """Waits until the daemon can be given the call: what is with it and does not hang ends soon."""
        while True:
            # While it waited for its place, others may have been left behind.
            self.check(procedure, arguments)
            if self._may_start(procedure):
                return
            left = deadline.remaining()
            if left <= 0:
                raise CallTimeout(procedure.name, time.monotonic() - asked)
            self._ended.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LONGEST_WAIT_SECONDS)):
                    await self._ended.wait()

    async def _answer(
        self,
        connection: Connection,
        procedure: Procedure[A, R],
        arguments: A,
        deadline: Deadline,
    ) -> R:
        seconds = min(deadline.remaining(), _patience(procedure))
        session = self.session_for(connection.session)
        call: Call[R] = session.start(procedure, arguments)
        try:
            await asyncio.wait((call.future,), timeout=seconds)
        finally:
            if not call.future.done():
                session.abandon(call)
                self._left_behind.append(
                    _LeftBehind(call, arguments, _domain_of(arguments), _storage_of(arguments))
                )
        if call.future.cancelled():
            raise CallTimeout(procedure.name, time.monotonic() - call.started)
        return call.future.result()


class PacedConnection(Connection):
    """A connection of which every call goes by a `Pace`. It does not own what it stands on: never close it."""

    def __init__(self, connection: Connection, pace: Pace, timeout_seconds: float) -> None:
        super().__init__(connection.session, connection.uri, timeout_seconds)
        self._pace = pace

    async def _call(self, procedure: Procedure[A, R], args: A, deadline: Deadline | None) -> R:
        until = deadline or Deadline.after(self._timeout_seconds)
        return await self._pace.call(self, procedure, args, until)


def _patience(procedure: Procedure[Any, Any]) -> float:
    if procedure.name in SLOW or procedure.name in OF_AGENT:
        return math.inf
    return MONITOR_PATIENCE_SECONDS if procedure.name in MAY_HANG else PATIENCE_SECONDS


def _domain_of(arguments: object) -> uuid.UUID | None:
    domain = getattr(arguments, "dom", None)
    found = getattr(domain, "uuid", None)
    return found if isinstance(found, uuid.UUID) else None


def _storage_of(arguments: object) -> str | None:
    """The name of the storage pool that is asked about, or about whose volume."""
    pool = getattr(getattr(arguments, "pool", None), "name", None)
    return pool or getattr(getattr(arguments, "vol", None), "pool", None)


def _may_hang(procedure: Procedure[Any, Any]) -> bool:
    name = procedure.name
    return name in MAY_HANG or name in OF_AGENT or "STORAGE" in name
