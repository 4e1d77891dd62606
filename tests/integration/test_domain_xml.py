"""The documents of real domains, of QEMU and of the test driver, read as the daemon gives them."""

from __future__ import annotations

import pytest

from exporter.domain_xml import DomainMetadata, metadata_samples, parse_domain
from exporter.exposition import Page
from exporter.metrics.metadata_profiles import PROFILES
from libvirt_rpc.connection import connect
from tests.support import domains
from tests.support.domains import DomainSpec
from tests.support.libvirtd import IMAGES, PrivateLibvirtd

RULES = tuple(rule for rules in PROFILES.values() for rule in rules)


async def read_all(uri: str) -> dict[str, DomainMetadata]:
    """Every domain's document, read as the exporter does; domains by their names."""
    async with connect(uri) as connection:
        return {
            domain.name: parse_domain(
                await connection.domain_get_xml_desc(domain), RULES, longest_label=256
            )
            for domain in await connection.list_all_domains()
        }


def columns(libvirtd: PrivateLibvirtd, *arguments: str) -> list[list[str]]:
    """A table of virsh's, whose cells hold no blanks here."""
    return [line.split() for line in libvirtd.virsh(*arguments).splitlines() if line.strip()]


async def test_real_domains_are_read_as_they_were_defined(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    found = await read_all(libvirtd.uri(read_only=True))
    for spec in fleet:
        metadata = found[spec.name]
        assert (metadata.name, metadata.uuid) == (spec.name, str(spec.uuid))
        assert (metadata.type, metadata.os_type, metadata.arch) == ("qemu", "hvm", "x86_64")
        assert metadata.machine.startswith("pc-")
        assert metadata.title == (spec.title or "")
        assert metadata.cpu.model == "qemu64"
        assert metadata.iothreads == spec.iothreads
        assert metadata.balloon_model == "virtio"
        assert not metadata.has_agent_channel
        assert [(one.target, one.device, one.bus) for one in metadata.disks] == [
            (disk.target, disk.device, disk.bus) for disk in spec.disks
        ]
        assert [one.source for one in metadata.disks] == [
            "" if disk.device == "cdrom" else str(IMAGES / domains.image_name(spec, disk))
            for disk in spec.disks
        ]
        assert [one.format for one in metadata.disks if one.device == "disk"] == [
            disk.format for disk in spec.disks if disk.device == "disk"
        ]
        assert len(metadata.interfaces) == len(spec.interfaces)


async def test_disks_and_interfaces_are_what_virsh_lists(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    found = await read_all(libvirtd.uri(read_only=True))
    for spec in fleet:
        metadata = found[spec.name]
        assert [
            [one.type, one.device, one.target, one.source or "-"] for one in metadata.disks
        ] == columns(libvirtd, "domblklist", "--details", str(spec.uuid))
        assert [
            [one.target or "-", one.type, one.source or "-", one.model, one.mac]
            for one in metadata.interfaces
        ] == columns(libvirtd, "domiflist", str(spec.uuid))


async def test_the_names_of_disks_and_interfaces_are_those_of_their_statistics(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    found = await read_all(libvirtd.uri(read_only=True))
    stats = domains.domstats(libvirtd, "--block", "--interface")
    for spec in fleet:
        fields, metadata = stats[spec.name], found[spec.name]
        names = {
            kind: {
                value
                for key, value in fields.items()
                if key.startswith(kind) and key.endswith(".name")
            }
            for kind in ("block", "net")
        }
        assert names["block"] <= {disk.target for disk in metadata.disks}
        if spec.state != "shut off":
            assert names["net"] == {one.target for one in metadata.interfaces} - {""}


async def test_the_metadata_that_nova_writes_come_back_from_the_daemon(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    found = await read_all(libvirtd.uri(read_only=True))
    nova = domains.EXAMPLE_NOVA_METADATA
    for spec in fleet:
        sets = {one.name: dict(one.labels) for one in found[spec.name].label_sets}
        if spec.nova is None:
            assert sets == {}
            continue
        assert sets["openstack"] == {
            "instance_name": nova.name,
            "instance_id": str(spec.uuid),
            "flavor": nova.flavor,
            "user_name": nova.user,
            "user_id": nova.user_uuid.hex,
            "project_name": nova.project,
            "project_id": nova.project_uuid.hex,
        }
        assert found[spec.name].openstack_creation_seconds == 1_715_678_813


async def test_a_domain_of_the_test_driver_is_read(libvirtd: PrivateLibvirtd) -> None:
    found = await read_all(libvirtd.test_uri)
    metadata = found["test"]
    assert (metadata.type, metadata.os_type) == ("test", "hvm")
    assert metadata.uuid == "6695eb01-f6a4-8304-79aa-97f2502e193f"


@pytest.mark.parametrize("driver", ["qemu", "test"])
async def test_real_domains_are_shown(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...], driver: str
) -> None:
    page = Page()
    uri = libvirtd.uri() if driver == "qemu" else libvirtd.test_uri
    async with connect(uri) as connection:
        listed = await connection.list_all_domains()
        for domain in listed:
            xml = await connection.domain_get_xml_desc(domain)
            metadata = parse_domain(xml, RULES, longest_label=256)
            page.add(metadata_samples(domain.name, domain.uuid, "QEMU", metadata))
    text = page.render().decode()
    assert text.count("\nlibvirt_domain_info{") == len(listed)
