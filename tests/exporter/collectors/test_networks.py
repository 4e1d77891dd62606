"""Virtual networks and their leases on a page: inactive, vanished, denied ones, and those that hang."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from exporter.config import NetworkCollectors
from libvirt_rpc.enums import ConnectListAllNetworksFlags as List
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import Answer, Answers, Peer, never, refuses, returns
from tests.support.exporting import calls
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.watching import only, page_of, watched

DEFAULT = t.Network("default", uuid.UUID(int=21))
OFF = t.Network("off", uuid.UUID(int=22))
ODD = t.Network('odd "net" \\ ü', uuid.UUID(int=23))
NETWORKS = (DEFAULT, OFF, ODD)
NAT = (
    "<network><name>x</name><forward mode='nat'/><bridge name='virbr0'/>"
    "<domain name='example.test'/></network>"
)
COLLECTORS = only(network=NetworkCollectors(networks=True, dhcp_leases=True))
XML, PORTS, LEASES = p.NETWORK_GET_XML_DESC, p.NETWORK_LIST_ALL_PORTS, p.NETWORK_GET_DHCP_LEASES


def lists(peer: Peer, call: Frame) -> None:
    flags = xdr.decode(p.CONNECT_LIST_ALL_NETWORKS.arguments, call.payload).flags
    by_flags = {0: NETWORKS, List.ACTIVE: (DEFAULT, ODD), List.PERSISTENT: (DEFAULT, OFF)}
    networks = by_flags.get(flags, ())
    peer.reply(call, t.ConnectListAllNetworksReply(networks, len(networks)))


def of_network(procedure: p.Procedure[Any, Any], answers: Mapping[str, Answer]) -> Answer:
    def answer(peer: Peer, call: Frame) -> None:
        arguments = xdr.decode(procedure.arguments, call.payload)
        network = arguments.network if hasattr(arguments, "network") else arguments.net
        answers[network.name](peer, call)

    return answer


ANSWERS: Answers = {
    p.CONNECT_LIST_ALL_NETWORKS: lists,
    XML: of_network(
        XML,
        {
            DEFAULT.name: returns(t.String(NAT)),
            OFF.name: returns(t.String("<network/>")),
            ODD.name: returns(t.String("<!DOCTYPE x><network/>")),
        },
    ),
    PORTS: returns(t.NetworkListAllPortsReply((), 3)),
    LEASES: returns(t.NetworkGetDHCPLeasesReply((), 5)),
}


def with_odd(procedure: p.Procedure[Any, Any], answer: Answer, others: Answer) -> Answers:
    names = {DEFAULT.name: others, OFF.name: others, ODD.name: answer}
    return {**ANSWERS, procedure: of_network(procedure, names)}


@in_virtual_time
async def test_networks_are_shown_with_what_they_are_and_who_uses_them(
    clock: VirtualClock,
) -> None:
    async with watched(ANSWERS, COLLECTORS, labels=(("rack", "r1"),)) as (daemon, application):
        for _ in range(3):
            page = await page_of(application)
            await asyncio.sleep(15)
        # A broken document is not fetched anew on every scrape.
        assert calls(daemon, [XML]) == len(NETWORKS)
    own = {"network": DEFAULT.name, "uuid": str(DEFAULT.uuid), "rack": "r1"}
    nat = {"bridge": "virbr0", "forward": "nat", "domain_name": "example.test"}
    assert page.value("libvirt_network_info", **own, **nat) == 1
    assert page.value("libvirt_network_active", **own) == 1
    assert page.value("libvirt_network_persistent", **own) == 1
    assert page.value("libvirt_network_autostart", **own) == 0
    assert page.value("libvirt_network_ports", **own) == 3
    assert page.value("libvirt_network_dhcp_leases", **own) == 5
    assert page.value("libvirt_network_info", network=OFF.name, forward="isolated") == 1
    assert page.value("libvirt_network_active", network=OFF.name) == 0
    assert not page.values("libvirt_network_ports", network=OFF.name)
    assert page.value("libvirt_network_active", network=ODD.name) == 1
    assert not page.values("libvirt_network_info", network=ODD.name)
    assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_a_network_that_hangs_costs_no_other_its_figures(clock: VirtualClock) -> None:
    for procedure, shown, reply in (
        (PORTS, "libvirt_network_ports", returns(t.NetworkListAllPortsReply((), 3))),
        (LEASES, "libvirt_network_dhcp_leases", returns(t.NetworkGetDHCPLeasesReply((), 5))),
        (XML, "libvirt_network_info", returns(t.String(NAT))),
    ):
        async with watched(with_odd(procedure, never, reply), COLLECTORS) as (daemon, application):
            await page_of(application)
            await asyncio.sleep(15)
            before = clock.now
            page = await page_of(application)
            assert clock.now - before < 1
            frames = daemon.peer.calls(procedure)
            codec: xdr.Codec[Any] = procedure.arguments
            arguments = [xdr.decode(codec, one.payload) for one in frames]
            asked = [getattr(one, "net", getattr(one, "network", None)) for one in arguments]
            assert asked.count(ODD) == 1, procedure.name
            assert DEFAULT.name in page.labels(shown, "network")
            assert ODD.name not in page.labels(shown, "network")


async def test_a_network_that_stopped_since_it_was_listed_is_no_failure() -> None:
    stopped = refuses(55, "network is not active")
    answers = {
        **with_odd(PORTS, stopped, ANSWERS[PORTS]),
        LEASES: with_odd(LEASES, refuses(43, "no network"), ANSWERS[LEASES])[LEASES],
    }
    async with watched(answers, COLLECTORS) as (_, application):
        page = await page_of(application)
    assert page.labels("libvirt_network_ports", "network") == [DEFAULT.name]
    assert page.labels("libvirt_network_dhcp_leases", "network") == [DEFAULT.name]
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_what_a_daemon_does_not_know_is_off_by_itself() -> None:
    answers = {**ANSWERS, PORTS: refuses(39, "unknown procedure: 407"), LEASES: refuses(3, "no")}
    async with watched(answers, COLLECTORS) as (daemon, application):
        await page_of(application)
        asked = calls(daemon, [PORTS, LEASES])
        page = await page_of(application)
        assert calls(daemon, [PORTS, LEASES]) == asked
    available = "libvirt_exporter_collector_available"
    assert page.value(available, collector="networks.ports", reason="too_old") == 0
    assert page.value(available, collector="dhcp_leases", reason="unsupported") == 0
    assert page.value(available, collector="networks") == 1
    assert len(page.values("libvirt_network_active")) == len(NETWORKS)
    assert page.value("libvirt_exporter_last_scrape_error") == 0
