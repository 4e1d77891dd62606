"""One thing about a hypervisor that hardly changes, fetched in the background and kept."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from exporter.domain_cache import RETRY_SECONDS, wait_for
from exporter.hypervisor import timeless
from exporter.logs import StateLogger
from exporter.pace import PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError

T = TypeVar("T")

logger = logging.getLogger(__name__)

BUNCH_SECONDS = 1.0
"""Changes come in bunches."""


class KeptValue(Generic[T]):
    """A watcher of the connection. `value` is None until it was fetched once on this connection.

    It is fetched at the beginning of a connection, every `interval_seconds` (half of it sure, half by
    chance) and soon after `refresh`.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[PacedConnection], Awaitable[T]],
        *,
        interval_seconds: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.value: T | None = None
        self._fetch = fetch
        self._interval = interval_seconds
        self._jitter = jitter
        self._fetched = asyncio.Event()
        self._stale = asyncio.Event()
        self._states = StateLogger(logger)

    def refresh(self) -> None:
        """Something changed: it is fetched soon."""
        self._stale.set()

    async def settled(self, deadline: Deadline, *, reserve_seconds: float = 0.0) -> T | None:
        """The value; on a new connection waits for it until `reserve_seconds` before the deadline."""
        await wait_for(self._fetched, deadline, reserve_seconds=reserve_seconds)
        return self.value

    async def begin(self, connection: PacedConnection) -> None:  # noqa: ARG002
        self.value = None
        self._fetched.clear()

    async def watch(self, connection: PacedConnection) -> None:
        while connection.session.error is None:
            self._stale.clear()
            pause = await self._try(connection)
            self._fetched.set()
            try:
                async with asyncio.timeout(pause / 2 + self._jitter() * pause / 2):
                    await self._stale.wait()
                await asyncio.sleep(BUNCH_SECONDS)
            except TimeoutError:
                continue

    async def _try(self, connection: PacedConnection) -> float:
        """Fetches; gives the seconds until the next time."""
        try:
            self.value = await self._fetch(connection)
        except LibvirtRPCError as exc:
            # What was known is old: an unknown value is absent.
            self.value = None
            self._states.failed(self.name, f"{self.name}: {timeless(exc)}")
            return min(RETRY_SECONDS, self._interval)
        except Exception:
            # A mistake of ours must not end the attempts: nobody would start them again.
            self.value = None
            logger.exception("%s failed", self.name)
            return min(RETRY_SECONDS, self._interval)
        self._states.recovered(self.name, f"{self.name} again")
        return self._interval
