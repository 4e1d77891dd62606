"""Programs, message types, status words and limits. Source: virnetprotocol.x, remote_protocol.x."""

from __future__ import annotations

from enum import IntEnum


class Program(IntEnum):
    """The programs that libvirt's daemons serve on their client sockets, all in version 1."""

    REMOTE = 0x20008086
    QEMU = 0x20008087
    LXC = 0x00068000
    KEEPALIVE = 0x6B656570


PROGRAM_VERSION = 1


class MessageType(IntEnum):
    CALL = 0
    REPLY = 1
    MESSAGE = 2
    STREAM = 3
    CALL_WITH_FDS = 4
    REPLY_WITH_FDS = 5
    STREAM_HOLE = 6


class Status(IntEnum):
    OK = 0
    ERROR = 1
    CONTINUE = 2


class KeepaliveProcedure(IntEnum):
    PING = 1
    PONG = 2


LENGTH_SIZE = 4
HEADER_SIZE = 24
MIN_FRAME = LENGTH_SIZE + HEADER_SIZE
MAX_FRAME = LENGTH_SIZE + 33_554_432
"""What a daemon since 3.4.0 may send, length word included."""
MAX_FRAME_TO_OLD_DAEMONS = LENGTH_SIZE + 16_777_216
"""What daemons before 3.4.0 take: nothing larger is ever sent, whoever the peer is."""

STRING_MAX = 4_194_304
DOMAIN_LIST_MAX = 16_384
DOMAIN_STATS_PARAMETERS_MAX = 262_144
AUTH_TYPE_LIST_MAX = 20
SASL_DATA_MAX = 65_536
EVENT_GRAPHICS_SUBJECTS_MAX = 20
TUNABLE_EVENT_MAX = 2048
JOB_STATS_MAX = 64
LIST_MAX = 16_384
NODE_DEVICE_LIST_MAX = 65_536
DHCP_LEASES_MAX = 65_536
SHORT_PARAMETERS_MAX = 16
BLOCK_IO_TUNE_PARAMETERS_MAX = 32
CPU_STATS_MAX = 2_048
CPU_STATS_CPUS_MAX = 128
PERF_EVENTS_MAX = 64
LAUNCH_SECURITY_PARAMETERS_MAX = 64
GUEST_INFO_PARAMETERS_MAX = 2_048
GUEST_VCPU_PARAMETERS_MAX = 64
NODE_PARAMETERS_MAX = 64
NODE_STATS_MAX = 16
NODE_CELLS_MAX = 1_024
CPU_MAP_MAX = 2_048
CPU_MAPS_MAX = 8_388_608
VCPU_INFO_MAX = 16_384
IOTHREAD_INFO_MAX = 16_384
MEMORY_STATS_MAX = 1_024
DISK_ERRORS_MAX = 256
INTERFACE_ADDRESSES_MAX = 2_048
FSINFO_MAX = 256
DOMAIN_MESSAGES_MAX = 2_048
NODE_MODEL_SIZE = 32
SECURITY_MODEL_MAX = 257
"""Limits of the single types, as remote_protocol.x sets them."""
