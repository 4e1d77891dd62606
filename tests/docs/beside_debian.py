"""This exporter, Debian's prometheus-libvirt-exporter and virsh on the same 100 real domains, in turn.

python -m tests.docs.beside_debian. Needs root, libvirtd, QEMU, Debian's package, 5 GB of memory.
docs/comparison.md has the figures.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from tests.benchmarks.capture import running
from tests.support.exporter_process import exporter_process, poll
from tests.support.ports import free_port

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one program: seconds of each scrape, and what the process took for all of them."""

    seconds: list[float]
    samples: int
    cpu_seconds: float
    rss_mib: float

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.seconds):.2f} | {min(self.seconds):.2f} | {self.samples} | "
            f"{self.cpu_seconds / len(self.seconds):.3f} | {self.rss_mib:.0f}"
        )


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


@contextlib.contextmanager
def debian_exporter(uri: str) -> Iterator[tuple[int, str]]:
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus-libvirt-exporter", f"--web.listen-address={address}"]
    process = subprocess.Popen([*command, f"--libvirt.uri={uri}"], stderr=subprocess.DEVNULL)
    url = f"http://{address}/metrics"

    def answers() -> bool:
        try:
            return httpx.get(url, timeout=60).status_code == 200
        except httpx.TransportError:
            return False

    try:
        poll(answers, "Debian's exporter answers", timeout=60)
        yield process.pid, url
    finally:
        process.kill()
        process.wait()


def scrape(url: str) -> tuple[float, int]:
    began = time.perf_counter()
    page = httpx.get(url, timeout=60)
    seconds = time.perf_counter() - began
    page.raise_for_status()
    return seconds, sum(not line.startswith("#") for line in page.text.splitlines())


def domstats(uri: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        ["virsh", "--connect", uri, "domstats", "--nowait"], check=True, capture_output=True
    )
    return time.perf_counter() - began


def measure(programs: dict[str, tuple[int, str]], virsh: Callable[[], float], rounds: int) -> None:
    for _, url in programs.values():
        scrape(url)
    before = {name: cpu_seconds(pid) for name, (pid, _) in programs.items()}
    times: dict[str, list[float]] = {name: [] for name in programs}
    samples: dict[str, int] = {}
    virsh_times = []
    for _ in range(rounds):
        for name, (_, url) in programs.items():
            seconds, samples[name] = scrape(url)
            times[name].append(seconds)
        virsh_times.append(virsh())
    click.echo("program | median s | best s | samples | CPU s/scrape | RSS MiB")
    for name, (pid, _) in programs.items():
        used = cpu_seconds(pid) - before[name]
        click.echo(f"{name} | {Measured(times[name], samples[name], used, rss_mib(pid))}")
    click.echo(f"virsh domstats | {statistics.median(virsh_times):.2f} | {min(virsh_times):.2f}")


@click.command()
@click.option("--domains", default=100, show_default=True)
@click.option("--rounds", default=15, show_default=True)
def main(domains: int, rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        uri = stack.enter_context(running(domains))
        ours = stack.enter_context(exporter_process(f"--libvirt.uri={uri}"))
        programs = {
            "libvirt-exporter": (ours.pid, ours.url),
            "Debian's": stack.enter_context(debian_exporter(uri)),
        }
        # What goes on in the background at the beginning has ended, as it has on a running host.
        poll(lambda: b"libvirt_domain_snapshots" in ours.get().content, "documents are read")
        measure(programs, lambda: domstats(uri), rounds)


if __name__ == "__main__":
    main()
