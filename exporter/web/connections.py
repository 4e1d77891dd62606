"""The open connections of clients, with a bound on their number.

At the bound the one that is idle longest gives way to a new one, then the one that has kept its request
head back for longest; where every other is being answered, the new one is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["PATIENCE_SECONDS", "Connections"]

PATIENCE_SECONDS = 1.0
"""Time that a client always has for its request head; an honest one needs a few milliseconds."""


class Droppable(Protocol):
    def drop(self) -> None: ...


C = TypeVar("C", bound=Droppable)


class Connections(Generic[C]):
    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._open: set[C] = set()
        # In the order in which they became what they are.
        self._idle: dict[C, None] = {}
        self._unheard: dict[C, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: C) -> bool:
        """Takes a new one in, perhaps in another's place; whether there was room."""
        if len(self._open) >= self._limit and not self._make_room():
            return False
        self._open.add(connection)
        self._unheard[connection] = self._clock()
        return True

    def is_reading(self, connection: C) -> None:
        """A part of a request head has come."""
        self._idle.pop(connection, None)
        if connection in self._open:
            self._unheard.setdefault(connection, self._clock())

    def is_busy(self, connection: C) -> None:
        """A request is being answered."""
        self._idle.pop(connection, None)
        self._unheard.pop(connection, None)

    def is_idle(self, connection: C) -> None:
        """An answer was sent, and the next request may come."""
        if connection in self._open:
            self._idle[connection] = None

    def forget(self, connection: C) -> None:
        self._open.discard(connection)
        self.is_busy(connection)

    def drop_unheard(self) -> None:
        """Closes those of which no request has come yet."""
        for connection in list(self._unheard):
            self._drop(connection)

    def _make_room(self) -> bool:
        victim = next(iter(self._idle), None)
        if victim is None:
            victim, since = next(iter(self._unheard.items()), (None, 0.0))
            if self._clock() - since < PATIENCE_SECONDS:
                return False
        if victim is None:
            return False
        self._drop(victim)
        return True

    def _drop(self, connection: C) -> None:
        self.forget(connection)
        connection.drop()
