"""Daemons that refuse the bulk call: the same metrics, and why they cost more calls."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from libvirt_rpc.protocol import procedures as p
from tests.support.daemon import Answer, refuses
from tests.support.driver_script import MAY_HANG, NOT_SUPPORTED, ScriptedDriver
from tests.support.exporting import configured, exporting, get
from tests.support.pages import ReadPage, read_response
from tests.support.virtual_time import VirtualClock, in_virtual_time

BULK = p.CONNECT_GET_ALL_DOMAIN_STATS
AVAILABLE = "libvirt_exporter_collector_available"
UNKNOWN_PROCEDURE = refuses(39, f"unknown procedure: {BULK.number}")


async def page_of(host: ScriptedDriver) -> ReadPage:
    async with exporting(configured(host.uri)) as exporter:
        return read_response(await get(exporter))


def bulk_calls(host: ScriptedDriver) -> int:
    return sum(len(peer.calls(BULK)) for peer in host.peers)


async def test_a_containers_page_has_the_same_metrics() -> None:
    async with ScriptedDriver(2, inactive=1, driver="LXC") as host:
        page = await page_of(host)
    web = {"domain": "vm-00000"}
    assert page.value("libvirt_domain_state", **web) == 1
    assert page.value("libvirt_domain_state", domain="off-00000") == 5
    assert page.value("libvirt_domain_cpu_time_seconds_total", hypervisor="LXC", **web) == 1.5
    assert page.value("libvirt_domain_memory_current_bytes", **web) == 1024 * 1024
    assert page.value("libvirt_domain_memory_rss_bytes", **web) == 300 * 1024
    assert page.value("libvirt_domain_vcpu_maximum", **web) == 4
    assert page.value("libvirt_domain_disk_read_bytes_total", disk="xvda", **web) == 4096
    received = "libvirt_domain_network_receive_bytes_total"
    assert page.value(received, interface="vif-vm-00000", **web) == 100
    assert page.values("libvirt_domain_memory_swap_in_bytes_total") == []
    assert page.value("libvirt_domains", state="running") == 2
    assert page.value("libvirt_domain_stats_timed_out", **web) == 0
    assert page.value("libvirt_exporter_unknown_fields") == 0


async def test_the_collector_is_available_and_says_what_is_not() -> None:
    async with ScriptedDriver(2, driver="BHYVE") as host:
        page = await page_of(host)
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1
    assert page.value(AVAILABLE, collector="domain_stats", reason="") == 1
    for part in ("bulk", "memory", "vcpus", "interface", "block", "block_flags"):
        assert page.value(AVAILABLE, collector=f"domain_stats.{part}", reason="unsupported") == 0
    for part in ("state", "info", "xml"):
        assert page.value(AVAILABLE, collector=f"domain_stats.{part}", reason="") == 1
    assert page.value("libvirt_exporter_last_scrape_error") == 0


@pytest.mark.parametrize(
    ("refusal", "reason"), [(NOT_SUPPORTED, "unsupported"), (UNKNOWN_PROCEDURE, "too_old")]
)
async def test_the_bulk_call_is_tried_once_a_connection(refusal: Answer, reason: str) -> None:
    async with ScriptedDriver(1, driver="Xen") as host:
        host.answers[BULK] = refusal
        async with exporting(configured(host.uri, reconnect_interval_seconds=0.01)) as exporter:
            for _ in range(3):
                page = read_response(await get(exporter))
            assert page.value(AVAILABLE, collector="domain_stats.bulk", reason=reason) == 0
            assert bulk_calls(host) == 1
            connected = asyncio.Event()
            exporter.hypervisor.on_connected.append(connected.set)
            host.end_connections()
            await connected.wait()
            await get(exporter)
            assert bulk_calls(host) == 2


async def test_an_unknown_bulk_call_is_not_tried_domain_by_domain() -> None:
    async with ScriptedDriver(100) as host:
        host.answers[BULK] = UNKNOWN_PROCEDURE
        page = await page_of(host)
        assert page.value("libvirt_domains", state="running") == 100
        assert bulk_calls(host) <= 4


async def test_a_denied_bulk_call_is_a_refusal_and_no_reason_to_ask_otherwise() -> None:
    async with ScriptedDriver(2) as host:
        host.answers[BULK] = refuses(88, "access denied")
        page = await page_of(host)
        assert page.value(AVAILABLE, collector="domain_stats", reason="denied") == 0
        assert host.asked == []


@in_virtual_time
async def test_domains_that_hang_are_named_and_their_calls_counted(clock: VirtualClock) -> None:
    async with ScriptedDriver(5, inactive=1, driver="Xen", clock=clock) as host:
        host.guests[2].hangs = {*MAY_HANG}
        async with exporting(configured(host.uri)) as exporter:
            for _ in range(2):
                page = read_response(await get(exporter))
                assert page.value("libvirt_exporter_stuck_calls") == 1
                timed_out = {
                    name: page.value("libvirt_domain_stats_timed_out", domain=name)
                    for name in page.labels("libvirt_domain_stats_timed_out", "domain")
                }
                assert Counter(timed_out.values()) == {0.0: 5, 1.0: 1}
                assert timed_out["vm-00002"] == 1
                assert page.value("libvirt_domain_state", domain="vm-00002") == 1
                success = page.value("libvirt_exporter_collector_success", collector="domain_stats")
                assert success == 1


def test_a_daemon_that_answers_about_no_domain_has_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @in_virtual_time
    async def scraping(clock: VirtualClock) -> None:
        async with ScriptedDriver(2, driver="CH", clock=clock) as host:
            for guest in host.guests:
                guest.hangs = set(host.offers)
            async with exporting(configured(host.uri)) as exporter:
                page = read_response(await get(exporter))
            success = page.value("libvirt_exporter_collector_success", collector="domain_stats")
            assert success == 0
            assert page.value("libvirt_domains", state="unknown") == 2

    scraping()
    said = "collector domain_stats: libvirt did not answer calls about any domain in time"
    assert said in [record.message for record in caplog.records]
