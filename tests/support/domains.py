"""Real QEMU domains on a private libvirtd, described by values and handled through virsh.

A DomainSpec becomes domain XML, its disk images are created, and virsh defines and starts it.
Every file of a domain lies in the daemon's directory of images, which it sees as IMAGES.
Domains are emulated (TCG) unless said otherwise, so that no KVM is needed.
"""

import subprocess
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from tests.support.libvirtd import IMAGES, PrivateLibvirtd

NOVA_NAMESPACE = "http://openstack.org/xmlns/libvirt/nova/1.1"

PARALLEL_STARTS = 4
"""More virsh processes at once gain nothing: QEMU's start takes the machine's processors."""

_UUID_NAMESPACE = uuid.UUID("5d9e11b6-2f0c-4f63-9ab1-0a4f6b6f2f6e")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of its own image file, or an empty CD-ROM drive.

    `statistics_intervals` (seconds) needs libvirt 11.10, `histogram_bins` (bin starts in
    nanoseconds, the first is 0) needs 12.1; older daemons pass over them. `iothread` is the
    number of one of the domain's I/O threads.
    """

    target: str
    format: Literal["qcow2", "raw"] = "qcow2"
    size_mib: int = 16
    backed: bool = False
    device: Literal["disk", "cdrom"] = "disk"
    iothread: int | None = None
    statistics_intervals: tuple[int, ...] = ()
    histogram_bins: tuple[int, ...] = ()

    @property
    def bus(self) -> str:
        return {"vd": "virtio", "sd": "scsi", "hd": "ide"}[self.target[:2]]


@dataclass(frozen=True, slots=True)
class Interface:
    """A tap device that libvirt makes, or with `user_mode` QEMU's own network without one.

    `host_address` ("198.18.0.1/30") is given to the host's end of the tap.
    """

    host_address: str | None = None
    user_mode: bool = False


@dataclass(frozen=True, slots=True)
class NovaMetadata:
    """What OpenStack Nova writes into the metadata of its domains, format 1.1."""

    name: str
    flavor: str
    user: str
    project: str
    project_uuid: uuid.UUID
    user_uuid: uuid.UUID
    memory_mib: int = 64
    vcpus: int = 1
    package: str = "27.1.0"
    creation_time: str = "2024-05-14 09:26:53"
    image_uuid: uuid.UUID | None = None


EXAMPLE_NOVA_METADATA = NovaMetadata(
    name="billing-worker-3",
    flavor="m1.tiny",
    user="alice",
    project="billing",
    user_uuid=uuid.UUID("9fe8d6a1-3b0a-4d7f-8a55-0c1f5c9f4b11"),
    project_uuid=uuid.UUID("3c2f0f3e-62a1-4e0e-9d0b-7a4a1d2d7c55"),
    image_uuid=uuid.UUID("c0a1b2c3-0d4e-4f56-8a7b-9c0d1e2f3a4b"),
)


@dataclass(frozen=True, slots=True)
class KernelBoot:
    """Direct boot of a kernel; `console` receives what the guest says on its serial port.

    All are files in the daemon's directory of images.
    """

    kernel: Path
    initrd: Path
    command_line: str
    console: Path


@dataclass(frozen=True, slots=True)
class DomainSpec:
    name: str
    state: Literal["running", "paused", "shut off"] = "paused"
    memory_mib: int = 32
    vcpus: int = 1
    maximum_vcpus: int | None = None
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    iothreads: int = 0
    title: str | None = None
    description: str | None = None
    nova: NovaMetadata | None = None
    boot: KernelBoot | None = None
    balloon_period: int | None = None
    accelerator: Literal["qemu", "kvm"] = "qemu"
    agent_channel: bool = False

    @property
    def uuid(self) -> uuid.UUID:
        """The same for the same name, so that pages and traces of two runs can be compared."""
        return uuid.uuid5(_UUID_NAMESPACE, self.name)


def domain_xml(spec: DomainSpec) -> str:
    """Render the domain XML of a spec."""
    root = ET.Element("domain", type=spec.accelerator)
    _text(root, "name", spec.name)
    _text(root, "uuid", str(spec.uuid))
    if spec.title is not None:
        _text(root, "title", spec.title)
    if spec.description is not None:
        _text(root, "description", spec.description)
    if spec.nova is not None:
        ET.SubElement(root, "metadata").append(_nova_instance(spec.nova))
    _text(root, "memory", str(spec.memory_mib), unit="MiB")
    vcpu = _text(root, "vcpu", str(spec.maximum_vcpus or spec.vcpus))
    if spec.maximum_vcpus is not None:
        vcpu.set("current", str(spec.vcpus))
    if spec.iothreads:
        _text(root, "iothreads", str(spec.iothreads))
    operating_system = ET.SubElement(root, "os")
    _text(operating_system, "type", "hvm", arch="x86_64", machine="pc")
    if spec.boot is not None:
        _text(operating_system, "kernel", str(IMAGES / spec.boot.kernel.name))
        _text(operating_system, "initrd", str(IMAGES / spec.boot.initrd.name))
        _text(operating_system, "cmdline", spec.boot.command_line)
    ET.SubElement(ET.SubElement(root, "features"), "acpi")
    # The plainest model, unchecked: it starts under TCG and under any nested KVM.
    cpu = ET.SubElement(root, "cpu", mode="custom", match="exact", check="none")
    _text(cpu, "model", "qemu64")
    devices = ET.SubElement(root, "devices")
    for disk in spec.disks:
        devices.append(_disk(disk, IMAGES / image_name(spec, disk)))
    for number, interface in enumerate(spec.interfaces):
        devices.append(_interface(interface, _mac_address(spec, number)))
    if spec.boot is not None:
        serial = ET.SubElement(devices, "serial", type="file")
        ET.SubElement(serial, "source", path=str(IMAGES / spec.boot.console.name))
    if spec.agent_channel:
        channel = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    balloon = ET.SubElement(devices, "memballoon", model="virtio")
    if spec.balloon_period is not None:
        ET.SubElement(balloon, "stats", period=str(spec.balloon_period))
    return ET.tostring(root, encoding="unicode")


def image_name(spec: DomainSpec, disk: Disk) -> str:
    return f"{spec.name}-{disk.target}.{disk.format}"


def create(libvirtd: PrivateLibvirtd, *specs: DomainSpec) -> None:
    """Define domains and bring each into its spec's state, several at once."""
    # A new daemon probes every QEMU binary at its first need, for seconds, and calls wait for it:
    # done here, it is not in the time of anything measured later.
    libvirtd.virsh("capabilities")
    with ThreadPoolExecutor(PARALLEL_STARTS) as pool:
        for _ in pool.map(lambda spec: _create(libvirtd, spec), specs):
            pass


def define(libvirtd: PrivateLibvirtd, spec: DomainSpec) -> None:
    """Create the disk images of a domain that lack and define it (again)."""
    for disk in spec.disks:
        if disk.device == "disk":
            _create_image(disk, libvirtd.images / image_name(spec, disk))
    definition = libvirtd.images / f"{spec.uuid}.xml"
    definition.write_text(domain_xml(spec), encoding="utf-8")
    libvirtd.virsh("define", str(definition))


def start(libvirtd: PrivateLibvirtd, spec: DomainSpec) -> None:
    """Start a defined domain; a paused one never runs an instruction."""
    paused = ["--paused"] if spec.state == "paused" else []
    libvirtd.virsh("start", str(spec.uuid), *paused)


def destroy(libvirtd: PrivateLibvirtd, specs: Iterable[DomainSpec]) -> None:
    """Destroy running domains; they stay defined."""
    with ThreadPoolExecutor(PARALLEL_STARTS) as pool:
        for _ in pool.map(lambda spec: libvirtd.virsh("destroy", str(spec.uuid)), specs):
            pass


def undefine(libvirtd: PrivateLibvirtd, spec: DomainSpec) -> None:
    """Undefine a shut off domain and remove its images."""
    libvirtd.virsh("undefine", str(spec.uuid))
    for disk in spec.disks:
        image = libvirtd.images / image_name(spec, disk)
        image.unlink(missing_ok=True)
        _backing_path(image).unlink(missing_ok=True)


def domstats(libvirtd: PrivateLibvirtd, *arguments: str) -> dict[str, dict[str, str]]:
    """What `virsh domstats --raw` prints, as domain name -> field -> value."""
    stats: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in libvirtd.virsh("domstats", "--raw", *arguments).split("\n"):
        if line.startswith("Domain: '"):
            name = line.removeprefix("Domain: '").removesuffix("'")
            fields = stats.setdefault(name, {})
        elif line:
            key, _, value = line.strip().partition("=")
            fields[key] = value
    return stats


def silence_taps(libvirtd: PrivateLibvirtd) -> None:
    """Turn IPv6 off on the domains' taps: the host's own packets on them would move counters."""
    for fields in domstats(libvirtd, "--interface").values():
        for key, tap in fields.items():
            switch = Path(f"/proc/sys/net/ipv6/conf/{tap}/disable_ipv6")
            if key.endswith(".name") and switch.exists():
                switch.write_text("1")


def qemu_pid(libvirtd: PrivateLibvirtd, name: str) -> int:
    """The process id of a running domain's QEMU: what to stop and continue with signals."""
    return int((libvirtd.directory / "run" / "libvirt" / "qemu" / f"{name}.pid").read_text())


def _create(libvirtd: PrivateLibvirtd, spec: DomainSpec) -> None:
    define(libvirtd, spec)
    if spec.state != "shut off":
        start(libvirtd, spec)


def _create_image(disk: Disk, path: Path) -> None:
    if path.exists():
        return
    backing: list[str] = []
    if disk.backed:
        base = _backing_path(path)
        _qemu_img("-f", "qcow2", str(base), f"{disk.size_mib}M")
        # By its name alone, which holds in the daemon's view of the directory, too.
        backing = ["-b", base.name, "-F", "qcow2"]
    _qemu_img("-f", disk.format, *backing, str(path), f"{disk.size_mib}M")


def _backing_path(image: Path) -> Path:
    return image.with_suffix(".base.qcow2")


def _qemu_img(*arguments: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", *arguments], check=True, timeout=60)


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _disk(disk: Disk, path: Path) -> ET.Element:
    if disk.device == "cdrom":
        element = ET.Element("disk", type="file", device="cdrom")
        ET.SubElement(element, "target", dev=disk.target, bus=disk.bus)
        ET.SubElement(element, "readonly")
        return element
    element = ET.Element("disk", type="file", device="disk")
    driver = ET.SubElement(element, "driver", name="qemu", type=disk.format, discard="unmap")
    if disk.iothread is not None:
        driver.set("iothread", str(disk.iothread))
    if disk.statistics_intervals or disk.histogram_bins:
        statistics = ET.SubElement(driver, "statistics")
        for interval in disk.statistics_intervals:
            ET.SubElement(statistics, "statistic", interval=str(interval))
        for operation in ("read", "write", "flush") if disk.histogram_bins else ():
            histogram = ET.SubElement(statistics, "latency-histogram", type=operation)
            for edge in disk.histogram_bins:
                ET.SubElement(histogram, "bin", start=str(edge))
    ET.SubElement(element, "source", file=str(path))
    ET.SubElement(element, "target", dev=disk.target, bus=disk.bus)
    return element


def _interface(interface: Interface, mac_address: str) -> ET.Element:
    element = ET.Element("interface", type="user" if interface.user_mode else "ethernet")
    ET.SubElement(element, "mac", address=mac_address)
    if interface.host_address is not None:
        address, _, prefix = interface.host_address.partition("/")
        source = ET.SubElement(element, "source")
        ET.SubElement(source, "ip", address=address, family="ipv4", prefix=prefix)
    ET.SubElement(element, "model", type="virtio")
    return element


def _mac_address(spec: DomainSpec, number: int) -> str:
    """An address under QEMU's prefix, the same for the same name."""
    tail = (*spec.uuid.bytes[-2:], number)
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail)


def _nova_instance(nova: NovaMetadata) -> ET.Element:
    def tag(name: str) -> str:
        return f"{{{NOVA_NAMESPACE}}}{name}"

    ET.register_namespace("nova", NOVA_NAMESPACE)
    instance = ET.Element(tag("instance"))
    ET.SubElement(instance, tag("package"), version=nova.package)
    _text(instance, tag("name"), nova.name)
    _text(instance, tag("creationTime"), nova.creation_time)
    flavor = ET.SubElement(instance, tag("flavor"), name=nova.flavor)
    numbers = {
        "memory": nova.memory_mib,
        "disk": 1,
        "swap": 0,
        "ephemeral": 0,
        "vcpus": nova.vcpus,
    }
    for name, number in numbers.items():
        _text(flavor, tag(name), str(number))
    owner = ET.SubElement(instance, tag("owner"))
    _text(owner, tag("user"), nova.user, uuid=nova.user_uuid.hex)
    _text(owner, tag("project"), nova.project, uuid=nova.project_uuid.hex)
    if nova.image_uuid is not None:
        ET.SubElement(instance, tag("root"), type="image", uuid=str(nova.image_uuid))
    return instance
