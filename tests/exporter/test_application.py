"""The parts together: what is enabled, whose clock counts, and the end of it all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import socket
from typing import Any

import httpx
import pytest

from exporter.application import Application
from exporter.config import (
    CollectorsConfig,
    Config,
    ConfigError,
    ConnectionConfig,
    LibvirtConfig,
    ListenAddress,
    MetricsConfig,
    TargetConfig,
    WebConfig,
)
from exporter.exposition import Format, Labels
from exporter.start_times import EventStartTimes, NoStartTimes, ProcessStartTimes
from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.trace.replay import Replayer
from tests.libvirt_rpc.trace.traces import FIRST_SCRAPE, HEADER, RUNNING, recorded_scrapes
from tests.support.daemon import Answers, ScriptedDaemon, by_table, closes, never
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE, Held, configured
from tests.support.pages import read_page, read_response
from tests.support.virtual_time import VirtualClock, in_virtual_time

NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
LOOPBACK = WebConfig(listen_address=(ListenAddress("127.0.0.1", 0),))


def test_a_uri_that_does_not_parse_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidURI):
        Application(configured("qemu:/system:x"))


def test_an_exporter_for_probes_has_no_hypervisor_of_its_own_unless_one_is_named() -> None:
    targets = {"hv1": TargetConfig("hv1", "qemu+tls://hv1/system")}
    for_probes = dataclasses.replace(Config(), targets=targets)
    named = dataclasses.replace(for_probes, libvirt=LibvirtConfig(uri="test:///default"))
    assert Application(for_probes).targets == ()
    assert [one.hypervisor.uri.driver for one in Application(named).targets] == ["test"]
    with pytest.raises(ConfigError, match=r"libvirt\.uri: no hypervisor is named"):
        _ = Application(for_probes).hypervisor


def test_only_domains_of_this_machine_have_processes_to_look_for() -> None:
    here = Application(configured("qemu:///system", collectors=CollectorsConfig()))
    there = configured("qemu+ssh://host/system", collectors=CollectorsConfig())
    elsewhere = Application(there)
    assert isinstance(here.start_times, EventStartTimes)
    assert isinstance(here.start_times.otherwise, ProcessStartTimes)
    assert here.start_times.otherwise.forget in here.hypervisor.on_connected
    assert isinstance(elsewhere.start_times, EventStartTimes)
    assert isinstance(elsewhere.start_times.otherwise, NoStartTimes)


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


# Several hypervisors on one page.


def of_connections(*uris: str, extra_labels: Labels = ()) -> Config:
    """Connections named hv0, hv1 ..."""
    connections = tuple(ConnectionConfig(f"hv{number}", uri) for number, uri in enumerate(uris))
    return Config(
        libvirt=LibvirtConfig(connections=connections, keepalive_interval_seconds=0.0),
        collectors=STATISTICS_ALONE,
        metrics=MetricsConfig(extra_labels),
    )


OF_THE_PROCESS = re.compile("process_.*|python_.*|libvirt_exporter_(build_info|rpc_.*|config_.*)")


@pytest.mark.parametrize("page_format", list(Format))
async def test_every_sample_of_a_hypervisor_says_which(page_format: Format) -> None:
    """Domains of the same names and UUIDs are on both."""
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as first,
        ScriptedDaemon(by_table(QEMU_HOST)) as second,
    ):
        application = Application(
            of_connections(first.uri, second.uri, extra_labels=(("site", "north"),))
        )
        async with application.connecting():
            for target in application.targets:
                await target.hypervisor.first_attempt()
            page = read_page((await application.page()).render(page_format), page_format)
    by_host: dict[str | None, set[object]] = {}
    for name, labels in page.samples:
        own = dict(labels)
        assert own["site"] == "north"
        host = own.pop("host", None)
        assert (host is None) is (OF_THE_PROCESS.fullmatch(name) is not None), name
        by_host.setdefault(host, set()).add((name, frozenset(own.items())))
    assert set(by_host) == {None, "hv0", "hv1"}
    assert by_host["hv0"] == by_host["hv1"]
    assert page.values("libvirt_exporter_connected") == [1, 1]
    assert page.domain_names == {"web", "archive"}


async def test_the_connections_are_scraped_at_the_same_time() -> None:
    held = [Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS]) for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        daemons = [
            await stack.enter_async_context(
                ScriptedDaemon(by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: one}))
            )
            for one in held
        ]
        application = Application(of_connections(*(daemon.uri for daemon in daemons)))
        await stack.enter_async_context(application.connecting())
        for target in application.targets:
            await target.hypervisor.first_attempt()
        scraping = asyncio.create_task(application.page())
        for one in held:
            await one.called()
        assert not scraping.done()
        for one in held:
            one.let_go()
        page = read_page((await scraping).render())
    assert page.values("libvirt_exporter_collector_success") == [1, 1, 1]


@pytest.mark.parametrize("procedure", [p.AUTH_LIST, p.CONNECT_LIST_ALL_DOMAINS])
def test_a_dead_connection_leaves_the_others_whole(procedure: p.Procedure[Any, Any]) -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        async with (
            ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
            ScriptedDaemon(by_table({**QEMU_HOST, procedure: never})) as dead,
        ):
            application = Application(of_connections(dead.uri, daemon.uri, NOBODY_THERE))
            async with application.connecting():
                await application.targets[1].hypervisor.first_attempt()
                began = clock()
                page = read_page((await application.page(4.0)).render())
                assert clock() - began <= 4.001
        assert page.value("libvirt_exporter_connected", host="hv1") == 1
        assert page.value("libvirt_exporter_last_scrape_error", host="hv1") == 0
        assert len(page.values("libvirt_domain_state", host="hv1")) == 2
        for host in ("hv0", "hv2"):
            assert page.value("libvirt_exporter_last_scrape_error", host=host) == 1
            assert page.values("libvirt_domain_state", host=host) == []

    run()


async def test_it_is_ready_after_every_first_attempt() -> None:
    let_in = Held(QEMU_HOST[p.AUTH_LIST])
    async with ScriptedDaemon(by_table({**QEMU_HOST, p.AUTH_LIST: let_in})) as daemon:
        application = Application(of_connections(NOBODY_THERE, daemon.uri))
        async with application.connecting():
            await application.targets[0].hypervisor.first_attempt()
            await let_in.called()
            assert not application.is_ready
            let_in.let_go()
            await application.targets[1].hypervisor.first_attempt()
            assert application.is_ready


async def test_a_single_scrape_of_several_is_whole_only_with_all_of_them() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        for uris, expected in (
            ((daemon.uri, daemon.uri), 0),
            ((daemon.uri, NOBODY_THERE), 1),
            ((NOBODY_THERE, daemon.uri), 1),
        ):
            body, status = await Application(of_connections(*uris)).scrape_once()
            page = read_page(body)
            assert status == expected
            assert page.values("libvirt_exporter_connected") == [
                int(uri == daemon.uri) for uri in uris
            ]
        assert all(len(peer.calls(p.CONNECT_CLOSE)) == 1 for peer in daemon.peers)


async def test_in_the_end_no_task_and_no_connection_is_left() -> None:
    before = asyncio.all_tasks()
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        targets = {
            name: TargetConfig(name, uri)
            for name, uri in (("hv1", daemon.uri), ("hv2", daemon.uri), ("dead", NOBODY_THERE))
        }
        config = dataclasses.replace(of_connections(daemon.uri, NOBODY_THERE), targets=targets)
        application = Application(config)
        async with application.connecting():
            for name in targets:
                await application.probes.probe(name, None, None)
            await application.page()
        assert asyncio.all_tasks() == before
        assert len(daemon.peers) == 3
        assert all(len(peer.calls(p.CONNECT_CLOSE)) == 1 for peer in daemon.peers)


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
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 0


@pytest.mark.parametrize("procedure", [p.AUTH_LIST, p.CONNECT_LIST_ALL_DOMAINS])
async def test_a_signal_ends_it_in_time_with_a_probe_that_hangs(
    procedure: p.Procedure[Any, Any],
) -> None:
    hangs = Held(never)
    answers: Answers = {**QEMU_HOST, procedure: hangs, p.CONNECT_CLOSE: never}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        config = configured(NOBODY_THERE, web=LOOPBACK)
        config = dataclasses.replace(config, targets={"hv1": TargetConfig("hv1", daemon.uri)})
        task, url = await until_served(config)
        async with httpx.AsyncClient() as client:
            probe = asyncio.create_task(client.get(url.replace("/metrics", "/probe?target=hv1")))
            await hangs.called()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(task, 2) == 0
            page = read_response(await probe)
    assert page.value("libvirt_exporter_last_scrape_error") == 1


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
