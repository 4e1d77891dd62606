"""What a domain is limited to: processors, memory, disks, interfaces; and what is counted of it.

Typed parameters come as name -> value; an unlimited amount of memory is 9007199254740991 KiB. The
daemon is asked once, for as many as the protocol allows, and answers with those that it has.
"""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller, values_of
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainModificationImpact, TypedParameterFlags
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import BLOCK_IO_TUNE_PARAMETERS_MAX, SHORT_PARAMETERS_MAX
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.protocol.typed_params import TypedValue

CURRENT = DomainModificationImpact(0)


def _with_text(impact: DomainModificationImpact) -> int:
    # Without STRING_OKAY the daemon keeps parameters back that are text; where there are none, not
    # every driver takes it.
    return int(impact) | int(TypedParameterFlags.STRING_OKAY)


class DomainSettingCalls(Caller):
    """virDomainGet*Parameters, *Tune, *PinInfo and the like."""

    async def domain_get_vcpu_pin_info(
        self,
        domain: t.Domain,
        vcpus: int,
        map_length: int,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> tuple[bytes, ...]:
        """For each of the first `vcpus` virtual CPUs, on which of the host's it may run: a bit each."""
        args = t.DomainGetVcpuPinInfoArgs(domain, vcpus, map_length, int(flags))
        reply = await self._call(p.DOMAIN_GET_VCPU_PIN_INFO, args, deadline)
        maps = reply.cpumaps
        return tuple(maps[at * map_length : (at + 1) * map_length] for at in range(reply.num))

    async def domain_get_emulator_pin_info(
        self,
        domain: t.Domain,
        map_length: int,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> bytes:
        """On which of the host's CPUs the emulator itself may run: a bit each, the lowest first."""
        args = t.DomainGetEmulatorPinInfoArgs(domain, map_length, int(flags))
        return (await self._call(p.DOMAIN_GET_EMULATOR_PIN_INFO, args, deadline)).cpumaps

    async def domain_get_iothread_info(
        self,
        domain: t.Domain,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.DomainIOThreadInfo, ...]:
        """The domain's I/O threads."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return (await self._call(p.DOMAIN_GET_IOTHREAD_INFO, args, deadline)).info

    async def domain_get_memory_parameters(
        self,
        domain: t.Domain,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """hard_limit, soft_limit, swap_hard_limit, min_guarantee in KiB."""
        return await self._parameters(p.DOMAIN_GET_MEMORY_PARAMETERS, domain, int(flags), deadline)

    async def domain_get_blkio_parameters(
        self,
        domain: t.Domain,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """weight, and device_* as text of paths and numbers."""
        return await self._parameters(
            p.DOMAIN_GET_BLKIO_PARAMETERS, domain, _with_text(flags), deadline
        )

    async def domain_get_numa_parameters(
        self,
        domain: t.Domain,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """numa_nodeset as text, numa_mode."""
        return await self._parameters(
            p.DOMAIN_GET_NUMA_PARAMETERS, domain, _with_text(flags), deadline
        )

    async def _parameters(
        self,
        procedure: Procedure[t.DomainParametersArgs, t.DomainParametersReply],
        domain: t.Domain,
        flags: int,
        deadline: Deadline | None,
    ) -> dict[str, TypedValue]:
        args = t.DomainParametersArgs(domain, SHORT_PARAMETERS_MAX, flags)
        return values_of((await self._call(procedure, args, deadline)).params)

    async def domain_get_scheduler_type(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> t.DomainSchedulerType:
        """The scheduler, such as `posix`, and how many parameters it has."""
        return await self._call(p.DOMAIN_GET_SCHEDULER_TYPE, t.DomainArgs(domain), deadline)

    async def domain_get_scheduler_parameters_flags(
        self,
        domain: t.Domain,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """cpu_shares, and *_period, *_quota in microseconds (a negative quota is none)."""
        args = t.DomainParametersArgs(domain, SHORT_PARAMETERS_MAX, int(flags))
        reply = await self._call(p.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS, args, deadline)
        return values_of(reply.params)

    async def domain_get_block_io_tune(
        self,
        domain: t.Domain,
        disk: str,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """The limits of the disk with that target, 0 where there is none, and group_name."""
        args = t.DomainGetBlockIOTuneArgs(
            domain, disk, BLOCK_IO_TUNE_PARAMETERS_MAX, _with_text(flags)
        )
        return values_of((await self._call(p.DOMAIN_GET_BLOCK_IO_TUNE, args, deadline)).params)

    async def domain_get_interface_parameters(
        self,
        domain: t.Domain,
        device: str,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """inbound.* and outbound.*: average and peak in KiB/s, burst in KiB, 0 where there is no limit."""
        args = t.DomainGetInterfaceParametersArgs(domain, device, SHORT_PARAMETERS_MAX, int(flags))
        reply = await self._call(p.DOMAIN_GET_INTERFACE_PARAMETERS, args, deadline)
        return values_of(reply.params)

    async def domain_get_perf_events(
        self,
        domain: t.Domain,
        flags: DomainModificationImpact = CURRENT,
        *,
        deadline: Deadline | None = None,
    ) -> dict[str, TypedValue]:
        """Whether each performance event is counted."""
        args = t.DomainFlagsArgs(domain, int(flags))
        return values_of((await self._call(p.DOMAIN_GET_PERF_EVENTS, args, deadline)).params)

    async def domain_get_launch_security_info(
        self, domain: t.Domain, *, deadline: Deadline | None = None
    ) -> dict[str, TypedValue]:
        """What there is to attest of a confidential guest; empty for any other. Needs a writing connection."""
        args = t.DomainFlagsArgs(domain, 0)
        reply = await self._call(p.DOMAIN_GET_LAUNCH_SECURITY_INFO, args, deadline)
        return values_of(reply.params)
