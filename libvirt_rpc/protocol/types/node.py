"""The host: its processors, memory, NUMA cells, pages. Source: remote_node_get_* in remote_protocol.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import (
    CPU_MAP_MAX,
    NODE_CELLS_MAX,
    NODE_MODEL_SIZE,
    NODE_PARAMETERS_MAX,
    NODE_STATS_MAX,
    SECURITY_MODEL_MAX,
)
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.xdr import (
    UHYPER,
    UINT,
    Array,
    Characters,
    Int,
    Opaque,
    Struct,
    Text,
    UnsignedHyper,
    UnsignedInt,
)


def _text(characters: bytes) -> str:
    """What stands before the first NUL; bytes that are no UTF-8 become surrogates as in any other text."""
    return characters.partition(b"\0")[0].decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class NodeInfo(Struct):
    """remote_node_get_info_ret: `memory` in KiB; `nodes` x `sockets` x `cores` x `threads` may exceed `cpus`."""

    model: Annotated[bytes, Characters(count=NODE_MODEL_SIZE)]
    memory: UnsignedHyper
    cpus: Int
    mhz: Int
    nodes: Int
    sockets: Int
    cores: Int
    threads: Int

    @property
    def model_name(self) -> str:
        """`model` as text, such as `x86_64`."""
        return _text(self.model)


@dataclass(frozen=True, slots=True)
class NodeStat(Struct):
    """remote_node_get_cpu_stats, remote_node_get_memory_stats: one figure with its name."""

    field: Text
    value: UnsignedHyper


@dataclass(frozen=True, slots=True)
class NodeGetCPUStatsArgs(Struct):
    """remote_node_get_cpu_stats_args: `cpu_num` -1 is all together; `nparams` must be the exact number, or 0."""

    cpu_num: Int
    nparams: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NodeGetMemoryStatsArgs(Struct):
    """remote_node_get_memory_stats_args: `cell_num` -1 is all together; `nparams` must be exact, or 0."""

    nparams: Int
    cell_num: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NodeStatsReply(Struct):
    """remote_node_get_cpu_stats_ret, remote_node_get_memory_stats_ret: `nparams` answers a question with 0."""

    params: Annotated[tuple[NodeStat, ...], Array(NodeStat, NODE_STATS_MAX)]
    nparams: Int


@dataclass(frozen=True, slots=True)
class NodeGetCellsFreeMemoryArgs(Struct):
    """remote_node_get_cells_free_memory_args."""

    start_cell: Int
    maxcells: Int


@dataclass(frozen=True, slots=True)
class NodeGetCellsFreeMemoryReply(Struct):
    """remote_node_get_cells_free_memory_ret: bytes a cell."""

    cells: Annotated[tuple[int, ...], Array(UHYPER, NODE_CELLS_MAX)]


@dataclass(frozen=True, slots=True)
class NodeGetFreePagesArgs(Struct):
    """remote_node_get_free_pages_args: `pages` are sizes in KiB."""

    pages: Annotated[tuple[int, ...], Array(UINT, NODE_CELLS_MAX)]
    start_cell: Int
    cell_count: UnsignedInt
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NodeGetFreePagesReply(Struct):
    """remote_node_get_free_pages_ret: a number for each size of the first cell, then of the next."""

    counts: Annotated[tuple[int, ...], Array(UHYPER, NODE_CELLS_MAX)]


@dataclass(frozen=True, slots=True)
class NodeGetCPUMapArgs(Struct):
    """remote_node_get_cpu_map_args."""

    need_map: Int
    need_online: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NodeGetCPUMapReply(Struct):
    """remote_node_get_cpu_map_ret: `ret` CPUs are present, a bit each in `cpumap`, the lowest first."""

    cpumap: Annotated[bytes, Opaque(CPU_MAP_MAX)]
    online: UnsignedInt
    ret: Int


@dataclass(frozen=True, slots=True)
class NodeGetMemoryParametersArgs(Struct):
    """remote_node_get_memory_parameters_args."""

    nparams: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class NodeGetMemoryParametersReply(Struct):
    """remote_node_get_memory_parameters_ret."""

    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, NODE_PARAMETERS_MAX)]
    nparams: Int


@dataclass(frozen=True, slots=True)
class NodeSecurityModel(Struct):
    """remote_node_get_security_model_ret: characters with the NUL that ends them."""

    model: Annotated[bytes, Characters(maximum=SECURITY_MODEL_MAX)]
    doi: Annotated[bytes, Characters(maximum=SECURITY_MODEL_MAX)]

    @property
    def model_name(self) -> str:
        """`model` as text, such as `apparmor`; empty where there is none."""
        return _text(self.model)

    @property
    def doi_name(self) -> str:
        """`doi` as text."""
        return _text(self.doi)
