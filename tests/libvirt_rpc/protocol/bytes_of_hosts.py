"""Structs about the host and what else it has: a value and its bytes, a line a field, in the .x files' order."""

from __future__ import annotations

from typing import Any

from libvirt_rpc.protocol import types as t
from tests.libvirt_rpc.protocol.wire import (
    DOMAIN,
    DOMAIN_WIRE,
    IDENTITY,
    NAMED_WIRE,
    NETWORK,
    PARAMETER,
    PARAMETER_WIRE,
    POOL,
    UUID,
    characters,
    hypers,
    text,
    words,
)

VOLUME = t.StorageVol(pool="p", name="v", key="/p/v")
VOLUME_WIRE = text("p") + text("v") + text("/p/v")
INTERFACE = t.Interface(name="eth0", mac="00:01")
INTERFACE_WIRE = text("eth0") + text("00:01")
SECRET = t.Secret(uuid=UUID, usage_type=2, usage_id="ceph")
SECRET_WIRE = IDENTITY + words(2) + text("ceph")
LEASE = t.NetworkDHCPLease(
    iface="virbr0",
    expirytime=2**33,
    type=0,
    mac="52:54",
    iaid=None,
    ipaddr="192.0.2.1",
    prefix=24,
    hostname="guest",
    clientid=None,
)
LEASE_WIRE = [
    text("virbr0"),  # iface
    hypers(2**33),  # expirytime
    words(0),  # type
    words(1) + text("52:54"),  # mac
    words(0),  # iaid is not there
    text("192.0.2.1"),  # ipaddr
    words(24),  # prefix
    words(1) + text("guest"),  # hostname
    words(0),  # clientid is not there
]

HOSTS: dict[Any, list[str]] = {
    NETWORK: [text("net"), IDENTITY],
    t.NetworkPort(net=NETWORK, uuid=UUID): [NAMED_WIRE, IDENTITY],
    INTERFACE: [text("eth0"), text("00:01")],
    t.NWFilter(name="net", uuid=UUID): [text("net"), IDENTITY],
    t.NWFilterBinding(portdev="vnet0", filtername="f"): [text("vnet0"), text("f")],
    t.NodeDevice("pci_0"): [text("pci_0")],
    SECRET: [IDENTITY, words(2), text("ceph")],
    POOL: [text("net"), IDENTITY],
    VOLUME: [text("p"), text("v"), text("/p/v")],
    t.ListAllArgs(need_results=0, flags=5): [words(0), words(5)],
    # The node.
    t.NodeInfo(
        model=b"x86_64".ljust(32, b"\0"),
        memory=1024,
        cpus=8,
        mhz=2000,
        nodes=1,
        sockets=2,
        cores=3,
        threads=4,
    ): [
        characters(b"x86_64") + words(*[0] * 26),
        hypers(1024),
        words(8),
        words(2000),
        words(1),
        words(2),
        words(3),
        words(4),
    ],
    t.NodeStat(field="idle", value=2**40): [text("idle"), hypers(2**40)],
    t.NodeGetCPUStatsArgs(cpu_num=-1, nparams=4, flags=0): [words(-1), words(4), words(0)],
    t.NodeGetMemoryStatsArgs(nparams=2, cell_num=-1, flags=0): [words(2), words(-1), words(0)],
    t.NodeStatsReply(params=(t.NodeStat("idle", 1),), nparams=4): [
        words(1) + text("idle") + hypers(1),
        words(4),
    ],
    t.NodeGetCellsFreeMemoryArgs(start_cell=0, maxcells=8): [words(0), words(8)],
    t.NodeGetCellsFreeMemoryReply(cells=(1, 2**40)): [words(2) + hypers(1, 2**40)],
    t.NodeGetFreePagesArgs(pages=(4, 2048), start_cell=-1, cell_count=1, flags=0): [
        words(2) + words(4, 2048),
        words(-1),
        words(1),
        words(0),
    ],
    t.NodeGetFreePagesReply(counts=(5, 6)): [words(2) + hypers(5, 6)],
    t.NodeGetCPUMapArgs(need_map=1, need_online=0, flags=0): [words(1), words(0), words(0)],
    t.NodeGetCPUMapReply(cpumap=b"\xff\x01", online=9, ret=10): [
        "00000002 ff010000",
        words(9),
        words(10),
    ],
    t.NodeGetMemoryParametersArgs(nparams=64, flags=0): [words(64), words(0)],
    t.NodeGetMemoryParametersReply(params=(PARAMETER,), nparams=1): [
        words(1) + PARAMETER_WIRE,
        words(1),
    ],
    t.NodeSecurityModel(model=b"none\0", doi=b"0\0"): [
        words(5) + characters(b"none\0"),
        words(2) + characters(b"0\0"),
    ],
    # Storage.
    t.ConnectListAllStoragePoolsReply(pools=(POOL,), ret=1): [words(1) + NAMED_WIRE, words(1)],
    t.StoragePoolArgs(POOL): [NAMED_WIRE],
    t.StoragePoolFlagsArgs(POOL, flags=1): [NAMED_WIRE, words(1)],
    t.StoragePoolInfo(state=2, capacity=3, allocation=4, available=5): [
        words(2),
        hypers(3),
        hypers(4),
        hypers(5),
    ],
    t.StoragePoolListAllVolumesArgs(POOL, need_results=1, flags=0): [
        NAMED_WIRE,
        words(1),
        words(0),
    ],
    t.StoragePoolListAllVolumesReply(vols=(VOLUME,), ret=1): [words(1) + VOLUME_WIRE, words(1)],
    t.StorageVolArgs(VOLUME): [VOLUME_WIRE],
    t.StorageVolFlagsArgs(VOLUME, flags=1): [VOLUME_WIRE, words(1)],
    t.StorageVolInfo(type=1, capacity=2, allocation=3): [words(1), hypers(2), hypers(3)],
    # Networks, interfaces, devices, filters, secrets.
    t.ConnectListAllNetworksReply(nets=(NETWORK,), ret=1): [words(1) + NAMED_WIRE, words(1)],
    t.NetworkArgs(NETWORK): [NAMED_WIRE],
    t.NetworkFlagsArgs(NETWORK, flags=1): [NAMED_WIRE, words(1)],
    t.NetworkGetDHCPLeasesArgs(NETWORK, mac="52:54", need_results=1, flags=0): [
        NAMED_WIRE,
        words(1) + text("52:54"),
        words(1),
        words(0),
    ],
    LEASE: LEASE_WIRE,
    t.NetworkGetDHCPLeasesReply(leases=(LEASE,), ret=1): [words(1), *LEASE_WIRE, words(1)],
    t.NetworkListAllPortsArgs(NETWORK, need_results=1, flags=0): [NAMED_WIRE, words(1), words(0)],
    t.NetworkListAllPortsReply(ports=(t.NetworkPort(NETWORK, UUID),), ret=1): [
        words(1) + NAMED_WIRE + IDENTITY,
        words(1),
    ],
    t.ConnectListAllInterfacesReply(ifaces=(INTERFACE,), ret=1): [
        words(1) + INTERFACE_WIRE,
        words(1),
    ],
    t.InterfaceArgs(INTERFACE): [INTERFACE_WIRE],
    t.InterfaceFlagsArgs(INTERFACE, flags=1): [INTERFACE_WIRE, words(1)],
    t.ConnectListAllNodeDevicesReply(devices=(t.NodeDevice("a"),), ret=1): [
        words(1) + text("a"),
        words(1),
    ],
    t.NodeDeviceFlagsArgs(name="a", flags=0): [text("a"), words(0)],
    t.ConnectListAllNWFiltersReply(filters=(t.NWFilter("net", UUID),), ret=1): [
        words(1) + NAMED_WIRE,
        words(1),
    ],
    t.ConnectListAllNWFilterBindingsReply(bindings=(t.NWFilterBinding("p", "f"),), ret=1): [
        words(1) + text("p") + text("f"),
        words(1),
    ],
    t.ConnectListAllSecretsReply(secrets=(SECRET,), ret=1): [words(1) + SECRET_WIRE, words(1)],
    # Registrations of events.
    t.ConnectDomainEventCallbackRegisterAnyArgs(event_id=3, dom=DOMAIN): [
        words(3),
        words(1) + DOMAIN_WIRE,
    ],
    t.ConnectNetworkEventRegisterAnyArgs(event_id=1, net=NETWORK): [
        words(1),
        words(1) + NAMED_WIRE,
    ],
    t.ConnectStoragePoolEventRegisterAnyArgs(event_id=1, pool=None): [words(1), words(0)],
    t.ConnectNodeDeviceEventRegisterAnyArgs(event_id=1, dev=t.NodeDevice("a")): [
        words(1),
        words(1) + text("a"),
    ],
    t.ConnectSecretEventRegisterAnyArgs(event_id=1, secret=SECRET): [
        words(1),
        words(1) + SECRET_WIRE,
    ],
}
