"""Opening a connection, letting oneself in, and questions about the connection itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from libvirt_rpc.protocol.constants import AUTH_TYPE_LIST_MAX, SASL_DATA_MAX
from libvirt_rpc.protocol.xdr import (
    INT,
    Array,
    Characters,
    Int,
    OptionalText,
    Struct,
    Text,
    UnsignedInt,
)

SaslData = Annotated[bytes, Characters(maximum=SASL_DATA_MAX)]


@dataclass(frozen=True, slots=True)
class ConnectOpenArgs(Struct):
    """remote_connect_open_args: `flags` is 1 for a read-only connection."""

    name: OptionalText
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class AuthListReply(Struct):
    """remote_auth_list_ret."""

    types: Annotated[tuple[int, ...], Array(INT, AUTH_TYPE_LIST_MAX)]


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
class ConnectGetMaxVcpusArgs(Struct):
    """remote_connect_get_max_vcpus_args: the kind of domain, such as `kvm`; None is the driver's own."""

    type: OptionalText
