"""What a guest says of itself: by its agent, or as seen by leases and ARP. Source: remote_protocol.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import (
    FSINFO_MAX,
    GUEST_INFO_PARAMETERS_MAX,
    GUEST_VCPU_PARAMETERS_MAX,
    INTERFACE_ADDRESSES_MAX,
)
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.types.common import Domain
from libvirt_rpc.protocol.xdr import (
    STRING,
    Array,
    Hyper,
    Int,
    OptionalText,
    Struct,
    Text,
    UnsignedInt,
)


@dataclass(frozen=True, slots=True)
class DomainInterfaceAddressesArgs(Struct):
    """remote_domain_interface_addresses_args."""

    dom: Domain
    source: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainIPAddr(Struct):
    """remote_domain_ip_addr: `type` is an IPAddrType."""

    type: Int
    addr: Text
    prefix: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainInterface(Struct):
    """remote_domain_interface: the guest's name of it from the agent, else the host's."""

    name: Text
    hwaddr: OptionalText
    addrs: Annotated[tuple[DomainIPAddr, ...], Array(DomainIPAddr, INTERFACE_ADDRESSES_MAX)]


@dataclass(frozen=True, slots=True)
class DomainInterfaceAddressesReply(Struct):
    """remote_domain_interface_addresses_ret."""

    ifaces: Annotated[tuple[DomainInterface, ...], Array(DomainInterface, INTERFACE_ADDRESSES_MAX)]


@dataclass(frozen=True, slots=True)
class DomainGetGuestInfoArgs(Struct):
    """remote_domain_get_guest_info_args: `types` are DomainGuestInfoTypes, 0 for all that the agent has."""

    dom: Domain
    types: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetGuestInfoReply(Struct):
    """remote_domain_get_guest_info_ret."""

    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, GUEST_INFO_PARAMETERS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainFSInfo(Struct):
    """remote_domain_fsinfo: `dev_aliases` are the targets of the disks that it lies on."""

    mountpoint: Text
    name: Text
    fstype: Text
    dev_aliases: Annotated[tuple[str, ...], Array(STRING, FSINFO_MAX)]


@dataclass(frozen=True, slots=True)
class DomainGetFSInfoReply(Struct):
    """remote_domain_get_fsinfo_ret."""

    info: Annotated[tuple[DomainFSInfo, ...], Array(DomainFSInfo, FSINFO_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetGuestVcpusReply(Struct):
    """remote_domain_get_guest_vcpus_ret."""

    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, GUEST_VCPU_PARAMETERS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainTime(Struct):
    """remote_domain_get_time_ret: the guest's clock, since the epoch."""

    seconds: Hyper
    nseconds: UnsignedInt
