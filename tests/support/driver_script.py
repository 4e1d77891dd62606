"""A scripted host of a driver without bulk statistics behind libvirt's protocol: LXC, Xen and the others.

`DRIVERS` says which calls each offers; all others are refused as a real daemon refuses them. A call
of a guest may hang, and then holds a worker until the guest is released. The host counts what the
exporter keeps busy.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Self

from exporter.bulk_stats import Collected
from exporter.config import LibvirtConfig
from exporter.hypervisor import Hypervisor
from exporter.per_domain_stats import PerDomainStats
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainMemoryStatTags, DomainStatsTypes, TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import Procedure
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
SLOTS_OF_A_CONNECTION = 5

Called = Procedure[Any, Any]

_ALL: frozenset[Called] = frozenset({p.DOMAIN_GET_STATE, p.DOMAIN_GET_INFO, p.DOMAIN_GET_XML_DESC})
_DEVICES: frozenset[Called] = frozenset(
    {
        p.DOMAIN_MEMORY_STATS,
        p.DOMAIN_BLOCK_STATS,
        p.DOMAIN_BLOCK_STATS_FLAGS,
        p.DOMAIN_INTERFACE_STATS,
        p.DOMAIN_GET_CPU_STATS,
    }
)
DRIVERS: Mapping[str, frozenset[Called]] = MappingProxyType(
    {
        "LXC": _ALL | _DEVICES,
        "Xen": _ALL | _DEVICES | {p.DOMAIN_GET_VCPUS},
        "CH": _ALL | {p.DOMAIN_GET_VCPUS},
        "BHYVE": _ALL,
        # Not a driver of libvirt's: the test driver has all of these but the flags.
        "all": _ALL | _DEVICES | {p.DOMAIN_GET_VCPUS, p.DOMAIN_GET_BLOCK_INFO},
    }
)
"""By the driver tables of libvirt 11.3; that of LXC was seen on a real daemon, too."""

MAY_HANG = (
    p.DOMAIN_MEMORY_STATS,
    p.DOMAIN_BLOCK_STATS,
    p.DOMAIN_BLOCK_STATS_FLAGS,
    p.DOMAIN_GET_BLOCK_INFO,
)
"""What waits for a domain whose monitor hangs or that is busy."""

NOT_SUPPORTED = refuses(3, "this function is not supported by the connection driver")

_XML = """<domain type='{kind}'><name>{name}</name><vcpu current='2'>4</vcpu><devices>
<disk type='file' device='disk'><target dev='xvda'/></disk>
<disk type='file' device='cdrom'><target dev='xvdb'/></disk>
<interface type='bridge'><target dev='vif-{name}'/></interface>
<interface type='user'/>
</devices></domain>"""


@dataclass(slots=True, eq=False)
class Guest:
    """One domain of the host, and how it is at the moment."""

    domain: t.Domain
    xml: str
    hangs: set[Called] = field(default_factory=set)
    """Calls about it that are not answered until it is released."""
    refuses: dict[Called, Answer] = field(default_factory=dict)
    is_gone: bool = False
    """It is listed still, and gone when it is asked for."""

    @property
    def is_running(self) -> bool:
        return self.domain.id != -1


@dataclass(slots=True, eq=False)
class _Working:
    peer: Peer
    frame: Frame
    procedure: Called
    guest: Guest | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that came."""

    procedure: Called
    name: str
    device: str = ""


class ScriptedDriver:
    """`async with` it: `collect` makes one collection over real sockets; the rest is the script."""

    def __init__(
        self,
        running: int = 0,
        *,
        inactive: int = 0,
        driver: str = "all",
        parallel: int = 4,
        max_stuck_calls: int = 3,
        seconds_a_call: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.driver = driver
        self.offers = set(DRIVERS[driver])
        self.guests = [
            *(self._guest(f"vm-{i:05}", i + 1, i + 1) for i in range(running)),
            *(self._guest(f"off-{i:05}", 100_001 + i, -1) for i in range(inactive)),
        ]
        self.seconds_a_call = seconds_a_call
        self.list_hangs = False
        self.longest_list = 100_000
        self.others = 0
        self.asked: list[Asked] = []
        self.most_held = 0
        self.most_in_flight = 0
        self.bound = parallel + max_stuck_calls
        self._parallel = parallel
        self._max_stuck_calls = max_stuck_calls
        self._clock = clock
        self._by_uuid = {guest.domain.uuid: guest for guest in self.guests}
        self._held: list[_Working] = []
        self._unread: dict[Peer, deque[Frame]] = {}
        self._busy: dict[Peer, int] = {}
        self._daemon = ScriptedDaemon(self._receive)
        about_domains: dict[Called, Callable[[Guest, Any], xdr.Struct]] = {
            p.DOMAIN_GET_STATE: self._state,
            p.DOMAIN_GET_INFO: self._info,
            p.DOMAIN_GET_XML_DESC: self._xml,
            p.DOMAIN_GET_VCPUS: self._vcpus,
            p.DOMAIN_GET_CPU_STATS: self._cpu,
            p.DOMAIN_MEMORY_STATS: self._memory,
            p.DOMAIN_BLOCK_STATS: self._block,
            p.DOMAIN_BLOCK_STATS_FLAGS: self._block_flags,
            p.DOMAIN_GET_BLOCK_INFO: self._block_info,
            p.DOMAIN_INTERFACE_STATS: self._interface,
        }
        self._replies = about_domains
        self.answers: dict[Called, Answer] = {
            **HANDSHAKE,
            p.CONNECT_GET_TYPE: returns(t.String(driver)),
            p.CONNECT_GET_VERSION: returns(t.UnsignedNumber(4_017_000)),
            p.CONNECT_GET_LIB_VERSION: returns(t.UnsignedNumber(9_000_000)),
            p.CONNECT_GET_HOSTNAME: returns(t.String("host-1")),
            p.CONNECT_GET_ALL_DOMAIN_STATS: NOT_SUPPORTED,
            p.CONNECT_LIST_ALL_DOMAINS: self._works(p.CONNECT_LIST_ALL_DOMAINS),
            **{procedure: self._works(procedure) for procedure in about_domains},
        }
        self.script = by_table(self.answers)

    def _guest(self, name: str, number: int, domain_id: int) -> Guest:
        domain = t.Domain(name, uuid.UUID(int=number), domain_id)
        return Guest(domain, _XML.format(kind=self.driver.lower(), name=name))

    async def __aenter__(self) -> Self:
        await self._daemon.__aenter__()
        config = LibvirtConfig(uri=self.uri, keepalive_interval_seconds=0.0)
        self.hypervisor = Hypervisor(config, environ={})
        await self.hypervisor.open()
        self.engine = PerDomainStats(
            self.hypervisor,
            self.hypervisor.availability,
            parallel=self._parallel,
            max_stuck_calls=self._max_stuck_calls,
            others=lambda: self.others,
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

    @property
    def uri(self) -> str:
        return self._daemon.uri

    @property
    def peers(self) -> list[Peer]:
        """The exporter's connections so far."""
        return self._daemon.peers

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, self._clock)

    async def collect(self, seconds: float = 10.0, *, stats: DomainStatsTypes = STATS) -> Collected:
        return await self.engine.collect(stats, self.deadline(seconds))

    def release(self, guest: Guest | None = None) -> None:
        """Everything of it, or of all, answers again, and what waited for it goes on."""
        for one in self.guests if guest is None else [guest]:
            one.hangs.clear()
        for working in [one for one in self._held if one.is_held]:
            if working.guest is None or not working.guest.hangs:
                working.is_held = False
                self._answer(working)

    def calls(self, name: str) -> list[Called]:
        """The procedures that were called about a domain."""
        return [one.procedure for one in self.asked if one.name == name]

    def restart(self, guest: Guest, domain_id: int) -> None:
        guest.domain = t.Domain(guest.domain.name, guest.domain.uuid, domain_id)

    def end_connections(self) -> None:
        """The daemon goes away; what it worked on stays its own."""
        for peer in self._daemon.peers:
            peer.abort()

    def forget_work(self) -> None:
        """A new daemon has taken the place of the old one."""
        self._held.clear()

    @property
    def held(self) -> int:
        """The workers that are busy with the exporter's calls."""
        return len(self._held)

    # What the daemon does.

    def _receive(self, peer: Peer, frame: Frame) -> None:
        if self._busy.get(peer, 0) >= SLOTS_OF_A_CONNECTION:
            self._unread.setdefault(peer, deque()).append(frame)
        else:
            self.script(peer, frame)
        in_flight = self.held + sum(len(unread) for unread in self._unread.values())
        self.most_in_flight = max(self.most_in_flight, in_flight)

    def _works(self, procedure: Called) -> Answer:
        def begin(peer: Peer, frame: Frame) -> None:
            working = _Working(peer, frame, procedure)
            self._held.append(working)
            self._busy[peer] = self._busy.get(peer, 0) + 1
            self.most_held = max(self.most_held, self.held)
            loop = asyncio.get_running_loop()
            loop.call_later(self.seconds_a_call, self._answer, working)

        return begin

    def _answer(self, working: _Working) -> None:
        procedure = working.procedure
        if procedure is p.CONNECT_LIST_ALL_DOMAINS:
            working.is_held = self.list_hangs
            if not working.is_held:
                self._list(working)
            return
        args: Any = xdr.decode(procedure.arguments, working.frame.payload)
        guest = self._by_uuid[args.dom.uuid]
        if working.guest is None:
            device = getattr(args, "path", "") or getattr(args, "device", "")
            self.asked.append(Asked(procedure, args.dom.name, device))
        working.guest = guest
        if procedure in guest.hangs:
            working.is_held = True
        elif procedure not in self.offers:
            self._reply(working, NOT_SUPPORTED)
        elif guest.is_gone:
            self._reply(working, refuses(42, "Domain not found"))
        elif procedure in guest.refuses:
            self._reply(working, guest.refuses[procedure])
        elif not guest.is_running and procedure not in {*_ALL, p.DOMAIN_GET_BLOCK_INFO}:
            self._reply(working, refuses(55, "Requested operation is not valid: not running"))
        else:
            self._reply(working, returns(self._replies[procedure](guest, args)))

    def _reply(self, working: _Working, answer: Answer) -> None:
        if working in self._held:
            self._held.remove(working)
        peer = working.peer
        self._busy[peer] -= 1
        if not peer.ended.is_set():
            answer(peer, working.frame)
        unread = self._unread.get(peer)
        if unread:
            self.script(peer, unread.popleft())

    def _list(self, working: _Working) -> None:
        args: Any = xdr.decode(p.CONNECT_LIST_ALL_DOMAINS.arguments, working.frame.payload)
        unwanted = {1: False, 2: True}.get(args.flags)
        domains = tuple(one.domain for one in self.guests if one.is_running is not unwanted)
        answer = returns(t.ConnectListAllDomainsReply(domains, len(domains)))
        if len(domains) > self.longest_list:
            answer = refuses(39, f"Too many domains '{len(domains)}' for limit '16384'")
        self._reply(working, answer)

    # The figures, which every driver has in a way of its own.

    def _state(self, guest: Guest, _: Any) -> xdr.Struct:
        return t.DomainState(1, 1) if guest.is_running else t.DomainState(5, 2)

    def _info(self, guest: Guest, _: Any) -> xdr.Struct:
        cpu_time = 0 if self.driver == "CH" or not guest.is_running else 1_500_000_000
        # LXC gives what the container uses.
        memory = 300 if self.driver == "LXC" and guest.is_running else 1024
        return t.DomainInfo(1 if guest.is_running else 5, 2048, memory, 2, cpu_time)

    def _xml(self, guest: Guest, _: Any) -> xdr.Struct:
        return t.String(guest.xml)

    def _vcpus(self, guest: Guest, _: Any) -> xdr.Struct:
        vcpus = (t.VcpuInfo(0, 1, 700_000_000, 3), t.VcpuInfo(2, 2, 800_000_000, -1))
        return t.DomainGetVcpusReply(vcpus, b"")

    def _cpu(self, guest: Guest, args: Any) -> xdr.Struct:
        times = {"cpu_time": 1_500_000_000}
        if self.driver != "Xen":
            times |= {"user_time": 900_000_000, "system_time": 400_000_000}
        if not args.nparams:
            return t.DomainGetCPUStatsReply((), len(times))
        return t.DomainGetCPUStatsReply(parameters(times), len(times))

    def _memory(self, guest: Guest, _: Any) -> xdr.Struct:
        tag = DomainMemoryStatTags
        stats = {tag.ACTUAL_BALLOON: 1024, tag.SWAP_IN: 300, tag.RSS: 300}
        if self.driver == "Xen":
            stats = {tag.ACTUAL_BALLOON: 1024, tag.AVAILABLE: 2048}
        if self.driver == "all":
            stats |= {tag.SWAP_OUT: 200, tag.MAJOR_FAULT: 7, tag.UNUSED: 100}
        return t.DomainMemoryStatsReply(
            tuple(t.DomainMemoryStat(int(one), value) for one, value in stats.items())
        )

    def _block(self, guest: Guest, _: Any) -> xdr.Struct:
        return t.DomainBlockStats(10, 4096, 20, 8192, -1)

    def _block_flags(self, guest: Guest, _: Any) -> xdr.Struct:
        stats = {"rd_operations": 10, "rd_bytes": 4096, "wr_operations": 20, "wr_bytes": 8192}
        if self.driver == "all":
            stats |= {"rd_total_times": 5_000_000, "flush_operations": 3, "errs": -1}
        return t.DomainParametersReply(parameters(stats), 0)

    def _block_info(self, guest: Guest, _: Any) -> xdr.Struct:
        return t.DomainBlockInfo(4096, 1 << 30, 8192)

    def _interface(self, guest: Guest, _: Any) -> xdr.Struct:
        return t.DomainInterfaceStats(100, 2, 0, 0, 300, 4, -1, -1)


def parameters(values: Mapping[str, int]) -> tuple[TypedParameter, ...]:
    return tuple(
        TypedParameter(name, TypedParameterType.LLONG, value) for name, value in values.items()
    )
