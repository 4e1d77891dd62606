"""Tests that wait without waiting: a loop whose clock jumps to the next timer when it is idle.

Sockets are real; what was written to one is there to be read at once, so the loop is idle only when
all of it was. A test that would wait for ever fails at once.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

_NANOSECOND = 1e-9
"""No clock stands still: who waits for the rest of a deadline, which may round to 0, shall come out."""


class VirtualClock:
    """Stands in for time.monotonic."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _ImpatientSelector(selectors.SelectSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise AssertionError("no timer runs and no socket is ready: this would wait for ever")
        self._clock.now += max(_NANOSECOND, timeout)
        return ready


def in_virtual_time(
    test: Callable[[VirtualClock], Coroutine[Any, Any, None]],
) -> Callable[[], None]:
    """Makes a test of a coroutine function; the loop's timers go by the clock that it gets."""

    def run() -> None:
        clock = VirtualClock()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "monotonic", clock)
            loop = asyncio.SelectorEventLoop(_ImpatientSelector(clock))
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(test(clock))

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run
