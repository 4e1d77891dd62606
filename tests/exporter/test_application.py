"""The parts together: what is enabled, whose clock counts, and the end of it all."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket

import httpx
import pytest

from exporter.application import Application
from exporter.config import (
    CollectorsConfig,
    Config,
    ConfigError,
    DiskCollectors,
    DomainCollectors,
    LibvirtConfig,
    ListenAddress,
    WebConfig,
)
from exporter.exposition import Format
from exporter.start_times import NoStartTimes, ProcessStartTimes
from exporter.target import collectors_of
from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.trace.replay import Replayer
from tests.libvirt_rpc.trace.traces import FIRST_SCRAPE, HEADER, RUNNING, recorded_scrapes
from tests.support.daemon import Answers, ScriptedDaemon, by_table, closes, never
from tests.support.exporting import QEMU_HOST, Held, configured
from tests.support.pages import read_page, read_response

NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
LOOPBACK = WebConfig(listen_address=(ListenAddress("127.0.0.1", 0),))


def test_the_collectors_are_named_as_the_flags_are() -> None:
    assert collectors_of(CollectorsConfig()) == {
        "domain.stats",
        "domain.state",
        "disk.stats",
        "network.stats",
    }
    config = CollectorsConfig(
        domain=DomainCollectors(stats=False, vcpu_stats=True), disk=DiskCollectors(limits=True)
    )
    assert collectors_of(config) == {
        "domain.state",
        "domain.vcpu_stats",
        "disk.stats",
        "disk.limits",
        "network.stats",
    }


def test_a_uri_that_does_not_parse_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidURI):
        Application(configured("qemu:/system:x"))


def test_only_domains_of_this_machine_have_processes_to_look_for() -> None:
    here = Application(configured("qemu:///system"))
    elsewhere = Application(configured("qemu+ssh://host/system"))
    assert isinstance(here.start_times, ProcessStartTimes)
    assert here.hypervisor.on_connected == here.start_times.forget
    assert isinstance(elsewhere.start_times, NoStartTimes)


async def test_a_recording_is_served_in_its_own_time() -> None:
    application = Application(Config(), replayer=Replayer(recorded_scrapes(2)))
    await application.hypervisor.open()
    uptimes, times = [], []
    for _ in range(2):
        page = read_page((await application.scraper.scrape()).render())
        uptimes.append(page.value("libvirt_domain_uptime_seconds", domain="running"))
        times.append(page.value("libvirt_domain_cpu_time_seconds_total", domain="running"))
    await application.hypervisor.close()
    first = FIRST_SCRAPE - HEADER.start_times[RUNNING.uuid]
    assert uptimes == [first, first + 15.0]
    assert times == [10.0, 20.0]


# Once.


async def test_a_single_scrape_connects_scrapes_and_says_goodbye() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        body, status = await Application(configured(daemon.uri)).scrape_once(Format.OPENMETRICS)
        assert len(daemon.peer.calls(p.CONNECT_CLOSE)) == 1
    assert status == 0
    assert read_page(body, Format.OPENMETRICS).domain_names == {"web", "archive"}


async def test_a_single_scrape_without_a_daemon_has_a_page_and_says_that_it_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body, status = await Application(configured(NOBODY_THERE)).scrape_once()
    assert status == 1
    assert read_page(body).value("libvirt_exporter_connected") == 0
    (record,) = caplog.records
    assert record.getMessage() == (
        "cannot reach libvirt: cannot connect to qemu+unix:///system: "
        "/nonexistent/libvirt-sock: no such socket (is libvirtd or virtqemud running here? "
        "Name another socket with qemu+unix:///system?socket=/path)"
    )


async def test_a_single_scrape_that_loses_the_daemon_says_that_it_failed() -> None:
    answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: closes}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        body, status = await Application(configured(daemon.uri)).scrape_once()
    assert status == 1
    page = read_page(body)
    assert page.value("libvirt_exporter_last_scrape_error") == 1
    assert page.value("libvirt_exporter_connected") == 0


# Serving.


async def until_served(
    config: Config,
) -> tuple[asyncio.Task[int], str]:
    """Starts serving; gives the task and the page's URL."""
    urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(Application(config).serve(urls.set_result))
    return task, (await urls)[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_comes(number: signal.Signals) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        task, url = await until_served(configured(daemon.uri, web=LOOPBACK))
        async with httpx.AsyncClient() as client:
            page = read_response(await client.get(url))
        os.kill(os.getpid(), number)
        assert await asyncio.wait_for(task, 2) == 0
        assert len(daemon.peer.calls(p.CONNECT_CLOSE)) == 1
    assert page.value("libvirt_exporter_connected") == 1


async def test_a_signal_ends_it_in_time_with_a_scrape_that_hangs() -> None:
    listed = Held(never)
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: listed, p.CONNECT_CLOSE: never}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        task, url = await until_served(configured(daemon.uri, web=LOOPBACK))
        async with httpx.AsyncClient() as client:
            scrape = asyncio.create_task(client.get(url))
            await listed.called()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(task, 2) == 0
            page = read_response(await scrape)
    assert page.value("libvirt_exporter_collector_success") == 0


async def test_every_address_is_served_and_announced() -> None:
    addresses = (ListenAddress("127.0.0.1", 0), ListenAddress("", 0))
    web = WebConfig(listen_address=addresses, telemetry_path="/m")
    urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    config = configured(NOBODY_THERE, web=web)
    task = asyncio.create_task(Application(config).serve(urls.set_result))
    assert [url.rpartition(":")[0] for url in await urls] == [
        "http://127.0.0.1",
        "http://localhost",
    ]
    async with httpx.AsyncClient() as client:
        for url in await urls:
            assert url.endswith("/m")
            assert read_response(await client.get(url)).value("libvirt_exporter_connected") == 0
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 0


async def test_an_address_in_use_frees_the_others_and_starts_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        addresses = (
            ListenAddress("127.0.0.1", free),
            ListenAddress("127.0.0.1", taken.getsockname()[1]),
        )
        async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
            config = configured(daemon.uri, web=WebConfig(listen_address=addresses))
            with pytest.raises(ConfigError, match="Address already in use"):
                await Application(config).serve()
            assert daemon.peers == []
        socket.create_server(("127.0.0.1", free)).close()


async def test_the_configuration_reaches_the_connection() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        config = Config(libvirt=dataclasses.replace(LibvirtConfig(uri=daemon.uri), read_only=False))
        await Application(config).scrape_once()
        (opened,) = daemon.peer.calls(p.CONNECT_OPEN)
    assert opened.payload[-4:] == bytes(4)  # the flags: not read-only
