"""Scrapes of 100 QEMU domains while one, then four of them are stopped: python -m tests.benchmarks.hung_domains

Needs root, libvirtd, QEMU, 5 GB of memory. `--uri` uses a daemon that runs already with these domains.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import click

from tests.benchmarks.capture import running
from tests.benchmarks.memory import url_of

ONE = ("vm-007",)
FOUR = ("vm-010", "vm-040", "vm-041", "vm-090")


def qemu_pid(domain: str) -> int:
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if f"guest={domain},".encode() in (process / "cmdline").read_bytes():
                return int(process.name)
    raise click.ClickException(f"there is no QEMU of {domain}")


@contextlib.contextmanager
def stopped(domains: Sequence[str]) -> Iterator[None]:
    pids = [qemu_pid(domain) for domain in domains]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def scrape(url: str, uri: str, when: str) -> None:
    started = time.perf_counter()
    with urlopen(url, timeout=30) as response:
        page = response.read().decode()
    seconds = time.perf_counter() - started
    whole = len(
        re.findall(r'^libvirt_domain_disk_read_bytes_total\{.*disk="vda"', page, re.MULTILINE)
    )
    late = re.findall(r'timed_out\{domain="([^"]+)".*\} 1$', page, re.MULTILINE)
    stuck = re.findall(r"^libvirt_exporter_stuck_calls (\d+)", page, re.MULTILINE)[0]
    started = time.perf_counter()
    virsh = ["virsh", "-c", uri, "domstats", "vm-005"]
    subprocess.run(virsh, check=True, capture_output=True, timeout=30)
    other = time.perf_counter() - started
    click.echo(
        f"{when:<14} {seconds:5.2f} s  whole {whole:3}  timed out {' '.join(late) or '-':<28} "
        f"stuck calls {stuck}  virsh domstats of another {other:.2f} s"
    )


@click.command()
@click.option("--uri", help="A daemon that runs already.")
def main(uri: str | None) -> None:
    with contextlib.nullcontext(uri) if uri else running() as found:
        command = [
            *(sys.executable, "-m", "exporter", f"--libvirt.uri={found}"),
            *("--web.listen-address=127.0.0.1:0", "--log.format=json"),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            try:
                url = url_of(server)
                for domains, when in ((ONE, "one stopped"), (FOUR, "four stopped")):
                    for _ in range(2):
                        scrape(url, found, "healthy")
                    with stopped(domains):
                        for _ in range(3):
                            scrape(url, found, when)
                    time.sleep(0.5)
                    scrape(url, found, "continued")
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
