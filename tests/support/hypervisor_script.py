"""A scripted QEMU host behind libvirt's protocol: domains whose monitors hang, and libvirtd's rules.

The rules are those of a real daemon: the first statistics call that reaches a hung monitor takes the
domain's job and never comes back; with NOWAIT the next ones go round it and bring a reduced record;
five calls of one connection are worked on at a time; a client that leaves frees no worker. The host
counts what the exporter keeps busy.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from exporter.bulk_stats import BulkStats, Collected
from exporter.config import LibvirtConfig
from exporter.hypervisor import Hypervisor
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainControlState,
    DomainStatsTypes,
    TypedParameterType,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.daemon import (
    HANDSHAKE,
    Answer,
    Peer,
    ScriptedDaemon,
    by_table,
    refuses,
    returns,
)

STATS = (
    DomainStatsTypes.STATE
    | DomainStatsTypes.CPU_TOTAL
    | DomainStatsTypes.BALLOON
    | DomainStatsTypes.VCPU
    | DomainStatsTypes.INTERFACE
    | DomainStatsTypes.BLOCK
)
NEED_MONITOR = ~(DomainStatsTypes.STATE | DomainStatsTypes.INTERFACE)
SLOTS_OF_A_CONNECTION = 5


@dataclass(slots=True, eq=False)
class Guest:
    """One domain of the host, and how it is at the moment."""

    domain: t.Domain
    monitor_hangs: bool = False
    image_hangs: bool = False
    control_hangs: bool = False
    is_locked: bool = False
    """The daemon itself holds the domain: all statistics of it hang, whichever are asked for."""
    is_gone: bool = False
    """It is listed still, and gone when it is asked for."""
    is_busy: int = 0
    """For so many calls another client holds the job, for a moment."""
    is_held_by_other: bool = False
    """Another client's call hangs in its monitor."""
    has_block_figures: bool = True
    size: int = 1
    """A record takes so much of a reply."""
    refuses: Answer | None = None
    holder: Working | None = None
    held_since: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.domain.id != -1


@dataclass(slots=True, eq=False)
class Working:
    """A call that one of the daemon's workers is busy with."""

    peer: Peer
    frame: Frame
    answer: Callable[[Working], None]
    has_begun: bool = False
    domains: deque[Guest] = field(default_factory=deque)
    stats: DomainStatsTypes = DomainStatsTypes(0)
    flags: ConnectGetAllDomainStatsFlags = ConnectGetAllDomainStatsFlags(0)
    records: list[t.DomainStatsRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call for statistics that came."""

    names: tuple[str, ...]
    stats: DomainStatsTypes
    flags: ConnectGetAllDomainStatsFlags
    connection: int
    is_running: bool


class ScriptedHost:
    """`async with` it: `collect` makes one collection over real sockets; the rest is the script."""

    def __init__(
        self,
        running: int = 0,
        *,
        inactive: int = 0,
        parallel: int = 4,
        max_stuck_calls: int = 3,
        seconds_a_call: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.guests = [
            *(Guest(t.Domain(f"vm-{i:05}", uuid.UUID(int=i + 1), i + 1)) for i in range(running)),
            *(
                Guest(t.Domain(f"off-{i:05}", uuid.UUID(int=100_001 + i), -1))
                for i in range(inactive)
            ),
        ]
        self.seconds_a_call = seconds_a_call
        self.list_hangs = False
        self.longest_list = 100_000
        self.largest_reply = 100_000
        self.refuses_stats: Answer | None = None
        self.knows_nowait = True
        self.has_control_info = True
        self.asked: list[Asked] = []
        self.lists: list[ConnectListAllDomainsFlags] = []
        self.controls: list[str] = []
        self.most_held = 0
        self.most_in_flight = 0
        self.accepts_connections = True
        self.opened = 0
        self.refused_connections = 0
        self.on_call: Callable[[], None] = lambda: None
        self.bound = parallel + max_stuck_calls
        self._clock = clock
        self._by_uuid = {guest.domain.uuid: guest for guest in self.guests}
        self._held: list[Working] = []
        self._unread: dict[Peer, deque[Frame]] = {}
        self._busy: dict[Peer, int] = {}
        self._daemon = ScriptedDaemon(self._receive)
        self._script = by_table(
            {
                **HANDSHAKE,
                p.CONNECT_OPEN: self._open,
                p.CONNECT_GET_TYPE: returns(t.String("QEMU")),
                p.CONNECT_GET_VERSION: returns(t.UnsignedNumber(7_002_022)),
                p.CONNECT_GET_LIB_VERSION: returns(t.UnsignedNumber(9_000_000)),
                p.CONNECT_GET_HOSTNAME: returns(t.String("host-1")),
                p.CONNECT_LIST_ALL_DOMAINS: self._works(self._list),
                p.CONNECT_GET_ALL_DOMAIN_STATS: self._works(self._begin_stats),
                p.DOMAIN_GET_CONTROL_INFO: self._works(self._control),
            }
        )
        self._parallel = parallel
        self._max_stuck_calls = max_stuck_calls

    async def __aenter__(self) -> Self:
        await self._daemon.__aenter__()
        config = LibvirtConfig(uri=self._daemon.uri, keepalive_interval_seconds=0.0)
        self.hypervisor = Hypervisor(config, environ={})
        await self.hypervisor.open()
        self.bulk = BulkStats(
            self.hypervisor, parallel=self._parallel, max_stuck_calls=self._max_stuck_calls
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.hypervisor.close()
        await self._daemon.__aexit__(kind, error, traceback)

    # What a test does.

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, self._clock)

    async def collect(self, seconds: float = 10.0, *, stats: DomainStatsTypes = STATS) -> Collected:
        return await self.bulk.collect(stats, self.deadline(seconds))

    def guest(self, name: str) -> Guest:
        (guest,) = [one for one in self.guests if one.domain.name == name]
        return guest

    def hang(self, *numbers: int) -> None:
        for number in numbers:
            self.guests[number].monitor_hangs = True

    def release(self, guest: Guest) -> None:
        """Everything of it answers again, and what waited for it goes on."""
        guest.monitor_hangs = guest.image_hangs = guest.control_hangs = False
        guest.is_locked = guest.is_held_by_other = False
        self.go_on()

    def go_on(self) -> None:
        """Lets every call that waits look again whether it still has to."""
        for working in [one for one in self._held if one.has_begun]:
            working.answer(working)

    def forget_calls(self) -> None:
        self.asked.clear()
        self.lists.clear()
        self.controls.clear()

    def end_connections(self) -> None:
        """The daemon goes away."""
        for peer in self._daemon.peers:
            peer.abort()

    @property
    def held(self) -> int:
        """The workers that are busy with the exporter's calls."""
        return len(self._held)

    @property
    def connections(self) -> int:
        return sum(not peer.ended.is_set() for peer in self._daemon.peers)

    # What the daemon does.

    def _receive(self, peer: Peer, frame: Frame) -> None:
        self.on_call()
        if self._busy.get(peer, 0) >= SLOTS_OF_A_CONNECTION:
            self._unread.setdefault(peer, deque()).append(frame)
        else:
            self._script(peer, frame)
        in_flight = self.held + sum(len(unread) for unread in self._unread.values())
        self.most_in_flight = max(self.most_in_flight, in_flight)

    def _open(self, peer: Peer, frame: Frame) -> None:
        if self.accepts_connections:
            self.opened += 1
            peer.reply(frame)
        else:
            # As at max_clients: silence.
            self.refused_connections += 1

    def _works(self, answer: Callable[[Working], None]) -> Answer:
        def begin(peer: Peer, frame: Frame) -> None:
            working = Working(peer, frame, answer)
            self._held.append(working)
            self._busy[peer] = self._busy.get(peer, 0) + 1
            self.most_held = max(self.most_held, self.held)
            loop = asyncio.get_running_loop()
            if self.seconds_a_call and answer == self._begin_stats:
                loop.call_later(self.seconds_a_call, self._begin, working)
            else:
                loop.call_soon(self._begin, working)

        return begin

    def _begin(self, working: Working) -> None:
        working.has_begun = True
        working.answer(working)

    def _reply(
        self, working: Working, value: xdr.Struct | None, refusal: Answer | None = None
    ) -> None:
        self._held.remove(working)
        peer = working.peer
        self._busy[peer] -= 1
        if not peer.ended.is_set():
            if refusal is not None:
                refusal(peer, working.frame)
            else:
                peer.reply(working.frame, value)
        unread = self._unread.get(peer)
        if unread:
            self._script(peer, unread.popleft())

    def _list(self, working: Working) -> None:
        if self.list_hangs:
            return
        args: Any = _arguments(t.ConnectListAllDomainsArgs, working.frame)
        flags = ConnectListAllDomainsFlags(args.flags)
        self.lists.append(flags)
        unwanted = {
            ConnectListAllDomainsFlags.ACTIVE: False,
            ConnectListAllDomainsFlags.INACTIVE: True,
        }.get(flags)
        domains = tuple(one.domain for one in self.guests if one.is_running is not unwanted)
        refusal = None
        if len(domains) > self.longest_list:
            refusal = refuses(39, f"Too many domains '{len(domains)}' for limit '16384'")
        self._reply(working, t.ConnectListAllDomainsReply(domains, len(domains)), refusal)

    def _control(self, working: Working) -> None:
        args: Any = _arguments(t.DomainFlagsArgs, working.frame)
        guest = self._find(args.dom)
        if guest is not None and guest.control_hangs:
            return
        self.controls.append(args.dom.name)
        info = t.DomainControlInfo(DomainControlState.OK, 0, 0)
        refusal = None
        if guest is None or not self.has_control_info:
            refusal = refuses(3, "this function is not supported by the connection driver")
        elif guest.is_held_by_other:
            info = t.DomainControlInfo(DomainControlState.OCCUPIED, 0, 60_000)
        elif guest.holder is not None:
            milliseconds = int((self._clock() - guest.held_since) * 1000)
            info = t.DomainControlInfo(DomainControlState.OCCUPIED, 0, milliseconds)
        self._reply(working, info, refusal)

    def _begin_stats(self, working: Working) -> None:
        args: Any = _arguments(t.ConnectGetAllDomainStatsArgs, working.frame)
        working.stats = DomainStatsTypes(args.stats)
        working.flags = ConnectGetAllDomainStatsFlags(args.flags)
        domains = [self._find(one) for one in args.doms]
        working.domains = deque(one for one in domains if one is not None)
        self.asked.append(
            Asked(
                tuple(one.name for one in args.doms),
                working.stats,
                working.flags,
                self._daemon.peers.index(working.peer),
                any(one.id != -1 for one in args.doms),
            )
        )
        refusal = self._refusal(working)
        if refusal is not None:
            self._reply(working, None, refusal)
            return
        working.answer = self._stats
        self._stats(working)

    def _refusal(self, working: Working) -> Answer | None:
        if self.refuses_stats is not None:
            return self.refuses_stats
        if working.flags and not self.knows_nowait:
            return refuses(8, "unsupported flags (0x20000000) in function qemuConnectGetAll")
        if sum(one.size for one in working.domains) > self.largest_reply:
            return refuses(39, "Unable to encode message payload")
        bad = [one.refuses for one in working.domains if one.refuses is not None]
        return bad[0] if bad else None

    def _stats(self, working: Working) -> None:
        """Domain after domain, until one of them hangs."""
        while working.domains:
            guest = working.domains[0]
            if not self._ask(guest, working):
                return
            working.domains.popleft()
        self._reply(working, t.ConnectGetAllDomainStatsReply(tuple(working.records)))

    def _ask(self, guest: Guest, working: Working) -> bool:
        """Whether the domain answered the call, be it in part."""
        wants_image = DomainStatsTypes.BLOCK in working.stats and not guest.is_running
        if guest.is_locked or (guest.image_hangs and wants_image):
            return False
        is_whole = True
        if guest.is_running and working.stats & NEED_MONITOR:
            is_mine = guest.holder is working
            if not is_mine and (guest.is_busy or guest.is_held_by_other or guest.holder):
                if not working.flags:
                    return False
                guest.is_busy = max(0, guest.is_busy - 1)
                is_whole = False
            elif guest.monitor_hangs:
                if not is_mine:
                    guest.holder, guest.held_since = working, self._clock()
                return False  # the first to take the job
            elif is_mine:
                guest.holder = None
        working.records.append(record(guest, working.stats, is_whole=is_whole))
        return True

    def _find(self, domain: t.Domain) -> Guest | None:
        guest = self._by_uuid.get(domain.uuid)
        return None if guest is None or guest.is_gone else guest


def _arguments(kind: type[xdr.Struct], call: Frame) -> Any:
    return xdr.decode(xdr.codec_of(kind), call.payload)


def _number(name: str, value: int) -> TypedParameter:
    return TypedParameter(name, TypedParameterType.ULLONG, value)


def record(guest: Guest, stats: DomainStatsTypes, *, is_whole: bool) -> t.DomainStatsRecord:
    """A little of every group; not `is_whole` it is what NOWAIT leaves while the job is held."""
    is_running = guest.is_running
    is_whole = is_whole and is_running
    state = (("state.state", 1 if is_running else 5), ("state.reason", 1))
    parameters = [TypedParameter(name, TypedParameterType.INT, value) for name, value in state]
    if DomainStatsTypes.CPU_TOTAL in stats and is_running:
        parameters.append(_number("cpu.time", 1_500_000_000))
    if DomainStatsTypes.BALLOON in stats:
        parameters += [_number("balloon.current", 1024), _number("balloon.maximum", 2048)]
        parameters += [_number("balloon.rss", 512)] if is_whole else []
    if DomainStatsTypes.INTERFACE in stats and is_running:
        parameters.append(_number("net.count", 0))
    if DomainStatsTypes.BLOCK in stats:
        disk = TypedParameter("block.0.name", TypedParameterType.STRING, "vda")
        parameters += [_number("block.count", 1), disk]
        if is_whole and guest.has_block_figures:
            parameters.append(_number("block.0.rd.reqs", 7))
        if not is_running:
            parameters.append(_number("block.0.allocation", 4096))
    return t.DomainStatsRecord(guest.domain, tuple(parameters))
