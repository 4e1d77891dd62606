"""One collection: from its list of domains to its deadline, a chain of calls about each domain.

The calls of a chain go one after another, those that cannot hang first. So whatever hangs costs the domain
what comes behind it, and no other domain anything. The chains take turns: where time is short, every
domain has its state before any has its disks.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from exporter.bulk_stats.collection import Choose
from exporter.bulk_stats.requests import Collected
from exporter.pace import NotAsked
from exporter.per_domain_stats.calls import LONGEST_WAIT_SECONDS, Calls, Kind
from exporter.per_domain_stats.devices import DeviceMemory, Devices
from exporter.per_domain_stats.figures import DiskStats, Figures, Layouts
from libvirt_rpc.enums import ConnectListAllDomainsFlags, DomainStatsTypes
from libvirt_rpc.errors import (
    CallTimeout,
    InvalidArgument,
    LibvirtRPCError,
    NoDomain,
    OperationInvalid,
    OperationTimeout,
    RPCError,
    SessionClosed,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol.types import Domain

T = TypeVar("T")

logger = logging.getLogger(__name__)

CPU, BALLOON = DomainStatsTypes.CPU_TOTAL, DomainStatsTypes.BALLOON
VCPU, NET, BLOCK = DomainStatsTypes.VCPU, DomainStatsTypes.INTERFACE, DomainStatsTypes.BLOCK


class Collection:
    """One collection from its list of domains to its deadline."""

    def __init__(
        self,
        calls: Calls,
        devices: DeviceMemory,
        stats: DomainStatsTypes,
        *,
        choose: Choose | None = None,
        on_list: Callable[[tuple[Domain, ...]], None] | None = None,
    ) -> None:
        self._calls = calls
        self._memory = calls.memory
        self._deadline = calls.deadline
        self._devices = devices
        self._stats = stats
        self._choose = choose
        self._on_list = on_list
        self._figures: dict[uuid.UUID, Figures] = {}
        self._refusals: dict[uuid.UUID, LibvirtRPCError] = {}
        """Of each domain the last unexpected one."""
        self.collected = Collected()

    async def run(self, layouts: Layouts) -> None:
        """Raises LibvirtRPCError where not even the list of domains is to be had, or nothing but it."""
        listed = await self._list()
        domains = listed if self._choose is None else await self._choose(listed)
        self.collected.domains = domains
        if self._on_list is not None:
            self._on_list(domains)
        now = self._deadline.clock()
        self._memory.settle(listed, now)
        self._devices.keep(listed)
        try:
            await self._work(self._ask(domain) for domain in domains)
        finally:
            self._settle(layouts)
        if self._memory.refusal is not None:
            raise self._memory.refusal

    # The list of domains.

    async def _list(self) -> tuple[Domain, ...]:
        if self._memory.waits_for(None, Kind.LIST):
            raise CallTimeout(p.CONNECT_LIST_ALL_DOMAINS.name, self._longest_wait())
        started = time.monotonic()
        lists: list[tuple[Domain, ...]] = []
        await self._work([self._list_into(lists)], until_deadline=True)
        if not lists:
            raise CallTimeout(p.CONNECT_LIST_ALL_DOMAINS.name, time.monotonic() - started)
        unique = {domain.uuid: domain for domain in lists[0]}
        return tuple(sorted(unique.values(), key=lambda domain: (domain.name, domain.uuid)))

    async def _list_into(self, lists: list[tuple[Domain, ...]]) -> None:
        try:
            domains = await self._calls.list_all_domains()
        except RPCError:
            # More than one reply may hold: in two halves.
            active = await self._calls.list_all_domains(ConnectListAllDomainsFlags.ACTIVE)
            domains = active + await self._calls.list_all_domains(
                ConnectListAllDomainsFlags.INACTIVE
            )
        lists.append(domains)

    def _longest_wait(self) -> float:
        now = self._deadline.clock()
        return max((now - one.call.started for one in self._memory.left_behind), default=0.0)

    # Everything at once, within the bounds.

    async def _work(
        self, chains: Iterable[Coroutine[Any, Any, None]], *, until_deadline: bool = False
    ) -> None:
        """Until all have ended, or nothing is worth waiting for, or the deadline. Raises what one raises."""
        tasks = [asyncio.ensure_future(chain) for chain in chains]
        together = asyncio.gather(*tasks)
        try:
            while not together.done() and (left := self._deadline.remaining()) > 0:
                self._calls.launch()
                wait = self._calls.worth_waiting()
                is_idle = self._calls.blocked == sum(not task.done() for task in tasks)
                if is_idle and not wait and not until_deadline:
                    break
                timeout = min(left, wait or LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
                await asyncio.wait((together,), timeout=timeout)
                self._calls.note_slow()
            if together.done():
                together.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # One domain.

    async def _ask(self, domain: Domain) -> None:
        figures = self._figures[domain.uuid] = Figures(domain, self._stats)
        if self._memory.waits_for(domain, Kind.SAFE):
            return  # the daemon itself holds the domain
        try:
            await self._ask_safely(figures)
            await self._ask_about_memory(figures)
            await self._ask_about_disks(figures)
        except NoDomain:
            self.collected.vanished.add(domain.uuid)
        except OperationTimeout as exc:
            logger.debug("%s is busy: %s", domain.name, exc)
        except SessionClosed as exc:
            self.collected.errors.append(exc)
        else:
            figures.is_whole = not figures.is_spared

    async def _ask_safely(self, figures: Figures) -> None:
        """What never waits for the domain."""
        calls, domain = self._calls, figures.domain
        figures.state = await self._part(domain, calls.domain_get_state)
        if figures.wants(CPU | BALLOON | VCPU) or figures.state is None:
            figures.info = await self._part(domain, calls.domain_get_info)
        if figures.wants(VCPU | NET | BLOCK):
            figures.devices = await self._devices_of(domain)
        if not figures.is_active:
            return
        if figures.wants(VCPU):
            vcpus = await self._part(domain, calls.domain_get_vcpus)
            figures.vcpus = () if vcpus is None else vcpus.info
        if figures.wants(CPU):
            cpu = await self._part(domain, calls.domain_get_cpu_stats)
            figures.cpu = cpu[0] if cpu else {}
        if figures.wants(NET) and figures.devices is not None:
            for place, name in enumerate(figures.devices.interfaces):
                stats = await self._part_of(domain, calls.domain_interface_stats, name)
                if stats is not None:
                    figures.interfaces[place] = stats

    async def _devices_of(self, domain: Domain) -> Devices | None:
        now = self._deadline.clock()
        if not self._devices.is_fresh(domain, now):
            xml = await self._part(domain, self._calls.domain_get_xml_desc)
            if xml is not None:
                return self._devices.put(domain, xml, now)
        return self._devices.get(domain)

    def _spares(self, figures: Figures) -> bool:
        """Whether to ask nothing that would only hang."""
        domain, memory = figures.domain, self._memory
        hangs = memory.waits_for(domain, Kind.MAY_HANG, Kind.IMAGE)
        # While an image hangs none is opened: others may lie on the same storage.
        hangs = hangs or (not figures.is_active and memory.waits_for(None, Kind.IMAGE))
        figures.is_spared = figures.is_spared or hangs
        return hangs

    async def _ask_about_memory(self, figures: Figures) -> None:
        domain = figures.domain
        if figures.wants(BALLOON) and figures.is_active:
            if self._spares(figures):
                return
            figures.memory = await self._part(domain, self._calls.domain_memory_stats)
        figures.knows_memory = True

    async def _ask_about_disks(self, figures: Figures) -> None:
        calls, domain = self._calls, figures.domain
        disks = figures.devices.disks if figures.devices is not None else ()
        if not figures.wants(BLOCK) or not disks or self._spares(figures):
            return
        for place, name in enumerate(disks):
            if figures.is_active:
                stats = await self._disk_stats(domain, name)
                if stats is not None:
                    figures.disks[place] = stats
            size = await self._part_of(domain, calls.domain_get_block_info, name)
            if size is not None:
                figures.sizes[place] = size

    async def _disk_stats(self, domain: Domain, name: str) -> DiskStats | None:
        stats = await self._part_of(domain, self._calls.domain_block_stats_flags, name)
        if stats is None and self._calls.is_off(p.DOMAIN_BLOCK_STATS_FLAGS):
            return await self._part_of(domain, self._calls.domain_block_stats, name)
        return stats

    async def _part_of(
        self, domain: Domain, ask: Callable[[Domain, str], Awaitable[T]], device: str
    ) -> T | None:
        """The answer about one of the domain's devices; a device without a name cannot be asked for."""
        if not device:
            return None
        return await self._part(domain, lambda one: ask(one, device))

    async def _part(self, domain: Domain, ask: Callable[[Domain], Awaitable[T]]) -> T | None:
        """The answer; None where it is refused. Raises what ends the domain's chain."""
        try:
            answer = await ask(domain)
        except (NoDomain, SessionClosed, OperationTimeout):
            raise
        except LibvirtRPCError as exc:
            self._refused(domain, exc)
            return None
        return answer

    def _refused(self, domain: Domain, error: LibvirtRPCError) -> None:
        if isinstance(error, InvalidArgument):
            self._devices.doubt(domain, self._deadline.clock())
        elif not isinstance(error, NotAsked | OperationInvalid):
            self._refusals[domain.uuid] = error
            logger.debug("of %s: %s", domain.name, error)

    # The end.

    def _settle(self, layouts: Layouts) -> None:
        """Who is missing: whoever was not asked or not answered everything."""
        collected = self.collected
        used: Layouts = {}
        for figures in self._figures.values():
            key = figures.domain.uuid
            if key in collected.vanished:
                continue
            record = figures.record(layouts)
            if record is not None:
                collected.records[key] = record
                used[record.layout.fields, record.layout.types] = record.layout
            elif figures.is_whole and key in self._refusals:
                collected.errors.append(self._refusals[key])
            if record is None or not figures.is_whole:
                collected.missing.add(key)
        layouts.clear()
        layouts.update(used)
