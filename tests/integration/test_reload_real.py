"""A reload of a running exporter, with a real libvirtd at the other end of its connections."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.exporter_process import ExporterProcess, exporter_process, poll
from tests.support.libvirtd import PrivateLibvirtd

SUCCESSFUL = "libvirt_exporter_config_last_reload_successful"
SUCCESS_TIME = "libvirt_exporter_config_last_reload_success_timestamp_seconds"
CONNECTED = "libvirt_exporter_connected"


def clients(daemon: PrivateLibvirtd) -> list[str]:
    """The daemon's clients, by the numbers that it gives to each once."""
    lines = daemon.virt_admin("srv-clients-list", "libvirtd").splitlines()
    return sorted(line.split()[0] for line in lines if line.strip())


def write(file: Path, connections: dict[str, str], **more: Any) -> None:
    listed = [{"name": name, "uri": uri} for name, uri in connections.items()]
    new = file.with_suffix(".new")
    new.write_text(yaml.safe_dump({"libvirt": {"connections": listed}, **more}))
    new.replace(file)


def reload_by_signal(exporter: ExporterProcess) -> None:
    exporter.process.send_signal(signal.SIGHUP)


def reload_over_http(exporter: ExporterProcess) -> httpx.Response:
    return httpx.post(str(httpx.URL(exporter.url).join("/-/reload")), timeout=30)


def count_of(exporter: ExporterProcess, message: str) -> int:
    return sum(message in str(line["message"]) for line in exporter.log_lines())


def after(exporter: ExporterProcess, message: str, act: Callable[[], object]) -> None:
    """Does something, and waits until the exporter has logged another line of this kind."""
    before = count_of(exporter, message)
    act()
    poll(lambda: count_of(exporter, message) > before, f"the log says: {message}")


def test_unchanged_connections_stay_and_others_come_and_go(
    libvirtd: PrivateLibvirtd, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    uri, read_only = libvirtd.uri(), libvirtd.uri(read_only=True)
    write(file, {"a": uri, "b": read_only})
    others = clients(libvirtd)
    with exporter_process(f"--config.file={file}", "--web.enable-lifecycle") as exporter:
        poll(lambda: exporter.get("/-/ready").status_code == 200, "it is ready")
        first = exporter.scrape()
        ours = [one for one in clients(libvirtd) if one not in others]
        assert len(ours) == 2
        for _ in range(3):
            after(exporter, "configuration reloaded", lambda: reload_by_signal(exporter))
            assert reload_over_http(exporter).status_code == 200
        assert [one for one in clients(libvirtd) if one not in others] == ours
        unchanged = exporter.scrape()
        write(file, {"a": uri, "c": libvirtd.test_uri})
        assert reload_over_http(exporter).status_code == 200
        poll(lambda: len(clients(libvirtd)) == len(others) + 2, "the removed one is closed")
        now = [one for one in clients(libvirtd) if one not in others]
        changed = exporter.scrape()
    assert len(set(now) & set(ours)) == 1
    assert unchanged.values("libvirt_exporter_scrapes_total") == [2, 2]
    assert unchanged.values("libvirt_exporter_reconnects_total") == [0, 0]
    assert changed.value("libvirt_exporter_scrapes_total", host="a") == 3
    assert changed.value("libvirt_exporter_scrapes_total", host="c") == 1
    assert changed.labels(CONNECTED, "host") == ["a", "c"]
    assert changed.values(CONNECTED) == [1, 1]
    assert first.value(SUCCESSFUL) == changed.value(SUCCESSFUL) == 1
    assert first.value(SUCCESS_TIME) < unchanged.value(SUCCESS_TIME) < changed.value(SUCCESS_TIME)
    assert clients(libvirtd) == others


def test_a_bad_file_leaves_everything_as_it_is(libvirtd: PrivateLibvirtd, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    write(file, {"a": libvirtd.uri()})
    with exporter_process(f"--config.file={file}", "--web.enable-lifecycle") as exporter:
        poll(lambda: exporter.get("/-/ready").status_code == 200, "it is ready")
        before = clients(libvirtd)
        file.write_text("libvirt:\n  timeuot: 3s\n  parallel: many\n")
        refused = reload_over_http(exporter)
        after(exporter, "was not reloaded", lambda: reload_by_signal(exporter))
        page = exporter.scrape()
        assert clients(libvirtd) == before
    assert refused.status_code == 500
    assert f"{file}:2: libvirt.timeuot: unknown key, did you mean libvirt.timeout?" in refused.text
    assert f"{file}:3: libvirt.parallel: expected" in refused.text
    assert page.value(SUCCESSFUL) == 0
    assert page.value(CONNECTED, host="a") == 1


def test_reloads_in_a_row_and_at_the_end_harm_nothing(
    libvirtd: PrivateLibvirtd, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    write(file, {"hv0": libvirtd.uri()})
    others = clients(libvirtd)
    with exporter_process(f"--config.file={file}") as exporter:
        for number in range(20):
            write(file, {f"hv{number}": libvirtd.uri()})
            reload_by_signal(exporter)
        poll(lambda: exporter.scrape().labels(CONNECTED, "host") == ["hv19"], "the last one counts")
        reload_by_signal(exporter)
        status, seconds = exporter.end()
        assert "Traceback" not in exporter.log
    assert (status, seconds < 2) == (0, True)
    poll(lambda: clients(libvirtd) == others, "every connection is closed")


def test_a_hangup_while_the_process_starts_is_a_reload_once_it_serves(
    libvirtd: PrivateLibvirtd, tmp_path: Path
) -> None:
    """It comes while the configuration is being read: a pipe in the file's place tells when."""
    pipe, log = tmp_path / "config.yaml", tmp_path / "log"
    os.mkfifo(pipe)
    text = yaml.safe_dump({"libvirt": {"uri": libvirtd.uri()}})
    flags = [f"--config.file={pipe}", f"--log.file={log}", "--web.listen-address=127.0.0.1:0"]
    process = subprocess.Popen([sys.executable, "-m", "exporter", *flags])
    try:
        with pipe.open("w") as writer:  # waits for the reader
            process.send_signal(signal.SIGHUP)
            writer.write(text)
        poll(log.exists, "the configuration is read")
        with pipe.open("w") as writer:  # what reads it again is the reload
            writer.write(text)
        poll(lambda: "configuration reloaded" in log.read_text(), "it was reloaded")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
