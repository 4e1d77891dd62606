"""One exporter for 200 hypervisors of 50 domains over TLS: python -m tests.benchmarks.many_hypervisors

All on loopback: a process that plays the hypervisors from a trace, the exporter as a user runs it, and
this process, which probes every target once per interval. Bounded by `--rounds`.

The exporter's share is what is left of the process's CPU time without TLS (the difference that it makes
to a scrape in this process) and without HTTP (what serving a page again costs that is not made anew).
"""

import asyncio
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
import yaml

from exporter.application import Application
from exporter.config import load
from tests.benchmarks.memory import url_of
from tests.support.certificates import Authority, write_client

TRACE = Path(__file__).parents[2] / "fixtures" / "benchmarks" / "fifty-domains-scrapes.jsonl.gz"
DOMAINS = 50
LIMIT = 2.0
_CLOCK_TICK = os.sysconf("SC_CLK_TCK")


def write_certificates(folder: Path) -> None:
    authority = Authority.new()
    server = authority.issue("server", "localhost", "127.0.0.1")
    (folder / "servercert.pem").write_bytes(server.pem)
    (folder / "serverkey.pem").write_bytes(server.key_pem())
    write_client(folder, [authority], authority.issue("exporter"))


def write_config(folder: Path, port: int, targets: int) -> Path:
    uri = f"qemu+tls://localhost:{port}/system?pkipath={folder}"
    file = folder / "config.yaml"
    config = {"targets": {f"hv-{number:03d}": {"uri": uri} for number in range(targets)}}
    file.write_text(yaml.safe_dump(config))
    return file


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICK


def resident_mib(pid: int) -> float:
    return (
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
    )


async def in_process_seconds(uri: str, scrapes: int = 100) -> float:
    """CPU seconds a domain of a scrape in this process, of one hypervisor, without HTTP."""
    application = Application(load(None, flags={"libvirt.uri": uri}, environ={}))
    await application.hypervisor.open()
    try:
        for _ in range(5):
            (await application.scraper.scrape()).render()
        started = time.process_time()
        for _ in range(scrapes):
            (await application.scraper.scrape()).render()
        return (time.process_time() - started) / scrapes / DOMAINS
    finally:
        await application.hypervisor.close()


async def http_seconds(config: Path, uri: str, requests: int = 200) -> float:
    """CPU seconds a domain of serving a probe's page that is there already, compressed."""
    exporter = start_exporter(
        f"--config.file={config}", f"--libvirt.uri={uri}", "--collector.min-interval=1h"
    )
    try:
        url = url_of(exporter).replace("/metrics", "/probe?target=hv-000")
        async with httpx.AsyncClient(timeout=30) as client:
            for _ in range(5):
                await client.get(url)
            before = cpu_seconds(exporter.pid)
            for _ in range(requests):
                assert (await client.get(url)).headers["content-encoding"] == "gzip"
            return (cpu_seconds(exporter.pid) - before) / requests / DOMAINS
    finally:
        exporter.terminate()
        exporter.wait()


def start_exporter(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "exporter", *arguments, "--log.format=json"]
    return subprocess.Popen(
        [*command, "--web.listen-address=127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )


async def probe_all(
    client: httpx.AsyncClient, base: str, targets: int, interval: float
) -> list[float]:
    """Every target once, spread over the interval; the seconds of each probe."""

    async def one(number: int) -> float:
        await asyncio.sleep(interval * number / targets)
        started = time.perf_counter()
        response = await client.get(f"{base}/probe", params={"target": f"hv-{number:03d}"})
        seconds = time.perf_counter() - started
        assert response.status_code == 200, response.text
        assert response.text.count("libvirt_domain_vcpu_count{") == DOMAINS
        return seconds

    return await asyncio.gather(*(one(number) for number in range(targets)))


async def measure(targets: int, interval: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_certificates(folder)
        port, socket = 26514, f"{name}/sock"
        player = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.benchmarks.simulated",
                str(TRACE),
                name,
                str(port),
                socket,
            ]
        )
        config = write_config(folder, port, targets)
        unix = f"qemu+unix:///system?socket={socket}"
        exporter = start_exporter(f"--config.file={config}", f"--libvirt.uri={unix}")
        try:
            base = url_of(exporter).removesuffix("/metrics")
            alone = await in_process_seconds(unix)
            tls_uri = f"qemu+tls://localhost:{port}/system?pkipath={folder}"
            tls = max(0.0, await in_process_seconds(tls_uri) - alone)
            http = await http_seconds(config, unix)
            limits = httpx.Limits(max_connections=targets)
            async with httpx.AsyncClient(timeout=30, limits=limits) as client:
                await probe_all(client, base, targets, interval)
                before = cpu_seconds(exporter.pid)
                seconds: list[float] = []
                for _ in range(rounds):
                    seconds += await probe_all(client, base, targets, interval)
                used = cpu_seconds(exporter.pid) - before
            each = used / (rounds * targets * DOMAINS)
            report(each, Parts(alone, tls, http), sorted(seconds), interval)
            click.echo(f"resident memory         {resident_mib(exporter.pid):.0f} MiB")
        finally:
            for process in (exporter, player):
                process.terminate()
                process.wait()


@dataclass(frozen=True, slots=True)
class Parts:
    """CPU seconds a domain."""

    alone: float
    tls: float
    http: float


def report(each: float, parts: Parts, seconds: list[float], interval: float) -> None:
    p99 = seconds[int(len(seconds) * 0.99)]
    share = each - parts.tls - parts.http
    cores = each * 1000 * 100 / interval
    click.echo(f"{len(seconds)} probes of {DOMAINS} domains, CPU a domain:")
    click.echo(f"the whole process       {each * 1e6:.1f} us")
    click.echo(f"  of it TLS             {parts.tls * 1e6:.1f} us")
    click.echo(f"  of it HTTP and gzip   {parts.http * 1e6:.1f} us")
    click.echo(f"  the exporter's share  {share * 1e6:.1f} us")
    click.echo(f"a scrape in process     {parts.alone * 1e6:.1f} us")
    click.echo(f"share / in process      {share / parts.alone:.2f}, limit {LIMIT}")
    click.echo(
        f"probe p50 / p99         {statistics.median(seconds) * 1e3:.1f} / {p99 * 1e3:.1f} ms"
    )
    click.echo(
        f"1,000 hypervisors of 100 domains every {interval:.0f} s: {cores:.2f} cores, "
        f"{max(1, math.ceil(cores / 0.7))} replicas at 70 % of a core each"
    )


@click.command()
@click.option("--targets", default=200, show_default=True)
@click.option("--interval", default=15.0, show_default=True)
@click.option("--rounds", default=4, show_default=True)
def main(targets: int, interval: float, rounds: int) -> None:
    asyncio.run(measure(targets, interval, rounds))


if __name__ == "__main__":
    main()
