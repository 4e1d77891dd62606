"""Calls about storage: what goes out, what comes of the answer."""

from __future__ import annotations

import uuid

import pytest

from libvirt_rpc.api.storage import StorageCalls
from libvirt_rpc.enums import ConnectListAllStoragePoolsFlags, StorageVolInfoFlags, StorageXMLFlags
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.libvirt_rpc.api.scripted import Case, case, methods_of, run

POOL = t.StoragePool("p", uuid.UUID(int=1))
OF_POOL = t.StoragePoolArgs(POOL)
INFO = t.StoragePoolInfo(2, 10, 4, 6)
VOLUME = t.StorageVol("p", "v", "/p/v")
VOLUME_INFO = t.StorageVolInfo(0, 10, 4)
ACTIVE = ConnectListAllStoragePoolsFlags.ACTIVE
POOLS = t.ConnectListAllStoragePoolsReply((POOL,), 1)

CASES = [
    case(
        "list_all_storage_pools",
        (ACTIVE,),
        p.CONNECT_LIST_ALL_STORAGE_POOLS,
        t.ListAllArgs(1, 2),
        POOLS,
        (POOL,),
    ),
    case(
        "count_all_storage_pools",
        (ACTIVE,),
        p.CONNECT_LIST_ALL_STORAGE_POOLS,
        t.ListAllArgs(0, 2),
        t.ConnectListAllStoragePoolsReply((), 3),
        3,
    ),
    case("storage_pool_get_info", (POOL,), p.STORAGE_POOL_GET_INFO, OF_POOL, INFO, INFO),
    case("storage_pool_is_active", (POOL,), p.STORAGE_POOL_IS_ACTIVE, OF_POOL, t.Number(1), True),
    case(
        "storage_pool_is_persistent",
        (POOL,),
        p.STORAGE_POOL_IS_PERSISTENT,
        OF_POOL,
        t.Number(0),
        False,
    ),
    case(
        "storage_pool_get_autostart",
        (POOL,),
        p.STORAGE_POOL_GET_AUTOSTART,
        OF_POOL,
        t.Number(1),
        True,
    ),
    case(
        "storage_pool_get_xml_desc",
        (POOL, StorageXMLFlags.INACTIVE),
        p.STORAGE_POOL_GET_XML_DESC,
        t.StoragePoolFlagsArgs(POOL, 1),
        t.String("<pool/>"),
        "<pool/>",
    ),
    case(
        "storage_pool_num_of_volumes",
        (POOL,),
        p.STORAGE_POOL_NUM_OF_VOLUMES,
        OF_POOL,
        t.Number(4),
        4,
    ),
    case(
        "storage_pool_list_all_volumes",
        (POOL,),
        p.STORAGE_POOL_LIST_ALL_VOLUMES,
        t.StoragePoolListAllVolumesArgs(POOL, 1, 0),
        t.StoragePoolListAllVolumesReply((VOLUME,), 1),
        (VOLUME,),
    ),
    case(
        "storage_vol_get_info",
        (VOLUME,),
        p.STORAGE_VOL_GET_INFO,
        t.StorageVolArgs(VOLUME),
        VOLUME_INFO,
        VOLUME_INFO,
    ),
    case(
        "storage_vol_get_info_flags",
        (VOLUME, StorageVolInfoFlags.PHYSICAL),
        p.STORAGE_VOL_GET_INFO_FLAGS,
        t.StorageVolFlagsArgs(VOLUME, 1),
        VOLUME_INFO,
        VOLUME_INFO,
    ),
    case(
        "storage_vol_get_xml_desc",
        (VOLUME,),
        p.STORAGE_VOL_GET_XML_DESC,
        t.StorageVolFlagsArgs(VOLUME, 0),
        t.String("<volume/>"),
        "<volume/>",
    ),
    case(
        "storage_vol_get_path",
        (VOLUME,),
        p.STORAGE_VOL_GET_PATH,
        t.StorageVolArgs(VOLUME),
        t.String("/p/v"),
        "/p/v",
    ),
]


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.method)
async def test_a_call_asks_and_gives_what_the_daemon_answers(one: Case) -> None:
    await run(one)


def test_every_call_is_in_the_table() -> None:
    assert {one.method for one in CASES} == methods_of(StorageCalls)
