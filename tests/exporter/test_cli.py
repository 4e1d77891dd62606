"""The command line: mistakes end with status 2 before anything listens; each command does its part."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import stat
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli import main
from exporter.config import ListenAddress
from exporter.exposition import Format
from exporter.web import listen
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.trace.format import load_trace
from tests.support.daemon import Answers, ScriptedDaemon, by_table, never, returns
from tests.support.exporter_process import exporter_process
from tests.support.exporting import QEMU_HOST, Held
from tests.support.pages import read_page

NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


@pytest.fixture(autouse=True)
def _a_bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings from outside; logging as it was afterwards."""
    for name in [name for name in os.environ if name.startswith(("LIBVIRT_", "VIRSH_"))]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def run(*arguments: str) -> int:
    """The exit status of `libvirt-exporter` with these arguments."""
    try:
        main(list(arguments))
    except SystemExit as exc:
        return int(exc.code or 0)
    return 0


async def run_beside(*arguments: str) -> int:
    """The same, in a thread, so that the test's own loop can be the daemon."""
    return await asyncio.to_thread(run, *arguments)


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--libvirt.timeout=soon"], "--libvirt.timeout: libvirt.timeout: expected a duration"),
        (["--web.listen-address=9177"], "web.listen_address: expected an address such as :9177"),
        (["--web.telemetry-path=metrics"], "web.telemetry_path: expected an absolute path"),
        (["--log.level=loud"], "logging.level: expected one of debug, info, warning, error"),
        (["--collector.disk.stats=maybe"], "collectors.disk.stats: expected"),
        (["--libvirt.uri=qemu//system"], "libvirt.uri: "),
        (["--libvirt.uri=qemu+carrier-pigeon:///system"], "libvirt.uri: "),
        (["--config.file=/nonexistent/config.yaml"], "/nonexistent/config.yaml"),
        (["--no.such.flag"], "No such option"),
        (["fetch"], "No such command"),
        (["scrape", "--libvirt.uri=qemu//system"], "libvirt.uri: "),
        (["record", "--interval=soon", "file"], "expected a duration"),
        (["record", "--scrapes=0", "file"], "--scrapes"),
        (["record"], "Missing argument"),
    ],
)
def test_a_mistake_ends_it_with_status_2_and_says_what_is_allowed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_every_mistake_of_a_file_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("libvirt:\n  timeuot: 3s\nweb:\n  listen_address: nowhere\n")
    assert run(f"--config.file={file}") == 2
    said = capsys.readouterr().err
    assert f"{file}:2: libvirt.timeuot: unknown key, did you mean libvirt.timeout?" in said
    assert f"{file}:4: web.listen_address: expected an address" in said


def test_a_mistake_in_a_variable_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIBVIRT_EXPORTER_LIBVIRT_TIMEOUT", "soon")
    assert run() == 2
    assert "LIBVIRT_EXPORTER_LIBVIRT_TIMEOUT: libvirt.timeout: " in capsys.readouterr().err


def test_an_address_in_use_ends_it_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with listen(ListenAddress("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status = run(f"--libvirt.uri={NOBODY_THERE}", f"--web.listen-address=127.0.0.1:{port}")
    assert status == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_a_wrong_uri_does_not_show_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--libvirt.uri=qemu+tcp://user:hunter2@host:port/system") == 2
    assert "hunter2" not in capsys.readouterr().err


# --config.check


@pytest.mark.parametrize("arguments", [["--config.check"], ["serve", "--config.check"]])
def test_a_configuration_is_checked_and_nothing_is_opened(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    file = tmp_path / "config.yaml"
    file.write_text(
        "libvirt:\n  uri: qemu+unix:///system?socket=/nonexistent/sock\n"
        f"web:\n  listen_address: 192.0.2.1:1\nlogging:\n  file: {log}\n"
    )
    assert run(f"--config.file={file}", *arguments) == 0
    assert capsys.readouterr().out == "ok: the configuration can be used\n"
    assert not log.exists()


@pytest.mark.parametrize("arguments", [["--config.check"], ["serve", "--config.check"]])
def test_a_check_of_the_configuration_says_every_mistake(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("libvirt:\n  timeuot: 3s\nweb:\n  listen_address: nowhere\n")
    assert run(f"--config.file={file}", "--log.level=loud", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{file}:2: libvirt.timeuot: unknown key" in captured.err
    assert f"{file}:4: web.listen_address: expected an address" in captured.err
    assert "--log.level: logging.level: expected one of" in captured.err


def test_a_check_of_the_configuration_takes_the_web_file_in_and_tells_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    web = tmp_path / "web.yml"
    web.write_text("basic_auth_users: {alice: no-hash}\n")
    assert run("--config.check", f"--web.config.file={web}") == 2
    assert "web.yml" in capsys.readouterr().err
    web.write_text("{}\n")
    monkeypatch.setenv("LIBVIRT_EXPORTER_LOGGING_LEVLE", "info")
    assert run("--config.check", f"--web.config.file={web}") == 0
    assert capsys.readouterr().out.splitlines() == [
        (
            "warning: the environment variable LIBVIRT_EXPORTER_LOGGING_LEVLE is no setting, "
            "did you mean LIBVIRT_EXPORTER_LOGGING_LEVEL?"
        ),
        "ok: the configuration can be used",
    ]


# What needs no daemon.


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"libvirt-exporter, version {__version__}\n"


@pytest.mark.parametrize("command", [[], ["scrape"], ["demo"], ["metrics"], ["record"]])
def test_every_command_has_a_help_page(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--help") == 0
    assert "Usage: libvirt-exporter" in capsys.readouterr().out


def test_the_catalogue_comes_as_markdown_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("metrics") == 0
    markdown = capsys.readouterr().out
    assert run("metrics", "--format=json") == 0
    catalogue = json.loads(capsys.readouterr().out)
    assert markdown.startswith("# Metrics\n")
    names = {entry["name"] for entry in catalogue}
    assert "libvirt_domain_cpu_time_seconds_total" in names
    assert all(f"`{name}`" in markdown for name in names)


# scrape


async def scraped(*arguments: str, answers: Answers = QEMU_HOST) -> int:
    async with ScriptedDaemon(by_table(answers)) as daemon:
        return await run_beside("scrape", f"--libvirt.uri={daemon.uri}", *arguments)


@pytest.mark.parametrize(
    ("flags", "page_format"), [([], Format.TEXT), (["--openmetrics"], Format.OPENMETRICS)]
)
async def test_scrape_prints_a_page(
    flags: list[str], page_format: Format, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert await scraped(*flags) == 0
    page = read_page(capfdbinary.readouterr().out, page_format)
    assert page.domain_names == {"web", "archive"}


async def test_scrape_without_a_daemon_prints_a_page_and_ends_with_status_1(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert await run_beside("scrape", f"--libvirt.uri={NOBODY_THERE}") == 1
    captured = capfdbinary.readouterr()
    assert read_page(captured.out).value("libvirt_exporter_connected") == 0
    assert b"no such socket" in captured.err


async def test_scrape_replaces_a_file_as_a_whole_for_all_to_read(tmp_path: Path) -> None:
    file = tmp_path / "libvirt.prom"
    file.write_text("old")
    file.chmod(0o600)
    old = file.stat().st_ino
    umask = os.umask(0o077)
    try:
        assert await scraped(str(file)) == 0
    finally:
        os.umask(umask)
    assert read_page(file.read_bytes()).domain_names == {"web", "archive"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert file.stat().st_ino != old
    assert list(tmp_path.iterdir()) == [file]


async def test_a_file_in_the_working_directory_needs_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await scraped("libvirt.prom") == 0
    assert [one.name for one in tmp_path.iterdir()] == ["libvirt.prom"]


async def test_a_file_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "absent" / "libvirt.prom"
    assert await scraped(str(file)) == 1
    said = capsys.readouterr().err
    assert f"cannot write {file}: No such file or directory" in said
    assert "Traceback" not in said


async def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A directory that came after the arguments were read cannot be replaced by a file.
    file = tmp_path / "libvirt.prom"
    held = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: held}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        running = asyncio.create_task(
            run_beside("scrape", f"--libvirt.uri={daemon.uri}", str(file))
        )
        await held.called()
        file.mkdir()
        held.let_go()
        assert await running == 1
    assert f"cannot write {file}: Is a directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


# Where settings come from.


async def test_a_flag_goes_before_a_variable_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "config.yaml"
    settings = {
        "collectors": {"domain": {"state": False, "stats": False}, "disk": {"stats": False}}
    }
    file.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("LIBVIRT_EXPORTER_COLLECTORS_DOMAIN_STATE", "true")
    monkeypatch.setenv("LIBVIRT_EXPORTER_COLLECTORS_DOMAIN_STATS", "false")
    assert await scraped(f"--config.file={file}", "--collector.domain.stats") == 0
    page = read_page(capfdbinary.readouterr().out)
    assert page.values("libvirt_domain_state")  # the variable's, against the file
    assert page.values("libvirt_domain_memory_current_bytes")  # the flag's, against both


async def test_a_flag_may_stand_before_or_behind_the_command(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        status = await run_beside(
            f"--libvirt.uri={daemon.uri}",
            "--no-collector.domain.state",
            "--collector.domain.stats=false",
            "scrape",
            "--collector.domain.stats=true",
        )
    page = read_page(capfdbinary.readouterr().out)
    assert status == 0
    assert page.values("libvirt_domain_state") == []
    assert page.values("libvirt_domain_memory_current_bytes")


async def test_the_uri_of_libvirts_own_variable_counts(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", daemon.uri)
        assert await run_beside("scrape") == 0
    assert read_page(capfdbinary.readouterr().out).domain_names == {"web", "archive"}


async def test_a_log_file_takes_what_would_go_to_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "exporter.log"
    flags = [f"--log.file={log}", "--log.format=json", f"--libvirt.uri={NOBODY_THERE}"]
    assert await run_beside("scrape", *flags) == 1
    (line,) = log.read_text().splitlines()
    parsed = json.loads(line)
    assert parsed["level"] == "warning"
    assert "no such socket" in parsed["message"]
    assert parsed["uri"] == "qemu+unix:///system"
    assert capfd.readouterr().err == ""


# check, record


async def test_check_ends_with_status_0_where_all_works_and_1_where_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        assert await run_beside("check", f"--libvirt.uri={daemon.uri}") == 0
        assert "FAIL" not in capsys.readouterr().out
        sasl = returns(t.AuthListReply((1,)))
        daemon.script = by_table({**QEMU_HOST, p.AUTH_LIST: sasl})
        assert await run_beside("check", f"--libvirt.uri={daemon.uri}") == 1
    captured = capsys.readouterr()
    assert "FAIL  authentication" in captured.out
    assert captured.err == ""


async def test_a_recording_can_be_replayed_by_the_next_command(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl.gz"
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        uri = f"--libvirt.uri={daemon.uri}"
        assert await run_beside("record", uri, "--scrapes=2", "--interval=0", str(file)) == 0
    with exporter_process("replay", str(file), LIBVIRT_DEFAULT_URI="no//uri") as exporter:
        page = exporter.scrape()
    assert page.domain_names == {"web", "archive"}
    assert page.value("libvirt_exporter_connected") == 1
    assert page.labels("libvirt_connection_info", "uri") == ["qemu+unix:///system"]


@pytest.mark.parametrize("content", [None, b"", b"no trace\n"])
def test_a_trace_that_cannot_be_served_is_an_error(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trace.jsonl"
    if content is not None:
        file.write_bytes(content)
    assert run("replay", str(file)) == 1
    assert f"libvirt-exporter: the trace {file}" in capsys.readouterr().err


def test_recording_without_a_daemon_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("record", f"--libvirt.uri={NOBODY_THERE}", str(tmp_path / "trace")) == 1
    assert "no such socket" in capsys.readouterr().err


# The process.


async def test_a_process_logs_json_and_ends_in_time_with_a_scrape_that_hangs() -> None:
    listed = Held(never)
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: listed, p.CONNECT_CLOSE: never}
    async with ScriptedDaemon(by_table(answers)) as daemon, asyncio.TaskGroup() as tasks:
        with contextlib.ExitStack() as stack:
            # Without what lists domains in the background: the one that hangs is the scrape's.
            alone = (
                "--log.level=debug",
                "--no-collector.domain.info",
                "--no-collector.domain.block-jobs",
            )
            start = exporter_process(f"--libvirt.uri={daemon.uri}", *alone)
            exporter = await asyncio.to_thread(stack.enter_context, start)
            scrape = tasks.create_task(asyncio.to_thread(exporter.scrape))
            await listed.called()
            status, seconds = await asyncio.to_thread(exporter.end, signal.SIGTERM)
            page = await scrape
            lines, log = exporter.log_lines(), exporter.log
        assert daemon.path not in log
    assert (status, seconds < 2) == (0, True)
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 0
    assert len(lines) == len(log.splitlines())
    connected = [line for line in lines if line["message"] == "connected to libvirt"]
    assert [line["libvirt"] for line in connected] == ["9.0.0"]
    assert [line for line in lines if line["level"] == "error"] == []


def test_a_process_without_a_daemon_serves_and_an_interrupt_ends_it() -> None:
    with exporter_process(f"--libvirt.uri={NOBODY_THERE}") as exporter:
        pages = [exporter.scrape() for _ in range(3)]
        assert exporter.get("/-/healthy").status_code == 200
        status, seconds = exporter.end(signal.SIGINT)
        warnings = [line for line in exporter.log_lines() if line["level"] == "warning"]
    assert all(page.value("libvirt_exporter_connected") == 0 for page in pages)
    assert (status, seconds < 2) == (0, True)
    assert len(warnings) == 1


def test_the_demo_needs_no_libvirt_and_its_counters_move() -> None:
    with exporter_process("demo", LIBVIRT_DEFAULT_URI="no//uri") as exporter:
        pages = [exporter.scrape() for _ in range(3)]
        log = exporter.log
    assert f"Open {exporter.url}\n" in log
    assert len(pages[0].domain_names) >= 5
    states = set(pages[0].values("libvirt_domain_state"))
    assert {1, 3, 5} <= states  # running, paused, shut off
    for name in ("libvirt_domain_cpu_time_seconds_total", "libvirt_domain_disk_read_bytes_total"):
        totals = [sum(page.values(name)) for page in pages]
        assert totals == sorted(set(totals)), name


def test_the_demos_trace_ships_and_loads() -> None:
    trace = load_trace(resources.files("exporter").joinpath("demo.jsonl.gz").read_bytes())
    assert trace.header.libvirt.startswith("9.0")
