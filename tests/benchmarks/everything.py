"""A scrape with everything that is on by default against one of domain statistics alone, on 50 real domains.

python -m tests.benchmarks.everything. Needs root, libvirtd, QEMU, 3 GB of memory. Both scrape the same
daemon in turn, in steady state; the calls of a scrape are counted on the wire.
"""

import asyncio
import contextlib
import statistics
import time
from collections import Counter
from dataclasses import replace

import click

from exporter.application import Application
from exporter.config import Config, load
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.procedures import procedure_name
from tests.benchmarks.capture import running
from tests.support.exporting import STATISTICS_ALONE
from tests.support.golden import Calls

DOMAINS = 50
LIMIT = 1.15


async def timed(application: Application) -> float:
    started = time.perf_counter()
    (await application.page()).render()
    return time.perf_counter() - started


async def measure(config: Config, rounds: int) -> tuple[list[float], list[float], Counter[str]]:
    """Seconds of `rounds` scrapes of both kinds, and the calls of one with everything."""
    calls = Calls()
    everything = Application(config, tap=calls)
    alone = Application(replace(config, collectors=STATISTICS_ALONE))
    async with everything.connecting(), alone.connecting():
        for application in (everything, alone):
            await application.hypervisor.first_attempt()
            # The first one waits for what is kept afterwards.
            await timed(application)
            await timed(application)
        whole, bare = [], []
        for _ in range(rounds):
            bare.append(await timed(alone))
            sent = len(calls.sent_frames)
            whole.append(await timed(everything))
        made = Counter(
            procedure_name(frame.program, frame.procedure)
            for frame in calls.sent_frames[sent:]
            if frame.program != Program.KEEPALIVE
        )
    return whole, bare, made


@click.command()
@click.option("--uri", help="A daemon that runs already.")
@click.option("--rounds", default=21, show_default=True)
def main(uri: str | None, rounds: int) -> None:
    with contextlib.nullcontext(uri) if uri else running(DOMAINS) as found:
        config = load(None, flags={"libvirt.uri": found}, environ={})
        whole, bare, made = asyncio.run(measure(config, rounds))
    for name, seconds in (("everything", whole), ("domain statistics", bare)):
        click.echo(
            f"{name:<18} median {statistics.median(seconds):.3f} s, best {min(seconds):.3f} s"
        )
    ratio = statistics.median(whole) / statistics.median(bare)
    click.echo(f"ratio of the medians {ratio:.3f}, limit {LIMIT}")
    click.echo(f"{made.total()} calls in the last scrape:")
    for procedure, count in made.most_common():
        click.echo(f"  {count:4} {procedure}")


if __name__ == "__main__":
    main()
