"""A token bucket: so many at once, then one an interval."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["RateLimit"]


class RateLimit:
    def __init__(
        self, interval_seconds: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.interval_seconds = interval_seconds
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._last = clock()

    def allows(self) -> bool:
        """Takes a token, where there is one."""
        now = self._clock()
        earned = (now - self._last) / self.interval_seconds
        self._tokens = min(float(self._burst), self._tokens + earned)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
