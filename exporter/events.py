"""What libvirt says happened: registered for once a connection, handed to whoever wants to know.

Nothing is replayed by libvirt, so what happened while there was no connection is not known.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from exporter.availability import Availability, reason_of
from exporter.pace import PacedConnection
from libvirt_rpc.connection import Connection
from libvirt_rpc.domain_events import Subscription, subscribe
from libvirt_rpc.errors import LibvirtRPCError, SessionClosed
from libvirt_rpc.protocol.events import Event

logger = logging.getLogger(__name__)

PART = "domain_events"
REGISTRATION_SECONDS = 10.0
RETRY_SECONDS = 30.0

Listener = Callable[[Event], None]


class EventHub:
    """A watcher of the connection; `listeners` are called with each event, in order, at once.

    `clock` gives the Unix time at which an event is heard: events carry none.
    """

    def __init__(
        self, availability: Availability, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.clock = clock
        self.listeners: list[Listener] = []
        self.subscription: Subscription | None = None
        self._availability = availability

    async def begin(self, connection: PacedConnection) -> None:
        self.subscription = None
        if self.listeners:
            await self._subscribe(connection)

    async def _subscribe(self, connection: PacedConnection) -> None:
        try:
            # At the beginning nothing else is in flight, and none of these calls waits for anything.
            unpaced = Connection(connection.session, connection.uri, REGISTRATION_SECONDS)
            self.subscription = await subscribe(unpaced)
        except LibvirtRPCError as exc:
            reason = reason_of(exc)
            if not reason:
                raise
            self._availability.switch_off(PART, reason)

    async def watch(self, connection: PacedConnection) -> None:
        while self.subscription is None:
            if not self.listeners or self._availability.is_off(PART):
                return
            # The daemon took no registration in time: it may do so later.
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._subscribe(connection)
            except SessionClosed:
                return
            except LibvirtRPCError as exc:
                logger.debug("events could not be registered for: %s", exc)
        async for event in self.subscription:
            for listener in self.listeners:
                try:
                    listener(event)
                except Exception:
                    logger.exception("an event could not be used")
