"""The calls about single domains: how many may be in flight, of which kind, and what hangs of them.

A call that takes too long gives up its place, not its answer: that is taken until the collection ends.
Then it is left behind, and remembered until the daemon has answered it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from exporter.availability import Availability, reason_of
from exporter.bulk_stats.lanes import LaneChoice
from exporter.pace import MAY_HANG, NotAsked
from libvirt_rpc.api.domain_figures import DomainFigureCalls
from libvirt_rpc.api.domains import DomainCalls
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import AccessDenied, LibvirtRPCError, SessionClosed
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import Call

A = TypeVar("A")
R = TypeVar("R")

FIRST_PATIENCE_SECONDS = 0.5
LEAST_PATIENCE_SECONDS = 0.25
SHORTEST_PATIENCE_SECONDS = 0.02
"""Whatever the deadline."""
PATIENCE_CALLS = 8
"""A call that takes longer than so many usual ones is slow."""
GRACE_SECONDS = 1.0
"""A slow call is waited for so long if nothing else is left to do."""
LONGEST_WAIT_SECONDS = 0.1
"""The deadline may be brought forward meanwhile."""
LOST_SECONDS = 600.0
"""A call that was lost with its connection is taken to have ended after so long.

Nothing tells whether the daemon works on it still; libvirt itself waits 30 s for a domain that is busy.
"""

PARTS: dict[Procedure[Any, Any], str] = {
    p.DOMAIN_GET_STATE: "domain_stats.state",
    p.DOMAIN_GET_INFO: "domain_stats.info",
    p.DOMAIN_GET_XML_DESC: "domain_stats.xml",
    p.DOMAIN_GET_VCPUS: "domain_stats.vcpus",
    p.DOMAIN_GET_CPU_STATS: "domain_stats.cpu",
    p.DOMAIN_INTERFACE_STATS: "domain_stats.interface",
    p.DOMAIN_MEMORY_STATS: "domain_stats.memory",
    p.DOMAIN_BLOCK_STATS_FLAGS: "domain_stats.block_flags",
    p.DOMAIN_BLOCK_STATS: "domain_stats.block",
    p.DOMAIN_GET_BLOCK_INFO: "domain_stats.block_info",
}
"""What each procedure is called as a part of the collector; one that is refused for good is not called again."""

_SAY_ANYTHING = (p.DOMAIN_GET_STATE, p.DOMAIN_GET_INFO)
"""A daemon that refuses both tells nothing of a domain."""


class Kind(Enum):
    """In the order in which they are made."""

    LIST = auto()
    SAFE = auto()
    """Hangs only where the daemon itself does."""
    MAY_HANG = auto()
    """Waits for the domain's monitor, or for whoever is busy with the domain."""
    IMAGE = auto()
    """Opens an image of an inactive domain, which may lie on a dead storage."""


def kind_of(procedure: Procedure[Any, Any], domain: Domain | None) -> Kind:
    if domain is None:
        return Kind.LIST
    if procedure is p.DOMAIN_GET_BLOCK_INFO and domain.id == -1:
        return Kind.IMAGE
    return Kind.MAY_HANG if procedure.name in MAY_HANG else Kind.SAFE


@dataclass(slots=True, eq=False)
class Request:
    """A call in flight or left behind."""

    kind: Kind
    domain: Domain | None
    call: Call[Any]
    connection: Connection
    overdue_at: float
    is_slow: bool = False
    is_released: bool = False
    """Of a lost call: the daemon works on it no more."""

    @property
    def is_outstanding(self) -> bool:
        """Whether the daemon works on it still: hanging up does not end that."""
        return not self.call.done or (self.call.is_lost and not self.is_released)

    def is_about(self, domain: Domain) -> bool:
        return self.domain is not None and self.domain.uuid == domain.uuid


class Memory:
    """What one collection leaves to the next: calls left behind, and how long one usually takes."""

    def __init__(self) -> None:
        self.usual_seconds: float | None = None
        self.left_behind: list[Request] = []
        self.refusal: LibvirtRPCError | None = None
        """What the daemon said when it refused to tell anything of any domain."""

    @property
    def stuck_calls(self) -> int:
        """Calls that the exporter waits for no longer and the daemon still works on."""
        self.left_behind = [one for one in self.left_behind if one.is_outstanding]
        return len(self.left_behind)

    def meet_daemon(self) -> None:
        """Behind a new connection: a lost call for the list tells nothing of what hangs now."""
        self.usual_seconds = None
        self.refusal = None
        for one in self.left_behind:
            one.is_released = one.is_released or one.kind is Kind.LIST

    def waits_for(self, domain: Domain | None, *kinds: Kind) -> bool:
        """Whether such a call was left behind on this connection and has not been answered."""
        return any(
            not one.call.done and one.kind in kinds and (domain is None or one.is_about(domain))
            for one in self.left_behind
        )

    def answered(self, request: Request, seconds: float) -> None:
        """A call that was answered shows that those like it of the domain, lost before, hang no more."""
        if not request.is_slow:
            usual = self.usual_seconds
            self.usual_seconds = seconds if usual is None else usual + (seconds - usual) / 8
        for one in self.left_behind:
            if (
                one.call.is_lost
                and request.domain is not None
                and one.is_about(request.domain)
                and one.kind in {Kind.SAFE, request.kind}
            ):
                one.is_released = True

    def settle(self, domains: Iterable[Domain], now: float) -> None:
        """Forgets the lost calls about domains that are gone, or have ended or started since."""
        ids = {domain.uuid: domain.id for domain in domains}
        for one in self.left_behind:
            is_other = one.domain is not None and ids.get(one.domain.uuid) != one.domain.id
            if is_other or now - one.call.started > LOST_SECONDS:
                one.is_released = True


@dataclass(slots=True, eq=False)
class _Asked:
    """A call that waits for its place."""

    procedure: Procedure[Any, Any]
    arguments: object
    domain: Domain | None
    started: asyncio.Future[Request]


class Calls(DomainCalls, DomainFigureCalls):
    """The calls of one collection: libvirt's API, each call waiting for its place.

    At most `parallel` are in flight that are not slow, and `bound` with all that are outstanding, `others`
    included, which are those of other parts of the exporter.
    """

    def __init__(
        self,
        memory: Memory,
        lanes: LaneChoice,
        availability: Availability,
        deadline: Deadline,
        *,
        parallel: int,
        bound: int,
        others: Callable[[], int] = lambda: 0,
    ) -> None:
        self.memory = memory
        self.deadline = deadline
        self.open: set[Request] = set()
        self._lanes = lanes
        self._availability = availability
        self._parallel = parallel
        self._bound = bound
        self._others = others
        self._queues: dict[Kind, deque[_Asked]] = {kind: deque() for kind in Kind}
        self._idle_since: float | None = None

    @property
    def held(self) -> int:
        """How many of the daemon's workers these calls may hold now."""
        return self.memory.stuck_calls + len(self.open) + (self._lanes.opening is not None)

    async def _call(self, procedure: Procedure[A, R], args: A, deadline: Deadline | None) -> R:  # noqa: ARG002
        """Until it is answered or cancelled: one deadline holds for all. Raises NotAsked, RemoteError."""
        if self.is_off(procedure):
            raise NotAsked(procedure.name, "the daemon refused it")
        domain: Domain | None = getattr(args, "dom", None)
        loop = asyncio.get_running_loop()
        asked = _Asked(procedure, args, domain, loop.create_future())
        self._queues[kind_of(procedure, domain)].append(asked)
        self.launch()
        request = await asked.started
        part = PARTS.get(procedure, "")
        try:
            answer: R = await request.call.future
        except LibvirtRPCError as exc:
            # Access control may let through another domain.
            reason = "" if isinstance(exc, AccessDenied) else reason_of(exc)
            if part and reason:
                self._availability.switch_off(part, reason)
                if all(self.is_off(one) for one in _SAY_ANYTHING):
                    self.memory.refusal = exc
            raise
        if part:
            self._availability.found(part)
        return answer

    def is_off(self, procedure: Procedure[Any, Any]) -> bool:
        """Whether the daemon has refused it for good."""
        return self._availability.is_off(PARTS.get(procedure, ""))

    def launch(self) -> None:
        """Starts what may be started."""
        for kind, queue in self._queues.items():
            while queue and self._start_next(kind, queue):
                pass

    def _start_next(self, kind: Kind, queue: deque[_Asked]) -> bool:
        """Whether the next of the queue is dealt with."""
        asked = queue[0]
        if asked.started.done():  # whoever wanted it was cancelled
            queue.popleft()
            return True
        refusal = self._refusal(asked.procedure)
        if refusal is not None:
            queue.popleft()
            asked.started.set_exception(refusal)
            return True
        connection = self._lane() if self._may_start(kind) else None
        if connection is None:
            return False
        queue.popleft()
        self._start(kind, asked, connection)
        return True

    def _refusal(self, procedure: Procedure[Any, Any]) -> LibvirtRPCError | None:
        """Why it cannot be called, now or later."""
        if self.is_off(procedure):
            return NotAsked(procedure.name, "the daemon refused it")
        if not self._lanes.source.lanes:
            return SessionClosed("there is no connection")
        return None

    def _start(self, kind: Kind, asked: _Asked, connection: Connection) -> None:
        try:
            call = connection.session.start(asked.procedure, asked.arguments)
        except LibvirtRPCError as exc:
            asked.started.set_exception(exc)
            return
        overdue_at = self.deadline.clock() + self._patience()
        request = Request(kind, asked.domain, call, connection, overdue_at)
        self.open.add(request)
        call.future.add_done_callback(lambda _: self._ended(request))
        asked.started.set_result(request)

    def _may_start(self, kind: Kind) -> bool:
        active = [one for one in self.open if not one.is_slow]
        if len(active) >= self._parallel:
            return False
        if kind is Kind.IMAGE:
            # Images on a dead storage must not take every place.
            images = [one for one in self.open if one.kind is kind]
            if len(images) >= max(1, self._parallel // 2) or any(one.is_slow for one in images):
                return False
        free = self._bound - self.held - self._others()
        # The last one is kept for what hangs only where the daemon itself does.
        return free > (1 if kind in {Kind.MAY_HANG, Kind.IMAGE} else 0)

    def _lane(self) -> Connection | None:
        lanes = self._lanes
        if self.held + self._others() < self._bound - 1 and lanes.is_another_needed(
            self._stuck_on, self.deadline.clock()
        ):
            lanes.open_another(self.deadline.clock)
        return lanes.choose(self._stuck_on, spare=1)

    def _stuck_on(self, connection: Connection) -> int:
        slow = sum(one.is_slow and one.connection is connection for one in self.open)
        return connection.session.stuck + slow

    def _patience(self) -> float:
        usual = self.memory.usual_seconds
        wish = FIRST_PATIENCE_SECONDS if usual is None else PATIENCE_CALLS * usual
        patience = min(max(wish, LEAST_PATIENCE_SECONDS), self.deadline.remaining() / 4)
        return max(patience, SHORTEST_PATIENCE_SECONDS)

    def _ended(self, request: Request) -> None:
        if not request.call.done:
            return  # nobody waits for it any longer: it is left behind in the end
        self.open.discard(request)
        if request.connection.session.error is None:
            self.memory.answered(request, self.deadline.clock() - request.call.started)
        self.launch()

    # For whoever waits for all of them.

    @property
    def blocked(self) -> int:
        """How many calls wait, for their place or for their answer."""
        queued = [one for queue in self._queues.values() for one in queue]
        waiting = sum(not one.started.done() for one in queued)
        return waiting + sum(not one.call.future.done() for one in self.open)

    def note_slow(self) -> None:
        now = self.deadline.clock()
        for request in self.open:
            if request.overdue_at <= now:
                request.is_slow = True

    def worth_waiting(self) -> float:
        """For how many seconds to wait before something has to be done; 0: there is nothing to wait for."""
        now = self.deadline.clock()
        waits = [
            one.call.started + GRACE_SECONDS - now
            if one.is_slow
            else max(one.overdue_at - now, SHORTEST_PATIENCE_SECONDS)
            for one in self.open
        ]
        is_held_up = self._others() > 0 or self._lanes.opening is not None
        if is_held_up and any(self._queues.values()) and not self.open:
            self._idle_since = now if self._idle_since is None else self._idle_since
            waits.append(self._idle_since + GRACE_SECONDS - now)
        else:
            self._idle_since = None
        return min((one for one in waits if one > 0), default=0.0)

    def leave_behind(self) -> None:
        """The end: gives up what is still open. The memory keeps what the daemon goes on with."""
        for request in self.open:
            request.connection.session.abandon(request.call)
        self.memory.left_behind += [one for one in self.open if not one.call.done]
        self.open.clear()
