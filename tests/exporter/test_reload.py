"""A reload: what it keeps, replaces and ends, what it refuses, and what is said of it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

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
    LoggingConfig,
    MetricsConfig,
    ProbeConfig,
    TargetConfig,
    WebConfig,
)
from exporter.probe import ProbeRefused
from exporter.reload import Reloader, ReloadFailed, with_fixed_parts
from libvirt_rpc.protocol import procedures as p
from tests.support.daemon import Answers, ScriptedDaemon, by_table, never
from tests.support.exporting import QEMU_HOST, Held, get
from tests.support.pages import ReadPage, read_page, read_response

SUCCESSFUL = "libvirt_exporter_config_last_reload_successful"
SUCCESS_TIME = "libvirt_exporter_config_last_reload_success_timestamp_seconds"
CONNECTED = "libvirt_exporter_connected"
NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


class File:
    """What an operator has written by now: a configuration, or a mistake."""

    def __init__(self, content: Config | Exception) -> None:
        self.content = content

    def load(self) -> Config:
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


def of_connections(**uris: str) -> Config:
    connections = tuple(ConnectionConfig(name, uri) for name, uri in uris.items())
    return Config(libvirt=LibvirtConfig(connections=connections, keepalive_interval_seconds=0.0))


def made(file: File) -> Application:
    return Application(file.load(), load=file.load)


def farewells(daemon: ScriptedDaemon) -> list[int]:
    """How often each client of the daemon has said goodbye."""
    return [len(peer.calls(p.CONNECT_CLOSE)) for peer in daemon.peers]


async def first_attempts(application: Application) -> None:
    for target in application.targets:
        await target.hypervisor.first_attempt()


async def page_of(application: Application) -> ReadPage:
    return read_page((await application.page()).render())


async def settled(application: Application) -> None:
    """Until what a reload has ended is closed."""
    while application.hypervisors.ending or application.probes.ending:
        await asyncio.sleep(0.01)


# What is kept, replaced, ended.


async def test_a_connection_that_is_configured_as_before_is_kept() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        file = File(of_connections(hv0=daemon.uri, hv1=daemon.uri))
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            before = application.targets
            await page_of(application)
            file.content = of_connections(hv0=daemon.uri, hv1=daemon.uri)
            await application.reload()
            assert application.targets == before
            page = await page_of(application)
        assert farewells(daemon) == [1, 1]
    assert page.values("libvirt_exporter_scrapes_total") == [2, 2]
    assert page.values("libvirt_exporter_reconnects_total") == [0, 0]


async def test_a_changed_connection_is_replaced_and_a_removed_one_is_closed() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as kept,
        ScriptedDaemon(by_table(QEMU_HOST)) as old,
        ScriptedDaemon(by_table(QEMU_HOST)) as new,
        ScriptedDaemon(by_table(QEMU_HOST)) as removed,
    ):
        file = File(of_connections(gone=removed.uri, same=kept.uri, moved=old.uri))
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            file.content = of_connections(moved=new.uri, same=kept.uri)
            await application.reload()
            await settled(application)
            assert farewells(removed) == farewells(old) == [1]
            assert farewells(kept) == farewells(new) == [0]
            page = await page_of(application)
        assert farewells(kept) == farewells(new) == [1]
    # The new one had connected before a page could show it.
    assert page.labels(CONNECTED, "host") == ["moved", "same"]
    assert page.values(CONNECTED) == [1, 1]


@pytest.mark.parametrize(
    "changed",
    [
        {"collectors": CollectorsConfig(min_interval_seconds=1.0)},
        {"metrics": MetricsConfig((("site", "north"),))},
    ],
)
async def test_other_collectors_or_labels_replace_a_connection(changed: dict[str, object]) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        file = File(of_connections(hv0=daemon.uri))
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            file.content = dataclasses.replace(file.load(), **changed)  # type: ignore[arg-type]  # any fields
            await application.reload()
            await settled(application)
            assert farewells(daemon) == [1, 0]
            page = await page_of(application)
    site = "north" if "metrics" in changed else None
    assert all(dict(labels).get("site") == site for _, labels in page.samples)


async def test_an_alias_that_libvirt_conf_now_leads_elsewhere_is_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "libvirt" / "libvirt.conf"
    conf.parent.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as first,
        ScriptedDaemon(by_table(QEMU_HOST)) as second,
    ):
        conf.write_text(f'uri_aliases = [ "here={first.uri}" ]\n')
        application = made(File(of_connections(hv0="here")))
        async with application.connecting():
            await first_attempts(application)
            await application.reload()
            assert (len(first.peers), len(second.peers)) == (1, 0)
            conf.write_text(f'uri_aliases = [ "here={second.uri}" ]\n')
            await application.reload()
            assert (len(first.peers), len(second.peers)) == (1, 1)


async def test_a_running_scrape_of_a_removed_hypervisor_ends_in_peace() -> None:
    listed = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: listed}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        file = File(of_connections(hv0=daemon.uri))
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            scraping = asyncio.create_task(application.page())
            await listed.called()
            file.content = of_connections(hv1=NOBODY_THERE)
            await application.reload()
            assert farewells(daemon) == [0]
            listed.let_go()
            page = read_page((await scraping).render())
            await settled(application)
            assert farewells(daemon) == [1]
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1
    assert page.domain_names == {"web", "archive"}


async def test_the_own_hypervisor_may_come_and_go() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        libvirt = LibvirtConfig(uri=daemon.uri)
        targets = {"hv9": TargetConfig("hv9", NOBODY_THERE)}
        file = File(Config(libvirt=libvirt))
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            file.content = Config(targets=targets)
            await application.reload()
            assert (await page_of(application)).values(CONNECTED) == []
            file.content = Config(libvirt=libvirt, targets=targets)
            await application.reload()
            assert (await page_of(application)).values(CONNECTED) == [1]
        assert farewells(daemon) == [1, 1]


# Probed targets.


async def test_probed_targets_are_kept_replaced_and_ended_too() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        ScriptedDaemon(by_table(QEMU_HOST)) as elsewhere,
    ):

        def of_targets(**uris: str) -> Config:
            return Config(
                libvirt=LibvirtConfig(keepalive_interval_seconds=0.0),
                targets={name: TargetConfig(name, uri) for name, uri in uris.items()},
            )

        file = File(of_targets(same=daemon.uri, moved=daemon.uri, gone=daemon.uri))
        application = made(file)
        async with application.connecting():
            for name in ("same", "moved", "gone"):
                await application.probes.probe(name, None, None)
            file.content = of_targets(same=daemon.uri, moved=elsewhere.uri)
            await application.reload()
            await settled(application)
            assert farewells(daemon) == [0, 1, 1]
            for name in ("same", "moved"):
                page = read_page((await application.probes.probe(name, None, None)).render())
                assert page.value(CONNECTED) == 1
            with pytest.raises(ProbeRefused):
                await application.probes.probe("gone", None, None)
            assert (len(daemon.peers), len(elsewhere.peers)) == (3, 1)


async def test_a_running_probe_of_a_removed_target_ends_in_peace() -> None:
    listed = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: listed}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        file = File(Config(targets={"hv1": TargetConfig("hv1", daemon.uri)}))
        application = made(file)
        async with application.connecting():
            probing = asyncio.create_task(application.probes.probe("hv1", None, None))
            await listed.called()
            file.content = Config(targets={"hv2": TargetConfig("hv2", daemon.uri)})
            await application.reload()
            assert farewells(daemon) == [0]
            listed.let_go()
            assert read_page((await probing).render()).domain_names == {"web", "archive"}
            await settled(application)
            assert farewells(daemon) == [1]


async def test_a_lower_bound_of_connections_holds_from_the_next_new_target_on() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        targets = {name: TargetConfig(name, daemon.uri) for name in ("a", "b", "c", "d")}
        file = File(Config(targets=targets))
        application = made(file)
        async with application.connecting():
            for name in ("a", "b", "c"):
                await application.probes.probe(name, None, None)
            file.content = Config(targets=targets, probe=ProbeConfig(max_connections=2))
            await application.reload()
            assert application.probes.connections == 3
            await application.probes.probe("d", None, None)
            assert application.probes.connections == 2


# What is refused.


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (ConfigError("libvirt.timeout", "expected a duration"), "libvirt.timeout: expected"),
        (of_connections(hv0="no-alias"), "no-alias"),
        (Config(logging=LoggingConfig(file=Path("/dev/null/log"))), "logging.file: cannot open"),
    ],
)
async def test_a_configuration_that_cannot_be_used_changes_nothing(
    mistake: Config | Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        file = File(of_connections(hv0=daemon.uri))
        good = file.load()
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            before = await page_of(application)
            file.content = mistake
            with pytest.raises(ReloadFailed, match=said):
                await application.reload()
            assert application.config == good
            after = await page_of(application)
            file.content = good
            await application.reload()
            again = await page_of(application)
            assert farewells(daemon) == [0]
    assert any(said in one.getMessage() for one in caplog.records if one.levelname == "ERROR")
    assert after.value(CONNECTED, host="hv0") == 1
    assert [page.value(SUCCESSFUL) for page in (before, after, again)] == [1, 0, 1]
    assert before.value(SUCCESS_TIME) == after.value(SUCCESS_TIME) < again.value(SUCCESS_TIME)


async def test_every_mistake_is_told(caplog: pytest.LogCaptureFixture) -> None:
    mistakes = ConfigError.of(
        (*ConfigError("a", "is wrong").problems, *ConfigError("b", "is wrong too").problems)
    )
    file = File(Config())
    application = made(file)
    file.content = mistakes
    with pytest.raises(ReloadFailed, match="a: is wrong\nb: is wrong too"):
        await application.reload()
    (record,) = caplog.records
    assert record.getMessage().endswith("a: is wrong; b: is wrong too")


# What can and what cannot change.


def test_what_only_a_restart_can_change_stays_and_is_named() -> None:
    running = Config(web=WebConfig(listen_address=(ListenAddress("127.0.0.1", 1),)))
    web = WebConfig(
        (ListenAddress("", 2),), "/m", timeout_offset_seconds=2.0, enable_lifecycle=True
    )
    config = with_fixed_parts(Config(web=web, warnings=("one before",)), running)
    assert config.web == dataclasses.replace(
        running.web, timeout_offset_seconds=2.0, enable_lifecycle=True
    )
    assert config.warnings == (
        "one before",
        "web.listen_address stays as it is: only a restart can change it",
        "web.telemetry_path stays as it is: only a restart can change it",
    )


async def test_a_warning_says_what_a_reload_could_not_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = File(of_connections(hv0=NOBODY_THERE))
    application = made(file)
    file.content = dataclasses.replace(file.load(), web=WebConfig(telemetry_path="/elsewhere"))
    await application.reload()
    assert "web.telemetry_path stays as it is: only a restart can change it" in caplog.messages
    assert application.config.web.telemetry_path == "/metrics"


async def test_logging_is_set_up_anew_and_its_file_opened_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    file = File(of_connections(hv0=NOBODY_THERE))
    application = made(file)
    config = dataclasses.replace(file.load(), logging=LoggingConfig("info", "json", log))
    file.content = config
    await application.reload()
    assert '"message": "configuration reloaded"' in log.read_text()
    log.rename(tmp_path / "log.1")
    await application.reload()
    assert log.read_text().count("configuration reloaded") == 1
    file.content = dataclasses.replace(config, logging=LoggingConfig("warning", "json", log))
    await application.reload()
    assert log.read_text().count("configuration reloaded") == 1


# One after the other, and at the wrong time.


async def test_reloads_at_the_same_time_come_one_after_the_other() -> None:
    said: list[str] = []
    applied: list[Config] = []
    let_go = asyncio.Event()

    async def apply(config: Config) -> None:
        said.append("applied")
        applied.append(config)
        await let_go.wait()

    reloader = Reloader(Config, apply)
    reloader.on_begin = lambda: said.append("begin")
    reloader.on_end = lambda: said.append("end")
    running = [asyncio.create_task(reloader.reload()) for _ in range(2)]
    while not applied:
        await asyncio.sleep(0)
    assert said == ["begin", "applied"]
    let_go.set()
    await asyncio.gather(*running)
    assert said == ["begin", "applied", "end"] * 2


async def test_a_row_of_signals_is_one_reload_more() -> None:
    applied: list[Config] = []
    let_go = asyncio.Event()
    ended = asyncio.Event()

    async def apply(config: Config) -> None:
        applied.append(config)
        await let_go.wait()
        ended.set()

    reloader = Reloader(Config, apply)
    reloader.request()
    while not applied:
        await asyncio.sleep(0)
    for _ in range(5):
        reloader.request()
    let_go.set()
    await ended.wait()
    await reloader.reload()
    assert len(applied) == 3


async def test_a_client_that_goes_away_does_not_stop_a_reload() -> None:
    let_go = asyncio.Event()
    done = asyncio.Event()

    async def apply(_: Config) -> None:
        await let_go.wait()
        done.set()

    reloader = Reloader(Config, apply)
    waiting = asyncio.create_task(reloader.reload())
    await asyncio.sleep(0)
    waiting.cancel()
    let_go.set()
    await asyncio.wait_for(done.wait(), 5)


async def test_a_reload_while_the_exporter_ends_leaves_no_task_and_no_connection() -> None:
    before = asyncio.all_tasks()
    let_in = Held(never)
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        ScriptedDaemon(by_table({**QEMU_HOST, p.AUTH_LIST: let_in})) as hangs,
    ):
        file = File(of_connections(hv0=daemon.uri))
        application = made(file)
        async with application.connecting():
            await first_attempts(application)
            file.content = of_connections(hv1=hangs.uri)
            reloading = asyncio.create_task(application.reload())
            await let_in.called()
        with pytest.raises(asyncio.CancelledError):
            await reloading
        with pytest.raises(ReloadFailed, match="ending"):
            await application.reload()
        application.reloader.request()
        assert asyncio.all_tasks() == before
        assert farewells(daemon) == [1]


async def test_a_reload_before_anything_has_begun_is_taken_over() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        file = File(of_connections(hv0=NOBODY_THERE))
        application = made(file)
        file.content = of_connections(hv1=daemon.uri)
        await application.reload()
        async with application.connecting():
            assert (await page_of(application)).value(CONNECTED, host="hv1") == 1
        assert farewells(daemon) == [1]


# Asking for one.


async def test_over_http_it_is_off_unless_switched_on() -> None:
    for enabled, expected in ((False, 403), (True, 200)):
        file = File(Config(web=WebConfig(enable_lifecycle=enabled)))
        application = made(file)
        for method in ("POST", "PUT"):
            response = await get(application, "/-/reload", method=method)
            assert response.status_code == expected
        assert (await get(application, "/-/reload")).status_code == 405
        assert "content-security-policy" in response.headers


async def test_over_http_a_refusal_is_a_500_with_every_mistake() -> None:
    file = File(Config(web=WebConfig(enable_lifecycle=True)))
    application = made(file)
    file.content = ConfigError("libvirt.timeout", "expected a duration", source="config.yaml:3")
    response = await get(application, "/-/reload", method="POST")
    assert response.status_code == 500
    assert response.text == (
        "the configuration was not reloaded, the old one stays: "
        "config.yaml:3: libvirt.timeout: expected a duration\n"
    )


async def test_sighup_asks_for_one_and_sigterm_still_ends_it() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        web = WebConfig(listen_address=(ListenAddress("127.0.0.1", 0),))
        file = File(dataclasses.replace(of_connections(hv0=daemon.uri), web=web))
        application = made(file)
        urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        reloaded = asyncio.Event()
        serving = asyncio.create_task(application.serve(urls.set_result))
        (url,) = await urls
        application.reloader.on_end = reloaded.set
        file.content = dataclasses.replace(of_connections(hv1=daemon.uri), web=web)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(reloaded.wait(), 5)
        async with httpx.AsyncClient() as client:
            page = read_response(await client.get(url))
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(serving, 5) == 0
    assert page.labels(CONNECTED, "host") == ["hv1"]
    assert page.value(SUCCESSFUL) == 1
