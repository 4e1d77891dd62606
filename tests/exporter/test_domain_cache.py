"""What is kept of domains: fetched when new, when changed, now and then; one failure costs no other."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exporter.domain_cache import RETRY_SECONDS, DomainCache, wait_for
from exporter.pace import NotAsked, PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import NoDomain, RemoteError, SessionClosed, remote_error
from libvirt_rpc.protocol.types import Domain
from tests.support.exporting import ARCHIVE, WEB
from tests.support.virtual_time import VirtualClock, in_virtual_time

INTERVAL = 100.0


class Source:
    """What is fetched: `values` by the domain's name, an exception where it fails."""

    def __init__(self, **values: object) -> None:
        self.values = values
        self.fetched: list[str] = []

    async def __call__(self, connection: PacedConnection, domain: Domain) -> object:
        self.fetched.append(domain.name)
        value = self.values[domain.name]
        if isinstance(value, Exception):
            raise value
        return value


def standing() -> PacedConnection:
    return cast("PacedConnection", SimpleNamespace(session=SimpleNamespace(error=None)))


@contextlib.asynccontextmanager
async def watched(cache: DomainCache[object]) -> AsyncIterator[asyncio.Task[None]]:
    connection = standing()
    await cache.begin(connection)
    task = asyncio.create_task(cache.watch(connection))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def cache_of(source: Source) -> DomainCache[object]:
    return DomainCache("thing", source, interval_seconds=INTERVAL, jitter=lambda: 0.5)


def refusal(code: int) -> RemoteError:
    return remote_error(code, 10, 2, "no", int1=-1, procedure="DOMAIN_GET_XML_DESC")


@in_virtual_time
async def test_new_domains_are_fetched_and_gone_ones_forgotten(clock: VirtualClock) -> None:
    source = Source(web=1, archive=2)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB])
        assert await cache.settled(Deadline.after(1))
        assert (cache.get(WEB), cache.get(ARCHIVE)) == (1, None)
        cache.keep([WEB, ARCHIVE])
        assert await cache.settled(Deadline.after(1))
        assert list(cache) == [(WEB, 1), (ARCHIVE, 2)]
        cache.keep([ARCHIVE])
        assert list(cache) == [(ARCHIVE, 2)]
    assert source.fetched == ["web", "archive"]


@in_virtual_time
async def test_each_is_fetched_again_within_the_interval(clock: VirtualClock) -> None:
    source = Source(web=1)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB])
        await asyncio.sleep(INTERVAL * 0.74)
        assert len(source.fetched) == 1
        source.values["web"] = 2
        await asyncio.sleep(INTERVAL * 0.02)
        assert len(source.fetched) == 2
        assert cache.get(WEB) == 2


@in_virtual_time
async def test_what_changed_is_fetched_at_once_and_only_that(clock: VirtualClock) -> None:
    source = Source(web=1, archive=2)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB, ARCHIVE])
        await asyncio.sleep(1)
        cache.refresh(WEB)
        cache.refresh(
            dataclasses.replace(WEB, name="never heard of", uuid=ARCHIVE.uuid.__class__(int=9))
        )
        await asyncio.sleep(0.1)
    assert source.fetched == ["web", "archive", "web"]


@in_virtual_time
async def test_a_domain_that_fails_is_tried_again_and_costs_no_other(
    clock: VirtualClock,
) -> None:
    source = Source(web=refusal(1), archive=2)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB, ARCHIVE])
        # It was tried: nobody waits for it.
        assert await cache.settled(Deadline.after(1))
        assert list(cache) == [(ARCHIVE, 2)]
        source.values["web"] = 1
        await asyncio.sleep(RETRY_SECONDS)
        assert cache.get(WEB) == 1


@in_virtual_time
async def test_what_was_known_of_a_vanished_domain_is_dropped(clock: VirtualClock) -> None:
    source = Source(web=1)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB])
        await asyncio.sleep(1)
        source.values["web"] = NoDomain(42, 10, 2, "gone", int1=-1, procedure="X")
        cache.refresh(WEB)
        await asyncio.sleep(1)
        assert cache.get(WEB) is None


@in_virtual_time
async def test_a_mistake_of_ours_ends_nothing(
    clock: VirtualClock,
) -> None:
    source = Source(web=ZeroDivisionError("ours"), archive=2)
    cache = cache_of(source)
    async with watched(cache) as task:
        cache.keep([WEB, ARCHIVE])
        await asyncio.sleep(RETRY_SECONDS * 3)
        assert not task.done()
        assert cache.get(ARCHIVE) == 2


@in_virtual_time
async def test_behind_a_new_connection_everything_is_fetched_anew(clock: VirtualClock) -> None:
    source = Source(web=1)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB])
        await asyncio.sleep(1)
    source.values["web"] = 2
    async with watched(cache):
        assert cache.get(WEB) == 1
        assert await cache.settled(Deadline.after(1))
        assert cache.get(WEB) == 2


@in_virtual_time
async def test_a_connection_that_ends_in_between_leaves_the_domain_to_the_next(
    clock: VirtualClock,
) -> None:
    source = Source(web=SessionClosed("lost"))
    cache = cache_of(source)
    connection = standing()
    await cache.begin(connection)
    task = asyncio.create_task(cache.watch(connection))
    cache.keep([WEB])
    await task
    source.values["web"] = 1
    async with watched(cache):
        assert await cache.settled(Deadline.after(1))
    assert cache.get(WEB) == 1


@in_virtual_time
async def test_the_version_changes_with_what_is_known_and_only_then(clock: VirtualClock) -> None:
    source = Source(web=1, archive=2)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB, ARCHIVE])
        await asyncio.sleep(1)
        version = cache.version
        cache.refresh(WEB)
        cache.keep([WEB, ARCHIVE])
        await asyncio.sleep(1)
        assert cache.version == version
        source.values["web"] = 3
        cache.refresh(WEB)
        await asyncio.sleep(1)
        assert cache.version > version
        version = cache.version
        cache.keep([dataclasses.replace(WEB, name="renamed"), ARCHIVE])
        assert cache.version > version


@in_virtual_time
async def test_waiting_ends_when_the_deadline_is_brought_forward(clock: VirtualClock) -> None:
    deadline = Deadline.after(60)
    waiting = asyncio.create_task(wait_for(asyncio.Event(), deadline, reserve_seconds=0.5))
    await asyncio.sleep(1)
    deadline.bring_forward(Deadline.after(1).at)
    before = clock.now
    assert not await waiting
    assert clock.now - before <= 0.61


@pytest.mark.parametrize("is_known", [True, False])
async def test_only_a_domain_that_is_kept_takes_what_was_learnt_otherwise(is_known: bool) -> None:
    cache = cache_of(Source())
    cache.keep([WEB] if is_known else [])
    cache.put(WEB, 5)
    assert cache.get(WEB) == (5 if is_known else None)
    cache.drop(WEB)
    assert cache.get(WEB) is None


@in_virtual_time
async def test_what_was_known_is_dropped_when_it_cannot_be_asked_for(clock: VirtualClock) -> None:
    source = Source(web=1)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB])
        await asyncio.sleep(1)
        source.values["web"] = NotAsked("X", "too many calls hang")
        cache.refresh(WEB)
        await asyncio.sleep(1)
        # Nobody asked: it is as old as it was.
        assert cache.get(WEB) == 1
        source.values["web"] = refusal(1)
        cache.refresh(WEB)
        await asyncio.sleep(1)
        assert cache.get(WEB) is None


@in_virtual_time
async def test_a_domain_that_is_listed_otherwise_is_fetched_anew_without_an_event(
    clock: VirtualClock,
) -> None:
    changes: tuple[dict[str, Any], ...] = ({"id": 7}, {"id": -1}, {"name": "renamed"})
    source = Source(web=1, renamed=2)
    cache = cache_of(source)
    async with watched(cache):
        cache.keep([WEB])
        await asyncio.sleep(1)
        for number, changed in enumerate(changes, 2):
            for _ in range(2):
                cache.keep([dataclasses.replace(WEB, **changed)])
                await asyncio.sleep(1)
            assert len(source.fetched) == number


class Slow(Source):
    """Takes a second for each, and counts how many it is asked for at once."""

    at_once = most_at_once = 0

    async def __call__(self, connection: PacedConnection, domain: Domain) -> object:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        value = await super().__call__(connection, domain)
        await asyncio.sleep(1)
        self.at_once -= 1
        return value


@in_virtual_time
async def test_a_few_are_fetched_at_once_but_never_one_twice(clock: VirtualClock) -> None:
    source = Slow(web=1, archive=2)
    cache: DomainCache[object] = DomainCache("thing", source, interval_seconds=INTERVAL, at_once=3)
    async with watched(cache):
        cache.keep([WEB, ARCHIVE])
        await asyncio.sleep(0.5)
        assert source.most_at_once == 2
        source.values["web"] = 3
        cache.refresh(WEB)
        await asyncio.sleep(1)
        # It changed while it was fetched.
        assert source.fetched == ["web", "archive", "web"]
        await asyncio.sleep(1)
        assert cache.get(WEB) == 3
    assert source.most_at_once == 2


async def test_domains_that_come_and_go_leave_nothing_behind() -> None:
    cache = cache_of(Source())
    for number in range(3000):
        cache.keep([dataclasses.replace(WEB, uuid=uuid.UUID(int=number))])
    assert len(cache._queue) < 200
