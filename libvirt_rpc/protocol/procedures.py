"""The calls that this client can make: a line a procedure. None of them changes anything.

Source: remote_protocol.x. `session.call(PROCEDURE, args)` is typed by its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.xdr import VOID, Codec, codec_of

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Procedure(Generic[A, R]):
    """One call: its number in its program, how its arguments are written and its reply is read."""

    program: int
    number: int
    name: str
    arguments: Codec[A]
    reply: Codec[R]


def _remote(
    number: int, name: str, arguments: Codec[A] | type[A], reply: Codec[R] | type[R]
) -> Procedure[A, R]:
    return Procedure(Program.REMOTE, number, name, codec_of(arguments), codec_of(reply))


# fmt: off
CONNECT_OPEN = _remote(1, "CONNECT_OPEN", t.ConnectOpenArgs, VOID)
CONNECT_CLOSE = _remote(2, "CONNECT_CLOSE", VOID, VOID)
CONNECT_GET_TYPE = _remote(3, "CONNECT_GET_TYPE", VOID, t.String)
CONNECT_GET_VERSION = _remote(4, "CONNECT_GET_VERSION", VOID, t.UnsignedNumber)
CONNECT_GET_MAX_VCPUS = _remote(5, "CONNECT_GET_MAX_VCPUS", t.ConnectGetMaxVcpusArgs, t.Number)
NODE_GET_INFO = _remote(6, "NODE_GET_INFO", VOID, t.NodeInfo)
CONNECT_GET_CAPABILITIES = _remote(7, "CONNECT_GET_CAPABILITIES", VOID, t.String)
DOMAIN_GET_XML_DESC = _remote(14, "DOMAIN_GET_XML_DESC", t.DomainFlagsArgs, t.String)
DOMAIN_GET_AUTOSTART = _remote(15, "DOMAIN_GET_AUTOSTART", t.DomainArgs, t.Number)
DOMAIN_GET_INFO = _remote(16, "DOMAIN_GET_INFO", t.DomainArgs, t.DomainInfo)
DOMAIN_GET_VCPUS = _remote(20, "DOMAIN_GET_VCPUS", t.DomainGetVcpusArgs, t.DomainGetVcpusReply)
NETWORK_GET_XML_DESC = _remote(43, "NETWORK_GET_XML_DESC", t.NetworkFlagsArgs, t.String)
NETWORK_GET_AUTOSTART = _remote(44, "NETWORK_GET_AUTOSTART", t.NetworkArgs, t.Number)
NETWORK_GET_BRIDGE_NAME = _remote(45, "NETWORK_GET_BRIDGE_NAME", t.NetworkArgs, t.String)
DOMAIN_GET_SCHEDULER_TYPE = _remote(56, "DOMAIN_GET_SCHEDULER_TYPE", t.DomainArgs, t.DomainSchedulerType)
CONNECT_GET_HOSTNAME = _remote(59, "CONNECT_GET_HOSTNAME", VOID, t.String)
CONNECT_SUPPORTS_FEATURE = _remote(60, "CONNECT_SUPPORTS_FEATURE", t.Number, t.Number)
DOMAIN_BLOCK_STATS = _remote(64, "DOMAIN_BLOCK_STATS", t.DomainBlockStatsArgs, t.DomainBlockStats)
DOMAIN_INTERFACE_STATS = _remote(65, "DOMAIN_INTERFACE_STATS", t.DomainInterfaceStatsArgs, t.DomainInterfaceStats)
AUTH_LIST = _remote(66, "AUTH_LIST", VOID, t.AuthListReply)
AUTH_SASL_INIT = _remote(67, "AUTH_SASL_INIT", VOID, t.String)
AUTH_SASL_START = _remote(68, "AUTH_SASL_START", t.AuthSaslStartArgs, t.AuthSaslReply)
AUTH_SASL_STEP = _remote(69, "AUTH_SASL_STEP", t.AuthSaslStepArgs, t.AuthSaslReply)
AUTH_POLKIT = _remote(70, "AUTH_POLKIT", VOID, t.Number)
STORAGE_POOL_GET_INFO = _remote(87, "STORAGE_POOL_GET_INFO", t.StoragePoolArgs, t.StoragePoolInfo)
STORAGE_POOL_GET_XML_DESC = _remote(88, "STORAGE_POOL_GET_XML_DESC", t.StoragePoolFlagsArgs, t.String)
STORAGE_POOL_GET_AUTOSTART = _remote(89, "STORAGE_POOL_GET_AUTOSTART", t.StoragePoolArgs, t.Number)
STORAGE_POOL_NUM_OF_VOLUMES = _remote(91, "STORAGE_POOL_NUM_OF_VOLUMES", t.StoragePoolArgs, t.Number)
STORAGE_VOL_GET_INFO = _remote(98, "STORAGE_VOL_GET_INFO", t.StorageVolArgs, t.StorageVolInfo)
STORAGE_VOL_GET_XML_DESC = _remote(99, "STORAGE_VOL_GET_XML_DESC", t.StorageVolFlagsArgs, t.String)
STORAGE_VOL_GET_PATH = _remote(100, "STORAGE_VOL_GET_PATH", t.StorageVolArgs, t.String)
NODE_GET_CELLS_FREE_MEMORY = _remote(101, "NODE_GET_CELLS_FREE_MEMORY", t.NodeGetCellsFreeMemoryArgs, t.NodeGetCellsFreeMemoryReply)
NODE_GET_FREE_MEMORY = _remote(102, "NODE_GET_FREE_MEMORY", VOID, t.UnsignedNumber)
CONNECT_GET_URI = _remote(110, "CONNECT_GET_URI", VOID, t.String)
NODE_DEVICE_GET_XML_DESC = _remote(114, "NODE_DEVICE_GET_XML_DESC", t.NodeDeviceFlagsArgs, t.String)
NODE_GET_SECURITY_MODEL = _remote(122, "NODE_GET_SECURITY_MODEL", VOID, t.NodeSecurityModel)
INTERFACE_GET_XML_DESC = _remote(130, "INTERFACE_GET_XML_DESC", t.InterfaceFlagsArgs, t.String)
CONNECT_IS_SECURE = _remote(149, "CONNECT_IS_SECURE", VOID, t.Number)
DOMAIN_IS_ACTIVE = _remote(150, "DOMAIN_IS_ACTIVE", t.DomainArgs, t.Number)
DOMAIN_IS_PERSISTENT = _remote(151, "DOMAIN_IS_PERSISTENT", t.DomainArgs, t.Number)
NETWORK_IS_ACTIVE = _remote(152, "NETWORK_IS_ACTIVE", t.NetworkArgs, t.Number)
NETWORK_IS_PERSISTENT = _remote(153, "NETWORK_IS_PERSISTENT", t.NetworkArgs, t.Number)
STORAGE_POOL_IS_ACTIVE = _remote(154, "STORAGE_POOL_IS_ACTIVE", t.StoragePoolArgs, t.Number)
STORAGE_POOL_IS_PERSISTENT = _remote(155, "STORAGE_POOL_IS_PERSISTENT", t.StoragePoolArgs, t.Number)
INTERFACE_IS_ACTIVE = _remote(156, "INTERFACE_IS_ACTIVE", t.InterfaceArgs, t.Number)
CONNECT_GET_LIB_VERSION = _remote(157, "CONNECT_GET_LIB_VERSION", VOID, t.UnsignedNumber)
DOMAIN_MEMORY_STATS = _remote(159, "DOMAIN_MEMORY_STATS", t.DomainMemoryStatsArgs, t.DomainMemoryStatsReply)
DOMAIN_GET_JOB_INFO = _remote(163, "DOMAIN_GET_JOB_INFO", t.DomainArgs, t.DomainJobInfo)
DOMAIN_HAS_MANAGED_SAVE_IMAGE = _remote(183, "DOMAIN_HAS_MANAGED_SAVE_IMAGE", t.DomainFlagsArgs, t.Number)
DOMAIN_SNAPSHOT_GET_XML_DESC = _remote(186, "DOMAIN_SNAPSHOT_GET_XML_DESC", t.DomainSnapshotFlagsArgs, t.String)
DOMAIN_SNAPSHOT_NUM = _remote(187, "DOMAIN_SNAPSHOT_NUM", t.DomainFlagsArgs, t.Number)
DOMAIN_GET_BLOCK_INFO = _remote(194, "DOMAIN_GET_BLOCK_INFO", t.DomainPathFlagsArgs, t.DomainBlockInfo)
DOMAIN_GET_MEMORY_PARAMETERS = _remote(198, "DOMAIN_GET_MEMORY_PARAMETERS", t.DomainParametersArgs, t.DomainParametersReply)
DOMAIN_GET_VCPUS_FLAGS = _remote(200, "DOMAIN_GET_VCPUS_FLAGS", t.DomainFlagsArgs, t.Number)
DOMAIN_IS_UPDATED = _remote(202, "DOMAIN_IS_UPDATED", t.DomainArgs, t.Number)
CONNECT_GET_SYSINFO = _remote(203, "CONNECT_GET_SYSINFO", t.Flag, t.String)
DOMAIN_GET_BLKIO_PARAMETERS = _remote(206, "DOMAIN_GET_BLKIO_PARAMETERS", t.DomainParametersArgs, t.DomainParametersReply)
DOMAIN_GET_STATE = _remote(212, "DOMAIN_GET_STATE", t.DomainFlagsArgs, t.DomainState)
DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS = _remote(223, "DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS", t.DomainParametersArgs, t.DomainGetSchedulerParametersReply)
NODE_GET_CPU_STATS = _remote(227, "NODE_GET_CPU_STATS", t.NodeGetCPUStatsArgs, t.NodeStatsReply)
NODE_GET_MEMORY_STATS = _remote(228, "NODE_GET_MEMORY_STATS", t.NodeGetMemoryStatsArgs, t.NodeStatsReply)
DOMAIN_GET_CONTROL_INFO = _remote(229, "DOMAIN_GET_CONTROL_INFO", t.DomainFlagsArgs, t.DomainControlInfo)
DOMAIN_GET_VCPU_PIN_INFO = _remote(230, "DOMAIN_GET_VCPU_PIN_INFO", t.DomainGetVcpuPinInfoArgs, t.DomainGetVcpuPinInfoReply)
DOMAIN_GET_BLOCK_JOB_INFO = _remote(238, "DOMAIN_GET_BLOCK_JOB_INFO", t.DomainPathFlagsArgs, t.DomainBlockJobInfo)
DOMAIN_BLOCK_STATS_FLAGS = _remote(243, "DOMAIN_BLOCK_STATS_FLAGS", t.DomainBlockStatsFlagsArgs, t.DomainParametersReply)
DOMAIN_GET_BLOCK_IO_TUNE = _remote(253, "DOMAIN_GET_BLOCK_IO_TUNE", t.DomainGetBlockIOTuneArgs, t.DomainGetBlockIOTuneReply)
DOMAIN_GET_NUMA_PARAMETERS = _remote(255, "DOMAIN_GET_NUMA_PARAMETERS", t.DomainParametersArgs, t.DomainParametersReply)
DOMAIN_GET_INTERFACE_PARAMETERS = _remote(257, "DOMAIN_GET_INTERFACE_PARAMETERS", t.DomainGetInterfaceParametersArgs, t.DomainParametersReply)
DOMAIN_GET_CPU_STATS = _remote(262, "DOMAIN_GET_CPU_STATS", t.DomainGetCPUStatsArgs, t.DomainGetCPUStatsReply)
DOMAIN_GET_DISK_ERRORS = _remote(263, "DOMAIN_GET_DISK_ERRORS", t.DomainGetDiskErrorsArgs, t.DomainGetDiskErrorsReply)
DOMAIN_GET_METADATA = _remote(265, "DOMAIN_GET_METADATA", t.DomainGetMetadataArgs, t.String)
CONNECT_LIST_ALL_DOMAINS = _remote(273, "CONNECT_LIST_ALL_DOMAINS", t.ConnectListAllDomainsArgs, t.ConnectListAllDomainsReply)
DOMAIN_LIST_ALL_SNAPSHOTS = _remote(274, "DOMAIN_LIST_ALL_SNAPSHOTS", t.DomainListAllArgs, t.DomainListAllSnapshotsReply)
DOMAIN_GET_HOSTNAME = _remote(277, "DOMAIN_GET_HOSTNAME", t.DomainFlagsArgs, t.String)
DOMAIN_GET_EMULATOR_PIN_INFO = _remote(280, "DOMAIN_GET_EMULATOR_PIN_INFO", t.DomainGetEmulatorPinInfoArgs, t.DomainGetEmulatorPinInfoReply)
CONNECT_LIST_ALL_STORAGE_POOLS = _remote(281, "CONNECT_LIST_ALL_STORAGE_POOLS", t.ListAllArgs, t.ConnectListAllStoragePoolsReply)
STORAGE_POOL_LIST_ALL_VOLUMES = _remote(282, "STORAGE_POOL_LIST_ALL_VOLUMES", t.StoragePoolListAllVolumesArgs, t.StoragePoolListAllVolumesReply)
CONNECT_LIST_ALL_NETWORKS = _remote(283, "CONNECT_LIST_ALL_NETWORKS", t.ListAllArgs, t.ConnectListAllNetworksReply)
CONNECT_LIST_ALL_INTERFACES = _remote(284, "CONNECT_LIST_ALL_INTERFACES", t.ListAllArgs, t.ConnectListAllInterfacesReply)
CONNECT_LIST_ALL_NODE_DEVICES = _remote(285, "CONNECT_LIST_ALL_NODE_DEVICES", t.ListAllArgs, t.ConnectListAllNodeDevicesReply)
CONNECT_LIST_ALL_NWFILTERS = _remote(286, "CONNECT_LIST_ALL_NWFILTERS", t.ListAllArgs, t.ConnectListAllNWFiltersReply)
CONNECT_LIST_ALL_SECRETS = _remote(287, "CONNECT_LIST_ALL_SECRETS", t.ListAllArgs, t.ConnectListAllSecretsReply)
NODE_GET_MEMORY_PARAMETERS = _remote(289, "NODE_GET_MEMORY_PARAMETERS", t.NodeGetMemoryParametersArgs, t.NodeGetMemoryParametersReply)
NODE_GET_CPU_MAP = _remote(293, "NODE_GET_CPU_MAP", t.NodeGetCPUMapArgs, t.NodeGetCPUMapReply)
DOMAIN_GET_JOB_STATS = _remote(298, "DOMAIN_GET_JOB_STATS", t.DomainFlagsArgs, t.DomainGetJobStatsReply)
CONNECT_NETWORK_EVENT_REGISTER_ANY = _remote(313, "CONNECT_NETWORK_EVENT_REGISTER_ANY", t.ConnectNetworkEventRegisterAnyArgs, t.Number)
CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY = _remote(316, "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", t.ConnectDomainEventCallbackRegisterAnyArgs, t.Number)
DOMAIN_GET_TIME = _remote(337, "DOMAIN_GET_TIME", t.DomainFlagsArgs, t.DomainTime)
NODE_GET_FREE_PAGES = _remote(340, "NODE_GET_FREE_PAGES", t.NodeGetFreePagesArgs, t.NodeGetFreePagesReply)
NETWORK_GET_DHCP_LEASES = _remote(341, "NETWORK_GET_DHCP_LEASES", t.NetworkGetDHCPLeasesArgs, t.NetworkGetDHCPLeasesReply)
CONNECT_GET_ALL_DOMAIN_STATS = _remote(344, "CONNECT_GET_ALL_DOMAIN_STATS", t.ConnectGetAllDomainStatsArgs, t.ConnectGetAllDomainStatsReply)
DOMAIN_GET_FSINFO = _remote(349, "DOMAIN_GET_FSINFO", t.DomainFlagsArgs, t.DomainGetFSInfoReply)
DOMAIN_GET_IOTHREAD_INFO = _remote(351, "DOMAIN_GET_IOTHREAD_INFO", t.DomainFlagsArgs, t.DomainGetIOThreadInfoReply)
DOMAIN_INTERFACE_ADDRESSES = _remote(353, "DOMAIN_INTERFACE_ADDRESSES", t.DomainInterfaceAddressesArgs, t.DomainInterfaceAddressesReply)
DOMAIN_GET_PERF_EVENTS = _remote(365, "DOMAIN_GET_PERF_EVENTS", t.DomainFlagsArgs, t.DomainGetPerfEventsReply)
CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY = _remote(368, "CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY", t.ConnectStoragePoolEventRegisterAnyArgs, t.Number)
DOMAIN_GET_GUEST_VCPUS = _remote(371, "DOMAIN_GET_GUEST_VCPUS", t.DomainFlagsArgs, t.DomainGetGuestVcpusReply)
CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY = _remote(374, "CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY", t.ConnectNodeDeviceEventRegisterAnyArgs, t.Number)
STORAGE_VOL_GET_INFO_FLAGS = _remote(378, "STORAGE_VOL_GET_INFO_FLAGS", t.StorageVolFlagsArgs, t.StorageVolInfo)
CONNECT_SECRET_EVENT_REGISTER_ANY = _remote(380, "CONNECT_SECRET_EVENT_REGISTER_ANY", t.ConnectSecretEventRegisterAnyArgs, t.Number)
DOMAIN_GET_LAUNCH_SECURITY_INFO = _remote(396, "DOMAIN_GET_LAUNCH_SECURITY_INFO", t.DomainFlagsArgs, t.DomainGetLaunchSecurityInfoReply)
CONNECT_LIST_ALL_NWFILTER_BINDINGS = _remote(401, "CONNECT_LIST_ALL_NWFILTER_BINDINGS", t.ListAllArgs, t.ConnectListAllNWFilterBindingsReply)
NETWORK_LIST_ALL_PORTS = _remote(404, "NETWORK_LIST_ALL_PORTS", t.NetworkListAllPortsArgs, t.NetworkListAllPortsReply)
DOMAIN_CHECKPOINT_GET_XML_DESC = _remote(412, "DOMAIN_CHECKPOINT_GET_XML_DESC", t.DomainCheckpointFlagsArgs, t.String)
DOMAIN_LIST_ALL_CHECKPOINTS = _remote(413, "DOMAIN_LIST_ALL_CHECKPOINTS", t.DomainListAllArgs, t.DomainListAllCheckpointsReply)
DOMAIN_GET_GUEST_INFO = _remote(418, "DOMAIN_GET_GUEST_INFO", t.DomainGetGuestInfoArgs, t.DomainGetGuestInfoReply)
DOMAIN_BACKUP_GET_XML_DESC = _remote(422, "DOMAIN_BACKUP_GET_XML_DESC", t.DomainFlagsArgs, t.String)
DOMAIN_GET_MESSAGES = _remote(426, "DOMAIN_GET_MESSAGES", t.DomainFlagsArgs, t.DomainGetMessagesReply)
# fmt: on

PROCEDURES: Mapping[tuple[int, int], Procedure[Any, Any]] = MappingProxyType(
    {
        (procedure.program, procedure.number): procedure
        for procedure in list(globals().values())
        if isinstance(procedure, Procedure)
    }
)
"""Every procedure by (program, number). The client sends none that does not stand here."""


def procedure_name(program: int, number: int) -> str:
    """The .x name, or the number where this client does not know the procedure."""
    known = PROCEDURES.get((program, number))
    return known.name if known else f"{program:#x}/{number}"
