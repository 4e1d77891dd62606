from __future__ import annotations

import uuid
from collections.abc import Iterable

import pytest

from exporter.domain_xml import (
    DomainKeeping,
    DomainMetadata,
    keeping_samples,
    label_set_family,
    metadata_samples,
)
from exporter.exposition import Format, Page, Sample
from exporter.metrics import identity
from exporter.metrics.metadata_profiles import MetadataRule
from exporter.metrics.rows import INFO
from tests.exporter.domain_xml.documents import ALL_RULES, NAMES, parse, read
from tests.support.pages import families_of

UUID = uuid.UUID("00000000-0000-0000-0000-000000000007")
OWN = f'domain="web",uuid="{UUID}"'


def samples(metadata: DomainMetadata) -> list[Sample]:
    return list(metadata_samples("web", UUID, "QEMU", metadata))


def lines(given: Iterable[Sample]) -> list[str]:
    page = Page()
    page.add(given)
    return [line for line in page.render().decode().splitlines() if not line.startswith("#")]


def lines_of(family: str, metadata: DomainMetadata) -> list[str]:
    """The samples of a family, without what every series of the domain has."""
    prefix = f"libvirt_domain_{family}{{{OWN}"
    return [
        line.removeprefix(prefix).lstrip(",")
        for line in lines(samples(metadata))
        if line.startswith(prefix)
    ]


def test_a_domain_of_nova_is_shown() -> None:
    metadata = read("nova-1.1")
    assert lines_of("info", metadata) == [
        'hypervisor="QEMU",os_type="hvm",arch="x86_64",machine="pc-q35-7.2",type="kvm",title=""} 1'
    ]
    assert lines_of("disk_info", metadata) == [
        (
            'disk="vda",device="disk",bus="virtio",type="network",source="rbd:volumes/volume-1b9d6bcd",'
            'format="raw",cache="writeback",discard="unmap",io="",'
            'serial="1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"} 1'
        ),
        (
            'disk="sda",device="cdrom",bus="sata",type="file",'
            'source="/var/lib/nova/instances/5f0c1d3e/disk.config",'
            'format="raw",cache="none",discard="",io="native",serial=""} 1'
        ),
    ]
    assert lines_of("interface_info", metadata) == [
        (
            'interface="tap0a5f6a3e-2a",type="bridge",source="br-int",mac="fa:16:3e:01:02:03",'
            'model="virtio",alias="net0"} 1'
        )
    ]
    assert lines_of("openstack_info", metadata) == [
        (
            'hypervisor="QEMU",instance_name="billing-worker-3",'
            'instance_id="5f0c1d3e-7b1a-4e53-9f0a-2d5b6c7d8e90",flavor="m1.large",'
            'user_name="alice",user_id="9fe8d6a13b0a4d7f8a550c1f5c9f4b11",'
            'project_name="billing",project_id="3c2f0f3e62a14e0e9d0b7a4a1d2d7c55"} 1'
        )
    ]
    assert lines_of("openstack_creation_timestamp_seconds", metadata) == [
        'hypervisor="QEMU"} 1715678813.0'
    ]
    assert lines_of("cpu_info", metadata) == [
        'hypervisor="QEMU",mode="host-model",model="",sockets="2",dies="1",cores="2",threads="1"} 1'
    ]
    assert lines_of("balloon_stats_period_seconds", metadata) == ['hypervisor="QEMU"} 10']
    assert lines_of("memory_hugepages", metadata) == ['hypervisor="QEMU"} 1']
    assert lines_of("guest_agent_channel", metadata) == ['hypervisor="QEMU"} 1']


def test_the_devices_of_a_domain_of_ovirt_are_shown() -> None:
    metadata = read("ovirt")
    assert lines_of("hostdev_info", metadata)[0] == (
        'type="pci",address="0000:d8:00.5",alias="ua-7a2f"} 1'
    )
    assert lines_of("watchdog_info", metadata) == ['model="itco",action="reset"} 1']
    assert lines_of("graphics_info", metadata) == ['type="spice"} 1', 'type="vnc"} 1']
    assert lines_of("tpm_info", metadata) == ['model="tpm-crb",type="emulator",version="2.0"} 1']
    assert lines_of("launch_security_info", metadata) == ['type="sev"} 1']
    assert lines_of("iothreads", metadata) == ['hypervisor="QEMU"} 1']
    assert lines_of("balloon_stats_period_seconds", metadata) == []


def test_a_domain_without_novas_metadata_has_no_openstack_series() -> None:
    for name in set(NAMES) - {"nova-1.0", "nova-1.1"}:
        assert lines_of("openstack_info", read(name)) == []
    assert lines_of("openstack_info", read("nova-1.1", ())) == []


def test_the_period_is_0_where_a_balloon_collects_nothing() -> None:
    assert lines_of("balloon_stats_period_seconds", read("nova-1.0")) == ['hypervisor="QEMU"} 0']


def test_a_domain_without_a_balloon_has_no_period() -> None:
    assert lines_of("balloon_stats_period_seconds", parse("")) == []


def test_a_domain_that_says_nothing_of_its_processor_has_no_such_series() -> None:
    assert lines_of("cpu_info", parse("")) == []
    assert lines_of("cpu_info", parse("<cpu mode='host-passthrough'/>")) == [
        (
            'hypervisor="QEMU",mode="host-passthrough",model="",sockets="",dies="",cores="",'
            'threads=""} 1'
        )
    ]


def test_a_rule_of_ones_own_makes_a_metric_of_its_own() -> None:
    rule = MetadataRule("team", "https://inventory.example.org/vm", "vm/owner", "owner")
    assert lines_of("team_info", read("libosinfo", (rule,))) == [
        'hypervisor="QEMU",owner="storage team"} 1'
    ]
    family = label_set_family("team", ("owner",))
    assert (family.type, family.labels) == (INFO, ("domain", "uuid", "hypervisor", "owner"))
    assert label_set_family("openstack", ()) is identity.OPENSTACK_INFO


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_the_labels_of_its_family_in_their_order(name: str) -> None:
    for sample in samples(read(name)):
        assert tuple(label for label, _ in sample.labels) == sample.family.labels


@pytest.mark.parametrize("name", NAMES)
def test_the_openmetrics_page_of_a_domain_is_valid(name: str) -> None:
    page = Page()
    page.add(samples(read(name)))
    page.add(keeping_samples("web", UUID, "QEMU", DomainKeeping(autostart=True, snapshots=2)))
    shown = families_of(page.render(Format.OPENMETRICS), Format.OPENMETRICS)
    families = {one.name: one for one in shown}
    assert families["libvirt_domain"].type == "info"
    assert families["libvirt_domain"].samples[0].name == "libvirt_domain_info"
    assert families["libvirt_domain_snapshots"].samples[0].value == 2


def test_what_is_known_of_the_domains_keeping_is_shown_and_the_rest_is_absent() -> None:
    def shown(keeping: DomainKeeping) -> list[str]:
        found = lines(keeping_samples("web", UUID, "QEMU", keeping))
        return [line.replace(f'{{{OWN},hypervisor="QEMU"}}', "") for line in found]

    assert shown(DomainKeeping()) == []
    assert shown(
        DomainKeeping(
            autostart=False, persistent=True, has_managed_save=True, snapshots=0, checkpoints=3
        )
    ) == [
        "libvirt_domain_autostart 0",
        "libvirt_domain_persistent 1",
        "libvirt_domain_has_managed_save 1",
        "libvirt_domain_snapshots 0",
        "libvirt_domain_checkpoints 3",
    ]


def test_what_is_the_same_twice_is_on_the_page_once() -> None:
    twice = "<devices><watchdog model='itco'/><watchdog model='itco'/></devices>"
    assert lines_of("watchdog_info", parse(twice)) == ['model="itco",action=""} 1']


def test_every_profile_of_the_documents_is_shown() -> None:
    names = {sample.family.name for name in NAMES for sample in samples(read(name, ALL_RULES))}
    assert {family.name for family in identity.LABEL_SETS.values()} <= names
