"""What is kept of a hypervisor: fetched at the start, now and then, and soon after a change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

from exporter.domain_cache import RETRY_SECONDS
from exporter.kept_value import BUNCH_SECONDS, KeptValue
from exporter.pace import PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import CallTimeout
from tests.support.virtual_time import VirtualClock, in_virtual_time

INTERVAL = 100.0


class Source:
    def __init__(self, *values: object) -> None:
        self.values = list(values)
        self.fetched = 0

    async def __call__(self, connection: PacedConnection) -> object:
        self.fetched += 1
        value = self.values[min(self.fetched, len(self.values)) - 1]
        if isinstance(value, Exception):
            raise value
        return value


@contextlib.asynccontextmanager
async def watched(kept: KeptValue[object]) -> AsyncIterator[None]:
    connection = cast("PacedConnection", SimpleNamespace(session=SimpleNamespace(error=None)))
    await kept.begin(connection)
    task = asyncio.create_task(kept.watch(connection))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def kept_from(source: Source) -> KeptValue[object]:
    return KeptValue("thing", source, interval_seconds=INTERVAL, jitter=lambda: 0.5)


@in_virtual_time
async def test_the_first_that_asks_waits_and_the_others_do_not(clock: VirtualClock) -> None:
    source = Source(1, 2)
    kept = kept_from(source)
    async with watched(kept):
        assert kept.value is None
        assert await kept.settled(Deadline.after(1)) == 1
        assert await kept.settled(Deadline.after(0)) == 1
    assert source.fetched == 1


@in_virtual_time
async def test_it_is_fetched_again_within_the_interval(clock: VirtualClock) -> None:
    source = Source(1, 2)
    kept = kept_from(source)
    async with watched(kept):
        await asyncio.sleep(INTERVAL * 0.74)
        assert source.fetched == 1
        await asyncio.sleep(INTERVAL * 0.02)
        assert source.fetched == 2
        assert await kept.settled(Deadline.after(0)) == 2


@in_virtual_time
async def test_changes_in_a_bunch_are_one_fetch(clock: VirtualClock) -> None:
    source = Source(1, 2)
    kept = kept_from(source)
    async with watched(kept):
        await asyncio.sleep(1)
        for _ in range(5):
            kept.refresh()
            await asyncio.sleep(0)
        await asyncio.sleep(BUNCH_SECONDS + 0.1)
        assert kept.value == 2
    assert source.fetched == 2


@in_virtual_time
async def test_a_failure_leaves_nothing_old_and_is_tried_again(clock: VirtualClock) -> None:
    source = Source(1, CallTimeout("SOMETHING", 1.0), 3)
    kept = kept_from(source)
    async with watched(kept):
        await asyncio.sleep(INTERVAL * 0.76)
        assert kept.value is None
        # Nobody waits for it: it was tried.
        assert await kept.settled(Deadline.after(0)) is None
        await asyncio.sleep(RETRY_SECONDS)
        assert kept.value == 3


@in_virtual_time
async def test_behind_a_new_connection_nothing_old_is_shown(clock: VirtualClock) -> None:
    source = Source(1, 2)
    kept = kept_from(source)
    async with watched(kept):
        await asyncio.sleep(1)
    connection = cast("PacedConnection", SimpleNamespace(session=SimpleNamespace(error=None)))
    await kept.begin(connection)
    assert kept.value is None
    async with watched(kept):
        assert await kept.settled(Deadline.after(1)) == 2


@in_virtual_time
async def test_a_mistake_of_ours_ends_nothing(clock: VirtualClock) -> None:
    kept = kept_from(Source(1, ZeroDivisionError("ours"), 3))
    async with watched(kept):
        await asyncio.sleep(INTERVAL * 0.76)
        assert kept.value is None
        await asyncio.sleep(RETRY_SECONDS)
        assert kept.value == 3
