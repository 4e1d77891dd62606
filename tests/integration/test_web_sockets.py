"""A Unix socket, and sockets from systemd, as operators use them."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.exporter_process import poll
from tests.support.ports import free_port


@contextlib.contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def exporter(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "exporter", "demo", "--log.format=json", *arguments]


def get(path: Path) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        return client.get("http://exporter/metrics", timeout=30)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_it_serves_on_a_unix_socket_and_after_a_crash_again(tmp_path: Path) -> None:
    path, log = tmp_path / "exporter.sock", tmp_path / "log"
    command = exporter(f"--web.listen-address=unix:{path}")
    for end in (signal.SIGKILL, signal.SIGTERM):
        with started(command, log) as process:
            poll(lambda: listens(path), "it listens")
            assert get(path).text.count("libvirt_exporter_connected") >= 1
            process.send_signal(end)
            process.wait(30)
            assert path.exists() is (end is signal.SIGKILL)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line[0] == "{"]
    urls = [line["url"] for line in lines if "url" in line]
    assert urls == [f"unix:{path}"]


@pytest.mark.parametrize("is_unix", [False, True])
def test_it_serves_on_the_socket_that_systemd_hands_over(
    require: Callable[[str], str], tmp_path: Path, is_unix: bool
) -> None:
    program = require("systemd-socket-activate")
    path, port = tmp_path / "exporter.sock", free_port()
    place = str(path) if is_unix else f"127.0.0.1:{port}"
    command = [program, f"--listen={place}", *exporter("--web.systemd-socket")]
    with started(command, tmp_path / "log"):
        if is_unix:
            poll(lambda: listens(path), "systemd listens")
            response = get(path)
        else:
            transport = httpx.HTTPTransport(retries=8)
            with httpx.Client(transport=transport) as client:
                response = client.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert response.status_code == 200
    assert "libvirt_exporter_connected" in response.text


def test_without_a_socket_from_systemd_it_does_not_start() -> None:
    done = subprocess.run(
        exporter("--web.systemd-socket"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "web.systemd_socket: systemd hands over no socket" in done.stderr
