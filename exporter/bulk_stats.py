"""Bulk statistics of all domains, pipelined, by a deadline, and past whatever hangs.

In: a hypervisor's connections, what to ask, a deadline. Out: `Collected`, on time, with what has come
and who is missing. A call that hangs is left behind (nothing can take it back from the daemon), counted
and bounded; docs/architecture.md tells the algorithm and the measured facts behind it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import ceil
from typing import Any, Protocol

from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainControlState,
    DomainStatsTypes,
)
from libvirt_rpc.errors import (
    CallTimeout,
    InvalidArgument,
    LibvirtRPCError,
    NoSupport,
    RemoteError,
    RPCError,
)
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS, Call

logger = logging.getLogger(__name__)

CHUNKS_PER_SLOT = 8
LARGEST_CHUNK = 16
INACTIVE_CHUNK = 64
STUCK_PER_LANE = 2
"""A connection with so many calls stuck is left aside: the daemon runs five of a connection's calls."""
EXTRA_LANES = 2
RESERVE_SECONDS = 0.5
RESERVE_SHARE = 0.1
"""Kept of the deadline for asking what needs no monitor of the domains that are missing."""
FIRST_PATIENCE_SECONDS = 0.5
LEAST_PATIENCE_SECONDS = 0.25
PATIENCE_CALLS = 8
"""A call that takes longer than so many usual ones is looked into."""
OCCUPIED_MILLISECONDS = 200
"""A monitor that is busy for so long hangs; a healthy one answers in a few."""
BUSY_PAUSE_SECONDS = 0.05
"""How long another client holds a domain's job for a moment."""

LONGEST_WAIT_SECONDS = 0.25

MONITOR_FREE = DomainStatsTypes.STATE | DomainStatsTypes.INTERFACE
"""Groups that the daemon answers without asking the domain's QEMU."""
NEEDS_IMAGE = DomainStatsTypes.BLOCK
"""The group for which the daemon opens the disk images of an inactive domain."""


class Lanes(Protocol):
    """Where connections come from: `lanes` are those that stand, the main one first."""

    @property
    def lanes(self) -> Sequence[Connection]: ...

    async def add_lane(self, deadline: Deadline) -> Connection: ...

    async def drop_lane(self, connection: Connection) -> None: ...


@dataclass(slots=True)
class Collected:
    """What one collection brought; every listed domain is in `records`, `missing` or `vanished`, a
    domain with a part of its record in both of the first two.
    """

    domains: tuple[Domain, ...] = ()
    records: dict[uuid.UUID, DomainStats] = field(default_factory=dict)
    missing: set[uuid.UUID] = field(default_factory=set)
    vanished: set[uuid.UUID] = field(default_factory=set)
    errors: list[LibvirtRPCError] = field(default_factory=list)
    stuck: int = 0


class _Kind(Enum):
    LIST = auto()
    CHUNK = auto()
    SINGLE = auto()
    INACTIVE = auto()
    CHEAP = auto()
    PROBE = auto()


@dataclass(slots=True, eq=False)
class _Request:
    """A call of this module, in flight or left behind."""

    kind: _Kind
    domains: tuple[Domain, ...]
    call: Call[Any]
    connection: Connection
    patience: float
    overdue_at: float
    about: _Request | None = None
    """Of a probe: the request that it looks into."""
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class _Work:
    kind: _Kind
    domains: tuple[Domain, ...]


class BulkStats:
    """Collects from one hypervisor; remembers between collections only which calls are left behind."""

    def __init__(self, lanes: Lanes, *, parallel: int, max_stuck_calls: int) -> None:
        self.lanes = lanes
        self.parallel = parallel
        self.bound = max_stuck_calls + parallel
        self.flags = ConnectGetAllDomainStatsFlags.NOWAIT
        self.usual_seconds: float | None = None
        """What a call for a chunk takes; None until one was seen."""
        self.left_behind: list[_Request] = []
        self._whole_though_short: dict[uuid.UUID, object] = {}

    @property
    def stuck_calls(self) -> int:
        """Calls that the exporter waits for no longer and the daemon still works on."""
        self.left_behind = [one for one in self.left_behind if not one.call.done]
        return len(self.left_behind)

    async def collect(self, stats: DomainStatsTypes, deadline: Deadline) -> Collected:
        """Raises LibvirtRPCError where not even the list of domains is to be had."""
        collection = _Collection(self, stats, deadline)
        try:
            await collection.run()
        finally:
            self.left_behind += collection.leave_behind()
        collected = collection.collected
        collected.stuck = self.stuck_calls
        for connection in self.lanes.lanes:
            connection.forget_other_domains(collected.domains)
        uuids = {domain.uuid for domain in collected.domains}
        for gone in self._whole_though_short.keys() - uuids:
            del self._whole_though_short[gone]
        await self._drop_idle_lanes()
        return collected

    async def _drop_idle_lanes(self) -> None:
        main, *extra = self.lanes.lanes or (None,)
        if main is None or main.session.stuck:
            return
        for connection in extra:
            if not connection.session.outstanding:
                await self.lanes.drop_lane(connection)

    def outstanding_for(self, domain: Domain, *kinds: _Kind) -> bool:
        return any(
            one.kind in kinds and not one.call.done and domain in one.domains
            for one in self.left_behind
        )

    def suspects(self) -> set[uuid.UUID]:
        """Domains of calls that were left behind: one of each call hangs."""
        return {
            domain.uuid
            for one in self.left_behind
            if not one.call.done and one.kind is not _Kind.LIST
            for domain in one.domains
        }

    def is_left_behind(self, kind: _Kind) -> bool:
        return any(one.kind is kind and not one.call.done for one in self.left_behind)

    def learn(self, seconds: float) -> None:
        """Takes a chunk's time into the usual one."""
        usual = self.usual_seconds
        self.usual_seconds = seconds if usual is None else usual + (seconds - usual) / 8

    def patience(self, deadline: Deadline) -> float:
        usual = self.usual_seconds
        wish = FIRST_PATIENCE_SECONDS if usual is None else PATIENCE_CALLS * usual
        return min(max(wish, LEAST_PATIENCE_SECONDS), deadline.remaining() / 4)

    def is_short(self, record: DomainStats) -> bool:
        """Whether a running domain's record lacks what only its monitor tells, and usually has it."""
        if self._whole_though_short.get(record.domain.uuid) is record.layout:
            return False
        return is_reduced(record)

    def accept_short(self, record: DomainStats) -> None:
        """The record came twice in this shape: it is how this domain is."""
        self._whole_though_short[record.domain.uuid] = record.layout


def is_reduced(record: DomainStats) -> bool:
    """Whether the record looks as NOWAIT leaves it while somebody else holds the domain's job."""
    fields = record.layout.fields
    no_disk_figures = "block.0.name" in fields and not any(
        name.startswith("block.") and name.endswith(".rd.reqs") for name in fields
    )
    no_balloon_figures = "balloon.current" in fields and "balloon.rss" not in fields
    return no_disk_figures or no_balloon_figures


def chunked(domains: Sequence[Domain], size: int) -> list[tuple[Domain, ...]]:
    return [tuple(domains[i : i + size]) for i in range(0, len(domains), size)]


def chunk_size(running: int, parallel: int) -> int:
    """Small chunks: a hung domain takes few neighbours along, and size was measured to cost no time."""
    return min(LARGEST_CHUNK, max(1, ceil(running / (parallel * CHUNKS_PER_SLOT))))


class _Collection:
    """One collection from its list of domains to its deadline."""

    def __init__(self, bulk: BulkStats, stats: DomainStatsTypes, deadline: Deadline) -> None:
        self._bulk = bulk
        self._stats = stats
        self._deadline = deadline
        self._reserve = min(RESERVE_SECONDS, RESERVE_SHARE * deadline.remaining())
        self._queue: deque[_Work] = deque()
        self._open: dict[asyncio.Future[Any], _Request] = {}
        self._failed: set[uuid.UUID] = set()
        self.collected = Collected()

    async def run(self) -> None:
        domains = await self._list()
        self.collected.domains = domains
        stuck_images = self._bulk.is_left_behind(_Kind.INACTIVE)
        suspects = self._bulk.suspects()
        running = [domain for domain in domains if domain.id != -1]
        inactive = [domain for domain in domains if domain.id == -1]
        healthy = [domain for domain in running if domain.uuid not in suspects]
        size = chunk_size(len(healthy), self._bulk.parallel)
        self._queue += [_Work(_Kind.CHUNK, chunk) for chunk in chunked(healthy, size)]
        self._queue += [
            _Work(_Kind.CHEAP if stuck_images else _Kind.INACTIVE, chunk)
            for chunk in chunked(inactive, INACTIVE_CHUNK)
        ]
        for domain in running:
            if domain.uuid in suspects:
                await self._ask_again(domain)
        await self._work(self._reserve)
        await self._ask_short_ones(suspects)
        await self._ask_cheaply()
        self._settle(suspects)

    @property
    def _soft(self) -> Deadline:
        """When to stop waiting for full statistics."""
        return Deadline(self._deadline.at - self._reserve, self._deadline.clock)

    async def _ask_again(self, domain: Domain) -> None:
        """Queues a suspect by itself, unless such a call already waits and would only wait beside it."""
        if self._bulk.outstanding_for(domain, _Kind.SINGLE):
            if self._bulk.outstanding_for(domain, _Kind.PROBE):
                return
            connection = await self._lane()
            if connection is not None:
                self._probe(connection, domain, about=None)
        else:
            self._queue.append(_Work(_Kind.SINGLE, (domain,)))

    # The list of domains.

    async def _list(self) -> tuple[Domain, ...]:
        if self._bulk.is_left_behind(_Kind.LIST):
            raise CallTimeout("CONNECT_LIST_ALL_DOMAINS", self._longest_wait(_Kind.LIST))
        try:
            domains = await self._list_by(ConnectListAllDomainsFlags(0))
        except RPCError:
            # More than one reply may hold: in two halves.
            active = await self._list_by(ConnectListAllDomainsFlags.ACTIVE)
            domains = active + await self._list_by(ConnectListAllDomainsFlags.INACTIVE)
        unique = {domain.uuid: domain for domain in domains}
        return tuple(sorted(unique.values(), key=lambda domain: (domain.name, domain.uuid)))

    async def _list_by(self, flags: ConnectListAllDomainsFlags) -> tuple[Domain, ...]:
        connection = await self._lane()
        if connection is None:
            raise CallTimeout("CONNECT_LIST_ALL_DOMAINS", 0.0)
        call = connection.start_list_all_domains(flags)
        request = self._track(_Kind.LIST, (), call, connection)
        await asyncio.wait((call.future,), timeout=self._soft.remaining())
        if not call.future.done():
            raise CallTimeout(call.procedure.name, self._soft.clock() - call.started)
        del self._open[request.call.future]
        return call.future.result().domains

    def _longest_wait(self, kind: _Kind) -> float:
        now = self._deadline.clock()
        return max(now - one.call.started for one in self._bulk.left_behind if one.kind is kind)

    # Which connection, and how many calls on it.

    async def _lane(self) -> Connection | None:
        """The connection with the fewest calls stuck that takes another; a further one if need be."""
        lanes = self._bulk.lanes.lanes
        stuck = {id(lane): self._stuck_on(lane) for lane in lanes}
        best = min(lanes, key=lambda lane: stuck[id(lane)], default=None)
        if best is None:
            return None
        if stuck[id(best)] >= STUCK_PER_LANE and len(lanes) <= EXTRA_LANES:
            try:
                return await self._bulk.lanes.add_lane(self._soft)
            except LibvirtRPCError as exc:
                logger.warning("no further connection beside the stuck calls: %s", exc)
        return best if best.session.outstanding < DAEMON_REQUEST_SLOTS else None

    def _stuck_on(self, connection: Connection) -> int:
        slow = sum(one.is_slow and one.connection is connection for one in self._open.values())
        return connection.session.stuck + slow

    def _may_start(self, kind: _Kind) -> bool:
        slow = sum(one.is_slow for one in self._open.values())
        stuck = self._bulk.stuck_calls + slow
        active = len(self._open) - slow
        if kind is _Kind.CHEAP:
            return active < self._bulk.parallel and stuck + active < self._bulk.bound
        # One of the bound is kept for what cannot hang.
        return active < min(self._bulk.parallel, self._bulk.bound - 1 - stuck)

    def _track(
        self,
        kind: _Kind,
        domains: tuple[Domain, ...],
        call: Call[Any],
        connection: Connection,
        about: _Request | None = None,
    ) -> _Request:
        patience = self._bulk.patience(self._deadline)
        overdue_at = self._deadline.clock() + patience
        request = _Request(kind, domains, call, connection, patience, overdue_at, about)
        self._open[call.future] = request
        return request

    # The pipeline.

    async def _work(self, reserve: float) -> None:
        """Until everything is answered or told to be stuck, or until `reserve` before the deadline."""
        while (left := self._deadline.remaining() - reserve) > 0:
            await self._launch()
            waiting = [one for one in self._open.values() if not one.is_slow]
            if not waiting:
                return
            now = self._deadline.clock()
            due = min(one.overdue_at for one in waiting) - now
            # The deadline may be brought forward meanwhile.
            timeout = min(left, max(0.0, due), LONGEST_WAIT_SECONDS)
            done, _ = await asyncio.wait(
                self._open, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            for future in done:
                self._answered(self._open.pop(future))
            now = self._deadline.clock()
            for request in [one for one in self._open.values() if one.overdue_at <= now]:
                await self._overdue(request)

    async def _launch(self) -> None:
        while self._queue and self._may_start(self._queue[0].kind):
            connection = await self._lane()
            if connection is None:
                return
            work = self._queue.popleft()
            stats = self._stats
            if work.kind is _Kind.CHEAP:
                stats &= MONITOR_FREE if work.domains[0].id != -1 else ~NEEDS_IMAGE
            call = connection.start_get_all_domain_stats(work.domains, stats, self._bulk.flags)
            self._track(work.kind, work.domains, call, connection)

    def _answered(self, request: _Request) -> None:
        try:
            reply = request.call.future.result()
        except RemoteError as exc:
            self._refused(request, exc)
        except LibvirtRPCError as exc:
            self.collected.errors.append(exc)
            self._failed |= {domain.uuid for domain in request.domains}
        else:
            if request.kind is _Kind.PROBE:
                self._probed(request, reply)
            else:
                self._arrived(request, reply)

    def _arrived(self, request: _Request, reply: Iterable[DomainStats]) -> None:
        if request.kind is _Kind.CHUNK and not request.is_slow:
            self._bulk.learn(self._deadline.clock() - request.call.started)
        records = self.collected.records
        came = set()
        for record in reply:
            came.add(record.domain.uuid)
            known = records.get(record.domain.uuid)
            if known is None or len(record.values) >= len(known.values):
                records[record.domain.uuid] = record
        self.collected.vanished |= {domain.uuid for domain in request.domains} - came

    def _refused(self, request: _Request, error: RemoteError) -> None:
        if request.kind is _Kind.PROBE:
            # An inactive or vanished domain, or a driver without control information: no verdict.
            return
        if isinstance(error, NoSupport):
            raise error
        if isinstance(error, InvalidArgument) and self._bulk.flags:
            logger.warning(
                "the daemon knows no NOWAIT: a busy domain will be waited for (%s)", error
            )
            self._bulk.flags = ConnectGetAllDomainStatsFlags(0)
            self._queue.appendleft(_Work(request.kind, request.domains))
        elif len(request.domains) > 1:
            # Too large for one reply, or one of them is bad: halve until it is told apart.
            half = len(request.domains) // 2
            for part in (request.domains[:half], request.domains[half:]):
                self._queue.appendleft(_Work(request.kind, part))
        else:
            self.collected.errors.append(error)
            self._failed |= {domain.uuid for domain in request.domains}

    # What takes too long.

    async def _overdue(self, request: _Request) -> None:
        request.patience *= 2
        request.overdue_at = self._deadline.clock() + request.patience
        if request.is_slow or request.kind not in (_Kind.CHUNK, _Kind.SINGLE):
            return
        for domain in request.domains:
            if self._bulk.outstanding_for(domain, _Kind.PROBE):
                continue
            connection = await self._lane()
            if connection is None:
                return
            self._probe(connection, domain, about=request)

    def _probe(self, connection: Connection, domain: Domain, about: _Request | None) -> None:
        """Asks whether the domain's monitor hangs; the answer never waits for the monitor."""
        if any(one.kind is _Kind.PROBE and domain in one.domains for one in self._open.values()):
            return
        call = connection.start_domain_get_control_info(domain)
        self._track(_Kind.PROBE, (domain,), call, connection, about)

    def _probed(self, probe: _Request, reply: Any) -> None:
        occupied = (
            reply.state == DomainControlState.OCCUPIED and reply.state_time >= OCCUPIED_MILLISECONDS
        )
        if not occupied:
            return
        request = probe.about
        if request is None:
            # Its job is held by the call that was left behind: NOWAIT goes round it.
            self._queue.append(_Work(_Kind.SINGLE, probe.domains))
            return
        if request.is_slow or request.call.done:
            return
        request.is_slow = True
        logger.debug("%s hangs; its neighbours are asked singly", probe.domains[0].name)
        if request.kind is _Kind.CHUNK:
            for domain in request.domains:
                self._queue.append(_Work(_Kind.SINGLE, (domain,)))
        else:
            self._queue.append(_Work(_Kind.CHEAP, request.domains))

    # The last steps.

    async def _ask_short_ones(self, suspects: set[uuid.UUID]) -> None:
        """Once more those whose job another client held for a moment."""
        suspects = suspects | self._in_open_calls()
        short = [
            record
            for record in self.collected.records.values()
            if record.domain.id != -1
            and record.domain.uuid not in suspects
            and self._bulk.is_short(record)
        ]
        if not short or self._soft.remaining() < 2 * BUSY_PAUSE_SECONDS:
            return
        await asyncio.sleep(BUSY_PAUSE_SECONDS)
        size = chunk_size(len(short), self._bulk.parallel)
        domains = [record.domain for record in short]
        self._queue += [_Work(_Kind.CHUNK, chunk) for chunk in chunked(domains, size)]
        await self._work(self._reserve)
        for record in short:
            again = self.collected.records[record.domain.uuid]
            if again is not record and again.layout is record.layout:
                self._bulk.accept_short(again)

    async def _ask_cheaply(self) -> None:
        """State and interfaces, which need no monitor, of the domains that nothing has come of."""
        self._queue.clear()
        asked = self._in_open_calls(_Kind.CHEAP)
        absent = [
            domain
            for domain in self.collected.domains
            if domain.uuid not in self.collected.records
            and domain.uuid not in self.collected.vanished
            and domain.uuid not in asked
            and not self._bulk.outstanding_for(domain, _Kind.CHEAP)
        ]
        self._queue += [_Work(_Kind.CHEAP, chunk) for chunk in chunked(absent, INACTIVE_CHUNK)]
        await self._work(0.0)

    def _in_open_calls(self, *kinds: _Kind) -> set[uuid.UUID]:
        return {
            domain.uuid
            for one in self._open.values()
            if not kinds or one.kind in kinds
            for domain in one.domains
        }

    def _settle(self, suspects: set[uuid.UUID]) -> None:
        """Who is missing: no record, or only the part that NOWAIT gives beside a stuck call."""
        collected = self.collected
        hanging = suspects | self._in_open_calls()
        for domain in collected.domains:
            record = collected.records.get(domain.uuid)
            if record is None:
                if domain.uuid not in collected.vanished:
                    collected.missing.add(domain.uuid)
            elif domain.uuid in hanging and (domain.id != -1 and is_reduced(record)):
                collected.missing.add(domain.uuid)

    def leave_behind(self) -> list[_Request]:
        """Gives up what is still open; gives the requests that the daemon goes on with."""
        for request in self._open.values():
            request.connection.session.abandon(request.call)
        return [request for request in self._open.values() if not request.call.done]
