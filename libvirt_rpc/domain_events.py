"""Subscribing to the events that a daemon pushes over a connection: registrations out, events in.

A Subscription takes every message of its connection as it arrives and keeps it until it is read; it
never makes the session wait, neither for a consumer nor for a decoder. It lasts as long as the session:
after a reconnect, subscribe again, then list, so that no change falls in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Self

from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainEventID, ErrorNumber
from libvirt_rpc.errors import DecodeError, RemoteError
from libvirt_rpc.protocol.events import Event, UnknownEvent, decode_event
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.session import Session

logger = logging.getLogger(__name__)

DEFAULT_EVENT_IDS: frozenset[DomainEventID] = frozenset(DomainEventID) - {
    DomainEventID.RTC_CHANGE,
    DomainEventID.GRAPHICS,
    # The same as another, with less in it: IO_ERROR_REASON and BLOCK_JOB_2.
    DomainEventID.IO_ERROR,
    DomainEventID.BLOCK_JOB,
}
"""What says something about a domain's health, configuration or work."""

QUEUE_SIZE = 10_000
"""Events that wait for a reader, before the oldest are dropped."""

# What a daemon says of an event that it does not know: an older one, or one of another driver.
_UNKNOWN_ID = frozenset({ErrorNumber.INTERNAL_ERROR, ErrorNumber.NO_SUPPORT, ErrorNumber.RPC})
# "event callback already tracked": a registration whose reply nobody waited for went through.
_REGISTERED_BEFORE = ErrorNumber.INVALID_ARG


class Subscription:
    """The events of one connection, decoded, in the order in which the daemon sent them.

    Iterate over it with `async for`; the iteration ends behind the session's last event. Whatever else
    registers events on the connection, such as a network's, has them delivered here, too.
    """

    def __init__(self, session: Session, *, queue_size: int = QUEUE_SIZE) -> None:
        assert session.on_message is None, "a session has one subscription"
        self.ids: frozenset[DomainEventID] = frozenset()
        """What the daemon took the registration of."""
        self.refused: Mapping[DomainEventID, RemoteError] = MappingProxyType({})
        """What it does not know, in its own words."""
        self.unknown = 0
        """Messages that are not known here."""
        self.undecodable = 0
        """Messages whose body is none of their number."""
        self.dropped = 0
        """Events that waited too long for a reader."""
        self._session = session
        self._events: deque[Event] = deque(maxlen=queue_size)
        self._arrived = asyncio.Event()
        session.on_message = self._receive
        session.on_end = self._arrived.set

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._session.error is not None:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    def _receive(self, frame: Frame) -> None:
        try:
            event = decode_event(frame)
        except DecodeError as exc:
            self.undecodable += 1
            logger.debug("passed over message %d: %s", frame.procedure, exc)
            return
        if isinstance(event, UnknownEvent):
            self.unknown += 1
            return
        if len(self._events) == self._events.maxlen:
            self.dropped += 1
        self._events.append(event)
        self._arrived.set()


async def subscribe(
    connection: Connection,
    ids: Iterable[DomainEventID] = DEFAULT_EVENT_IDS,
    *,
    deadline: Deadline | None = None,
    queue_size: int = QUEUE_SIZE,
) -> Subscription:
    """Registers each of `ids` and gives their events, from the first on; once for each connection.

    What this daemon does not know is passed over, see `refused`. Where it takes none at all, the first
    refusal is raised: NoSupport where the driver has no events. Raises every other error of a call.
    """
    subscription = Subscription(connection.session, queue_size=queue_size)
    try:
        await _register(subscription, connection, sorted(set(ids)), deadline)
    except BaseException:
        connection.session.on_message = connection.session.on_end = None
        raise
    return subscription


async def _register(
    subscription: Subscription,
    connection: Connection,
    ids: list[DomainEventID],
    deadline: Deadline | None,
) -> None:
    outcomes = await asyncio.gather(
        *(connection.domain_event_register_any(one, deadline=deadline) for one in ids),
        return_exceptions=True,
    )
    registered: set[DomainEventID] = set()
    refused: dict[DomainEventID, RemoteError] = {}
    for event_id, outcome in zip(ids, outcomes, strict=True):
        code = outcome.code if isinstance(outcome, RemoteError) else None
        if isinstance(outcome, int) or code == _REGISTERED_BEFORE:
            registered.add(event_id)
        elif isinstance(outcome, RemoteError) and code in _UNKNOWN_ID:
            refused[event_id] = outcome
        else:
            raise outcome
    if refused and not registered:
        raise next(iter(refused.values()))
    subscription.ids = frozenset(registered)
    subscription.refused = MappingProxyType(refused)
