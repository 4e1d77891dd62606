"""Scrape latency over HTTP on 100 real QEMU domains against the floor: python -m tests.benchmarks.latency

Needs root, libvirtd, QEMU, 5 GB of memory. `--uri` uses a daemon that runs already, by its read-write socket.
"""

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from urllib.request import urlopen

import click

from exporter.application import Application
from exporter.config import load
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import (
    AUTH_LIST,
    CONNECT_GET_ALL_DOMAIN_STATS,
    CONNECT_LIST_ALL_DOMAINS,
    CONNECT_OPEN,
)
from libvirt_rpc.uri import parse_uri
from tests.benchmarks.bare_client import BareClient
from tests.benchmarks.capture import running
from tests.benchmarks.memory import url_of
from tests.support.golden import Calls

BESIDE_STATISTICS = (
    *(
        "domain.info",
        "domain.events",
        "domain.jobs",
        "domain.block-jobs",
        "host.stats",
        "host.devices",
    ),
    *("storage.pools", "network.networks", "network.dhcp-leases"),
)
"""What the floor does not ask for; tests.benchmarks.everything measures it."""

PARALLEL = 4
LIMIT = 1.10


async def calls_of_a_scrape(uri: str) -> list[Frame]:
    """What the exporter sends for one scrape, the handshake included."""
    calls = Calls()
    off = {f"collectors.{one.replace('-', '_')}": "false" for one in BESIDE_STATISTICS}
    config = load(None, flags={"libvirt.uri": uri, **off}, environ={})
    application = Application(config, tap=calls)
    await application.scrape_once()
    return calls.sent_frames


def by_procedure(frames: list[Frame], number: int) -> list[Frame]:
    return [frame for frame in frames if frame.procedure == number]


def http_scrape(url: str) -> float:
    started = time.perf_counter()
    with urlopen(url, timeout=60) as response:
        response.read()
    return time.perf_counter() - started


def measure(uri: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of `rounds` scrapes and of as many floors, taken in turn."""
    frames = asyncio.run(calls_of_a_scrape(uri))
    handshake = by_procedure(frames, AUTH_LIST.number) + by_procedure(frames, CONNECT_OPEN.number)
    listing = by_procedure(frames, CONNECT_LIST_ALL_DOMAINS.number)[-1]
    chunks = by_procedure(frames, CONNECT_GET_ALL_DOMAIN_STATS.number)
    path = parse_uri(uri).parameters.socket
    assert path is not None
    command = [
        *(sys.executable, "-m", "exporter", f"--libvirt.uri={uri}"),
        *("--web.listen-address=127.0.0.1:0", "--log.format=json"),
        *(f"--no-collector.{one}" for one in BESIDE_STATISTICS),
    ]
    with (
        contextlib.closing(BareClient(path, handshake)) as bare,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server,
    ):
        try:
            url = url_of(server)
            http_scrape(url)
            bare.scrape(listing, chunks, PARALLEL)
            scrapes, floors = [], []
            for _ in range(rounds):
                floors.append(bare.scrape(listing, chunks, PARALLEL))
                scrapes.append(http_scrape(url))
            click.echo(f"{len(chunks)} calls of statistics a scrape")
            return scrapes, floors
        finally:
            server.terminate()


@click.command()
@click.option("--uri", help="A daemon that runs already.")
@click.option("--rounds", default=21, show_default=True)
def main(uri: str | None, rounds: int) -> None:
    with contextlib.nullcontext(uri) if uri else running() as found:
        scrapes, floors = measure(found, rounds)
    for name, seconds in (("scrape over HTTP", scrapes), ("floor", floors)):
        click.echo(
            f"{name:<18} median {statistics.median(seconds):.3f} s, best {min(seconds):.3f} s"
        )
    ratio = statistics.median(scrapes) / statistics.median(floors)
    click.echo(f"ratio of the medians {ratio:.3f}, limit {LIMIT}")


if __name__ == "__main__":
    main()
