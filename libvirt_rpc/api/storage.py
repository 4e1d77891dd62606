"""Questions about storage pools and volumes. Sizes are in bytes, as of the pool's last refresh."""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectListAllStoragePoolsFlags,
    StorageVolInfoFlags,
    StorageXMLFlags,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t


class StorageCalls(Caller):
    """virStoragePool* and virStorageVol*."""

    async def list_all_storage_pools(
        self,
        flags: ConnectListAllStoragePoolsFlags = ConnectListAllStoragePoolsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[t.StoragePool, ...]:
        """Every pool, active or not, that the filter `flags` let through; 0 lets all."""
        args = t.ListAllArgs(1, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_STORAGE_POOLS, args, deadline)).pools

    async def count_all_storage_pools(
        self,
        flags: ConnectListAllStoragePoolsFlags = ConnectListAllStoragePoolsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """How many pools `list_all_storage_pools` would give."""
        args = t.ListAllArgs(0, int(flags))
        return (await self._call(p.CONNECT_LIST_ALL_STORAGE_POOLS, args, deadline)).ret

    async def storage_pool_get_info(
        self, pool: t.StoragePool, *, deadline: Deadline | None = None
    ) -> t.StoragePoolInfo:
        """State, capacity, allocation and what is free; nothing is read from the storage."""
        return await self._call(p.STORAGE_POOL_GET_INFO, t.StoragePoolArgs(pool), deadline)

    async def storage_pool_is_active(
        self, pool: t.StoragePool, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the pool is started."""
        args = t.StoragePoolArgs(pool)
        return (await self._call(p.STORAGE_POOL_IS_ACTIVE, args, deadline)).value != 0

    async def storage_pool_is_persistent(
        self, pool: t.StoragePool, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the pool outlives its end."""
        args = t.StoragePoolArgs(pool)
        return (await self._call(p.STORAGE_POOL_IS_PERSISTENT, args, deadline)).value != 0

    async def storage_pool_get_autostart(
        self, pool: t.StoragePool, *, deadline: Deadline | None = None
    ) -> bool:
        """Whether the pool starts with the host."""
        args = t.StoragePoolArgs(pool)
        return (await self._call(p.STORAGE_POOL_GET_AUTOSTART, args, deadline)).value != 0

    async def storage_pool_get_xml_desc(
        self,
        pool: t.StoragePool,
        flags: StorageXMLFlags = StorageXMLFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> str:
        """The pool's XML document."""
        args = t.StoragePoolFlagsArgs(pool, int(flags))
        return (await self._call(p.STORAGE_POOL_GET_XML_DESC, args, deadline)).value

    async def storage_pool_num_of_volumes(
        self, pool: t.StoragePool, *, deadline: Deadline | None = None
    ) -> int:
        """How many volumes an active pool has; an inactive one refuses (OperationInvalid)."""
        args = t.StoragePoolArgs(pool)
        return (await self._call(p.STORAGE_POOL_NUM_OF_VOLUMES, args, deadline)).value

    async def storage_pool_list_all_volumes(
        self, pool: t.StoragePool, *, deadline: Deadline | None = None
    ) -> tuple[t.StorageVol, ...]:
        """The volumes of an active pool; an inactive one refuses (OperationInvalid)."""
        args = t.StoragePoolListAllVolumesArgs(pool, 1, 0)
        return (await self._call(p.STORAGE_POOL_LIST_ALL_VOLUMES, args, deadline)).vols

    async def storage_vol_get_info(
        self, volume: t.StorageVol, *, deadline: Deadline | None = None
    ) -> t.StorageVolInfo:
        """Type, capacity and allocation. The daemon looks at the volume itself."""
        return await self._call(p.STORAGE_VOL_GET_INFO, t.StorageVolArgs(volume), deadline)

    async def storage_vol_get_info_flags(
        self,
        volume: t.StorageVol,
        flags: StorageVolInfoFlags = StorageVolInfoFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> t.StorageVolInfo:
        """As `storage_vol_get_info`; with PHYSICAL, `allocation` is the size on the host."""
        args = t.StorageVolFlagsArgs(volume, int(flags))
        return await self._call(p.STORAGE_VOL_GET_INFO_FLAGS, args, deadline)

    async def storage_vol_get_xml_desc(
        self, volume: t.StorageVol, *, deadline: Deadline | None = None
    ) -> str:
        """The volume's XML document."""
        args = t.StorageVolFlagsArgs(volume, 0)
        return (await self._call(p.STORAGE_VOL_GET_XML_DESC, args, deadline)).value

    async def storage_vol_get_path(
        self, volume: t.StorageVol, *, deadline: Deadline | None = None
    ) -> str:
        """Where the volume lies: mostly a file's path."""
        return (await self._call(p.STORAGE_VOL_GET_PATH, t.StorageVolArgs(volume), deadline)).value
