from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain_xml import (
    CPU,
    CUT,
    RNG,
    TPM,
    BrokenXML,
    Disk,
    Hostdev,
    Interface,
    LabelSet,
    Watchdog,
    parse_domain,
)
from exporter.metrics.metadata_profiles import PROFILES, MetadataRule
from tests.exporter.domain_xml.documents import ALL_RULES, NAMES, document, domain, parse, read

INVENTORY = "https://inventory.example.org/vm"


def labels_of(name: str, profile: str) -> dict[str, dict[str, str]]:
    """What a profile finds in a document: the sets' labels by the sets' names."""
    return {one.name: dict(one.labels) for one in read(name, PROFILES[profile]).label_sets}


def test_a_domain_of_nova_is_read_whole() -> None:
    metadata = read("nova-1.1", ())
    assert dataclasses.replace(metadata, disks=(), interfaces=()) == dataclasses.replace(
        metadata,
        name="instance-0000002a",
        uuid="5f0c1d3e-7b1a-4e53-9f0a-2d5b6c7d8e90",
        type="kvm",
        title="",
        description="",
        os_type="hvm",
        arch="x86_64",
        machine="pc-q35-7.2",
        firmware="",
        has_secure_boot=False,
        cpu=CPU("host-model", "", 2, 1, None, 2, 1),
        vcpu_placement="static",
        iothreads=0,
        has_hugepages=True,
        balloon_model="virtio",
        balloon_stats_period_seconds=10,
        has_agent_channel=True,
        agent_is_connected=True,
        launch_security="",
        disks=(),
        interfaces=(),
        hostdevs=(),
        watchdogs=(),
        graphics=("vnc",),
        tpms=(),
        rngs=(RNG("virtio", "random"),),
        label_sets=(),
        openstack_creation_seconds=None,
    )
    assert metadata.disks == (
        Disk(
            target="vda",
            device="disk",
            bus="virtio",
            type="network",
            source="rbd:volumes/volume-1b9d6bcd",
            format="raw",
            cache="writeback",
            discard="unmap",
            io="",
            serial="1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
            alias="virtio-disk0",
            has_mirror=True,
            source_index=2,
        ),
        Disk(
            target="sda",
            device="cdrom",
            bus="sata",
            type="file",
            source="/var/lib/nova/instances/5f0c1d3e/disk.config",
            format="raw",
            cache="none",
            discard="",
            io="native",
            serial="",
            alias="sata0-0-0",
            has_mirror=False,
            source_index=1,
        ),
    )
    assert metadata.interfaces == (
        Interface(
            target="tap0a5f6a3e-2a",
            type="bridge",
            source="br-int",
            bridge="br-int",
            portgroup="",
            mac="fa:16:3e:01:02:03",
            model="virtio",
            alias="net0",
            mtu=1450,
            virtualport_type="openvswitch",
            interface_id="0a5f6a3e-2a0b-4f2f-8d2e-7f1f0f6f8f10",
        ),
    )


def test_a_domain_of_ovirt_has_its_devices_of_the_host() -> None:
    metadata = read("ovirt", ())
    assert metadata.hostdevs == (
        Hostdev("subsystem", "pci", "0000:d8:00.5", "ua-7a2f", "vfio"),
        Hostdev("subsystem", "mdev", "0dc0ad5b-7a3b-4c6b-b1f9-8d1d8a6f7c5e", "hostdev1", ""),
        Hostdev("subsystem", "usb", "046d:c52b", "", ""),
        Hostdev("subsystem", "scsi", "scsi_host2:0:0:3", "", ""),
    )
    (interface,) = metadata.interfaces
    assert (interface.type, interface.source) == ("hostdev", "0000:d8:02.1")
    assert metadata.watchdogs == (Watchdog("itco", "reset"),)
    assert metadata.tpms == (TPM("tpm-crb", "emulator", "2.0"),)
    assert metadata.graphics == ("spice", "vnc")
    assert metadata.launch_security == "sev"
    assert (metadata.firmware, metadata.has_secure_boot) == ("efi", True)
    assert metadata.cpu == CPU("custom", "Cascadelake-Server", 16, 1, 1, 4, 1)
    assert metadata.iothreads == 1
    assert metadata.agent_is_connected is False
    assert (metadata.balloon_model, metadata.balloon_stats_period_seconds) == ("none", None)


def test_a_domain_that_does_not_run_names_no_device_of_the_host() -> None:
    metadata = read("nova-1.0", ())
    (interface,) = metadata.interfaces
    assert (interface.target, interface.mac) == ("", "fa:16:3e:aa:bb:cc")
    assert (metadata.has_agent_channel, metadata.agent_is_connected) == (True, None)
    (disk,) = metadata.disks
    assert (disk.device, disk.type, disk.source_index) == ("lun", "block", None)
    assert metadata.balloon_stats_period_seconds is None


NOVA_LABELS = {
    "nova-1.1": {
        "instance_name": "billing-worker-3",
        "instance_id": "5f0c1d3e-7b1a-4e53-9f0a-2d5b6c7d8e90",
        "flavor": "m1.large",
        "user_name": "alice",
        "user_id": "9fe8d6a13b0a4d7f8a550c1f5c9f4b11",
        "project_name": "billing",
        "project_id": "3c2f0f3e62a14e0e9d0b7a4a1d2d7c55",
    },
    "nova-1.0": {
        "instance_name": "Köln",
        "instance_id": "629b29b9-b0fb-4766-b27d-f4a686d5cbda",
        "flavor": "t1.small",
        "user_name": "bob",
        "user_id": "2997526f669c4bd9af5f68c6ba0cc2f0",
        "project_name": "web",
        "project_id": "acf923f29b4d4e0dacfb1b2976dd480f",
    },
}


@pytest.mark.parametrize("name", NOVA_LABELS)
def test_both_versions_of_novas_metadata_are_known(name: str) -> None:
    assert labels_of(name, "nova")["openstack"] == NOVA_LABELS[name]


def test_the_root_disk_of_an_instance_is_known_where_nova_says_it() -> None:
    assert labels_of("nova-1.1", "nova")["openstack_root"] == {
        "type": "image",
        "root_id": "c0a1b2c3-0d4e-4f56-8a7b-9c0d1e2f3a4b",
    }
    assert "openstack_root" not in labels_of("nova-1.0", "nova")


def test_the_time_of_novas_metadata_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert read("nova-1.1").openstack_creation_seconds == 1_715_678_813
    assert read("nova-1.0").openstack_creation_seconds == 1_493_445_669
    assert read("nova-1.1", PROFILES["ovirt"]).openstack_creation_seconds is None
    assert read("ovirt").openstack_creation_seconds is None
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("text", ["", "soon", "2024-13-01 00:00:00", "2024-05-14T09:26:53Z"])
def test_a_time_that_nova_does_not_write_is_none(text: str) -> None:
    changed = document("nova-1.1").replace("2024-05-14 09:26:53", text)
    metadata = parse_domain(changed, ALL_RULES, longest_label=64)
    assert metadata.openstack_creation_seconds is None
    assert metadata.label_sets[0].name == "openstack"


def test_the_metadata_of_ovirt_are_known() -> None:
    assert labels_of("ovirt", "ovirt") == {
        "ovirt": {
            "cluster_version": "4.7",
            "resume_behavior": "auto_resume",
            "data_center_id": "5a609fd1-0299-0052-0087-0000000003bd",
            "storage_domain_id": (
                "a1111111-95bb-4d2e-9bc8-0000000000a1,b2222222-95bb-4d2e-9bc8-0000000000b2"
            ),
        }
    }


def test_the_metadata_of_cloudstack_are_known() -> None:
    assert labels_of("cloudstack", "cloudstack") == {
        "cloudstack": {
            "instance_name": "shop-db",
            "service_offering": "Medium Instance",
            "template_name": "debian-12",
            "owner_domain": "ROOT",
            "account_name": "shop",
            "host_tags": "gpu,ssd",
        }
    }


def test_a_single_host_tag_of_cloudstack_stands_alone() -> None:
    text = re.sub(
        "<cs:hosttags>.*</cs:hosttags>",
        "<cs:hosttag>ssd</cs:hosttag>",
        document("cloudstack"),
        flags=re.DOTALL,
    )
    (found,) = parse_domain(text, PROFILES["cloudstack"], longest_label=256).label_sets
    assert dict(found.labels)["host_tags"] == "ssd"


def test_the_metadata_of_opennebula_are_known() -> None:
    assert labels_of("opennebula", "opennebula") == {
        "opennebula": {
            "instance_name": "web & front",
            "user_name": "oneadmin",
            "user_id": "0",
            "group_name": "oneadmin",
            "group_id": "0",
            "system_datastore": "/var/lib/one//datastores/0/42",
            "version": "6.8.0",
        }
    }


def test_the_metadata_of_libosinfo_are_known() -> None:
    assert labels_of("libosinfo", "libosinfo") == {
        "libosinfo": {"os_id": "http://debian.org/debian/12"}
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_finds_nothing_in_another_platforms_domain(name: str, profile: str) -> None:
    assert bool(labels_of(name, profile)) == name.startswith(profile)


def team(path: str, label: str = "owner", namespace: str = INVENTORY) -> MetadataRule:
    return MetadataRule("team", namespace, path, label)


def found(*rules: MetadataRule, longest_label: int = 256) -> tuple[LabelSet, ...]:
    return read("libosinfo", rules, longest_label=longest_label).label_sets


def test_a_rule_of_ones_own_finds_texts_and_attributes() -> None:
    assert found(team("vm/owner"), team("vm/tags/tag/@name", "tags")) == (
        LabelSet("team", (("owner", "storage team"), ("tags", "backup,tier-2"))),
    )


def test_a_star_is_an_element_of_any_name() -> None:
    assert found(team("vm/*/tag/@name")) == found(team("vm/tags/*/@name"))
    assert found(team("vm/*")) == (LabelSet("team", (("owner", "storage team"),)),)


def test_a_set_has_all_its_labels_as_soon_as_one_is_found() -> None:
    assert found(team("vm/room", "room"), team("vm/owner")) == (
        LabelSet("team", (("room", ""), ("owner", "storage team"))),
    )
    assert found(team("vm/room", "room"), team("vm/owner/@x")) == ()


def test_of_several_rules_for_a_label_the_first_that_finds_something_counts() -> None:
    assert found(team("vm/room"), team("vm/owner"), team("vm/tags/tag/@name")) == (
        LabelSet("team", (("owner", "storage team"),)),
    )


def test_a_rule_without_a_namespace_is_about_libvirts_own_elements() -> None:
    assert found(team("os/type/@arch", "arch", "")) == (LabelSet("team", (("arch", "aarch64"),)),)
    assert found(team("description", "about", "")) == ()
    beside = (team("os/type/@arch", "arch", ""), team("vm/owner"))
    assert found(*beside) == (LabelSet("team", (("arch", "aarch64"), ("owner", "storage team"))),)
    assert found(team("name", "vm", ""), team("vm/room", "room")) == ()


def test_an_element_of_another_namespace_is_not_meant() -> None:
    assert found(team("vm/owner", namespace="urn:other")) == ()
    assert found(team("metadata/vm/owner", namespace="")) == ()
    assert (
        parse("<metadata><vm><owner>x</owner></vm></metadata>", team("vm/owner")).label_sets == ()
    )


def test_long_values_are_cut_and_names_are_not() -> None:
    long = "ä" * 100
    metadata = parse(
        f"<uuid>{long}</uuid><title>{long}</title><description>{long}</description>"
        f"<devices><disk type='file'><source file='/{long}'/><target dev='vda'/></disk></devices>"
        f"<metadata><x:vm xmlns:x='{INVENTORY}'><x:owner>{long}</x:owner></x:vm></metadata>",
        team("vm/owner"),
        longest_label=20,
    )
    cut = "ä" * 8 + CUT
    assert (metadata.uuid, metadata.title, metadata.description) == (long, cut, cut)
    assert metadata.disks[0].source == f"/{cut}"
    assert metadata.label_sets == (LabelSet("team", (("owner", cut),)),)


def disk(disk_type: str, source: str) -> str:
    return f"<disk type='{disk_type}'>{source}<target dev='vda'/></disk>"


@pytest.mark.parametrize(
    ("inside", "source"),
    [
        (disk("file", "<source file='/a b'/>"), "/a b"),
        (disk("block", "<source dev='/dev/sdx'/>"), "/dev/sdx"),
        (disk("dir", "<source dir='/d'/>"), "/d"),
        (disk("network", "<source protocol='rbd' name='pool/image'/>"), "rbd:pool/image"),
        (disk("network", "<source protocol='nbd'/>"), "nbd"),
        (disk("volume", "<source pool='p' volume='v'/>"), "p/v"),
        (
            disk(
                "nvme",
                "<source namespace='2'>"
                "<address domain='0x0000' bus='0x0a' slot='0x00' function='0x0'/></source>",
            ),
            "0000:0a:00.0/2",
        ),
        (disk("vhostuser", "<source type='unix' path='/run/v.sock'/>"), "/run/v.sock"),
        (disk("vhostvdpa", "<source dev='/dev/vhost-vdpa-0'/>"), "/dev/vhost-vdpa-0"),
        (disk("file", ""), ""),
        (disk("of-tomorrow", "<source x='y'/>"), ""),
    ],
)
def test_where_a_disks_data_is_depends_on_its_type(inside: str, source: str) -> None:
    (one,) = parse(f"<devices>{inside}</devices>").disks
    assert (one.source, one.device) == (source, "disk")


@pytest.mark.parametrize(
    ("interface_type", "inside", "source"),
    [
        ("bridge", "<source bridge='br0'/>", "br0"),
        ("network", "<source network='default' bridge='virbr0'/>", "default"),
        ("direct", "<source dev='eth0' mode='vepa'/>", "eth0"),
        ("vhostuser", "<source type='unix' path='/run/x' mode='client'/>", "/run/x"),
        ("vdpa", "<source dev='/dev/vhost-vdpa-0'/>", "/dev/vhost-vdpa-0"),
        ("mcast", "<source address='230.0.0.1' port='5558'/>", "230.0.0.1:5558"),
        ("hostdev", "<source><address type='pci' bus='x'/></source>", ""),
        ("user", "", ""),
        ("ethernet", "", ""),
    ],
)
def test_what_an_interface_is_attached_to_depends_on_its_type(
    interface_type: str, inside: str, source: str
) -> None:
    xml = f"<devices><interface type='{interface_type}'>{inside}</interface></devices>"
    (interface,) = parse(xml).interfaces
    assert interface.source == source


@pytest.mark.parametrize(
    ("hostdev_type", "source", "address"),
    [
        ("usb", "<address bus='1' device='4'/>", "1.4"),
        ("scsi_host", "", ""),
        ("misc", "<char>/dev/input/event3</char>", "/dev/input/event3"),
        ("storage", "<block>/dev/sdb</block>", "/dev/sdb"),
        ("net", "<interface>eth3</interface>", "eth3"),
        ("pci", "<address bus='0x1'/>", ""),
    ],
)
def test_a_host_device_is_addressed_by_its_type(
    hostdev_type: str, source: str, address: str
) -> None:
    xml = f"<devices><hostdev type='{hostdev_type}'><source>{source}</source></hostdev></devices>"
    (hostdev,) = parse(xml).hostdevs
    assert hostdev.address == address


def test_of_two_disks_of_one_target_the_first_counts_and_one_without_is_none() -> None:
    inside = "".join(
        f"<disk type='file'><source file='{source}'/>{target}</disk>"
        for source, target in (
            ("/1", "<target dev='vda'/>"),
            ("/2", "<target dev='vda'/>"),
            ("/3", ""),
            ("/4", "<target dev='vdb'/>"),
        )
    )
    assert [one.source for one in parse(f"<devices>{inside}</devices>").disks] == ["/1", "/4"]


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9" * 30, "٣", "0x"])
def test_a_number_that_is_none_is_not_known(text: str) -> None:
    metadata = parse(
        f"<iothreads>{text}</iothreads><cpu><topology sockets='{text}'/></cpu>"
        f"<devices><memballoon model='virtio'><stats period='{text}'/></memballoon></devices>"
    )
    assert metadata.iothreads == 0
    assert metadata.cpu.sockets is None
    assert metadata.balloon_stats_period_seconds is None


@pytest.mark.parametrize(
    "text", ["<network/>", "<x:domain xmlns:x='urn:x'/>", "<domainsnapshot/>", "no xml"]
)
def test_what_is_not_the_document_of_a_domain_is_refused(text: str) -> None:
    with pytest.raises(BrokenXML):
        parse_domain(text, ALL_RULES, longest_label=256)


def test_an_empty_domain_is_one() -> None:
    metadata = parse_domain("<domain/>", ALL_RULES, longest_label=256)
    assert (metadata.name, metadata.disks, metadata.label_sets) == ("", (), ())


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in texts_of(item)]
    if dataclasses.is_dataclass(value):
        return [
            text
            for field in dataclasses.fields(value)
            for text in texts_of(getattr(value, field.name))
        ]
    return []


@given(st.text(), st.text())
def test_any_text_gives_metadata_or_is_refused(inside: str, attribute: str) -> None:
    for text in (inside, domain(inside), domain("", f"type='{attribute}'")):
        with contextlib.suppress(BrokenXML):
            parse_domain(text, ALL_RULES, longest_label=16)


@given(st.sampled_from(NAMES), st.data())
def test_a_document_with_any_change_gives_short_texts_or_is_refused(
    name: str, data: st.DataObject
) -> None:
    text = document(name)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 20, len(text))))
    other = data.draw(st.text(max_size=10) | st.sampled_from(["\udcff", "'", "<x/>", "/>", "<!--"]))
    changed = text[:start] + other + text[end:]
    with contextlib.suppress(BrokenXML):
        metadata = parse_domain(changed, ALL_RULES, longest_label=24)
        cut = dataclasses.replace(metadata, name="", uuid="")
        assert all(len(one.encode()) <= 24 for one in texts_of(cut))
        assert hash(metadata) == hash(parse_domain(changed, ALL_RULES, longest_label=24))
