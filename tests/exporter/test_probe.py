"""Targets scraped on demand: which are let through, and what their connections cost."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from exporter.config import (
    CollectorsConfig,
    Config,
    DiskCollectors,
    DomainCollectors,
    LibvirtConfig,
    MetricsConfig,
    ModuleConfig,
    NetworkCollectors,
    ProbeConfig,
    TargetConfig,
)
from exporter.probe import ProbeRefused, Probes, service_discovery
from exporter.target import Target, make_target
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.trace.replay import Replayer
from libvirt_rpc.uri import URIParameters
from tests.libvirt_rpc.trace.traces import recorded_scrapes
from tests.support.daemon import Answers, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.exporting import QEMU_HOST, Held
from tests.support.pages import ReadPage, read_page
from tests.support.virtual_time import VirtualClock, in_virtual_time

CONNECTED = "libvirt_exporter_connected"
SCRAPES = "libvirt_exporter_scrapes_total"
NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
ELSEWHERE = "qemu+tls://hv1.example.com/system"
FAR_AWAY = ELSEWHERE.replace("hv1", "hv2")
NOT_CONFIGURED = "this target is not configured: name it in `targets`, or allow it in `probe.allow`"
DOMAINS_ONLY = CollectorsConfig(disk=DiskCollectors(False), network=NetworkCollectors(False))
STATES_ONLY = dataclasses.replace(DOMAINS_ONLY, domain=DomainCollectors(stats=False))


def configured(
    targets: Mapping[str, str] = MappingProxyType({}),
    *,
    modules: Mapping[str, ModuleConfig] | None = None,
    allow: tuple[str, ...] = (),
    max_connections: int = 256,
    idle_timeout_seconds: float = 300.0,
    extra_labels: tuple[tuple[str, str], ...] = (),
    libvirt: LibvirtConfig = LibvirtConfig(keepalive_interval_seconds=0.0),  # noqa: B008  # frozen
    **named: str | TargetConfig,
) -> Config:
    """A configuration of these targets, by their URIs."""
    return Config(
        libvirt=libvirt,
        metrics=MetricsConfig(extra_labels),
        probe=ProbeConfig(
            tuple(re.compile(one) for one in allow), max_connections, idle_timeout_seconds
        ),
        modules=modules or {},
        targets={
            name: TargetConfig(name, one) if isinstance(one, str) else one
            for name, one in {**targets, **named}.items()
        },
    )


@contextlib.asynccontextmanager
async def probing(config: Config, **parts: Any) -> AsyncIterator[Probes]:
    """The targets of a configuration, looked after as the application does it."""
    # The clock is looked up at each call: it may be a virtual one.
    probes = Probes(config, **{"clock": lambda: time.monotonic(), **parts})  # noqa: PLW0108
    looking_after = asyncio.create_task(probes.run())
    try:
        yield probes
    finally:
        looking_after.cancel()
        await asyncio.gather(looking_after, return_exceptions=True)


async def probe(
    probes: Probes, name: str, module: str | None = None, timeout_seconds: float | None = None
) -> ReadPage:
    return read_page((await probes.probe(name, module, timeout_seconds)).render())


async def refusal(probes: Probes, name: str, module: str | None = None) -> ProbeRefused:
    with pytest.raises(ProbeRefused) as caught:
        await probes.probe(name, module, None)
    return caught.value


def leading_to(daemon: ScriptedDaemon) -> Callable[..., Target]:
    """Makes targets as ever, but that every name in their URIs is the scripted daemon's."""

    def make(libvirt: LibvirtConfig, *args: Any, **kwargs: Any) -> Target:
        return make_target(dataclasses.replace(libvirt, uri=daemon.uri), *args, **kwargs)

    return make


# Which target.


async def test_a_target_is_probed_by_its_name() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(hv1=daemon.uri, hv2=NOBODY_THERE)) as probes,
    ):
        page = await probe(probes, "hv1")
    assert page.domain_names == {"web", "archive"}
    assert page.value(CONNECTED) == 1
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_a_probed_page_says_nothing_of_the_process() -> None:
    """Else each target would have the exporter's own series once more."""
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        page = await probe(probes, "hv1")
    assert "process_" not in page.text
    assert "libvirt_exporter_build_info" not in page.text


async def test_the_module_is_the_requests_else_the_targets_else_the_default() -> None:
    modules = {
        "brief": ModuleConfig("brief", STATES_ONLY),
        "domains": ModuleConfig("domains", DOMAINS_ONLY),
    }
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        brief = TargetConfig("brief", daemon.uri, "brief")
        async with probing(configured(modules=modules, plain=daemon.uri, brief=brief)) as probes:
            asked = {
                (name, module): stats_groups(await probe(probes, name, module))
                for name in ("plain", "brief")
                for module in (None, "default", "domains", "brief")
            }
    everything, of_domains, of_states = {"cpu", "state"}, {"cpu", "state"}, {"state"}
    assert asked == {
        ("plain", None): everything,
        ("plain", "default"): everything,
        ("plain", "domains"): of_domains,
        ("plain", "brief"): of_states,
        ("brief", None): of_states,
        ("brief", "default"): everything,
        ("brief", "domains"): of_domains,
        ("brief", "brief"): of_states,
    }


def stats_groups(page: ReadPage) -> set[str]:
    names = {"cpu": "libvirt_domain_cpu_time_seconds_total", "state": "libvirt_domain_state"}
    return {group for group, name in names.items() if page.values(name)}


async def test_the_default_module_may_be_written_by_the_operator() -> None:
    modules = {"default": ModuleConfig("default", STATES_ONLY)}
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(modules=modules, hv1=daemon.uri)) as probes,
    ):
        assert stats_groups(await probe(probes, "hv1")) == {"state"}


async def test_a_module_that_is_not_there_is_refused_with_those_that_are() -> None:
    modules = {"brief": ModuleConfig("brief")}
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(modules=modules, hv1=daemon.uri)) as probes,
    ):
        refused = await refusal(probes, "hv1", "<b>")
        assert daemon.peers == []
    assert refused.status == 400
    assert str(refused) == "there is no module of this name; there are: brief, default"


async def test_a_recorded_hypervisor_can_be_a_target() -> None:
    make = functools.partial(make_target, replayer=Replayer(recorded_scrapes(1)))
    async with probing(configured(hv1=ELSEWHERE), make=make) as probes:
        page = await probe(probes, "hv1")
    assert page.value("libvirt_domain_cpu_time_seconds_total", domain="running") == 10.0


async def test_an_alias_that_libvirt_conf_does_not_have_is_the_configurations_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(max_connections=1, hv1="hv1-alias", hv2=daemon.uri)) as probes,
    ):
        await probe(probes, "hv2")
        refused = await refusal(probes, "hv1")
        assert (refused.status, probes.connections) == (500, 1)
        assert "it has no driver and is no alias of libvirt.conf" in str(refused)
        assert (await probe(probes, "hv2")).value(SCRAPES) == 2


# Targets that are not configured.


async def test_without_a_pattern_only_names_of_the_configuration_are_probed() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(hv1=ELSEWHERE), make=leading_to(daemon)) as probes,
    ):
        for name in (ELSEWHERE, "hv2", "HV1", "hv1 ", "hv", "default", daemon.uri, "*", "\0"):
            refused = await refusal(probes, name)
            assert (refused.status, str(refused)) == (403, NOT_CONFIGURED)
        assert (probes.connections, daemon.peers) == (0, [])


@pytest.mark.parametrize(
    ("pattern", "uri", "is_allowed"),
    [
        (r"qemu\+tls://hv[0-9]+\.example\.com/system", ELSEWHERE, True),
        (r"xen.*|qemu\+tls://hv1\.example\.com/system", ELSEWHERE, True),
        (r"qemu\+tls://hv1\.example\.com", ELSEWHERE, False),
        (r"hv1\.example\.com", ELSEWHERE, False),
        (r"tls://hv1\.example\.com/system", ELSEWHERE, False),
        (r"qemu\+tls://hv1\.example\.com/system", f"{ELSEWHERE}?project=x", False),
        (r"qemu\+tls://hv1\.example\.com/system", f"{ELSEWHERE}\n", False),
        (r"qemu\+tls://hv1\.example\.com/system$", f"{ELSEWHERE}\n", False),
        (r"qemu\+tls://hv1\.example\.com/system", f"{FAR_AWAY}\n{ELSEWHERE}", False),
        (r"^qemu\+tls://hv1|nothing", ELSEWHERE, False),
        (r"qemu\+tls://HV1\.example\.com/system", ELSEWHERE, False),
        (r"", ELSEWHERE, False),
    ],
)
async def test_a_pattern_has_to_match_the_whole_of_a_uri(
    pattern: str, uri: str, is_allowed: bool
) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(allow=("none", pattern)), make=leading_to(daemon)) as probes,
    ):
        if is_allowed:
            assert (await probe(probes, uri)).value(CONNECTED) == 1
        else:
            assert (await refusal(probes, uri)).status == 403
            assert daemon.peers == []


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///session",
        "test:///default",
        "xen",
        "remote:///",
        "qemu+unix:///system",
        "qemu+tls:///system",
        "qemu+tcp:///system",
        "qemu+ssh:///system",
        "qemu+tls://localhost/system",
        "qemu+tls://LocalHost./system",
        "qemu+tcp://hv1.localhost:22/system",
        "qemu+tcp://127.0.0.1/system",
        "qemu+tcp://127.255.0.3:9177/system",
        "qemu+tcp://127.1/system",
        "qemu+tcp://2130706433/system",
        "qemu+tcp://0x7f.0.0.1/system",
        "qemu+tcp://0/system",
        "qemu+tcp://0.0.0.0/system",
        "qemu+tcp://[::1]/system",
        "qemu+tcp://[::]/system",
        "qemu+tcp://[::1%25lo]/system",
        "qemu+tcp://[::ffff:127.0.0.1]/system",
        "qemu+tcp://root@localhost/system",
    ],
)
async def test_no_pattern_opens_this_machine(uri: str) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(allow=(".*",)), make=leading_to(daemon)) as probes,
    ):
        refused = await refusal(probes, uri)
        assert daemon.peers == []
    assert refused.status == 403
    assert "may not choose programs, files or sockets" in str(refused)


PARAMETERS = {
    "name": "test:///default",
    "socket": "/run/libvirt/libvirt-sock",
    "mode": "legacy",
    "proxy": "netcat",
    "command": "/bin/sh",
    "netcat": "nc",
    "keyfile": "/root/.ssh/id",
    "no_verify": "1",
    "no_tty": "1",
    "pkipath": "/etc/pki",
    "tls_priority": "NORMAL",
    "auth": "sasl.PLAIN",
    "authfile": "/etc/libvirt/auth.conf",
    "no_sanity": "1",
}


def test_every_parameter_of_the_client_is_tried() -> None:
    assert set(PARAMETERS) == set(URIParameters.__dataclass_fields__)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(
    "spelling", [str.lower, str.upper, lambda name: f"%{ord(name[0]):x}{name[1:]}"]
)
async def test_no_pattern_lets_a_uri_choose_what_this_machine_does(
    name: str, spelling: Callable[[str], str]
) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(allow=(".*",)), make=leading_to(daemon)) as probes,
    ):
        parameter = f"{spelling(name)}={PARAMETERS[name]}"
        for uri in (
            f"qemu+ssh://hv1/system?{parameter}",
            f"qemu+ssh://hv1/system?project=x&{parameter}",
            f"qemu+ssh://hv1/system?project=x;{parameter}",
        ):
            assert (await refusal(probes, uri)).status == 403
        assert daemon.peers == []


async def test_a_parameter_for_the_daemon_may_pass() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(allow=(".*",)), make=leading_to(daemon)) as probes,
    ):
        page = await probe(probes, f"{ELSEWHERE}?project=x")
    assert page.value(CONNECTED) == 1


@pytest.mark.parametrize("uri", ["hv1", "qemu", "qemu+smoke://hv1/", "qemu+tls://hv1:0/", "a\rb"])
async def test_what_is_no_uri_is_a_bad_request(uri: str) -> None:
    async with probing(configured(allow=("(?s).*",))) as probes:
        refused = await refusal(probes, uri)
    assert refused.status == 400
    assert "\r" not in str(refused)


async def test_a_target_by_its_uri_gets_nothing_of_the_configuration(tmp_path: Path) -> None:
    """Neither the credentials of the target at that host, nor those of the top level, nor writing."""
    password_file = tmp_path / "password"
    password_file.write_text("s3cret")
    named = TargetConfig(
        "hv1", ELSEWHERE, username="named", password_file=password_file, read_only=False
    )
    libvirt = LibvirtConfig(
        uri=ELSEWHERE, username="top", password_file=password_file, read_only=False
    )
    seen: list[LibvirtConfig] = []
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        lead = leading_to(daemon)

        def make(libvirt: LibvirtConfig, *args: Any, **kwargs: Any) -> Target:
            seen.append(libvirt)
            return lead(libvirt, *args, **kwargs)

        config = configured(allow=(".*",), libvirt=libvirt, hv1=named)
        async with probing(config, make=make) as probes:
            for name in ("hv1", ELSEWHERE):
                await probe(probes, name)
            assert len(daemon.peers) == 2
    assert [(one.uri, one.username, one.password_file, one.read_only) for one in seen] == [
        (ELSEWHERE, "named", password_file, False),
        (ELSEWHERE, None, None, True),
    ]


# Credentials.

ASKS_FOR_SASL: Answers = {
    **QEMU_HOST,
    p.AUTH_LIST: returns(t.AuthListReply((1,))),
    p.AUTH_SASL_INIT: returns(t.String("PLAIN")),
    p.AUTH_SASL_START: refuses(45, "authentication failed"),
}


@pytest.fixture
def no_auth_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIBVIRT_AUTH_FILE", str(tmp_path / "auth.conf"))
    (tmp_path / "auth.conf").write_text("")


@pytest.mark.usefixtures("no_auth_conf")
async def test_only_the_named_targets_credentials_reach_the_daemon(tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text("s3cret\n")
    async with ScriptedDaemon(by_table(ASKS_FOR_SASL)) as daemon:
        named = TargetConfig(
            "hv1", ELSEWHERE, username="named", password_file=password_file, read_only=False
        )
        config = configured(allow=(".*",), hv1=named)
        async with probing(config, make=leading_to(daemon)) as probes:
            for name in ("hv1", ELSEWHERE):
                assert (await probe(probes, name)).value(CONNECTED) == 0
        # XDR gives each byte of the message a word.
        by_name, by_uri = (peer.raw.replace(b"\0", b"") for peer in daemon.peers)
    assert b"nameds3cret" in by_name
    assert b"named" not in by_uri
    assert b"s3cret" not in by_uri


@pytest.mark.parametrize(
    ("username", "is_file_given", "problem"),
    [
        ("exporter", False, "username and password_file go together"),
        (None, True, "username and password_file go together"),
        ("exporter", True, "cannot be read: No such file or directory"),
    ],
)
@pytest.mark.usefixtures("no_auth_conf")
async def test_half_of_the_credentials_is_an_error_that_says_so(
    username: str | None,
    is_file_given: bool,
    problem: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ScriptedDaemon(by_table(ASKS_FOR_SASL)) as daemon:
        password_file = tmp_path / "absent" if is_file_given else None
        hv1 = TargetConfig("hv1", daemon.uri, username=username, password_file=password_file)
        async with probing(configured(hv1=hv1)) as probes:
            assert (await probe(probes, "hv1")).value(CONNECTED) == 0
        assert daemon.peers == []
    assert problem in caplog.text


ASKS_FOR_MORE: Answers = {**QEMU_HOST, p.AUTH_LIST: returns(t.AuthListReply((7,)))}
"""Than this client has; and no thread, which a virtual clock would not wait for, works it out."""


def test_a_target_that_refuses_us_is_tried_once_in_a_long_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        async with (
            ScriptedDaemon(by_table(ASKS_FOR_MORE)) as daemon,
            # Even where connections that nobody asks for are closed sooner.
            probing(configured(idle_timeout_seconds=1.0, hv1=daemon.uri)) as probes,
        ):
            for _ in range(7):
                assert (await probe(probes, "hv1")).value(CONNECTED) == 0
                assert len(daemon.peers) == 1
                await asyncio.sleep(2)
            for _ in range(60):
                await probe(probes, "hv1")
                await asyncio.sleep(5)
            # 314 seconds of pauses between 15 and 30 seconds.
            assert 11 <= len(daemon.peers) <= 21

    run()
    (warning,) = [one.getMessage() for one in caplog.records if one.levelno > logging.INFO]
    assert warning.startswith("cannot reach libvirt: authentication with libvirt failed: ")


@in_virtual_time
async def test_a_target_that_nobody_probes_is_not_tried_for_ever(clock: VirtualClock) -> None:
    silent = by_table({**QEMU_HOST, p.AUTH_LIST: never})
    async with (
        ScriptedDaemon(silent) as daemon,
        probing(configured(idle_timeout_seconds=60.0, hv1=daemon.uri)) as probes,
    ):
        await probe(probes, "hv1")
        await asyncio.sleep(80)
        assert probes.connections == 0
        tried = len(daemon.peers)
        await asyncio.sleep(1000)
        assert len(daemon.peers) == tried


# Connections.


async def test_a_connection_is_kept_from_probe_to_probe() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        for number in range(1, 6):
            assert (await probe(probes, "hv1")).value(SCRAPES) == number
        assert len(daemon.peer.calls(p.CONNECT_OPEN)) == 1
        assert probes.connections == 1


async def test_first_probes_at_once_share_a_connection_and_a_scrape() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        pages = await asyncio.gather(*(probe(probes, "hv1") for _ in range(5)))
        assert len(daemon.peers) == 1
    assert [page.value(CONNECTED) for page in pages] == [1] * 5


async def test_each_module_of_a_target_has_its_own_connection() -> None:
    modules = {"brief": ModuleConfig("brief", STATES_ONLY)}
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(configured(modules=modules, hv1=daemon.uri)) as probes,
    ):
        for _ in range(2):
            await probe(probes, "hv1")
            await probe(probes, "hv1", "brief")
        assert len(daemon.peers) == probes.connections == 2


@in_virtual_time
async def test_a_connection_without_probes_is_closed(clock: VirtualClock) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        ScriptedDaemon(by_table(QEMU_HOST)) as other,
        probing(configured(idle_timeout_seconds=60, hv1=daemon.uri, hv2=other.uri)) as probes,
    ):
        await probe(probes, "hv1")
        for _ in range(10):
            await probe(probes, "hv2")
            await asyncio.sleep(59)
        assert len(daemon.peer.calls(p.CONNECT_CLOSE)) == 1
        assert daemon.peer.ended.is_set()
        assert not other.peer.ended.is_set()
        assert probes.connections == 1
        assert (await probe(probes, "hv1")).value(CONNECTED) == 1
        assert len(daemon.peers) == 2


@in_virtual_time
async def test_a_connection_is_not_idle_while_it_is_probed(clock: VirtualClock) -> None:
    hanging = by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: never})
    modules = {"patient": ModuleConfig("patient", timeout_seconds=100)}
    async with (
        ScriptedDaemon(hanging) as daemon,
        probing(configured(modules=modules, idle_timeout_seconds=1, hv1=daemon.uri)) as probes,
    ):
        began = clock()
        page = await probe(probes, "hv1", "patient")
        assert clock() - began > 50
        assert page.value(CONNECTED) == 1
        assert not daemon.peers[0].ended.is_set()


async def test_the_longest_idle_connection_goes_where_there_is_no_room() -> None:
    async with contextlib.AsyncExitStack() as stack:
        daemons = [
            await stack.enter_async_context(ScriptedDaemon(by_table(QEMU_HOST))) for _ in range(3)
        ]
        ticks = iter(range(1000))
        uris = {f"hv{number}": one.uri for number, one in enumerate(daemons)}
        config = configured(uris, max_connections=2)
        clock = functools.partial(next, ticks)
        probes = await stack.enter_async_context(probing(config, clock=clock))
        for name in ("hv0", "hv1", "hv0", "hv2"):
            await probe(probes, name)
            assert probes.connections <= 2
        await daemons[1].peer.ended.wait()
        assert len(daemons[1].peer.calls(p.CONNECT_CLOSE)) == 1
        assert not daemons[0].peer.ended.is_set()
        assert not daemons[2].peer.ended.is_set()
        assert (await probe(probes, "hv0")).value(SCRAPES) == 3
        assert len(daemons[0].peers) == 1


async def test_a_probe_is_refused_where_every_connection_is_in_use() -> None:
    held = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    slow = by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: held})
    async with (
        ScriptedDaemon(slow) as daemon,
        ScriptedDaemon(by_table(QEMU_HOST)) as other,
        probing(configured(max_connections=1, hv1=daemon.uri, hv2=other.uri)) as probes,
    ):
        first = asyncio.create_task(probe(probes, "hv1"))
        await held.called()
        refused = await refusal(probes, "hv2")
        assert refused.status == 503
        assert "all 1 connections are in use (probe.max_connections)" in str(refused)
        held.let_go()
        assert (await first).value(CONNECTED) == 1
        assert (await probe(probes, "hv2")).value(CONNECTED) == 1
        await daemon.peer.ended.wait()


async def test_many_targets_in_turn_are_never_more_connections_than_there_may_be() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(
            configured({f"hv{number}": daemon.uri for number in range(10)}, max_connections=3)
        ) as probes,
    ):
        for number in range(30):
            assert (await probe(probes, f"hv{number % 10}")).value(CONNECTED) == 1
            assert probes.connections <= 3
        assert len(daemon.peers) == 30


async def test_in_the_end_every_connection_is_closed_and_no_task_is_left() -> None:
    before = asyncio.all_tasks()
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        config = configured(
            {f"hv{number}": daemon.uri for number in range(4)},
            max_connections=2,
            dead=NOBODY_THERE,
        )
        async with probing(config) as probes:
            for name in config.targets:
                await probe(probes, name)
        assert probes.connections == 0
        assert asyncio.all_tasks() == before
        assert [len(peer.calls(p.CONNECT_CLOSE)) for peer in daemon.peers] == [1] * 4


@in_virtual_time
async def test_the_end_waits_for_a_connection_that_just_made_room(clock: VirtualClock) -> None:
    before = asyncio.all_tasks()
    no_farewell = by_table({**QEMU_HOST, p.CONNECT_CLOSE: never})
    async with ScriptedDaemon(no_farewell) as daemon:
        config = configured(max_connections=1, hv1=daemon.uri, hv2=NOBODY_THERE)
        async with probing(config) as probes:
            await probe(probes, "hv1")
            await probe(probes, "hv2")
        assert asyncio.all_tasks() == before
        await daemon.peer.ended.wait()


# A target that is down.

SILENT: Answers = {**QEMU_HOST, p.AUTH_LIST: never}


@in_virtual_time
async def test_a_target_that_does_not_answer_costs_one_probe_its_deadline(
    clock: VirtualClock,
) -> None:
    async with (
        ScriptedDaemon(by_table(SILENT)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        assert await seconds_of_probes(clock, probes, "hv1", 1) == [pytest.approx(10)]
        assert await seconds_of_probes(clock, probes, "hv1", 50) == [0] * 50


async def seconds_of_probes(
    clock: VirtualClock, probes: Probes, name: str, count: int, timeout: float | None = None
) -> list[float]:
    """How long each probe took of a target that is down."""
    seconds = []
    for _ in range(count):
        began = clock()
        assert (await probe(probes, name, None, timeout)).value(CONNECTED) == 0
        seconds.append(round(clock() - began, 6))
        await asyncio.sleep(1)
    return seconds


@in_virtual_time
async def test_a_deadline_before_the_attempts_end_is_waited_for_once_too(
    clock: VirtualClock,
) -> None:
    async with (
        ScriptedDaemon(by_table(SILENT)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        assert await seconds_of_probes(clock, probes, "hv1", 5, timeout=2) == [2, 0, 0, 0, 0]
        assert len(daemon.peers) == 1


@in_virtual_time
async def test_an_attempt_that_takes_longer_than_the_modules_timeout_is_not_waited_for(
    clock: VirtualClock,
) -> None:
    let_in = Held(QEMU_HOST[p.AUTH_LIST])
    answers: Answers = {**QEMU_HOST, p.AUTH_LIST: let_in, p.CONNECT_GET_TYPE: never}
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        asyncio.get_running_loop().call_later(5, let_in.let_go)
        assert await seconds_of_probes(clock, probes, "hv1", 3, timeout=40) == [10, 0, 0]


@in_virtual_time
async def test_a_target_that_is_down_costs_the_others_nothing(clock: VirtualClock) -> None:
    async with (
        ScriptedDaemon(by_table(SILENT)) as silent,
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(
            configured({f"dead{number}": silent.uri for number in range(20)}, hv1=daemon.uri)
        ) as probes,
    ):
        dead = [asyncio.create_task(probe(probes, f"dead{number}")) for number in range(20)]
        await silent.first_peer()
        began = clock()
        for _ in range(10):
            assert (await probe(probes, "hv1")).value(CONNECTED) == 1
        assert clock() - began < 0.01
        assert not any(one.done() for one in dead)
        assert [page.value(CONNECTED) for page in await asyncio.gather(*dead)] == [0] * 20


@in_virtual_time
async def test_a_target_without_anybody_there_is_told_at_once(clock: VirtualClock) -> None:
    async with probing(configured(hv1=NOBODY_THERE)) as probes:
        began = clock()
        page = await probe(probes, "hv1")
        assert clock() - began < 0.01
    assert page.value(CONNECTED) == 0
    assert page.value("libvirt_exporter_last_scrape_error") == 1
    assert page.domain_names == set()


@in_virtual_time
async def test_a_target_that_comes_back_is_found_again(clock: VirtualClock) -> None:
    async with (
        ScriptedDaemon(by_table(SILENT)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        assert (await probe(probes, "hv1")).value(CONNECTED) == 0
        daemon.script = by_table(QEMU_HOST)
        await asyncio.sleep(30)
        page = await probe(probes, "hv1")
        assert page.value(CONNECTED) == 1
        daemon.peers[-1].abort()
        await asyncio.sleep(1)
        page = await probe(probes, "hv1")
        assert page.value(CONNECTED) == 1
        assert page.value("libvirt_exporter_reconnects_total") == 1


@pytest.mark.parametrize(
    ("module", "timeout", "expected"),
    [(None, None, 10), (None, 4, 4), (None, 40, 10), ("brief", None, 3), ("brief", 2, 2)],
)
def test_a_target_that_hangs_in_the_middle_ends_by_the_deadline(
    module: str | None, timeout: float | None, expected: float
) -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        hanging = by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: never})
        modules = {"brief": ModuleConfig("brief", timeout_seconds=3)}
        async with (
            ScriptedDaemon(hanging) as daemon,
            probing(configured(modules=modules, hv1=daemon.uri)) as probes,
        ):
            began = clock()
            page = await probe(probes, "hv1", module, timeout)
            assert expected - 1 < clock() - began <= expected + 0.001
            assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 0

    run()


# Labels.


async def test_a_modules_labels_go_before_those_of_the_metrics() -> None:
    modules = {"brief": ModuleConfig("brief", labels={"rack": "of module", "row": "7"})}
    extra_labels = (("rack", "of metrics"), ("site", "north"))
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(
            configured(modules=modules, extra_labels=extra_labels, hv1=daemon.uri, hv2=NOBODY_THERE)
        ) as probes,
    ):
        for name in ("hv1", "hv2"):
            for module, expected in (
                ("default", {"rack": "of metrics", "site": "north"}),
                ("brief", {"rack": "of module", "row": "7", "site": "north"}),
            ):
                page = await probe(probes, name, module)
                for _, labels in page.samples:
                    assert expected.items() <= dict(labels).items()
                    assert ("row" in dict(labels)) is ("row" in expected)


# The end.


@in_virtual_time
async def test_probes_that_wait_for_a_connection_end_soon_when_the_exporter_does(
    clock: VirtualClock,
) -> None:
    async with (
        ScriptedDaemon(by_table(SILENT)) as daemon,
        probing(configured(hv1=daemon.uri, hv2=daemon.uri)) as probes,
    ):
        waiting = [asyncio.create_task(probe(probes, name)) for name in ("hv1", "hv2", "hv1")]
        await daemon.first_peer()
        began = clock()
        probes.hurry()
        pages = await asyncio.gather(*waiting)
        assert clock() - began < 0.5
    assert [page.value(CONNECTED) for page in pages] == [0, 0, 0]


@in_virtual_time
async def test_probes_that_scrape_end_soon_when_the_exporter_does(clock: VirtualClock) -> None:
    listed = Held(never)
    hanging = by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: listed})
    async with (
        ScriptedDaemon(hanging) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        scraping = asyncio.create_task(probe(probes, "hv1"))
        await listed.called()
        began = clock()
        probes.hurry()
        page = await scraping
        assert clock() - began < 0.5
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 0


@in_virtual_time
async def test_a_probe_that_is_connected_in_the_last_moment_ends_soon_too(
    clock: VirtualClock,
) -> None:
    let_in = Held(QEMU_HOST[p.AUTH_LIST])
    answers: Answers = {**QEMU_HOST, p.AUTH_LIST: let_in, p.CONNECT_LIST_ALL_DOMAINS: never}
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        probing(configured(hv1=daemon.uri)) as probes,
    ):
        waiting = asyncio.create_task(probe(probes, "hv1"))
        await let_in.called()
        began = clock()
        probes.hurry()
        let_in.let_go()
        page = await waiting
        assert clock() - began < 0.7
    assert page.value(CONNECTED) == 1


# Service discovery.


def test_the_service_discovery_has_every_target_with_its_module_and_labels() -> None:
    config = configured(
        hv1=TargetConfig("hv1", ELSEWHERE, username="u", labels={"rack": "r12", "row": "7"}),
        hv2=TargetConfig("hv2", FAR_AWAY, "brief"),
    )
    found = service_discovery(config.targets)
    assert found == [
        {"targets": ["hv1"], "labels": {"__param_module": "default", "rack": "r12", "row": "7"}},
        {"targets": ["hv2"], "labels": {"__param_module": "brief"}},
    ]


def test_without_targets_nothing_is_discovered() -> None:
    assert service_discovery({}) == []
