"""Storage pools and volumes. Source: remote_storage_* in remote_protocol.x. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.constants import LIST_MAX
from libvirt_rpc.protocol.types.common import StoragePool, StorageVol
from libvirt_rpc.protocol.xdr import Array, Char, Int, Struct, UnsignedHyper, UnsignedInt


@dataclass(frozen=True, slots=True)
class ConnectListAllStoragePoolsReply(Struct):
    """remote_connect_list_all_storage_pools_ret."""

    pools: Annotated[tuple[StoragePool, ...], Array(StoragePool, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class StoragePoolArgs(Struct):
    """A pool alone: the arguments of most questions about one."""

    pool: StoragePool


@dataclass(frozen=True, slots=True)
class StoragePoolFlagsArgs(Struct):
    """remote_storage_pool_get_xml_desc_args."""

    pool: StoragePool
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class StoragePoolInfo(Struct):
    """remote_storage_pool_get_info_ret: as of the pool's last refresh. `state` is a StoragePoolState."""

    state: Char
    capacity: UnsignedHyper
    allocation: UnsignedHyper
    available: UnsignedHyper


@dataclass(frozen=True, slots=True)
class StoragePoolListAllVolumesArgs(Struct):
    """remote_storage_pool_list_all_volumes_args."""

    pool: StoragePool
    need_results: Int
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class StoragePoolListAllVolumesReply(Struct):
    """remote_storage_pool_list_all_volumes_ret."""

    vols: Annotated[tuple[StorageVol, ...], Array(StorageVol, LIST_MAX)]
    ret: UnsignedInt


@dataclass(frozen=True, slots=True)
class StorageVolArgs(Struct):
    """A volume alone: remote_storage_vol_get_info_args, remote_storage_vol_get_path_args."""

    vol: StorageVol


@dataclass(frozen=True, slots=True)
class StorageVolFlagsArgs(Struct):
    """remote_storage_vol_get_info_flags_args, remote_storage_vol_get_xml_desc_args."""

    vol: StorageVol
    flags: UnsignedInt


@dataclass(frozen=True, slots=True)
class StorageVolInfo(Struct):
    """remote_storage_vol_get_info_ret, remote_storage_vol_get_info_flags_ret. `type` is a StorageVolType."""

    type: Char
    capacity: UnsignedHyper
    allocation: UnsignedHyper
