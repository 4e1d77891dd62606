"""An exporter as operators run it: a process of its own, asked over HTTP, ended by a signal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.pages import ReadPage, read_response

START_TIMEOUT = 30.0
POLL_INTERVAL = 0.05


def poll(ready: Callable[[], bool], what: str, *, timeout: float = START_TIMEOUT) -> None:
    """Waits until something real is so; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(POLL_INTERVAL)


class ExporterProcess:
    """A running exporter; `url` is that of its metrics page."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        poll(self._listens, "the exporter listens")
        self.url = next(line["url"] for line in self.log_lines() if "url" in line)

    @property
    def pid(self) -> int:
        return self.process.pid

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        return any("url" in line for line in self.log_lines())

    def log_lines(self) -> list[dict[str, Any]]:
        """What it has logged, each line parsed; one that is not yet whole is left out."""
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n") and line[0] == "{"]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "", *, timeout: float = 30.0) -> httpx.Response:
        """Asks the metrics page, or another path."""
        url = str(httpx.URL(self.url).join(path)) if path else self.url
        return httpx.get(url, timeout=timeout)

    def scrape(self) -> ReadPage:
        return read_response(self.get())

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Sends a signal; gives the exit status and the seconds that the end took."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        return status, time.monotonic() - began


@contextlib.contextmanager
def exporter_process(*arguments: str, **environment: str) -> Iterator[ExporterProcess]:
    """Starts `python -m exporter` on a free port of loopback and ends it, whatever happens."""
    listening = ("--web.listen-address=127.0.0.1:0", "--log.format=json")
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "log")
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "exporter", *arguments, *listening],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, **environment},
            )
        try:
            yield ExporterProcess(process, log)
        finally:
            process.kill()
            process.wait()
