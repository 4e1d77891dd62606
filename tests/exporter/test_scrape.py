"""One scrape: on time whatever the daemon does, one collection for all who ask at once."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

import pytest

from exporter.application import Application
from exporter.collectors.collector import Collector, Scrape
from exporter.config import Config, MetricsConfig
from exporter.exposition import Sample
from exporter.metrics.own import UNKNOWN_FIELDS
from exporter.scrape import Scraper
from libvirt_rpc.protocol import procedures as p
from tests.support.daemon import ScriptedDaemon, by_table, closes, never, refuses
from tests.support.exporting import (
    QEMU_HOST,
    STATISTICS_ALONE,
    Held,
    configured,
    exporting,
)
from tests.support.pages import ReadPage, read_page
from tests.support.virtual_time import VirtualClock, in_virtual_time

NOBODY_THERE = configured("qemu+unix:///system?socket=/nonexistent/libvirt-sock")
LIST = p.CONNECT_LIST_ALL_DOMAINS
STATS = p.CONNECT_GET_ALL_DOMAIN_STATS


async def scrape(application: Application, timeout_seconds: float | None = None) -> ReadPage:
    return read_page((await application.scraper.scrape(timeout_seconds)).render())


# What a page says of the scrape.


async def test_without_a_connection_the_page_says_so() -> None:
    async with exporting(NOBODY_THERE) as application:
        page = await scrape(application)
    assert page.value("libvirt_exporter_connected") == 0
    assert page.value("libvirt_exporter_last_scrape_error") == 1
    assert page.value("libvirt_exporter_scrapes_total") == 1
    assert page.value("libvirt_exporter_reconnects_total") == 0
    assert page.labels("libvirt_connection_info", "connected") == ["false"]
    assert page.labels("libvirt_connection_info", "uri") == ["qemu+unix:///system"]
    assert page.domain_names == set()


async def test_with_a_connection_the_page_has_domains_and_says_that_all_went_well() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        await scrape(application)
        page = await scrape(application)
    assert page.value("libvirt_exporter_connected") == 1
    assert page.value("libvirt_exporter_last_scrape_error") == 0
    assert page.value("libvirt_exporter_scrapes_total") == 2
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1
    assert 0 <= page.value("libvirt_exporter_last_scrape_duration_seconds") < 10
    assert 0 <= page.value("libvirt_exporter_collector_duration_seconds") < 10
    assert page.labels("libvirt_connection_info", "connected") == ["true"]
    assert page.domain_names == {"web", "archive"}


async def test_a_connection_that_is_lost_meanwhile_is_not_called_connected() -> None:
    async with (
        ScriptedDaemon(by_table({**QEMU_HOST, LIST: closes})) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        page = await scrape(application)
    assert page.value("libvirt_exporter_connected") == 0
    assert page.value("libvirt_exporter_last_scrape_error") == 1
    assert page.value("libvirt_exporter_collector_success") == 0


async def test_the_extra_labels_are_on_every_sample() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        labels = (("rack", 'r"12'), ("zone", "b"))
        config = dataclasses.replace(configured(daemon.uri), metrics=MetricsConfig(labels))
        async with exporting(config) as application:
            page = await scrape(application)
    assert page.samples
    assert all(own >= set(labels) for _, own in page.samples)


# A scrape never waits for a connection.


@in_virtual_time
async def test_a_scrape_never_waits_for_a_connection(clock: VirtualClock) -> None:
    async with ScriptedDaemon(by_table({p.AUTH_LIST: never})) as daemon:
        application = Application(configured(daemon.uri))
        connecting = asyncio.create_task(application.hypervisor.run())
        await daemon.first_peer()
        began = clock()
        page = await scrape(application)
        assert clock() == pytest.approx(began, abs=0.001)
        connecting.cancel()
        await asyncio.wait([connecting])
    assert page.value("libvirt_exporter_connected") == 0


# Scrapes that overlap.


async def test_two_scrapes_that_overlap_cause_one_collection() -> None:
    held = Held(QEMU_HOST[LIST])
    async with (
        ScriptedDaemon(by_table({**QEMU_HOST, LIST: held})) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        first = asyncio.create_task(application.scraper.scrape())
        await held.called()
        second = asyncio.create_task(application.scraper.scrape())
        await asyncio.sleep(0)
        held.let_go()
        assert await first is await second
        assert held.count == 1
        assert len(daemon.peer.calls(STATS)) == 2  # one for what runs and one for what does not


async def test_a_client_that_goes_away_does_not_take_the_others_page_with_it() -> None:
    held = Held(QEMU_HOST[LIST])
    async with (
        ScriptedDaemon(by_table({**QEMU_HOST, LIST: held})) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        impatient = asyncio.create_task(application.scraper.scrape())
        await held.called()
        patient = asyncio.create_task(application.scraper.scrape())
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        held.let_go()
        page = read_page((await patient).render())
        assert held.count == 1
    assert page.value("libvirt_exporter_collector_success") == 1


async def test_a_scrape_after_another_collects_anew() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        for _ in range(3):
            await application.scraper.scrape()
        assert len(daemon.peer.calls(LIST)) == 3


@in_virtual_time
async def test_within_the_least_interval_the_last_page_is_served_again(
    clock: VirtualClock,
) -> None:
    collectors = dataclasses.replace(STATISTICS_ALONE, min_interval_seconds=5.0)
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri, collectors=collectors)) as application,
    ):
        first = await application.scraper.scrape()
        await asyncio.sleep(4.5)
        assert await application.scraper.scrape() is first
        await asyncio.sleep(1)
        assert await application.scraper.scrape() is not first
        assert len(daemon.peer.calls(LIST)) == 2


# Deadlines.


async def seconds_of_scrapes(
    clock: VirtualClock, config: Config, *scrapes: tuple[float, float | None]
) -> list[float]:
    """How long each scrape took that began so many seconds after the first, with this timeout."""
    async with exporting(config) as application:
        began = clock()

        async def one(after: float, timeout_seconds: float | None) -> float:
            await asyncio.sleep(after)
            started = clock()
            page = await scrape(application, timeout_seconds)
            assert page.value("libvirt_exporter_last_scrape_error") == 1
            return clock() - started

        seconds = await asyncio.gather(*(one(*each) for each in scrapes))
        assert clock() - began < 100
        return seconds


@pytest.mark.parametrize("procedure", [LIST, STATS], ids=["list", "stats"])
@pytest.mark.parametrize(
    ("configured_seconds", "scrapes", "expected"),
    [
        (3.0, [(0.0, None)], [3.0]),
        (3.0, [(0.0, 100.0)], [3.0]),
        (30.0, [(0.0, 2.0)], [2.0]),
        (30.0, [(0.0, 20.0), (1.0, 4.0)], [5.0, 4.0]),
        (30.0, [(0.0, 4.0), (1.0, 20.0)], [4.0, 3.0]),
    ],
    ids=["configured", "no longer", "shorter", "earlier comes later", "earlier comes first"],
)
def test_a_page_is_there_by_the_earliest_deadline_of_all_who_wait(
    procedure: p.Procedure[object, object],
    configured_seconds: float,
    scrapes: list[tuple[float, float | None]],
    expected: list[float],
) -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        async with ScriptedDaemon(by_table({**QEMU_HOST, procedure: never})) as daemon:
            config = configured(
                daemon.uri, timeout_seconds=configured_seconds, keepalive_interval_seconds=0
            )
            taken = await seconds_of_scrapes(clock, config, *scrapes)
        for seconds, most in zip(taken, expected, strict=True):
            # Half a second or a tenth is kept for the last steps.
            assert most - 0.6 <= seconds <= most + 0.001

    run()


# Failures.


@in_virtual_time
async def test_a_collector_that_fails_the_same_way_is_logged_once(clock: VirtualClock) -> None:
    logged = _LogCatcher()
    async with (
        ScriptedDaemon(by_table({**QEMU_HOST, LIST: refuses(1, "broken")})) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        with logged:
            for _ in range(3):
                await scrape(application)
            daemon.script = by_table({**QEMU_HOST, LIST: refuses(1, "worse")})
            await scrape(application)
            daemon.script = by_table(QEMU_HOST)
            for _ in range(2):
                await scrape(application)
    assert logged.messages == [
        "collector domain_stats: CONNECT_LIST_ALL_DOMAINS: broken (libvirt error 1, domain 7)",
        "collector domain_stats: CONNECT_LIST_ALL_DOMAINS: worse (libvirt error 1, domain 7)",
        "collector domain_stats works again",
    ]


@in_virtual_time
async def test_a_daemon_that_hangs_is_logged_once_however_long_it_does(
    clock: VirtualClock,
) -> None:
    logged = _LogCatcher()
    with logged:
        async with ScriptedDaemon(by_table({**QEMU_HOST, LIST: never})) as daemon:
            config = configured(daemon.uri, timeout_seconds=2.0, keepalive_interval_seconds=0)
            async with exporting(config) as application:
                for _ in range(4):
                    page = await scrape(application)
                    await asyncio.sleep(15)
    assert page.value("libvirt_exporter_collector_success") == 0
    assert logged.messages == [
        "collector domain_stats: libvirt did not answer CONNECT_LIST_ALL_DOMAINS in time"
    ]


class Stumbling:
    """A collector with a mistake in it."""

    name = "stumbling"

    async def collect(self, scrape: Scrape) -> None:
        raise ZeroDivisionError("a mistake")


class Resigning:
    """A collector that ends as if somebody had cancelled it."""

    name = "resigning"

    async def collect(self, scrape: Scrape) -> None:
        raise asyncio.CancelledError


class Modest:
    """A collector that has one figure."""

    name = "modest"

    async def collect(self, scrape: Scrape) -> None:
        scrape.page.add([Sample(UNKNOWN_FIELDS, 7)])


async def test_a_mistake_in_one_collector_costs_no_other_its_figures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        collectors: list[Collector] = [Stumbling(), Modest()]
        scraper = Scraper(application.hypervisor, collectors)
        page = read_page((await scraper.scrape()).render())
    assert page.value("libvirt_exporter_collector_success", collector="stumbling") == 0
    assert page.value("libvirt_exporter_collector_success", collector="modest") == 1
    assert page.value("libvirt_exporter_unknown_fields") == 7
    assert page.value("libvirt_exporter_last_scrape_error") == 1
    (logged,) = [one for one in caplog.records if one.exc_info]
    assert logged.getMessage() == "collector stumbling failed"


async def test_a_collector_that_is_cancelled_by_itself_costs_nobody_the_page() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        scraper = Scraper(application.hypervisor, [Resigning(), Modest()])
        page = read_page((await scraper.scrape()).render())
    assert page.value("libvirt_exporter_collector_success", collector="resigning") == 0
    assert page.value("libvirt_exporter_unknown_fields") == 7


@pytest.mark.parametrize(("code", "reason"), [(3, "unsupported"), (29, "denied"), (88, "denied")])
async def test_what_libvirt_does_not_offer_is_no_failure_of_the_scrape(
    code: int, reason: str
) -> None:
    refusal = refuses(code, "not here")
    answers = by_table({**QEMU_HOST, p.CONNECT_GET_ALL_DOMAIN_STATS: refusal})
    async with ScriptedDaemon(answers) as daemon, exporting(configured(daemon.uri)) as application:
        page = read_page((await application.scraper.scrape()).render())
    available = "libvirt_exporter_collector_available"
    assert page.value(available, collector="domain_stats", reason=reason) == 0
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 0
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_a_collector_that_works_is_available() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        page = read_page((await application.scraper.scrape()).render())
    available = "libvirt_exporter_collector_available"
    assert page.value(available, collector="domain_stats", reason="") == 1


class _LogCatcher(logging.Handler):
    """The scraper's log lines; pytest's own fixture cannot be had in virtual time."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []
        self._logger = logging.getLogger("exporter.scrape")

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> None:
        self._logger.addHandler(self)
        self._level = self._logger.level
        self._logger.setLevel(logging.INFO)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
