"""A domain's XML document to what the exporter shows of it: `parse_domain`.

Any text gives a DomainMetadata or raises BrokenXML. What a document does not say is an empty text, or
None where a number is meant. Every text but name and UUID is cut to the length of a label.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.domain_xml.document import NOTHING, BrokenXML, Element, parse_document
from exporter.domain_xml.label_text import cut_text, join_values
from exporter.element_paths import ANY, ElementPath, parse_element_path
from exporter.exposition import Labels
from exporter.metrics.metadata_profiles import (
    CREATION_TIME_PATH,
    NOVA_NAMESPACES,
    OPENSTACK,
    MetadataRule,
)

GUEST_AGENT = "org.qemu.guest_agent.0"
"""The name of the agent's channel, which libvirt looks for too."""


@dataclass(frozen=True, slots=True)
class Disk:
    """`source` is a path, `pool/volume`, `rbd:pool/image` or a PCI address, by `type`."""

    target: str
    device: str
    bus: str
    type: str
    source: str
    format: str
    cache: str
    discard: str
    io: str
    serial: str
    alias: str
    has_mirror: bool
    """A block job copies to another image at present."""
    source_index: int | None
    """The number by which libvirt names this layer of the backing chain, as in `vda[3]`."""


@dataclass(frozen=True, slots=True)
class Interface:
    """`target` is the device on the host, which only a running domain has."""

    target: str
    type: str
    source: str
    bridge: str
    portgroup: str
    mac: str
    model: str
    alias: str
    mtu: int | None
    virtualport_type: str
    interface_id: str
    """Of the virtual port: Open vSwitch knows the interface by it."""


@dataclass(frozen=True, slots=True)
class CPU:
    mode: str
    model: str
    sockets: int | None
    dies: int | None
    clusters: int | None
    cores: int | None
    threads: int | None


@dataclass(frozen=True, slots=True)
class Hostdev:
    """`address` is `0000:d8:00.5`, a mediated device's UUID, `vendor:product` and the like, by `type`."""

    mode: str
    type: str
    address: str
    alias: str
    driver: str


@dataclass(frozen=True, slots=True)
class Watchdog:
    model: str
    action: str


@dataclass(frozen=True, slots=True)
class TPM:
    model: str
    type: str
    version: str


@dataclass(frozen=True, slots=True)
class RNG:
    """`source` is the backend: `random`, `egd` or `builtin`."""

    model: str
    source: str


@dataclass(frozen=True, slots=True)
class LabelSet:
    """What the rules of one name found: all their labels, empty where they found nothing."""

    name: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class DomainMetadata:
    name: str
    uuid: str
    type: str
    """The hypervisor: `kvm`, `qemu`, `lxc`, `xen`, ..."""
    title: str
    description: str
    os_type: str
    arch: str
    machine: str
    firmware: str
    has_secure_boot: bool
    cpu: CPU
    vcpu_placement: str
    iothreads: int
    has_hugepages: bool
    balloon_model: str
    """`none` and empty are no balloon."""
    balloon_stats_period_seconds: int | None
    has_agent_channel: bool
    agent_is_connected: bool | None
    """None where there is no channel or the domain does not run."""
    launch_security: str
    disks: tuple[Disk, ...]
    interfaces: tuple[Interface, ...]
    hostdevs: tuple[Hostdev, ...]
    watchdogs: tuple[Watchdog, ...]
    graphics: tuple[str, ...]
    tpms: tuple[TPM, ...]
    rngs: tuple[RNG, ...]
    label_sets: tuple[LabelSet, ...]
    openstack_creation_seconds: float | None
    """Unix time; only where rules for OpenStack are given and its metadata are there."""


def parse_domain(
    xml: str, metadata_rules: Sequence[MetadataRule], *, longest_label: int
) -> DomainMetadata:
    """Reads a domain's document; raises BrokenXML.

    `longest_label` is in bytes of UTF-8. The paths of the rules are valid.
    """
    root = parse_document(xml)
    if root.name != "domain" or root.namespace:
        raise BrokenXML("it is not the document of a domain")
    return _Reader(root, longest_label).read(metadata_rules)


class _Reader:
    def __init__(self, root: Element, longest_label: int) -> None:
        self._root = root
        self._devices = root.find("devices")
        self._longest = longest_label

    def read(self, rules: Sequence[MetadataRule]) -> DomainMetadata:
        root, devices, cut = self._root, self._devices, self._cut
        os_type = root.find("os", "type")
        balloon = devices.find("memballoon")
        agent = _agent_channel(devices)
        return DomainMetadata(
            name=root.find("name").text,
            uuid=root.find("uuid").text,
            type=cut(root.get("type")),
            title=cut(root.find("title").text),
            description=cut(root.find("description").text),
            os_type=cut(os_type.text),
            arch=cut(os_type.get("arch")),
            machine=cut(os_type.get("machine")),
            firmware=cut(root.find("os").get("firmware")),
            has_secure_boot=root.find("os", "loader").get("secure") == "yes",
            cpu=self._cpu(),
            vcpu_placement=cut(root.find("vcpu").get("placement")),
            iothreads=_number(root.find("iothreads").text) or 0,
            has_hugepages=root.find("memoryBacking", "hugepages") is not NOTHING,
            balloon_model=cut(balloon.get("model")),
            balloon_stats_period_seconds=_number(balloon.find("stats").get("period")),
            has_agent_channel=agent is not NOTHING,
            agent_is_connected=_AGENT_STATES.get(agent.get("state")),
            launch_security=cut(root.find("launchSecurity").get("type")),
            disks=self._unique(map(self._disk, devices.all("disk"))),
            interfaces=tuple(map(self._interface, devices.all("interface"))),
            hostdevs=tuple(map(self._hostdev, devices.all("hostdev"))),
            watchdogs=tuple(
                Watchdog(cut(one.get("model")), cut(one.get("action")))
                for one in devices.all("watchdog")
            ),
            graphics=tuple(
                sorted({cut(one.get("type")) for one in devices.all("graphics")} - {""})
            ),
            tpms=tuple(map(self._tpm, devices.all("tpm"))),
            rngs=tuple(
                RNG(cut(one.get("model")), cut(one.find("backend").get("model")))
                for one in devices.all("rng")
            ),
            label_sets=tuple(self._label_sets(rules)),
            openstack_creation_seconds=self._openstack_creation(rules),
        )

    def _cut(self, text: str) -> str:
        return cut_text(text, self._longest)

    def _cpu(self) -> CPU:
        cpu = self._root.find("cpu")
        topology = cpu.find("topology")
        return CPU(
            self._cut(cpu.get("mode")),
            self._cut(cpu.find("model").text),
            *(
                _number(topology.get(part))
                for part in ("sockets", "dies", "clusters", "cores", "threads")
            ),
        )

    def _disk(self, disk: Element) -> Disk:
        cut, driver, target = self._cut, disk.find("driver"), disk.find("target")
        source, disk_type = disk.find("source"), disk.get("type")
        return Disk(
            target=cut(target.get("dev")),
            device=cut(disk.get("device") or "disk"),
            bus=cut(target.get("bus")),
            type=cut(disk_type),
            source=cut(_DISK_SOURCES.get(disk_type, _no_source)(source)),
            format=cut(driver.get("type")),
            cache=cut(driver.get("cache")),
            discard=cut(driver.get("discard")),
            io=cut(driver.get("io")),
            serial=cut(disk.find("serial").text),
            alias=cut(disk.find("alias").get("name")),
            has_mirror=disk.find("mirror") is not NOTHING,
            source_index=_number(source.get("index")),
        )

    @staticmethod
    def _unique(disks: Iterable[Disk]) -> tuple[Disk, ...]:
        """The first of each target: a disk's other metrics are joined by it."""
        by_target: dict[str, Disk] = {}
        for disk in disks:
            by_target.setdefault(disk.target, disk)
        return tuple(disk for target, disk in by_target.items() if target)

    def _interface(self, interface: Element) -> Interface:
        cut, source, interface_type = self._cut, interface.find("source"), interface.get("type")
        port = interface.find("virtualport")
        return Interface(
            target=cut(interface.find("target").get("dev")),
            type=cut(interface_type),
            source=cut(_INTERFACE_SOURCES.get(interface_type, _no_source)(source)),
            bridge=cut(source.get("bridge")),
            portgroup=cut(source.get("portgroup")),
            mac=cut(interface.find("mac").get("address")),
            model=cut(interface.find("model").get("type")),
            alias=cut(interface.find("alias").get("name")),
            mtu=_number(interface.find("mtu").get("size")),
            virtualport_type=cut(port.get("type")),
            interface_id=cut(port.find("parameters").get("interfaceid")),
        )

    def _hostdev(self, hostdev: Element) -> Hostdev:
        cut, hostdev_type = self._cut, hostdev.get("type")
        return Hostdev(
            mode=cut(hostdev.get("mode")),
            type=cut(hostdev_type),
            address=cut(_HOSTDEV_ADDRESSES.get(hostdev_type, _no_source)(hostdev.find("source"))),
            alias=cut(hostdev.find("alias").get("name")),
            driver=cut(hostdev.find("driver").get("name")),
        )

    def _tpm(self, tpm: Element) -> TPM:
        backend = tpm.find("backend")
        return TPM(
            self._cut(tpm.get("model")),
            self._cut(backend.get("type")),
            self._cut(backend.get("version")),
        )

    def _label_sets(self, rules: Sequence[MetadataRule]) -> Iterator[LabelSet]:
        """A set is there if a rule of it that has a namespace finds something, or none has one."""
        values: dict[str, dict[str, str]] = {}
        needed = {rule.name for rule in rules if rule.namespace}
        found: set[str] = set()
        for rule in rules:
            labels = values.setdefault(rule.name, {})
            if not labels.setdefault(rule.label, ""):
                value = self._cut(join_values(self._values(rule.namespace, rule.path)))
                labels[rule.label] = value
                if value and (rule.namespace or rule.name not in needed):
                    found.add(rule.name)
        for name, labels in values.items():
            if name in found:
                yield LabelSet(name, tuple(labels.items()))

    def _values(self, namespace: str, path: str) -> Iterator[str]:
        top = self._root.find("metadata") if namespace else self._root
        return _texts(top, _parsed(path), namespace)

    def _openstack_creation(self, rules: Sequence[MetadataRule]) -> float | None:
        if all(rule.name != OPENSTACK for rule in rules):
            return None
        for namespace in NOVA_NAMESPACES:
            for text in self._values(namespace, CREATION_TIME_PATH):
                return _nova_time(text)
        return None


_parsed = functools.lru_cache(maxsize=1024)(parse_element_path)


def _texts(top: Element, path: ElementPath, namespace: str) -> Iterator[str]:
    """What stands at a path. Below the first, an element may also have no namespace at all."""
    found, allowed = [top], {namespace}
    for step in path.steps:
        found = [
            child
            for element in found
            for child in element.children
            if child.namespace in allowed and step in (ANY, child.name)
        ]
        allowed = {namespace, ""}
    for element in found:
        yield element.text if path.attribute is None else element.get(path.attribute).strip()


_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,18}", re.ASCII)


def _number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    return int(text, 16 if text[:2] in {"0x", "0X"} else 10)


def _nova_time(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


_AGENT_STATES = {"connected": True, "disconnected": False}


def _agent_channel(devices: Element) -> Element:
    """The target of the agent's channel."""
    for channel in devices.all("channel"):
        target = channel.find("target")
        if target.get("name") == GUEST_AGENT:
            return target
    return NOTHING


_Read = Callable[[Element], str]


def _no_source(_: Element) -> str:
    return ""


def _attribute(name: str) -> _Read:
    return lambda source: source.get(name)


def _joined(separator: str, *names: str) -> _Read:
    """Attributes that are there, with a separator between two."""
    return lambda source: separator.join(filter(None, map(source.get, names)))


def _pci_address(source: Element) -> str:
    address = source.find("address")
    numbers = [_number(address.get(part)) for part in ("domain", "bus", "slot", "function")]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return ""
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*known)


def _nvme_source(source: Element) -> str:
    address, namespace = _pci_address(source), source.get("namespace")
    return f"{address}/{namespace}" if address and namespace else address


def _usb_address(source: Element) -> str:
    vendor, product = source.find("vendor").get("id"), source.find("product").get("id")
    if vendor and product:
        return f"{vendor.removeprefix('0x')}:{product.removeprefix('0x')}"
    return _joined(".", "bus", "device")(source.find("address"))


def _scsi_address(source: Element) -> str:
    if source.get("protocol"):
        return _joined(":", "protocol", "name")(source)
    address = _joined(":", "bus", "target", "unit")(source.find("address"))
    return ":".join(filter(None, (source.find("adapter").get("name"), address)))


def _mdev_address(source: Element) -> str:
    return source.find("address").get("uuid")


def _vhost_user_source(source: Element) -> str:
    return source.get("path") or source.find("source").get("path")


_DISK_SOURCES: dict[str, _Read] = {
    "file": _attribute("file"),
    "block": _attribute("dev"),
    "dir": _attribute("dir"),
    "network": _joined(":", "protocol", "name"),
    "volume": _joined("/", "pool", "volume"),
    "nvme": _nvme_source,
    "vhostuser": _vhost_user_source,
    "vhostvdpa": _attribute("dev"),
}

_INTERFACE_SOURCES: dict[str, _Read] = {
    "bridge": _attribute("bridge"),
    "network": _attribute("network"),
    "direct": _attribute("dev"),
    "internal": _attribute("name"),
    "hostdev": _pci_address,
    "vhostuser": _vhost_user_source,
    "vdpa": _attribute("dev"),
    "vds": _attribute("switchid"),
    "mcast": _joined(":", "address", "port"),
    "server": _joined(":", "address", "port"),
    "client": _joined(":", "address", "port"),
    "udp": _joined(":", "address", "port"),
}

_HOSTDEV_ADDRESSES: dict[str, _Read] = {
    "pci": _pci_address,
    "usb": _usb_address,
    "scsi": _scsi_address,
    "scsi_host": _attribute("wwpn"),
    "mdev": _mdev_address,
    "storage": lambda source: source.find("block").text,
    "misc": lambda source: source.find("char").text,
    "net": lambda source: source.find("interface").text,
}
