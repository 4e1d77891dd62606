"""The messages that a daemon sends by itself: a line a message, each decoded into a value of its own.

A frame goes in; its event comes out, or UnknownEvent for a number that is not known here. Only the
messages of the registrations by callback are known; what the older calls register nobody asks for.
Source: remote_protocol.x. The domain of an event has the id -1 where it does not run any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Generic, TypeVar

from libvirt_rpc.enums import (
    ConnectCloseReason,
    ConnectDomainEventAgentLifecycleReason,
    ConnectDomainEventAgentLifecycleState,
    ConnectDomainEventBlockJobStatus,
    ConnectDomainEventDiskChangeReason,
    DomainBlockJobType,
    DomainEventGraphicsPhase,
    DomainEventID,
    DomainEventIOErrorAction,
    DomainEventTrayChangeReason,
    DomainEventType,
    DomainEventUnknownDetailType,
    DomainEventWatchdogAction,
    DomainMemoryFailureActionType,
    DomainMemoryFailureFlags,
    DomainMemoryFailureRecipientType,
    DomainMetadataType,
    NetworkEventLifecycleType,
    NodeDeviceEventLifecycleType,
    OpenIntEnum,
    OpenIntFlag,
    SecretEventLifecycleType,
    StoragePoolEventLifecycleType,
    domain_event_detail,
)
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import (
    EVENT_GRAPHICS_SUBJECTS_MAX,
    JOB_STATS_MAX,
    TUNABLE_EVENT_MAX,
    Program,
)
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedParameter
from libvirt_rpc.protocol.xdr import (
    INT,
    Array,
    Codec,
    Hyper,
    Int,
    OptionalText,
    Struct,
    Text,
    UnsignedHyper,
    UnsignedInt,
)

E = TypeVar("E", bound=Struct)


class Enumeration(xdr.Integer):
    """An int, or `signed=False` an unsigned one, that is a member of `kind`, known or not."""

    def __init__(self, kind: type[OpenIntEnum | OpenIntFlag], *, signed: bool = True) -> None:
        super().__init__(32, signed=signed)
        self.kind = kind

    def decode(self, reader: xdr.Reader) -> int:
        return self.kind(super().decode(reader))


# Domain events


@dataclass(frozen=True, slots=True)
class DomainLifecycleEvent(Struct):
    """remote_domain_event_lifecycle_msg. The enum of `detail` goes with `event`."""

    domain: t.Domain
    event: Annotated[DomainEventType, Enumeration(DomainEventType)]
    detail: Annotated[OpenIntEnum, Enumeration(DomainEventUnknownDetailType)]

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", domain_event_detail(self.event, self.detail))


@dataclass(frozen=True, slots=True)
class DomainRebootEvent(Struct):
    """remote_domain_event_reboot_msg."""

    domain: t.Domain


@dataclass(frozen=True, slots=True)
class DomainRTCChangeEvent(Struct):
    """remote_domain_event_rtc_change_msg: the guest's clock is `offset_seconds` from UTC now."""

    domain: t.Domain
    offset_seconds: Hyper


@dataclass(frozen=True, slots=True)
class DomainWatchdogEvent(Struct):
    """remote_domain_event_watchdog_msg."""

    domain: t.Domain
    action: Annotated[DomainEventWatchdogAction, Enumeration(DomainEventWatchdogAction)]


@dataclass(frozen=True, slots=True)
class DomainIOErrorEvent(Struct):
    """remote_domain_event_io_error_msg; DomainIOErrorReasonEvent says why, too."""

    domain: t.Domain
    src_path: Text
    device_alias: Text
    action: Annotated[DomainEventIOErrorAction, Enumeration(DomainEventIOErrorAction)]


@dataclass(frozen=True, slots=True)
class GraphicsAddress(Struct):
    """remote_domain_event_graphics_address."""

    family: Int
    node: Text
    service: Text


@dataclass(frozen=True, slots=True)
class GraphicsIdentity(Struct):
    """remote_domain_event_graphics_identity: who the client is, such as `x509dname` and a name."""

    type: Text
    name: Text


@dataclass(frozen=True, slots=True)
class DomainGraphicsEvent(Struct):
    """remote_domain_event_graphics_msg."""

    domain: t.Domain
    phase: Annotated[DomainEventGraphicsPhase, Enumeration(DomainEventGraphicsPhase)]
    local: GraphicsAddress
    remote: GraphicsAddress
    auth_scheme: Text
    subject: Annotated[
        tuple[GraphicsIdentity, ...], Array(GraphicsIdentity, EVENT_GRAPHICS_SUBJECTS_MAX)
    ]


@dataclass(frozen=True, slots=True)
class DomainIOErrorReasonEvent(Struct):
    """remote_domain_event_io_error_reason_msg: `reason` is `enospc`, `message` or empty.

    Daemons that say `message` (12.8.0) keep the error's text for virDomainGetMessages.
    """

    domain: t.Domain
    src_path: Text
    device_alias: Text
    action: Annotated[DomainEventIOErrorAction, Enumeration(DomainEventIOErrorAction)]
    reason: Text


@dataclass(frozen=True, slots=True)
class DomainControlErrorEvent(Struct):
    """remote_domain_event_control_error_msg: libvirt does not get through to the hypervisor's monitor."""

    domain: t.Domain


@dataclass(frozen=True, slots=True)
class DomainBlockJobEvent(Struct):
    """remote_domain_event_block_job_msg; DomainBlockJob2Event names the disk instead of its image."""

    domain: t.Domain
    path: Text
    type: Annotated[DomainBlockJobType, Enumeration(DomainBlockJobType)]
    status: Annotated[
        ConnectDomainEventBlockJobStatus, Enumeration(ConnectDomainEventBlockJobStatus)
    ]


@dataclass(frozen=True, slots=True)
class DomainDiskChangeEvent(Struct):
    """remote_domain_event_disk_change_msg."""

    domain: t.Domain
    old_src_path: OptionalText
    new_src_path: OptionalText
    device_alias: Text
    reason: Annotated[
        ConnectDomainEventDiskChangeReason, Enumeration(ConnectDomainEventDiskChangeReason)
    ]


@dataclass(frozen=True, slots=True)
class DomainTrayChangeEvent(Struct):
    """remote_domain_event_tray_change_msg."""

    domain: t.Domain
    device_alias: Text
    reason: Annotated[DomainEventTrayChangeReason, Enumeration(DomainEventTrayChangeReason)]


@dataclass(frozen=True, slots=True)
class DomainPMWakeupEvent(Struct):
    """remote_domain_event_callback_pmwakeup_msg: libvirt knows no reasons and sends 0."""

    reason: Int
    domain: t.Domain


@dataclass(frozen=True, slots=True)
class DomainPMSuspendEvent(Struct):
    """remote_domain_event_callback_pmsuspend_msg: libvirt knows no reasons and sends 0."""

    reason: Int
    domain: t.Domain


@dataclass(frozen=True, slots=True)
class DomainBalloonChangeEvent(Struct):
    """remote_domain_event_balloon_change_msg."""

    domain: t.Domain
    actual_kib: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainPMSuspendDiskEvent(Struct):
    """remote_domain_event_callback_pmsuspend_disk_msg: libvirt knows no reasons and sends 0."""

    reason: Int
    domain: t.Domain


@dataclass(frozen=True, slots=True)
class DomainDeviceRemovedEvent(Struct):
    """remote_domain_event_device_removed_msg."""

    domain: t.Domain
    device_alias: Text


@dataclass(frozen=True, slots=True)
class DomainBlockJob2Event(Struct):
    """remote_domain_event_block_job_2_msg: `dst` is the disk's target, such as `vda`."""

    domain: t.Domain
    dst: Text
    type: Annotated[DomainBlockJobType, Enumeration(DomainBlockJobType)]
    status: Annotated[
        ConnectDomainEventBlockJobStatus, Enumeration(ConnectDomainEventBlockJobStatus)
    ]


@dataclass(frozen=True, slots=True)
class DomainTunableEvent(Struct):
    """remote_domain_event_callback_tunable_msg."""

    domain: t.Domain
    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, TUNABLE_EVENT_MAX)]


@dataclass(frozen=True, slots=True)
class DomainAgentLifecycleEvent(Struct):
    """remote_domain_event_callback_agent_lifecycle_msg."""

    domain: t.Domain
    state: Annotated[
        ConnectDomainEventAgentLifecycleState, Enumeration(ConnectDomainEventAgentLifecycleState)
    ]
    reason: Annotated[
        ConnectDomainEventAgentLifecycleReason, Enumeration(ConnectDomainEventAgentLifecycleReason)
    ]


@dataclass(frozen=True, slots=True)
class DomainDeviceAddedEvent(Struct):
    """remote_domain_event_callback_device_added_msg."""

    domain: t.Domain
    device_alias: Text


@dataclass(frozen=True, slots=True)
class DomainMigrationIterationEvent(Struct):
    """remote_domain_event_callback_migration_iteration_msg."""

    domain: t.Domain
    iteration: Int


@dataclass(frozen=True, slots=True)
class DomainJobCompletedEvent(Struct):
    """remote_domain_event_callback_job_completed_msg: the statistics of the job, failed ones too."""

    domain: t.Domain
    params: Annotated[tuple[TypedParameter, ...], Array(TYPED_PARAMETER, JOB_STATS_MAX)]


@dataclass(frozen=True, slots=True)
class DomainDeviceRemovalFailedEvent(Struct):
    """remote_domain_event_callback_device_removal_failed_msg."""

    domain: t.Domain
    device_alias: Text


@dataclass(frozen=True, slots=True)
class DomainMetadataChangeEvent(Struct):
    """remote_domain_event_callback_metadata_change_msg: `nsuri` is there with the type ELEMENT."""

    domain: t.Domain
    type: Annotated[DomainMetadataType, Enumeration(DomainMetadataType)]
    nsuri: OptionalText


@dataclass(frozen=True, slots=True)
class DomainBlockThresholdEvent(Struct):
    """remote_domain_event_block_threshold_msg: `dev` was written `excess` bytes above `threshold`."""

    domain: t.Domain
    dev: Text
    path: OptionalText
    threshold: UnsignedHyper
    excess: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainMemoryFailureEvent(Struct):
    """remote_domain_event_memory_failure_msg."""

    domain: t.Domain
    recipient: Annotated[
        DomainMemoryFailureRecipientType, Enumeration(DomainMemoryFailureRecipientType)
    ]
    action: Annotated[DomainMemoryFailureActionType, Enumeration(DomainMemoryFailureActionType)]
    flags: Annotated[DomainMemoryFailureFlags, Enumeration(DomainMemoryFailureFlags, signed=False)]


@dataclass(frozen=True, slots=True)
class DomainMemoryDeviceSizeChangeEvent(Struct):
    """remote_domain_event_memory_device_size_change_msg."""

    domain: t.Domain
    alias: Text
    size: UnsignedHyper


@dataclass(frozen=True, slots=True)
class DomainNICMACChangeEvent(Struct):
    """remote_domain_event_nic_mac_change_msg."""

    domain: t.Domain
    alias: Text
    old_mac: Text
    new_mac: Text


@dataclass(frozen=True, slots=True)
class DomainVcpuRemovedEvent(Struct):
    """remote_domain_event_vcpu_removed_msg."""

    domain: t.Domain
    vcpuid: UnsignedInt


@dataclass(frozen=True, slots=True)
class DomainChannelLifecycleEvent(Struct):
    """remote_domain_event_channel_lifecycle_msg: states and reasons are numbered as the agent's."""

    domain: t.Domain
    channel_name: Text
    state: Annotated[
        ConnectDomainEventAgentLifecycleState, Enumeration(ConnectDomainEventAgentLifecycleState)
    ]
    reason: Annotated[
        ConnectDomainEventAgentLifecycleReason, Enumeration(ConnectDomainEventAgentLifecycleReason)
    ]


DomainEvent = (
    DomainLifecycleEvent
    | DomainRebootEvent
    | DomainRTCChangeEvent
    | DomainWatchdogEvent
    | DomainIOErrorEvent
    | DomainGraphicsEvent
    | DomainIOErrorReasonEvent
    | DomainControlErrorEvent
    | DomainBlockJobEvent
    | DomainDiskChangeEvent
    | DomainTrayChangeEvent
    | DomainPMWakeupEvent
    | DomainPMSuspendEvent
    | DomainBalloonChangeEvent
    | DomainPMSuspendDiskEvent
    | DomainDeviceRemovedEvent
    | DomainBlockJob2Event
    | DomainTunableEvent
    | DomainAgentLifecycleEvent
    | DomainDeviceAddedEvent
    | DomainMigrationIterationEvent
    | DomainJobCompletedEvent
    | DomainDeviceRemovalFailedEvent
    | DomainMetadataChangeEvent
    | DomainBlockThresholdEvent
    | DomainMemoryFailureEvent
    | DomainMemoryDeviceSizeChangeEvent
    | DomainNICMACChangeEvent
    | DomainVcpuRemovedEvent
    | DomainChannelLifecycleEvent
)
"""What happened to one domain: each has `domain`."""


# Events of other objects


@dataclass(frozen=True, slots=True)
class NetworkLifecycleEvent(Struct):
    """remote_network_event_lifecycle_msg: libvirt knows no details and sends 0."""

    network: t.Network
    event: Annotated[NetworkEventLifecycleType, Enumeration(NetworkEventLifecycleType)]
    detail: Int


@dataclass(frozen=True, slots=True)
class NetworkMetadataChangeEvent(Struct):
    """remote_network_event_callback_metadata_change_msg: `type` is numbered as the domains'."""

    network: t.Network
    type: Annotated[DomainMetadataType, Enumeration(DomainMetadataType)]
    nsuri: OptionalText


@dataclass(frozen=True, slots=True)
class StoragePoolLifecycleEvent(Struct):
    """remote_storage_pool_event_lifecycle_msg: libvirt knows no details and sends 0."""

    pool: t.StoragePool
    event: Annotated[StoragePoolEventLifecycleType, Enumeration(StoragePoolEventLifecycleType)]
    detail: Int


@dataclass(frozen=True, slots=True)
class StoragePoolRefreshEvent(Struct):
    """remote_storage_pool_event_refresh_msg."""

    pool: t.StoragePool


@dataclass(frozen=True, slots=True)
class NodeDeviceLifecycleEvent(Struct):
    """remote_node_device_event_lifecycle_msg: libvirt knows no details and sends 0."""

    device: t.NodeDevice
    event: Annotated[NodeDeviceEventLifecycleType, Enumeration(NodeDeviceEventLifecycleType)]
    detail: Int


@dataclass(frozen=True, slots=True)
class NodeDeviceUpdateEvent(Struct):
    """remote_node_device_event_update_msg."""

    device: t.NodeDevice


@dataclass(frozen=True, slots=True)
class SecretLifecycleEvent(Struct):
    """remote_secret_event_lifecycle_msg: libvirt knows no details and sends 0."""

    secret: t.Secret
    event: Annotated[SecretEventLifecycleType, Enumeration(SecretEventLifecycleType)]
    detail: Int


@dataclass(frozen=True, slots=True)
class SecretValueChangedEvent(Struct):
    """remote_secret_event_value_changed_msg."""

    secret: t.Secret


@dataclass(frozen=True, slots=True)
class ConnectionClosedEvent(Struct):
    """remote_connect_event_connection_closed_msg: the daemon's own connection to a hypervisor ended."""

    reason: Annotated[ConnectCloseReason, Enumeration(ConnectCloseReason)]


Event = (
    DomainEvent
    | NetworkLifecycleEvent
    | NetworkMetadataChangeEvent
    | StoragePoolLifecycleEvent
    | StoragePoolRefreshEvent
    | NodeDeviceLifecycleEvent
    | NodeDeviceUpdateEvent
    | SecretLifecycleEvent
    | SecretValueChangedEvent
    | ConnectionClosedEvent
)


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A message that is not known here, left undecoded."""

    program: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class EventMessage(Generic[E]):
    """One message: its number, its event, and the virDomainEventID that registers a domain's.

    A callback ID stands before the event but in CONNECTION_CLOSED; it says nothing, for a connection
    registers each event once.
    """

    number: int
    name: str
    kind: type[E]
    id: DomainEventID | None = None
    has_callback_id: bool = True


# fmt: off
_MESSAGES: tuple[EventMessage[Event], ...] = (
    EventMessage(318, "DOMAIN_EVENT_CALLBACK_LIFECYCLE", DomainLifecycleEvent, DomainEventID.LIFECYCLE),
    EventMessage(319, "DOMAIN_EVENT_CALLBACK_REBOOT", DomainRebootEvent, DomainEventID.REBOOT),
    EventMessage(320, "DOMAIN_EVENT_CALLBACK_RTC_CHANGE", DomainRTCChangeEvent, DomainEventID.RTC_CHANGE),
    EventMessage(321, "DOMAIN_EVENT_CALLBACK_WATCHDOG", DomainWatchdogEvent, DomainEventID.WATCHDOG),
    EventMessage(322, "DOMAIN_EVENT_CALLBACK_IO_ERROR", DomainIOErrorEvent, DomainEventID.IO_ERROR),
    EventMessage(323, "DOMAIN_EVENT_CALLBACK_GRAPHICS", DomainGraphicsEvent, DomainEventID.GRAPHICS),
    EventMessage(324, "DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON", DomainIOErrorReasonEvent, DomainEventID.IO_ERROR_REASON),
    EventMessage(325, "DOMAIN_EVENT_CALLBACK_CONTROL_ERROR", DomainControlErrorEvent, DomainEventID.CONTROL_ERROR),
    EventMessage(326, "DOMAIN_EVENT_CALLBACK_BLOCK_JOB", DomainBlockJobEvent, DomainEventID.BLOCK_JOB),
    EventMessage(327, "DOMAIN_EVENT_CALLBACK_DISK_CHANGE", DomainDiskChangeEvent, DomainEventID.DISK_CHANGE),
    EventMessage(328, "DOMAIN_EVENT_CALLBACK_TRAY_CHANGE", DomainTrayChangeEvent, DomainEventID.TRAY_CHANGE),
    EventMessage(329, "DOMAIN_EVENT_CALLBACK_PMWAKEUP", DomainPMWakeupEvent, DomainEventID.PMWAKEUP),
    EventMessage(330, "DOMAIN_EVENT_CALLBACK_PMSUSPEND", DomainPMSuspendEvent, DomainEventID.PMSUSPEND),
    EventMessage(331, "DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE", DomainBalloonChangeEvent, DomainEventID.BALLOON_CHANGE),
    EventMessage(332, "DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK", DomainPMSuspendDiskEvent, DomainEventID.PMSUSPEND_DISK),
    EventMessage(333, "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED", DomainDeviceRemovedEvent, DomainEventID.DEVICE_REMOVED),
    EventMessage(339, "DOMAIN_EVENT_BLOCK_JOB_2", DomainBlockJob2Event, DomainEventID.BLOCK_JOB_2),
    EventMessage(346, "DOMAIN_EVENT_CALLBACK_TUNABLE", DomainTunableEvent, DomainEventID.TUNABLE),
    EventMessage(348, "DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE", DomainAgentLifecycleEvent, DomainEventID.AGENT_LIFECYCLE),
    EventMessage(354, "DOMAIN_EVENT_CALLBACK_DEVICE_ADDED", DomainDeviceAddedEvent, DomainEventID.DEVICE_ADDED),
    EventMessage(359, "DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION", DomainMigrationIterationEvent, DomainEventID.MIGRATION_ITERATION),
    EventMessage(363, "DOMAIN_EVENT_CALLBACK_JOB_COMPLETED", DomainJobCompletedEvent, DomainEventID.JOB_COMPLETED),
    EventMessage(367, "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED", DomainDeviceRemovalFailedEvent, DomainEventID.DEVICE_REMOVAL_FAILED),
    EventMessage(379, "DOMAIN_EVENT_CALLBACK_METADATA_CHANGE", DomainMetadataChangeEvent, DomainEventID.METADATA_CHANGE),
    EventMessage(385, "DOMAIN_EVENT_BLOCK_THRESHOLD", DomainBlockThresholdEvent, DomainEventID.BLOCK_THRESHOLD),
    EventMessage(423, "DOMAIN_EVENT_MEMORY_FAILURE", DomainMemoryFailureEvent, DomainEventID.MEMORY_FAILURE),
    EventMessage(438, "DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE", DomainMemoryDeviceSizeChangeEvent, DomainEventID.MEMORY_DEVICE_SIZE_CHANGE),
    EventMessage(453, "DOMAIN_EVENT_NIC_MAC_CHANGE", DomainNICMACChangeEvent, DomainEventID.NIC_MAC_CHANGE),
    EventMessage(454, "DOMAIN_EVENT_VCPU_REMOVED", DomainVcpuRemovedEvent, DomainEventID.VCPU_REMOVED),
    EventMessage(455, "DOMAIN_EVENT_CHANNEL_LIFECYCLE", DomainChannelLifecycleEvent, DomainEventID.CHANNEL_LIFECYCLE),
    EventMessage(315, "NETWORK_EVENT_LIFECYCLE", NetworkLifecycleEvent),
    EventMessage(446, "NETWORK_EVENT_CALLBACK_METADATA_CHANGE", NetworkMetadataChangeEvent),
    EventMessage(370, "STORAGE_POOL_EVENT_LIFECYCLE", StoragePoolLifecycleEvent),
    EventMessage(373, "STORAGE_POOL_EVENT_REFRESH", StoragePoolRefreshEvent),
    EventMessage(376, "NODE_DEVICE_EVENT_LIFECYCLE", NodeDeviceLifecycleEvent),
    EventMessage(377, "NODE_DEVICE_EVENT_UPDATE", NodeDeviceUpdateEvent),
    EventMessage(382, "SECRET_EVENT_LIFECYCLE", SecretLifecycleEvent),
    EventMessage(383, "SECRET_EVENT_VALUE_CHANGED", SecretValueChangedEvent),
    EventMessage(362, "CONNECT_EVENT_CONNECTION_CLOSED", ConnectionClosedEvent, has_callback_id=False),
)
# fmt: on

EVENT_MESSAGES: Mapping[tuple[int, int], EventMessage[Event]] = MappingProxyType(
    {(Program.REMOTE, message.number): message for message in _MESSAGES}
)
"""Every message by (program, number)."""


class _Body(Codec[E]):
    """A message's payload: its event, behind the callback ID where there is one."""

    def __init__(self, message: EventMessage[E]) -> None:
        self._has_callback_id = message.has_callback_id
        self._event: Codec[E] = xdr.codec_of(message.kind)

    def decode(self, reader: xdr.Reader) -> E:
        if self._has_callback_id:
            INT.decode(reader)
        return self._event.decode(reader)


_BODIES: Mapping[tuple[int, int], _Body[Event]] = MappingProxyType(
    {key: _Body(message) for key, message in EVENT_MESSAGES.items()}
)
_BY_KIND: Mapping[type[Struct], EventMessage[Event]] = MappingProxyType(
    {message.kind: message for message in _MESSAGES}
)


def decode_event(frame: Frame) -> Event | UnknownEvent:
    """The event that a message is. Raises DecodeError for a body that is none; the stream stays whole."""
    body = _BODIES.get((frame.program, frame.procedure))
    if body is None:
        return UnknownEvent(frame.program, frame.procedure)
    return xdr.decode(body, frame.payload)


def message_of(event: Event) -> EventMessage[Event]:
    """The message that carries such an event."""
    return _BY_KIND[type(event)]
