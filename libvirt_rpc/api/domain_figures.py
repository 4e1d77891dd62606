"""Figures of one domain at a time, for drivers without the bulk call and for what that does not tell; jobs.

Most of them need a running domain and raise OperationInvalid for another.
"""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller, values_of
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    DomainBlockJobInfoFlags,
    DomainGetJobStatsFlags,
    DomainJobType,
    DomainMemoryStatTags,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import (
    DISK_ERRORS_MAX,
    MEMORY_STATS_MAX,
    SHORT_PARAMETERS_MAX,
    VCPU_INFO_MAX,
)
from libvirt_rpc.protocol.typed_params import TypedValue


class DomainFigureCalls(Caller):
    """virDomain*Stats, virDomain*Info, virDomainGetJob*."""

    async def domain_get_info(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> t.DomainInfo:
        """State, memory in KiB, virtual CPUs, CPU time; answered for a domain that hangs, too."""
        return await self._call(p.DOMAIN_GET_INFO, t.DomainArgs(domain), deadline)

    async def domain_get_vcpus(
        self,
        domain: t.Domain,
        maximum: int = VCPU_INFO_MAX,
        map_length: int = 0,
        *,
        deadline: Deadline | None = None,
    ) -> t.DomainGetVcpusReply:
        """The virtual CPUs that are on. `map_length` bytes of CPU map are given for each of `maximum`."""
        args = t.DomainGetVcpusArgs(domain, maximum, map_length)
        return await self._call(p.DOMAIN_GET_VCPUS, args, deadline)

    async def domain_get_cpu_stats(
        self,
        domain: t.Domain,
        start_cpu: int = -1,
        ncpus: int = 1,
        *,
        deadline: Deadline | None = None,
    ) -> tuple[dict[str, TypedValue], ...]:
        """Nanoseconds on the host's CPUs: cpu_time, user_time, system_time of all together, in one dict.

        From `start_cpu` on: cpu_time, vcpu_time, a dict for each of `ncpus` CPUs (128 at most) that the
        host has. Two calls: the first asks how many figures there are.
        """
        question = t.DomainGetCPUStatsArgs(domain, 0, start_cpu, ncpus, 0)
        count = (await self._call(p.DOMAIN_GET_CPU_STATS, question, deadline)).nparams
        args = t.DomainGetCPUStatsArgs(domain, count, start_cpu, ncpus, 0)
        reply = await self._call(p.DOMAIN_GET_CPU_STATS, args, deadline)
        each = reply.nparams or count or 1
        params = reply.params
        return tuple(values_of(params[at : at + each]) for at in range(0, len(params), each))

    async def domain_memory_stats(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> dict[DomainMemoryStatTags, int]:
        """Memory by tag: KiB, but for faults and page counts, and LAST_UPDATE in seconds since the epoch."""
        args = t.DomainMemoryStatsArgs(domain, MEMORY_STATS_MAX, 0)
        reply = await self._call(p.DOMAIN_MEMORY_STATS, args, deadline)
        return {DomainMemoryStatTags(stat.tag): stat.val for stat in reply.stats}

    async def domain_block_stats(
        self, domain: t.Domain, disk: str, *, deadline: Deadline | None = None
    ) -> t.DomainBlockStats:
        """Requests and bytes of the disk with that target or source; -1 where the driver does not know."""
        return await self._call(
            p.DOMAIN_BLOCK_STATS, t.DomainBlockStatsArgs(domain, disk), deadline
        )

    async def domain_block_stats_flags(
        self, domain: t.Domain, disk: str, *, deadline: Deadline | None = None
    ) -> dict[str, TypedValue]:
        """As `domain_block_stats`, with times in nanoseconds and flushes; the disk "" is the sum of all."""
        args = t.DomainBlockStatsFlagsArgs(domain, disk, SHORT_PARAMETERS_MAX, 0)
        return values_of((await self._call(p.DOMAIN_BLOCK_STATS_FLAGS, args, deadline)).params)

    async def domain_get_block_info(
        self, domain: t.Domain, disk: str, *, deadline: Deadline | None = None
    ) -> t.DomainBlockInfo:
        """A disk's sizes in bytes. Of a domain that does not run, the daemon opens the image."""
        args = t.DomainPathFlagsArgs(domain, disk, 0)
        return await self._call(p.DOMAIN_GET_BLOCK_INFO, args, deadline)

    async def domain_get_block_job_info(
        self,
        domain: t.Domain,
        disk: str,
        flags: DomainBlockJobInfoFlags = DomainBlockJobInfoFlags.BANDWIDTH_BYTES,
        *,
        deadline: Deadline | None = None,
    ) -> t.DomainBlockJobInfo | None:
        """The job on a disk, None where there is none. Without BANDWIDTH_BYTES, bandwidth is in MiB/s."""
        args = t.DomainPathFlagsArgs(domain, disk, int(flags))
        info = await self._call(p.DOMAIN_GET_BLOCK_JOB_INFO, args, deadline)
        return info if info.found else None

    async def domain_get_disk_errors(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> tuple[t.DomainDiskError, ...]:
        """The disks that have an error."""
        args = t.DomainGetDiskErrorsArgs(domain, DISK_ERRORS_MAX, 0)
        return (await self._call(p.DOMAIN_GET_DISK_ERRORS, args, deadline)).errors

    async def domain_interface_stats(
        self, domain: t.Domain, device: str, *, deadline: Deadline | None = None
    ) -> t.DomainInterfaceStats:
        """Bytes, packets, errors, drops of the interface that the host calls so, or with that MAC address.

        -1 where the driver does not know. An interface that the host does not have raises InvalidArgument.
        """
        args = t.DomainInterfaceStatsArgs(domain, device)
        return await self._call(p.DOMAIN_INTERFACE_STATS, args, deadline)

    async def domain_get_job_info(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> t.DomainJobInfo:
        """The job that runs; type NONE where none does."""
        return await self._call(p.DOMAIN_GET_JOB_INFO, t.DomainArgs(domain), deadline)

    async def domain_get_job_stats(
        self,
        domain: t.Domain,
        flags: DomainGetJobStatsFlags = DomainGetJobStatsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[DomainJobType, dict[str, TypedValue]]:
        """The job that runs, or with COMPLETED the last one.

        COMPLETED alone would have the daemon forget that one, so KEEP_COMPLETED always goes with it; daemons
        before libvirt 6.0 do not know it and raise InvalidArgument.
        """
        if DomainGetJobStatsFlags.COMPLETED in flags:
            flags |= DomainGetJobStatsFlags.KEEP_COMPLETED
        args = t.DomainFlagsArgs(domain, int(flags))
        reply = await self._call(p.DOMAIN_GET_JOB_STATS, args, deadline)
        return DomainJobType(reply.type), values_of(reply.params)

    async def domain_backup_get_xml_desc(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> str:
        """The XML document of the backup that runs; without one it is refused (NO_DOMAIN_BACKUP)."""
        args = t.DomainFlagsArgs(domain, 0)
        return (await self._call(p.DOMAIN_BACKUP_GET_XML_DESC, args, deadline)).value
