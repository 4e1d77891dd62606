"""A real Prometheus on a free port of loopback, and what it says when it is asked."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.ports import free_port

FAST: Mapping[str, str] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
"""The `global` section for a test that does not want to wait."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """`log` is the file that it logs to."""

    address: str
    log: Path

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query; empty while Prometheus is not ready."""
        result = self._get("query", query=expression)
        found = result.get("result", [])
        assert isinstance(found, list)
        return found

    def values(self, expression: str, label: str) -> dict[str, float]:
        """The values of a query's series by one of their labels, which tells them apart."""
        result = self.query(expression)
        found = {one["metric"][label]: float(one["value"][1]) for one in result}
        assert len(found) == len(result), result
        return found

    def targets(self) -> list[dict[str, Any]]:
        """The targets that it scrapes, as its API has them."""
        found = self._get("targets", state="active").get("activeTargets", [])
        assert isinstance(found, list)
        return found

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        try:
            response = httpx.get(f"{self.address}/api/v1/{path}", params=parameters)
            data = response.json()["data"]
        except (httpx.HTTPError, json.JSONDecodeError, KeyError):
            return {}
        assert isinstance(data, dict)
        return data


@contextlib.contextmanager
def prometheus(program: str, directory: Path, config: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Runs a Prometheus with this configuration; it may not log a warning about a scrape."""
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(dict(config)))
    address = f"127.0.0.1:{free_port()}"
    log = directory / "prometheus.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        yield Prometheus(f"http://{address}", log)
        lines = log.read_text().splitlines()
    finally:
        process.kill()
        process.wait()
    assert [line for line in lines if "level=warn" in line and "scrape" in line] == []
