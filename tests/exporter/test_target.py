"""The parts of one hypervisor's monitoring, and what each of several takes from the settings of all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from exporter.config import (
    ConnectionConfig,
    LibvirtConfig,
    ModuleConfig,
    TargetConfig,
)
from exporter.exposition import Format, Labels
from exporter.target import for_endpoint, make_target
from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.session import CallObservation
from tests.support.daemon import ScriptedDaemon, by_table
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE
from tests.support.pages import ReadPage, read_page

EXPIRY = "libvirt_exporter_tls_certificate_expiry_timestamp_seconds"


@pytest.mark.parametrize("kind", [ConnectionConfig, TargetConfig])
def test_an_endpoint_has_its_own_address_and_credentials_and_the_rest_of_all(
    kind: type[ConnectionConfig] | type[TargetConfig],
) -> None:
    top = LibvirtConfig(
        uri="qemu:///system",
        timeout_seconds=1.0,
        reconnect_interval_seconds=2.0,
        parallel=3,
        max_stuck_calls=4,
        keepalive_interval_seconds=5.5,
        keepalive_count=6,
        read_only=False,
        username="top",
        password_file=Path("top"),
        connections=(ConnectionConfig("hv0", "xen:///"),),
    )
    defaults = LibvirtConfig()
    own = {"uri", "username", "password_file", "read_only", "connections"}
    shared = {one.name for one in dataclasses.fields(LibvirtConfig)} - own
    assert all(getattr(top, name) != getattr(defaults, name) for name in shared)

    bare = for_endpoint(top, kind("hv1", "qemu+tls://hv1/system"))
    assert bare.uri == "qemu+tls://hv1/system"
    assert (bare.username, bare.password_file, bare.connections) == (None, None, ())
    assert bare.read_only is True
    assert all(getattr(bare, name) == getattr(top, name) for name in shared)

    full = for_endpoint(
        top, kind("hv1", "xen:///", username="u", password_file=Path("p"), read_only=False)
    )
    assert (full.username, full.password_file, full.read_only) == ("u", Path("p"), False)


def test_a_uri_that_does_not_parse_is_refused_before_anything_is_made() -> None:
    with pytest.raises(InvalidURI):
        make_target(LibvirtConfig(uri="qemu://hv:x/"), ModuleConfig("default"))


async def scraped(
    *,
    labels: Labels = (),
    certificates: dict[str, float] | None = None,
    page_format: Format = Format.TEXT,
    observed: list[CallObservation] | None = None,
) -> ReadPage:
    """A page of a target whose connection uses these certificates."""
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        target = make_target(
            LibvirtConfig(uri=daemon.uri),
            ModuleConfig("default", STATISTICS_ALONE),
            labels=labels,
            observe=None if observed is None else observed.append,
        )
        connection = await target.hypervisor.open()
        connection.session.certificates = certificates or {}
        page = await target.scraper.scrape()
        await target.hypervisor.close()
    return read_page(page.render(page_format), page_format)


async def test_every_sample_has_the_targets_labels() -> None:
    page = await scraped(labels=(("host", "hv1"), ("rack", "r12")))
    assert page.domain_names == {"web", "archive"}
    for _, labels in page.samples:
        assert {("host", "hv1"), ("rack", "r12")} <= labels


async def test_calls_are_told_to_who_observes() -> None:
    observed: list[CallObservation] = []
    await scraped(observed=observed)
    assert {"CONNECT_OPEN", "CONNECT_LIST_ALL_DOMAINS"} <= {one.procedure for one in observed}


@pytest.mark.parametrize("page_format", list(Format))
async def test_the_page_says_when_the_certificates_in_use_expire(page_format: Format) -> None:
    certificates = {"server": 2_000_000_000.0, "client": 1_900_000_000.0, "ca": 4_000_000_001.0}
    page = await scraped(
        labels=(("host", "hv1"),), certificates=certificates, page_format=page_format
    )
    assert {
        kind: page.value(EXPIRY, certificate=kind, host="hv1")
        for kind in page.labels(EXPIRY, "certificate")
    } == certificates


async def test_without_tls_no_certificate_expires() -> None:
    page = await scraped()
    assert page.values(EXPIRY) == []
