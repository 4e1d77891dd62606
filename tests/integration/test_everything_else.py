"""What is there beside the statistics, on real daemons: documents, events, jobs, host, storage, networks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from exporter.application import Application
from exporter.config import CollectorsConfig, StorageCollectors
from tests.support import domains, real_parts
from tests.support import libvirtd as private
from tests.support.domains import EXAMPLE_NOVA_METADATA, Disk, DomainSpec, Interface
from tests.support.exporting import configured, exporting, get
from tests.support.libvirtd import IMAGES, PrivateLibvirtd
from tests.support.pages import ReadPage, read_response

PATIENCE_SECONDS = 20.0
SPEC = DomainSpec(
    "instance-0000002a",
    disks=(Disk("vda", "raw", size_mib=64), Disk("vdb")),
    interfaces=(Interface(),),
    nova=EXAMPLE_NOVA_METADATA,
    title="Datenbank für Köln",
)
MOVING = DomainSpec("moving", memory_mib=64, state="running")


@pytest.fixture(scope="module")
def host() -> Iterator[PrivateLibvirtd]:
    """A daemon with a domain that tests act on, a storage pool and a network."""
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        domains.create(daemon, SPEC)
        for pool in ("images", "idle"):
            (daemon.images / pool).mkdir()
            daemon.virsh("pool-define-as", pool, "dir", "--target", str(IMAGES / pool))
        daemon.virsh("pool-start", "images")
        daemon.virsh("pool-autostart", "images")
        daemon.virsh("vol-create-as", "images", "one", "3M")
        daemon.virsh("vol-create-as", "images", "two", "5M", "--allocation", "1M")
        network = daemon.images / "network.xml"
        network.write_text(
            "<network><name>backbone</name><bridge name='virbr-backbone'/>"
            "<dns enable='no'/><domain name='example.test'/></network>"
        )
        daemon.virsh("net-define", str(network))
        yield daemon


@contextlib.asynccontextmanager
async def watching(
    daemon: PrivateLibvirtd,
    *,
    uri: str | None = None,
    storage: StorageCollectors = StorageCollectors(),  # noqa: B008  # frozen
) -> AsyncIterator[Application]:
    """An exporter with everything that is on by default, kept connected."""
    collectors = CollectorsConfig(jobs_interval_seconds=1.0, storage=storage)
    async with exporting(
        configured(uri or daemon.uri(read_only=True), collectors=collectors)
    ) as application:
        yield application


async def page_of(application: Application) -> ReadPage:
    return read_response(await get(application))


async def until(application: Application, happened: Callable[[ReadPage], bool]) -> ReadPage:
    """Scrapes until it happened."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        page = await page_of(application)
        if happened(page):
            return page
        assert time.monotonic() < deadline, f"it does not happen:\n{page.text}"
        await asyncio.sleep(0.1)


async def virsh(daemon: PrivateLibvirtd, *arguments: str) -> str:
    return await asyncio.to_thread(daemon.virsh, *arguments)


def facts(text: str) -> dict[str, str]:
    """`Name: value` lines, as virsh prints them."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


# Documents.


async def test_the_first_page_has_what_the_documents_say(host: PrivateLibvirtd) -> None:
    async with watching(host) as application:
        page = await page_of(application)
    own = {"domain": SPEC.name, "uuid": str(SPEC.uuid)}
    assert page.value("libvirt_domain_info", **own, os_type="hvm", title=SPEC.title or "") == 1
    assert page.labels("libvirt_domain_disk_info", "disk") == ["vda", "vdb"]
    assert (
        page.value("libvirt_domain_disk_info", **own, disk="vda", format="raw", bus="virtio") == 1
    )
    assert page.labels("libvirt_domain_interface_info", "interface") == page.labels(
        "libvirt_domain_network_receive_bytes_total", "interface"
    )
    assert (
        page.value(
            "libvirt_domain_openstack_info",
            **own,
            instance_name="billing-worker-3",
            project_name="billing",
            instance_id=str(SPEC.uuid),
        )
        == 1
    )
    assert page.values("libvirt_exporter_collector_success") == [1.0] * len(
        page.values("libvirt_exporter_collector_success")
    )
    assert page.value("libvirt_exporter_last_scrape_error") == 0


async def test_a_change_is_on_a_page_soon_because_an_event_said_so(host: PrivateLibvirtd) -> None:
    async with watching(host) as application:
        await page_of(application)
        await virsh(host, "desc", SPEC.name, "--live", "--config", "--title", "another")
        try:
            await until(
                application,
                lambda page: page.labels("libvirt_domain_info", "title") == ["another"],
            )
        finally:
            await virsh(host, "desc", SPEC.name, "--live", "--config", "--title", SPEC.title or "")


async def test_what_libvirt_keeps_of_a_domain_is_what_virsh_says(host: PrivateLibvirtd) -> None:
    own = {"domain": SPEC.name}
    async with watching(host) as application:
        page = await page_of(application)
        assert page.value("libvirt_domain_autostart", **own) == 0
        assert page.value("libvirt_domain_persistent", **own) == 1
        assert page.value("libvirt_domain_has_managed_save", **own) == 0
        assert page.value("libvirt_domain_snapshots", **own) == 0
        assert page.value("libvirt_domain_checkpoints", **own) == 0
    await virsh(host, "autostart", SPEC.name)
    try:
        async with watching(host) as application:
            page = await page_of(application)
            assert page.value("libvirt_domain_autostart", **own) == 1
    finally:
        await virsh(host, "autostart", SPEC.name, "--disable")


async def test_snapshots_are_counted(host: PrivateLibvirtd) -> None:
    spec = DomainSpec("keeper", state="shut off", disks=(Disk("vda"),))
    await asyncio.to_thread(domains.create, host, spec)
    try:
        for name in ("one", "two"):
            await virsh(host, "snapshot-create-as", spec.name, name)
        async with watching(host) as application:
            page = await page_of(application)
        assert page.value("libvirt_domain_snapshots", domain=spec.name) == 2
        assert page.value("libvirt_domain_snapshots", domain=SPEC.name) == 0
        for name in ("one", "two"):
            await virsh(host, "snapshot-delete", spec.name, name)
    finally:
        await asyncio.to_thread(domains.undefine, host, spec)


# Events.


async def test_what_happens_is_counted_and_a_start_is_dated(host: PrivateLibvirtd) -> None:
    spec = DomainSpec("eventful")
    await asyncio.to_thread(domains.define, host, spec)
    own = {"domain": spec.name}
    try:
        async with watching(host) as application:
            page = await page_of(application)
            assert (
                page.value("libvirt_domain_events_total", **own, event="started", detail="booted")
                == 0
            )
            assert not page.values("libvirt_domain_uptime_seconds", **own)
            before = time.time()
            await virsh(host, "start", spec.name, "--paused")
            await virsh(host, "resume", spec.name)
            await virsh(host, "reset", spec.name)
            await virsh(host, "suspend", spec.name)
            page = await until(
                application,
                lambda page: (
                    page.values(
                        "libvirt_domain_events_total", **own, event="suspended", detail="paused"
                    )
                    # One for the start that was paused, too, where libvirt says so.
                    not in ([], [0.0])
                    and page.value("libvirt_domain_reboots_total", **own) >= 1
                ),
            )
            after = time.time()
            assert (
                page.value("libvirt_domain_events_total", **own, event="started", detail="booted")
                == 1
            )
            assert before - 1 <= page.value("libvirt_domain_start_time_seconds", **own) <= after
            at = page.value("libvirt_domain_last_event_timestamp_seconds", **own, event="suspended")
            assert before <= at <= after
            await virsh(host, "destroy", spec.name)
            page = await until(
                application,
                lambda page: (
                    page.value(
                        "libvirt_domain_events_total", **own, event="stopped", detail="destroyed"
                    )
                    == 1
                ),
            )
            assert not page.values("libvirt_domain_uptime_seconds", **own)
            assert page.value("libvirt_exporter_unknown_events") == 0
    finally:
        await asyncio.to_thread(domains.undefine, host, spec)


# Jobs.


async def test_a_managed_save_is_a_job_with_its_figures(host: PrivateLibvirtd) -> None:
    spec = DomainSpec("saved", memory_mib=64)
    await asyncio.to_thread(domains.create, host, spec)
    own = {"domain": spec.name}
    try:
        async with watching(host) as application:
            page = await page_of(application)
            assert not page.values("libvirt_domain_last_job_success", **own)
            await virsh(host, "managedsave", spec.name)
            page = await until(
                application,
                lambda page: bool(page.values("libvirt_domain_last_job_success", **own)),
            )
            job = {**own, "operation": "save"}
            assert page.value("libvirt_domain_last_job_success", **job) == 1
            assert page.value("libvirt_domain_last_job_memory_total_bytes", **job) >= 64 * 1024**2
            assert 0 < page.value("libvirt_domain_last_job_elapsed_seconds", **job) < 60
            assert page.value("libvirt_domain_jobs_completed_total", **job, success="true") == 1
            page = await until(
                application, lambda page: page.value("libvirt_domain_has_managed_save", **own) == 1
            )
    finally:
        await virsh(host, "managedsave-remove", spec.name)
        await asyncio.to_thread(domains.undefine, host, spec)


async def test_a_block_copy_shows_how_far_it_has_come(host: PrivateLibvirtd) -> None:
    own = {"domain": SPEC.name, "disk": "vda", "type": "copy"}
    size = 64 * 1024**2
    copy = str(IMAGES / "copy.raw")
    async with watching(host) as application:
        page = await page_of(application)
        assert not page.values("libvirt_domain_block_job_active")
        await virsh(
            host,
            *("blockcopy", SPEC.name, "vda", copy, "--format", "raw"),
            *("--transient-job", "--bytes", "--bandwidth", str(4 * 1024**2)),
        )
        try:
            page = await until(
                application,
                lambda page: page.values("libvirt_domain_block_job_active", **own) == [1.0],
            )
            assert 0 <= page.value("libvirt_domain_block_job_processed_bytes", **own) <= size
            assert page.value("libvirt_domain_block_job_total_bytes", **own) <= size
            limit = "libvirt_domain_block_job_bandwidth_limit_bytes_per_second"
            assert page.value(limit, **own) == 4 * 1024**2
        finally:
            await virsh(host, "blockjob", SPEC.name, "vda", "--abort")
        page = await until(
            application, lambda page: not page.values("libvirt_domain_block_job_active")
        )
        status = {"domain": SPEC.name, "type": "copy", "status": "canceled"}
        assert page.value("libvirt_domain_block_jobs_total", **status) == 1


def start_with_much_to_move(here: PrivateLibvirtd, there: PrivateLibvirtd) -> None:
    """Starts the domain with memory that is not all zero: its migration takes a while."""
    data = os.urandom(24 * 1024**2)
    for daemon in (here, there):
        (daemon.images / "data").write_bytes(data)
    loader = f"loader,file={IMAGES / 'data'},addr=0x2000000,force-raw=on"
    more = (
        '<qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
        f'<qemu:arg value="-device"/><qemu:arg value="{loader}"/></qemu:commandline></domain>'
    )
    definition = here.images / "moving.xml"
    definition.write_text(domains.domain_xml(MOVING).replace("</domain>", more))
    here.virsh("define", str(definition))
    here.virsh("start", MOVING.name)


async def test_a_migration_is_seen_from_both_of_its_ends() -> None:
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with (
        PrivateLibvirtd(config={"host_uuid": str(uuid.uuid4())}) as here,
        PrivateLibvirtd(config={"host_uuid": str(uuid.uuid4())}) as there,
    ):
        await asyncio.to_thread(start_with_much_to_move, here, there)
        async with watching(here) as source, watching(there) as destination:
            await page_of(source)
            await page_of(destination)
            channel = f"unix://{there.directory}/migration"
            await virsh(here, "migrate-setspeed", MOVING.name, "1")
            migration = asyncio.create_task(
                virsh(
                    here,
                    *("migrate", "--live", "--verbose", MOVING.name, there.uri()),
                    *("--migrateuri", channel),
                )
            )
            own = {"domain": MOVING.name}
            job = {**own, "operation": "migration_out"}
            try:
                total = "libvirt_domain_job_memory_total_bytes"
                page = await until(
                    source, lambda page: page.values(total, **job) not in ([], [0.0])
                )
                assert page.value("libvirt_domain_job_active", **job) == 1
                assert page.value(total, **job) >= 64 * 1024**2
                assert page.value("libvirt_domain_job_elapsed_seconds", **job) >= 0
                await virsh(here, "migrate-setspeed", MOVING.name, "1000")
            finally:
                await migration
            arrived = {**own, "event": "started", "detail": "migrated"}
            page = await until(
                destination,
                lambda page: page.values("libvirt_domain_events_total", **arrived) == [1.0],
            )
            left = {**own, "event": "stopped", "detail": "migrated"}
            page = await until(
                source,
                lambda page: page.values("libvirt_domain_events_total", **left) == [1.0],
            )
            assert not page.values("libvirt_domain_job_active")
            assert page.value("libvirt_domain_last_job_success", **job) == 1
            assert 0 <= page.value("libvirt_domain_last_job_downtime_seconds", **job) < 30
            assert page.value("libvirt_domain_last_job_memory_iterations", **job) >= 1


# Host, storage, networks.


async def test_the_host_is_as_virsh_says(host: PrivateLibvirtd) -> None:
    node = facts(await virsh(host, "nodeinfo"))
    async with watching(host) as application:
        page = await page_of(application)
    assert page.value("libvirt_host_cpus") == int(node["CPU(s)"])
    assert page.value("libvirt_host_info", model=node["CPU model"]) == 1
    before = facts(await virsh(host, "nodecpustats"))
    async with watching(host) as application:
        page = await page_of(application)
    after = facts(await virsh(host, "nodecpustats"))
    for mode, name in (("kernel", "system"), ("user", "user"), ("idle", "idle")):
        seconds = page.value("libvirt_host_cpu_seconds_total", mode=mode)
        assert int(before[name]) <= round(seconds * 1e9) <= int(after[name])
    memory = facts(await virsh(host, "nodememstats"))
    assert page.value("libvirt_host_memory_total_bytes") == int(memory["total"].split()[0]) * 1024
    assert (
        0
        < page.value("libvirt_host_memory_free_bytes")
        < page.value("libvirt_host_memory_total_bytes")
    )
    assert page.value("libvirt_host_pages", node="0", page_size="4096") > 0
    assert page.value("libvirt_host_free_pages", node="0", page_size="4096") > 0
    listed = (await virsh(host, "list", "--name", "--state-paused")).split()
    assert page.value("libvirt_domains", state="paused") == len(listed) > 0
    version = (await virsh(host, "version", "--daemon")).splitlines()[-1].rpartition(" ")[2]
    assert page.value("libvirt_versions_info", libvirt=version, driver="QEMU") == 1


async def test_storage_is_as_virsh_says(host: PrivateLibvirtd) -> None:
    info = facts(await virsh(host, "pool-info", "images", "--bytes"))
    volumes = StorageCollectors(volumes=True, max_volumes=1)
    async with watching(host, storage=volumes) as application:
        page = await page_of(application)
    own = {"pool": "images", "uuid": info["UUID"]}
    assert page.value("libvirt_storage_pool_state", **own) == 2
    assert page.value("libvirt_storage_pool_capacity_bytes", **own) == int(info["Capacity"])
    assert page.value("libvirt_storage_pool_allocation_bytes", **own) == int(info["Allocation"])
    assert page.value("libvirt_storage_pool_available_bytes", **own) == int(info["Available"])
    assert page.value("libvirt_storage_pool_volumes", **own) == 2
    assert page.value("libvirt_storage_pool_autostart", **own) == 1
    assert page.value("libvirt_storage_pool_info", **own, type="dir") == 1
    assert page.value("libvirt_storage_pool_state", pool="idle") == 0
    assert not page.values("libvirt_storage_pool_capacity_bytes", pool="idle")
    # One is shown, as was asked for, and it is said that there is another.
    one = {"pool": "images", "volume": "one", "type": "file"}
    assert page.value("libvirt_storage_volume_capacity_bytes", **one) == 3 * 1024**2
    assert page.labels("libvirt_storage_volume_capacity_bytes", "volume") == ["one"]
    assert page.value("libvirt_exporter_volumes_not_shown") == 1


async def test_networks_are_as_virsh_says(host: PrivateLibvirtd) -> None:
    async with watching(host) as application:
        page = await page_of(application)
    own = {"network": "backbone"}
    assert page.value("libvirt_network_active", **own) == 0
    assert page.value("libvirt_network_persistent", **own) == 1
    assert page.value("libvirt_network_autostart", **own) == 0
    info = {"bridge": "virbr-backbone", "forward": "isolated", "domain_name": "example.test"}
    assert page.value("libvirt_network_info", **own, **info) == 1
    assert not page.values("libvirt_network_ports")
    await virsh(host, "net-start", "backbone")
    try:
        async with watching(host) as application:
            page = await page_of(application)
        assert page.value("libvirt_network_active", **own) == 1
        assert page.value("libvirt_network_ports", **own) == 0
        assert page.value("libvirt_network_dhcp_leases", **own) == 0
    finally:
        await virsh(host, "net-destroy", "backbone")


async def test_the_test_driver_has_all_of_it_too(host: PrivateLibvirtd) -> None:
    def asked(*arguments: str) -> dict[str, str]:
        command = ["virsh", "--connect", host.test_uri, *arguments]
        return facts(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    async with watching(host, uri=host.test_uri) as application:
        jobs_are_off = {"collector": "domain_jobs", "reason": "unsupported"}
        page = await until(
            application,
            lambda page: (
                page.values("libvirt_exporter_collector_available", **jobs_are_off) == [0.0]
            ),
        )
    pool = await asyncio.to_thread(asked, "pool-info", "default-pool", "--bytes")
    assert page.value("libvirt_storage_pool_capacity_bytes", pool="default-pool") == int(
        pool["Capacity"]
    )
    assert page.value("libvirt_network_active", network="default") == 1
    assert page.value("libvirt_network_info", bridge="virbr0") == 1
    node = await asyncio.to_thread(asked, "nodeinfo")
    assert page.value("libvirt_host_cpus") == int(node["CPU(s)"])
    assert page.value("libvirt_host_interfaces", state="active") == 1
    assert page.value("libvirt_host_node_devices", capability="system") == 1
    # What it does not have is said, and is no failure.
    off = {"dhcp_leases", "host.memory", "host_devices.nwfilters"}
    for part in off:
        gone = {"collector": part, "reason": "unsupported"}
        assert page.values("libvirt_exporter_collector_available", **gone) == [0.0], part
    assert page.value("libvirt_exporter_last_scrape_error") == 0
