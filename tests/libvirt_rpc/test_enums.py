from __future__ import annotations

import copy
import enum
import inspect
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc import enums, errors
from libvirt_rpc.enums import (
    DOMAIN_EVENT_DETAILS,
    DOMAIN_STATE_REASONS,
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainEventID,
    DomainEventType,
    DomainState,
    DomainStatsTypes,
    ErrorNumber,
    OpenIntEnum,
    OpenIntFlag,
    domain_event_detail,
    domain_state_reason,
)

OPEN_ENUMS = [
    kind
    for _, kind in inspect.getmembers(enums, inspect.isclass)
    if issubclass(kind, OpenIntEnum) and kind is not OpenIntEnum
]
OPEN_FLAGS = [
    kind
    for _, kind in inspect.getmembers(enums, inspect.isclass)
    if issubclass(kind, OpenIntFlag) and kind is not OpenIntFlag
]
INT32 = st.integers(-(2**31), 2**31 - 1)


def labels(kind: type[OpenIntEnum]) -> str:
    return " ".join(f"{member.value} {member.label}" for member in kind)


# libvirt's tables, as text, so that a slip of the pen has to be made twice.

STATE_REASONS = {
    "nostate": "0 unknown",
    "running": (
        "0 unknown 1 booted 2 migrated 3 restored 4 from_snapshot 5 unpaused 6 migration_canceled "
        "7 save_canceled 8 wakeup 9 crashed 10 postcopy 11 postcopy_failed"
    ),
    "blocked": "0 unknown",
    "paused": (
        "0 unknown 1 user 2 migration 3 save 4 dump 5 ioerror 6 watchdog 7 from_snapshot "
        "8 shutting_down 9 snapshot 10 crashed 11 starting_up 12 postcopy 13 postcopy_failed "
        "14 api_error"
    ),
    "shutdown": "0 unknown 1 user",
    "shutoff": (
        "0 unknown 1 shutdown 2 destroyed 3 crashed 4 migrated 5 saved 6 failed 7 from_snapshot "
        "8 daemon"
    ),
    "crashed": "0 unknown 1 panicked",
    "pmsuspended": "0 unknown",
}

EVENT_DETAILS = {
    "defined": "0 added 1 updated 2 renamed 3 from_snapshot",
    "undefined": "0 removed 1 renamed",
    "started": "0 booted 1 migrated 2 restored 3 from_snapshot 4 wakeup 5 recreated",
    "suspended": (
        "0 paused 1 migrated 2 ioerror 3 watchdog 4 restored 5 from_snapshot 6 api_error "
        "7 postcopy 8 postcopy_failed 9 guest_shutdown"
    ),
    "resumed": "0 unpaused 1 migrated 2 from_snapshot 3 postcopy 4 postcopy_failed",
    "stopped": (
        "0 shutdown 1 destroyed 2 crashed 3 migrated 4 saved 5 failed 6 from_snapshot 7 recreated"
    ),
    "shutdown": "0 finished 1 guest 2 host",
    "pmsuspended": "0 memory 1 disk",
    "crashed": "0 panicked 1 crashloaded",
}

TABLES: Mapping[type[OpenIntEnum], str] = {
    DomainState: (
        "0 nostate 1 running 2 blocked 3 paused 4 shutdown 5 shutoff 6 crashed 7 pmsuspended"
    ),
    DomainEventType: (
        "0 defined 1 undefined 2 started 3 suspended 4 resumed 5 stopped 6 shutdown "
        "7 pmsuspended 8 crashed"
    ),
    DomainEventID: (
        "0 lifecycle 1 reboot 2 rtc_change 3 watchdog 4 io_error 5 graphics 6 io_error_reason "
        "7 control_error 8 block_job 9 disk_change 10 tray_change 11 pmwakeup 12 pmsuspend "
        "13 balloon_change 14 pmsuspend_disk 15 device_removed 16 block_job_2 17 tunable "
        "18 agent_lifecycle 19 device_added 20 migration_iteration 21 job_completed "
        "22 device_removal_failed 23 metadata_change 24 block_threshold 25 memory_failure "
        "26 memory_device_size_change 27 nic_mac_change 28 vcpu_removed 29 channel_lifecycle"
    ),
    enums.VcpuState: "0 offline 1 running 2 blocked",
    enums.DomainControlState: "0 ok 1 job 2 occupied 3 error",
    enums.DomainControlErrorReason: "0 none 1 unknown 2 monitor 3 internal",
    enums.DomainDiskErrorCode: "0 none 1 unspec 2 no_space",
    enums.DomainMemoryStatTags: (
        "0 swap_in 1 swap_out 2 major_fault 3 minor_fault 4 unused 5 available 6 actual_balloon "
        "7 rss 8 usable 9 last_update 10 disk_caches 11 hugetlb_pgalloc 12 hugetlb_pgfail"
    ),
    enums.DomainMetadataType: "0 description 1 title 2 element",
    enums.DomainJobType: "0 none 1 bounded 2 unbounded 3 completed 4 failed 5 cancelled",
    enums.DomainJobOperation: (
        "0 unknown 1 start 2 save 3 restore 4 migration_in 5 migration_out 6 snapshot "
        "7 snapshot_revert 8 dump 9 backup 10 snapshot_delete"
    ),
    enums.DomainBlockJobType: "0 unknown 1 pull 2 copy 3 commit 4 active_commit 5 backup",
    enums.ConnectDomainEventBlockJobStatus: "0 completed 1 failed 2 canceled 3 ready",
    enums.ConnectDomainEventDiskChangeReason: ("0 change_missing_on_start 1 drop_missing_on_start"),
    enums.ConnectDomainEventAgentLifecycleState: "1 connected 2 disconnected",
    enums.ConnectDomainEventAgentLifecycleReason: "0 unknown 1 domain_started 2 channel",
    enums.DomainEventWatchdogAction: (
        "0 none 1 pause 2 reset 3 poweroff 4 shutdown 5 debug 6 injectnmi"
    ),
    enums.DomainEventIOErrorAction: "0 none 1 pause 2 report",
    enums.DomainEventGraphicsPhase: "0 connect 1 initialize 2 disconnect",
    enums.DomainEventTrayChangeReason: "0 open 1 close",
    enums.DomainMemoryFailureRecipientType: "0 hypervisor 1 guest",
    enums.DomainMemoryFailureActionType: "0 ignore 1 inject 2 fatal 3 reset",
    enums.NetworkEventID: "0 lifecycle 1 metadata_change",
    enums.NetworkEventLifecycleType: "0 defined 1 undefined 2 started 3 stopped",
    enums.StoragePoolEventID: "0 lifecycle 1 refresh",
    enums.StoragePoolEventLifecycleType: (
        "0 defined 1 undefined 2 started 3 stopped 4 created 5 deleted"
    ),
    enums.NodeDeviceEventID: "0 lifecycle 1 update",
    enums.NodeDeviceEventLifecycleType: "0 created 1 deleted 2 defined 3 undefined",
    enums.SecretEventID: "0 lifecycle 1 value_changed",
    enums.ConnectCloseReason: "0 error 1 eof 2 keepalive 3 client",
    enums.StoragePoolState: "0 inactive 1 building 2 running 3 degraded 4 inaccessible",
    enums.StorageVolType: "0 file 1 block 2 dir 3 network 4 netdir 5 ploop",
    enums.SecretUsageType: "0 none 1 volume 2 ceph 3 iscsi 4 tls 5 vtpm",
    enums.DomainInterfaceAddressesSource: "0 lease 1 agent 2 arp",
    enums.IPAddrType: "0 ipv4 1 ipv6",
    enums.AuthType: "0 none 1 sasl 2 polkit",
    enums.TypedParameterType: "1 int 2 uint 3 llong 4 ullong 5 double 6 boolean 7 string",
    enums.ErrorLevel: "0 none 1 warning 2 error",
}

FLAGS: Mapping[type[OpenIntFlag], str] = {
    DomainStatsTypes: (
        "1 state 2 cpu_total 4 balloon 8 vcpu 16 interface 32 block 64 perf 128 iothread "
        "256 memory 512 dirtyrate 1024 vm"
    ),
    ConnectListAllDomainsFlags: (
        "1 active 2 inactive 4 persistent 8 transient 16 running 32 paused 64 shutoff 128 other "
        "256 managedsave 512 no_managedsave 1024 autostart 2048 no_autostart 4096 has_snapshot "
        "8192 no_snapshot 16384 has_checkpoint 32768 no_checkpoint"
    ),
    ConnectGetAllDomainStatsFlags: (
        "1 active 2 inactive 4 persistent 8 transient 16 running 32 paused 64 shutoff 128 other "
        "536870912 nowait 1073741824 backing 2147483648 enforce_stats"
    ),
    enums.DomainXMLFlags: "1 secure 2 inactive 4 update_cpu 8 migratable",
    enums.DomainGetJobStatsFlags: "1 completed 2 keep_completed",
    enums.DomainGuestInfoTypes: (
        "1 users 2 os 4 timezone 8 hostname 16 filesystem 32 disks 64 interfaces 128 load "
        "256 devices"
    ),
    enums.DomainMemoryFailureFlags: "1 action_required 2 recursive",
    enums.DomainModificationImpact: "1 live 2 config",
    enums.DomainVcpuFlags: "1 live 2 config 4 maximum 8 guest 16 hotpluggable",
    enums.DomainBlockJobInfoFlags: "1 bandwidth_bytes",
    enums.DomainMessageType: "1 deprecation 2 tainting 4 ioerrors",
    enums.DomainSnapshotListFlags: (
        "1 roots 2 metadata 4 leaves 8 no_leaves 16 no_metadata 32 inactive 64 active "
        "128 disk_only 256 internal 512 external 1024 topological"
    ),
    enums.DomainCheckpointListFlags: "1 roots 2 topological 4 leaves 8 no_leaves",
    enums.DomainGetHostnameFlags: "1 lease 2 agent",
    enums.StorageVolInfoFlags: "1 physical",
    enums.StorageXMLFlags: "1 inactive",
    enums.NetworkXMLFlags: "1 inactive",
    enums.InterfaceXMLFlags: "1 inactive",
    enums.ConnectListAllStoragePoolsFlags: (
        "1 inactive 2 active 4 persistent 8 transient 16 autostart 32 no_autostart 64 dir 128 fs "
        "256 netfs 512 logical 1024 disk 2048 iscsi 4096 scsi 8192 mpath 16384 rbd 32768 sheepdog "
        "65536 gluster 131072 zfs 262144 vstorage 524288 iscsi_direct"
    ),
    enums.ConnectListAllNetworksFlags: (
        "1 inactive 2 active 4 persistent 8 transient 16 autostart 32 no_autostart"
    ),
    enums.ConnectListAllInterfacesFlags: "1 inactive 2 active",
    enums.ConnectListAllNodeDeviceFlags: (
        "1 system 2 pci_dev 4 usb_dev 8 usb_interface 16 net 32 scsi_host 64 scsi_target 128 scsi "
        "256 storage 512 fc_host 1024 vports 2048 scsi_generic 4096 drm 8192 mdev_types 16384 mdev "
        "32768 ccw_dev 65536 css_dev 131072 vdpa 262144 ap_card 524288 ap_queue 1048576 ap_matrix "
        "2097152 vpd 4194304 ccwgroup_dev 8388608 ccwgroup_member 268435456 persistent "
        "536870912 transient 1073741824 inactive 2147483648 active"
    ),
    enums.ConnectListAllSecretsFlags: "1 ephemeral 2 no_ephemeral 4 private 8 no_private",
    enums.ConnectFlags: "1 ro 2 no_aliases",
    enums.TypedParameterFlags: "4 string_okay",
}

# The errors that the fact sheet of the wire protocol names, and the domains worth a label.
ERROR_NUMBERS = (
    "0 ok 1 internal_error 3 no_support 5 no_connect 8 invalid_arg 9 operation_failed "
    "29 operation_denied 38 system_error 39 rpc 42 no_domain 43 no_network 45 auth_failed "
    "49 no_storage_pool 50 no_storage_vol 53 no_node_device 55 operation_invalid 57 no_interface "
    "62 no_nwfilter 66 no_secret 67 config_unsupported 68 operation_timeout "
    "72 no_domain_snapshot 74 argument_unsupported 78 operation_aborted 79 auth_cancelled "
    "80 no_domain_metadata 84 operation_unsupported 85 ssh 86 agent_unresponsive "
    "87 resource_busy 88 access_denied 94 auth_unavailable 97 agent_unsynced 98 libssh "
    "99 device_missing 103 no_domain_checkpoint 104 no_domain_backup 108 no_hostname "
    "110 multiple_domains 111 no_network_metadata 112 agent_command_timeout "
    "113 agent_command_failed 114 invalid_encr_key_secret"
)
ERROR_DOMAINS = (
    "0 none 5 xml 6 dom 7 rpc 10 qemu 12 test 13 remote 17 lxc 18 storage 19 network 20 domain "
    "22 nodedev 26 interface 30 secret 33 nwfilter 38 streams 41 libxl 47 dbus 54 cgroup "
    "55 access 57 bhyve 60 polkit 62 admin 65 perf 67 resctrl 72 ch"
)


@pytest.mark.parametrize(("kind", "table"), TABLES.items(), ids=lambda value: str(value)[:40])
def test_members_are_libvirts_numbers_and_names(kind: type[OpenIntEnum], table: str) -> None:
    assert labels(kind) == table


@pytest.mark.parametrize(("kind", "table"), FLAGS.items(), ids=lambda value: str(value)[:40])
def test_flags_are_libvirts_bits_and_names(kind: type[OpenIntFlag], table: str) -> None:
    assert " ".join(f"{flag.value} {flag.name}" for flag in kind).lower() == table


def test_every_flag_type_is_in_the_table() -> None:
    assert set(OPEN_FLAGS) == set(FLAGS)


@pytest.mark.parametrize(
    ("kind", "table"), [(ErrorNumber, ERROR_NUMBERS), (enums.ErrorDomain, ERROR_DOMAINS)]
)
def test_error_numbers_and_domains_are_libvirts(kind: type[OpenIntEnum], table: str) -> None:
    words = table.split()
    for number, label in zip(words[::2], words[1::2], strict=True):
        assert kind(int(number)).label == label


@pytest.mark.parametrize("kind", OPEN_ENUMS)
def test_numbers_follow_each_other_without_a_gap(kind: type[OpenIntEnum]) -> None:
    values = [member.value for member in kind]
    assert values == list(range(values[0], values[0] + len(values)))
    assert values[0] in {0, 1}


@pytest.mark.parametrize(("state", "table"), STATE_REASONS.items())
def test_each_state_has_its_own_reasons(state: str, table: str) -> None:
    assert labels(DOMAIN_STATE_REASONS[DomainState[state.upper()]]) == table


@pytest.mark.parametrize(("event", "table"), EVENT_DETAILS.items())
def test_each_lifecycle_event_has_its_own_details(event: str, table: str) -> None:
    assert labels(DOMAIN_EVENT_DETAILS[DomainEventType[event.upper()]]) == table


def test_every_known_state_and_event_has_its_table() -> None:
    assert set(DOMAIN_STATE_REASONS) == set(DomainState)
    assert set(DOMAIN_EVENT_DETAILS) == set(DomainEventType)


def test_the_same_reason_number_means_what_the_state_says() -> None:
    assert domain_state_reason(DomainState.PAUSED, 1).label == "user"
    assert domain_state_reason(1, 1).label == "booted"
    assert domain_event_detail(DomainEventType.STOPPED, 1).label == "destroyed"


def test_reasons_of_an_unknown_state_are_unknown() -> None:
    assert domain_state_reason(17, 0).label == "unknown"
    assert domain_state_reason(17, 3).label == "unknown_3"
    assert domain_event_detail(17, 0).label == "unknown"
    assert domain_event_detail(17, 3).label == "unknown_3"


@given(INT32, INT32)
def test_every_number_has_a_label(first: int, second: int) -> None:
    assert DomainState(first).label
    assert domain_state_reason(first, second) == second
    assert domain_event_detail(first, second) == second


@given(st.sampled_from(OPEN_ENUMS), INT32)
def test_an_unknown_number_stays_the_number_it_is(kind: type[OpenIntEnum], number: int) -> None:
    member = kind(number)
    assert type(member) is kind
    assert member == number
    assert hash(member) == hash(number)
    assert member.value == number
    assert member == kind(number)
    assert f"{member}" == str(number)


def test_an_unknown_number_says_so_in_its_name_and_label() -> None:
    member = DomainState(17)
    assert member.name == "UNKNOWN_17"
    assert member.label == "unknown_17"
    assert repr(member) == "<DomainState.UNKNOWN_17: 17>"


def test_unknown_numbers_leave_nothing_behind() -> None:
    before = len(DomainState), len(DomainState._value2member_map_)
    for number in range(1000, 1100):
        DomainState(number)
    assert (len(DomainState), len(DomainState._value2member_map_)) == before


def test_an_unknown_member_survives_pickle_and_copy() -> None:
    member = DomainState(17)
    assert pickle.loads(pickle.dumps(member)) == member
    assert copy.deepcopy(member) == member


@pytest.mark.parametrize("value", ["running", None, 1.5])
def test_what_is_no_integer_is_no_member(value: Any) -> None:
    with pytest.raises(ValueError, match="DomainState"):
        DomainState(value)


@given(st.sampled_from(OPEN_FLAGS), st.integers(0, 2**32 - 1))
def test_flags_keep_the_bits_that_are_not_known(kind: type[OpenIntFlag], bits: int) -> None:
    assert int(kind(bits)) == bits


def test_stats_groups_combine() -> None:
    groups = DomainStatsTypes.STATE | DomainStatsTypes.VM
    assert groups == 1025
    assert isinstance(groups, DomainStatsTypes)
    assert DomainStatsTypes.BLOCK not in groups


def test_every_error_class_has_a_named_number() -> None:
    named = {number.value for number in ErrorNumber}
    assert set(errors._BY_CODE) <= named


def test_all_names_every_public_name() -> None:
    public = {
        name
        for name, value in vars(enums).items()
        if not name.startswith("_")
        and getattr(value, "__module__", enums.__name__) == enums.__name__
        and not isinstance(value, enum.FlagBoundary)
        and name != "annotations"
    }
    assert public == set(enums.__all__)
