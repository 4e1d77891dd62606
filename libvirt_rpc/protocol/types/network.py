"""Networks, the host's interfaces, node devices, network filters and secrets. Source: remote_protocol.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import DHCP_LEASES_MAX, LIST_MAX, NODE_DEVICE_LIST_MAX
from libvirt_rpc.protocol.types.common import (
    Interface,
    Network,
    NetworkPort,
    NodeDevice,
    NWFilter,
    NWFilterBinding,
    Secret,
)
from libvirt_rpc.protocol.xdr import (
    Array,
    Hyper,
    Int,
    OptionalText,
    Struct,
    Text,
    UnsignedInt,
)


@dataclass(frozen=True, slots=True)
class ConnectListAllNetworksReply(Struct):
    """remote_connect_list_all_networks_ret."""

    nets: Annotated[tuple[Network, ...], Array(Network, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class NetworkArgs(Struct):
    """A network alone: the arguments of most questions about one."""

    net: Network


@dataclass(frozen=True, slots=True)
class NetworkFlagsArgs(Struct):
    """remote_network_get_xml_desc_args."""

    net: Network
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NetworkGetDHCPLeasesArgs(Struct):
    """remote_network_get_dhcp_leases_args: without `mac`, those of all interfaces."""

    net: Network
    mac: OptionalText
    need_results: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NetworkDHCPLease(Struct):
    """remote_network_dhcp_lease: `expirytime` in seconds since the epoch, 0 where it never ends."""

    iface: Text
    expirytime: Hyper
    type: Int
    mac: OptionalText
    iaid: OptionalText
    ipaddr: Text
    prefix: UnsignedInt
    hostname: OptionalText
    clientid: OptionalText


@dataclass(frozen=True, slots=True)
class NetworkGetDHCPLeasesReply(Struct):
    """remote_network_get_dhcp_leases_ret."""

    leases: Annotated[tuple[NetworkDHCPLease, ...], Array(NetworkDHCPLease, DHCP_LEASES_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class NetworkListAllPortsArgs(Struct):
    """remote_network_list_all_ports_args."""

    network: Network
    need_results: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NetworkListAllPortsReply(Struct):
    """remote_network_list_all_ports_ret."""

    ports: Annotated[tuple[NetworkPort, ...], Array(NetworkPort, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllInterfacesReply(Struct):
    """remote_connect_list_all_interfaces_ret."""

    ifaces: Annotated[tuple[Interface, ...], Array(Interface, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class InterfaceArgs(Struct):
    """remote_interface_is_active_args."""

    iface: Interface


@dataclass(frozen=True, slots=True)
class InterfaceFlagsArgs(Struct):
    """remote_interface_get_xml_desc_args."""

    iface: Interface
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllNodeDevicesReply(Struct):
    """remote_connect_list_all_node_devices_ret."""

    devices: Annotated[tuple[NodeDevice, ...], Array(NodeDevice, NODE_DEVICE_LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class NodeDeviceFlagsArgs(Struct):
    """remote_node_device_get_xml_desc_args."""

    name: Text
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllNWFiltersReply(Struct):
    """remote_connect_list_all_nwfilters_ret."""

    filters: Annotated[tuple[NWFilter, ...], Array(NWFilter, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllNWFilterBindingsReply(Struct):
    """remote_connect_list_all_nwfilter_bindings_ret."""

    bindings: Annotated[tuple[NWFilterBinding, ...], Array(NWFilterBinding, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllSecretsReply(Struct):
    """remote_connect_list_all_secrets_ret."""

    secrets: Annotated[tuple[Secret, ...], Array(Secret, LIST_MAX)]
    ret: UnsignedInt
