"""What a page shows of domains that hang or vanish."""

from __future__ import annotations

import uuid

from exporter.collectors.collector import Scrape
from exporter.collectors.domain_stats import DomainStatsCollector
from exporter.collectors.registry import switches_of
from exporter.config import CollectorsConfig
from exporter.exposition import Page
from exporter.start_times import RecordedStartTimes
from tests.support.hypervisor_script import ScriptedHost
from tests.support.pages import ReadPage, read_page
from tests.support.virtual_time import VirtualClock, in_virtual_time


class Collecting:
    """A collector on a scripted host; every running domain's start is known."""

    def __init__(self, host: ScriptedHost) -> None:
        starts: dict[uuid.UUID, float] = {guest.domain.uuid: 500.0 for guest in host.guests}
        collectors = switches_of(CollectorsConfig())
        self._host = host
        self._collector = DomainStatsCollector(
            host.hypervisor, collectors, RecordedStartTimes(starts)
        )

    async def page(self) -> ReadPage:
        page = Page()
        deadline = self._host.deadline(5.0)
        scrape = Scrape(self._host.hypervisor, page, deadline, (), lambda: 600.0)
        await self._collector.collect(scrape)
        return read_page(page.render())


@in_virtual_time
async def test_a_healthy_domain_has_its_series(clock: VirtualClock) -> None:
    async with ScriptedHost(2, inactive=1, clock=clock) as host:
        page = await Collecting(host).page()
        assert page.value("libvirt_domain_uptime_seconds", domain="vm-00000") == 100.0
        assert page.values("libvirt_domain_stats_timed_out") == [0.0] * 3
        assert page.value("libvirt_exporter_stuck_calls") == 0.0


@in_virtual_time
async def test_a_domain_that_vanishes_between_list_and_statistics_has_no_series_at_all(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(3, clock=clock) as host:
        host.guests[1].is_gone = True
        page = await Collecting(host).page()
        assert page.domain_names == {"vm-00000", "vm-00002"}


@in_virtual_time
async def test_a_domain_that_hangs_says_so_shows_what_it_can_and_fails_nothing(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(3, clock=clock) as host:
        collecting = Collecting(host)
        host.hang(1)
        for _ in range(2):
            page = await collecting.page()
            assert page.value("libvirt_domain_stats_timed_out", domain="vm-00001") == 1.0
            assert page.value("libvirt_domain_stats_timed_out", domain="vm-00000") == 0.0
            assert page.value("libvirt_domain_state", domain="vm-00001") == 1.0
            assert page.value("libvirt_domain_uptime_seconds", domain="vm-00001") == 100.0
            reads = "libvirt_domain_disk_read_requests_total"
            assert set(page.labels(reads, "domain")) == {"vm-00000", "vm-00002"}
            assert page.value("libvirt_exporter_stuck_calls") == 1.0
