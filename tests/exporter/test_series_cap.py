"""Beyond the bound whole metrics are left out, the last first, and counted."""

from __future__ import annotations

import logging

import pytest

from exporter.config import LibvirtConfig, ModuleConfig
from exporter.exposition import Page, Sample
from exporter.metrics.rows import GAUGE, Family
from exporter.series_cap import SeriesCap
from exporter.target import make_target
from tests.support.daemon import ScriptedDaemon, by_table
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE
from tests.support.pages import read_page

FIRST, SECOND, THIRD = (Family(f"metric_{name}", GAUGE, "A help.") for name in "abc")
OWN = Family("libvirt_exporter_own", GAUGE, "A help.")


def page_of(**numbers: int) -> Page:
    families = {"a": FIRST, "b": SECOND, "c": THIRD, "own": OWN}
    page = Page()
    for name, number in numbers.items():
        page.add(Sample(families[name], i, (("i", str(i)),)) for i in range(number))
    return page


def shown(page: Page) -> list[str]:
    return [family.name for family in page.families]


@pytest.mark.parametrize(
    ("most", "left", "dropped"),
    [
        (0, ["metric_a", "metric_b", "metric_c", "libvirt_exporter_own"], 0),
        (10, ["metric_a", "metric_b", "metric_c", "libvirt_exporter_own"], 0),
        (9, ["metric_a", "metric_b", "libvirt_exporter_own"], 3),
        (7, ["metric_a", "metric_b", "libvirt_exporter_own"], 3),
        (6, ["metric_a", "libvirt_exporter_own"], 5),
        (4, ["libvirt_exporter_own"], 9),
        (1, ["libvirt_exporter_own"], 9),
    ],
)
def test_metrics_are_left_out_from_the_end_until_the_rest_fits(
    most: int, left: list[str], dropped: int
) -> None:
    cap = SeriesCap(most)
    page = page_of(a=4, b=2, c=3, own=1)
    cap.apply(page)
    assert shown(page) == left
    assert cap.dropped == dropped


def test_the_first_page_beyond_the_bound_is_logged_and_the_end_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    cap = SeriesCap(4)
    for numbers in ({"a": 4, "b": 1}, {"a": 4, "b": 1}, {"a": 4}, {"a": 4, "b": 1}):
        cap.apply(page_of(**numbers))
    assert [(one.levelname, one.getMessage().partition(":")[0]) for one in caplog.records] == [
        ("WARNING", "more than 4 series"),
        ("INFO", "all series are shown again"),
        ("WARNING", "more than 4 series"),
    ]
    assert caplog.records[0].__dict__["left_out"] == "metric_b"
    assert cap.dropped == 3


async def test_a_page_of_a_hypervisor_has_no_more_series_and_counts_the_rest() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        target = make_target(
            LibvirtConfig(uri=daemon.uri),
            ModuleConfig("default", STATISTICS_ALONE, max_series=20),
            plugins=(),
        )
        await target.hypervisor.open()
        scrapes = [await target.scraper.scrape() for _ in range(2)]
        await target.hypervisor.close()
    pages = [read_page(page.render()) for page in scrapes]
    dropped = [page.value("libvirt_exporter_series_dropped_total") for page in pages]
    assert 0 < dropped[0] < dropped[1]
    assert pages[1].value("libvirt_exporter_connected") == 1
    assert pages[1].values("libvirt_domain_state") != []
    assert pages[1].values("libvirt_domains") == []
