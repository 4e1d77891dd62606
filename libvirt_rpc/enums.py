"""libvirt's public enums, under libvirt's names without their prefixes.

Numbers that a newer daemon sends and that are not known here are kept, never refused: they become
pseudo-members named `UNKNOWN_<n>`, flags keep the unknown bits. Each docstring names the C type.
Source: libvirt's public headers, 9.0.0 to 12.8.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import KEEP, IntEnum, IntFlag
from types import MappingProxyType
from typing import Self

__all__ = [
    "DOMAIN_EVENT_DETAILS",
    "DOMAIN_STATE_REASONS",
    "AuthType",
    "ConnectCloseReason",
    "ConnectDomainEventAgentLifecycleReason",
    "ConnectDomainEventAgentLifecycleState",
    "ConnectDomainEventBlockJobStatus",
    "ConnectDomainEventDiskChangeReason",
    "ConnectFlags",
    "ConnectGetAllDomainStatsFlags",
    "ConnectListAllDomainsFlags",
    "ConnectListAllInterfacesFlags",
    "ConnectListAllNetworksFlags",
    "ConnectListAllNodeDeviceFlags",
    "ConnectListAllSecretsFlags",
    "ConnectListAllStoragePoolsFlags",
    "DomainBlockJobInfoFlags",
    "DomainBlockJobType",
    "DomainBlockedReason",
    "DomainCheckpointListFlags",
    "DomainControlErrorReason",
    "DomainControlState",
    "DomainCrashedReason",
    "DomainDiskErrorCode",
    "DomainEventCrashedDetailType",
    "DomainEventDefinedDetailType",
    "DomainEventGraphicsPhase",
    "DomainEventID",
    "DomainEventIOErrorAction",
    "DomainEventPMSuspendedDetailType",
    "DomainEventResumedDetailType",
    "DomainEventShutdownDetailType",
    "DomainEventStartedDetailType",
    "DomainEventStoppedDetailType",
    "DomainEventSuspendedDetailType",
    "DomainEventTrayChangeReason",
    "DomainEventType",
    "DomainEventUndefinedDetailType",
    "DomainEventUnknownDetailType",
    "DomainEventWatchdogAction",
    "DomainGetHostnameFlags",
    "DomainGetJobStatsFlags",
    "DomainGuestInfoTypes",
    "DomainInterfaceAddressesSource",
    "DomainJobOperation",
    "DomainJobType",
    "DomainMemoryFailureActionType",
    "DomainMemoryFailureFlags",
    "DomainMemoryFailureRecipientType",
    "DomainMemoryStatTags",
    "DomainMessageType",
    "DomainMetadataType",
    "DomainModificationImpact",
    "DomainNostateReason",
    "DomainPMSuspendedReason",
    "DomainPausedReason",
    "DomainRunningReason",
    "DomainShutdownReason",
    "DomainShutoffReason",
    "DomainSnapshotListFlags",
    "DomainState",
    "DomainStatsTypes",
    "DomainVcpuFlags",
    "DomainXMLFlags",
    "ErrorDomain",
    "ErrorLevel",
    "ErrorNumber",
    "IPAddrType",
    "InterfaceXMLFlags",
    "NetworkEventID",
    "NetworkEventLifecycleType",
    "NetworkXMLFlags",
    "NodeDeviceEventID",
    "NodeDeviceEventLifecycleType",
    "OpenIntEnum",
    "OpenIntFlag",
    "SecretEventID",
    "SecretEventLifecycleType",
    "SecretUsageType",
    "StoragePoolEventID",
    "StoragePoolEventLifecycleType",
    "StoragePoolState",
    "StorageVolInfoFlags",
    "StorageVolType",
    "StorageXMLFlags",
    "TypedParameterFlags",
    "TypedParameterType",
    "VcpuState",
    "domain_event_detail",
    "domain_state_reason",
]


class OpenIntEnum(IntEnum):
    """An enum that takes every integer: the unknown ones become members named `UNKNOWN_<n>`."""

    @property
    def label(self) -> str:
        """The name as a metric's label value: `pmsuspended`, `unknown_17`."""
        return self.name.lower()

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # The member is made anew each time: a cache would grow with whatever the peer sends.
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{int(value)}"
        member._value_ = int(value)
        return member


class OpenIntFlag(IntFlag, boundary=KEEP):
    """Flags that keep the bits that are not known here."""


# Domains: state, reasons, virtual CPUs


class DomainState(OpenIntEnum):
    """virDomainState."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PMSUSPENDED = 7


class DomainNostateReason(OpenIntEnum):
    """virDomainNostateReason."""

    UNKNOWN = 0


class DomainRunningReason(OpenIntEnum):
    """virDomainRunningReason."""

    UNKNOWN = 0
    BOOTED = 1
    MIGRATED = 2
    RESTORED = 3
    FROM_SNAPSHOT = 4
    UNPAUSED = 5
    MIGRATION_CANCELED = 6
    SAVE_CANCELED = 7
    WAKEUP = 8
    CRASHED = 9
    POSTCOPY = 10
    POSTCOPY_FAILED = 11


class DomainBlockedReason(OpenIntEnum):
    """virDomainBlockedReason."""

    UNKNOWN = 0


class DomainPausedReason(OpenIntEnum):
    """virDomainPausedReason."""

    UNKNOWN = 0
    USER = 1
    MIGRATION = 2
    SAVE = 3
    DUMP = 4
    IOERROR = 5
    WATCHDOG = 6
    FROM_SNAPSHOT = 7
    SHUTTING_DOWN = 8
    SNAPSHOT = 9
    CRASHED = 10
    STARTING_UP = 11
    POSTCOPY = 12
    POSTCOPY_FAILED = 13
    API_ERROR = 14


class DomainShutdownReason(OpenIntEnum):
    """virDomainShutdownReason."""

    UNKNOWN = 0
    USER = 1


class DomainShutoffReason(OpenIntEnum):
    """virDomainShutoffReason."""

    UNKNOWN = 0
    SHUTDOWN = 1
    DESTROYED = 2
    CRASHED = 3
    MIGRATED = 4
    SAVED = 5
    FAILED = 6
    FROM_SNAPSHOT = 7
    DAEMON = 8


class DomainCrashedReason(OpenIntEnum):
    """virDomainCrashedReason."""

    UNKNOWN = 0
    PANICKED = 1


class DomainPMSuspendedReason(OpenIntEnum):
    """virDomainPMSuspendedReason."""

    UNKNOWN = 0


DOMAIN_STATE_REASONS: Mapping[DomainState, type[OpenIntEnum]] = MappingProxyType(
    {
        DomainState.NOSTATE: DomainNostateReason,
        DomainState.RUNNING: DomainRunningReason,
        DomainState.BLOCKED: DomainBlockedReason,
        DomainState.PAUSED: DomainPausedReason,
        DomainState.SHUTDOWN: DomainShutdownReason,
        DomainState.SHUTOFF: DomainShutoffReason,
        DomainState.CRASHED: DomainCrashedReason,
        DomainState.PMSUSPENDED: DomainPMSuspendedReason,
    }
)


def domain_state_reason(state: int, reason: int) -> OpenIntEnum:
    """The reason's name depends on the state; a state that is not known here knows no reasons."""
    return DOMAIN_STATE_REASONS.get(DomainState(state), DomainNostateReason)(reason)


class DomainControlState(OpenIntEnum):
    """virDomainControlState."""

    OK = 0
    JOB = 1
    OCCUPIED = 2
    ERROR = 3


class DomainControlErrorReason(OpenIntEnum):
    """virDomainControlErrorReason."""

    NONE = 0
    UNKNOWN = 1
    MONITOR = 2
    INTERNAL = 3


class VcpuState(OpenIntEnum):
    """virVcpuState."""

    OFFLINE = 0
    RUNNING = 1
    BLOCKED = 2


class DomainDiskErrorCode(OpenIntEnum):
    """virDomainDiskErrorCode."""

    NONE = 0
    UNSPEC = 1
    NO_SPACE = 2


class DomainMemoryStatTags(OpenIntEnum):
    """virDomainMemoryStatTags."""

    SWAP_IN = 0
    SWAP_OUT = 1
    MAJOR_FAULT = 2
    MINOR_FAULT = 3
    UNUSED = 4
    AVAILABLE = 5
    ACTUAL_BALLOON = 6
    RSS = 7
    USABLE = 8
    LAST_UPDATE = 9
    DISK_CACHES = 10
    HUGETLB_PGALLOC = 11
    HUGETLB_PGFAIL = 12


class DomainMetadataType(OpenIntEnum):
    """virDomainMetadataType."""

    DESCRIPTION = 0
    TITLE = 1
    ELEMENT = 2


# Domains: flags and groups of the calls


class DomainStatsTypes(OpenIntFlag):
    """virDomainStatsTypes."""

    STATE = 1
    CPU_TOTAL = 2
    BALLOON = 4
    VCPU = 8
    INTERFACE = 16
    BLOCK = 32
    PERF = 64
    IOTHREAD = 128
    MEMORY = 256
    DIRTYRATE = 512
    VM = 1024


class ConnectGetAllDomainStatsFlags(OpenIntFlag):
    """virConnectGetAllDomainStatsFlags."""

    ACTIVE = 1
    INACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    RUNNING = 16
    PAUSED = 32
    SHUTOFF = 64
    OTHER = 128
    NOWAIT = 1 << 29
    BACKING = 1 << 30
    ENFORCE_STATS = 1 << 31


class ConnectListAllDomainsFlags(OpenIntFlag):
    """virConnectListAllDomainsFlags."""

    ACTIVE = 1
    INACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    RUNNING = 16
    PAUSED = 32
    SHUTOFF = 64
    OTHER = 128
    MANAGEDSAVE = 256
    NO_MANAGEDSAVE = 512
    AUTOSTART = 1024
    NO_AUTOSTART = 2048
    HAS_SNAPSHOT = 4096
    NO_SNAPSHOT = 8192
    HAS_CHECKPOINT = 16384
    NO_CHECKPOINT = 32768


class DomainXMLFlags(OpenIntFlag):
    """virDomainXMLFlags."""

    SECURE = 1
    INACTIVE = 2
    UPDATE_CPU = 4
    MIGRATABLE = 8


class DomainGetJobStatsFlags(OpenIntFlag):
    """virDomainGetJobStatsFlags."""

    COMPLETED = 1
    KEEP_COMPLETED = 2


class DomainGuestInfoTypes(OpenIntFlag):
    """virDomainGuestInfoTypes."""

    USERS = 1
    OS = 2
    TIMEZONE = 4
    HOSTNAME = 8
    FILESYSTEM = 16
    DISKS = 32
    INTERFACES = 64
    LOAD = 128
    DEVICES = 256


class DomainModificationImpact(OpenIntFlag):
    """virDomainModificationImpact: of which state a call speaks; 0 is the current one."""

    LIVE = 1
    CONFIG = 2


class DomainVcpuFlags(OpenIntFlag):
    """virDomainVcpuFlags."""

    LIVE = 1
    CONFIG = 2
    MAXIMUM = 4
    GUEST = 8
    HOTPLUGGABLE = 16


class DomainBlockJobInfoFlags(OpenIntFlag):
    """virDomainBlockJobInfoFlags."""

    BANDWIDTH_BYTES = 1


class DomainMessageType(OpenIntFlag):
    """virDomainMessageType."""

    DEPRECATION = 1
    TAINTING = 2
    IOERRORS = 4


class DomainSnapshotListFlags(OpenIntFlag):
    """virDomainSnapshotListFlags, as the list of all snapshots of a domain takes them."""

    ROOTS = 1
    METADATA = 2
    LEAVES = 4
    NO_LEAVES = 8
    NO_METADATA = 16
    INACTIVE = 32
    ACTIVE = 64
    DISK_ONLY = 128
    INTERNAL = 256
    EXTERNAL = 512
    TOPOLOGICAL = 1024


class DomainCheckpointListFlags(OpenIntFlag):
    """virDomainCheckpointListFlags, as the list of all checkpoints of a domain takes them."""

    ROOTS = 1
    TOPOLOGICAL = 2
    LEAVES = 4
    NO_LEAVES = 8


class DomainInterfaceAddressesSource(OpenIntEnum):
    """virDomainInterfaceAddressesSource: AGENT needs a connection that may write."""

    LEASE = 0
    AGENT = 1
    ARP = 2


class IPAddrType(OpenIntEnum):
    """virIPAddrType."""

    IPV4 = 0
    IPV6 = 1


class DomainGetHostnameFlags(OpenIntFlag):
    """virDomainGetHostnameFlags."""

    LEASE = 1
    AGENT = 2


# Jobs


class DomainJobType(OpenIntEnum):
    """virDomainJobType."""

    NONE = 0
    BOUNDED = 1
    UNBOUNDED = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5


class DomainJobOperation(OpenIntEnum):
    """virDomainJobOperation."""

    UNKNOWN = 0
    START = 1
    SAVE = 2
    RESTORE = 3
    MIGRATION_IN = 4
    MIGRATION_OUT = 5
    SNAPSHOT = 6
    SNAPSHOT_REVERT = 7
    DUMP = 8
    BACKUP = 9
    SNAPSHOT_DELETE = 10


class DomainBlockJobType(OpenIntEnum):
    """virDomainBlockJobType."""

    UNKNOWN = 0
    PULL = 1
    COPY = 2
    COMMIT = 3
    ACTIVE_COMMIT = 4
    BACKUP = 5


# Events


class DomainEventID(OpenIntEnum):
    """virDomainEventID."""

    LIFECYCLE = 0
    REBOOT = 1
    RTC_CHANGE = 2
    WATCHDOG = 3
    IO_ERROR = 4
    GRAPHICS = 5
    IO_ERROR_REASON = 6
    CONTROL_ERROR = 7
    BLOCK_JOB = 8
    DISK_CHANGE = 9
    TRAY_CHANGE = 10
    PMWAKEUP = 11
    PMSUSPEND = 12
    BALLOON_CHANGE = 13
    PMSUSPEND_DISK = 14
    DEVICE_REMOVED = 15
    BLOCK_JOB_2 = 16
    TUNABLE = 17
    AGENT_LIFECYCLE = 18
    DEVICE_ADDED = 19
    MIGRATION_ITERATION = 20
    JOB_COMPLETED = 21
    DEVICE_REMOVAL_FAILED = 22
    METADATA_CHANGE = 23
    BLOCK_THRESHOLD = 24
    MEMORY_FAILURE = 25
    MEMORY_DEVICE_SIZE_CHANGE = 26
    NIC_MAC_CHANGE = 27
    VCPU_REMOVED = 28
    CHANNEL_LIFECYCLE = 29


class DomainEventType(OpenIntEnum):
    """virDomainEventType."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6
    PMSUSPENDED = 7
    CRASHED = 8


class DomainEventDefinedDetailType(OpenIntEnum):
    """virDomainEventDefinedDetailType."""

    ADDED = 0
    UPDATED = 1
    RENAMED = 2
    FROM_SNAPSHOT = 3


class DomainEventUndefinedDetailType(OpenIntEnum):
    """virDomainEventUndefinedDetailType."""

    REMOVED = 0
    RENAMED = 1


class DomainEventStartedDetailType(OpenIntEnum):
    """virDomainEventStartedDetailType."""

    BOOTED = 0
    MIGRATED = 1
    RESTORED = 2
    FROM_SNAPSHOT = 3
    WAKEUP = 4
    RECREATED = 5


class DomainEventSuspendedDetailType(OpenIntEnum):
    """virDomainEventSuspendedDetailType."""

    PAUSED = 0
    MIGRATED = 1
    IOERROR = 2
    WATCHDOG = 3
    RESTORED = 4
    FROM_SNAPSHOT = 5
    API_ERROR = 6
    POSTCOPY = 7
    POSTCOPY_FAILED = 8
    GUEST_SHUTDOWN = 9


class DomainEventResumedDetailType(OpenIntEnum):
    """virDomainEventResumedDetailType."""

    UNPAUSED = 0
    MIGRATED = 1
    FROM_SNAPSHOT = 2
    POSTCOPY = 3
    POSTCOPY_FAILED = 4


class DomainEventStoppedDetailType(OpenIntEnum):
    """virDomainEventStoppedDetailType."""

    SHUTDOWN = 0
    DESTROYED = 1
    CRASHED = 2
    MIGRATED = 3
    SAVED = 4
    FAILED = 5
    FROM_SNAPSHOT = 6
    RECREATED = 7


class DomainEventShutdownDetailType(OpenIntEnum):
    """virDomainEventShutdownDetailType."""

    FINISHED = 0
    GUEST = 1
    HOST = 2


class DomainEventPMSuspendedDetailType(OpenIntEnum):
    """virDomainEventPMSuspendedDetailType."""

    MEMORY = 0
    DISK = 1


class DomainEventCrashedDetailType(OpenIntEnum):
    """virDomainEventCrashedDetailType."""

    PANICKED = 0
    CRASHLOADED = 1


class DomainEventUnknownDetailType(OpenIntEnum):
    """The details of a lifecycle event that is not known here."""

    UNKNOWN = 0


DOMAIN_EVENT_DETAILS: Mapping[DomainEventType, type[OpenIntEnum]] = MappingProxyType(
    {
        DomainEventType.DEFINED: DomainEventDefinedDetailType,
        DomainEventType.UNDEFINED: DomainEventUndefinedDetailType,
        DomainEventType.STARTED: DomainEventStartedDetailType,
        DomainEventType.SUSPENDED: DomainEventSuspendedDetailType,
        DomainEventType.RESUMED: DomainEventResumedDetailType,
        DomainEventType.STOPPED: DomainEventStoppedDetailType,
        DomainEventType.SHUTDOWN: DomainEventShutdownDetailType,
        DomainEventType.PMSUSPENDED: DomainEventPMSuspendedDetailType,
        DomainEventType.CRASHED: DomainEventCrashedDetailType,
    }
)


def domain_event_detail(event: int, detail: int) -> OpenIntEnum:
    """The detail's name depends on the lifecycle event; an unknown event knows no details."""
    return DOMAIN_EVENT_DETAILS.get(DomainEventType(event), DomainEventUnknownDetailType)(detail)


class DomainEventWatchdogAction(OpenIntEnum):
    """virDomainEventWatchdogAction."""

    NONE = 0
    PAUSE = 1
    RESET = 2
    POWEROFF = 3
    SHUTDOWN = 4
    DEBUG = 5
    INJECTNMI = 6


class DomainEventIOErrorAction(OpenIntEnum):
    """virDomainEventIOErrorAction."""

    NONE = 0
    PAUSE = 1
    REPORT = 2


class DomainEventGraphicsPhase(OpenIntEnum):
    """virDomainEventGraphicsPhase."""

    CONNECT = 0
    INITIALIZE = 1
    DISCONNECT = 2


class ConnectDomainEventBlockJobStatus(OpenIntEnum):
    """virConnectDomainEventBlockJobStatus."""

    COMPLETED = 0
    FAILED = 1
    CANCELED = 2
    READY = 3


class ConnectDomainEventDiskChangeReason(OpenIntEnum):
    """virConnectDomainEventDiskChangeReason."""

    CHANGE_MISSING_ON_START = 0
    DROP_MISSING_ON_START = 1


class DomainEventTrayChangeReason(OpenIntEnum):
    """virDomainEventTrayChangeReason."""

    OPEN = 0
    CLOSE = 1


class ConnectDomainEventAgentLifecycleState(OpenIntEnum):
    """virConnectDomainEventAgentLifecycleState."""

    CONNECTED = 1
    DISCONNECTED = 2


class ConnectDomainEventAgentLifecycleReason(OpenIntEnum):
    """virConnectDomainEventAgentLifecycleReason."""

    UNKNOWN = 0
    DOMAIN_STARTED = 1
    CHANNEL = 2


class DomainMemoryFailureRecipientType(OpenIntEnum):
    """virDomainMemoryFailureRecipientType."""

    HYPERVISOR = 0
    GUEST = 1


class DomainMemoryFailureActionType(OpenIntEnum):
    """virDomainMemoryFailureActionType."""

    IGNORE = 0
    INJECT = 1
    FATAL = 2
    RESET = 3


class DomainMemoryFailureFlags(OpenIntFlag):
    """virDomainMemoryFailureFlags."""

    ACTION_REQUIRED = 1
    RECURSIVE = 2


class NetworkEventID(OpenIntEnum):
    """virNetworkEventID."""

    LIFECYCLE = 0
    METADATA_CHANGE = 1


class NetworkEventLifecycleType(OpenIntEnum):
    """virNetworkEventLifecycleType."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3


class StoragePoolEventID(OpenIntEnum):
    """virStoragePoolEventID."""

    LIFECYCLE = 0
    REFRESH = 1


class StoragePoolEventLifecycleType(OpenIntEnum):
    """virStoragePoolEventLifecycleType."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3
    CREATED = 4
    DELETED = 5


class NodeDeviceEventID(OpenIntEnum):
    """virNodeDeviceEventID."""

    LIFECYCLE = 0
    UPDATE = 1


class NodeDeviceEventLifecycleType(OpenIntEnum):
    """virNodeDeviceEventLifecycleType."""

    CREATED = 0
    DELETED = 1
    DEFINED = 2
    UNDEFINED = 3


class SecretEventID(OpenIntEnum):
    """virSecretEventID."""

    LIFECYCLE = 0
    VALUE_CHANGED = 1


class SecretEventLifecycleType(OpenIntEnum):
    """virSecretEventLifecycleType."""

    DEFINED = 0
    UNDEFINED = 1


class ConnectCloseReason(OpenIntEnum):
    """virConnectCloseReason."""

    ERROR = 0
    EOF = 1
    KEEPALIVE = 2
    CLIENT = 3


# Storage


class StoragePoolState(OpenIntEnum):
    """virStoragePoolState."""

    INACTIVE = 0
    BUILDING = 1
    RUNNING = 2
    DEGRADED = 3
    INACCESSIBLE = 4


class StorageVolType(OpenIntEnum):
    """virStorageVolType."""

    FILE = 0
    BLOCK = 1
    DIR = 2
    NETWORK = 3
    NETDIR = 4
    PLOOP = 5


class StorageVolInfoFlags(OpenIntFlag):
    """virStorageVolInfoFlags: with PHYSICAL, `allocation` is the size of the file on its host."""

    PHYSICAL = 1


class StorageXMLFlags(OpenIntFlag):
    """virStorageXMLFlags."""

    INACTIVE = 1


class ConnectListAllStoragePoolsFlags(OpenIntFlag):
    """virConnectListAllStoragePoolsFlags."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32
    DIR = 64
    FS = 128
    NETFS = 256
    LOGICAL = 512
    DISK = 1024
    ISCSI = 2048
    SCSI = 4096
    MPATH = 8192
    RBD = 16384
    SHEEPDOG = 32768
    GLUSTER = 65536
    ZFS = 131072
    VSTORAGE = 262144
    ISCSI_DIRECT = 524288


# Networks, the host's interfaces and devices, filters, secrets


class NetworkXMLFlags(OpenIntFlag):
    """virNetworkXMLFlags."""

    INACTIVE = 1


class InterfaceXMLFlags(OpenIntFlag):
    """virInterfaceXMLFlags."""

    INACTIVE = 1


class ConnectListAllNetworksFlags(OpenIntFlag):
    """virConnectListAllNetworksFlags."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32


class ConnectListAllInterfacesFlags(OpenIntFlag):
    """virConnectListAllInterfacesFlags."""

    INACTIVE = 1
    ACTIVE = 2


class ConnectListAllNodeDeviceFlags(OpenIntFlag):
    """virConnectListAllNodeDeviceFlags: the capability that a device has, and its state."""

    SYSTEM = 1
    PCI_DEV = 2
    USB_DEV = 4
    USB_INTERFACE = 8
    NET = 16
    SCSI_HOST = 32
    SCSI_TARGET = 64
    SCSI = 128
    STORAGE = 256
    FC_HOST = 512
    VPORTS = 1024
    SCSI_GENERIC = 2048
    DRM = 4096
    MDEV_TYPES = 8192
    MDEV = 16384
    CCW_DEV = 32768
    CSS_DEV = 65536
    VDPA = 131072
    AP_CARD = 262144
    AP_QUEUE = 524288
    AP_MATRIX = 1048576
    VPD = 2097152
    CCWGROUP_DEV = 4194304
    CCWGROUP_MEMBER = 8388608
    PERSISTENT = 1 << 28
    TRANSIENT = 1 << 29
    INACTIVE = 1 << 30
    ACTIVE = 1 << 31


class ConnectListAllSecretsFlags(OpenIntFlag):
    """virConnectListAllSecretsFlags."""

    EPHEMERAL = 1
    NO_EPHEMERAL = 2
    PRIVATE = 4
    NO_PRIVATE = 8


class SecretUsageType(OpenIntEnum):
    """virSecretUsageType."""

    NONE = 0
    VOLUME = 1
    CEPH = 2
    ISCSI = 3
    TLS = 4
    VTPM = 5


# The connection, errors, typed parameters


class ConnectFlags(OpenIntFlag):
    """virConnectFlags."""

    RO = 1
    NO_ALIASES = 2


class AuthType(OpenIntEnum):
    """auth_type in remote_protocol.x."""

    NONE = 0
    SASL = 1
    POLKIT = 2


class TypedParameterType(OpenIntEnum):
    """virTypedParameterType."""

    INT = 1
    UINT = 2
    LLONG = 3
    ULLONG = 4
    DOUBLE = 5
    BOOLEAN = 6
    STRING = 7


class TypedParameterFlags(OpenIntFlag):
    """virTypedParameterFlags."""

    STRING_OKAY = 4


class ErrorLevel(OpenIntEnum):
    """virErrorLevel."""

    NONE = 0
    WARNING = 1
    ERROR = 2


class ErrorDomain(OpenIntEnum):
    """virErrorDomain."""

    NONE = 0
    XEN = 1
    XEND = 2
    XENSTORE = 3
    SEXPR = 4
    XML = 5
    DOM = 6
    RPC = 7
    PROXY = 8
    CONF = 9
    QEMU = 10
    NET = 11
    TEST = 12
    REMOTE = 13
    OPENVZ = 14
    XENXM = 15
    STATS_LINUX = 16
    LXC = 17
    STORAGE = 18
    NETWORK = 19
    DOMAIN = 20
    UML = 21
    NODEDEV = 22
    XEN_INOTIFY = 23
    SECURITY = 24
    VBOX = 25
    INTERFACE = 26
    ONE = 27
    ESX = 28
    PHYP = 29
    SECRET = 30
    CPU = 31
    XENAPI = 32
    NWFILTER = 33
    HOOK = 34
    DOMAIN_SNAPSHOT = 35
    AUDIT = 36
    SYSINFO = 37
    STREAMS = 38
    VMWARE = 39
    EVENT = 40
    LIBXL = 41
    LOCKING = 42
    HYPERV = 43
    CAPABILITIES = 44
    URI = 45
    AUTH = 46
    DBUS = 47
    PARALLELS = 48
    DEVICE = 49
    SSH = 50
    LOCKSPACE = 51
    INITCTL = 52
    IDENTITY = 53
    CGROUP = 54
    ACCESS = 55
    SYSTEMD = 56
    BHYVE = 57
    CRYPTO = 58
    FIREWALL = 59
    POLKIT = 60
    THREAD = 61
    ADMIN = 62
    LOGGING = 63
    XENXL = 64
    PERF = 65
    LIBSSH = 66
    RESCTRL = 67
    FIREWALLD = 68
    DOMAIN_CHECKPOINT = 69
    TPM = 70
    BPF = 71
    CH = 72


class ErrorNumber(OpenIntEnum):
    """virErrorNumber."""

    OK = 0
    INTERNAL_ERROR = 1
    NO_MEMORY = 2
    NO_SUPPORT = 3
    UNKNOWN_HOST = 4
    NO_CONNECT = 5
    INVALID_CONN = 6
    INVALID_DOMAIN = 7
    INVALID_ARG = 8
    OPERATION_FAILED = 9
    GET_FAILED = 10
    POST_FAILED = 11
    HTTP_ERROR = 12
    SEXPR_SERIAL = 13
    NO_XEN = 14
    XEN_CALL = 15
    OS_TYPE = 16
    NO_KERNEL = 17
    NO_ROOT = 18
    NO_SOURCE = 19
    NO_TARGET = 20
    NO_NAME = 21
    NO_OS = 22
    NO_DEVICE = 23
    NO_XENSTORE = 24
    DRIVER_FULL = 25
    CALL_FAILED = 26
    XML_ERROR = 27
    DOM_EXIST = 28
    OPERATION_DENIED = 29
    OPEN_FAILED = 30
    READ_FAILED = 31
    PARSE_FAILED = 32
    CONF_SYNTAX = 33
    WRITE_FAILED = 34
    XML_DETAIL = 35
    INVALID_NETWORK = 36
    NETWORK_EXIST = 37
    SYSTEM_ERROR = 38
    RPC = 39
    GNUTLS_ERROR = 40
    WAR_NO_NETWORK = 41
    NO_DOMAIN = 42
    NO_NETWORK = 43
    INVALID_MAC = 44
    AUTH_FAILED = 45
    INVALID_STORAGE_POOL = 46
    INVALID_STORAGE_VOL = 47
    WAR_NO_STORAGE = 48
    NO_STORAGE_POOL = 49
    NO_STORAGE_VOL = 50
    WAR_NO_NODE = 51
    INVALID_NODE_DEVICE = 52
    NO_NODE_DEVICE = 53
    NO_SECURITY_MODEL = 54
    OPERATION_INVALID = 55
    WAR_NO_INTERFACE = 56
    NO_INTERFACE = 57
    INVALID_INTERFACE = 58
    MULTIPLE_INTERFACES = 59
    WAR_NO_NWFILTER = 60
    INVALID_NWFILTER = 61
    NO_NWFILTER = 62
    BUILD_FIREWALL = 63
    WAR_NO_SECRET = 64
    INVALID_SECRET = 65
    NO_SECRET = 66
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    MIGRATE_PERSIST_FAILED = 69
    HOOK_SCRIPT_FAILED = 70
    INVALID_DOMAIN_SNAPSHOT = 71
    NO_DOMAIN_SNAPSHOT = 72
    INVALID_STREAM = 73
    ARGUMENT_UNSUPPORTED = 74
    STORAGE_PROBE_FAILED = 75
    STORAGE_POOL_BUILT = 76
    SNAPSHOT_REVERT_RISKY = 77
    OPERATION_ABORTED = 78
    AUTH_CANCELLED = 79
    NO_DOMAIN_METADATA = 80
    MIGRATE_UNSAFE = 81
    OVERFLOW = 82
    BLOCK_COPY_ACTIVE = 83
    OPERATION_UNSUPPORTED = 84
    SSH = 85
    AGENT_UNRESPONSIVE = 86
    RESOURCE_BUSY = 87
    ACCESS_DENIED = 88
    DBUS_SERVICE = 89
    STORAGE_VOL_EXIST = 90
    CPU_INCOMPATIBLE = 91
    XML_INVALID_SCHEMA = 92
    MIGRATE_FINISH_OK = 93
    AUTH_UNAVAILABLE = 94
    NO_SERVER = 95
    NO_CLIENT = 96
    AGENT_UNSYNCED = 97
    LIBSSH = 98
    DEVICE_MISSING = 99
    INVALID_NWFILTER_BINDING = 100
    NO_NWFILTER_BINDING = 101
    INVALID_DOMAIN_CHECKPOINT = 102
    NO_DOMAIN_CHECKPOINT = 103
    NO_DOMAIN_BACKUP = 104
    INVALID_NETWORK_PORT = 105
    NETWORK_PORT_EXIST = 106
    NO_NETWORK_PORT = 107
    NO_HOSTNAME = 108
    CHECKPOINT_INCONSISTENT = 109
    MULTIPLE_DOMAINS = 110
    NO_NETWORK_METADATA = 111
    AGENT_COMMAND_TIMEOUT = 112
    AGENT_COMMAND_FAILED = 113
    INVALID_ENCR_KEY_SECRET = 114
