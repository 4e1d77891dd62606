"""One thing about every domain, fetched in the background and kept: no scrape waits for it twice.

It is fetched when a domain is new, when somebody says that it changed, and every now and then, spread
over the interval, in case nobody said so. A few domains at a time; one that fails costs no other.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from exporter.logs import StateLogger
from exporter.pace import NotAsked, PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError, NoDomain, SessionClosed
from libvirt_rpc.protocol.types import Domain

T = TypeVar("T")

Fetch = Callable[[PacedConnection, Domain], Awaitable[T]]

RETRY_SECONDS = 30.0
"""After a failure; the interval where that is less."""

LONGEST_WAIT_SECONDS = 0.1
SLACK = 100
FIRST_WAIT_SECONDS = 2.0

logger = logging.getLogger(__name__)


class DomainCache(Generic[T]):
    """`get` is what is known of a domain, or None. `watch` fetches, for as long as a connection lasts."""

    def __init__(
        self,
        name: str,
        fetch: Fetch[T],
        *,
        interval_seconds: float,
        at_once: int = 1,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._fetch = fetch
        self._interval = interval_seconds
        self._at_once = at_once
        self._jitter = jitter
        self.version = 0
        """Goes up whenever a value or a domain's name is another."""
        self._domains: dict[uuid.UUID, Domain] = {}
        self._values: dict[uuid.UUID, T] = {}
        self._due: dict[uuid.UUID, float] = {}
        self._queue: list[tuple[float, uuid.UUID]] = []
        self._new: set[uuid.UUID] = set()
        self._fetching: set[uuid.UUID] = set()
        self._fetched_too_early: set[uuid.UUID] = set()
        """What changed while it was fetched."""
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._states = StateLogger(logger)

    def __iter__(self) -> Iterator[tuple[Domain, T]]:
        """The domains of which something is known, with it."""
        for key, value in self._values.items():
            yield self._domains[key], value

    def get(self, domain: Domain) -> T | None:
        return self._values.get(domain.uuid)

    def put(self, domain: Domain, value: T) -> None:
        """Takes what was learnt otherwise. A domain that is not kept is passed over."""
        if domain.uuid in self._domains:
            self._set(domain.uuid, value)

    def drop(self, domain: Domain) -> None:
        """Forgets what is known of a domain, not the domain."""
        self._unset(domain.uuid)

    def keep(self, domains: Iterable[Domain]) -> None:
        """These are the domains now: the new ones are fetched soon, the others forgotten."""
        now = asyncio.get_running_loop().time()
        kept = {domain.uuid: domain for domain in domains}
        for gone in self._domains.keys() - kept.keys():
            self._unset(gone)
            self._due.pop(gone, None)
            self._new.discard(gone)
            self._states.forget(str(gone))
        for key, domain in kept.items():
            known = self._domains.get(key)
            if known is None:
                self._new.add(key)
            if domain != known:
                # It came, started, stopped, or has another name; not every driver says so by events.
                self._schedule(key, now)
        if kept != self._domains:
            self.version += 1
        self._domains = kept
        self._note_settled()

    def refresh(self, domain: Domain) -> None:
        """Something about the domain changed: it is fetched soon."""
        if domain.uuid in self._domains:
            self._domains[domain.uuid] = domain
            self._schedule(domain.uuid, asyncio.get_running_loop().time())

    async def settled(self, deadline: Deadline, *, reserve_seconds: float = 0.0) -> bool:
        """Whether every domain was fetched once; waits for it until `reserve_seconds` before the deadline."""
        return await wait_for(self._settled, deadline, reserve_seconds=reserve_seconds)

    async def begin(self, connection: PacedConnection) -> None:  # noqa: ARG002
        """Behind a new connection everything may be otherwise: it is fetched anew, and soon."""
        now = asyncio.get_running_loop().time()
        for key in self._domains:
            self._new.add(key)
            self._schedule(key, now)
        self._note_settled()

    async def watch(self, connection: PacedConnection) -> None:
        """Fetches what is due, until it is cancelled or the connection ends."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._at_once):
                tasks.create_task(self._work(connection))

    async def _work(self, connection: PacedConnection) -> None:
        while connection.session.error is None:
            key = await self._next_due()
            self._fetching.add(key)
            try:
                await self._fetch_one(connection, key)
            except SessionClosed:
                # It is fetched on the next connection.
                self._schedule(key, asyncio.get_running_loop().time())
                return
            finally:
                self._fetching.discard(key)
                if key in self._fetched_too_early:
                    self._fetched_too_early.discard(key)
                    self._schedule(key, asyncio.get_running_loop().time())

    async def _next_due(self) -> uuid.UUID:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._queue and self._due.get(self._queue[0][1]) != self._queue[0][0]:
                heapq.heappop(self._queue)  # replaced or gone
            if self._queue and self._queue[0][0] <= loop.time():
                _, key = heapq.heappop(self._queue)
                del self._due[key]
                if key not in self._fetching:
                    return key
                self._fetched_too_early.add(key)
                continue
            wait = self._queue[0][0] - loop.time() if self._queue else None
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _fetch_one(self, connection: PacedConnection, key: uuid.UUID) -> None:
        domain = self._domains.get(key)
        if domain is None:
            return
        pause = self._interval
        try:
            value = await self._fetch(connection, domain)
        except SessionClosed:
            raise
        except NoDomain:
            self._unset(key)
        except LibvirtRPCError as exc:
            pause = min(RETRY_SECONDS, self._interval)
            if not isinstance(exc, NotAsked):
                # What was known is old: an unknown value is absent.
                self._unset(key)
            self._states.failed(
                str(key), f"{self.name} of {domain.name}: {type(exc).__name__}: {exc}"
            )
        except Exception:
            pause = min(RETRY_SECONDS, self._interval)
            self._unset(key)
            logger.exception("%s of %s failed", self.name, domain.name)
        else:
            self._states.recovered(str(key), f"{self.name} of {domain.name} again")
            if key in self._domains:
                self._set(key, value)
        self._new.discard(key)
        self._note_settled()
        if key in self._domains and key not in self._due:
            # Not all at once: half of the pause sure, half by chance.
            wait = pause / 2 + self._jitter() * pause / 2
            self._schedule(key, asyncio.get_running_loop().time() + wait)

    def _set(self, key: uuid.UUID, value: T) -> None:
        if self._values.get(key) != value:
            self._values[key] = value
            self.version += 1

    def _unset(self, key: uuid.UUID) -> None:
        if self._values.pop(key, None) is not None:
            self.version += 1

    def _schedule(self, key: uuid.UUID, at: float) -> None:
        known = self._due.get(key)
        if known is not None and known <= at:
            return
        self._due[key] = at
        if len(self._queue) > 2 * len(self._due) + SLACK:
            # Mostly what was replaced, or is gone.
            self._queue = [(due, one) for one, due in self._due.items()]
            heapq.heapify(self._queue)
        else:
            heapq.heappush(self._queue, (at, key))
        self._changed.set()

    def _note_settled(self) -> None:
        if self._new:
            self._settled.clear()
        else:
            self._settled.set()


async def first_values(cache: DomainCache[T], deadline: Deadline) -> None:
    """Waits, on a new connection, for what is worth a short wait and no long one."""
    longest = Deadline(min(deadline.at, deadline.clock() + FIRST_WAIT_SECONDS), deadline.clock)
    await cache.settled(longest, reserve_seconds=min(FIRST_WAIT_SECONDS, deadline.remaining() / 10))


async def wait_for(
    event: asyncio.Event, deadline: Deadline, *, reserve_seconds: float = 0.0
) -> bool:
    """Waits for the event until `reserve_seconds` before the deadline; says whether it came."""
    while not event.is_set() and (left := deadline.remaining() - reserve_seconds) > 0:
        try:
            # The deadline may be brought forward meanwhile.
            async with asyncio.timeout(min(LONGEST_WAIT_SECONDS, left)):
                await event.wait()
        except TimeoutError:
            continue
    return event.is_set()
