"""Limits, placements and messages of real domains: what a page shows is what virsh says."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

from exporter.application import Application
from exporter.config import CollectorsConfig, DiskCollectors
from libvirt_rpc.connection import connect
from libvirt_rpc.protocol.procedures import DOMAIN_GET_BLOCK_IO_TUNE
from tests.support import domains
from tests.support.call_counter import counted
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporting import STATISTICS_ALONE, configured, exporting, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_response

PATIENCE_SECONDS = 30.0
KIB = 1024
RUNNING = DomainSpec(
    "throttled",
    vcpus=2,
    disks=(Disk("vda"), Disk("vdb"), Disk("hdc", device="cdrom")),
    interfaces=(Interface(), Interface(user_mode=True)),
)
OFF = DomainSpec("defined", state="shut off", disks=(Disk("vda"),), interfaces=(Interface(),))
COLLECTORS = CollectorsConfig(
    domain=replace(
        STATISTICS_ALONE.domain, events=True, limits=True, vcpu_placement=True, messages=True
    ),
    disk=DiskCollectors(errors=True),
    network=STATISTICS_ALONE.network,
    host=STATISTICS_ALONE.host,
    storage=STATISTICS_ALONE.storage,
)
THROTTLES = {
    "read-bytes-sec": 1_048_576,
    "read-bytes-sec-max": 2_097_152,
    "read-bytes-sec-max-length": 10,
    "write-iops-sec": 200,
    "size-iops-sec": 4096,
}
METRICS = {
    "size_iops_sec": "iops_size_bytes",
    **{
        f"{operation}_{unit}_sec{end}": f"{operation}_{unit}_{name}"
        for operation in ("total", "read", "write")
        for unit in ("bytes", "iops")
        for end, name in (
            ("", "per_second"),
            ("_max", "burst_per_second"),
            ("_max_length", "burst_length_seconds"),
        )
    },
}


def printed(text: str) -> dict[str, str]:
    rows = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}


def options(values: dict[str, int]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


async def page_of(application: Application) -> ReadPage:
    return read_response(await get(application))


async def page_that(application: Application, fits: Callable[[ReadPage], bool]) -> ReadPage:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fits(page := await page_of(application)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    return page


def check_throttles(page: ReadPage, libvirtd: PrivateLibvirtd, disk: str) -> None:
    own = {"domain": RUNNING.name, "uuid": str(RUNNING.uuid), "disk": disk}
    said = printed(libvirtd.virsh("blkdeviotune", RUNNING.name, disk))
    assert {*said} == {*METRICS, "group_name"}
    for parameter, metric in METRICS.items():
        expected = [float(said[parameter])] if said[parameter] != "0" else []
        assert page.values(f"libvirt_domain_disk_throttle_{metric}", **own) == expected
    is_limited = any(said[parameter] != "0" for parameter in METRICS)
    groups = page.values("libvirt_domain_disk_throttle_info", **own, group=said["group_name"])
    assert groups == ([1] if is_limited else [])


async def test_throttles_are_what_virsh_says_and_a_change_is_seen_by_its_event(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    libvirtd = own_libvirtd
    domains.create(libvirtd, RUNNING)
    libvirtd.virsh("blkdeviotune", RUNNING.name, "vda", *options(THROTTLES), "--live")
    async with counted(configured(libvirtd.uri(), collectors=COLLECTORS)) as (application, counter):
        page = await page_of(application)
        for disk in ("vda", "vdb"):
            check_throttles(page, libvirtd, disk)
        shared = ["--total-bytes-sec", "3000000", "--total-iops-sec", "7", "--group-name", "shared"]
        libvirtd.virsh("blkdeviotune", RUNNING.name, "vdb", *shared, "--live")
        changed = "libvirt_domain_disk_throttle_total_iops_per_second"
        page = await page_that(application, lambda page: page.values(changed) == [7])
        for disk in ("vda", "vdb"):
            check_throttles(page, libvirtd, disk)
        assert page.labels("libvirt_domain_disk_throttle_info", "group").count("shared") == 1
        # A page costs no call, and the CD-ROM is never asked for.
        asked = counter.calls[DOMAIN_GET_BLOCK_IO_TUNE.name]
        assert asked in (4, 6)
        for _ in range(3):
            await page_of(application)
        assert counter.calls[DOMAIN_GET_BLOCK_IO_TUNE.name] == asked


async def test_limits_of_a_domain_that_does_not_run_are_those_of_its_definition(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    libvirtd, name = own_libvirtd, OFF.name
    domains.create(libvirtd, OFF)
    settings = ("cpu_shares=512", "vcpu_period=100000", "vcpu_quota=50000", "global_quota=-1")
    sets = [word for setting in settings for word in ("--set", setting)]
    libvirtd.virsh("schedinfo", name, "--config", *sets, "--set", "emulator_quota=20000")
    libvirtd.virsh(
        "memtune", name, "--config", "--hard-limit", "2097152", "--soft-limit", "1048576"
    )
    weights = ["--weight", "500", "--device-weights", "/dev/vdx,300"]
    libvirtd.virsh("blkiotune", name, "--config", *weights)
    libvirtd.virsh("blkdeviotune", name, "vda", "--read-iops-sec", "50", "--config")
    async with exporting(configured(libvirtd.uri(), collectors=COLLECTORS)) as application:
        page = await page_of(application)
    said = printed(libvirtd.virsh("schedinfo", name))
    assert page.values("libvirt_domain_cpu_shares") == [int(said["cpu_shares"])] == [512]
    for kind in ("period", "quota"):
        for scope in ("vcpu", "emulator", "global", "iothread"):
            microseconds = int(said[f"{scope}_{kind}"])
            expected = [microseconds / 1_000_000] if microseconds > 0 else []
            assert page.values(f"libvirt_domain_cpu_{kind}_seconds", scope=scope) == expected
    assert page.values("libvirt_domain_cpu_quota_seconds", scope="vcpu") == [0.05]
    said = printed(libvirtd.virsh("memtune", name))
    for limit in ("hard_limit", "soft_limit", "swap_hard_limit"):
        expected = [] if said[limit] == "unlimited" else [float(int(said[limit]) * KIB)]
        assert page.values(f"libvirt_domain_memory_{limit}_bytes", domain=name) == expected
    assert said["swap_hard_limit"] == "unlimited"
    said = printed(libvirtd.virsh("blkiotune", name))
    assert page.value("libvirt_domain_blkio_weight") == int(said["weight"])
    assert page.value("libvirt_domain_blkio_device_weight", device="/dev/vdx") == 300
    read = "libvirt_domain_disk_throttle_read_iops_per_second"
    assert page.value(read, domain=name, disk="vda") == 50
    # An interface of a domain that does not run has no name.
    assert page.values("libvirt_domain_interface_bandwidth_average_bytes_per_second") == []


async def test_bandwidths_of_the_test_driver_are_what_virsh_says(libvirtd: PrivateLibvirtd) -> None:
    def virsh(*arguments: str) -> str:
        command = ["virsh", "-q", "-c", libvirtd.test_uri, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    # Its state is that of the daemon for as long as anybody is connected.
    async with connect(libvirtd.test_uri):
        limits = ("--inbound", "1000,2000,64", "--outbound", "500,600,128")
        virsh("domiftune", "test", "testnet0", *limits)
        said = printed(virsh("domiftune", "test", "testnet0"))
        assert said["inbound.average"] == "1000"
        config = configured(libvirtd.test_uri, collectors=COLLECTORS)
        async with exporting(config) as application:
            page = await page_of(application)
    for parameter, text in said.items():
        direction, _, what = parameter.partition(".")
        unit = "_bytes" if what == "burst" else "_bytes_per_second"
        expected = [float(int(text) * KIB)] if text != "0" else []
        name = f"libvirt_domain_interface_bandwidth_{what}{unit}"
        assert page.values(name, direction=direction, interface="testnet0") == expected


async def test_vcpus_and_messages_are_what_virsh_says(own_libvirtd: PrivateLibvirtd) -> None:
    libvirtd = own_libvirtd
    domains.create(libvirtd, RUNNING)
    libvirtd.virsh("vcpupin", RUNNING.name, "1", "0")
    async with exporting(configured(libvirtd.uri(), collectors=COLLECTORS)) as application:
        page = await page_of(application)
    said = [printed(block) for block in libvirtd.virsh("vcpuinfo", RUNNING.name).split("\n\n")]
    said = [one for one in said if one]
    assert len(said) == RUNNING.vcpus
    for one in said:
        labels = {"domain": RUNNING.name, "vcpu": one["VCPU"]}
        # A paused guest's vCPU stays where it is only as long as the host leaves it there.
        (cpu,) = page.values("libvirt_domain_vcpu_physical_cpu", **labels)
        assert int(cpu) == int(one["CPU"])
    affinities = dict(
        zip(
            page.labels("libvirt_domain_vcpu_affinity_info", "vcpu"),
            page.labels("libvirt_domain_vcpu_affinity_info", "cpus"),
            strict=True,
        )
    )
    assert affinities["1"] == "0"
    for one in said:
        allowed = {at for at, mark in enumerate(one["CPU Affinity"]) if mark == "y"}
        assert affinities[one["VCPU"]] == ranges(allowed)
    lines = libvirtd.virsh("dominfo", RUNNING.name).partition("Messages:")[2].splitlines()
    messages = [line.strip() for line in lines if line.strip()]
    assert messages
    assert page.labels("libvirt_domain_message_info", "message") == messages
    assert sum(page.values("libvirt_domain_messages")) == len(messages)
    assert page.value("libvirt_domain_updated", domain=RUNNING.name) == 0
    assert page.values("libvirt_domain_disk_error") == []
    disks = {"collector": "disk_errors", "reason": ""}
    assert page.value("libvirt_exporter_collector_available", **disks) == 1


def ranges(numbers: set[int]) -> str:
    """`0-3,8`, the slow way."""
    starts = sorted(number for number in numbers if number - 1 not in numbers)
    ends = sorted(number for number in numbers if number + 1 not in numbers)
    pairs = zip(starts, ends, strict=True)
    return ",".join(str(one) if one == other else f"{one}-{other}" for one, other in pairs)
