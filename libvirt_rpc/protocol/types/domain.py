"""Domains: lists, states, XML, snapshots, settings. Source: remote_protocol.x. Figures: domain_stats.

Where several calls take or give the same fields, one struct serves them all and names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import (
    BLOCK_IO_TUNE_PARAMETERS_MAX,
    CPU_MAP_MAX,
    CPU_MAPS_MAX,
    DOMAIN_LIST_MAX,
    DOMAIN_MESSAGES_MAX,
    IOTHREAD_INFO_MAX,
    LAUNCH_SECURITY_PARAMETERS_MAX,
    LIST_MAX,
    PERF_EVENTS_MAX,
)
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.types.common import (
    Domain,
    DomainCheckpoint,
    DomainSnapshot,
    ShortParameters,
)
from libvirt_rpc.protocol.xdr import (
    STRING,
    Array,
    Int,
    Opaque,
    OptionalText,
    Struct,
    Text,
    UnsignedHyper,
    UnsignedInt,
)

CPUMaps = Annotated[bytes, Opaque(CPU_MAPS_MAX)]


@dataclass(frozen=True, slots=True)
class ConnectListAllDomainsArgs(Struct):
    """remote_connect_list_all_domains_args: without `need_results` only the number comes back."""

    need_results: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllDomainsReply(Struct):
    """remote_connect_list_all_domains_ret."""

    domains: Annotated[tuple[Domain, ...], Array(Domain, DOMAIN_LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainArgs(Struct):
    """A domain alone: the arguments of remote_domain_get_info, _is_persistent, _get_autostart and others."""

    dom: Domain


@dataclass(frozen=True, slots=True)
class DomainFlagsArgs(Struct):
    """A domain and flags: remote_domain_get_xml_desc_args, _get_state_args, _get_job_stats_args and others."""

    dom: Domain
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainParametersArgs(Struct):
    """remote_domain_get_memory_parameters_args, _blkio_, _numa_ and _scheduler_parameters_flags."""

    dom: Domain
    nparams: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainParametersReply(Struct):
    """The typed parameters of memory, blkio, NUMA and an interface, and those of block_stats_flags."""

    params: ShortParameters
    nparams: Int


@dataclass(frozen=True, slots=True)
class DomainPathFlagsArgs(Struct):
    """remote_domain_get_block_info_args, remote_domain_get_block_job_info_args."""

    dom: Domain
    path: Text
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainState(Struct):
    """remote_domain_get_state_ret: a virDomainState and the reason that goes with it."""

    state: Int
    reason: Int


@dataclass(frozen=True, slots=True)
class DomainControlInfo(Struct):
    """remote_domain_get_control_info_ret: `state_time` is the time in this state, in milliseconds."""

    state: UnsignedInt
    details: UnsignedInt
    state_time: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainGetVcpuPinInfoArgs(Struct):
    """remote_domain_get_vcpu_pin_info_args."""

    dom: Domain
    ncpumaps: Int
    maplen: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetVcpuPinInfoReply(Struct):
    """remote_domain_get_vcpu_pin_info_ret: `num` maps one behind the other."""

    cpumaps: CPUMaps
    num: Int


@dataclass(frozen=True, slots=True)
class DomainGetEmulatorPinInfoArgs(Struct):
    """remote_domain_get_emulator_pin_info_args."""

    dom: Domain
    maplen: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetEmulatorPinInfoReply(Struct):
    """remote_domain_get_emulator_pin_info_ret."""

    cpumaps: CPUMaps
    ret: Int


@dataclass(frozen=True, slots=True)
class DomainIOThreadInfo(Struct):
    """remote_domain_iothread_info: `cpumap` has a bit a CPU of the host, the lowest first."""

    iothread_id: UnsignedInt
    cpumap: Annotated[bytes, Opaque(CPU_MAP_MAX)]


@dataclass(frozen=True, slots=True)
class DomainGetIOThreadInfoReply(Struct):
    """remote_domain_get_iothread_info_ret."""

    info: Annotated[tuple[DomainIOThreadInfo, ...], Array(DomainIOThreadInfo, IOTHREAD_INFO_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetBlockIOTuneArgs(Struct):
    """remote_domain_get_block_io_tune_args."""

    dom: Domain
    disk: OptionalText
    nparams: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainGetBlockIOTuneReply(Struct):
    """remote_domain_get_block_io_tune_ret."""

    params: Annotated[
        tuple[TypedParameter, ...], Array(TYPED_PARAMETER, BLOCK_IO_TUNE_PARAMETERS_MAX)
    ]
    nparams: Int


@dataclass(frozen=True, slots=True)
class DomainGetInterfaceParametersArgs(Struct):
    """remote_domain_get_interface_parameters_args."""

    dom: Domain
    device: Text
    nparams: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainSchedulerType(Struct):
    """remote_domain_get_scheduler_type_ret: such as `posix`, and how many parameters there are."""

    type: Text
    nparams: Int


@dataclass(frozen=True, slots=True)
class DomainGetSchedulerParametersReply(Struct):
    """remote_domain_get_scheduler_parameters_flags_ret."""

    params: ShortParameters


@dataclass(frozen=True, slots=True)
class DomainGetPerfEventsReply(Struct):
    """remote_domain_get_perf_events_ret: whether each event is counted."""

    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, PERF_EVENTS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainGetLaunchSecurityInfoReply(Struct):
    """remote_domain_get_launch_security_info_ret."""

    params: Annotated[
        tuple[TypedParameter, ...], Array(TYPED_PARAMETER, LAUNCH_SECURITY_PARAMETERS_MAX)
    ]


@dataclass(frozen=True, slots=True)
class DomainGetMessagesReply(Struct):
    """remote_domain_get_messages_ret."""

    msgs: Annotated[tuple[str, ...], Array(STRING, DOMAIN_MESSAGES_MAX)]


@dataclass(frozen=True, slots=True)
class DomainGetMetadataArgs(Struct):
    """remote_domain_get_metadata_args: `uri` is the namespace of an element, else None."""

    dom: Domain
    type: Int
    uri: OptionalText
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainListAllArgs(Struct):
    """remote_domain_list_all_snapshots_args, remote_domain_list_all_checkpoints_args."""

    dom: Domain
    need_results: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainListAllSnapshotsReply(Struct):
    """remote_domain_list_all_snapshots_ret."""

    snapshots: Annotated[tuple[DomainSnapshot, ...], Array(DomainSnapshot, LIST_MAX)]
    ret: Int


@dataclass(frozen=True, slots=True)
class DomainListAllCheckpointsReply(Struct):
    """remote_domain_list_all_checkpoints_ret."""

    checkpoints: Annotated[tuple[DomainCheckpoint, ...], Array(DomainCheckpoint, LIST_MAX)]
    ret: Int


@dataclass(frozen=True, slots=True)
class DomainSnapshotFlagsArgs(Struct):
    """remote_domain_snapshot_get_xml_desc_args."""

    snap: DomainSnapshot
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainCheckpointFlagsArgs(Struct):
    """remote_domain_checkpoint_get_xml_desc_args."""

    checkpoint: DomainCheckpoint
    flags: UnsignedInt
