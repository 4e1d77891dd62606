"""Questions that a guest's agent answers. A read-only connection is refused all of them (OperationDenied).

A domain without a channel for an agent refuses (ARGUMENT_UNSUPPORTED), one whose agent is not there raises
AgentUnresponsive at once, and one that does not run OperationInvalid. An agent that hangs can keep a call
waiting for ever: give each a deadline of its own.
"""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller, values_of
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    DomainGetHostnameFlags,
    DomainGuestInfoTypes,
    DomainInterfaceAddressesSource,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.typed_params import TypedValue


class GuestCalls(Caller):
    """virDomainGetGuest*, virDomainGetFSInfo, virDomainInterfaceAddresses and the like."""

    async def domain_get_guest_info(
        self,
        domain: t.Domain,
        types: DomainGuestInfoTypes = DomainGuestInfoTypes(0),
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """Users, system, filesystems and so on, by names as `fs.0.used-bytes`.

        A group that the agent lacks is left out with 0, and makes the call fail where it is named.
        """
        args = t.DomainGetGuestInfoArgs(domain, int(types), 0)
        return values_of((await self._call(p.DOMAIN_GET_GUEST_INFO, args, deadline)).params)

    async def domain_get_fsinfo(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> tuple[t.DomainFSInfo, ...]:
        """The filesystems that are mounted in the guest, and the disks that they lie on."""
        args = t.DomainFlagsArgs(domain, 0)
        return (await self._call(p.DOMAIN_GET_FSINFO, args, deadline)).info

    async def domain_get_guest_vcpus(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> dict[str, TypedValue]:
        """The guest's view of its CPUs, as text of ranges: vcpus, online, offlinable."""
        args = t.DomainFlagsArgs(domain, 0)
        return values_of((await self._call(p.DOMAIN_GET_GUEST_VCPUS, args, deadline)).params)

    async def domain_get_time(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> t.DomainTime:
        """The guest's clock."""
        return await self._call(p.DOMAIN_GET_TIME, t.DomainFlagsArgs(domain, 0), deadline)

    async def domain_get_hostname(
        self,
        domain: t.Domain,
        flags: DomainGetHostnameFlags = DomainGetHostnameFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> str:
        """The guest's host name, from the agent or a DHCP lease; 0 leaves the choice to the driver."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return (await self._call(p.DOMAIN_GET_HOSTNAME, args, deadline)).value

    async def domain_interface_addresses(
        self,
        domain: t.Domain,
        source: DomainInterfaceAddressesSource,
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.DomainInterface, ...]:
        """The guest's interfaces with their addresses. LEASE and ARP need neither agent nor permission."""
        args = t.DomainInterfaceAddressesArgs(domain, int(source), 0)
        return (await self._call(p.DOMAIN_INTERFACE_ADDRESSES, args, deadline)).ifaces
