"""What a guest says of itself is read for what it is worth: anything may come."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition import Page
from exporter.guest_info import (
    MOST_PARTS,
    Address,
    Filesystem,
    count_cpus,
    guest_samples,
    interface_parameters,
    parse_guest_info,
)
from exporter.metrics import guest as m
from libvirt_rpc.protocol.typed_params import TypedValue
from libvirt_rpc.protocol.types import DomainInterface, DomainIPAddr
from tests.support.pages import read_page

LABELS = (("domain", "web"), ("uuid", "u"))
# Named as libvirt 9.0 names what qemu-ga 7.2 tells; loads came with libvirt 11.2.
PARAMETERS: dict[str, TypedValue] = {
    "user.count": 2,
    "user.0.name": "alice",
    "os.id": "debian",
    "os.name": "Debian GNU/Linux",
    "os.kernel-release": "6.1.0-56-cloud-amd64",
    "os.machine": "x86_64",
    "timezone.name": "CET",
    "timezone.offset": 3600,
    "hostname": "little-guest",
    "fs.count": 3,
    "fs.0.mountpoint": "/",
    "fs.0.fstype": "ext4",
    "fs.0.total-bytes": 4096,
    "fs.0.used-bytes": 1024,
    "fs.0.disk.count": 2,
    "fs.0.disk.0.alias": "vdb",
    "fs.0.disk.1.alias": "vda",
    "fs.1.mountpoint": "/proc",
    "fs.1.fstype": "proc",
    "fs.2.fstype": "nowhere",
    "if.count": 2,
    "if.0.name": "lo",
    "if.0.hwaddr": "00:00:00:00:00:00",
    "if.1.name": "eth0",
    "if.1.hwaddr": "52:54:00:1e:f7:00",
    "if.1.addr.count": 1,
    "if.1.addr.0.type": "ipv4",
    "if.1.addr.0.addr": "198.18.7.2",
    "if.1.addr.0.prefix": 30,
    "load.1m": 0.25,
}


def test_what_a_guest_tells_is_read() -> None:
    info = parse_guest_info(PARAMETERS, longest_label=64)
    assert info.os == {
        "os_id": "debian",
        "name": "Debian GNU/Linux",
        "kernel_release": "6.1.0-56-cloud-amd64",
        "machine": "x86_64",
    }
    assert (info.hostname, info.timezone_offset_seconds, info.users) == ("little-guest", 3600, 2)
    assert info.filesystems == (
        Filesystem("/", "ext4", "vda,vdb", 4096, 1024),
        Filesystem("/proc", "proc", "", None, None),
    )
    assert info.addresses == (Address("eth0", "52:54:00:1e:f7:00", "198.18.7.2", 30, "ipv4"),)
    assert info.loads == {"load.1m": 0.25}


def test_what_was_not_told_is_absent() -> None:
    info = parse_guest_info({}, longest_label=64)
    assert list(guest_samples(info, LABELS)) == []


def test_the_last_mount_on_a_place_is_the_one_in_use() -> None:
    parameters: dict[str, TypedValue] = {"fs.count": 2, "fs.0.total-bytes": 1}
    parameters |= {"fs.0.mountpoint": "/mnt", "fs.1.mountpoint": "/mnt", "fs.1.total-bytes": 2}
    info = parse_guest_info(parameters, longest_label=64)
    assert [one.total_bytes for one in info.filesystems] == [2]


def test_a_guest_cannot_fill_the_page() -> None:
    parameters: dict[str, TypedValue] = {"fs.count": 2**32, "hostname": "x" * 5000}
    parameters |= {f"fs.{number}.mountpoint": f"/{number}" for number in range(2000)}
    info = parse_guest_info(parameters, longest_label=64)
    assert len(info.filesystems) == MOST_PARTS
    assert len(info.hostname.encode()) == 64


def test_a_guest_sends_no_control_characters_to_a_terminal() -> None:
    info = parse_guest_info({"hostname": "a\r\n\x1b[31mb\x7f"}, longest_label=64)
    assert info.hostname == "a   [31mb "


VALUES = st.one_of(st.integers(-(2**31), 2**64), st.floats(), st.booleans(), st.text(max_size=8))
NAMES = st.sampled_from(
    [*PARAMETERS, "fs.1.total-bytes", "if.0.addr.count", "if.0.addr.0.addr", "load.5m"]
)


@given(st.dictionaries(NAMES, VALUES))
def test_any_parameters_give_a_page_that_parses(changed: Mapping[str, TypedValue]) -> None:
    info = parse_guest_info({**PARAMETERS, **changed}, longest_label=64)
    page = Page()
    page.add(guest_samples(info, LABELS))
    read_page(page.render())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0-3", 4),
        ("0", 1),
        ("0-1,3,5-6", 5),
        ("0-1,1", 2),
        ("3-0", 0),
        ("", None),
        ("0-", None),
        ("0-99999", None),
        ("a", None),
        (None, None),
        (4, None),
    ],
)
def test_processors_are_counted(text: TypedValue | None, count: int | None) -> None:
    assert count_cpus(text) == count


def test_addresses_of_a_call_of_their_own_are_named_as_the_others() -> None:
    interfaces = (
        DomainInterface("lo", None, ()),
        DomainInterface("eth0", "52:54:00:1e:f7:00", (DomainIPAddr(1, "fe80::1", 64),)),
    )
    info = parse_guest_info(interface_parameters(interfaces), longest_label=64)
    assert info.addresses == (Address("eth0", "52:54:00:1e:f7:00", "fe80::1", 64, "ipv6"),)
    assert interface_parameters(()) == {}


def test_every_family_has_a_domains_labels() -> None:
    assert all(family.labels[:2] == ("domain", "uuid") for family in m.FAMILIES)
