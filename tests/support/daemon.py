"""A scripted daemon: a real unix socket behind which a table says how each call is answered.

It notes the frames of its clients and lets the script answer: properly, never, late, out of order,
with garbage, or by closing. What a test wants to do by itself it does through `Peer`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from libvirt_rpc.errors import ProtocolError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import KeepaliveProcedure, MessageType, Program, Status
from libvirt_rpc.protocol.framing import Frame, FrameDecoder
from libvirt_rpc.protocol.procedures import PROCEDURES, Procedure
from libvirt_rpc.sasl.mechanism import SecurityLayer


class Peer(asyncio.Protocol):
    """One client as the daemon sees it: what it sent, and the means to answer.

    Once `layer` is set, everything goes through it; `raw` is what came over the wire.
    """

    def __init__(self, daemon: ScriptedDaemon) -> None:
        self.frames: list[Frame] = []
        self.raw = bytearray()
        self.error: ProtocolError | None = None
        self.ended = asyncio.Event()
        self.layer: SecurityLayer | None = None
        self._daemon = daemon
        self._decoder = FrameDecoder()
        self._arrived = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._daemon.joined(self)

    def data_received(self, data: bytes) -> None:
        self.raw += data
        if self.layer is not None:
            data = self.layer.decode(data)
        self._decoder.feed(data)
        try:
            while (frame := self._decoder.next_frame()) is not None:
                self.frames.append(frame)
                self._daemon.script(self, frame)
        except ProtocolError as exc:
            self.error = exc
            self.close()
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def calls(self, procedure: Procedure[Any, Any]) -> list[Frame]:
        """The calls of `procedure` that came, in order."""
        wanted = (procedure.program, procedure.number)
        return [frame for frame in self.frames if (frame.program, frame.procedure) == wanted]

    @property
    def pings(self) -> int:
        return sum(1 for frame in self.frames if _keepalive(frame) == KeepaliveProcedure.PING)

    @property
    def pongs(self) -> int:
        return sum(1 for frame in self.frames if _keepalive(frame) == KeepaliveProcedure.PONG)

    async def received(self, count: int) -> list[Frame]:
        """Waits until `count` frames in all have come, and gives them."""
        while len(self.frames) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return self.frames

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data if self.layer is None else self.layer.encode(data))

    def reply(self, call: Frame, value: xdr.Struct | None = None, **words: int) -> None:
        """Answers `call`; `words` replace the header's, such as `serial` or `status`."""
        self.send(reply_to(call, value, **words).encode())

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def abort(self) -> None:
        assert self._transport is not None
        self._transport.abort()


Answer = Callable[[Peer, Frame], None]
Script = Callable[[Peer, Frame], None]


def payload_of(value: xdr.Struct | None) -> bytes:
    return b"" if value is None else xdr.encode(xdr.codec_of(type(value)), value)


def reply_to(call: Frame, value: xdr.Struct | None = None, **words: int) -> Frame:
    reply = replace(call, type=MessageType.REPLY, status=Status.OK, payload=payload_of(value))
    return replace(reply, **words)  # type: ignore[arg-type]  # the header's words are all ints


def message(program: int, procedure: int, payload: bytes = b"", serial: int = 0) -> bytes:
    """What the daemon says unasked: an event, a ping."""
    return Frame(program, 1, procedure, MessageType.MESSAGE, serial, payload=payload).encode()


PING = message(Program.KEEPALIVE, KeepaliveProcedure.PING)
PONG = message(Program.KEEPALIVE, KeepaliveProcedure.PONG)


# Answers, for the table.


def returns(value: xdr.Struct | None = None, **words: int) -> Answer:
    """A reply with `value`; `words` replace the header's."""
    return lambda peer, call: peer.reply(call, value, **words)


def refuses(code: int, text: str | None, *, domain: int = 7, int1: int = -1) -> Answer:
    """A reply that is an error."""
    error = t.ErrorReply(code, domain, text, 2, None, "%s", text, None, int1, -1, None)
    return returns(error, status=Status.ERROR)


def sends(data: bytes) -> Answer:
    """Bytes in place of a reply."""
    return lambda peer, _: peer.send(data)


def never(peer: Peer, call: Frame) -> None:
    """No answer; the test may give one later by `Peer.reply`."""


def closes(peer: Peer, call: Frame) -> None:
    """The end of the connection in place of a reply."""
    peer.close()


def truncated(value: xdr.Struct) -> Answer:
    """A reply that stops before its last byte, and the end of the connection."""

    def answer(peer: Peer, call: Frame) -> None:
        peer.send(reply_to(call, value).encode()[:-1])
        peer.close()

    return answer


def closes_after_reply(peer: Peer, call: Frame) -> None:
    peer.reply(call)
    peer.close()


Answers = Mapping[Procedure[Any, Any], Answer]

HANDSHAKE: Answers = {
    p.AUTH_LIST: returns(t.AuthListReply((0,))),
    p.CONNECT_OPEN: returns(),
    p.CONNECT_CLOSE: closes_after_reply,
}
"""What a daemon without authentication does at the beginning and at the end."""


_PONGS = sends(PONG)


def by_table(answers: Answers, *, on_ping: Answer = _PONGS) -> Script:
    """The script that answers by procedure, and refuses what the table does not have."""

    def script(peer: Peer, frame: Frame) -> None:
        if frame.program == Program.KEEPALIVE:
            if _keepalive(frame) == KeepaliveProcedure.PING:
                on_ping(peer, frame)
            return
        procedure = PROCEDURES.get((frame.program, frame.procedure))
        unknown = refuses(39, f"unknown procedure: {frame.procedure}")
        answer = unknown if procedure is None else answers.get(procedure, unknown)
        answer(peer, frame)

    return script


def _keepalive(frame: Frame) -> int | None:
    return frame.procedure if frame.program == Program.KEEPALIVE else None


@dataclass(slots=True)
class _Listening:
    directory: tempfile.TemporaryDirectory[str]
    server: asyncio.Server


class ScriptedDaemon:
    """`async with` it: it listens at `path`; `uri` leads there. `peers` are its clients so far."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or by_table(HANDSHAKE)
        self.peers: list[Peer] = []
        self._joined = asyncio.Event()
        self._listening: _Listening | None = None

    @property
    def path(self) -> str:
        assert self._listening is not None
        return str(Path(self._listening.directory.name, "sock"))

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.path}"

    @property
    def peer(self) -> Peer:
        """The only client."""
        (peer,) = self.peers
        return peer

    def joined(self, peer: Peer) -> None:
        self.peers.append(peer)
        self._joined.set()

    async def first_peer(self) -> Peer:
        """Waits until a client is there."""
        await self._joined.wait()
        return self.peers[0]

    async def __aenter__(self) -> Self:
        directory = tempfile.TemporaryDirectory(prefix="libvirtd-")
        path = str(Path(directory.name, "sock"))
        server = await asyncio.get_running_loop().create_unix_server(lambda: Peer(self), path)
        self._listening = _Listening(directory, server)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._listening is not None
        self._listening.server.close()
        for peer in self.peers:
            peer.abort()
            await peer.ended.wait()
        await self._listening.server.wait_closed()
        self._listening.directory.cleanup()
