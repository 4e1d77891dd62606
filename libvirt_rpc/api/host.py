"""Questions about the connection and the host: versions, processors, memory, NUMA cells, pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libvirt_rpc.api.caller import Caller, values_of
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import NODE_PARAMETERS_MAX
from libvirt_rpc.protocol.typed_params import TypedValue

ALL = -1
"""The number of a CPU or a NUMA cell that stands for all of them together."""


@dataclass(frozen=True, slots=True)
class CPUMap:
    """The host's CPUs: how many there are, how many of them are on, and which: a bit each, the lowest first."""

    present: int
    online: int
    bitmap: bytes


class HostCalls(Caller):
    """virConnectGet* and virNode*."""

    async def get_type(self, *, deadline: Deadline | None = None) -> str:
        """The driver's name, such as `QEMU` (virConnectGetType)."""
        return (await self._call(p.CONNECT_GET_TYPE, None, deadline)).value

    async def get_version(self, *, deadline: Deadline | None = None) -> int:
        """The hypervisor's version as major * 1,000,000 + minor * 1,000 + micro; 0 when unknown."""
        return (await self._call(p.CONNECT_GET_VERSION, None, deadline)).value

    async def get_lib_version(self, *, deadline: Deadline | None = None) -> int:
        """The daemon's libvirt version as major * 1,000,000 + minor * 1,000 + micro."""
        return (await self._call(p.CONNECT_GET_LIB_VERSION, None, deadline)).value

    async def get_hostname(self, *, deadline: Deadline | None = None) -> str:
        """The hypervisor's host name."""
        return (await self._call(p.CONNECT_GET_HOSTNAME, None, deadline)).value

    async def get_uri(self, *, deadline: Deadline | None = None) -> str:
        """The URI under which the daemon opened its driver."""
        return (await self._call(p.CONNECT_GET_URI, None, deadline)).value

    async def get_capabilities(self, *, deadline: Deadline | None = None) -> str:
        """The XML document of what host and hypervisor can do. A new daemon takes seconds to make it."""
        return (await self._call(p.CONNECT_GET_CAPABILITIES, None, deadline)).value

    async def get_sysinfo(self, *, deadline: Deadline | None = None) -> str:
        """The XML document of the host's SMBIOS; a host without one refuses (CONFIG_UNSUPPORTED)."""
        return (await self._call(p.CONNECT_GET_SYSINFO, t.Flag(0), deadline)).value

    async def get_max_vcpus(
        self, kind: str | None = None, *, deadline: Deadline | None = None
    ) -> int:
        """The most virtual CPUs that a domain of `kind` (such as `kvm`) can have."""
        args = t.ConnectGetMaxVcpusArgs(kind)
        return (await self._call(p.CONNECT_GET_MAX_VCPUS, args, deadline)).value

    async def is_secure(self, *, deadline: Deadline | None = None) -> bool:
        """Whether the daemon takes this connection to be encrypted, or to come from its own host."""
        return (await self._call(p.CONNECT_IS_SECURE, None, deadline)).value != 0

    async def supports_feature(self, feature: int, *, deadline: Deadline | None = None) -> bool:
        """Whether the daemon has a feature of the protocol. Asking for 10 has it send keepalive pings."""
        return (
            await self._call(p.CONNECT_SUPPORTS_FEATURE, t.Number(feature), deadline)
        ).value != 0

    async def node_get_info(self, *, deadline: Deadline | None = None) -> t.NodeInfo:
        """Model, memory in KiB, CPUs and how they are arranged."""
        return await self._call(p.NODE_GET_INFO, None, deadline)

    async def node_get_cpu_stats(
        self, cpu: int = ALL, *, deadline: Deadline | None = None
    ) -> dict[str, int]:
        """Nanoseconds since boot by mode: kernel, user, idle, iowait, and what else the daemon knows.

        Two calls: the first asks how many figures there are, which the second must name exactly.
        """
        count = await self._call(p.NODE_GET_CPU_STATS, t.NodeGetCPUStatsArgs(cpu, 0, 0), deadline)
        args = t.NodeGetCPUStatsArgs(cpu, count.nparams, 0)
        reply = await self._call(p.NODE_GET_CPU_STATS, args, deadline)
        return {stat.field: stat.value for stat in reply.params}

    async def node_get_memory_stats(
        self, cell: int = ALL, *, deadline: Deadline | None = None
    ) -> dict[str, int]:
        """KiB by use: total, free, buffers, cached; of one NUMA cell only total and free. Two calls, as above."""
        question = t.NodeGetMemoryStatsArgs(0, cell, 0)
        count = await self._call(p.NODE_GET_MEMORY_STATS, question, deadline)
        args = t.NodeGetMemoryStatsArgs(count.nparams, cell, 0)
        reply = await self._call(p.NODE_GET_MEMORY_STATS, args, deadline)
        return {stat.field: stat.value for stat in reply.params}

    async def node_get_free_memory(self, *, deadline: Deadline | None = None) -> int:
        """Free memory in bytes."""
        return (await self._call(p.NODE_GET_FREE_MEMORY, None, deadline)).value

    async def node_get_cells_free_memory(
        self, start: int, maximum: int, *, deadline: Deadline | None = None
    ) -> tuple[int, ...]:
        """Free memory in bytes of the NUMA cells from `start` on, `maximum` of them at most."""
        args = t.NodeGetCellsFreeMemoryArgs(start, maximum)
        return (await self._call(p.NODE_GET_CELLS_FREE_MEMORY, args, deadline)).cells

    async def node_get_free_pages(
        self,
        page_sizes_kib: Sequence[int],
        start_cell: int,
        cell_count: int,
        *,
        deadline: Deadline | None = None,
    ) -> tuple[tuple[int, ...], ...]:
        """The free pages of each NUMA cell from `start_cell` (ALL: of the host) on: a number a size."""
        args = t.NodeGetFreePagesArgs(tuple(page_sizes_kib), start_cell, cell_count, 0)
        counts = (await self._call(p.NODE_GET_FREE_PAGES, args, deadline)).counts
        sizes = max(1, len(page_sizes_kib))
        return tuple(counts[first : first + sizes] for first in range(0, len(counts), sizes))

    async def node_get_cpu_map(self, *, deadline: Deadline | None = None) -> CPUMap:
        """Which of the host's CPUs are on."""
        reply = await self._call(p.NODE_GET_CPU_MAP, t.NodeGetCPUMapArgs(1, 1, 0), deadline)
        return CPUMap(reply.ret, reply.online, reply.cpumap)

    async def node_get_memory_parameters(
        self, *, deadline: Deadline | None = None
    ) -> dict[str, TypedValue]:
        """What kernel same-page merging does (`shm_*`); refused where the host has none."""
        args = t.NodeGetMemoryParametersArgs(NODE_PARAMETERS_MAX, 0)
        return values_of((await self._call(p.NODE_GET_MEMORY_PARAMETERS, args, deadline)).params)

    async def node_get_security_model(
        self, *, deadline: Deadline | None = None
    ) -> t.NodeSecurityModel:
        """How the host confines domains, such as by `apparmor`."""
        return await self._call(p.NODE_GET_SECURITY_MODEL, None, deadline)
