"""What is kept of the last scrapes, and when the landing page has one made."""

from __future__ import annotations

import asyncio

import pytest

from exporter.application import Application
from exporter.exposition import Page, Sample
from exporter.landing.history import (
    COUNTERS,
    LONGEST_WAIT_SECONDS,
    SHORTEST_SPAN_SECONDS,
    SOON_SECONDS,
    STALE_SECONDS,
    PageHistory,
)
from exporter.metrics.rows import COUNTER, Family
from exporter.target import Target
from tests.support.daemon import ScriptedDaemon, by_table
from tests.support.exporting import QEMU_HOST, configured, exporting
from tests.support.virtual_time import VirtualClock, in_virtual_time

CPU = Family(COUNTERS[0], COUNTER, "Time.")


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def page_of(value: float) -> Page:
    page = Page()
    page.add([Sample(CPU, value)])
    return page


@pytest.fixture
def target() -> Target:
    return Application(configured("test:///default")).targets[0]


def test_the_counters_of_the_scrape_before_are_kept(target: Target) -> None:
    clock = Clock()
    history = PageHistory(clock, clock)
    first, second = page_of(1), page_of(2)
    history.note(target, first)
    last = history.last(target)
    assert last is not None
    assert (last.page, last.earlier, last.earlier_data_time) == (first, {}, None)
    clock.time += 15
    history.note(target, second)
    last = history.last(target)
    assert last is not None
    assert (last.page, last.at, last.earlier_data_time) == (second, 1015.0, 1000.0)
    assert last.earlier[COUNTERS[0]] == first.lines(COUNTERS[0])


def test_a_page_that_is_served_again_is_no_scrape(target: Target) -> None:
    clock = Clock()
    history = PageHistory(clock, clock)
    page = page_of(1)
    history.note(target, page)
    clock.time += 15
    history.note(target, page)
    last = history.last(target)
    assert last is not None
    assert (last.at, last.earlier_data_time) == (1000.0, None)


def test_two_scrapes_in_a_row_leave_the_earlier_one_to_compare_with(target: Target) -> None:
    clock = Clock()
    history = PageHistory(clock, clock)
    for step in (0.0, 15.0, SHORTEST_SPAN_SECONDS / 2):
        clock.time += step
        history.note(target, page_of(clock.time))
    last = history.last(target)
    assert last is not None
    assert (last.data_time, last.earlier_data_time) == (1016.0, 1000.0)


def test_a_recording_that_begins_anew_is_compared_with_nothing(target: Target) -> None:
    clock = Clock()
    history = PageHistory(clock, lambda: 5.0)
    history.note(target, page_of(1))
    clock.time -= 100
    history.note(target, page_of(0))
    last = history.last(target)
    assert last is not None
    assert last.earlier_data_time is None


def test_what_is_no_longer_configured_is_forgotten(target: Target) -> None:
    history = PageHistory()
    history.note(target, page_of(1))
    history.forget_others([target])
    assert history.last(target) is not None
    history.forget_others([])
    assert history.last(target) is None


async def test_a_scrape_is_made_only_where_nobody_has_made_one_lately() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        (target,) = application.targets
        clock = Clock()
        history = PageHistory(clock, clock)
        made: list[float] = []

        async def scrape(one: Target) -> None:
            made.append(clock.time)
            history.note(one, page_of(clock.time))

        for step in (0.0, SOON_SECONDS - 1, 1.0, SOON_SECONDS, STALE_SECONDS - 6, 1.0):
            clock.time += step
            await history.refresh([target], scrape)
        assert made == [1000.0, 1005.0, 1065.0]


async def test_nothing_is_asked_where_there_is_no_connection() -> None:
    async with exporting(configured("qemu:///system?socket=/dev/null/none")) as application:
        await PageHistory().refresh(application.targets, lambda _: pytest.fail("it was scraped"))


def test_a_scrape_that_hangs_holds_the_page_up_for_a_moment_only() -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        async with (
            ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
            exporting(configured(daemon.uri)) as application,
        ):
            ended = asyncio.Event()

            async def hang(_: Target) -> None:
                await asyncio.sleep(60)
                ended.set()
                raise RuntimeError

            began = clock()
            await PageHistory().refresh(application.targets, hang)
            assert clock() - began == pytest.approx(LONGEST_WAIT_SECONDS)
            await ended.wait()

    run()
