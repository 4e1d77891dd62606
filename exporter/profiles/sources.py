"""What the profiles take of our page: families to look things up in, and texts made of them. Data only."""

from __future__ import annotations

from exporter.metrics.rows import Scale
from exporter.profiles.rows import (
    VALUE,
    Before,
    Behind,
    Cases,
    Constant,
    Found,
    Lookup,
    Only,
    Own,
    Rank,
    Text,
)

__all__ = [
    "ACTIVE",
    "BRIDGE",
    "DISK_FILE",
    "DISK_NAME",
    "DISK_PATH",
    "DISK_PROTOCOL",
    "DISK_RANK",
    "HAS_DEVICE",
    "HAS_NETWORK",
    "IS_DISK",
    "JOBS_ARE_KNOWN",
    "STATE_CODE",
    "TO_KIBIBYTES",
    "TO_MILLISECONDS",
    "TO_NANOSECONDS",
    "disk",
    "has",
    "interface",
    "job",
    "openstack",
    "root",
]

TO_NANOSECONDS = Scale(multiplier=10**9)
TO_MILLISECONDS = Scale(multiplier=10**3)
TO_KIBIBYTES = Scale(divisor=1024)

_SHUTOFF = "5"

_STATES = Lookup("libvirt_domain_state", ("uuid",))
_OPENSTACK = Lookup("libvirt_domain_openstack_info", ("uuid",))
_ROOT = Lookup("libvirt_domain_openstack_root_info", ("uuid",))
_DISKS = Lookup("libvirt_domain_disk_info", ("uuid", "disk"))
_INTERFACES = Lookup("libvirt_domain_interface_info", ("uuid", "interface"))
_NETWORKS = Lookup("libvirt_network_info", ("network",))
_SUCCESS = Lookup("libvirt_exporter_collector_success", ("collector",))

STATE_CODE = Found(_STATES, VALUE)

ACTIVE = Only(STATE_CODE, frozenset({_SHUTOFF}), but=True)
"""Domains that have a process: libvirt has figures of the others too, but most exporters ask for none."""


def openstack(label: str) -> Text:
    """A label of the OpenStack instance that the domain is, empty where it is none."""
    return Found(_OPENSTACK, label)


def root(label: str) -> Text:
    """A label of what the OpenStack instance started from."""
    return Found(_ROOT, label)


def disk(label: str) -> Text:
    """A label of the disk, by the domain's UUID and the target."""
    return Found(_DISKS, label)


def interface(label: str) -> Text:
    """A label of the interface, by the domain's UUID and the device on the host."""
    return Found(_INTERFACES, label)


def job(figure: str) -> Text:
    """A figure of the job that runs in the domain; libvirt itself says 0 where none runs."""
    return Found(Lookup(f"libvirt_domain_job_{figure}", ("uuid",)), VALUE, default="0")


def has(family: str) -> Text:
    """Whether the domain has a series of this family: 1 or 0."""
    return Cases(Found(Lookup(family, ("uuid",)), VALUE), {"1": Constant("1")}, Constant("0"))


_NOTHING = Constant("")
_EMPTY = frozenset({""})

IS_DISK = Only(disk("device"), frozenset({"cdrom"}), but=True)

DISK_FILE = Cases(disk("type"), {"file": disk("source")}, _NOTHING)
"""The path of a disk that is a file."""

DISK_PATH = Cases(disk("type"), {"file": disk("source"), "block": disk("source")}, _NOTHING)
"""The path of a disk that is a file or a device of the host."""

DISK_NAME = Cases(disk("type"), {"network": Behind(disk("source"), ":")}, disk("source"))
"""The path, or of a disk on the network its name without the protocol, such as `pool/image`."""

DISK_PROTOCOL = Cases(disk("type"), {"network": Before(disk("source"), ":")}, _NOTHING)

DISK_RANK = Rank(_DISKS)
"""The number of the disk in the domain's document, which is that of its statistics too."""

BRIDGE = Cases(
    interface("type"),
    {
        "bridge": interface("source"),
        "network": Found(_NETWORKS, "bridge", by=(interface("source"),)),
    },
    _NOTHING,
)

HAS_DEVICE = Only(Own("interface"), _EMPTY, but=True)
"""The interface of a domain that does not run has no device on the host, and so no name."""

HAS_NETWORK = Only(BRIDGE, _EMPTY, but=True)

JOBS_ARE_KNOWN = Only(Found(_SUCCESS, VALUE, by=(Constant("domain_jobs"),)), frozenset({"1"}))
"""Whether domains without a job can be told from those that nobody looked at."""
