"""The client's side of one connection as a state machine: calls in, bytes out; bytes in, events out.

It does no I/O. The session sends what `call`, `ping` give, feeds `receive_data` what arrives and acts
on the events in order. After a ProtocolError the connection must be closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from libvirt_rpc.errors import DecodeError, LibvirtRPCError, UnexpectedMessage, remote_error
from libvirt_rpc.protocol import procedures, xdr
from libvirt_rpc.protocol.constants import (
    PROGRAM_VERSION,
    KeepaliveProcedure,
    MessageType,
    Program,
    Status,
)
from libvirt_rpc.protocol.framing import Frame, FrameDecoder
from libvirt_rpc.protocol.procedures import Procedure, procedure_name
from libvirt_rpc.protocol.types import ErrorReply

A = TypeVar("A")
R = TypeVar("R")


class Phase(Enum):
    """How far a connection has come."""

    CONNECTED = auto()
    AUTHENTICATED = auto()
    OPEN = auto()
    CLOSING = auto()


# Everything that decides which call may be made when stands in this table. Before OPEN the daemon's
# workers run calls in any order, so the client makes them one at a time.
_AUTHENTICATION = {66, 67, 68, 69, 70}
ALLOWED: dict[Phase, Callable[[int], bool]] = {
    Phase.CONNECTED: lambda number: number in _AUTHENTICATION,
    Phase.AUTHENTICATED: lambda number: (
        number in (procedures.CONNECT_OPEN.number, procedures.CONNECT_SUPPORTS_FEATURE.number)
    ),
    Phase.OPEN: lambda number: (
        number not in _AUTHENTICATION and number != procedures.CONNECT_OPEN.number
    ),
    Phase.CLOSING: lambda _: False,
}
ONE_AT_A_TIME = frozenset({Phase.CONNECTED, Phase.AUTHENTICATED})


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The daemon answered the call `serial`."""

    serial: int
    value: Any


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The daemon refused the call `serial`, or its reply does not decode."""

    serial: int
    error: LibvirtRPCError


@dataclass(frozen=True, slots=True)
class LateReply:
    """The answer to an abandoned call came after all and was dropped."""

    serial: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message that the daemon sent by itself: an event of a known program, not decoded yet."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class PingReceived:
    """The daemon asks whether we are alive: send what `pong` gives."""


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The answer to `ping`."""


@dataclass(frozen=True, slots=True)
class MessageIgnored:
    """A message of a kind that this client does not know; passed over."""

    frame: Frame


Event = (
    ReplyReceived
    | CallFailed
    | LateReply
    | MessageReceived
    | PingReceived
    | PongReceived
    | MessageIgnored
)


@dataclass(slots=True)
class _Outstanding:
    procedure: Procedure[Any, Any]
    decode: Callable[[bytes], Any]
    abandoned: bool = False


class Client:
    """One connection's state: its phase, the calls that are in flight, the bytes that wait."""

    def __init__(self) -> None:
        self.phase = Phase.CONNECTED
        self._frames = FrameDecoder()
        self._outstanding: dict[int, _Outstanding] = {}
        self._next_serial = 0

    @property
    def outstanding(self) -> int:
        """Calls without an answer, abandoned ones included: each may hold one of the daemon's workers."""
        return len(self._outstanding)

    def call(
        self,
        procedure: Procedure[A, R],
        args: A,
        decode: Callable[[bytes], Any] | None = None,
    ) -> tuple[int, Frame]:
        """The serial of a new call and the frame to send.

        `decode` reads the reply's payload in place of the procedure's own codec. Raises EncodeError, and
        ValueError for a procedure that is not in the table: what is sent is what the table has, no more.
        """
        if (procedure.program, procedure.number) not in procedures.PROCEDURES:
            raise ValueError(
                f"{procedure.name} ({procedure.program:#x}/{procedure.number}) is not in the table of"
                " procedures, all of which only read; nothing else is sent"
            )
        assert ALLOWED[self.phase](procedure.number), f"{procedure.name} in {self.phase.name}"
        assert not (self._outstanding and self.phase in ONE_AT_A_TIME), (
            "handshake calls go one by one"
        )
        frame = Frame(
            procedure.program,
            PROGRAM_VERSION,
            procedure.number,
            MessageType.CALL,
            self._free_serial(),
            payload=xdr.encode(procedure.arguments, args),
        )
        reader = decode or (lambda payload: xdr.decode(procedure.reply, payload))
        self._outstanding[frame.serial] = _Outstanding(procedure, reader)
        if procedure is procedures.CONNECT_CLOSE:
            self.phase = Phase.CLOSING
        return frame.serial, frame

    def _free_serial(self) -> int:
        while self._next_serial in self._outstanding:
            self._next_serial = (self._next_serial + 1) & 0xFFFFFFFF
        serial = self._next_serial
        self._next_serial = (serial + 1) & 0xFFFFFFFF
        return serial

    def authenticated(self) -> None:
        """To be called when the authentication exchange has ended well."""
        assert self.phase is Phase.CONNECTED
        self.phase = Phase.AUTHENTICATED

    def abandon(self, serial: int) -> None:
        """Nobody waits for this call any more; its answer will be dropped when it comes."""
        if serial in self._outstanding:
            self._outstanding[serial].abandoned = True

    def ping(self) -> Frame:
        """The question whether the daemon is alive; it answers with or without the keepalive feature."""
        return _keepalive(KeepaliveProcedure.PING)

    def pong(self) -> Frame:
        return _keepalive(KeepaliveProcedure.PONG)

    def receive_data(self, data: bytes) -> Iterator[tuple[Frame, Event]]:
        """What `data` completes, in order. Consume it whole. Raises ProtocolError behind the last good frame."""
        self._frames.feed(data)
        while (frame := self._frames.next_frame()) is not None:
            yield frame, self._handle(frame)

    def translate_rest(self, decode: Callable[[bytes], bytes]) -> None:
        """Puts what `decode` makes of the bytes that wait in their place: a security layer begins."""
        self._frames.feed(decode(self._frames.take()))

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and not ended; at end of file it was truncated."""
        return self._frames.buffered > 0

    def _handle(self, frame: Frame) -> Event:
        if frame.type == MessageType.REPLY:
            return self._handle_reply(frame)
        if frame.type != MessageType.MESSAGE:
            raise UnexpectedMessage(f"type {frame.type} for {_described(frame)}")
        if frame.program == Program.KEEPALIVE:
            return _KEEPALIVE_EVENTS.get(frame.procedure, MessageIgnored(frame))
        if frame.program in (Program.REMOTE, Program.QEMU, Program.LXC):
            return MessageReceived(frame)
        return MessageIgnored(frame)

    def _handle_reply(self, frame: Frame) -> Event:
        call = self._outstanding.get(frame.serial)
        if call is None:
            raise UnexpectedMessage(
                f"a reply to {_described(frame)} with the serial {frame.serial}, which is not in flight"
            )
        procedure = call.procedure
        if (frame.program, frame.procedure) != (procedure.program, procedure.number):
            raise UnexpectedMessage(
                f"a reply to {_described(frame)} with the serial of {procedure.name}"
            )
        if frame.version != PROGRAM_VERSION:
            raise UnexpectedMessage(f"version {frame.version} in the reply to {procedure.name}")
        if frame.status not in (Status.OK, Status.ERROR):
            raise UnexpectedMessage(f"status {frame.status} in the reply to {procedure.name}")
        del self._outstanding[frame.serial]
        if call.abandoned:
            return LateReply(frame.serial)
        try:
            if frame.status == Status.ERROR:
                return CallFailed(frame.serial, _error(frame.payload, procedure.name))
            value = call.decode(frame.payload)
        except DecodeError as exc:
            # The stream is whole: only this call has no answer.
            return CallFailed(frame.serial, exc)
        if procedure is procedures.CONNECT_OPEN:
            self.phase = Phase.OPEN
        return ReplyReceived(frame.serial, value)


def _error(payload: bytes, procedure: str) -> LibvirtRPCError:
    reply = xdr.decode(xdr.codec_of(ErrorReply), payload)
    return remote_error(
        reply.code,
        reply.domain,
        reply.level,
        reply.message or "no reason given",
        int1=reply.int1,
        procedure=procedure,
    )


def _described(frame: Frame) -> str:
    return procedure_name(frame.program, frame.procedure)


def _keepalive(procedure: KeepaliveProcedure) -> Frame:
    return Frame(Program.KEEPALIVE, PROGRAM_VERSION, procedure, MessageType.MESSAGE, 0)


_KEEPALIVE_EVENTS: dict[int, Event] = {
    KeepaliveProcedure.PING: PingReceived(),
    KeepaliveProcedure.PONG: PongReceived(),
}
