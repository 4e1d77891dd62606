"""Calls about networks, interfaces, devices, filters, secrets: what goes out, what comes of the answer."""

from __future__ import annotations

import uuid

import pytest

from libvirt_rpc.api.networks import HostObjectCalls, NetworkCalls
from libvirt_rpc.enums import (
    ConnectListAllInterfacesFlags,
    ConnectListAllNetworksFlags,
    ConnectListAllNodeDeviceFlags,
    ConnectListAllSecretsFlags,
    InterfaceXMLFlags,
    NetworkXMLFlags,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.libvirt_rpc.api.scripted import Case, case, methods_of, run

ID = uuid.UUID(int=1)
NETWORK = t.Network("n", ID)
OF_NETWORK = t.NetworkArgs(NETWORK)
LEASE = t.NetworkDHCPLease("virbr0", 7, 0, "52:54", None, "192.0.2.1", 24, None, None)
PORT = t.NetworkPort(NETWORK, ID)
INTERFACE = t.Interface("eth0", "00:01")
DEVICE = t.NodeDevice("pci_0")
FILTER = t.NWFilter("f", ID)
BINDING = t.NWFilterBinding("vnet0", "f")
SECRET = t.Secret(ID, 2, "ceph")
ACTIVE = ConnectListAllNetworksFlags.ACTIVE
UP = ConnectListAllInterfacesFlags.ACTIVE
PCI = ConnectListAllNodeDeviceFlags.PCI_DEV
PRIVATE = ConnectListAllSecretsFlags.PRIVATE
LIST, COUNT = t.ListAllArgs(1, 0), t.ListAllArgs(0, 0)

CASES = [
    case(
        "list_all_networks",
        (ACTIVE,),
        p.CONNECT_LIST_ALL_NETWORKS,
        t.ListAllArgs(1, 2),
        t.ConnectListAllNetworksReply((NETWORK,), 1),
        (NETWORK,),
    ),
    case(
        "count_all_networks",
        (ACTIVE,),
        p.CONNECT_LIST_ALL_NETWORKS,
        t.ListAllArgs(0, 2),
        t.ConnectListAllNetworksReply((), 3),
        3,
    ),
    case("network_is_active", (NETWORK,), p.NETWORK_IS_ACTIVE, OF_NETWORK, t.Number(1), True),
    case(
        "network_is_persistent",
        (NETWORK,),
        p.NETWORK_IS_PERSISTENT,
        OF_NETWORK,
        t.Number(0),
        False,
    ),
    case(
        "network_get_autostart", (NETWORK,), p.NETWORK_GET_AUTOSTART, OF_NETWORK, t.Number(1), True
    ),
    case(
        "network_get_bridge_name",
        (NETWORK,),
        p.NETWORK_GET_BRIDGE_NAME,
        OF_NETWORK,
        t.String("virbr0"),
        "virbr0",
    ),
    case(
        "network_get_xml_desc",
        (NETWORK, NetworkXMLFlags.INACTIVE),
        p.NETWORK_GET_XML_DESC,
        t.NetworkFlagsArgs(NETWORK, 1),
        t.String("<network/>"),
        "<network/>",
    ),
    case(
        "network_get_dhcp_leases",
        (NETWORK, "52:54"),
        p.NETWORK_GET_DHCP_LEASES,
        t.NetworkGetDHCPLeasesArgs(NETWORK, "52:54", 1, 0),
        t.NetworkGetDHCPLeasesReply((LEASE,), 1),
        (LEASE,),
    ),
    case(
        "network_count_dhcp_leases",
        (NETWORK,),
        p.NETWORK_GET_DHCP_LEASES,
        t.NetworkGetDHCPLeasesArgs(NETWORK, None, 0, 0),
        t.NetworkGetDHCPLeasesReply((), 4),
        4,
    ),
    case(
        "network_list_all_ports",
        (NETWORK,),
        p.NETWORK_LIST_ALL_PORTS,
        t.NetworkListAllPortsArgs(NETWORK, 1, 0),
        t.NetworkListAllPortsReply((PORT,), 1),
        (PORT,),
    ),
    case(
        "network_count_all_ports",
        (NETWORK,),
        p.NETWORK_LIST_ALL_PORTS,
        t.NetworkListAllPortsArgs(NETWORK, 0, 0),
        t.NetworkListAllPortsReply((), 5),
        5,
    ),
    case(
        "list_all_interfaces",
        (UP,),
        p.CONNECT_LIST_ALL_INTERFACES,
        t.ListAllArgs(1, 2),
        t.ConnectListAllInterfacesReply((INTERFACE,), 1),
        (INTERFACE,),
    ),
    case(
        "count_all_interfaces",
        (UP,),
        p.CONNECT_LIST_ALL_INTERFACES,
        t.ListAllArgs(1, 2),
        t.ConnectListAllInterfacesReply((INTERFACE,) * 2, 2),
        2,
    ),
    case(
        "interface_is_active",
        (INTERFACE,),
        p.INTERFACE_IS_ACTIVE,
        t.InterfaceArgs(INTERFACE),
        t.Number(1),
        True,
    ),
    case(
        "interface_get_xml_desc",
        (INTERFACE, InterfaceXMLFlags.INACTIVE),
        p.INTERFACE_GET_XML_DESC,
        t.InterfaceFlagsArgs(INTERFACE, 1),
        t.String("<interface/>"),
        "<interface/>",
    ),
    case(
        "list_all_node_devices",
        (PCI,),
        p.CONNECT_LIST_ALL_NODE_DEVICES,
        t.ListAllArgs(1, 2),
        t.ConnectListAllNodeDevicesReply((DEVICE,), 1),
        (DEVICE,),
    ),
    case(
        "count_all_node_devices",
        (PCI,),
        p.CONNECT_LIST_ALL_NODE_DEVICES,
        t.ListAllArgs(0, 2),
        t.ConnectListAllNodeDevicesReply((), 9),
        9,
    ),
    case(
        "node_device_get_xml_desc",
        (DEVICE,),
        p.NODE_DEVICE_GET_XML_DESC,
        t.NodeDeviceFlagsArgs("pci_0", 0),
        t.String("<device/>"),
        "<device/>",
    ),
    case(
        "list_all_nwfilters",
        (),
        p.CONNECT_LIST_ALL_NWFILTERS,
        LIST,
        t.ConnectListAllNWFiltersReply((FILTER,), 1),
        (FILTER,),
    ),
    case(
        "count_all_nwfilters",
        (),
        p.CONNECT_LIST_ALL_NWFILTERS,
        COUNT,
        t.ConnectListAllNWFiltersReply((), 6),
        6,
    ),
    case(
        "list_all_nwfilter_bindings",
        (),
        p.CONNECT_LIST_ALL_NWFILTER_BINDINGS,
        LIST,
        t.ConnectListAllNWFilterBindingsReply((BINDING,), 1),
        (BINDING,),
    ),
    case(
        "count_all_nwfilter_bindings",
        (),
        p.CONNECT_LIST_ALL_NWFILTER_BINDINGS,
        COUNT,
        t.ConnectListAllNWFilterBindingsReply((), 7),
        7,
    ),
    case(
        "list_all_secrets",
        (PRIVATE,),
        p.CONNECT_LIST_ALL_SECRETS,
        t.ListAllArgs(1, 4),
        t.ConnectListAllSecretsReply((SECRET,), 1),
        (SECRET,),
    ),
    case(
        "count_all_secrets",
        (PRIVATE,),
        p.CONNECT_LIST_ALL_SECRETS,
        t.ListAllArgs(0, 4),
        t.ConnectListAllSecretsReply((), 8),
        8,
    ),
]


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.method)
async def test_a_call_asks_and_gives_what_the_daemon_answers(one: Case) -> None:
    await run(one)


def test_every_call_is_in_the_table() -> None:
    assert {one.method for one in CASES} == methods_of(NetworkCalls, HostObjectCalls)
