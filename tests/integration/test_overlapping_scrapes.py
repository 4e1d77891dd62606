"""Clients that scrape at once share one collection; the calls are counted on the wire."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.support.call_counter import counted
from tests.support.domains import DomainSpec
from tests.support.exporting import STATISTICS_ALONE, configured, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, Series, read_response

Fleet = tuple[DomainSpec, ...]


def collected(page: ReadPage) -> dict[Series, str]:
    """What came of the hypervisor; the rest of a page is the exporter's own at that moment."""
    return {
        series: value
        for series, value in page.samples.items()
        if series[0].startswith("libvirt_domain_")
        or series[0] == "libvirt_exporter_last_scrape_duration_seconds"
    }


async def test_two_clients_at_once_cause_one_collection(
    libvirtd: PrivateLibvirtd, fleet: Fleet
) -> None:
    async with counted(configured(libvirtd.uri())) as (application, counter):
        await get(application)
        # The first may ask more: what stays short is asked twice until it is known to be so.
        counter.calls.clear()
        alone = await get(application)
        calls_of_one = dict(counter.calls)
        assert calls_of_one["CONNECT_LIST_ALL_DOMAINS"] == 1
        counter.calls.clear()
        one, other = await asyncio.gather(get(application), get(application))
        assert counter.calls == calls_of_one
        pages = [read_response(page) for page in (alone, one, other)]
        assert [page.value("libvirt_exporter_scrapes_total") for page in pages] == [2, 3, 3]
        assert collected(pages[1]) == collected(pages[2])
        assert pages[1].domain_names == {spec.name for spec in fleet}


async def test_one_client_after_the_other_cause_two(
    libvirtd: PrivateLibvirtd, fleet: Fleet
) -> None:
    async with counted(configured(libvirtd.uri())) as (application, counter):
        for _ in range(2):
            read_response(await get(application))
        assert counter.calls["CONNECT_LIST_ALL_DOMAINS"] == 2


async def test_a_client_that_goes_away_does_not_end_the_others_collection(
    libvirtd: PrivateLibvirtd, fleet: Fleet
) -> None:
    async with counted(configured(libvirtd.uri())) as (application, counter):
        impatient = asyncio.create_task(get(application))
        patient = asyncio.create_task(get(application))
        while not counter.calls:
            await asyncio.sleep(0)
        impatient.cancel()
        page = read_response(await patient)
        assert impatient.cancelled()
        assert page.domain_names == {spec.name for spec in fleet}
        assert counter.calls["CONNECT_LIST_ALL_DOMAINS"] == 1


async def test_a_page_is_served_again_within_the_least_interval(
    libvirtd: PrivateLibvirtd, fleet: Fleet
) -> None:
    collectors = replace(STATISTICS_ALONE, min_interval_seconds=3600.0)
    config = replace(configured(libvirtd.uri()), collectors=collectors)
    async with counted(config) as (application, counter):
        pages = [read_response(await get(application)) for _ in range(3)]
        assert counter.calls["CONNECT_LIST_ALL_DOMAINS"] == 1
        assert collected(pages[0]) == collected(pages[1]) == collected(pages[2])
        assert pages[0].domain_names == {spec.name for spec in fleet}
