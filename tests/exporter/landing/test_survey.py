"""What the landing page is told of an application: its pages read back, rates made of two of them."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import uuid

import httpx
import pytest

from exporter.application import Application
from exporter.config import (
    Config,
    ConnectionConfig,
    LibvirtConfig,
    MetricsConfig,
    ProbeConfig,
    TargetConfig,
)
from exporter.landing.snapshot import DomainView, HypervisorView, Snapshot
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.typed_params import TypedParameter
from libvirt_rpc.trace.replay import Replayer
from tests.libvirt_rpc.trace.traces import recorded_scrapes
from tests.support.daemon import Answers, ScriptedDaemon, by_table, refuses
from tests.support.exporting import (
    ARCHIVE,
    QEMU_HOST,
    WEB,
    configured,
    exporting,
    get,
    host,
    number,
    record,
)

GIB = 2**30
NAME = 'evil",uuid="00000000-0000-0000-0000-00000000000f",x="\n\\ü'
EVIL = t.Domain(NAME, uuid.UUID(int=3), 3)


def text(field: str, value: str) -> TypedParameter:
    return TypedParameter(field, TypedParameterType.STRING, value)


def disks_and_interfaces(*disks: int, net: int) -> list[TypedParameter]:
    shown = [number("block.count", len(disks)), number("net.count", 1)]
    for index, value in enumerate(disks):
        shown += [
            text(f"block.{index}.name", f"vd{index}"),
            number(f"block.{index}.rd.bytes", value),
            number(f"block.{index}.wr.bytes", 2 * value),
        ]
    return [
        *shown,
        text("net.0.name", "vnet0"),
        number("net.0.rx.bytes", net),
        number("net.0.tx.bytes", 3 * net),
    ]


def named(snapshot: Snapshot) -> dict[str, DomainView]:
    return {domain.name: domain for domain in snapshot.domains}


def only(snapshot: Snapshot) -> HypervisorView:
    (one,) = snapshot.hypervisors
    return one


async def test_a_page_is_read_back() -> None:
    guest = [number("balloon.available", 4096), number("balloon.usable", 1024)]
    answers = host(record(WEB, *guest), record(ARCHIVE), record(EVIL, state=3))
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        one = only(snapshot := await application.snapshot())
    assert (one.uri, one.host, one.hostname) == ("qemu+unix:///system", "", "host-1")
    assert one.is_connected
    assert one.versions == ("QEMU 7.2.22", "libvirt 9.0.0")
    assert one.connected_at is not None
    assert one.scraped_at is not None
    assert 0 <= snapshot.taken_at - one.scraped_at < 5
    assert one.scrape_seconds is not None
    assert {"domain_stats"} <= {collector.name for collector in one.collectors}
    assert next(c for c in one.collectors if c.name == "domain_stats").has_succeeded
    domains = named(snapshot)
    assert set(domains) == {"web", "archive", NAME}
    web = domains["web"]
    assert (web.state, web.reason, web.vcpus) == (1, "booted", 1)
    assert (web.memory_used, web.is_told_by_guest) == (3072 * 1024, True)
    assert web.memory_max == 2048 * 1024
    assert (domains[NAME].state, domains[NAME].uuid) == (3, str(EVIL.uuid))
    assert (domains[NAME].memory_used, domains[NAME].is_told_by_guest) == (512 * 1024, False)
    assert domains["archive"].state == 5
    assert one.rates_over is None
    assert web.cpu_share is None


async def test_rates_are_of_what_was_there_both_times() -> None:
    """Of a recording, in whose time the figures are."""
    application = Application(Config(), replayer=Replayer(recorded_scrapes(2)))
    await application.hypervisor.open()
    first = await application.snapshot()
    await application.page()
    second = await application.snapshot()
    await application.hypervisor.close()
    assert only(first).rates_over is None
    assert only(second).rates_over == 15.0
    assert named(second)["running"].rates.cpu_seconds == pytest.approx(10 / 15)


async def test_a_new_disk_and_a_counter_that_began_anew_make_no_rate() -> None:
    now = 1000.0
    answers = dict(host(record(WEB, *disks_and_interfaces(10, net=50))))
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        application.history._clock = lambda: now
        await application.page()
        now += 10.0
        answers.update(host(record(WEB, *disks_and_interfaces(30, 5000, net=40))))
        await application.page()
        rates = named(await application.snapshot())["web"].rates
    assert (rates.disk_read, rates.disk_written) == (2.0, 4.0)
    assert (rates.network_received, rates.network_sent) == (None, None)
    assert rates.cpu_seconds == 0.0


async def test_a_hypervisor_that_is_away_says_why_and_shows_nothing_old() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        config = Config(
            libvirt=LibvirtConfig(
                connections=(
                    ConnectionConfig("here", daemon.uri),
                    ConnectionConfig("away", "qemu+unix:///system?socket=/dev/null/none"),
                )
            )
        )
        application = Application(config)
        async with application.connecting():
            for target in application.targets:
                await target.hypervisor.first_attempt()
            await application.page()
            here, away = (await application.snapshot()).hypervisors
    assert (here.host, here.is_connected, len(here.domains)) == ("here", True, 2)
    assert {domain.host for domain in here.domains} == {"here"}
    assert (away.host, away.is_connected, away.domains) == ("away", False, ())
    assert "cannot connect" in away.error


async def test_probed_targets_are_listed_without_the_users_in_their_uris() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        config = dataclasses.replace(
            Config(targets={name: TargetConfig(name, daemon.uri) for name in ("hv1", "hv2")}),
            probe=ProbeConfig(allow=(re.compile(".*"),)),
        )
        application = Application(config)
        async with application.connecting():
            await application.probes.probe("hv1", None, None)
            uri = "qemu+tcp://hunter2@192.0.2.1:1/system"
            await application.probes.probe(uri, None, 0.01)
            probed = {one.name: one for one in (await application.snapshot()).probed}
            page = await get(application, "/")
    assert set(probed) == {"hv1", "hv2", "qemu+tcp://192.0.2.1:1/system"}
    assert probed["hv1"].is_connected
    assert not probed["hv2"].was_probed
    assert "hunter2" not in page.text


# The page itself.


async def test_the_page_shows_what_was_asked_for_and_is_kept_by_nobody() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        rising = await get(application, "/?sort=name&order=asc")
        falling = await get(application, "/?sort=name&order=desc")
        reflected = await get(application, "/?sort=<b>x</b>&order=<i>y</i>")
    assert rising.headers["cache-control"] == "no-store"
    assert "style-src 'sha256-" in rising.headers["content-security-policy"]
    assert rising.text.index(">archive<") < rising.text.index(">web<")
    assert falling.text.index(">web<") < falling.text.index(">archive<")
    assert "<b>x" not in reflected.text
    assert "&lt;b&gt;x" not in reflected.text


async def test_many_viewers_cause_one_scrape() -> None:
    calls: Answers = QEMU_HOST
    async with (
        ScriptedDaemon(by_table(calls)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        pages = await asyncio.gather(*(get(application, "/") for _ in range(5)))
        pages += [await get(application, "/")]
        page = await application.page()
    assert all(one.status_code == httpx.codes.OK for one in pages)
    assert b"libvirt_exporter_scrapes_total 2\n" in page.render()


async def test_a_collector_that_failed_says_why() -> None:
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: refuses(38, "of no mind")}
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        one = only(await application.snapshot())
    stats = next(collector for collector in one.collectors if collector.name == "domain_stats")
    assert not stats.has_succeeded
    assert "of no mind" in stats.failure
    assert one.has_failed


async def test_other_names_on_the_metrics_page_change_nothing_here() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        config = configured(daemon.uri)
        config = dataclasses.replace(config, metrics=MetricsConfig(profile=("tinkoff",)))
        async with exporting(config) as application:
            page = await application.page()
            domains = named(await application.snapshot())
    assert b"libvirt_domain_state{" not in page.render()
    assert (domains["web"].state, domains["web"].vcpus) == (1, 1)
