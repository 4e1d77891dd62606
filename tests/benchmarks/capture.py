"""Records bulk replies of a real libvirtd with 100 QEMU domains: python -m tests.benchmarks.capture FILE.

Each domain has 4 vCPUs, 2 disks and 2 interfaces and is paused. Needs root, 5 GB of memory and a minute.
`--uri` uses a daemon that runs already.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from libvirt_rpc import connect
from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags, DomainStatsTypes
from libvirt_rpc.trace.record import Recorder
from tests.support.domains import Disk, DomainSpec, Interface, create
from tests.support.libvirtd import PrivateLibvirtd

ALL_GROUPS = DomainStatsTypes(0)
"""Every group that the daemon has: 8,200 parameters."""


def hundred_domains(count: int = 100) -> tuple[DomainSpec, ...]:
    """The domains of the project's measurements."""
    return tuple(
        DomainSpec(
            f"vm-{number:03d}",
            vcpus=4,
            disks=(Disk("vda"), Disk("vdb")),
            interfaces=(Interface(), Interface()),
        )
        for number in range(count)
    )


@contextlib.contextmanager
def running(count: int = 100) -> Iterator[str]:
    """A private libvirtd with the domains; gives its URI."""
    with PrivateLibvirtd() as libvirtd:
        create(libvirtd, *hundred_domains(count))
        yield libvirtd.uri()


async def record(uri: str, file: Path, replies: int) -> None:
    with Recorder(file) as recorder:
        async with connect(uri, tap=recorder, timeout=60) as connection:
            recorder.describe(
                libvirt="9.0.0", hypervisor="QEMU", uri=None, hostname="", start_times={}
            )
            for _ in range(replies):
                recorder.mark_scrape()
                await connection.get_all_domain_stats(
                    (), ALL_GROUPS, ConnectGetAllDomainStatsFlags.NOWAIT
                )


@click.command()
@click.option("--uri", help="A daemon that runs already.")
@click.option("--replies", default=3, show_default=True)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def main(uri: str | None, replies: int, file: Path) -> None:
    with contextlib.nullcontext(uri) if uri else running() as found:
        asyncio.run(record(found, file, replies))


if __name__ == "__main__":
    main()
