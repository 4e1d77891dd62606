"""Every call beside the bulk statistics, at a pace: few at once, and none that would only hang.

A `PacedConnection` is a Connection whose calls wait for a place, give up what does not answer and never
ask again for what still hangs. Collectors, plugins too, have no other connection.
"""

from __future__ import annotations

import asyncio
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
from libvirt_rpc.session import Call

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

    @property
    def is_of_agent(self) -> bool:
        return self.call.procedure.name in OF_AGENT


class Pace:
    """How many calls may be with one daemon, and which domains are not to be waited for.

    `places` calls at once, and one to a guest agent beside them. `may_start` says whether the daemon can be
    given one more, what already hangs counted in; by default it always can.
    """

    def __init__(self, places: int = 1) -> None:
        self.may_start: Callable[[], bool] = lambda: True
        self.suspects: Collection[uuid.UUID] = frozenset()
        """Domains that hang, as the bulk statistics see it."""
        self._places = asyncio.Semaphore(places)
        self._agent_place = asyncio.Semaphore(1)
        self._in_flight = 0
        self._left_behind: list[_LeftBehind] = []

    @property
    def stuck_calls(self) -> int:
        """Calls that nobody waits for any longer and the daemon still works on."""
        self._left_behind = [
            one for one in self._left_behind if not one.call.done or one.call.is_lost
        ]
        return len(self._left_behind)

    @property
    def held(self) -> int:
        """Calls that are with the daemon, waited for or not."""
        return self._in_flight + self.stuck_calls

    def healthy(self, domains: Collection[uuid.UUID]) -> None:
        """These domains answer: calls that were lost with a connection no longer hang in them."""
        self._left_behind = [
            one for one in self._left_behind if not (one.call.is_lost and one.domain in domains)
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
        if procedure.name in OF_AGENT and self._stuck_agents >= AGENTS_LEFT_BEHIND:
            raise NotAsked(procedure.name, "too many guest agents hang")
        if not self.may_start():
            raise NotAsked(procedure.name, "too many calls hang (--libvirt.max-stuck-calls)")

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
            # While it waited for its place, others may have been left behind.
            self.check(procedure, arguments)
            self._in_flight += 1
            try:
                return await self._answer(connection, procedure, arguments, deadline)
            finally:
                self._in_flight -= 1
        finally:
            places.release()

    async def _answer(
        self,
        connection: Connection,
        procedure: Procedure[A, R],
        arguments: A,
        deadline: Deadline,
    ) -> R:
        seconds = min(deadline.remaining(), _patience(procedure))
        call: Call[R] = connection.session.start(procedure, arguments)
        try:
            await asyncio.wait((call.future,), timeout=seconds)
        finally:
            if not call.future.done():
                connection.session.abandon(call)
                self._left_behind.append(_LeftBehind(call, arguments, _domain_of(arguments)))
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
