"""What a guest's agent tells: libvirt's parameters to values, values to samples.

Pure. Everything in it is the guest's word: texts are cut and have no control characters, lists are
bounded, and what is missing or of another kind than it should be is passed over.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.domain_xml import cut_text
from exporter.exposition import Labels, Sample
from exporter.metrics import guest as m
from libvirt_rpc.enums import IPAddrType
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import DomainInterface

__all__ = [
    "MOST_PARTS",
    "Address",
    "Filesystem",
    "GuestInfo",
    "count_cpus",
    "guest_samples",
    "interface_parameters",
    "parse_guest_info",
]

MOST_PARTS = 64
"""Filesystems of one guest that are shown, and addresses: a guest shall not fill the page."""

_MOST_CPUS = 1 << 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)

Parameters = Mapping[str, TypedValue]


@dataclass(frozen=True, slots=True)
class Filesystem:
    """`disks` are the targets of the domain's disks, with commas between."""

    mountpoint: str
    fstype: str
    disks: str
    total_bytes: int | None
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Address:
    """`type` is ipv4 or ipv6."""

    interface: str
    mac: str
    address: str
    prefix: int
    type: str


@dataclass(frozen=True, slots=True)
class GuestInfo:
    """What is known of a guest; None and empty where it was not told."""

    os: Mapping[str, str]
    hostname: str
    timezone_offset_seconds: int | None
    users: int | None
    filesystems: tuple[Filesystem, ...]
    addresses: tuple[Address, ...]
    loads: Mapping[str, float]
    vcpus: int | None = None
    vcpus_online: int | None = None


def parse_guest_info(parameters: Parameters, *, longest_label: int) -> GuestInfo:
    """Reads what virDomainGetGuestInfo gives; `longest_label` is in bytes of UTF-8."""
    reader = _Reader(parameters, longest_label)
    return GuestInfo(
        os={label: text for label, name in m.OS_LABELS.items() if (text := reader.text(name))},
        hostname=reader.text("hostname"),
        timezone_offset_seconds=reader.number("timezone.offset"),
        users=reader.number("user.count"),
        filesystems=tuple(itertools.islice(reader.filesystems(), MOST_PARTS)),
        addresses=tuple(itertools.islice(reader.addresses(), MOST_PARTS)),
        loads={
            name: float(load)
            for name in m.LOADS
            if isinstance(load := parameters.get(name), int | float)
        },
    )


def interface_parameters(interfaces: Iterable[DomainInterface]) -> dict[str, TypedValue]:
    """The reply of a call of its own, named as virDomainGetGuestInfo names it since libvirt 7.10."""
    found: dict[str, TypedValue] = {}
    for number, interface in enumerate(interfaces):
        found[f"if.{number}.name"] = interface.name
        found[f"if.{number}.hwaddr"] = interface.hwaddr or ""
        found[f"if.{number}.addr.count"] = len(interface.addrs)
        for part, address in enumerate(interface.addrs):
            name = f"if.{number}.addr.{part}"
            found[f"{name}.type"] = IPAddrType(address.type).label
            found[f"{name}.addr"] = address.addr
            found[f"{name}.prefix"] = address.prefix
        found["if.count"] = number + 1
    return found


def count_cpus(text: TypedValue | None) -> int | None:
    """How many there are in `0-3,7`; None where it is no such list."""
    if not isinstance(text, str):
        return None
    found: set[int] = set()
    for part in text.split(","):
        matched = _RANGE.fullmatch(part)
        if matched is None:
            return None
        first = int(matched[1])
        last = int(matched[2] or first)
        if last >= _MOST_CPUS:
            return None
        found.update(range(first, last + 1))
    return len(found)


def guest_samples(info: GuestInfo, labels: Labels) -> Iterator[Sample]:
    """All that is known; `labels` are the domain's."""
    if info.os:
        told = ((label, info.os.get(label, "")) for label in m.OS_LABELS)
        yield Sample(m.GUEST_INFO, 1, (*labels, *told))
    if info.hostname:
        yield Sample(m.GUEST_HOSTNAME, 1, (*labels, ("hostname", info.hostname)))
    for family, value in (
        (m.GUEST_TIMEZONE_OFFSET, info.timezone_offset_seconds),
        (m.GUEST_USERS, info.users),
        (m.GUEST_VCPUS, info.vcpus),
        (m.GUEST_VCPUS_ONLINE, info.vcpus_online),
    ):
        if value is not None:
            yield Sample(family, value, labels)
    for one in info.filesystems:
        own = (("mountpoint", one.mountpoint), ("fstype", one.fstype), ("disks", one.disks))
        for family, size in (
            (m.GUEST_FILESYSTEM_TOTAL, one.total_bytes),
            (m.GUEST_FILESYSTEM_USED, one.used_bytes),
        ):
            if size is not None:
                yield Sample(family, size, (*labels, *own))
    yield from _address_samples(info.addresses, labels)
    for name, load in info.loads.items():
        yield Sample(m.LOADS[name], load, labels)


def _address_samples(addresses: Iterable[Address], labels: Labels) -> Iterator[Sample]:
    for one in addresses:
        own = (
            ("interface", one.interface),
            ("mac", one.mac),
            ("address", one.address),
            ("prefix", str(one.prefix)),
            ("type", one.type),
        )
        yield Sample(m.GUEST_INTERFACE_ADDRESS, 1, (*labels, *own))


class _Reader:
    def __init__(self, parameters: Parameters, longest_label: int) -> None:
        self._parameters = parameters
        self._longest = longest_label

    def text(self, name: str) -> str:
        value = self._parameters.get(name)
        if not isinstance(value, str):
            return ""
        return cut_text(_CONTROL.sub(" ", value), self._longest)

    def number(self, name: str) -> int | None:
        value = self._parameters.get(name)
        return value if isinstance(value, int) else None

    def filesystems(self) -> Iterator[Filesystem]:
        """Each mount point once: of several mounted on each other the last is the one in use."""
        found: dict[str, Filesystem] = {}
        for one in self._items("fs"):
            mountpoint = self.text(f"{one}.mountpoint")
            disks = {self.text(f"{disk}.alias") for disk in self._items(f"{one}.disk")} - {""}
            if mountpoint:
                found[mountpoint] = Filesystem(
                    mountpoint,
                    self.text(f"{one}.fstype"),
                    cut_text(",".join(sorted(disks)), self._longest),
                    self.number(f"{one}.total-bytes"),
                    self.number(f"{one}.used-bytes"),
                )
        yield from found.values()

    def addresses(self) -> Iterator[Address]:
        """Each once."""
        found: dict[Address, None] = {}
        for one in self._items("if"):
            interface, mac = self.text(f"{one}.name"), self.text(f"{one}.hwaddr")
            for part in self._items(f"{one}.addr"):
                address, kind = self.text(f"{part}.addr"), self.text(f"{part}.type")
                prefix = self.number(f"{part}.prefix")
                if address and prefix is not None:
                    found[Address(interface, mac, address, prefix, kind)] = None
        yield from found

    def _items(self, name: str) -> Iterator[str]:
        """`fs.0`, `fs.1` and so on, as many as there are said to be; libvirt sends 2048 parameters at most."""
        count = self.number(f"{name}.count") or 0
        return (f"{name}.{number}" for number in range(min(count, len(self._parameters))))
