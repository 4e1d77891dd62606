"""QEMU's own guest agent in a real guest: what a page shows is what virsh says, and it may go and come."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from exporter.application import Application
from exporter.config import CollectorsConfig
from libvirt_rpc.protocol.procedures import DOMAIN_GET_GUEST_INFO
from tests.support import domains, real_parts
from tests.support.call_counter import CallCounter, counted
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporting import STATISTICS_ALONE, configured, get
from tests.support.guest import GuestUnavailable, build_agent_guest
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_response

BOOT_SECONDS = 120.0
WITH_AGENT = DomainSpec(
    "with-agent",
    state="running",
    memory_mib=128,
    vcpus=2,
    disks=(Disk("vda", "raw"),),
    interfaces=(Interface(),),
    agent_channel=True,
)
SILENT = DomainSpec("nobody-there", state="paused", agent_channel=True)
PLAIN = DomainSpec("without-channel", state="paused")
COLLECTORS = CollectorsConfig(
    domain=replace(STATISTICS_ALONE.domain, info=True, events=True, guest_agent=True),
    network=STATISTICS_ALONE.network,
    host=STATISTICS_ALONE.host,
    storage=STATISTICS_ALONE.storage,
    guest_agent_interval_seconds=1.0,
)


def boot(libvirtd: PrivateLibvirtd) -> DomainSpec:
    """Domains of which one runs the agent; its disk has a filesystem."""
    formatter = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
    if formatter is None:
        real_parts.lacks("mkfs.ext4 is not installed")
    try:
        guest = build_agent_guest(libvirtd.images)
    except GuestUnavailable as exc:
        real_parts.lacks(str(exc))
    spec = replace(WITH_AGENT, boot=guest.boot(console=libvirtd.images / "console"))
    domains.define(libvirtd, spec)
    image = libvirtd.images / domains.image_name(spec, spec.disks[0])
    subprocess.run([str(formatter), "-q", "-F", str(image)], check=True, timeout=60)
    domains.start(libvirtd, spec)
    domains.create(libvirtd, SILENT, PLAIN)
    return spec


@contextlib.asynccontextmanager
async def exporter(libvirtd: PrivateLibvirtd) -> AsyncIterator[tuple[Application, CallCounter]]:
    config = configured(libvirtd.uri(), collectors=COLLECTORS)
    async with counted(replace(config, libvirt=replace(config.libvirt, read_only=False))) as both:
        yield both


async def until(application: Application, name: str, *, is_there: bool) -> ReadPage:
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        page = read_response(await get(application))
        if bool(page.values(name)) == is_there:
            return page
        assert time.monotonic() < deadline, f"{name} did not change within {BOOT_SECONDS} s"
        await asyncio.sleep(0.5)


def guestinfo(libvirtd: PrivateLibvirtd, name: str) -> dict[str, str]:
    rows = (line.partition(":") for line in libvirtd.virsh("guestinfo", name).splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}


@pytest.mark.timeout(400)
async def test_a_real_agent_is_shown_as_virsh_shows_it_and_may_go_and_come(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    spec = boot(own_libvirtd)
    async with exporter(own_libvirtd) as (application, counter):
        page = await until(application, "libvirt_domain_guest_info", is_there=True)
        told = guestinfo(own_libvirtd, spec.name)
        own = {"domain": spec.name, "uuid": str(spec.uuid)}
        for label, key in (
            ("os_id", "os.id"),
            ("pretty_name", "os.pretty-name"),
            ("version_id", "os.version-id"),
            ("kernel_release", "os.kernel-release"),
            ("machine", "os.machine"),
        ):
            assert page.labels("libvirt_domain_guest_info", label) == [told[key]]
        assert told["os.pretty-name"] == "Tiny Guest 1.2"
        assert page.labels("libvirt_domain_guest_hostname_info", "hostname") == ["little-guest"]
        assert page.value("libvirt_domain_guest_users", **own) == int(told["user.count"])
        assert page.value("libvirt_domain_guest_timezone_offset_seconds", **own) == 0
        assert page.value("libvirt_domain_guest_vcpus_online", **own) == spec.vcpus
        filesystem = {"mountpoint": "/data", "fstype": "ext4", "disks": "vda"}
        assert told["fs.0.mountpoint"] == "/data"
        for kind in ("total", "used"):
            name = f"libvirt_domain_guest_filesystem_{kind}_bytes"
            assert page.value(name, **own, **filesystem) == int(told[f"fs.0.{kind}-bytes"])
        address = {"interface": "eth0", "address": "198.18.7.2", "prefix": "30", "type": "ipv4"}
        address["mac"] = own_libvirtd.virsh("domiflist", spec.name).split()[4]
        assert page.value("libvirt_domain_guest_interface_address_info", **own, **address) == 1
        # Nobody answers in the others, of which one has no channel: they are not even asked.
        assert page.labels("libvirt_domain_guest_agent_responsive", "domain") == [spec.name]
        await leaves_and_comes_back(own_libvirtd, application, counter, spec)


async def leaves_and_comes_back(
    libvirtd: PrivateLibvirtd, application: Application, counter: CallCounter, spec: DomainSpec
) -> None:
    # A guest that stands still: its agent is connected and answers nothing.
    libvirtd.virsh("suspend", spec.name)
    await until(application, "libvirt_domain_guest_info", is_there=False)
    name = DOMAIN_GET_GUEST_INFO.name
    asked = counter.calls[name]
    for _ in range(4):
        await get(application)
        await asyncio.sleep(1)
    assert counter.calls[name] == asked
    libvirtd.virsh("resume", spec.name)
    page = await until(application, "libvirt_domain_guest_info", is_there=True)
    assert page.value("libvirt_domain_guest_agent_responsive", domain=spec.name) == 1
    assert page.value("libvirt_exporter_stuck_calls") == 0


async def test_a_read_only_connection_is_not_told_and_says_so(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    async with counted(configured(libvirtd.uri(), collectors=COLLECTORS)) as (application, counter):
        page = read_response(await get(application))
        off = {"collector": "guest_agent", "reason": "denied"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0
        assert page.value("libvirt_exporter_last_scrape_error") == 0
        assert not counter.calls[DOMAIN_GET_GUEST_INFO.name]
