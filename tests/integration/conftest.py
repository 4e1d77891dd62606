"""Fixtures around real daemons; everything in this directory gets the `integration` marker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import domains, real_parts
from tests.support import libvirtd as private
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.libvirtd import PrivateLibvirtd

FLEET = (
    DomainSpec("plain"),
    DomainSpec(
        "web-01",
        vcpus=2,
        maximum_vcpus=4,
        disks=(Disk("vda"), Disk("vdb", "raw", size_mib=8)),
        interfaces=(Interface(), Interface()),
    ),
    DomainSpec(
        "db-01",
        vcpus=4,
        memory_mib=64,
        disks=(Disk("vda", iothread=1), Disk("vdb", backed=True), Disk("vdc", size_mib=4)),
        interfaces=(Interface(),),
        iothreads=2,
        title="Datenbank für Köln, データベース",
    ),
    DomainSpec(
        "instance-0000002a",
        disks=(Disk("vda"), Disk("hdc", device="cdrom")),
        interfaces=(Interface(), Interface(user_mode=True)),
        nova=domains.EXAMPLE_NOVA_METADATA,
    ),
    DomainSpec('odd "name" \\ ü', vcpus=3, interfaces=(Interface(user_mode=True),)),
    DomainSpec(
        "archive-01",
        state="shut off",
        vcpus=2,
        disks=(Disk("vda"),),
        interfaces=(Interface(),),
    ),
)
"""Five paused domains of different shape and one that is shut off."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[PrivateLibvirtd]:
    """One private daemon for all tests that neither stop it nor change its domains."""
    yield from _run_libvirtd()


@pytest.fixture
def own_libvirtd() -> Iterator[PrivateLibvirtd]:
    """A private daemon without domains for one test, which may stop, kill and restart it."""
    yield from _run_libvirtd()


@pytest.fixture(scope="session")
def fleet(libvirtd: PrivateLibvirtd) -> tuple[DomainSpec, ...]:
    """FLEET on the shared daemon; what moves a figure of theirs is a test's own doing."""
    domains.create(libvirtd, *FLEET)
    domains.silence_taps(libvirtd)
    return FLEET


def _run_libvirtd() -> Iterator[PrivateLibvirtd]:
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        yield daemon
