"""Structs about domains and guests: a value and its bytes, a line a field in the order of the .x files."""

from __future__ import annotations

from typing import Any

from libvirt_rpc.protocol import types as t
from tests.libvirt_rpc.protocol.wire import (
    DOMAIN,
    DOMAIN_WIRE,
    PARAMETER,
    PARAMETER_WIRE,
    hypers,
    text,
    words,
)

SNAPSHOT = t.DomainSnapshot("s1", DOMAIN)
SNAPSHOT_WIRE = text("s1") + DOMAIN_WIRE
ONE_PARAMETER = words(1) + PARAMETER_WIRE

DOMAINS: dict[Any, list[str]] = {
    SNAPSHOT: [text("s1"), DOMAIN_WIRE],
    t.DomainCheckpoint("c1", DOMAIN): [text("c1"), DOMAIN_WIRE],
    t.ConnectListAllDomainsArgs(need_results=1, flags=3): [words(1), words(3)],
    t.ConnectListAllDomainsReply(domains=(DOMAIN,), ret=1): [words(1) + DOMAIN_WIRE, words(1)],
    t.DomainArgs(DOMAIN): [DOMAIN_WIRE],
    t.DomainFlagsArgs(dom=DOMAIN, flags=2): [DOMAIN_WIRE, words(2)],
    t.DomainParametersArgs(dom=DOMAIN, nparams=16, flags=4): [DOMAIN_WIRE, words(16), words(4)],
    t.DomainParametersReply(params=(PARAMETER,), nparams=1): [ONE_PARAMETER, words(1)],
    t.DomainPathFlagsArgs(DOMAIN, path="vda", flags=1): [DOMAIN_WIRE, text("vda"), words(1)],
    t.DomainState(state=5, reason=1): [words(5), words(1)],
    t.DomainControlInfo(state=2, details=3, state_time=2**32): [words(2), words(3), hypers(2**32)],
    t.DomainGetVcpuPinInfoArgs(DOMAIN, ncpumaps=2, maplen=1, flags=2): [
        DOMAIN_WIRE,
        words(2),
        words(1),
        words(2),
    ],
    t.DomainGetVcpuPinInfoReply(cpumaps=b"\x03\x01", num=2): ["00000002 03010000", words(2)],
    t.DomainGetEmulatorPinInfoArgs(DOMAIN, maplen=1, flags=2): [DOMAIN_WIRE, words(1), words(2)],
    t.DomainGetEmulatorPinInfoReply(cpumaps=b"\x03", ret=1): ["00000001 03000000", words(1)],
    t.DomainIOThreadInfo(iothread_id=1, cpumap=b"\x02"): [words(1), "00000001 02000000"],
    t.DomainGetIOThreadInfoReply(info=(t.DomainIOThreadInfo(1, b"\x02"),), ret=1): [
        words(1) + words(1) + "00000001 02000000",
        words(1),
    ],
    t.DomainGetBlockIOTuneArgs(DOMAIN, disk="vda", nparams=32, flags=4): [
        DOMAIN_WIRE,
        words(1) + text("vda"),
        words(32),
        words(4),
    ],
    t.DomainGetBlockIOTuneReply(params=(PARAMETER,), nparams=1): [ONE_PARAMETER, words(1)],
    t.DomainGetInterfaceParametersArgs(DOMAIN, device="vnet0", nparams=16, flags=4): [
        DOMAIN_WIRE,
        text("vnet0"),
        words(16),
        words(4),
    ],
    t.DomainSchedulerType(type="posix", nparams=9): [text("posix"), words(9)],
    t.DomainGetSchedulerParametersReply(params=(PARAMETER,)): [ONE_PARAMETER],
    t.DomainGetPerfEventsReply(params=(PARAMETER,)): [ONE_PARAMETER],
    t.DomainGetLaunchSecurityInfoReply(params=(PARAMETER,)): [ONE_PARAMETER],
    t.DomainGetMessagesReply(msgs=("tainted",)): [words(1) + text("tainted")],
    t.DomainGetMetadataArgs(DOMAIN, type=2, uri="urn:x", flags=0): [
        DOMAIN_WIRE,
        words(2),
        words(1) + text("urn:x"),
        words(0),
    ],
    t.DomainListAllArgs(DOMAIN, need_results=1, flags=2): [DOMAIN_WIRE, words(1), words(2)],
    t.DomainListAllSnapshotsReply(snapshots=(SNAPSHOT,), ret=1): [
        words(1) + SNAPSHOT_WIRE,
        words(1),
    ],
    t.DomainListAllCheckpointsReply(checkpoints=(t.DomainCheckpoint("s1", DOMAIN),), ret=1): [
        words(1) + SNAPSHOT_WIRE,
        words(1),
    ],
    t.DomainSnapshotFlagsArgs(snap=SNAPSHOT, flags=0): [SNAPSHOT_WIRE, words(0)],
    t.DomainCheckpointFlagsArgs(checkpoint=t.DomainCheckpoint("s1", DOMAIN), flags=0): [
        SNAPSHOT_WIRE,
        words(0),
    ],
    # Figures.
    t.ConnectGetAllDomainStatsArgs(doms=(DOMAIN,), stats=0x3F, flags=0x20000000): [
        words(1) + DOMAIN_WIRE,
        words(0x3F),
        words(0x20000000),
    ],
    t.DomainStatsRecord(dom=DOMAIN, params=()): [DOMAIN_WIRE, words(0)],
    t.ConnectGetAllDomainStatsReply((t.DomainStatsRecord(DOMAIN, ()),)): [
        words(1) + DOMAIN_WIRE + words(0),
    ],
    t.DomainInfo(state=1, max_mem=4096, memory=2048, nr_virt_cpu=2, cpu_time=2**40): [
        words(1),
        hypers(4096),
        hypers(2048),
        words(2),
        hypers(2**40),
    ],
    t.VcpuInfo(number=1, state=1, cpu_time=9, cpu=-1): [words(1), words(1), hypers(9), words(-1)],
    t.DomainGetVcpusArgs(DOMAIN, maxinfo=4, maplen=1): [DOMAIN_WIRE, words(4), words(1)],
    t.DomainGetVcpusReply(info=(t.VcpuInfo(0, 1, 9, 3),), cpumaps=b"\x0f\0"): [
        words(1) + words(0, 1) + hypers(9) + words(3),
        "00000002 0f000000",
    ],
    t.DomainGetCPUStatsArgs(DOMAIN, nparams=3, start_cpu=-1, ncpus=1, flags=0): [
        DOMAIN_WIRE,
        words(3),
        words(-1),
        words(1),
        words(0),
    ],
    t.DomainGetCPUStatsReply(params=(PARAMETER,), nparams=1): [ONE_PARAMETER, words(1)],
    t.DomainMemoryStatsArgs(DOMAIN, max_stats=1024, flags=0): [DOMAIN_WIRE, words(1024), words(0)],
    t.DomainMemoryStat(tag=6, val=2**33): [words(6), hypers(2**33)],
    t.DomainMemoryStatsReply(stats=(t.DomainMemoryStat(7, 1),)): [words(1) + words(7) + hypers(1)],
    t.DomainBlockStatsArgs(DOMAIN, path="vda"): [DOMAIN_WIRE, text("vda")],
    t.DomainBlockStats(rd_req=1, rd_bytes=512, wr_req=2, wr_bytes=1024, errs=-1): [
        hypers(1),
        hypers(512),
        hypers(2),
        hypers(1024),
        hypers(-1),
    ],
    t.DomainBlockStatsFlagsArgs(DOMAIN, path="", nparams=16, flags=0): [
        DOMAIN_WIRE,
        text(""),
        words(16),
        words(0),
    ],
    t.DomainBlockInfo(allocation=1, capacity=2, physical=3): [hypers(1), hypers(2), hypers(3)],
    t.DomainGetDiskErrorsArgs(DOMAIN, maxerrors=256, flags=0): [DOMAIN_WIRE, words(256), words(0)],
    t.DomainDiskError(disk="vda", error=2): [text("vda"), words(2)],
    t.DomainGetDiskErrorsReply(errors=(t.DomainDiskError("vda", 2),), nerrors=1): [
        words(1) + text("vda") + words(2),
        words(1),
    ],
    t.DomainInterfaceStatsArgs(DOMAIN, device="vnet0"): [DOMAIN_WIRE, text("vnet0")],
    t.DomainInterfaceStats(
        rx_bytes=1,
        rx_packets=2,
        rx_errs=3,
        rx_drop=4,
        tx_bytes=5,
        tx_packets=6,
        tx_errs=7,
        tx_drop=-1,
    ): [hypers(1, 2, 3, 4), hypers(5, 6, 7, -1)],
    t.DomainJobInfo(
        type=2,
        time_elapsed=1,
        time_remaining=2,
        data_total=3,
        data_processed=4,
        data_remaining=5,
        mem_total=6,
        mem_processed=7,
        mem_remaining=8,
        file_total=9,
        file_processed=10,
        file_remaining=11,
    ): [words(2), hypers(1, 2), hypers(3, 4, 5), hypers(6, 7, 8), hypers(9, 10, 11)],
    t.DomainGetJobStatsReply(type=3, params=(PARAMETER,)): [words(3), ONE_PARAMETER],
    t.DomainBlockJobInfo(found=1, type=2, bandwidth=3, cur=4, end=5): [
        words(1),
        words(2),
        hypers(3),
        hypers(4),
        hypers(5),
    ],
    # Guests.
    t.DomainInterfaceAddressesArgs(DOMAIN, source=2, flags=0): [DOMAIN_WIRE, words(2), words(0)],
    t.DomainIPAddr(type=1, addr="::1", prefix=128): [words(1), text("::1"), words(128)],
    t.DomainInterface(name="lo", hwaddr=None, addrs=(t.DomainIPAddr(1, "::1", 128),)): [
        text("lo"),
        words(0),
        words(1) + words(1) + text("::1") + words(128),
    ],
    t.DomainInterfaceAddressesReply(ifaces=(t.DomainInterface("lo", "00:00", ()),)): [
        words(1) + text("lo") + words(1) + text("00:00") + words(0),
    ],
    t.DomainGetGuestInfoArgs(DOMAIN, types=16, flags=0): [DOMAIN_WIRE, words(16), words(0)],
    t.DomainGetGuestInfoReply(params=(PARAMETER,)): [ONE_PARAMETER],
    t.DomainFSInfo(mountpoint="/", name="vda1", fstype="ext4", dev_aliases=("vda",)): [
        text("/"),
        text("vda1"),
        text("ext4"),
        words(1) + text("vda"),
    ],
    t.DomainGetFSInfoReply(info=(t.DomainFSInfo("/", "vda1", "ext4", ()),), ret=1): [
        words(1) + text("/") + text("vda1") + text("ext4") + words(0),
        words(1),
    ],
    t.DomainGetGuestVcpusReply(params=(PARAMETER,)): [ONE_PARAMETER],
    t.DomainTime(seconds=2**33, nseconds=5): [hypers(2**33), words(5)],
}
