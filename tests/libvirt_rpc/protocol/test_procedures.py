"""The table of calls: numbers as in the protocol, and none that changes anything."""

from __future__ import annotations

import re

import pytest

from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.procedures import PROCEDURES, Procedure, procedure_name

# What may be in the table: taking part in a connection, authenticating, and questions about objects.
READING = re.compile(
    r"CONNECT_(OPEN|CLOSE)|AUTH_(LIST|POLKIT|SASL_INIT|SASL_START|SASL_STEP)"
    r"|(CONNECT|DOMAIN|DOMAIN_SNAPSHOT|DOMAIN_CHECKPOINT|INTERFACE|NETWORK|NETWORK_PORT|NODE"
    r"|NODE_DEVICE|NWFILTER|SECRET|STORAGE_POOL|STORAGE_VOL)"
    r"_(GET|LIST|SUPPORTS|IS|HAS)_[A-Z0-9_]+"
)

# Of each kind of object, calls of remote_protocol.x that change it or make it do something.
CHANGING = [
    "CONNECT_SET_IDENTITY",
    "CONNECT_SET_KEEPALIVE",
    "DOMAIN_ABORT_JOB",
    "DOMAIN_AGENT_COMMAND",
    "DOMAIN_ATTACH_DEVICE",
    "DOMAIN_BACKUP_BEGIN",
    "DOMAIN_BLOCK_COMMIT",
    "DOMAIN_BLOCK_RESIZE",
    "DOMAIN_CORE_DUMP",
    "DOMAIN_CREATE",
    "DOMAIN_CREATE_XML",
    "DOMAIN_DEFINE_XML",
    "DOMAIN_DEL_IOTHREAD",
    "DOMAIN_DESTROY",
    "DOMAIN_DETACH_DEVICE",
    "DOMAIN_FSFREEZE",
    "DOMAIN_FSTRIM",
    "DOMAIN_INJECT_NMI",
    "DOMAIN_MANAGED_SAVE",
    "DOMAIN_MIGRATE_PERFORM",
    "DOMAIN_OPEN_CONSOLE",
    "DOMAIN_PM_SUSPEND_FOR_DURATION",
    "DOMAIN_REBOOT",
    "DOMAIN_RENAME",
    "DOMAIN_RESET",
    "DOMAIN_RESTORE",
    "DOMAIN_RESUME",
    "DOMAIN_SAVE",
    "DOMAIN_SCREENSHOT",
    "DOMAIN_SEND_KEY",
    "DOMAIN_SET_AUTOSTART",
    "DOMAIN_SET_MEMORY",
    "DOMAIN_SET_METADATA",
    "DOMAIN_SET_TIME",
    "DOMAIN_SET_USER_PASSWORD",
    "DOMAIN_SET_VCPUS",
    "DOMAIN_SHUTDOWN",
    "DOMAIN_SNAPSHOT_CREATE_XML",
    "DOMAIN_SNAPSHOT_DELETE",
    "DOMAIN_REVERT_TO_SNAPSHOT",
    "DOMAIN_START_DIRTY_RATE_CALC",
    "DOMAIN_SUSPEND",
    "DOMAIN_UNDEFINE",
    "DOMAIN_UPDATE_DEVICE_FLAGS",
    "INTERFACE_CHANGE_BEGIN",
    "INTERFACE_CREATE",
    "INTERFACE_DESTROY",
    "NETWORK_CREATE",
    "NETWORK_DESTROY",
    "NETWORK_UPDATE",
    "NODE_ALLOC_PAGES",
    "NODE_DEVICE_DETTACH_FLAGS",
    "NODE_DEVICE_RESET",
    "NODE_SET_MEMORY_PARAMETERS",
    "NODE_SUSPEND_FOR_DURATION",
    "NWFILTER_DEFINE_XML",
    "NWFILTER_UNDEFINE",
    "SECRET_SET_VALUE",
    "SECRET_UNDEFINE",
    "STORAGE_POOL_BUILD",
    "STORAGE_POOL_DELETE",
    "STORAGE_POOL_REFRESH",
    "STORAGE_VOL_DELETE",
    "STORAGE_VOL_RESIZE",
    "STORAGE_VOL_UPLOAD",
    "STORAGE_VOL_WIPE",
]

# From remote_protocol.x. A number cannot be told to be wrong by anything but libvirt itself.
NUMBERS = {
    "CONNECT_OPEN": 1,
    "CONNECT_CLOSE": 2,
    "CONNECT_GET_TYPE": 3,
    "CONNECT_GET_VERSION": 4,
    "DOMAIN_GET_XML_DESC": 14,
    "CONNECT_GET_HOSTNAME": 59,
    "CONNECT_SUPPORTS_FEATURE": 60,
    "AUTH_LIST": 66,
    "AUTH_SASL_INIT": 67,
    "AUTH_SASL_START": 68,
    "AUTH_SASL_STEP": 69,
    "AUTH_POLKIT": 70,
    "CONNECT_GET_URI": 110,
    "CONNECT_GET_LIB_VERSION": 157,
    "DOMAIN_GET_STATE": 212,
    "DOMAIN_GET_CONTROL_INFO": 229,
    "CONNECT_LIST_ALL_DOMAINS": 273,
    "CONNECT_GET_ALL_DOMAIN_STATS": 344,
}


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=lambda one: one.name)
def test_every_call_only_asks(procedure: Procedure[object, object]) -> None:
    assert READING.fullmatch(procedure.name)
    assert procedure.name not in CHANGING


@pytest.mark.parametrize("name", CHANGING)
def test_no_call_that_changes_something_passes_for_one_that_asks(name: str) -> None:
    assert not READING.fullmatch(name)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_call_has_the_number_of_the_protocol(name: str) -> None:
    assert PROCEDURES[Program.REMOTE, NUMBERS[name]].name == name


def test_every_call_stands_in_the_table_once() -> None:
    names = [procedure.name for procedure in PROCEDURES.values()]
    assert len(set(names)) == len(names)
    assert all(key == (one.program, one.number) for key, one in PROCEDURES.items())


def test_a_call_goes_by_its_name_and_an_unknown_one_by_its_numbers() -> None:
    assert procedure_name(Program.REMOTE, 66) == "AUTH_LIST"
    assert procedure_name(Program.REMOTE, 9999) == "0x20008086/9999"
    assert procedure_name(Program.KEEPALIVE, 1) == "0x6b656570/1"
