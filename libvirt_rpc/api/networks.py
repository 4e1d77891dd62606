"""Questions about networks, the host's interfaces, node devices, network filters and secrets.

Each `count_all_*` gives how many objects its `list_all_*` would, without having them sent.
"""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller
from libvirt_rpc.deadline import Deadline
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


class NetworkCalls(Caller):
    """virNetwork*."""

    async def list_all_networks(
        self,
        flags: ConnectListAllNetworksFlags = ConnectListAllNetworksFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.Network, ...]:
        """Every network, active or not, that the filter `flags` let through; 0 lets all."""
        args = t.ListAllArgs(1, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_NETWORKS, args, deadline)).nets

    async def count_all_networks(
        self,
        flags: ConnectListAllNetworksFlags = ConnectListAllNetworksFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        args = t.ListAllArgs(0, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_NETWORKS, args, deadline)).ret

    async def network_is_active(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the network is started."""
        return (await self._call(p.NETWORK_IS_ACTIVE, t.NetworkArgs(network), deadline)).value != 0

    async def network_is_persistent(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the network outlives its end."""
        args = t.NetworkArgs(network)
        return (await self._call(p.NETWORK_IS_PERSISTENT, args, deadline)).value != 0

    async def network_get_autostart(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the network starts with the host."""
        args = t.NetworkArgs(network)
        return (await self._call(p.NETWORK_GET_AUTOSTART, args, deadline)).value != 0

    async def network_get_bridge_name(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> str:
        """The host's bridge; a network without one refuses (INTERNAL_ERROR)."""
        args = t.NetworkArgs(network)
        return (await self._call(p.NETWORK_GET_BRIDGE_NAME, args, deadline)).value

    async def network_get_xml_desc(
        self,
        network: t.Network,
        flags: NetworkXMLFlags = NetworkXMLFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> str:
        """The network's XML document."""
        args = t.NetworkFlagsArgs(network, int(flags))
        return (await self._call(p.NETWORK_GET_XML_DESC, args, deadline)).value

    async def network_get_dhcp_leases(
        self, network: t.Network, mac: str | None = None, *, deadline: Deadline | None = None
    ) -> tuple[t.NetworkDHCPLease, ...]:
        """The leases that hold, of all interfaces or of the one with the address `mac`."""
        args = t.NetworkGetDHCPLeasesArgs(network, mac, 1, 0)
        return (await self._call(p.NETWORK_GET_DHCP_LEASES, args, deadline)).leases

    async def network_count_dhcp_leases(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> int:
        """How many leases `network_get_dhcp_leases` would give."""
        args = t.NetworkGetDHCPLeasesArgs(network, None, 0, 0)
        return (await self._call(p.NETWORK_GET_DHCP_LEASES, args, deadline)).ret

    async def network_list_all_ports(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> tuple[t.NetworkPort, ...]:
        """What is plugged into an active network; an inactive one refuses (OperationInvalid)."""
        args = t.NetworkListAllPortsArgs(network, 1, 0)
        return (await self._call(p.NETWORK_LIST_ALL_PORTS, args, deadline)).ports

    async def network_count_all_ports(
        self, network: t.Network, *, deadline: Deadline | None = None
    ) -> int:
        """How many ports `network_list_all_ports` would give."""
        args = t.NetworkListAllPortsArgs(network, 0, 0)
        return (await self._call(p.NETWORK_LIST_ALL_PORTS, args, deadline)).ret


class HostObjectCalls(Caller):
    """virInterface*, virNodeDevice*, virNWFilter* and virSecret*."""

    async def list_all_interfaces(
        self,
        flags: ConnectListAllInterfacesFlags = ConnectListAllInterfacesFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.Interface, ...]:
        """The host's network interfaces; a daemon without the driver for them refuses (NoSupport)."""
        args = t.ListAllArgs(1, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_INTERFACES, args, deadline)).ifaces

    async def count_all_interfaces(
        self,
        flags: ConnectListAllInterfacesFlags = ConnectListAllInterfacesFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """How many interfaces `list_all_interfaces` gives: asked for the number alone, libvirt 9.0 says 0."""
        return len(await self.list_all_interfaces(flags, deadline=deadline))

    async def interface_is_active(
        self, interface: t.Interface, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the interface is up."""
        args = t.InterfaceArgs(interface)
        return (await self._call(p.INTERFACE_IS_ACTIVE, args, deadline)).value != 0

    async def interface_get_xml_desc(
        self,
        interface: t.Interface,
        flags: InterfaceXMLFlags = InterfaceXMLFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> str:
        """The interface's XML document."""
        args = t.InterfaceFlagsArgs(interface, int(flags))
        return (await self._call(p.INTERFACE_GET_XML_DESC, args, deadline)).value

    async def list_all_node_devices(
        self,
        flags: ConnectListAllNodeDeviceFlags = ConnectListAllNodeDeviceFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.NodeDevice, ...]:
        """The host's devices with one of the capabilities in `flags`; 0 is any."""
        args = t.ListAllArgs(1, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_NODE_DEVICES, args, deadline)).devices

    async def count_all_node_devices(
        self,
        flags: ConnectListAllNodeDeviceFlags = ConnectListAllNodeDeviceFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        args = t.ListAllArgs(0, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_NODE_DEVICES, args, deadline)).ret

    async def node_device_get_xml_desc(
        self, device: t.NodeDevice, *, deadline: Deadline | None = None
    ) -> str:
        """The device's XML document."""
        args = t.NodeDeviceFlagsArgs(device.name, 0)
        return (await self._call(p.NODE_DEVICE_GET_XML_DESC, args, deadline)).value

    async def list_all_nwfilters(
        self, *, deadline: Deadline | None = None
    ) -> tuple[t.NWFilter, ...]:
        """The network filters that are defined."""
        args = t.ListAllArgs(1, 0)
        return (await self._call(p.CONNECT_LIST_ALL_NWFILTERS, args, deadline)).filters

    async def count_all_nwfilters(self, *, deadline: Deadline | None = None) -> int:
        args = t.ListAllArgs(0, 0)
        return (await self._call(p.CONNECT_LIST_ALL_NWFILTERS, args, deadline)).ret

    async def list_all_nwfilter_bindings(
        self, *, deadline: Deadline | None = None
    ) -> tuple[t.NWFilterBinding, ...]:
        """The network filters in use, by the host's interface that each holds."""
        args = t.ListAllArgs(1, 0)
        return (await self._call(p.CONNECT_LIST_ALL_NWFILTER_BINDINGS, args, deadline)).bindings

    async def count_all_nwfilter_bindings(self, *, deadline: Deadline | None = None) -> int:
        args = t.ListAllArgs(0, 0)
        return (await self._call(p.CONNECT_LIST_ALL_NWFILTER_BINDINGS, args, deadline)).ret

    async def list_all_secrets(
        self,
        flags: ConnectListAllSecretsFlags = ConnectListAllSecretsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.Secret, ...]:
        """The secrets by what they are for; no value of one is ever fetched."""
        args = t.ListAllArgs(1, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_SECRETS, args, deadline)).secrets

    async def count_all_secrets(
        self,
        flags: ConnectListAllSecretsFlags = ConnectListAllSecretsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        args = t.ListAllArgs(0, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_SECRETS, args, deadline)).ret
