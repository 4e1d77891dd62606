"""One collection: from its list of domains to its deadline, past whatever hangs."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from exporter.availability import reason_of
from exporter.bulk_stats.memory import SHORTEST_PATIENCE_SECONDS, Memory
from exporter.bulk_stats.requests import (
    INACTIVE_CHUNK,
    Collected,
    Kind,
    Request,
    Work,
    chunk_size,
    chunked,
)
from exporter.bulk_stats.slots import Slots
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import ConnectListAllDomainsFlags, DomainControlState, DomainStatsTypes
from libvirt_rpc.errors import (
    CallTimeout,
    LibvirtRPCError,
    NoDomain,
    RPCError,
    SessionClosed,
)
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.types import Domain

Choose = Callable[[tuple[Domain, ...]], Awaitable[tuple[Domain, ...]]]

RESERVE_SECONDS = 0.5
RESERVE_SHARE = 0.1
"""Kept of the deadline for asking what needs no monitor of the domains that are missing."""
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


class Collection:
    """One collection from its list of domains to its deadline."""

    def __init__(
        self,
        memory: Memory,
        slots: Slots,
        stats: DomainStatsTypes,
        deadline: Deadline,
        *,
        choose: Choose | None = None,
        on_list: Callable[[tuple[Domain, ...]], None] | None = None,
    ) -> None:
        self._choose = choose
        self._on_list = on_list
        self._memory = memory
        self._slots = slots
        self._stats = stats
        self._deadline = deadline
        self._reserve = min(RESERVE_SECONDS, RESERVE_SHARE * deadline.remaining())
        self._queue: deque[Work] = deque()
        self._probes: deque[tuple[Domain, Request | None]] = deque()
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
        listed = await self._list()
        self.collected.domains = listed if self._choose is None else await self._choose(listed)
        if self._on_list is not None:
            self._on_list(self.collected.domains)
        suspects = self._memory.suspects()
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
        size = chunk_size(len(healthy), self._slots.parallel)
        self._queue += [Work(Kind.CHUNK, chunk) for chunk in chunked(healthy, size)]
        # While images hang none is opened: the inactive domains are left to the last step.
        if not self._memory.is_left_behind(Kind.INACTIVE):
            chunks = chunked(inactive, INACTIVE_CHUNK)
            self._queue += [Work(Kind.INACTIVE, chunk) for chunk in chunks]

    def _ask_suspect(self, domain: Domain) -> None:
        """Queues a suspect by itself; where such a call waits already, asks first what it waits for."""
        if self._memory.outstanding_for(domain, Kind.SINGLE):
            self._probe(domain)
        else:
            self._queue.append(Work(Kind.SINGLE, (domain,)))

    @property
    def _soft(self) -> Deadline:
        """When to stop waiting for full statistics."""
        return Deadline(self._deadline.at - self._reserve, self._deadline.clock)

    # The list of domains.

    async def _list(self) -> tuple[Domain, ...]:
        slots = self._slots
        while slots.held >= slots.bound:
            if not slots.is_held_up or self._soft.expired:
                break
            await asyncio.sleep(BUSY_PAUSE_SECONDS)
        if self._memory.is_left_behind(Kind.LIST) or slots.held >= slots.bound:
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
        request = self._slots.track(Kind.LIST, (), call, connection)
        await self._wait((call.future,))
        if not call.future.done():
            raise CallTimeout(call.procedure.name, self._soft.clock() - call.started)
        del self._slots.open[request.call.future]
        return call.future.result().domains

    async def _first_lane(self) -> Connection:
        while (connection := self._slots.lane(Kind.LIST)) is None:
            opening = self._slots.lanes.opening
            if not self._slots.lanes.source.lanes:
                raise SessionClosed("it has just ended")
            if self._slots.is_held_up and not self._soft.expired:
                await asyncio.sleep(BUSY_PAUSE_SECONDS)
                continue
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
        return max((now - one.call.started for one in self._memory.left_behind), default=0.0)

    # The pipeline.

    async def _work(self, reserve: float) -> None:
        """Until everything is answered or told to be stuck, or until `reserve` before the deadline."""
        while (left := self._deadline.remaining() - reserve) > 0:
            self._launch()
            waits = [self._worth_waiting(one) for one in self._slots.open.values()]
            opening = self._slots.lanes.opening if self._queue else None
            if opening is not None:
                waits.append(LONGEST_WAIT_SECONDS)
            wait = min((one for one in waits if one > 0), default=0.0)
            if not wait:
                if not (self._queue and self._slots.is_held_up):
                    return
                await asyncio.sleep(min(left, BUSY_PAUSE_SECONDS))
                continue
            await asyncio.wait(
                (*self._slots.open, *((opening,) if opening is not None else ())),
                timeout=min(left, wait, LONGEST_WAIT_SECONDS),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for future in [one for one in self._slots.open if one.done()]:
                self._answered(self._slots.open.pop(future))
            now = self._deadline.clock()
            for request in [one for one in self._slots.open.values() if one.overdue_at <= now]:
                self._look_into(request)

    def _worth_waiting(self, request: Request) -> float:
        """For how many seconds to wait for an answer before something has to be done or given up."""
        now = self._deadline.clock()
        if request.is_slow:
            return request.call.started + GRACE_SECONDS - now
        return max(request.overdue_at - now, SHORTEST_PATIENCE_SECONDS)

    def _launch(self) -> None:
        while self._probes and self._slots.may_start(Kind.PROBE):
            connection = self._slots.lane(Kind.PROBE)
            if connection is None:
                break
            domain, about = self._probes.popleft()
            if about is None or not (about.is_slow or about.call.done):
                call = connection.start_domain_get_control_info(domain)
                self._slots.track(Kind.PROBE, (domain,), call, connection, about)
        while self._queue and self._slots.may_start(self._queue[0].kind):
            work = self._queue[0]
            connection = self._slots.lane(work.kind)
            if connection is None:
                return
            self._queue.popleft()
            stats = self._cheap_stats(work.domains) if work.kind is Kind.CHEAP else self._stats
            start = connection.start_get_all_domain_stats
            self._slots.track(
                work.kind, work.domains, start(work.domains, stats, self._memory.flags), connection
            )

    def _cheap_stats(self, domains: Sequence[Domain]) -> DomainStatsTypes:
        """What of the statistics cannot hang; `domains` are all running or all inactive."""
        return self._stats & (MONITOR_FREE if domains[0].id != -1 else ~NEEDS_IMAGE)

    def _answered(self, request: Request) -> None:
        try:
            reply = request.call.future.result()
        except SessionClosed as exc:
            self.collected.errors.append(exc)
        except LibvirtRPCError as exc:
            self._refused(request, exc)
        else:
            if request.kind is Kind.PROBE:
                self._probed(request, reply)
            else:
                self._arrived(request, reply)

    def _arrived(self, request: Request, reply: Iterable[DomainStats]) -> None:
        self._memory.learn(request, self._deadline.clock() - request.call.started)
        came = set()
        for record in reply:
            came.add(record.domain.uuid)
            self._take(record, in_part=request.kind is Kind.CHEAP)
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

    def _refused(self, request: Request, error: LibvirtRPCError) -> None:
        if request.kind is Kind.PROBE:
            # An inactive or vanished domain, or a driver without control information: no verdict.
            self._undisturbed |= {domain.uuid for domain in request.domains}
        elif reason_of(error):
            # Whatever the domains that are asked for.
            self._refusal = error
            self._queue.clear()
        elif self._memory.gives_up_flags(request, error):
            self._queue.appendleft(Work(request.kind, request.domains))
        elif len(request.domains) > 1:
            # Too large for one reply, or one of them is bad: halve until it is told apart.
            half = len(request.domains) // 2
            for part in (request.domains[half:], request.domains[:half]):
                self._queue.appendleft(Work(request.kind, part))
        elif isinstance(error, NoDomain):
            self._vanished({domain.uuid for domain in request.domains})
        else:
            self._refused_alone[request.domains[0].uuid] = error

    # What takes too long.

    def _look_into(self, request: Request) -> None:
        """An overdue call: by the control information of its domains it hangs, or is only slow."""
        request.patience *= 2
        request.overdue_at = self._deadline.clock() + request.patience
        if request.kind is Kind.PROBE:
            request.is_slow = True
        elif request.kind in {Kind.CHUNK, Kind.SINGLE} and not request.is_slow:
            for domain in request.domains:
                self._probe(domain, request)

    def _probe(self, domain: Domain, about: Request | None = None) -> None:
        """Asks whether the domain's monitor hangs; the answer never waits for the monitor."""
        waiting = [one for one, _ in self._probes]
        open_ones = [one for one in self._slots.open.values() if one.kind is Kind.PROBE]
        if domain in waiting or any(domain in one.domains for one in open_ones):
            return
        if not self._memory.outstanding_for(domain, Kind.PROBE):
            self._probes.append((domain, about))

    def _probed(self, probe: Request, reply: Any) -> None:
        (domain,) = probe.domains
        if reply.state == DomainControlState.OK:
            self._undisturbed.add(domain.uuid)
        if reply.state != DomainControlState.OCCUPIED or reply.state_time < OCCUPIED_MILLISECONDS:
            return
        self._hanging.add(domain.uuid)
        request = probe.about
        if request is not None:
            self._told_apart(request)
        elif self._memory.outstanding_for(domain, Kind.SINGLE):
            # Its job is held by the call that was left behind: NOWAIT goes round it.
            self._queue.appendleft(Work(Kind.SINGLE, (domain,)))

    def _told_apart(self, request: Request) -> None:
        """A call hangs: what it brings no more is asked for by others."""
        if request.is_slow or request.call.done or self._refusal is not None:
            return
        request.is_slow = True
        if request.kind is Kind.CHUNK:
            singles = [Work(Kind.SINGLE, (domain,)) for domain in request.domains]
            self._queue.extendleft(reversed(singles))
        elif self._cheap_stats(request.domains):
            self._queue.appendleft(Work(Kind.CHEAP, request.domains))

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
        size = chunk_size(len(again), self._slots.parallel)
        self._queue += [Work(Kind.CHUNK, chunk) for chunk in chunked(again, size)]
        before = dict(self.collected.records)
        await self._work(self._reserve)
        await self._judge_short_ones([domain for domain in again if domain.uuid in before], before)

    def _short_ones(self, suspects: set[uuid.UUID]) -> list[Domain]:
        busy = self._memory.suspects() | self._slots.domains_of_open_calls()
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
        return domain.uuid in self._in_part or self._memory.is_short(record)

    async def _judge_short_ones(
        self, domains: Iterable[Domain], before: dict[uuid.UUID, DomainStats]
    ) -> None:
        """Short again: because that is how they are, or because another client's call hangs."""
        still = {}
        for domain in domains:
            record = self.collected.records.get(domain.uuid)
            came_again = record is not None and record is not before[domain.uuid]
            if record is not None and came_again and self._memory.is_short(record):
                still[domain] = record
        self._undisturbed -= {domain.uuid for domain in still}
        for domain in still:
            self._probe(domain)
        await self._work(self._reserve)
        for domain, record in still.items():
            if domain.uuid in self._undisturbed:
                self._memory.accept_short(record)

    async def _ask_cheaply(self) -> None:
        """What cannot hang, of the domains that nothing has come of."""
        self._queue.clear()
        self._probes.clear()
        asked = self._slots.domains_of_open_calls(Kind.CHEAP)
        absent = [
            domain
            for domain in self.collected.domains
            if domain.uuid not in self.collected.records
            and domain.uuid not in self.collected.vanished
            and domain.uuid not in asked
            and not self._memory.outstanding_for(domain, Kind.CHEAP)
        ]
        for is_running in (True, False):
            alike = [domain for domain in absent if (domain.id != -1) is is_running]
            if alike and self._cheap_stats(alike):
                chunks = chunked(alike, INACTIVE_CHUNK)
                self._queue += [Work(Kind.CHEAP, chunk) for chunk in chunks]
        if not self._queue:
            return
        for request in self._slots.open.values():
            # Its time is over.
            request.is_slow = True
        await self._work(0.0)

    def _settle(self, suspects: set[uuid.UUID]) -> None:
        """Who is missing: no record, or only the part that comes of a domain that hangs; and why."""
        suspects = suspects | self._slots.domains_of_open_calls()
        for domain in self.collected.domains:
            record = self.collected.records.get(domain.uuid)
            if record is None:
                is_missing = domain.uuid not in self.collected.vanished
            else:
                is_missing = (
                    domain.uuid in self._in_part
                    or (domain.uuid in self._hanging and self._memory.is_reduced(record))
                    or (domain.uuid in suspects and self._memory.is_short(record))
                )
            if is_missing:
                self.collected.missing.add(domain.uuid)
        self._memory.release_lost(self._is_free)
        self.collected.errors += [
            error
            for key, error in self._refused_alone.items()
            if key not in self.collected.vanished
        ]

    def _is_free(self, domain: Domain) -> bool:
        """Whether a domain shows that nobody holds its job: it answered whole, or does not run."""
        if domain.uuid in self._undisturbed or domain.uuid in self.collected.vanished:
            return True
        now = next((one for one in self.collected.domains if one.uuid == domain.uuid), None)
        if now is None or now.id == -1:
            return True
        record = self.collected.records.get(domain.uuid)
        whole = record is not None and domain.uuid not in self._in_part
        return whole and record is not None and not self._memory.is_reduced(record)
