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
from typing import Any
from weakref import WeakKeyDictionary

from exporter.lanes import LaneChoice, LaneSource
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainControlState,
    DomainStatsTypes,
)
from libvirt_rpc.errors import (
    AccessDenied,
    CallTimeout,
    InvalidArgument,
    LibvirtRPCError,
    NoDomain,
    NoSupport,
    OperationDenied,
    RPCError,
    SessionClosed,
)
from libvirt_rpc.protocol.domain_stats import DomainStats, Layout
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS, Call

logger = logging.getLogger(__name__)

CHUNKS_PER_SLOT = 8
LARGEST_CHUNK = 16
INACTIVE_CHUNK = 64
PROBES_AT_ONCE = 2
"""Unanswered ones, those left behind included: where the daemon does not even answer these, no more."""
RESERVE_SECONDS = 0.5
RESERVE_SHARE = 0.1
"""Kept of the deadline for asking what needs no monitor of the domains that are missing."""
FIRST_PATIENCE_SECONDS = 0.5
LEAST_PATIENCE_SECONDS = 0.25
PATIENCE_CALLS = 8
"""A call that takes longer than so many usual ones is looked into."""
SHORTEST_PATIENCE_SECONDS = 0.02
"""Whatever the deadline."""
OCCUPIED_MILLISECONDS = 200
"""A monitor that is busy for so long hangs; a healthy one answers in a few."""
GRACE_SECONDS = 1.0
"""A call that hangs is waited for so long if nothing else is left to do: it may have been slow only."""
BUSY_PAUSE_SECONDS = 0.05
"""How long another client holds a domain's job for a moment."""

LONGEST_WAIT_SECONDS = 0.1
"""The deadline may be brought forward meanwhile."""

MONITOR_FREE = DomainStatsTypes.STATE | DomainStatsTypes.INTERFACE
"""Groups that the daemon answers without asking the domain's QEMU."""
NEEDS_IMAGE = DomainStatsTypes.BLOCK
"""The group for which the daemon opens the disk images of an inactive domain."""

REFUSED_FOR_ALL = (NoSupport, AccessDenied, OperationDenied)
"""Refusals that do not depend on the domains that were asked for."""


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


_ASKING = frozenset({_Kind.CHUNK, _Kind.SINGLE, _Kind.INACTIVE, _Kind.CHEAP})


@dataclass(slots=True, eq=False)
class _Request:
    """A call of this module, in flight or left behind."""

    kind: _Kind
    domains: tuple[Domain, ...]
    call: Call[Any]
    connection: Connection
    patience: float
    overdue_at: float
    flags: ConnectGetAllDomainStatsFlags
    about: _Request | None = None
    """Of a probe: the request that it looks into."""
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class _Work:
    kind: _Kind
    domains: tuple[Domain, ...]


class BulkStats:
    """Collects from one hypervisor; remembers between collections which calls are left behind, and
    nothing of what domains reported.
    """

    def __init__(self, source: LaneSource, *, parallel: int, max_stuck_calls: int) -> None:
        self.lanes = LaneChoice(source, slots=max(DAEMON_REQUEST_SLOTS, parallel + 1))
        self.parallel = parallel
        self.bound = max_stuck_calls + parallel
        self.flags = ConnectGetAllDomainStatsFlags.NOWAIT
        self.usual_seconds: float | None = None
        """What a call for a chunk takes; None until one was seen."""
        self.left_behind: list[_Request] = []
        self._main: Connection | None = None
        self._knows_nowait = False
        self._whole_though_short: dict[uuid.UUID, tuple[str, ...]] = {}
        self._reduced: WeakKeyDictionary[Layout, bool] = WeakKeyDictionary()

    @property
    def stuck_calls(self) -> int:
        """Calls that the exporter waits for no longer and the daemon still works on."""
        self.left_behind = [one for one in self.left_behind if not one.call.done]
        return len(self.left_behind)

    async def collect(self, stats: DomainStatsTypes, deadline: Deadline) -> Collected:
        """Raises LibvirtRPCError where not even the list of domains is to be had."""
        self._meet()
        collection = _Collection(self, stats, deadline)
        try:
            await collection.run()
        finally:
            self.left_behind += collection.leave_behind()
        collected = collection.collected
        collected.stuck = self.stuck_calls
        for connection in self.lanes.source.lanes:
            connection.forget_other_domains(collected.domains)
        uuids = {domain.uuid for domain in collected.domains}
        for gone in self._whole_though_short.keys() - uuids:
            del self._whole_though_short[gone]
        self.lanes.drop_idle()
        return collected

    def _meet(self) -> None:
        """Behind a new connection there may be another daemon."""
        main = next(iter(self.lanes.source.lanes), None)
        if main is not self._main:
            self._main = main
            self._knows_nowait = False
            self.flags = ConnectGetAllDomainStatsFlags.NOWAIT

    def outstanding_for(self, domain: Domain, kind: _Kind) -> bool:
        return any(
            one.kind is kind and not one.call.done and domain in one.domains
            for one in self.left_behind
        )

    def suspects(self) -> set[uuid.UUID]:
        """Domains of calls that were left behind: one of each call hangs."""
        return {
            domain.uuid for one in self.left_behind if not one.call.done for domain in one.domains
        }

    def is_left_behind(self, kind: _Kind) -> bool:
        return any(one.kind is kind and not one.call.done for one in self.left_behind)

    def learn(self, request: _Request, seconds: float) -> None:
        """Takes from an answer how long a chunk usually takes, and that the daemon knows its flags."""
        if request.flags:
            self._knows_nowait = True
        if request.kind is _Kind.CHUNK and not request.is_slow:
            usual = self.usual_seconds
            self.usual_seconds = seconds if usual is None else usual + (seconds - usual) / 8

    def gives_up_flags(self, request: _Request, error: LibvirtRPCError) -> bool:
        """Whether the call was refused for its flags, by a daemon from before libvirt 4.5."""
        if self._knows_nowait or not request.flags or not isinstance(error, InvalidArgument):
            return False
        if self.flags:
            logger.warning(
                "the daemon knows no NOWAIT: a busy domain will be waited for (%s)", error
            )
        self.flags = ConnectGetAllDomainStatsFlags(0)
        return True

    def patience(self, deadline: Deadline) -> float:
        usual = self.usual_seconds
        wish = FIRST_PATIENCE_SECONDS if usual is None else PATIENCE_CALLS * usual
        patience = min(max(wish, LEAST_PATIENCE_SECONDS), deadline.remaining() / 4)
        return max(patience, SHORTEST_PATIENCE_SECONDS)

    def is_reduced(self, record: DomainStats) -> bool:
        """Whether the record looks as NOWAIT leaves it while somebody else holds the domain's job."""
        known = self._reduced.get(record.layout)
        if known is None:
            known = self._reduced[record.layout] = looks_reduced(record.layout.fields)
        return known and record.domain.id != -1

    def is_short(self, record: DomainStats) -> bool:
        """Whether a running domain's record lacks what only its monitor tells, and usually has it."""
        if not self.is_reduced(record):
            self._whole_though_short.pop(record.domain.uuid, None)
            return False
        return self._whole_though_short.get(record.domain.uuid) != record.layout.fields

    def accept_short(self, record: DomainStats) -> None:
        """The record came twice in this shape, with nobody in the way: it is how this domain is."""
        self._whole_though_short[record.domain.uuid] = record.layout.fields


def looks_reduced(fields: Sequence[str]) -> bool:
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
        self._probes: deque[tuple[Domain, _Request | None]] = deque()
        self._open: dict[asyncio.Future[Any], _Request] = {}
        self._in_part: set[uuid.UUID] = set()
        """Domains of which nothing but the cheap part was asked with success."""
        self._hanging: set[uuid.UUID] = set()
        """Domains whose monitor hangs, by their control information."""
        self._undisturbed: set[uuid.UUID] = set()
        """Domains whose job nobody holds, by their control information, or that have none."""
        self._refused_alone: dict[uuid.UUID, LibvirtRPCError] = {}
        self._refusal: LibvirtRPCError | None = None
        """What would be refused again, whomever it is asked of."""
        self.collected = Collected()

    async def run(self) -> None:
        self.collected.domains = await self._list()
        suspects = self._bulk.suspects()
        self._plan(suspects)
        await self._work(self._reserve)
        if self._refusal is not None:
            raise self._refusal
        await self._ask_short_ones(suspects)
        await self._ask_cheaply()
        self._settle(suspects)

    def _plan(self, suspects: set[uuid.UUID]) -> None:
        running = [domain for domain in self.collected.domains if domain.id != -1]
        inactive = [domain for domain in self.collected.domains if domain.id == -1]
        healthy = [domain for domain in running if domain.uuid not in suspects]
        for domain in running:
            if domain.uuid in suspects:
                self._ask_suspect(domain)
        size = chunk_size(len(healthy), self._bulk.parallel)
        self._queue += [_Work(_Kind.CHUNK, chunk) for chunk in chunked(healthy, size)]
        # While images hang none is opened: the inactive domains are left to the last step.
        if not self._bulk.is_left_behind(_Kind.INACTIVE):
            chunks = chunked(inactive, INACTIVE_CHUNK)
            self._queue += [_Work(_Kind.INACTIVE, chunk) for chunk in chunks]

    def _ask_suspect(self, domain: Domain) -> None:
        """Queues a suspect by itself; where such a call waits already, asks first what it waits for."""
        if self._bulk.outstanding_for(domain, _Kind.SINGLE):
            self._probe(domain)
        else:
            self._queue.append(_Work(_Kind.SINGLE, (domain,)))

    @property
    def _soft(self) -> Deadline:
        """When to stop waiting for full statistics."""
        return Deadline(self._deadline.at - self._reserve, self._deadline.clock)

    # The list of domains.

    async def _list(self) -> tuple[Domain, ...]:
        if self._bulk.is_left_behind(_Kind.LIST) or self._held >= self._bulk.bound:
            raise CallTimeout("CONNECT_LIST_ALL_DOMAINS", self._longest_wait())
        try:
            domains = await self._list_by(ConnectListAllDomainsFlags(0))
        except RPCError:
            # More than one reply may hold: in two halves.
            active = await self._list_by(ConnectListAllDomainsFlags.ACTIVE)
            domains = active + await self._list_by(ConnectListAllDomainsFlags.INACTIVE)
        unique = {domain.uuid: domain for domain in domains}
        return tuple(sorted(unique.values(), key=lambda domain: (domain.name, domain.uuid)))

    async def _list_by(self, flags: ConnectListAllDomainsFlags) -> tuple[Domain, ...]:
        connection = await self._first_lane()
        call = connection.start_list_all_domains(flags)
        request = self._track(_Kind.LIST, (), call, connection)
        await self._wait((call.future,))
        if not call.future.done():
            raise CallTimeout(call.procedure.name, self._soft.clock() - call.started)
        del self._open[request.call.future]
        return call.future.result().domains

    async def _first_lane(self) -> Connection:
        while (connection := self._lane(_Kind.LIST)) is None:
            opening = self._bulk.lanes.opening
            if not self._bulk.lanes.source.lanes:
                raise SessionClosed("it has just ended")
            if opening is None or self._soft.expired:
                raise CallTimeout("CONNECT_LIST_ALL_DOMAINS", self._longest_wait())
            await self._wait((opening,))
        return connection

    async def _wait(self, futures: Iterable[asyncio.Future[Any]]) -> None:
        """Until one of them is done, or the time for full statistics is over."""
        waiting = set(futures)
        while waiting and not any(one.done() for one in waiting) and not self._soft.expired:
            timeout = min(self._soft.remaining(), LONGEST_WAIT_SECONDS)
            await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    def _longest_wait(self) -> float:
        now = self._deadline.clock()
        return max((now - one.call.started for one in self._bulk.left_behind), default=0.0)

    # Which connection, and how many calls on it.

    @property
    def _held(self) -> int:
        """How many of the daemon's workers the exporter may hold now."""
        opening = self._bulk.lanes.opening is not None
        return self._bulk.stuck_calls + len(self._open) + opening

    def _lane(self, kind: _Kind) -> Connection | None:
        """A connection for one more call; where they are crowded, a further one is on its way."""
        lanes = self._bulk.lanes
        if self._held < self._bulk.bound - 1 and lanes.is_another_needed(
            self._stuck_on, self._deadline.clock()
        ):
            lanes.open_another(self._deadline.clock)
        return lanes.choose(self._stuck_on, spare=int(kind in _ASKING))

    def _stuck_on(self, connection: Connection) -> int:
        slow = sum(one.is_slow and one.connection is connection for one in self._open.values())
        return connection.session.stuck + slow

    def _may_start(self, kind: _Kind) -> bool:
        free = self._bulk.bound - self._held
        if kind is _Kind.PROBE:
            everything = (*self._bulk.left_behind, *self._open.values())
            return free > 0 and sum(one.kind is kind for one in everything) < PROBES_AT_ONCE
        active = [one.kind for one in self._open.values() if not one.is_slow]
        if sum(one in _ASKING for one in active) >= self._bulk.parallel:
            return False
        if kind is _Kind.INACTIVE and active.count(kind) >= max(1, self._bulk.parallel // 2):
            # Images on a dead storage must not take every place.
            return False
        # The last one is kept for what hangs only where the daemon itself does.
        return free > (0 if kind is _Kind.CHEAP else 1)

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
        request = _Request(
            kind, domains, call, connection, patience, overdue_at, self._bulk.flags, about
        )
        self._open[call.future] = request
        return request

    # The pipeline.

    async def _work(self, reserve: float) -> None:
        """Until everything is answered or told to be stuck, or until `reserve` before the deadline."""
        while (left := self._deadline.remaining() - reserve) > 0:
            self._launch()
            waits = [self._worth_waiting(one) for one in self._open.values()]
            opening = self._bulk.lanes.opening if self._queue else None
            if opening is not None:
                waits.append(LONGEST_WAIT_SECONDS)
            wait = min((one for one in waits if one > 0), default=0.0)
            if not wait:
                return
            await asyncio.wait(
                (*self._open, *((opening,) if opening is not None else ())),
                timeout=min(left, wait, LONGEST_WAIT_SECONDS),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for future in [one for one in self._open if one.done()]:
                self._answered(self._open.pop(future))
            now = self._deadline.clock()
            for request in [one for one in self._open.values() if one.overdue_at <= now]:
                self._look_into(request)

    def _worth_waiting(self, request: _Request) -> float:
        """For how many seconds to wait for an answer before something has to be done or given up."""
        now = self._deadline.clock()
        if request.is_slow:
            return request.call.started + GRACE_SECONDS - now
        return max(request.overdue_at - now, SHORTEST_PATIENCE_SECONDS)

    def _launch(self) -> None:
        while self._probes and self._may_start(_Kind.PROBE):
            connection = self._lane(_Kind.PROBE)
            if connection is None:
                break
            domain, about = self._probes.popleft()
            if about is None or not (about.is_slow or about.call.done):
                call = connection.start_domain_get_control_info(domain)
                self._track(_Kind.PROBE, (domain,), call, connection, about)
        while self._queue and self._may_start(self._queue[0].kind):
            work = self._queue[0]
            connection = self._lane(work.kind)
            if connection is None:
                return
            self._queue.popleft()
            stats = self._cheap_stats(work.domains) if work.kind is _Kind.CHEAP else self._stats
            start = connection.start_get_all_domain_stats
            self._track(
                work.kind, work.domains, start(work.domains, stats, self._bulk.flags), connection
            )

    def _cheap_stats(self, domains: Sequence[Domain]) -> DomainStatsTypes:
        """What of the statistics cannot hang; `domains` are all running or all inactive."""
        return self._stats & (MONITOR_FREE if domains[0].id != -1 else ~NEEDS_IMAGE)

    def _answered(self, request: _Request) -> None:
        try:
            reply = request.call.future.result()
        except SessionClosed as exc:
            self.collected.errors.append(exc)
        except LibvirtRPCError as exc:
            self._refused(request, exc)
        else:
            if request.kind is _Kind.PROBE:
                self._probed(request, reply)
            else:
                self._arrived(request, reply)

    def _arrived(self, request: _Request, reply: Iterable[DomainStats]) -> None:
        self._bulk.learn(request, self._deadline.clock() - request.call.started)
        came = set()
        for record in reply:
            came.add(record.domain.uuid)
            self._take(record, in_part=request.kind is _Kind.CHEAP)
        self._vanished({domain.uuid for domain in request.domains} - came)

    def _vanished(self, gone: set[uuid.UUID]) -> None:
        self.collected.vanished |= gone
        for key in gone:
            self.collected.records.pop(key, None)

    def _take(self, record: DomainStats, *, in_part: bool) -> None:
        key = record.domain.uuid
        known = self.collected.records.get(key)
        if known is not None and len(record.values) < len(known.values):
            return
        self.collected.records[key] = record
        if in_part:
            self._in_part.add(key)
        else:
            self._in_part.discard(key)
            self._refused_alone.pop(key, None)

    def _refused(self, request: _Request, error: LibvirtRPCError) -> None:
        if request.kind is _Kind.PROBE:
            # An inactive or vanished domain, or a driver without control information: no verdict.
            self._undisturbed |= {domain.uuid for domain in request.domains}
        elif isinstance(error, REFUSED_FOR_ALL):
            self._refusal = error
            self._queue.clear()
        elif self._bulk.gives_up_flags(request, error):
            self._queue.appendleft(_Work(request.kind, request.domains))
        elif len(request.domains) > 1:
            # Too large for one reply, or one of them is bad: halve until it is told apart.
            half = len(request.domains) // 2
            for part in (request.domains[half:], request.domains[:half]):
                self._queue.appendleft(_Work(request.kind, part))
        elif isinstance(error, NoDomain):
            self._vanished({domain.uuid for domain in request.domains})
        else:
            self._refused_alone[request.domains[0].uuid] = error

    # What takes too long.

    def _look_into(self, request: _Request) -> None:
        """An overdue call: by the control information of its domains it hangs, or is only slow."""
        request.patience *= 2
        request.overdue_at = self._deadline.clock() + request.patience
        if request.kind is _Kind.PROBE:
            request.is_slow = True
        elif request.kind in {_Kind.CHUNK, _Kind.SINGLE} and not request.is_slow:
            for domain in request.domains:
                self._probe(domain, request)

    def _probe(self, domain: Domain, about: _Request | None = None) -> None:
        """Asks whether the domain's monitor hangs; the answer never waits for the monitor."""
        waiting = [one for one, _ in self._probes]
        open_ones = [one for one in self._open.values() if one.kind is _Kind.PROBE]
        if domain in waiting or any(domain in one.domains for one in open_ones):
            return
        if not self._bulk.outstanding_for(domain, _Kind.PROBE):
            self._probes.append((domain, about))

    def _probed(self, probe: _Request, reply: Any) -> None:
        (domain,) = probe.domains
        if reply.state == DomainControlState.OK:
            self._undisturbed.add(domain.uuid)
        if reply.state != DomainControlState.OCCUPIED or reply.state_time < OCCUPIED_MILLISECONDS:
            return
        self._hanging.add(domain.uuid)
        request = probe.about
        if request is not None:
            self._told_apart(request)
        elif self._bulk.outstanding_for(domain, _Kind.SINGLE):
            # Its job is held by the call that was left behind: NOWAIT goes round it.
            self._queue.appendleft(_Work(_Kind.SINGLE, (domain,)))

    def _told_apart(self, request: _Request) -> None:
        """A call hangs: what it brings no more is asked for by others."""
        if request.is_slow or request.call.done or self._refusal is not None:
            return
        request.is_slow = True
        if request.kind is _Kind.CHUNK:
            singles = [_Work(_Kind.SINGLE, (domain,)) for domain in request.domains]
            self._queue.extendleft(reversed(singles))
        elif self._cheap_stats(request.domains):
            self._queue.appendleft(_Work(_Kind.CHEAP, request.domains))

    # The last steps.

    async def _ask_short_ones(self, suspects: set[uuid.UUID]) -> None:
        """Once more those whose job another client held for a moment, whose stuck call has ended, or
        that were refused, as a domain is that ends in the middle of its call.
        """
        if not self._short_ones(suspects) or self._soft.remaining() < 2 * BUSY_PAUSE_SECONDS:
            return
        await asyncio.sleep(BUSY_PAUSE_SECONDS)
        # More stuck calls may have ended meanwhile.
        again = self._short_ones(suspects)
        size = chunk_size(len(again), self._bulk.parallel)
        self._queue += [_Work(_Kind.CHUNK, chunk) for chunk in chunked(again, size)]
        before = dict(self.collected.records)
        await self._work(self._reserve)
        await self._judge_short_ones([domain for domain in again if domain.uuid in before], before)

    def _short_ones(self, suspects: set[uuid.UUID]) -> list[Domain]:
        busy = self._bulk.suspects() | self._in_open_calls()
        return [
            domain
            for domain in self.collected.domains
            if domain.id != -1 and domain.uuid not in busy and self._is_short(domain, suspects)
        ]

    def _is_short(self, domain: Domain, suspects: set[uuid.UUID]) -> bool:
        record = self.collected.records.get(domain.uuid)
        if record is None:
            is_due = domain.uuid in suspects or domain.uuid in self._refused_alone
            return is_due and domain.uuid not in self.collected.vanished
        return domain.uuid in self._in_part or self._bulk.is_short(record)

    async def _judge_short_ones(
        self, domains: Iterable[Domain], before: dict[uuid.UUID, DomainStats]
    ) -> None:
        """Short again: because that is how they are, or because another client's call hangs."""
        still = {}
        for domain in domains:
            record = self.collected.records.get(domain.uuid)
            came_again = record is not None and record is not before[domain.uuid]
            if record is not None and came_again and self._bulk.is_short(record):
                still[domain] = record
        self._undisturbed -= {domain.uuid for domain in still}
        for domain in still:
            self._probe(domain)
        await self._work(self._reserve)
        for domain, record in still.items():
            if domain.uuid in self._undisturbed:
                self._bulk.accept_short(record)

    async def _ask_cheaply(self) -> None:
        """What cannot hang, of the domains that nothing has come of."""
        self._queue.clear()
        self._probes.clear()
        asked = self._in_open_calls(_Kind.CHEAP)
        absent = [
            domain
            for domain in self.collected.domains
            if domain.uuid not in self.collected.records
            and domain.uuid not in self.collected.vanished
            and domain.uuid not in asked
            and not self._bulk.outstanding_for(domain, _Kind.CHEAP)
        ]
        for is_running in (True, False):
            alike = [domain for domain in absent if (domain.id != -1) is is_running]
            if alike and self._cheap_stats(alike):
                chunks = chunked(alike, INACTIVE_CHUNK)
                self._queue += [_Work(_Kind.CHEAP, chunk) for chunk in chunks]
        if not self._queue:
            return
        for request in self._open.values():
            # Its time is over.
            request.is_slow = True
        await self._work(0.0)

    def _in_open_calls(self, *kinds: _Kind) -> set[uuid.UUID]:
        return {
            domain.uuid
            for one in self._open.values()
            if not kinds or one.kind in kinds
            for domain in one.domains
        }

    def _settle(self, suspects: set[uuid.UUID]) -> None:
        """Who is missing: no record, or only the part that comes of a domain that hangs; and why."""
        suspects = suspects | self._in_open_calls()
        for domain in self.collected.domains:
            record = self.collected.records.get(domain.uuid)
            if record is None:
                is_missing = domain.uuid not in self.collected.vanished
            else:
                is_missing = (
                    domain.uuid in self._in_part
                    or (domain.uuid in self._hanging and self._bulk.is_reduced(record))
                    or (domain.uuid in suspects and self._bulk.is_short(record))
                )
            if is_missing:
                self.collected.missing.add(domain.uuid)
        self.collected.errors += [
            error
            for key, error in self._refused_alone.items()
            if key not in self.collected.vanished
        ]

    def leave_behind(self) -> list[_Request]:
        """Gives up what is still open; gives the requests that the daemon goes on with."""
        for request in self._open.values():
            request.connection.session.abandon(request.call)
        return [request for request in self._open.values() if not request.call.done]
