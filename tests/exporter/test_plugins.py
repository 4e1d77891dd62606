"""Whatever a plugin does: its own samples or none are on the page, and nobody else's are missing."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import plugin as public
from exporter.config import CollectorsConfig, LibvirtConfig, ModuleConfig
from exporter.exposition import Format, Labels, Page
from exporter.plugin import Family, MetricType, Sample, Scrape
from exporter.plugins import CheckedSamples, Claims, Plugin, PluginCollector
from exporter.target import Target, make_target
from libvirt_rpc.protocol import procedures as p
from tests.support.daemon import ScriptedDaemon, by_table, refuses
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE
from tests.support.pages import ReadPage, read_page, samples_of
from tests.support.virtual_time import VirtualClock, in_virtual_time

OWN = Family("own_things", MetricType.GAUGE, "Things of the plugin.")
SUCCESS = "libvirt_exporter_collector_success"
AVAILABLE = "libvirt_exporter_collector_available"

Collect = Callable[[Scrape], Any]


def plugin_of(collect: Collect, name: str = "own", *, default: object = True) -> Plugin:
    class Made:
        help = "A plugin of a test."

        async def collect(self, scrape: Scrape) -> object:
            return await collect(scrape)

    Made.name = name  # type: ignore[attr-defined]  # as a plugin that nobody checks types of
    Made.default = default  # type: ignore[attr-defined]
    return Plugin(name, lambda: Made)


def giving(*samples: object) -> Collect:
    async def collect(_: Scrape) -> object:
        return samples

    return collect


def raising(error: BaseException) -> Collect:
    async def collect(_: Scrape) -> object:
        raise error

    return collect


@contextlib.asynccontextmanager
async def targeted(
    *plugins: Plugin,
    labels: Labels = (),
    collectors: CollectorsConfig = STATISTICS_ALONE,
    answers: Any = None,
) -> AsyncIterator[Target]:
    async with ScriptedDaemon(by_table({**QEMU_HOST, **(answers or {})})) as daemon:
        target = make_target(
            LibvirtConfig(uri=daemon.uri, timeout_seconds=5.0, keepalive_interval_seconds=0.0),
            ModuleConfig("default", collectors),
            labels=labels,
            plugins=plugins,
        )
        await target.hypervisor.open()
        try:
            yield target
        finally:
            await target.hypervisor.close()


async def page_of(target: Target) -> ReadPage:
    page = await target.scraper.scrape()
    read_page(page.render(Format.OPENMETRICS), Format.OPENMETRICS)
    return read_page(page.render())


async def scraped(*plugins: Plugin, **settings: Any) -> ReadPage:
    async with targeted(*plugins, **settings) as target:
        page = await page_of(target)
    assert page.domain_names == {"web", "archive"}
    assert page.value(SUCCESS, collector="domain_stats") == 1
    return page


async def test_the_samples_of_a_plugin_are_on_the_page_with_the_constant_labels() -> None:
    many = [Sample(OWN, 1.5, (("kind", 'a"b'),)), Sample(OWN, float("nan"), (("kind", "c"),))]
    page = await scraped(plugin_of(giving(*many)), labels=(("rack", "r12"),))
    assert page.value("own_things", kind='a"b', rack="r12") == 1.5
    assert len(page.values("own_things")) == 2
    assert page.value(SUCCESS, collector="own") == 1
    assert page.value(AVAILABLE, collector="own", reason="") == 1


async def test_a_plugin_has_the_domains_of_the_scrape() -> None:
    async def collect(scrape: Scrape) -> Iterable[Sample]:
        return [Sample(OWN, 1, (("domain", one.name),)) for one in await scrape.domains()]

    page = await scraped(plugin_of(collect))
    assert sorted(page.labels("own_things", "domain")) == ["archive", "web"]


@pytest.mark.parametrize(
    "error",
    [ValueError("boom"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), OSError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_plugin_that_raises_is_named_and_costs_nobody_else_anything(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async with targeted(plugin_of(raising(error))) as target:
        pages = [await page_of(target) for _ in range(3)]
    for page in pages:
        assert page.domain_names == {"web", "archive"}
        assert page.value(SUCCESS, collector="own") == 0
        assert page.value(SUCCESS, collector="domain_stats") == 1
        assert page.value("libvirt_exporter_last_scrape_error") == 1
    said = [one for one in caplog.records if "own" in one.getMessage()]
    assert len(said) == 2  # the traceback, and what the collector's failure is
    assert said[0].exc_info is not None
    assert f"it raised {type(error).__name__} in test_plugins.py:" in said[1].getMessage()


async def test_what_an_iterator_raises_is_contained_too() -> None:
    def halfway() -> Iterator[Sample]:
        yield Sample(OWN, 1)
        raise ValueError

    async def collect(_: Scrape) -> object:
        return halfway()

    page = await scraped(plugin_of(collect))
    assert page.value(SUCCESS, collector="own") == 0


@in_virtual_time
async def test_a_plugin_that_hangs_is_cancelled_and_runs_again(clock: VirtualClock) -> None:
    ended: list[str] = []

    async def collect(_: Scrape) -> object:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return ()

    async with targeted(plugin_of(collect)) as target:
        began = clock()
        pages = [await page_of(target) for _ in range(2)]
        assert clock() - began < 2 * 6.0
    assert ended == ["cancelled", "cancelled"]
    assert [page.value(SUCCESS, collector="own") for page in pages] == [0, 0]
    assert pages[1].domain_names == {"web", "archive"}


@in_virtual_time
async def test_a_plugin_that_ignores_that_it_is_cancelled_is_not_started_again(
    clock: VirtualClock,
) -> None:
    runs: list[int] = []
    release = asyncio.Event()

    async def collect(_: Scrape) -> object:
        runs.append(len(runs))
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        return (Sample(OWN, 1),)

    async with targeted(plugin_of(collect)) as target:
        await page_of(target)
        began = clock()
        page = await page_of(target)
        assert clock() - began < 1.0, "nobody waits for it any longer"
        assert runs == [0]
        assert page.value(SUCCESS, collector="own") == 0
        assert page.domain_names == {"web", "archive"}
        release.set()
        await asyncio.sleep(0.01)
        page = await page_of(target)
    assert runs == [0, 1]
    assert page.value("own_things") == 1
    assert page.value(SUCCESS, collector="own") == 1


TAKEN = "gets into the way of one of the exporter's own metrics"


def family(
    name: str, kind: Any = MetricType.GAUGE, text: Any = "A help.", labels: Any = ()
) -> Family:
    return Family(name, kind, text, labels)


BAD: dict[str, tuple[object, str]] = {
    "not a sample": (1, "it returned int among its samples"),
    "no family": (Sample("own_things", 1), "a sample has no Family"),  # type: ignore[arg-type]
    "own name": (Sample(family("libvirt_domain_state"), 1), f"libvirt_domain_state {TAKEN}"),
    "own name of a counter": (
        Sample(family("libvirt_domain_cpu_time_seconds"), 1),
        f"libvirt_domain_cpu_time_seconds {TAKEN}",
    ),
    "own prefix": (
        Sample(family("libvirt_exporter_x"), 1),
        f"libvirt_exporter_x {TAKEN}",
    ),
    "part of a histogram": (
        Sample(family("libvirt_domain_disk_read_latency_seconds_count"), 1),
        f"libvirt_domain_disk_read_latency_seconds_count {TAKEN}",
    ),
    "name": (Sample(family("1x"), 1), "a family has a name that no metric can have"),
    "name with a newline": (
        Sample(family("x\n"), 1),
        "a family has a name that no metric can have",
    ),
    "type": (Sample(family("x", "gauge"), 1), "x has no MetricType"),
    "help": (Sample(family("x", text=""), 1), "x has no help"),
    "counter": (
        Sample(family("x", MetricType.COUNTER), 1),
        "x should end in _total if it is a counter, and only then",
    ),
    "info": (Sample(family("x", MetricType.INFO), 1), "x is an info and should end in _info"),
    "label name": (Sample(OWN, 1, (("a-b", "x"),)), "own_things has a label whose name is none"),
    "private label": (Sample(OWN, 1, (("__a", "x"),)), "own_things has a label whose name is none"),
    "label value": (
        Sample(OWN, 1, (("a", 1),)),  # type: ignore[arg-type]
        "own_things has a label a whose value is no text",
    ),
    "label twice": (Sample(OWN, 1, (("a", "1"), ("a", "2"))), "own_things has the label a twice"),
    "labels": (Sample(OWN, 1, 3), "own_things has labels that are no pairs of texts"),  # type: ignore[arg-type]
    "undeclared label": (
        Sample(family("x", labels=("a",)), 1, (("b", "1"),)),
        "a sample of x has not the labels that its family says",
    ),
    "constant label": (
        Sample(OWN, 1, (("rack", "other"),)),
        "own_things has the label rack, which is a constant label",
    ),
    "value": (Sample(OWN, "1"), "a value of own_things is none that can be shown"),  # type: ignore[arg-type]
    "huge value": (
        Sample(OWN, 10**400),
        "a value of own_things is none that can be shown",
    ),
    "info that is not 1": (
        Sample(family("x_info", MetricType.INFO), 2),
        "a value of x_info is none that can be shown",
    ),
    "counter that is NaN": (
        Sample(family("x_total", MetricType.COUNTER), float("nan")),
        "a value of x_total is none that can be shown",
    ),
    "counter that is negative": (
        Sample(family("x_total", MetricType.COUNTER), -1),
        "a value of x_total is none that can be shown",
    ),
    "suffix": (Sample(OWN, 1, suffix="_bucket"), "own_things has a sample of no part of its type"),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_no_page_can_show_is_left_out_and_the_rest_stays(case: str) -> None:
    bad, told = BAD[case]
    good = family("good_things")
    plugin = plugin_of(giving(Sample(good, 1), bad, Sample(good, 2, (("a", "b"),))))
    async with targeted(plugin, labels=(("rack", "r12"),)) as target:
        page = await page_of(target)
        assert target.scraper.failures == {"own": told}
    assert sorted(page.values("good_things")) == [1, 2]
    assert page.value(SUCCESS, collector="own") == 0
    assert page.domain_names == {"web", "archive"}


async def test_of_a_series_that_is_there_twice_the_first_is_kept() -> None:
    twice = (Sample(OWN, 1, (("a", "x"),)), Sample(OWN, 2, (("a", "x"),)))
    page = await scraped(plugin_of(giving(*twice)))
    assert page.values("own_things") == [1]
    assert page.value(SUCCESS, collector="own") == 0


async def test_a_metric_belongs_to_the_first_plugin_that_shows_it() -> None:
    other = dataclasses.replace(OWN, type=MetricType.UNTYPED)
    page = await scraped(
        plugin_of(giving(Sample(OWN, 1)), "first"),
        plugin_of(giving(Sample(other, 2), Sample(family("x"), 3)), "second"),
        plugin_of(giving(Sample(family("own_things_total", MetricType.COUNTER), 4)), "third"),
    )
    assert page.values("own_things") == [1]
    assert page.value("x") == 3
    assert [page.value(SUCCESS, collector=name) for name in ("first", "second", "third")] == [
        1,
        0,
        0,
    ]


async def test_more_samples_than_one_plugin_may_have_are_left_out() -> None:
    endless = (Sample(OWN, i, (("i", str(i)),)) for i in iter(range(10**9)))
    checked = CheckedSamples("own", Claims(), (), most=1000)
    checked.add(endless)
    assert len(checked.samples) == 1000
    assert checked.problem == "it returned more than 1000 samples"


async def test_what_is_written_on_the_page_goes_nowhere() -> None:
    async def collect(scrape: Scrape) -> object:
        scrape.page.add_lines(OWN, b"libvirt_domain_state{} garbage\n")
        return (Sample(OWN, 1),)

    page = await scraped(plugin_of(collect))
    assert page.value("own_things") == 1
    assert page.value(SUCCESS, collector="own") == 0


def failing_import() -> object:
    raise ImportError("nothing of this name")


def leaving() -> object:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Plugin("own", failing_import), "import_failed"),
        (Plugin("own", leaving), "import_failed"),
        (Plugin("own", lambda: leaving), "import_failed"),
        (Plugin("own", lambda: 7), "invalid"),
        (Plugin("own", lambda: object), "invalid"),
        (plugin_of(giving(), default="yes"), "invalid"),
        (Plugin("own", plugin_of(giving(), "other").load), "invalid"),
        (plugin_of(giving(), "Own Name"), "invalid"),
        (plugin_of(giving(), "domain_stats"), "name_taken"),
    ],
)
async def test_a_plugin_that_cannot_be_used_says_why(plugin: Plugin, reason: str) -> None:
    async with targeted(plugin) as target:
        page = await page_of(target)
    assert page.domain_names == {"web", "archive"}
    name = "domain_stats#2" if reason == "name_taken" else plugin.name
    assert page.value(AVAILABLE, collector=name, reason=reason) == 0


async def test_a_plugin_that_cannot_be_imported_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with targeted(Plugin("own", failing_import)) as target:
        for _ in range(3):
            await page_of(target)
    tracebacks = [one for one in caplog.records if one.exc_info]
    assert len(tracebacks) == 1
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 2


async def test_plugins_are_switched_by_name_and_one_that_is_off_is_not_imported() -> None:
    off = dataclasses.replace(STATISTICS_ALONE, disable=("own",))
    page = await scraped(Plugin("own", failing_import), collectors=off)
    assert page.values(SUCCESS, collector="own") == []
    reserved = plugin_of(giving(Sample(OWN, 1)), default=False)
    assert (await scraped(reserved)).values("own_things") == []
    on = dataclasses.replace(STATISTICS_ALONE, enable=("own",))
    assert (await scraped(reserved, collectors=on)).value("own_things") == 1


async def test_what_a_plugin_asks_and_libvirt_does_not_offer_is_named_after_the_plugin() -> None:
    async def collect(scrape: Scrape) -> object:
        answer = await scrape.ask("domain_stats", scrape.connection.node_get_info)
        return () if answer is None else (Sample(OWN, 1),)

    page = await scraped(plugin_of(collect), answers={p.NODE_GET_INFO: refuses(3, "not supported")})
    assert page.value(AVAILABLE, collector="own.domain_stats", reason="unsupported") == 0
    assert page.value(AVAILABLE, collector="domain_stats") == 1
    assert page.value(SUCCESS, collector="own") == 1


TEXTS = st.text(max_size=5)
FAMILIES = st.builds(
    Family,
    TEXTS | st.sampled_from(["a", "a_total", "a_info", "a_count", "libvirt_domain_state"]),
    st.sampled_from(MetricType),
    TEXTS,
)
VALUES = st.floats() | st.integers() | st.booleans() | TEXTS
SAMPLES = st.builds(
    Sample,
    FAMILIES,
    VALUES,
    st.lists(st.tuples(TEXTS | st.just("a"), TEXTS), max_size=3).map(tuple),
    suffix=st.sampled_from(["", "_bucket", "_sum", "_count"]),
)


@given(st.lists(SAMPLES, max_size=20))
def test_whatever_samples_come_the_page_can_be_read(samples: list[Sample]) -> None:
    checked = CheckedSamples("own", Claims(), (("rack", "r"),))
    checked.add(samples)
    page = Page()
    # What makes a histogram whole is its author's business.
    shown = [one for one in checked.samples if one.family.type is not MetricType.HISTOGRAM]
    page.add(shown)
    for page_format in Format:
        assert len(samples_of(page.render(page_format), page_format)) == len(shown)


def test_the_public_names_are_there_and_documented() -> None:
    for name in public.__all__:
        assert getattr(public, name).__doc__ or not callable(getattr(public, name))


def test_a_plugin_collector_is_a_collector() -> None:
    assert PluginCollector("own", object(), Claims()).name == "own"
