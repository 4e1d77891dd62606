"""Answers a client's frames as the recorded daemon did; then as a transport in memory or a server.

`Replayer` is pure: a frame in, frames out. It matches calls by program, procedure and arguments, in
any order, and plays the recorded scrapes in turn. Statistics that were asked in other portions than
recorded are put together from the recorded records.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TypeVar

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    AuthType,
    ConnectGetAllDomainStatsFlags,
    DomainStatsTypes,
    ErrorDomain,
    ErrorNumber,
)
from libvirt_rpc.errors import DecodeError, LibvirtRPCError, TraceError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import (
    MAX_FRAME,
    PROGRAM_VERSION,
    KeepaliveProcedure,
    MessageType,
    Program,
    Status,
)
from libvirt_rpc.protocol.framing import Frame, FrameDecoder
from libvirt_rpc.protocol.procedures import procedure_name
from libvirt_rpc.trace.format import Direction, Line, ScrapeMark, Trace

P = TypeVar("P", bound=asyncio.Protocol)
_Call = tuple[int, int]
_Key = tuple[_Call, bytes]
_Records = dict[uuid.UUID, t.DomainStatsRecord]
_Following = tuple[_Key | None, Frame]
"""An event and the call whose reply it followed."""

_GROUPS = {
    "state": DomainStatsTypes.STATE,
    "cpu": DomainStatsTypes.CPU_TOTAL,
    "balloon": DomainStatsTypes.BALLOON,
    "vcpu": DomainStatsTypes.VCPU,
    "net": DomainStatsTypes.INTERFACE,
    "block": DomainStatsTypes.BLOCK,
    "perf": DomainStatsTypes.PERF,
    "iothread": DomainStatsTypes.IOTHREAD,
    "memory": DomainStatsTypes.MEMORY,
    "dirtyrate": DomainStatsTypes.DIRTYRATE,
    "vm": DomainStatsTypes.VM,
}
_ALL_GROUPS = 0xFFFFFFFF
_NEWER_GROUPS = _ALL_GROUPS & ~sum(_GROUPS.values())
"""Fields whose group is not known here belong to bits that are not known here."""
_ACTIVITY = ConnectGetAllDomainStatsFlags.ACTIVE | ConnectGetAllDomainStatsFlags.INACTIVE
_ERROR_LEVEL = 2
_QUIET_SECONDS = 0.05
"""An event so long after a reply has nothing to do with it: most likely the scrape was over."""

_AUTH_LIST: _Call = (Program.REMOTE, p.AUTH_LIST.number)
_DOMAIN_STATS: _Call = (Program.REMOTE, p.CONNECT_GET_ALL_DOMAIN_STATS.number)
_LIST_ALL: _Key = (
    (Program.REMOTE, p.CONNECT_LIST_ALL_DOMAINS.number),
    xdr.encode(p.CONNECT_LIST_ALL_DOMAINS.arguments, t.ConnectListAllDomainsArgs(1, 0)),
)
"""What begins a scrape. With flags it asks which domains have something, at any time."""

# What is always answered. AUTH_LIST never as recorded: no credentials are in a trace.
_HANDSHAKE = {
    _AUTH_LIST: xdr.encode(p.AUTH_LIST.reply, t.AuthListReply((AuthType.NONE,))),
    (Program.REMOTE, p.CONNECT_OPEN.number): b"",
    (Program.REMOTE, p.CONNECT_CLOSE.number): b"",
}


@dataclass(slots=True)
class _Round:
    """What was called from one scrape's beginning, `at` since the epoch, to the next one's.

    Each event stands with the call whose reply it followed, or None before the first. From the first of
    `late_events` on they came by themselves, when the scrape was over.
    """

    at: float
    replies: dict[_Key, Frame] = field(default_factory=dict)
    events: list[_Following] = field(default_factory=list)
    late_events: list[_Following] = field(default_factory=list)
    records: _Records | None = None

    def domain_stats(self) -> _Records:
        """Every domain's parameters from all statistics replies of this round, by UUID."""
        if self.records is None:
            self.records = {}
            for (call, _), reply in self.replies.items():
                if call == _DOMAIN_STATS and reply.status == Status.OK:
                    # A reply that does not decode can still be given to who asks for that one.
                    with contextlib.suppress(DecodeError):
                        _merge(self.records, reply.payload)
        return self.records


class Replayer:
    """Plays a trace to one client, or to several that share its rounds.

    What was recorded before the first scrape is the prologue. Each CONNECT_LIST_ALL_DOMAINS without
    flags begins the next scrape's round; after the last one the first follows (`loop`) or the last one
    stays. Events keep their order. They play behind the reply that they followed; those that came between
    two scrapes, and those whose call is not made, play before the next scrape's first reply.
    """

    def __init__(self, trace: Trace, *, loop: bool = True) -> None:
        self.start_times = trace.header.start_times
        self._loop = loop
        self._rounds = _rounds(trace.lines, trace.header.started.timestamp())
        self._current = 0
        self._events = self._events_of(0)

    @property
    def time(self) -> float:
        """When the round that plays was recorded, in seconds since the epoch."""
        return self._rounds[self._current].at

    def answer(self, frame: Frame) -> list[Frame]:
        """What the daemon sends for a client's frame: a call's reply, and the events behind it."""
        if frame.program == Program.KEEPALIVE and frame.type == MessageType.MESSAGE:
            return [_PONG] if frame.procedure == KeepaliveProcedure.PING else []
        if frame.type != MessageType.CALL:
            return []
        before = self._begin_next_round() if _key(frame) == _LIST_ALL else []
        status, payload = self._reply(frame)
        reply = Frame(
            frame.program,
            PROGRAM_VERSION,
            frame.procedure,
            MessageType.REPLY,
            frame.serial,
            status,
            payload,
        )
        return [*before, reply, *self._events_behind(_key(frame))]

    def _begin_next_round(self) -> list[Frame]:
        """Goes on to the next round; gives the events that came before its first reply."""
        following = self._following_of(self._current)
        if following is None:
            return []
        left = [*self._events, *self._rounds[self._current].late_events]
        self._current = following
        self._events = self._events_of(following)
        return [event for _, event in left] + self._events_behind(None)

    def _following_of(self, number: int) -> int | None:
        if number + 1 < len(self._rounds):
            return number + 1
        return 1 if self._loop and number > 0 else None

    def _events_of(self, number: int) -> list[_Following]:
        """What plays behind a round's replies: all of it where no other round follows."""
        recorded = self._rounds[number]
        is_last = self._following_of(number) is None
        return [*recorded.events, *(recorded.late_events if is_last else [])]

    def _events_behind(self, key: _Key | None) -> list[Frame]:
        """The events up to the last one behind the reply to a call."""
        count = max((n for n, (call, _) in enumerate(self._events, 1) if call == key), default=0)
        behind, self._events = self._events[:count], self._events[count:]
        return [event for _, event in behind]

    def _reply(self, frame: Frame) -> tuple[int, bytes]:
        """Status and payload: from this round, else the nearest before, else the first behind."""
        before = reversed(self._rounds[: self._current + 1])
        for recorded in (*before, *self._rounds[self._current + 1 :]):
            if reply := recorded.replies.get(_key(frame)):
                return reply.status, reply.payload
            if _call(frame) == _DOMAIN_STATS and (records := recorded.domain_stats()):
                with contextlib.suppress(DecodeError):
                    return Status.OK, compose_domain_stats(records, frame.payload)
        if _call(frame) in _HANDSHAKE:
            return Status.OK, _HANDSHAKE[_call(frame)]
        return Status.ERROR, _no_answer(procedure_name(frame.program, frame.procedure))


def compose_domain_stats(
    records: Mapping[uuid.UUID, t.DomainStatsRecord], arguments: bytes
) -> bytes:
    """The reply of CONNECT_GET_ALL_DOMAIN_STATS to `arguments` for the domains in `records`.

    Honours the domains and groups asked for and the filter by activity. Raises DecodeError.
    """
    procedure = p.CONNECT_GET_ALL_DOMAIN_STATS
    asked = xdr.decode(procedure.arguments, arguments)
    chosen: Iterable[t.DomainStatsRecord] = records.values()
    if asked.doms:
        chosen = [records[dom.uuid] for dom in asked.doms if dom.uuid in records]
    activity = asked.flags & _ACTIVITY or _ACTIVITY
    groups = asked.stats or _ALL_GROUPS
    reply = t.ConnectGetAllDomainStatsReply(
        tuple(
            t.DomainStatsRecord(
                one.dom, tuple([param for param in one.params if _group(param.field) & groups])
            )
            for one in chosen
            if _activity(one.dom) & activity
        )
    )
    return xdr.encode(procedure.reply, reply)


def _group(name: str) -> int:
    return _GROUPS.get(name.partition(".")[0], _NEWER_GROUPS)


def _activity(domain: t.Domain) -> int:
    flags = ConnectGetAllDomainStatsFlags
    return flags.ACTIVE if domain.id >= 0 else flags.INACTIVE


def _merge(records: _Records, payload: bytes) -> None:
    reply = xdr.decode(p.CONNECT_GET_ALL_DOMAIN_STATS.reply, payload)
    for record in reply.ret_stats:
        known = records.get(record.dom.uuid)
        if known is not None:
            params = {param.field: param for param in (*known.params, *record.params)}
            record = t.DomainStatsRecord(record.dom, tuple(params.values()))  # noqa: PLW2901
        records[record.dom.uuid] = record


def _rounds(lines: Iterable[Line], started: float) -> list[_Round]:
    """The prologue and the scrapes' rounds; a reply belongs to the round of its call."""
    rounds = [_Round(started)]
    calls: dict[tuple[_Call, int], tuple[_Round, _Key]] = {}
    last: _Key | None = None
    last_at = 0.0
    for line in lines:
        if isinstance(line, ScrapeMark):
            rounds.append(_Round(line.at))
            last = None
            continue
        frame, within = line.frame, rounds[-1]
        call = (_call(frame), frame.serial)
        if line.direction is Direction.SENT:
            calls.pop(call, None)
            if not line.withheld and _call(frame) != _AUTH_LIST:
                calls[call] = (within, _key(frame))
        elif frame.type == MessageType.REPLY:
            asked = calls.pop(call, None)
            if asked is not None and not line.withheld:
                asked[0].replies[asked[1]] = frame
                if asked[0] is within:
                    last, last_at = asked[1], line.time
        elif frame.program != Program.KEEPALIVE:
            is_quiet = last is not None and line.time - last_at > _QUIET_SECONDS
            is_late = is_quiet or within.late_events
            (within.late_events if is_late else within.events).append((last, frame))
    return rounds


def _call(frame: Frame) -> _Call:
    return frame.program, frame.procedure


def _key(frame: Frame) -> _Key:
    return _call(frame), frame.payload


def _no_answer(procedure: str) -> bytes:
    error = t.ErrorReply(
        code=ErrorNumber.NO_SUPPORT,
        domain=ErrorDomain.REMOTE,
        message=f"the trace has no answer to {procedure}",
        level=_ERROR_LEVEL,
        dom=None,
        str1=None,
        str2=None,
        str3=None,
        int1=-1,
        int2=-1,
        net=None,
    )
    return xdr.encode(xdr.codec_of(t.ErrorReply), error)


_PONG = Frame(Program.KEEPALIVE, PROGRAM_VERSION, KeepaliveProcedure.PONG, MessageType.MESSAGE, 0)


class ReplayProtocol(asyncio.Protocol):
    """The daemon's side of one connection, on any transport: unix, TCP, TLS, memory."""

    def __init__(self, replayer: Replayer) -> None:
        self.transport: asyncio.Transport | None = None
        self._replayer = replayer
        self._frames = FrameDecoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self._frames.feed(data)
        try:
            while (frame := self._frames.next_frame()) is not None:
                for answer in self._replayer.answer(frame):
                    self.transport.write(answer.encode(max_length=MAX_FRAME))
        except LibvirtRPCError:
            # A stream that is no longer understood; a daemon closes it too, without a word.
            self.transport.abort()


class _MemoryTransport(asyncio.Transport):
    """One end of a connection within this process: what it writes, the peer's protocol gets."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._closing = False
        self._event_loop = asyncio.get_running_loop()
        self.peer: _MemoryTransport | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing and self.peer is not None:
            self._event_loop.call_soon(self.peer.deliver, bytes(data))

    def deliver(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._event_loop.call_soon(self._protocol.connection_lost, None)
        if self.peer is not None:
            self._event_loop.call_soon(self.peer.close)

    def abort(self) -> None:
        self.close()


class ReplayDial:
    """A `dial` for `connect` whose every connection is to `replayer`, whatever the URI."""

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer

    async def __call__(
        self,
        uri: object,  # noqa: ARG002  # this and the last two are what `connect` gives every dial
        factory: Callable[[], P],
        *,
        read_only: bool,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> P:
        protocol, daemon = factory(), ReplayProtocol(self._replayer)
        near, far = _MemoryTransport(protocol), _MemoryTransport(daemon)
        near.peer, far.peer = far, near
        daemon.connection_made(far)
        protocol.connection_made(near)
        return protocol


def replay_dial(replayer: Replayer) -> ReplayDial:
    """What lets `connect(trace.header.uri, dial=replay_dial(replayer))` talk to a trace."""
    return ReplayDial(replayer)


@contextlib.asynccontextmanager
async def serve_replay(
    replayer_factory: Callable[[], Replayer], path: str | PathLike[str]
) -> AsyncIterator[None]:
    """Serves traces on a unix socket while the context lasts; each connection gets a made Replayer.

    A factory that gives the same one lets the connections share its rounds. Raises TraceError.
    """
    connections: weakref.WeakSet[ReplayProtocol] = weakref.WeakSet()

    def accept() -> ReplayProtocol:
        connection = ReplayProtocol(replayer_factory())
        connections.add(connection)
        return connection

    try:
        server = await asyncio.get_running_loop().create_unix_server(accept, path)
    except OSError as exc:
        raise TraceError(
            "being served", f"it cannot listen on {path}: {exc.strerror or exc}"
        ) from exc
    try:
        yield
    finally:
        server.close()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
        Path(path).unlink(missing_ok=True)  # noqa: ASYNC240  # does not block
