"""A point in time by which an answer is wanted; one object travels down a call.

It reads the monotonic clock and nothing else; no function below invents a timeout of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


def _monotonic() -> float:
    # Looked up at each call: a test may have put another clock in its place.
    return time.monotonic()


@dataclass(slots=True)
class Deadline:
    """`at` is in seconds of `clock`, by default the monotonic clock that asyncio's loop uses too."""

    at: float
    clock: Callable[[], float] = field(default=_monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = _monotonic) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        return self.clock() >= self.at

    def bring_forward(self, at: float) -> None:
        """Moves it to `at` where that is earlier: somebody who waits along wants the answer sooner."""
        self.at = min(self.at, at)
