"""Figures of domains: all at once, and call by call for drivers without the bulk call, and jobs.

Source: remote_protocol.x. Where a driver does not know a figure of a struct with signed numbers, it is -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import (
    CPU_MAPS_MAX,
    CPU_STATS_MAX,
    DISK_ERRORS_MAX,
    DOMAIN_LIST_MAX,
    DOMAIN_STATS_PARAMETERS_MAX,
    JOB_STATS_MAX,
    MEMORY_STATS_MAX,
    VCPU_INFO_MAX,
)
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.types.common import Domain
from libvirt_rpc.protocol.xdr import (
    Array,
    Char,
    Hyper,
    Int,
    Opaque,
    Struct,
    Text,
    UnsignedHyper,
    UnsignedInt,
    UnsignedShort,
)


@dataclass(frozen=True, slots=True)
class ConnectGetAllDomainStatsArgs(Struct):
    """remote_connect_get_all_domain_stats_args: no `doms` means all domains."""

    doms: Annotated[tuple[Domain, ...], Array(Domain, DOMAIN_LIST_MAX)]
    stats: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainStatsRecord(Struct):
    """remote_domain_stats_record."""

    dom: Domain
    params: Annotated[
        tuple[TypedParameter, ...], Array(TYPED_PARAMETER, DOMAIN_STATS_PARAMETERS_MAX)
    ]


@dataclass(frozen=True, slots=True)
class ConnectGetAllDomainStatsReply(Struct):
    """remote_connect_get_all_domain_stats_ret."""

    ret_stats: Annotated[tuple[DomainStatsRecord, ...], Array(DomainStatsRecord, DOMAIN_LIST_MAX)]


@dataclass(frozen=True, slots=True)
class DomainInfo(Struct):
    """remote_domain_get_info_ret: memory in KiB, `cpu_time` in nanoseconds (0 when shut off)."""

    state: Char
    max_mem: UnsignedHyper
    memory: UnsignedHyper
    nr_virt_cpu: UnsignedShort
    cpu_time: UnsignedHyper


@dataclass(frozen=True, slots=True)
class VcpuInfo(Struct):
    """remote_vcpu_info: `state` is a VcpuState, `cpu_time` in nanoseconds, `cpu` the host's or -1."""

    number: UnsignedInt
    state: Int
    cpu_time: UnsignedHyper
    cpu: Int


@dataclass(frozen=True, slots=True)
class DomainGetVcpusArgs(Struct):
    """remote_domain_get_vcpus_args: `maplen` is the size of one CPU map in bytes, 0 for none."""

    dom: Domain
    maxinfo: Int
    maplen: Int


@dataclass(frozen=True, slots=True)
class DomainGetVcpusReply(Struct):
    """remote_domain_get_vcpus_ret: `cpumaps` has `maxinfo` maps, the first of which belong to `info`."""

    info: Annotated[tuple[VcpuInfo, ...], Array(VcpuInfo, VCPU_INFO_MAX)]
    cpumaps: Annotated[bytes, Opaque(CPU_MAPS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainGetCPUStatsArgs(Struct):
    """remote_domain_get_cpu_stats_args: `start_cpu` -1 with `ncpus` 1 asks for the sum of all."""

    dom: Domain
    nparams: UnsignedInt
    start_cpu: Int
    ncpus: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetCPUStatsReply(Struct):
    """remote_domain_get_cpu_stats_ret: `nparams` parameters of the first CPU, then of the next."""

    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, CPU_STATS_MAX)]
    nparams: Int


@dataclass(frozen=True, slots=True)
class DomainMemoryStatsArgs(Struct):
    """remote_domain_memory_stats_args."""

    dom: Domain
    max_stats: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainMemoryStat(Struct):
    """remote_domain_memory_stat: `tag` is one of DomainMemoryStatTags."""

    tag: Int
    val: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainMemoryStatsReply(Struct):
    """remote_domain_memory_stats_ret."""

    stats: Annotated[tuple[DomainMemoryStat, ...], Array(DomainMemoryStat, MEMORY_STATS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainBlockStatsArgs(Struct):
    """remote_domain_block_stats_args: `path` is a disk's target or its source."""

    dom: Domain
    path: Text


@dataclass(frozen=True, slots=True)
class DomainBlockStats(Struct):
    """remote_domain_block_stats_ret."""

    rd_req: Hyper
    rd_bytes: Hyper
    wr_req: Hyper
    wr_bytes: Hyper
    errs: Hyper


@dataclass(frozen=True, slots=True)
class DomainBlockStatsFlagsArgs(Struct):
    """remote_domain_block_stats_flags_args."""

    dom: Domain
    path: Text
    nparams: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainBlockInfo(Struct):
    """remote_domain_get_block_info_ret, in bytes."""

    allocation: UnsignedHyper
    capacity: UnsignedHyper
    physical: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainGetDiskErrorsArgs(Struct):
    """remote_domain_get_disk_errors_args."""

    dom: Domain
    maxerrors: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainDiskError(Struct):
    """remote_domain_disk_error: `disk` is the target, `error` a DomainDiskErrorCode."""

    disk: Text
    error: Int


@dataclass(frozen=True, slots=True)
class DomainGetDiskErrorsReply(Struct):
    """remote_domain_get_disk_errors_ret."""

    errors: Annotated[tuple[DomainDiskError, ...], Array(DomainDiskError, DISK_ERRORS_MAX)]
    nerrors: Int


@dataclass(frozen=True, slots=True)
class DomainInterfaceStatsArgs(Struct):
    """remote_domain_interface_stats_args: `device` is the host's name of the interface, or its MAC address."""

    dom: Domain
    device: Text


@dataclass(frozen=True, slots=True)
class DomainInterfaceStats(Struct):
    """remote_domain_interface_stats_ret, as the domain sees it."""

    rx_bytes: Hyper
    rx_packets: Hyper
    rx_errs: Hyper
    rx_drop: Hyper
    tx_bytes: Hyper
    tx_packets: Hyper
    tx_errs: Hyper
    tx_drop: Hyper


@dataclass(frozen=True, slots=True)
class DomainJobInfo(Struct):
    """remote_domain_get_job_info_ret: times in milliseconds, the rest in bytes. `type` is a DomainJobType."""

    type: Int
    time_elapsed: UnsignedHyper
    time_remaining: UnsignedHyper
    data_total: UnsignedHyper
    data_processed: UnsignedHyper
    data_remaining: UnsignedHyper
    mem_total: UnsignedHyper
    mem_processed: UnsignedHyper
    mem_remaining: UnsignedHyper
    file_total: UnsignedHyper
    file_processed: UnsignedHyper
    file_remaining: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainGetJobStatsReply(Struct):
    """remote_domain_get_job_stats_ret. `type` is a DomainJobType."""

    type: Int
    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, JOB_STATS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainBlockJobInfo(Struct):
    """remote_domain_get_block_job_info_ret: `type` is a DomainBlockJobType, `cur` of `end` is done."""

    found: Int
    type: Int
    bandwidth: UnsignedHyper
    cur: UnsignedHyper
    end: UnsignedHyper
