"""`check` says step by step what works, and what to do about what does not."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from exporter import check as check_module
from exporter import target
from exporter.check import check
from exporter.config import (
    CollectorsConfig,
    Config,
    ConfigError,
    ConnectionConfig,
    DiskCollectors,
    LibvirtConfig,
    ModuleConfig,
    TargetConfig,
)
from exporter.plugins import Plugin
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.support.daemon import (
    Answer,
    Answers,
    ScriptedDaemon,
    by_table,
    closes,
    never,
    refuses,
    returns,
    sends,
)
from tests.support.driver_script import NOT_SUPPORTED, ScriptedDriver
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE, configured


async def checked(config: Config) -> tuple[int, list[str]]:
    said: list[str] = []
    return await check(config, said.append), said


async def checked_with(answers: Answers, **settings: float) -> tuple[int, list[str]]:
    async with ScriptedDaemon(by_table({**QEMU_HOST, **answers})) as daemon:
        return await checked(configured(daemon.uri, **settings))  # type: ignore[arg-type]  # floats


async def test_where_all_works_every_step_is_ok() -> None:
    status, said = await checked_with({})
    assert status == 0
    assert said == [
        "ok    uri             qemu+unix:///system",
        "ok    socket",
        "ok    authentication",
        "ok    open",
        "ok    versions        libvirt 9.0.0, QEMU 7.2.22, host host-1",
        "ok    domains         1 active, 1 inactive",
        "ok    domain.state (state)           4 fields of 2 domains",
        "ok    domain.stats (cpu_total)       2 fields of 2 domains",
        "ok    domain.stats (balloon)         6 fields of 2 domains",
        "ok    domain.stats (vcpu)            2 fields of 2 domains",
        "ok    disk.stats (block)             0 fields of 2 domains",
        "ok    network.stats (interface)      0 fields of 2 domains",
        "ok    domain_stats",
    ]


async def test_it_takes_leave_of_the_daemon() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        await checked(configured(daemon.uri))
        assert len(daemon.peer.calls(p.CONNECT_CLOSE)) == 1


async def test_only_what_is_enabled_is_checked() -> None:
    collectors = CollectorsConfig(disk=DiskCollectors(limits=True))
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        _, said = await checked(configured(daemon.uri, collectors=collectors))
    assert any("disk.limits (block)" in line for line in said)
    assert not any("domain.perf" in line for line in said)


async def test_a_uri_that_does_not_parse_is_the_first_failure() -> None:
    status, said = await checked(Config(libvirt=LibvirtConfig(uri="qemu//system")))
    assert status == 1
    assert len(said) == 1
    assert said[0].startswith("FAIL  uri             cannot use the libvirt URI 'qemu//system': ")


async def test_without_a_socket_every_path_is_told_with_its_reason(tmp_path: Path) -> None:
    status, said = await checked(configured(f"qemu+unix:///system?socket={tmp_path}/sock"))
    assert status == 1
    assert said[0] == "ok    uri             qemu+unix:///system"
    assert said[1].startswith("FAIL  socket          cannot connect to qemu+unix:///system: ")
    assert f"{tmp_path}/sock: no such socket" in said[1]
    assert len(said) == 2


async def test_a_socket_that_nobody_listens_on_is_told_apart(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "sock"))
    status, said = await checked(configured(f"qemu+unix:///system?socket={tmp_path}/sock"))
    assert status == 1
    assert "connection refused" in said[-1]


@pytest.mark.parametrize(("number", "name"), [(1, "sasl"), (2, "polkit")])
async def test_an_authentication_that_is_asked_for_is_named(number: int, name: str) -> None:
    status, said = await checked_with({p.AUTH_LIST: returns(t.AuthListReply((number,)))})
    assert status == 1
    assert said[1] == "ok    socket"
    assert said[2].startswith("FAIL  authentication  ")
    assert name in said[2].lower()


@pytest.mark.parametrize("answer", [sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), sends(bytes(64))])
async def test_a_daemon_that_sends_garbage_is_no_libvirt(answer: Answer) -> None:
    status, said = await checked_with({p.AUTH_LIST: answer})
    assert status == 1
    assert said[1] == "ok    socket"
    assert said[2].startswith("FAIL  authentication  ")
    assert "the connection to libvirt is closed" in said[2]


async def test_a_daemon_that_never_answers_is_given_up_after_the_timeout() -> None:
    status, said = await checked_with({p.AUTH_LIST: never}, timeout_seconds=0.05)
    assert status == 1
    assert said[-1].startswith("FAIL  authentication  libvirt did not answer AUTH_LIST within 0.0")


async def test_a_refused_open_is_told_with_the_daemons_words() -> None:
    refusal = refuses(5, "no connection driver available for qemu:///system")
    status, said = await checked_with({p.CONNECT_OPEN: refusal})
    assert status == 1
    assert said[1:3] == ["ok    socket", "ok    authentication"]
    assert said[3].startswith("FAIL  open            CONNECT_OPEN: no connection driver available")


async def test_a_daemon_that_leaves_after_the_open_has_no_versions() -> None:
    status, said = await checked_with({p.CONNECT_GET_TYPE: closes})
    assert status == 1
    assert said[4].startswith("FAIL  versions        ")


async def test_a_collector_that_the_daemon_cannot_serve_fails_with_the_reason() -> None:
    refusal = refuses(84, "Stats types bits 0x4 are not supported by this daemon")
    status, said = await checked_with({p.CONNECT_GET_ALL_DOMAIN_STATS: refusal})
    assert status == 1
    failed = [line for line in said if line.startswith("FAIL")]
    assert len(failed) == 6
    assert all("Stats types bits 0x4 are not supported" in line for line in failed)


async def test_what_libvirt_does_not_offer_is_off_with_what_to_do_and_no_failure() -> None:
    collectors = dataclasses.replace(STATISTICS_ALONE, enable=("host", "domain_jobs"))
    denied = refuses(88, "access denied")
    answers = {
        **QEMU_HOST,
        p.NODE_GET_INFO: denied,
        p.NODE_GET_CPU_STATS: refuses(3, "this function is not supported"),
        p.DOMAIN_GET_JOB_STATS: denied,
    }
    async with ScriptedDaemon(by_table(answers)) as daemon:
        status, said = await checked(configured(daemon.uri, collectors=collectors))
    off = {line.split()[1]: " ".join(line.split()[2:]) for line in said if line.startswith("off")}
    assert status == 0, said
    assert off["host.cpu"].startswith("unsupported: ")
    assert off["host.node"].startswith("denied: the connection may not ask for it: allow it")
    assert off["domain_jobs"].startswith("denied: "), "it is asked for in the background"


async def test_a_plugin_that_cannot_be_imported_fails_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> object:
        raise ImportError("no module named nothing")

    for module in (target, check_module):
        monkeypatch.setattr(module, "installed_plugins", lambda: (Plugin("broken", broken),))
    collectors = dataclasses.replace(STATISTICS_ALONE, enable=("broken", "absent"))
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        status, said = await checked(configured(daemon.uri, collectors=collectors))
    assert status == 1
    assert said[-2:] == [
        f"FAIL  {'broken':<30} it cannot be imported: ImportError: no module named nothing",
        f"warn  {'absent':<30} there is no collector or plugin of this name",
    ]


async def test_a_daemon_that_answers_no_statistics_is_asked_once() -> None:
    status, said = await checked_with({p.CONNECT_GET_ALL_DOMAIN_STATS: never}, timeout_seconds=0.05)
    assert status == 1
    (failed,) = [line for line in said if line.startswith("FAIL")]
    assert failed.startswith("FAIL  statistics      libvirt did not answer CONNECT_GET_ALL_DOMAIN")


# Several hypervisors.

NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
STATES_ONLY = dataclasses.replace(
    STATISTICS_ALONE,
    domain=dataclasses.replace(STATISTICS_ALONE.domain, stats=False),
    disk=DiskCollectors(stats=False),
    network=dataclasses.replace(STATISTICS_ALONE.network, stats=False),
)


async def test_each_of_several_connections_is_checked_under_its_name() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        connections = (
            ConnectionConfig("hv1", daemon.uri),
            ConnectionConfig("hv2", NOBODY_THERE),
            ConnectionConfig("hv3", daemon.uri),
        )
        status, said = await checked(
            Config(libvirt=LibvirtConfig(connections=connections), collectors=STATES_ONLY)
        )
        assert len(daemon.peers) == 2
    whole = [
        "ok    uri             qemu+unix:///system",
        "ok    socket",
        "ok    authentication",
        "ok    open",
        "ok    versions        libvirt 9.0.0, QEMU 7.2.22, host host-1",
        "ok    domains         1 active, 1 inactive",
        "ok    domain.state (state)           4 fields of 2 domains",
        "ok    domain_stats",
    ]
    assert status == 1
    assert said[: len(whole) + 1] == ["hv1:", *whole]
    assert said[-len(whole) - 1 :] == ["hv3:", *whole]
    assert said[len(whole) + 1 : len(whole) + 3] == ["hv2:", whole[0]]
    (failed,) = said[len(whole) + 3 : -len(whole) - 1]
    assert failed.startswith("FAIL  socket          cannot connect to qemu+unix:///system: ")


async def test_where_every_connection_works_the_check_succeeds() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        connections = (ConnectionConfig("hv1", daemon.uri), ConnectionConfig("hv2", daemon.uri))
        status, _ = await checked(Config(libvirt=LibvirtConfig(connections=connections)))
    assert status == 0


async def test_a_target_is_checked_with_its_own_module() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        ScriptedDaemon(by_table({p.AUTH_LIST: never})) as silent,
    ):
        config = Config(
            libvirt=LibvirtConfig(uri=NOBODY_THERE),
            modules={"brief": ModuleConfig("brief", STATES_ONLY, timeout_seconds=0.05)},
            targets={
                "hv1": TargetConfig("hv1", daemon.uri, "brief"),
                "hv2": TargetConfig("hv2", daemon.uri),
                "hv3": TargetConfig("hv3", silent.uri, "brief"),
            },
        )
        said: dict[str, list[str]] = {name: [] for name in config.targets}
        statuses = [await check(config, said[name].append, target=name) for name in said]
    assert statuses == [0, 0, 1]
    assert [said[name][0] for name in said] == ["hv1:", "hv2:", "hv3:"]
    assert sum("fields of" in line for line in said["hv1"]) == 1
    assert sum("fields of" in line for line in said["hv2"]) == 6
    assert "did not answer AUTH_LIST within 0.0" in said["hv3"][-1]


@pytest.mark.parametrize(
    ("targets", "known"),
    [({}, "none"), ({"b": NOBODY_THERE, "a": NOBODY_THERE}, "a, b")],
)
async def test_a_target_that_is_not_configured_is_an_error_with_those_that_are(
    targets: dict[str, str], known: str
) -> None:
    config = Config(targets={name: TargetConfig(name, uri) for name, uri in targets.items()})
    said: list[str] = []
    with pytest.raises(ConfigError, match=f"there is no target 'hv1'; there are: {known}$"):
        await check(config, said.append, target="hv1")
    assert said == []


@pytest.mark.parametrize(
    ("username", "password_file"), [("exporter", None), (None, Path("/nonexistent"))]
)
async def test_half_of_the_credentials_fails_the_authentication(
    username: str | None, password_file: Path | None
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        libvirt = LibvirtConfig(daemon.uri, username=username, password_file=password_file)
        status, said = await checked(Config(libvirt=libvirt))
        assert daemon.peers == []
    assert status == 1
    assert said[-1].startswith("FAIL  authentication  ")
    assert said[-1].endswith("username and password_file go together in the configuration")


@pytest.mark.parametrize("driver", ["LXC", "CH"])
@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, refuses(39, "unknown procedure: 344")])
async def test_a_driver_without_bulk_statistics_is_asked_otherwise_and_no_failure(
    driver: str, refusal: Answer
) -> None:
    async with ScriptedDriver(2, driver=driver) as host:
        host.answers[p.CONNECT_GET_ALL_DOMAIN_STATS] = refusal
        status, said = await checked(configured(host.uri))
    assert status == 0, said
    off = [" ".join(line.split()[1:3]) for line in said if line.startswith("off")]
    assert off[0] == "statistics libvirt"
    assert any(one.startswith("domain_stats.bulk") for one in off[1:])
    assert "ok    domain_stats" in said
    assert "ok    domain_stats.info" in said
