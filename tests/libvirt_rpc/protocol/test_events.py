"""Every message byte for byte as libvirt lays it out, the table's numbers, and what decoding survives."""

from __future__ import annotations

import typing
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc import enums
from libvirt_rpc.enums import DomainEventID, TypedParameterType
from libvirt_rpc.errors import DecodeError
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.events import (
    EVENT_MESSAGES,
    EventMessage,
    UnknownEvent,
    decode_event,
    message_of,
)
from libvirt_rpc.protocol.typed_params import TypedParameter
from tests.support.event_messages import event_frame, event_message
from tests.support.strategies import mutations_of, values_of

IDENTITY = "00010203 04050607 08090a0b 0c0d0e0f"
UUID = uuid.UUID(IDENTITY.replace(" ", ""))
DOMAIN = t.Domain("vm-1", UUID, 7)
STOPPED = t.Domain("vm-1", UUID, -1)
NETWORK = t.Network("net", UUID)
POOL = t.StoragePool("pool", UUID)
DEVICE = t.NodeDevice("pci_0")
SECRET = t.Secret(UUID, 1, "vol")

CALLBACK_0 = "00000000"
CALLBACK_31 = "0000001f"
DOMAIN_WIRE = f"00000004 766d2d31 {IDENTITY} 00000007"  # its name, its UUID, its id
STOPPED_WIRE = f"00000004 766d2d31 {IDENTITY} ffffffff"
NETWORK_WIRE = f"00000003 6e657400 {IDENTITY}"
POOL_WIRE = f"00000004 706f6f6c {IDENTITY}"
DEVICE_WIRE = "00000005 7063695f 30000000"
SECRET_WIRE = f"{IDENTITY} 00000001 00000003 766f6c00"  # its UUID, its usage's type and id
ALIAS_WIRE = "0000000c 76697274 696f2d64 69736b30"  # "virtio-disk0"

# Every message once: its number, its event, and its bytes, a line a field in the order of the .x file.
WIRE: list[tuple[int, e.Event, list[str]]] = [
    (
        318,
        e.DomainLifecycleEvent(
            domain=STOPPED,
            event=enums.DomainEventType.STOPPED,
            detail=enums.DomainEventStoppedDetailType.CRASHED,
        ),
        [CALLBACK_0, STOPPED_WIRE, "00000005", "00000002"],
    ),
    (319, e.DomainRebootEvent(domain=DOMAIN), [CALLBACK_31, DOMAIN_WIRE]),
    (
        320,
        e.DomainRTCChangeEvent(domain=DOMAIN, offset_seconds=-2),
        [CALLBACK_31, DOMAIN_WIRE, "ffffffff fffffffe"],
    ),
    (
        321,
        e.DomainWatchdogEvent(domain=DOMAIN, action=enums.DomainEventWatchdogAction.INJECTNMI),
        [CALLBACK_31, DOMAIN_WIRE, "00000006"],
    ),
    (
        322,
        e.DomainIOErrorEvent(
            domain=DOMAIN,
            src_path="/vda",
            device_alias="virtio-disk0",
            action=enums.DomainEventIOErrorAction.PAUSE,
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000004 2f766461", ALIAS_WIRE, "00000001"],
    ),
    (
        323,
        e.DomainGraphicsEvent(
            domain=DOMAIN,
            phase=enums.DomainEventGraphicsPhase.INITIALIZE,
            local=e.GraphicsAddress(family=0, node="::1", service="5900"),
            remote=e.GraphicsAddress(family=1, node="::2", service="4000"),
            auth_scheme="vnc",
            subject=(e.GraphicsIdentity(type="sasl", name="joe"),),
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000001",  # phase
            "00000000 00000003 3a3a3100 00000004 35393030",  # local
            "00000001 00000003 3a3a3200 00000004 34303030",  # remote
            "00000003 766e6300",  # authScheme
            "00000001 00000004 7361736c 00000003 6a6f6500",  # subject
        ],
    ),
    (
        324,
        e.DomainIOErrorReasonEvent(
            domain=DOMAIN,
            src_path="/vda",
            device_alias="virtio-disk0",
            action=enums.DomainEventIOErrorAction.REPORT,
            reason="enospc",
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000004 2f766461",  # srcPath
            ALIAS_WIRE,  # devAlias
            "00000002",  # action
            "00000006 656e6f73 70630000",  # reason
        ],
    ),
    (325, e.DomainControlErrorEvent(domain=DOMAIN), [CALLBACK_31, DOMAIN_WIRE]),
    (
        326,
        e.DomainBlockJobEvent(
            domain=DOMAIN,
            path="/vda",
            type=enums.DomainBlockJobType.PULL,
            status=enums.ConnectDomainEventBlockJobStatus.FAILED,
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000004 2f766461", "00000001", "00000001"],
    ),
    (
        327,
        e.DomainDiskChangeEvent(
            domain=DOMAIN,
            old_src_path="/cd",
            new_src_path=None,
            device_alias="virtio-disk0",
            reason=enums.ConnectDomainEventDiskChangeReason.DROP_MISSING_ON_START,
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000001 00000003 2f636400",  # oldSrcPath, which is there
            "00000000",  # newSrcPath is not there
            ALIAS_WIRE,  # devAlias
            "00000001",  # reason
        ],
    ),
    (
        328,
        e.DomainTrayChangeEvent(
            domain=DOMAIN,
            device_alias="virtio-disk0",
            reason=enums.DomainEventTrayChangeReason.CLOSE,
        ),
        [CALLBACK_31, DOMAIN_WIRE, ALIAS_WIRE, "00000001"],
    ),
    # The reason stands before the domain in these three.
    (
        329,
        e.DomainPMWakeupEvent(reason=0, domain=DOMAIN),
        [CALLBACK_31, "00000000", DOMAIN_WIRE],
    ),
    (
        330,
        e.DomainPMSuspendEvent(reason=0, domain=DOMAIN),
        [CALLBACK_31, "00000000", DOMAIN_WIRE],
    ),
    (
        331,
        e.DomainBalloonChangeEvent(domain=DOMAIN, actual_kib=2**32 + 1),
        [CALLBACK_31, DOMAIN_WIRE, "00000001 00000001"],
    ),
    (
        332,
        e.DomainPMSuspendDiskEvent(reason=0, domain=DOMAIN),
        [CALLBACK_31, "00000000", DOMAIN_WIRE],
    ),
    (
        333,
        e.DomainDeviceRemovedEvent(domain=DOMAIN, device_alias="virtio-disk0"),
        [CALLBACK_31, DOMAIN_WIRE, ALIAS_WIRE],
    ),
    (
        339,
        e.DomainBlockJob2Event(
            domain=DOMAIN,
            dst="vda",
            type=enums.DomainBlockJobType.ACTIVE_COMMIT,
            status=enums.ConnectDomainEventBlockJobStatus.READY,
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000003 76646100", "00000004", "00000003"],
    ),
    (
        346,
        e.DomainTunableEvent(
            domain=DOMAIN,
            params=(TypedParameter("cputune.shares", TypedParameterType.ULLONG, 512),),
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000001",  # one parameter
            "0000000e 63707574 756e652e 73686172 65730000",  # field
            "00000004",  # type
            "00000000 00000200",  # value
        ],
    ),
    (
        348,
        e.DomainAgentLifecycleEvent(
            domain=DOMAIN,
            state=enums.ConnectDomainEventAgentLifecycleState.DISCONNECTED,
            reason=enums.ConnectDomainEventAgentLifecycleReason.DOMAIN_STARTED,
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000002", "00000001"],
    ),
    (
        354,
        e.DomainDeviceAddedEvent(domain=DOMAIN, device_alias="virtio-disk0"),
        [CALLBACK_31, DOMAIN_WIRE, ALIAS_WIRE],
    ),
    (
        359,
        e.DomainMigrationIterationEvent(domain=DOMAIN, iteration=3),
        [CALLBACK_31, DOMAIN_WIRE, "00000003"],
    ),
    (
        363,
        e.DomainJobCompletedEvent(
            domain=DOMAIN,
            params=(
                TypedParameter("operation", TypedParameterType.INT, 2),
                TypedParameter("success", TypedParameterType.BOOLEAN, True),
            ),
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000002",  # two parameters
            "00000009 6f706572 6174696f 6e000000 00000001 00000002",
            "00000007 73756363 65737300 00000006 00000001",
        ],
    ),
    (
        367,
        e.DomainDeviceRemovalFailedEvent(domain=DOMAIN, device_alias="virtio-disk0"),
        [CALLBACK_31, DOMAIN_WIRE, ALIAS_WIRE],
    ),
    (
        379,
        e.DomainMetadataChangeEvent(
            domain=DOMAIN, type=enums.DomainMetadataType.ELEMENT, nsuri="urn:x"
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000002", "00000001 00000005 75726e3a 78000000"],
    ),
    (
        385,
        e.DomainBlockThresholdEvent(
            domain=DOMAIN, dev="vda[1]", path=None, threshold=4096, excess=2**32
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000006 7664615b 315d0000",  # dev
            "00000000",  # path is not there
            "00000000 00001000",  # threshold
            "00000001 00000000",  # excess
        ],
    ),
    (
        423,
        e.DomainMemoryFailureEvent(
            domain=DOMAIN,
            recipient=enums.DomainMemoryFailureRecipientType.GUEST,
            action=enums.DomainMemoryFailureActionType.FATAL,
            flags=enums.DomainMemoryFailureFlags.ACTION_REQUIRED
            | enums.DomainMemoryFailureFlags.RECURSIVE,
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000001", "00000002", "00000003"],
    ),
    (
        438,
        e.DomainMemoryDeviceSizeChangeEvent(domain=DOMAIN, alias="ua-1", size=2**31),
        [CALLBACK_31, DOMAIN_WIRE, "00000004 75612d31", "00000000 80000000"],
    ),
    (
        453,
        e.DomainNICMACChangeEvent(
            domain=DOMAIN, alias="net0", old_mac="52:54:00:00:00:01", new_mac="52:54:00:00:00:02"
        ),
        [
            CALLBACK_31,
            DOMAIN_WIRE,
            "00000004 6e657430",  # alias
            "00000011 35323a35343a30303a30303a30303a3031 000000",  # oldMAC
            "00000011 35323a35343a30303a30303a30303a3032 000000",  # newMAC
        ],
    ),
    (
        454,
        e.DomainVcpuRemovedEvent(domain=DOMAIN, vcpuid=2**32 - 1),
        [CALLBACK_31, DOMAIN_WIRE, "ffffffff"],
    ),
    (
        455,
        e.DomainChannelLifecycleEvent(
            domain=DOMAIN,
            channel_name="org",
            state=enums.ConnectDomainEventAgentLifecycleState.CONNECTED,
            reason=enums.ConnectDomainEventAgentLifecycleReason.CHANNEL,
        ),
        [CALLBACK_31, DOMAIN_WIRE, "00000003 6f726700", "00000001", "00000002"],
    ),
    (
        315,
        e.NetworkLifecycleEvent(
            network=NETWORK, event=enums.NetworkEventLifecycleType.STARTED, detail=0
        ),
        [CALLBACK_0, NETWORK_WIRE, "00000002", "00000000"],
    ),
    (
        446,
        e.NetworkMetadataChangeEvent(
            network=NETWORK, type=enums.DomainMetadataType.TITLE, nsuri=None
        ),
        [CALLBACK_0, NETWORK_WIRE, "00000001", "00000000"],
    ),
    (
        370,
        e.StoragePoolLifecycleEvent(
            pool=POOL, event=enums.StoragePoolEventLifecycleType.DELETED, detail=0
        ),
        [CALLBACK_0, POOL_WIRE, "00000005", "00000000"],
    ),
    (373, e.StoragePoolRefreshEvent(pool=POOL), [CALLBACK_0, POOL_WIRE]),
    (
        376,
        e.NodeDeviceLifecycleEvent(
            device=DEVICE, event=enums.NodeDeviceEventLifecycleType.UNDEFINED, detail=0
        ),
        [CALLBACK_0, DEVICE_WIRE, "00000003", "00000000"],
    ),
    (377, e.NodeDeviceUpdateEvent(device=DEVICE), [CALLBACK_0, DEVICE_WIRE]),
    (
        382,
        e.SecretLifecycleEvent(
            secret=SECRET, event=enums.SecretEventLifecycleType.UNDEFINED, detail=0
        ),
        [CALLBACK_0, SECRET_WIRE, "00000001", "00000000"],
    ),
    (383, e.SecretValueChangedEvent(secret=SECRET), [CALLBACK_0, SECRET_WIRE]),
    # The only one without a callback ID.
    (362, e.ConnectionClosedEvent(reason=enums.ConnectCloseReason.KEEPALIVE), ["00000002"]),
]
NAMES = [type(event).__name__ for _, event, _ in WIRE]

MESSAGES = pytest.mark.parametrize("message", EVENT_MESSAGES.values(), ids=lambda one: one.name)


@pytest.mark.parametrize(("number", "event", "lines"), WIRE, ids=NAMES)
def test_a_message_decodes_as_the_protocol_lays_it_out(
    number: int, event: e.Event, lines: list[str]
) -> None:
    payload = bytes.fromhex(" ".join(lines))
    decoded = decode_event(event_message(number, payload))
    assert decoded == event
    # Equality does not tell an enum's member from a number, nor from another enum's member.
    assert repr(decoded) == repr(event)


def test_every_message_has_its_bytes_in_the_table() -> None:
    assert {(Program.REMOTE, number) for number, _, _ in WIRE} == set(EVENT_MESSAGES)
    assert {type(event) for _, event, _ in WIRE} == {one.kind for one in EVENT_MESSAGES.values()}


# The numbers once more, with the virDomainEventID that registers each: a slip has to be made twice.
IDS = (
    "318 lifecycle 319 reboot 320 rtc_change 321 watchdog 322 io_error 323 graphics "
    "324 io_error_reason 325 control_error 326 block_job 327 disk_change 328 tray_change "
    "329 pmwakeup 330 pmsuspend 331 balloon_change 332 pmsuspend_disk 333 device_removed "
    "339 block_job_2 346 tunable 348 agent_lifecycle 354 device_added 359 migration_iteration "
    "363 job_completed 367 device_removal_failed 379 metadata_change 385 block_threshold "
    "423 memory_failure 438 memory_device_size_change 453 nic_mac_change 454 vcpu_removed "
    "455 channel_lifecycle"
)


def test_every_domain_event_has_its_message() -> None:
    rows = [one for one in EVENT_MESSAGES.values() if one.id is not None]
    assert " ".join(f"{one.number} {one.id.label}" for one in rows if one.id is not None) == IDS
    assert sorted(one.id for one in rows if one.id is not None) == list(DomainEventID)
    for row in rows:
        assert row.id is not None
        assert row.name.removeprefix("DOMAIN_EVENT_").removeprefix("CALLBACK_") == row.id.name


def test_the_unions_have_every_event() -> None:
    rows = EVENT_MESSAGES.values()
    assert set(typing.get_args(e.Event)) == {one.kind for one in rows}
    domain_events = set(typing.get_args(e.DomainEvent))
    assert domain_events == {one.kind for one in rows if one.id is not None}
    for kind in domain_events:
        assert typing.get_type_hints(kind)["domain"] is t.Domain


def test_an_event_knows_its_message() -> None:
    for number, event, _ in WIRE:
        assert message_of(event) is EVENT_MESSAGES[Program.REMOTE, number]


# What decoding survives.


@MESSAGES
@settings(max_examples=25)
@given(data=st.data())
def test_any_event_comes_back_from_its_message(
    message: EventMessage[Any], data: st.DataObject
) -> None:
    event = data.draw(values_of(message.kind))
    callback_id = data.draw(st.integers(-(2**31), 2**31 - 1))
    frame = event_frame(event, callback_id=callback_id)
    decoded = decode_event(frame)
    assert not isinstance(decoded, UnknownEvent)
    assert type(decoded) is message.kind
    # Bytes, for a NaN among typed parameters equals nothing.
    assert event_frame(decoded, callback_id=callback_id) == frame


@MESSAGES
@settings(max_examples=25)
@given(data=st.data())
def test_any_body_is_an_event_or_a_decode_error(
    message: EventMessage[Any], data: st.DataObject
) -> None:
    written = values_of(message.kind).map(lambda event: event_frame(event).payload)
    payload = data.draw(st.binary(max_size=200) | mutations_of(written))
    try:
        event = decode_event(event_message(message.number, payload))
    except DecodeError:
        return
    assert type(event) is message.kind


@pytest.mark.parametrize(("number", "event", "lines"), WIRE, ids=NAMES)
def test_a_body_that_is_cut_or_too_long_is_no_event(
    number: int, event: e.Event, lines: list[str]
) -> None:
    payload = bytes.fromhex(" ".join(lines))
    for length in range(len(payload)):
        with pytest.raises(DecodeError):
            decode_event(event_message(number, payload[:length]))
    with pytest.raises(DecodeError, match="4 bytes are left over"):
        decode_event(event_message(number, payload + bytes(4)))


@given(number=st.integers(-(2**31), 2**31 - 1), payload=st.binary(max_size=100))
def test_an_unknown_message_is_left_as_it_is(number: int, payload: bytes) -> None:
    if (Program.REMOTE, number) not in EVENT_MESSAGES:
        expected = UnknownEvent(Program.REMOTE, number)
        assert decode_event(event_message(number, payload)) == expected
    frame = event_message(number, payload, program=Program.QEMU)
    assert decode_event(frame) == UnknownEvent(Program.QEMU, number)


def test_unknown_numbers_within_a_message_are_kept() -> None:
    fields = ["00000010", "00000011"]
    payload = bytes.fromhex(" ".join([CALLBACK_0, DOMAIN_WIRE, *fields]))
    lifecycle = decode_event(event_message(318, payload))
    assert isinstance(lifecycle, e.DomainLifecycleEvent)
    assert (lifecycle.event.label, lifecycle.detail.label) == ("unknown_16", "unknown_17")
    failure = decode_event(event_message(423, payload + bytes.fromhex("80000001")))
    assert isinstance(failure, e.DomainMemoryFailureEvent)
    assert (failure.recipient.label, failure.action.label) == ("unknown_16", "unknown_17")
    assert failure.flags == 0x8000_0001
    assert enums.DomainMemoryFailureFlags.ACTION_REQUIRED in failure.flags


@pytest.mark.parametrize(
    ("event", "detail", "label"),
    [
        (enums.DomainEventType.STARTED, 5, "recreated"),
        (enums.DomainEventType.SUSPENDED, 2, "ioerror"),
        (enums.DomainEventType.CRASHED, 0, "panicked"),
        (enums.DomainEventType.STARTED, 99, "unknown_99"),
    ],
)
def test_a_lifecycle_event_s_detail_has_its_name(
    event: enums.DomainEventType, detail: int, label: str
) -> None:
    tail = bytes.fromhex(CALLBACK_0 + DOMAIN_WIRE) + event.to_bytes(4) + detail.to_bytes(4)
    decoded = decode_event(event_message(318, tail))
    assert isinstance(decoded, e.DomainLifecycleEvent)
    assert decoded.event is event
    assert decoded.detail.label == label


@pytest.mark.parametrize(
    ("number", "limit", "head"),
    [
        (346, 2048, [CALLBACK_0, DOMAIN_WIRE]),
        (363, 64, [CALLBACK_0, DOMAIN_WIRE]),
        (323, 20, [CALLBACK_0, DOMAIN_WIRE, *["00000000"] * 8]),
    ],
)
def test_a_list_longer_than_the_protocol_allows_is_refused(
    number: int, limit: int, head: list[str]
) -> None:
    payload = bytes.fromhex(" ".join(head)) + (limit + 1).to_bytes(4) + bytes(100_000)
    with pytest.raises(DecodeError, match=f"{limit + 1} items where {limit} are allowed"):
        decode_event(event_message(number, payload))


def test_events_cannot_be_changed_and_serve_as_keys() -> None:
    reboot: Any = e.DomainRebootEvent(DOMAIN)
    with pytest.raises(AttributeError):
        reboot.domain = STOPPED
    assert {reboot: 1}[e.DomainRebootEvent(DOMAIN)] == 1
