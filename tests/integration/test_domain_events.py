"""What a real libvirtd pushes when things happen to real domains, decoded: the bodies are its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from libvirt_rpc import enums
from libvirt_rpc.connection import connect
from libvirt_rpc.domain_events import Subscription, subscribe
from libvirt_rpc.enums import DomainEventID, DomainEventType, NetworkEventID, StoragePoolEventID
from libvirt_rpc.protocol import events as e
from tests.support import domains, guest, real_parts
from tests.support import libvirtd as private
from tests.support.domains import Disk, DomainSpec
from tests.support.libvirtd import IMAGES, PrivateLibvirtd

V = TypeVar("V")

TIMEOUT_SECONDS = 60.0
TITLE = "new title"
NAMESPACE = "http://example.org/x"

# The libvirt that brought what 9.0.0 does not have.
SINCE = {
    DomainEventID.NIC_MAC_CHANGE: 11_002_000,
    DomainEventID.VCPU_REMOVED: 12_004_000,
    DomainEventID.CHANNEL_LIFECYCLE: 12_004_000,
}

SPEC = DomainSpec("eventful", state="running", disks=(Disk("vda"), Disk("hdc", device="cdrom")))
MISSING = IMAGES / "missing.iso"
VNC = "vnc.sock"
# Besides what DomainSpec knows: a device for each event that takes one.
DEVICES = f"""
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='vnc'><listen type='socket' socket='{IMAGES / VNC}'/></graphics>
    <watchdog model='ib700' action='none'/>
"""
TABLET = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"
SUBSTITUTIONS = {
    "</devices>": f"{DEVICES}</devices>",
    'type="qcow2" ': 'type="qcow2" error_policy="stop" rerror_policy="stop" ',
    '<disk type="file" device="cdrom">': (
        '<disk type="file" device="cdrom">'
        f'<source file="{MISSING}" startupPolicy="optional"/><alias name="ua-cd"/>'
    ),
    '<disk type="file" device="disk">': '<disk type="file" device="disk"><alias name="ua-disk"/>',
}


@pytest.fixture(scope="module")
def host() -> Iterator[PrivateLibvirtd]:
    """A daemon whose domains nobody else touches; QEMU's capabilities are known to it."""
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        daemon.virsh("capabilities")
        yield daemon


@pytest.fixture
def domain(host: PrivateLibvirtd) -> Iterator[PrivateLibvirtd]:
    """The daemon with SPEC defined, in the variant with every device; it is gone afterwards."""
    xml = domains.domain_xml(SPEC)
    for old, new in SUBSTITUTIONS.items():
        assert old in xml
        xml = xml.replace(old, new)
    domains.define(host, SPEC)
    host.virsh("define", str(written(host, "eventful.xml", xml)))
    yield host
    with contextlib.suppress(private.VirshFailed):
        host.virsh("destroy", SPEC.name)
    host.virsh("undefine", SPEC.name, "--managed-save")
    for path in host.images.glob(f"{SPEC.name}*"):
        path.unlink()


def written(daemon: PrivateLibvirtd, name: str, content: str | bytes) -> Path:
    path = daemon.images / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@dataclass(slots=True)
class Watched:
    """The events that came over a connection, and the way to do something and wait for them."""

    daemon: PrivateLibvirtd
    subscription: Subscription
    seen: list[e.Event] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        async for event in self.subscription:
            async with self.came:
                self.seen.append(event)
                self.came.notify_all()

    async def virsh(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.daemon.virsh, *arguments)

    async def until(self, kind: type[V], count: int = 1) -> list[V]:
        """Waits until `count` events of a kind have come, and gives them."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self.came:
                await self.came.wait_for(lambda: len(self.of(kind)) >= count)
        except TimeoutError:
            pytest.fail(f"no {count} x {kind.__name__} among {self.seen}")
        return self.of(kind)

    def of(self, kind: type[V]) -> list[V]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def lives(self, *steps: tuple[int, enums.OpenIntEnum]) -> None:
        """Waits for as many lifecycle events and compares them, with their details and names."""
        events = await self.until(e.DomainLifecycleEvent, len(steps))
        assert [repr((one.event, one.detail)) for one in events] == [repr(one) for one in steps]


@contextlib.asynccontextmanager
async def watching(daemon: PrivateLibvirtd, uri: str | None = None) -> AsyncIterator[Watched]:
    """Everything that can be registered, over a read-only connection."""
    async with connect(uri or daemon.uri(read_only=True)) as connection:
        watched = Watched(daemon, await subscribe(connection, DomainEventID))
        reading = asyncio.create_task(watched.read())
        yield watched
        assert watched.subscription.unknown == 0
        assert watched.subscription.undecodable == 0
        assert watched.subscription.dropped == 0
    await reading  # which ends with the session


async def test_a_daemon_takes_what_it_knows_and_refuses_the_rest_one_by_one(
    host: PrivateLibvirtd,
) -> None:
    async with connect(host.uri(read_only=True)) as connection:
        version = await connection.get_lib_version()
        subscription = await subscribe(connection, DomainEventID)
    known = {one for one in DomainEventID if SINCE.get(one, 0) <= version}
    assert subscription.ids == known
    assert set(subscription.refused) == set(DomainEventID) - known
    assert all("unsupported event ID" in str(one) for one in subscription.refused.values())


async def test_the_test_driver_s_domains_live(host: PrivateLibvirtd) -> None:
    async with watching(host, host.test_uri) as watched:

        async def virsh(*arguments: str) -> None:
            await watched.virsh("--connect", host.test_uri, *arguments)

        await virsh("suspend", "test")
        await virsh("resume", "test")
        await virsh("destroy", "test")
        await virsh("start", "test")
        await virsh("desc", "test", "--title", TITLE)
        await virsh("metadata", "test", NAMESPACE, "--set", "<a/>", "--key", "x")
        xml = "<domain type='test'><name>new</name><memory>1024</memory><os><type>hvm</type></os></domain>"
        await virsh("define", str(written(host, "new.xml", xml)))
        await virsh("undefine", "new")
        await watched.lives(
            (DomainEventType.SUSPENDED, enums.DomainEventSuspendedDetailType.PAUSED),
            (DomainEventType.RESUMED, enums.DomainEventResumedDetailType.UNPAUSED),
            (DomainEventType.STOPPED, enums.DomainEventStoppedDetailType.DESTROYED),
            (DomainEventType.STARTED, enums.DomainEventStartedDetailType.BOOTED),
            (DomainEventType.DEFINED, enums.DomainEventDefinedDetailType.ADDED),
            (DomainEventType.UNDEFINED, enums.DomainEventUndefinedDetailType.REMOVED),
        )
        changes = await watched.until(e.DomainMetadataChangeEvent, 2)
        assert [(one.domain.name, one.type, one.nsuri) for one in changes] == [
            ("test", enums.DomainMetadataType.TITLE, None),
            ("test", enums.DomainMetadataType.ELEMENT, NAMESPACE),
        ]


async def test_networks_and_storage_pools_live(host: PrivateLibvirtd) -> None:
    async with connect(host.test_uri) as connection:
        watched = Watched(host, await subscribe(connection, [DomainEventID.LIFECYCLE]))
        reading = asyncio.create_task(watched.read())
        await connection.network_event_register_any(NetworkEventID.LIFECYCLE)
        for one in StoragePoolEventID:
            await connection.storage_pool_event_register_any(one)
        for command in ("net-destroy default", "pool-refresh default-pool", "net-start default"):
            await watched.virsh("--connect", host.test_uri, *command.split())
        networks = await watched.until(e.NetworkLifecycleEvent, 2)
        assert [(one.network.name, one.event.label) for one in networks] == [
            ("default", "stopped"),
            ("default", "started"),
        ]
        [refreshed] = await watched.until(e.StoragePoolRefreshEvent)
        assert refreshed.pool.name == "default-pool"
        assert watched.subscription.undecodable == 0
    await reading


async def test_a_domain_lives(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        for command in ("start", "suspend", "resume", "reset", "destroy"):
            await watched.virsh(command, SPEC.name)
        await watched.lives(
            (DomainEventType.RESUMED, enums.DomainEventResumedDetailType.UNPAUSED),
            (DomainEventType.STARTED, enums.DomainEventStartedDetailType.BOOTED),
            (DomainEventType.SUSPENDED, enums.DomainEventSuspendedDetailType.PAUSED),
            (DomainEventType.RESUMED, enums.DomainEventResumedDetailType.UNPAUSED),
            (DomainEventType.SHUTDOWN, enums.DomainEventShutdownDetailType.HOST),
            (DomainEventType.STOPPED, enums.DomainEventStoppedDetailType.DESTROYED),
        )
        lives = watched.of(e.DomainLifecycleEvent)
        assert {(one.domain.name, one.domain.uuid) for one in lives} == {(SPEC.name, SPEC.uuid)}
        assert [one.domain.id > 0 for one in lives] == [True] * 5 + [False]
        assert await watched.until(e.DomainRebootEvent)
        [agent] = await watched.until(e.DomainAgentLifecycleEvent)
        assert (agent.state.label, agent.reason.label) == ("disconnected", "domain_started")
        [medium] = await watched.until(e.DomainDiskChangeEvent)
        assert (medium.device_alias, medium.old_src_path, medium.new_src_path) == (
            "ua-cd",
            str(MISSING),
            None,
        )
        assert medium.reason.label == "change_missing_on_start"


async def test_devices_come_and_go(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name, "--paused")  # no BIOS is at the devices
        tablet = str(written(domain, "tablet.xml", TABLET))
        await watched.virsh("attach-device", SPEC.name, tablet)
        [added] = await watched.until(e.DomainDeviceAddedEvent)
        await watched.virsh("detach-device", SPEC.name, tablet)
        [removed] = await watched.until(e.DomainDeviceRemovedEvent)
        assert added.device_alias == removed.device_alias == "ua-tablet"
        iso = written(domain, f"{SPEC.name}.iso", bytes(2**20))
        await watched.virsh("change-media", SPEC.name, "hdc", "--insert", str(IMAGES / iso.name))
        trays = await watched.until(e.DomainTrayChangeEvent, 2)
        assert [(one.device_alias, one.reason.label) for one in trays] == [
            ("ua-cd", "open"),
            ("ua-cd", "close"),
        ]


async def test_a_domain_s_limits_are_set(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)
        await watched.virsh("blkdeviotune", SPEC.name, "vda", "--total-iops-sec", "1000")
        [tuned] = await watched.until(e.DomainTunableEvent)
        assert {one.field: one.value for one in tuned.params} == {
            "blkdeviotune.disk": "vda",
            "blkdeviotune.total_iops_sec": 1000,
        }


async def test_a_watchdog_expires(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)
        # What a guest's driver does: the ib700's port, with two seconds on it.
        await watched.virsh("qemu-monitor-command", SPEC.name, "--hmp", "o /b 0x443 0xe")
        [expired] = await watched.until(e.DomainWatchdogEvent)
        assert expired.action is enums.DomainEventWatchdogAction.NONE


async def test_a_domain_s_memory_fails(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)
        # An uncorrected error that has to be acted on, in a processor whose BIOS expects none.
        error = "mce 0 9 0xbd800000000000c0 0x5 0x1000 0x8c"
        await watched.virsh("qemu-monitor-command", SPEC.name, "--hmp", error)
        [failed] = await watched.until(e.DomainMemoryFailureEvent)
        assert (failed.recipient.label, failed.action.label) == ("guest", "reset")
        assert failed.flags == enums.DomainMemoryFailureFlags.ACTION_REQUIRED


async def test_a_viewer_comes_and_goes(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)
        with socket.socket(socket.AF_UNIX) as viewer:
            viewer.connect(str(domain.images / VNC))
            await watched.until(e.DomainGraphicsEvent)
        connected, disconnected = await watched.until(e.DomainGraphicsEvent, 2)
        assert [connected.phase.label, disconnected.phase.label] == ["connect", "disconnect"]
        assert connected.local.service == str(IMAGES / VNC)
        assert connected.auth_scheme == "none"


def damage(image: Path) -> None:
    """Makes the first 64 KiB of a compressed qcow2 image unreadable: an input/output error in QEMU."""
    with image.open("r+b") as file:

        def number_at(offset: int) -> int:
            file.seek(offset)
            (number,) = struct.unpack(">Q", file.read(8))
            return int(number)

        first_table = number_at(40)
        second_table = number_at(first_table) & 0x00FF_FFFF_FFFF_FE00
        compressed = number_at(second_table)
        assert compressed & 1 << 62, "the cluster is compressed"
        file.seek(compressed & (1 << 54) - 1)
        file.write(bytes(512))


async def test_a_disk_fails(domain: PrivateLibvirtd) -> None:
    source = written(domain, f"{SPEC.name}.raw", b"\x55\xaa" * 2**19)
    image = domain.images / domains.image_name(SPEC, SPEC.disks[0])
    convert = ["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(source), str(image)]
    subprocess.run(convert, check=True, timeout=60)
    damage(image)
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)  # the BIOS reads the first sector
        [failed] = await watched.until(e.DomainIOErrorReasonEvent)
        assert failed.src_path == str(IMAGES / image.name)
        assert failed.device_alias == "ua-disk"
        assert failed.action is enums.DomainEventIOErrorAction.PAUSE
        assert failed.reason in ("", "message")  # 9.0.0, 12.8.0
        [again] = await watched.until(e.DomainIOErrorEvent)
        assert (again.src_path, again.device_alias) == (failed.src_path, failed.device_alias)
        paused = (DomainEventType.SUSPENDED, enums.DomainEventSuspendedDetailType.IOERROR)
        lives = await watched.until(e.DomainLifecycleEvent, 3)
        assert repr((lives[-1].event, lives[-1].detail)) == repr(paused)


async def test_a_disk_is_copied(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)
        copy = str(IMAGES / f"{SPEC.name}-copy.qcow2")
        wait = ("--wait", "--finish", "--transient-job")
        await watched.virsh("blockcopy", SPEC.name, "vda", copy, *wait)
        ready, ended = await watched.until(e.DomainBlockJob2Event, 2)
        assert (ready.dst, ready.type.label, ready.status.label) == ("vda", "copy", "ready")
        assert (ended.dst, ended.type.label, ended.status.label) == ("vda", "copy", "canceled")
        older = await watched.until(e.DomainBlockJobEvent, 2)
        assert {Path(one.path).name for one in older} == {"eventful-vda.qcow2"}


async def test_a_domain_is_saved_and_restored(domain: PrivateLibvirtd) -> None:
    async with watching(domain) as watched:
        await watched.virsh("start", SPEC.name)
        await watched.virsh("domblkthreshold", SPEC.name, "vda", "1")
        await watched.virsh("snapshot-create-as", SPEC.name, "s1")
        crossed = await watched.until(e.DomainBlockThresholdEvent)
        assert (crossed[0].dev, crossed[0].threshold) == ("vda", 1)
        assert crossed[0].excess > 0
        assert Path(crossed[0].path or "").name == "eventful-vda.qcow2"
        await watched.virsh("snapshot-delete", SPEC.name, "s1")
        await watched.virsh("managedsave", SPEC.name)
        await watched.virsh("start", SPEC.name)
        [job] = await watched.until(e.DomainJobCompletedEvent)
        figures = {one.field: one.value for one in job.params}
        assert figures["operation"] == enums.DomainJobOperation.SAVE
        assert int(figures["memory_total"]) > SPEC.memory_mib * 2**20
        iterations = await watched.until(e.DomainMigrationIterationEvent)
        assert iterations[-1].iteration >= 1
        stopped = (DomainEventType.STOPPED, enums.DomainEventStoppedDetailType.SAVED)
        restored = (DomainEventType.STARTED, enums.DomainEventStartedDetailType.RESTORED)
        lives = [repr((one.event, one.detail)) for one in watched.of(e.DomainLifecycleEvent)]
        assert lives.index(repr(stopped)) < lives.index(repr(restored))


async def test_a_guest_gives_memory_back(host: PrivateLibvirtd) -> None:
    try:
        system = guest.build_guest(host.images)
    except guest.GuestUnavailable as exc:
        real_parts.lacks(str(exc))
    console = host.images / "guest-console"
    boot = system.boot(console=console)
    spec = DomainSpec("ballooned", state="running", memory_mib=128, boot=boot)
    domains.define(host, spec)
    try:
        async with watching(host) as watched:
            await watched.virsh("start", spec.name)
            # Asked before its driver is there, the guest does it when it is.
            await watched.virsh("setmem", spec.name, "100M", "--live")
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                while not [
                    one
                    for one in watched.of(e.DomainBalloonChangeEvent)
                    if one.actual_kib == 100 * 1024
                ]:
                    async with watched.came:
                        await watched.came.wait()
    finally:
        host.virsh("destroy", spec.name)
        host.virsh("undefine", spec.name)


async def test_after_the_daemon_s_restart_a_new_subscription_goes_on(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    async with connect(own_libvirtd.uri(read_only=True)) as connection:
        subscription = await subscribe(connection)
        reading = asyncio.create_task(anext(subscription, None))
        await asyncio.to_thread(own_libvirtd.restart)
        assert await reading is None
    spec = DomainSpec("after", state="shut off")
    async with watching(own_libvirtd) as watched:
        await asyncio.to_thread(domains.define, own_libvirtd, spec)
        [defined] = await watched.until(e.DomainLifecycleEvent)
        assert (defined.domain.uuid, defined.event) == (spec.uuid, DomainEventType.DEFINED)
