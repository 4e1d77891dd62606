"""Keeps the fleet that recorded traces show: python -m tests.support.record_fleet --daemon 9.0.

Starts a private libvirtd and domains of different shape, two of which run a real Linux that does
disk and network I/O, prints the daemon's URI on standard output when the guests are at work, and
keeps everything until SIGINT or SIGTERM. Needs root; see fixtures/README.md.
"""

import contextlib
import signal
import threading
import time
from pathlib import Path
from typing import Literal

import click

from tests.support.domains import (
    EXAMPLE_NOVA_METADATA,
    Disk,
    DomainSpec,
    Interface,
    create,
    domstats,
    qemu_pid,
)
from tests.support.guest import Guest, GuestUnavailable, build_guest
from tests.support.libvirtd import (
    IMAGES,
    LibvirtdFailed,
    PrivateLibvirtd,
    VirshFailed,
    missing_part,
)

GUEST_TIMEOUT = 180.0
"""From the start of the domains until both guests have done I/O: 15 s on two idle processors."""

HISTOGRAM_BINS = (0, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000)
"""Nanoseconds: from the page cache to a slow disk."""

NETWORK = """\
<network>
  <name>backbone</name>
  <uuid>0f2a7b6c-6d0b-4c57-9a0e-3e5f0f6f2b11</uuid>
  <bridge name="virbr-bb" stp="on"/>
  <dns enable="no"/>
  <ip address="198.19.0.1" netmask="255.255.255.0"/>
</network>
"""
"""Nobody serves DHCP or DNS on it: it needs no dnsmasq."""

_GUEST_NETWORK = "198.18.{}"
"""A /24 a guest, of the block that is set aside for benchmarks and routed nowhere."""


class _Ended(BaseException):
    """SIGINT or SIGTERM came."""


def fleet(
    guest: Guest,
    images: Path,
    *,
    is_new: bool,
    paused_accelerator: Literal["qemu", "kvm"] = "qemu",
) -> tuple[DomainSpec, ...]:
    """The domains; `is_new` adds what libvirt knows since 12.1."""
    root_disk = Disk(
        "vda",
        iothread=1,
        size_mib=64,
        statistics_intervals=(10, 60) if is_new else (),
        histogram_bins=HISTOGRAM_BINS if is_new else (),
    )
    return (
        DomainSpec(
            "web-01",
            state="running",
            memory_mib=128,
            vcpus=2,
            disks=(Disk("vda", size_mib=64),),
            interfaces=(Interface(_host_end(1)), Interface()),
            boot=guest.boot(
                console=images / "web-01.console",
                address=_guest_end(1),
                peer=_host_end(1).partition("/")[0],
            ),
            balloon_period=1,
        ),
        DomainSpec(
            "db-01",
            state="running",
            memory_mib=160,
            vcpus=4,
            disks=(root_disk, Disk("vdb", "raw", size_mib=32), Disk("vdc", backed=True)),
            interfaces=(Interface(_host_end(2)),),
            iothreads=2,
            title="Kundendatenbank Köln / 顧客データベース",
            boot=guest.boot(
                console=images / "db-01.console",
                address=_guest_end(2),
                peer=_host_end(2).partition("/")[0],
            ),
            balloon_period=1,
        ),
        DomainSpec(
            "instance-0000002a",
            state="running",
            memory_mib=64,
            disks=(Disk("vda"), Disk("hdc", device="cdrom")),
            interfaces=(Interface(),),
            nova=EXAMPLE_NOVA_METADATA,
        ),
        DomainSpec(
            "ci-runner-07",
            state="paused",
            accelerator=paused_accelerator,
            memory_mib=64,
            vcpus=2,
            maximum_vcpus=4,
            disks=(Disk("vda", backed=True), Disk("vdb", size_mib=8)),
            interfaces=(Interface(),),
        ),
        DomainSpec(
            "router-01",
            state="running",
            vcpus=1,
            interfaces=(Interface(), Interface()),
            description="Boots from nothing, has no disk.",
        ),
        DomainSpec(
            "backup-01",
            state="shut off",
            memory_mib=256,
            vcpus=3,
            disks=(Disk("vda"), Disk("vdb", size_mib=64)),
            interfaces=(Interface(),),
        ),
        DomainSpec(
            "legacy-app",
            state="paused",
            vcpus=3,
            disks=(Disk("hda", "raw", size_mib=8),),
            interfaces=(Interface(user_mode=True),),
        ),
    )


def wait_for_guests(libvirtd: PrivateLibvirtd, specs: tuple[DomainSpec, ...]) -> None:
    """Return when every booted guest has written, pinged and reported its memory."""
    deadline = time.monotonic() + GUEST_TIMEOUT
    waiting = {spec.name for spec in specs if spec.boot is not None}
    while waiting:
        for name in sorted(waiting):
            fields = domstats(libvirtd, name)[name]
            moved = ("block.0.wr.bytes", "net.0.tx.bytes", "balloon.usable")
            if all(int(fields.get(key, "0")) > 0 for key in moved):
                waiting.remove(name)
        if time.monotonic() > deadline:
            raise LibvirtdFailed(f"guests did no I/O within {GUEST_TIMEOUT:.0f} s: {waiting}")
        time.sleep(0.5)


def furnish(libvirtd: PrivateLibvirtd) -> None:
    """What a host has beside running domains: storage pools, a network, snapshots, autostart."""
    for pool in ("images", "archive"):
        directory = libvirtd.images / pool
        directory.mkdir()
        libvirtd.virsh("pool-define-as", pool, "dir", "--target", str(IMAGES / pool))
    libvirtd.virsh("pool-start", "images")
    libvirtd.virsh("pool-autostart", "images")
    for volume, size in (("base-bookworm", "2G"), ("scratch", "512M")):
        libvirtd.virsh("vol-create-as", "images", volume, size, "--format", "qcow2")
    network = libvirtd.images / "backbone.xml"
    network.write_text(NETWORK, encoding="utf-8")
    libvirtd.virsh("net-define", str(network))
    libvirtd.virsh("net-start", "backbone")
    for name in ("web-01", "db-01"):
        libvirtd.virsh("autostart", name)
    for number in (1, 2):
        libvirtd.virsh("snapshot-create-as", "backup-01", f"weekly-{number}")


def live(libvirtd: PrivateLibvirtd, pause_seconds: float, ended: threading.Event) -> None:
    """Lets things happen to domains, again and again, until `ended`: events and jobs to be recorded."""
    acts = (
        ("suspend", "instance-0000002a"),
        ("resume", "instance-0000002a"),
        (
            "blockcopy",
            "db-01",
            "vdb",
            str(IMAGES / "db-01-vdb.copy"),
            "--bytes",
            "--bandwidth",
            "400000",
            "--transient-job",
        ),
        ("reset", "router-01"),
        ("setmem", "web-01", "112M", "--live"),
        ("managedsave", "router-01"),
        ("start", "router-01"),
        ("setmem", "web-01", "128M", "--live"),
        ("blockjob", "db-01", "vdb", "--abort"),
    )
    while not ended.is_set():
        for act in acts:
            if ended.wait(pause_seconds):
                return
            with contextlib.suppress(VirshFailed):
                libvirtd.virsh(*act)


def _host_end(number: int) -> str:
    return _GUEST_NETWORK.format(number) + ".1/24"


def _guest_end(number: int) -> str:
    return _GUEST_NETWORK.format(number) + ".2/24"


def _end(number: int, frame: object) -> None:
    raise _Ended


@click.command(help=__doc__)
@click.option("--daemon", type=click.Choice(["9.0", "12.8"]), default="9.0", show_default=True)
@click.option(
    "--forky",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The root that chroot_forky.sh made; needed for 12.8.",
)
@click.option(
    "--life",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Let things happen to the domains, so far apart: events, jobs.",
)
@click.option("--kvm", is_flag=True, help="Run a paused domain under KVM: it shows KVM's figures.")
def main(*, daemon: str, forky: Path | None, kvm: bool, life: float | None) -> None:
    reason = missing_part()
    if reason is not None:
        raise click.ClickException(reason)
    if daemon == "12.8" and forky is None:
        raise click.UsageError("--daemon 12.8 needs --forky")
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    started = time.monotonic()
    try:
        with PrivateLibvirtd(chroot=forky if daemon == "12.8" else None) as libvirtd:
            version = libvirtd.virsh("version", "--daemon").splitlines()[-1]
            click.echo(version, err=True)
            specs = fleet(
                build_guest(libvirtd.images),
                libvirtd.images,
                is_new=daemon == "12.8",
                paused_accelerator="kvm" if kvm else "qemu",
            )
            create(libvirtd, *specs)
            # One that ran for a moment has figures above zero and a reason of its own.
            libvirtd.virsh("resume", "ci-runner-07")
            libvirtd.virsh("suspend", "ci-runner-07")
            wait_for_guests(libvirtd, specs)
            click.echo(f"{time.monotonic() - started:.0f} s until all were at work", err=True)
            for spec in specs:
                pid = qemu_pid(libvirtd, spec.name) if spec.state != "shut off" else "-"
                click.echo(f"{spec.name:20} {spec.state:10} {pid}", err=True)
            furnish(libvirtd)
            try:
                click.echo(libvirtd.uri())
                if life is not None:
                    live(libvirtd, life, threading.Event())
                signal.pause()
            finally:
                # Its bridge would outlive the daemon.
                libvirtd.virsh("net-destroy", "backbone")
    except _Ended:
        click.echo("ended", err=True)
    except (GuestUnavailable, LibvirtdFailed, VirshFailed) as exc:
        raise click.ClickException(str(exc)) from exc


if __name__ == "__main__":
    main()
