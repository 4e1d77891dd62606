"""Everything that can go wrong with a libvirt connection, one exception a kind of fault.

LibvirtRPCError
├── InvalidURI              the caller's URI cannot be used
├── TransportError          the way to the daemon
│   ├── ConnectFailed       it could not be reached; every address that was tried, with its reason
│   └── SessionClosed       it was reached and is gone
├── CallTimeout             no reply within the caller's deadline
├── AuthenticationFailed    the daemon did not let us in, or asks for what we cannot give
├── ProtocolError           the peer broke the protocol (or is no libvirt daemon)
│   ├── DecodeError         bytes that do not decode
│   ├── FrameTooLarge       a length word above the protocol's limit
│   ├── FrameTooShort       a length word below the header's size
│   └── UnexpectedMessage   a well-formed message that nobody asked for
├── EncodeError             a value that the wire cannot carry
├── TraceError              a trace that cannot be written, read or served
└── RemoteError             the daemon refused the call; subclasses by error code
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AccessDenied",
    "AgentUnresponsive",
    "Attempt",
    "AuthenticationFailed",
    "CallTimeout",
    "ConnectFailed",
    "DecodeError",
    "EncodeError",
    "FrameTooLarge",
    "FrameTooShort",
    "InvalidArgument",
    "InvalidURI",
    "LibvirtRPCError",
    "NoConnect",
    "NoDomain",
    "NoDomainMetadata",
    "NoSupport",
    "OperationDenied",
    "OperationInvalid",
    "OperationTimeout",
    "ProtocolError",
    "RPCError",
    "RemoteAuthenticationFailed",
    "RemoteError",
    "SessionClosed",
    "TraceError",
    "TransportError",
    "UnexpectedMessage",
]


class LibvirtRPCError(Exception):
    """The root of every error that this package raises."""


class InvalidURI(LibvirtRPCError):
    """A connection URI that cannot be used; `reason` says what to write instead."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot use the libvirt URI {self.uri!r}: {self.reason}"


class TransportError(LibvirtRPCError):
    """The way to the daemon failed."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address that was tried (a socket path, `host:port`, a command) and why it did not work."""

    address: str
    reason: str


class ConnectFailed(TransportError):
    """No daemon could be reached; `attempts` has every address that was tried."""

    def __init__(self, target: str, attempts: tuple[Attempt, ...], advice: str = "") -> None:
        super().__init__(target, attempts, advice)
        self.target = target
        self.attempts = attempts
        self.advice = advice

    def __str__(self) -> str:
        tried = "; ".join(f"{attempt.address}: {attempt.reason}" for attempt in self.attempts)
        text = f"cannot connect to {self.target}: {tried or 'nothing to try'}"
        return f"{text} ({self.advice})" if self.advice else text


class SessionClosed(TransportError):
    """The connection is gone; calls that were in flight fail with this, its cause in `__cause__`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the connection to libvirt is closed: {self.reason}"


class CallTimeout(LibvirtRPCError):
    """The daemon did not answer a call within the caller's deadline."""

    def __init__(self, procedure: str, seconds: float) -> None:
        super().__init__(procedure, seconds)
        self.procedure = procedure
        self.seconds = seconds

    def __str__(self) -> str:
        return f"libvirt did not answer {self.procedure} within {self.seconds:.3g} s"


class AuthenticationFailed(LibvirtRPCError):
    """The daemon did not let us in; `offered` names what it asked for (`sasl`, `polkit`).

    `credentials_refused`: it did not take a name and password, or a ticket; trying them again and again
    can lock an account.
    """

    def __init__(
        self, reason: str, offered: tuple[str, ...] = (), *, credentials_refused: bool = False
    ) -> None:
        super().__init__(reason, offered)
        self.reason = reason
        self.offered = offered
        self.credentials_refused = credentials_refused

    def __str__(self) -> str:
        return f"authentication with libvirt failed: {self.reason}"


class ProtocolError(LibvirtRPCError):
    """The peer broke the protocol; the connection cannot be used any further."""


class DecodeError(ProtocolError):
    """Bytes that are no value of the expected type; `offset` counts from the payload's start."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at byte {self.offset}"
        return f"cannot decode the daemon's message{where}: {self.reason}"


class FrameTooLarge(ProtocolError):
    """A length word above the protocol's limit: most likely the peer is no libvirt daemon."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(length, limit)
        self.length = length
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"a packet of {self.length} bytes is announced, {self.limit} are allowed: "
            "is the peer a libvirt daemon, and is the transport (tcp, tls) the right one?"
        )


class FrameTooShort(ProtocolError):
    """A length word that does not even cover the packet's header."""

    def __init__(self, length: int, minimum: int) -> None:
        super().__init__(length, minimum)
        self.length = length
        self.minimum = minimum

    def __str__(self) -> str:
        return (
            f"a packet of {self.length} bytes is announced, a header alone takes {self.minimum}: "
            "the peer does not speak libvirt's protocol"
        )


class UnexpectedMessage(ProtocolError):
    """A well-formed message that answers nothing we asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the daemon sent a message that was not asked for: {self.reason}"


class EncodeError(LibvirtRPCError):
    """A value that the wire type cannot carry; nothing was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot encode the call: {self.reason}"


class TraceError(LibvirtRPCError):
    """A trace that cannot be written, read or served; `line` counts its lines from 1."""

    def __init__(self, trace: str, reason: str, line: int | None = None) -> None:
        super().__init__(trace, reason, line)
        self.trace = trace
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        where = "" if self.line is None else f", line {self.line}"
        return f"the trace {self.trace}{where}: {self.reason}"


class RemoteError(LibvirtRPCError):
    """The daemon refused a call. `code` and `domain` are libvirt's virErrorNumber and virErrorDomain,
    `level` its virErrorLevel (2: error); unknown numbers are kept as they came.

    Source: remote_error in virnetprotocol.x.
    """

    def __init__(
        self,
        code: int,
        domain: int,
        level: int,
        message: str,
        *,
        int1: int = -1,
        procedure: str = "",
    ) -> None:
        super().__init__(code, domain, level, message)
        self.code = code
        self.domain = domain
        self.level = level
        self.message = message
        self.int1 = int1
        self.procedure = procedure

    def __str__(self) -> str:
        call = f"{self.procedure}: " if self.procedure else ""
        return f"{call}{self.message} (libvirt error {self.code}, domain {self.domain})"


class NoSupport(RemoteError):
    """The driver does not implement the call."""


class NoConnect(RemoteError):
    """The daemon has no driver for the URI."""


class InvalidArgument(RemoteError):
    """The daemon found an argument invalid: unsupported flags, an unknown disk or interface."""


class OperationDenied(RemoteError):
    """A read-only connection may not make this call."""


class RPCError(RemoteError):
    """The daemon's RPC layer refused: unknown procedure, authentication required, too large."""


class NoDomain(RemoteError):
    """The domain is gone."""


class RemoteAuthenticationFailed(RemoteError):
    """The daemon refused the credentials, the policy or the peer."""


class OperationInvalid(RemoteError):
    """The object is in the wrong state, such as a domain that is not running."""


class OperationTimeout(RemoteError):
    """The daemon could not get the domain's job lock in time."""


class NoDomainMetadata(RemoteError):
    """The domain has no such metadata element."""


class AgentUnresponsive(RemoteError):
    """The guest agent is not connected or does not answer."""


class AccessDenied(RemoteError):
    """Fine-grained access control refused the call."""


_BY_CODE: dict[int, type[RemoteError]] = {
    3: NoSupport,
    5: NoConnect,
    8: InvalidArgument,
    29: OperationDenied,
    39: RPCError,
    42: NoDomain,
    45: RemoteAuthenticationFailed,
    55: OperationInvalid,
    68: OperationTimeout,
    79: RemoteAuthenticationFailed,
    80: NoDomainMetadata,
    86: AgentUnresponsive,
    88: AccessDenied,
    94: RemoteAuthenticationFailed,
}


def remote_error(
    code: int, domain: int, level: int, message: str, *, int1: int = -1, procedure: str = ""
) -> RemoteError:
    """Makes the exception for a virErrorNumber; codes without a class of their own are RemoteError."""
    kind = _BY_CODE.get(code, RemoteError)
    return kind(code, domain, level, message, int1=int1, procedure=procedure)
