"""Node devices, interfaces, secrets and network filters on a page, as far as the daemon counts them."""

from __future__ import annotations

import asyncio

from exporter.config import HostCollectors
from libvirt_rpc.enums import ConnectListAllInterfacesFlags as Interfaces
from libvirt_rpc.enums import ConnectListAllNodeDeviceFlags as Capability
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import Answers, Peer, never, refuses, returns
from tests.support.exporting import calls
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.watching import only, page_of, watched

COLLECTORS = only(host=HostCollectors(stats=False, devices=True))
DEVICES, INTERFACES = p.CONNECT_LIST_ALL_NODE_DEVICES, p.CONNECT_LIST_ALL_INTERFACES
KNOWN = {Capability.NET: 4, Capability.PCI_DEV: 30, Capability.STORAGE: 0}


def devices(peer: Peer, call: Frame) -> None:
    """Of an older daemon, which does not know what came later."""
    flags = xdr.decode(DEVICES.arguments, call.payload).flags
    if flags in KNOWN:
        peer.reply(call, t.ConnectListAllNodeDevicesReply((), KNOWN[Capability(flags)]))
    else:
        refuses(8, "unsupported flags")(peer, call)


def interfaces(peer: Peer, call: Frame) -> None:
    flags = xdr.decode(INTERFACES.arguments, call.payload).flags
    there = tuple(t.Interface(name, "") for name in ("eth0", "br0", "eth1"))
    found = there[:2] if flags == Interfaces.ACTIVE else there[2:]
    peer.reply(call, t.ConnectListAllInterfacesReply(found, len(found)))


ANSWERS: Answers = {
    DEVICES: devices,
    INTERFACES: interfaces,
    p.CONNECT_LIST_ALL_SECRETS: returns(t.ConnectListAllSecretsReply((), 7)),
    p.CONNECT_LIST_ALL_NWFILTERS: returns(t.ConnectListAllNWFiltersReply((), 18)),
    p.CONNECT_LIST_ALL_NWFILTER_BINDINGS: returns(t.ConnectListAllNWFilterBindingsReply((), 0)),
}


async def test_what_the_daemon_counts_is_shown_and_kept() -> None:
    async with watched(ANSWERS, COLLECTORS, labels=(("rack", "r1"),)) as (daemon, application):
        await page_of(application)
        asked = calls(daemon, list(ANSWERS))
        page = await page_of(application)
        assert calls(daemon, list(ANSWERS)) == asked
    assert page.value("libvirt_host_node_devices", capability="net", rack="r1") == 4
    # A number of none is a number; what the daemon does not know is absent.
    assert page.value("libvirt_host_node_devices", capability="storage") == 0
    assert len(page.values("libvirt_host_node_devices")) == len(KNOWN)
    assert page.value("libvirt_host_interfaces", state="active", rack="r1") == 2
    assert page.value("libvirt_host_interfaces", state="inactive") == 1
    assert page.value("libvirt_host_secrets", rack="r1") == 7
    assert page.value("libvirt_host_nwfilters") == 18
    assert page.value("libvirt_host_nwfilter_bindings") == 0
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_parts_that_are_denied_or_unsupported_leave_the_others() -> None:
    answers = {
        **ANSWERS,
        DEVICES: refuses(3, "no"),
        p.CONNECT_LIST_ALL_SECRETS: refuses(88, "access denied"),
    }
    async with watched(answers, COLLECTORS) as (daemon, application):
        page = await page_of(application)
        assert calls(daemon, [DEVICES]) == 1
    off = "libvirt_exporter_collector_available"
    assert page.value(off, collector="host_devices.node_devices", reason="unsupported") == 0
    assert page.value(off, collector="host_devices.secrets", reason="denied") == 0
    assert not page.values("libvirt_host_secrets")
    assert page.value("libvirt_host_nwfilters") == 18
    assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_a_part_that_hangs_or_breaks_costs_no_other_its_figures(clock: VirtualClock) -> None:
    for broken in (never, refuses(1, "broken")):
        answers = {**ANSWERS, p.CONNECT_LIST_ALL_SECRETS: broken, INTERFACES: broken}
        async with watched(answers, COLLECTORS) as (_, application):
            await page_of(application)
            await asyncio.sleep(15)
            page = await page_of(application)
        assert page.value("libvirt_host_node_devices", capability="net") == 4
        assert page.value("libvirt_host_nwfilters") == 18
        assert not page.values("libvirt_host_secrets")
        assert not page.values("libvirt_host_interfaces")
        assert page.value("libvirt_exporter_collector_success", collector="host_devices") == 0


@in_virtual_time
async def test_of_devices_that_hang_one_call_is_left_behind(clock: VirtualClock) -> None:
    async with watched({**ANSWERS, DEVICES: never}, COLLECTORS) as (daemon, application):
        await page_of(application)
        await asyncio.sleep(60)
        page = await page_of(application)
        assert calls(daemon, [DEVICES]) == 1
        assert page.value("libvirt_host_secrets") == 7
        assert page.value("libvirt_domain_state", domain="web") == 1
