"""The calls that this client can make: a line a procedure. None of them changes anything.

Source: remote_protocol.x. `session.call(PROCEDURE, args)` is typed by its line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.xdr import VOID, Codec, codec_of

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Procedure(Generic[A, R]):
    """One call: its number in its program, how its arguments are written and its reply is read."""

    program: int
    number: int
    name: str
    arguments: Codec[A]
    reply: Codec[R]


def _remote(
    number: int, name: str, arguments: Codec[A] | type[A], reply: Codec[R] | type[R]
) -> Procedure[A, R]:
    return Procedure(Program.REMOTE, number, name, codec_of(arguments), codec_of(reply))


# fmt: off
CONNECT_OPEN = _remote(1, "CONNECT_OPEN", t.ConnectOpenArgs, VOID)
CONNECT_CLOSE = _remote(2, "CONNECT_CLOSE", VOID, VOID)
CONNECT_GET_TYPE = _remote(3, "CONNECT_GET_TYPE", VOID, t.String)
CONNECT_GET_VERSION = _remote(4, "CONNECT_GET_VERSION", VOID, t.UnsignedNumber)
DOMAIN_GET_XML_DESC = _remote(14, "DOMAIN_GET_XML_DESC", t.DomainFlagsArgs, t.String)
CONNECT_GET_HOSTNAME = _remote(59, "CONNECT_GET_HOSTNAME", VOID, t.String)
CONNECT_SUPPORTS_FEATURE = _remote(60, "CONNECT_SUPPORTS_FEATURE", t.Number, t.Number)
AUTH_LIST = _remote(66, "AUTH_LIST", VOID, t.AuthListReply)
AUTH_SASL_INIT = _remote(67, "AUTH_SASL_INIT", VOID, t.String)
AUTH_SASL_START = _remote(68, "AUTH_SASL_START", t.AuthSaslStartArgs, t.AuthSaslReply)
AUTH_SASL_STEP = _remote(69, "AUTH_SASL_STEP", t.AuthSaslStepArgs, t.AuthSaslReply)
AUTH_POLKIT = _remote(70, "AUTH_POLKIT", VOID, t.Number)
CONNECT_GET_URI = _remote(110, "CONNECT_GET_URI", VOID, t.String)
CONNECT_GET_LIB_VERSION = _remote(157, "CONNECT_GET_LIB_VERSION", VOID, t.UnsignedNumber)
DOMAIN_GET_STATE = _remote(212, "DOMAIN_GET_STATE", t.DomainFlagsArgs, t.DomainState)
DOMAIN_GET_CONTROL_INFO = _remote(229, "DOMAIN_GET_CONTROL_INFO", t.DomainFlagsArgs, t.DomainControlInfo)
CONNECT_LIST_ALL_DOMAINS = _remote(273, "CONNECT_LIST_ALL_DOMAINS", t.ConnectListAllDomainsArgs, t.ConnectListAllDomainsReply)
CONNECT_GET_ALL_DOMAIN_STATS = _remote(344, "CONNECT_GET_ALL_DOMAIN_STATS", t.ConnectGetAllDomainStatsArgs, t.ConnectGetAllDomainStatsReply)
# fmt: on

PROCEDURES: dict[tuple[int, int], Procedure[Any, Any]] = {
    (procedure.program, procedure.number): procedure
    for procedure in list(globals().values())
    if isinstance(procedure, Procedure)
}
"""Every procedure by (program, number): for traces and tests."""


def procedure_name(program: int, number: int) -> str:
    """The .x name, or the number where this client does not know the procedure."""
    known = PROCEDURES.get((program, number))
    return known.name if known else f"{program:#x}/{number}"
