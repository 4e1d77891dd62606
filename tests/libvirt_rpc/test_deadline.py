"""A deadline is a point in time of the clock that it was made with."""

from __future__ import annotations

import asyncio

from libvirt_rpc.deadline import Deadline
from tests.support.virtual_time import VirtualClock


def test_what_remains_goes_down_to_nothing_and_stays_there() -> None:
    clock = VirtualClock()
    deadline = Deadline.after(2.0, clock)
    assert (deadline.remaining(), deadline.expired) == (2.0, False)
    clock.now += 1.5
    assert (deadline.remaining(), deadline.expired) == (0.5, False)
    clock.now += 0.5
    assert (deadline.remaining(), deadline.expired) == (0.0, True)
    clock.now += 100
    assert (deadline.remaining(), deadline.expired) == (0.0, True)


def test_a_deadline_can_be_brought_forward_and_never_put_off() -> None:
    clock = VirtualClock()
    deadline = Deadline.after(2.0, clock)
    deadline.bring_forward(clock.now + 5.0)
    assert deadline.remaining() == 2.0
    deadline.bring_forward(clock.now + 0.5)
    assert deadline.remaining() == 0.5
    clock.now += 0.5
    assert deadline.expired


async def test_without_a_clock_it_is_the_event_loops() -> None:
    now = asyncio.get_running_loop().time()
    assert 59.0 < Deadline.after(60.0).at - now < 61.0


def test_deadlines_are_equal_by_their_time() -> None:
    assert Deadline(5.0) == Deadline(5.0, VirtualClock())
    assert "clock" not in repr(Deadline(5.0))
