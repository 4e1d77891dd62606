"""What is learnt from a domain's document, and for how long it is believed."""

from __future__ import annotations

import uuid

import pytest

from exporter.domain_xml.document import BrokenXML
from exporter.per_domain_stats.devices import (
    DOUBT_SECONDS,
    REFRESH_SECONDS,
    DeviceMemory,
    Devices,
    parse_devices,
)
from libvirt_rpc.protocol.types import Domain

WEB = Domain("web", uuid.UUID(int=1), 3)
XML = "<domain><devices><disk><target dev='vda'/></disk></devices></domain>"


def test_devices_keep_their_places() -> None:
    xml = """<domain><vcpu placement='static' current='2'>8</vcpu><devices>
    <disk><target dev='vda'/></disk><disk/><disk><target dev='sda'/></disk>
    <interface><mac address='52:54:00:00:00:01'/></interface>
    <interface><target dev='vnet7'/></interface></devices></domain>"""
    assert parse_devices(xml) == Devices(("vda", "", "sda"), ("", "vnet7"), 8)


@pytest.mark.parametrize("vcpu", ["", "<vcpu/>", "<vcpu>many</vcpu>", "<vcpu>-1</vcpu>"])
def test_a_number_that_is_none_is_unknown(vcpu: str) -> None:
    assert parse_devices(f"<domain>{vcpu}</domain>") == Devices()


@pytest.mark.parametrize("xml", ["", "<domain>", "<!DOCTYPE domain><domain/>"])
def test_a_broken_document_is_refused(xml: str) -> None:
    with pytest.raises(BrokenXML):
        parse_devices(xml)


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_document_is_believed_for_half_of_the_time_at_least(jitter: float) -> None:
    memory = DeviceMemory(jitter=lambda: jitter)
    memory.put(WEB, XML, 100.0)
    until = 100.0 + REFRESH_SECONDS * (1 + jitter) / 2
    assert memory.is_fresh(WEB, until - 1)
    assert not memory.is_fresh(WEB, until)
    assert memory.get(WEB) == Devices(("vda",))


def test_a_doubtful_document_is_believed_for_a_while_and_never_longer() -> None:
    memory = DeviceMemory(jitter=lambda: 1.0)
    memory.put(WEB, XML, 0.0)
    memory.doubt(WEB, 10.0)
    memory.doubt(WEB, 20.0)
    assert memory.is_fresh(WEB, 10.0 + DOUBT_SECONDS - 1)
    assert not memory.is_fresh(WEB, 10.0 + DOUBT_SECONDS)


def test_a_domain_that_was_started_anew_has_other_devices() -> None:
    memory = DeviceMemory()
    memory.put(WEB, XML, 0.0)
    assert memory.get(Domain(WEB.name, WEB.uuid, 4)) is None
    assert memory.get(Domain(WEB.name, WEB.uuid, -1)) is None


def test_nothing_is_remembered_of_domains_that_are_gone() -> None:
    memory = DeviceMemory()
    memory.put(WEB, XML, 0.0)
    memory.keep([])
    assert memory.get(WEB) is None


def test_a_broken_document_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    memory = DeviceMemory()
    for _ in range(3):
        assert memory.put(WEB, "<domain>", 0.0) == Devices()
    memory.put(WEB, XML, 0.0)
    first, second = [record.message for record in caplog.records]
    assert "the document of web cannot be used" in first
    assert second == "the document of web can be used again"
