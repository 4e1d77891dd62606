"""The structs that libvirt's calls carry, in the order of its .x files, with its field names.

Sources: virnetprotocol.x (the error), remote_protocol.x (all others). `id` of an inactive domain is -1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from libvirt_rpc.protocol.constants import (
    AUTH_TYPE_LIST_MAX,
    DOMAIN_LIST_MAX,
    DOMAIN_STATS_PARAMETERS_MAX,
    SASL_DATA_MAX,
)
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.xdr import (
    INT,
    Array,
    Characters,
    Int,
    Optional,
    OptionalText,
    Struct,
    Text,
    UnsignedHyper,
    UnsignedInt,
    WireUUID,
)

__all__ = [
    "AuthListReply",
    "AuthSaslReply",
    "AuthSaslStartArgs",
    "AuthSaslStepArgs",
    "ConnectGetAllDomainStatsArgs",
    "ConnectGetAllDomainStatsReply",
    "ConnectListAllDomainsArgs",
    "ConnectListAllDomainsReply",
    "ConnectOpenArgs",
    "Domain",
    "DomainControlInfo",
    "DomainFlagsArgs",
    "DomainState",
    "DomainStatsRecord",
    "ErrorReply",
    "Flag",
    "Network",
    "Number",
    "String",
    "UnsignedNumber",
]


@dataclass(frozen=True, slots=True)
class Domain(Struct):
    """remote_nonnull_domain. libvirt finds a domain by `uuid` alone when it is sent back."""

    name: Text
    uuid: WireUUID
    id: Int


@dataclass(frozen=True, slots=True)
class Network(Struct):
    """remote_nonnull_network."""

    name: Text
    uuid: WireUUID


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
class ConnectOpenArgs(Struct):
    """remote_connect_open_args: `flags` is 1 for a read-only connection."""

    name: OptionalText
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class AuthListReply(Struct):
    """remote_auth_list_ret."""

    types: Annotated[tuple[int, ...], Array(INT, AUTH_TYPE_LIST_MAX)]


SaslData = Annotated[bytes, Characters(maximum=SASL_DATA_MAX)]


@dataclass(frozen=True, slots=True)
class AuthSaslStartArgs(Struct):
    """remote_auth_sasl_start_args: with `nil` there is no data, which is not the same as empty data."""

    mech: Text
    nil: Int
    data: SaslData = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthSaslStepArgs(Struct):
    """remote_auth_sasl_step_args."""

    nil: Int
    data: SaslData = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthSaslReply(Struct):
    """remote_auth_sasl_start_ret, remote_auth_sasl_step_ret: `complete` where the client is let in."""

    complete: Int
    nil: Int
    data: SaslData = field(repr=False)


@dataclass(frozen=True, slots=True)
class String(Struct):
    """A reply that is one string: a type, a host name, a URI, an XML document, SASL's mechanisms."""

    value: Text


@dataclass(frozen=True, slots=True)
class Number(Struct):
    """Arguments or a reply that is one int: a feature's number, a flag, whether polkit agreed."""

    value: Int


@dataclass(frozen=True, slots=True)
class Flag(Struct):
    """Arguments that are flags alone."""

    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class UnsignedNumber(Struct):
    """A reply that is one unsigned hyper: a version as major * 1,000,000 + minor * 1,000 + micro."""

    value: UnsignedHyper


@dataclass(frozen=True, slots=True)
class ConnectListAllDomainsArgs(Struct):
    """remote_connect_list_all_domains_args: without `need_results` only the number comes back."""

    need_results: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllDomainsReply(Struct):
    """remote_connect_list_all_domains_ret."""

    domains: Annotated[tuple[Domain, ...], Array(Domain, DOMAIN_LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectGetAllDomainStatsArgs(Struct):
    """remote_connect_get_all_domain_stats_args: no `doms` means all domains."""

    doms: Annotated[tuple[Domain, ...], Array(Domain, DOMAIN_LIST_MAX)]
    stats: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainStatsRecord(Struct):
    """remote_domain_stats_record."""

    dom: Domain
    params: Annotated[
        tuple[TypedParameter, ...], Array(TYPED_PARAMETER, DOMAIN_STATS_PARAMETERS_MAX)
    ]


@dataclass(frozen=True, slots=True)
class ConnectGetAllDomainStatsReply(Struct):
    """remote_connect_get_all_domain_stats_ret."""

    ret_stats: Annotated[tuple[DomainStatsRecord, ...], Array(DomainStatsRecord, DOMAIN_LIST_MAX)]


@dataclass(frozen=True, slots=True)
class DomainFlagsArgs(Struct):
    """A domain and flags: remote_domain_get_xml_desc_args, _get_state_args, _get_control_info_args."""

    dom: Domain
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainState(Struct):
    """remote_domain_get_state_ret: a virDomainState and the reason that goes with it."""

    state: Int
    reason: Int


@dataclass(frozen=True, slots=True)
class DomainControlInfo(Struct):
    """remote_domain_get_control_info_ret: `state_time` is the time in this state, in milliseconds."""

    state: UnsignedInt
    details: UnsignedInt
    state_time: UnsignedHyper
