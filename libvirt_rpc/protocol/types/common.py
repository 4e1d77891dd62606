"""What names an object on the wire, and the structs that many calls share. Source: remote_protocol.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import SHORT_PARAMETERS_MAX
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.xdr import (
    Array,
    Int,
    Optional,
    OptionalText,
    Struct,
    Text,
    UnsignedHyper,
    UnsignedInt,
    WireUUID,
)

ShortParameters = Annotated[
    tuple[TypedParameter, ...], Array(TYPED_PARAMETER, SHORT_PARAMETERS_MAX)
]


@dataclass(frozen=True, slots=True)
class Domain(Struct):
    """remote_nonnull_domain. libvirt finds a domain by `uuid` alone when it is sent back."""

    name: Text
    uuid: WireUUID
    id: Int


@dataclass(frozen=True, slots=True)
class DomainSnapshot(Struct):
    """remote_nonnull_domain_snapshot."""

    name: Text
    dom: Domain


@dataclass(frozen=True, slots=True)
class DomainCheckpoint(Struct):
    """remote_nonnull_domain_checkpoint."""

    name: Text
    dom: Domain


@dataclass(frozen=True, slots=True)
class Network(Struct):
    """remote_nonnull_network."""

    name: Text
    uuid: WireUUID


@dataclass(frozen=True, slots=True)
class NetworkPort(Struct):
    """remote_nonnull_network_port."""

    net: Network
    uuid: WireUUID


@dataclass(frozen=True, slots=True)
class Interface(Struct):
    """remote_nonnull_interface: a network interface of the host."""

    name: Text
    mac: Text


@dataclass(frozen=True, slots=True)
class NWFilter(Struct):
    """remote_nonnull_nwfilter."""

    name: Text
    uuid: WireUUID


@dataclass(frozen=True, slots=True)
class NWFilterBinding(Struct):
    """remote_nonnull_nwfilter_binding: `portdev` is the host's interface that the filter holds."""

    portdev: Text
    filtername: Text


@dataclass(frozen=True, slots=True)
class NodeDevice(Struct):
    """remote_nonnull_node_device."""

    name: Text


@dataclass(frozen=True, slots=True)
class Secret(Struct):
    """remote_nonnull_secret: who it is for, not what it is. `usage_type` is a SecretUsageType."""

    uuid: WireUUID
    usage_type: Int
    usage_id: Text


@dataclass(frozen=True, slots=True)
class StoragePool(Struct):
    """remote_nonnull_storage_pool."""

    name: Text
    uuid: WireUUID


@dataclass(frozen=True, slots=True)
class StorageVol(Struct):
    """remote_nonnull_storage_vol: libvirt finds a volume by `key`, or by `pool` and `name`."""

    pool: Text
    name: Text
    key: Text


@dataclass(frozen=True, slots=True)
class ErrorReply(Struct):
    """virNetMessageError: `message` is the finished text, `code` a virErrorNumber."""

    code: Int
    domain: Int
    message: OptionalText
    level: Int
    dom: Annotated[Domain | None, Optional(Domain)]
    str1: OptionalText
    str2: OptionalText
    str3: OptionalText
    int1: Int
    int2: Int
    net: Annotated[Network | None, Optional(Network)]


@dataclass(frozen=True, slots=True)
class String(Struct):
    """A reply that is one string: a type, a host name, a URI, an XML document, SASL's mechanisms."""

    value: Text


@dataclass(frozen=True, slots=True)
class Number(Struct):
    """Arguments or a reply that is one int: a feature's number, a flag, a count, yes or no."""

    value: Int


@dataclass(frozen=True, slots=True)
class Flag(Struct):
    """Arguments that are flags alone."""

    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class UnsignedNumber(Struct):
    """A reply that is one unsigned hyper: bytes, or a version as major * 1,000,000 + minor * 1,000 + micro."""

    value: UnsignedHyper


@dataclass(frozen=True, slots=True)
class ListAllArgs(Struct):
    """remote_connect_list_all_*_args: without `need_results` only the number comes back."""

    need_results: Int
    flags: UnsignedInt
