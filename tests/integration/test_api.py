"""Every call of the API once, on libvirt's test driver or on QEMU; what virsh prints of the same is the same."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.enums import (
    ConnectListAllInterfacesFlags,
    DomainBlockJobType,
    DomainGetJobStatsFlags,
    DomainGuestInfoTypes,
    DomainInterfaceAddressesSource,
    DomainJobOperation,
    DomainJobType,
    DomainMemoryStatTags,
    DomainMetadataType,
    DomainModificationImpact,
    DomainVcpuFlags,
    ErrorNumber,
    SecretUsageType,
    StoragePoolState,
    StorageVolInfoFlags,
)
from libvirt_rpc.errors import RemoteError
from libvirt_rpc.protocol import types as t
from tests.integration.conftest import FLEET
from tests.libvirt_rpc.protocol import test_read_only
from tests.support import domains
from tests.support.domains import DomainSpec
from tests.support.libvirtd import IMAGES, PrivateLibvirtd

SYSTEMTAP_TABLE = Path("/usr/share/systemtap/tapset/libvirt_functions.stp")
WEB, DATABASE, NOVA, ARCHIVE = (
    next(spec for spec in FLEET if spec.name == name)
    for name in ("web-01", "db-01", "instance-0000002a", "archive-01")
)
POOL_XML = "<pool type='dir'><name>images</name><target><path>{path}</path></target></pool>"
NETWORK_XML = "<network><name>quiet</name><uuid>{uuid}</uuid><bridge name='lvquiet0'/></network>"
SECRET_XML = (
    "<secret ephemeral='no' private='yes'><uuid>{uuid}</uuid>"
    "<usage type='ceph'><name>client.test</name></usage></secret>"
)
A_UUID = uuid.UUID("0f8e6c3a-58a1-4a2b-9f52-7d1d4a1f9b10")


@pytest.fixture
async def qemu(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> AsyncIterator[Connection]:
    """A read-only connection to the daemon with the fleet."""
    async with connect(libvirtd.uri(read_only=True)) as connection:
        yield connection


@pytest.fixture
async def writable(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> AsyncIterator[Connection]:
    async with connect(libvirtd.uri(), read_only=False) as connection:
        yield connection


@pytest.fixture
async def test_driver(libvirtd: PrivateLibvirtd) -> AsyncIterator[Connection]:
    async with connect(libvirtd.test_uri, read_only=False) as connection:
        yield connection


def named(spec: DomainSpec) -> t.Domain:
    return t.Domain(spec.name, spec.uuid, -1)


def printed(text: str) -> dict[str, str]:
    """Lines of `name: value` or `name value`, as virsh prints them."""
    rows = (re.split(r"\s*:\s*|\s{2,}", line.strip(), maxsplit=1) for line in text.splitlines())
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def first_number(text: str) -> int:
    found = re.search(r"-?\d+", text)
    assert found is not None
    return int(found[0])


async def refusal(call: Awaitable[object]) -> int:
    """The number of the error that the call ends with."""
    with pytest.raises(RemoteError) as caught:
        await call
    return caught.value.code


def test_the_table_of_all_procedures_is_that_of_the_libvirt_here() -> None:
    if not SYSTEMTAP_TABLE.exists():
        pytest.skip("this libvirt came without its systemtap tapset")
    known: dict[int, str] = {}
    for kind in test_read_only.KINDS:
        known |= kind
    pairs = re.findall(
        r'proc == (\d+)\) \{\s*procstr = "(\w+)"', SYSTEMTAP_TABLE.read_text(encoding="utf-8")
    )
    start = max(at for at, pair in enumerate(pairs) if pair == ("1", "connect_open"))
    remote = {int(number): name.upper() for number, name in pairs[start:]}
    # The admin program has a connect_open, too; the remote program's table is the long one.
    assert len(remote) > 400
    for number, name in remote.items():
        assert known[number] == name


# The host.


async def test_the_host_is_what_virsh_says(libvirtd: PrivateLibvirtd, qemu: Connection) -> None:
    info = await qemu.node_get_info()
    said = printed(libvirtd.virsh("nodeinfo"))
    assert info.model_name == said["CPU model"]
    assert [info.cpus, info.sockets, info.cores, info.threads, info.nodes] == [
        int(said[name])
        for name in (
            "CPU(s)",
            "CPU socket(s)",
            "Core(s) per socket",
            "Thread(s) per core",
            "NUMA cell(s)",
        )
    ]
    assert info.memory == first_number(said["Memory size"])
    assert await qemu.get_type() == "QEMU"
    assert await qemu.is_secure()
    assert not await qemu.supports_feature(1)
    assert await qemu.supports_feature(14)
    assert await qemu.get_max_vcpus("qemu") > 0
    assert (await qemu.get_capabilities()).strip() == libvirtd.virsh("capabilities").strip()
    cpus = await qemu.node_get_cpu_map()
    said = printed(libvirtd.virsh("nodecpumap"))
    assert (cpus.present, cpus.online) == (int(said["CPUs present"]), int(said["CPUs online"]))
    assert int.from_bytes(cpus.bitmap, "little").bit_count() == cpus.online
    model = await qemu.node_get_security_model()
    assert model.model_name == "none"


async def test_the_hosts_figures_are_between_those_that_virsh_says_before_and_after(
    libvirtd: PrivateLibvirtd, qemu: Connection
) -> None:
    before = printed(libvirtd.virsh("nodecpustats"))
    stats = await qemu.node_get_cpu_stats()
    after = printed(libvirtd.virsh("nodecpustats"))
    for mode in ("user", "idle", "iowait"):
        assert int(before[mode]) <= stats[mode] <= int(after[mode])
    assert int(before["system"]) <= stats["kernel"] <= int(after["system"])
    assert 0 < (await qemu.node_get_cpu_stats(0))["idle"] <= stats["idle"] * 1.01
    memory = await qemu.node_get_memory_stats()
    said = printed(libvirtd.virsh("nodememstats"))
    assert set(memory) == set(said)
    assert memory["total"] == first_number(said["total"])
    assert set(await qemu.node_get_memory_stats(0)) >= {"total", "free"}
    cells = await qemu.node_get_cells_free_memory(0, 1024)
    assert len(cells) == (await qemu.node_get_info()).nodes
    assert 0 < await qemu.node_get_free_memory() <= memory["total"] * 1024
    ((small, huge),) = await qemu.node_get_free_pages([4, 2048], 0, 1)
    assert small > 0
    assert huge >= 0
    shared = await qemu.node_get_memory_parameters()
    (pages,) = re.findall(r"shm_pages_to_scan\s+(\d+)", libvirtd.virsh("node-memory-tune"))
    assert shared["shm_pages_to_scan"] == int(pages)


async def test_a_host_without_smbios_refuses(qemu: Connection) -> None:
    if Path("/sys/firmware/dmi/tables/DMI").exists():
        assert "<sysinfo" in await qemu.get_sysinfo()
    else:
        assert await refusal(qemu.get_sysinfo()) == ErrorNumber.CONFIG_UNSUPPORTED


# Domains.


async def test_a_domain_is_what_virsh_says(libvirtd: PrivateLibvirtd, qemu: Connection) -> None:
    web = named(WEB)
    said = printed(libvirtd.virsh("dominfo", "web-01"))
    info = await qemu.domain_get_info(web)
    assert (info.nr_virt_cpu, info.max_mem) == (int(said["CPU(s)"]), 32 * 1024)
    assert info.memory == first_number(said["Used memory"])
    assert await qemu.domain_is_active(web)
    assert await qemu.domain_is_persistent(web) == (said["Persistent"] == "yes")
    assert await qemu.domain_get_autostart(web) == (said["Autostart"] == "enable")
    assert await qemu.domain_has_managed_save_image(web) == (said["Managed save"] == "yes")
    assert not await qemu.domain_is_updated(web)
    assert await qemu.domain_get_messages(web)
    assert await qemu.count_all_domains() == len(FLEET) == len(await qemu.list_all_domains())
    assert await qemu.domain_get_vcpus_flags(web) == 2
    assert await qemu.domain_get_vcpus_flags(web, DomainVcpuFlags.MAXIMUM) == 4
    vcpus = await qemu.domain_get_vcpus(web, 4, 1)
    assert [vcpu.number for vcpu in vcpus.info] == [0, 1]
    assert len(vcpus.cpumaps) == 4  # a byte for each that was asked for
    pins = await qemu.domain_get_vcpu_pin_info(web, 4, 1)
    assert len(pins) == 4
    assert await qemu.domain_get_emulator_pin_info(web, 1) == pins[0]
    threads = await qemu.domain_get_iothread_info(named(DATABASE))
    assert {thread.iothread_id for thread in threads} == {1, 2}
    assert await qemu.domain_get_metadata(named(DATABASE), DomainMetadataType.TITLE) == (
        DATABASE.title
    )
    nova = await qemu.domain_get_metadata(
        named(NOVA), DomainMetadataType.ELEMENT, domains.NOVA_NAMESPACE
    )
    assert "billing-worker-3" in nova
    missing = qemu.domain_get_metadata(web, DomainMetadataType.DESCRIPTION)
    assert await refusal(missing) == ErrorNumber.NO_DOMAIN_METADATA


async def test_a_domains_figures_are_what_virsh_says(
    libvirtd: PrivateLibvirtd, qemu: Connection
) -> None:
    web = named(WEB)
    memory = await qemu.domain_memory_stats(web)
    said = printed(re.sub(r"(?m)^(\S+) ", r"\1: ", libvirtd.virsh("dommemstat", "web-01")))
    assert memory[DomainMemoryStatTags.ACTUAL_BALLOON] == int(said["actual"])
    fields = domains.domstats(libvirtd, "--block", "--interface", "web-01")["web-01"]
    disk = await qemu.domain_block_stats(web, "vda")
    every = await qemu.domain_block_stats_flags(web, "vda")
    assert disk.rd_bytes == every["rd_bytes"] == int(fields["block.0.rd.bytes"])
    assert disk.wr_req == every["wr_operations"] == int(fields["block.0.wr.reqs"])
    assert disk.errs == -1
    assert len(every) == 8
    sizes = await qemu.domain_get_block_info(web, "vdb")
    said = printed(libvirtd.virsh("domblkinfo", "web-01", "vdb"))
    assert [sizes.capacity, sizes.allocation, sizes.physical] == [
        int(said[name]) for name in ("Capacity", "Allocation", "Physical")
    ]
    traffic = await qemu.domain_interface_stats(web, fields["net.0.name"])
    assert traffic.rx_packets == int(fields["net.0.rx.pkts"])
    assert traffic.tx_bytes == int(fields["net.0.tx.bytes"])
    assert await qemu.domain_get_disk_errors(web) == ()
    unknown = qemu.domain_interface_stats(web, "no-such-tap")
    assert await refusal(unknown) == ErrorNumber.INVALID_ARG


async def test_a_domain_without_jobs_has_none(qemu: Connection) -> None:
    web = named(WEB)
    assert (await qemu.domain_get_job_info(web)).type == DomainJobType.NONE
    assert await qemu.domain_get_job_stats(web) == (DomainJobType.NONE, {})
    assert await qemu.domain_get_block_job_info(web, "vda") is None
    assert await refusal(qemu.domain_backup_get_xml_desc(web)) == ErrorNumber.NO_DOMAIN_BACKUP
    off = qemu.domain_get_job_stats(named(ARCHIVE))
    assert await refusal(off) == ErrorNumber.OPERATION_INVALID
    assert await qemu.domain_snapshot_num(web) == 0
    assert await qemu.domain_list_all_checkpoints(web) == ()
    assert await qemu.domain_count_all_checkpoints(web) == 0


async def test_the_settings_of_a_domain_are_what_virsh_says(
    libvirtd: PrivateLibvirtd, qemu: Connection
) -> None:
    web, archive = named(WEB), named(ARCHIVE)
    config = DomainModificationImpact.CONFIG
    limits = ("--total-iops-sec", "500", "--group-name", "slow")
    libvirtd.virsh("blkdeviotune", "web-01", "vda", *limits, "--live")
    tuned = await qemu.domain_get_block_io_tune(web, "vda")
    said = printed(libvirtd.virsh("blkdeviotune", "web-01", "vda"))
    assert {name: str(value) for name, value in tuned.items()} == said
    assert (tuned["total_iops_sec"], tuned["group_name"]) == (500, "slow")
    domain = "archive-01"
    libvirtd.virsh("schedinfo", domain, "--config", "--set", "cpu_shares=2048")
    scheduler = await qemu.domain_get_scheduler_parameters_flags(archive, config)
    said = printed(libvirtd.virsh("schedinfo", domain, "--config"))
    assert scheduler == {name: int(said[name]) for name in scheduler}
    assert scheduler["cpu_shares"] == 2048
    libvirtd.virsh("memtune", domain, "--hard-limit", "1048576", "--config")
    memory = await qemu.domain_get_memory_parameters(archive, config)
    assert memory["hard_limit"] == 1048576
    assert memory["soft_limit"] == 9007199254740991
    libvirtd.virsh("blkiotune", domain, "--weight", "500", "--config")
    assert (await qemu.domain_get_blkio_parameters(archive, config))["weight"] == 500
    numa = await qemu.domain_get_numa_parameters(archive, config)
    assert numa == {"numa_mode": 0, "numa_nodeset": ""}
    (mac,) = re.findall(r"52:54:\S+", libvirtd.virsh("domiflist", domain))
    bandwidth = ("--inbound", "1000,2000,512", "--config")
    libvirtd.virsh("domiftune", domain, mac, *bandwidth)
    interface = await qemu.domain_get_interface_parameters(archive, mac, config)
    assert [interface[f"inbound.{part}"] for part in ("average", "peak", "burst")] == [
        1000,
        2000,
        512,
    ]
    events = await qemu.domain_get_perf_events(web)
    assert events["cpu_cycles"] is False
    # These daemons are told to leave the host's cgroups alone.
    for refused in (
        qemu.domain_get_scheduler_type(web),
        qemu.domain_get_memory_parameters(web),
        qemu.domain_get_cpu_stats(web, 0, 1),
    ):
        assert await refusal(refused) == ErrorNumber.OPERATION_INVALID


async def test_snapshots_and_the_job_that_saved_a_domain_are_seen(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    spec = DomainSpec("saved", disks=(domains.Disk("vda"),))
    domains.create(own_libvirtd, spec)
    domain = named(spec)
    own_libvirtd.virsh("snapshot-create-as", "saved", "before-upgrade")
    completed = DomainGetJobStatsFlags.COMPLETED
    async with connect(own_libvirtd.uri(read_only=True)) as connection:
        assert await connection.domain_snapshot_num(domain) == 1
        (snapshot,) = await connection.domain_list_all_snapshots(domain)
        assert snapshot.name == "before-upgrade"
        assert "before-upgrade" in await connection.domain_snapshot_get_xml_desc(snapshot)
        own_libvirtd.virsh("managedsave", "saved")
        assert await connection.domain_has_managed_save_image(domain)
        own_libvirtd.virsh("start", "saved", "--paused")
        assert not await connection.domain_has_managed_save_image(domain)
        kind, figures = await connection.domain_get_job_stats(domain, completed)
        assert kind == DomainJobType.COMPLETED
        assert figures["operation"] == DomainJobOperation.SAVE
        # Asking has not made the daemon forget it.
        assert await connection.domain_get_job_stats(domain, completed) == (kind, figures)
        said = printed(own_libvirtd.virsh("domjobinfo", "saved", "--completed"))
        assert said["Operation"] == "Save"
        assert int(said["Time elapsed"].split()[0]) == figures["time_elapsed"]


async def test_a_running_domain_without_an_agent_says_so(own_libvirtd: PrivateLibvirtd) -> None:
    without, silent = DomainSpec("without-channel"), DomainSpec("silent")
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    for spec, devices in ((without, ""), (silent, channel)):
        xml = domains.domain_xml(spec).replace("</devices>", f"{devices}</devices>")
        definition = own_libvirtd.images / f"{spec.name}.xml"
        definition.write_text(xml)
        own_libvirtd.virsh("create", str(definition))
    async with connect(own_libvirtd.uri(), read_only=False) as connection:
        for spec, code in (
            (without, ErrorNumber.ARGUMENT_UNSUPPORTED),
            (silent, ErrorNumber.AGENT_UNRESPONSIVE),
        ):
            domain = named(spec)
            assert await refusal(connection.domain_get_guest_info(domain)) == code
            assert await refusal(connection.domain_get_fsinfo(domain)) == code
            assert await refusal(connection.domain_get_guest_vcpus(domain)) == code
            assert await refusal(connection.domain_get_time(domain)) == code
            source = DomainInterfaceAddressesSource.AGENT
            assert await refusal(connection.domain_interface_addresses(domain, source)) == code


async def test_a_block_job_is_seen_while_it_runs(own_libvirtd: PrivateLibvirtd) -> None:
    spec = DomainSpec("copied", disks=(domains.Disk("vda", "raw", size_mib=8),))
    domains.create(own_libvirtd, spec)
    copy = ("--dest", str(IMAGES / "copy.raw"), "--format", "raw", "--transient-job")
    own_libvirtd.virsh("blockcopy", "copied", "vda", *copy)
    async with connect(own_libvirtd.uri(read_only=True)) as connection:
        job = await connection.domain_get_block_job_info(named(spec), "vda")
        assert job is not None
        assert job.type == DomainBlockJobType.COPY
        assert job.end <= 8 * 1024 * 1024
        own_libvirtd.virsh("blockjob", "copied", "vda", "--abort")
        assert await connection.domain_get_block_job_info(named(spec), "vda") is None


# Guests. No domain here has an agent; the test driver makes one up.


async def test_a_guest_is_asked_by_a_connection_that_may_write_alone(
    qemu: Connection, writable: Connection, test_driver: Connection
) -> None:
    web = named(WEB)
    sources = DomainInterfaceAddressesSource
    for connection, expected in (
        (qemu, ErrorNumber.OPERATION_DENIED),
        (writable, ErrorNumber.OPERATION_INVALID),  # paused: there is nobody to ask
    ):
        for call in (
            connection.domain_get_guest_info(web, DomainGuestInfoTypes.OS),
            connection.domain_get_fsinfo(web),
            connection.domain_get_guest_vcpus(web),
            connection.domain_get_time(web),
            connection.domain_get_hostname(web),
            connection.domain_interface_addresses(web, sources.AGENT),
        ):
            assert await refusal(call) == expected
    denied = qemu.domain_get_launch_security_info(web)
    assert await refusal(denied) == ErrorNumber.OPERATION_DENIED
    assert await writable.domain_get_launch_security_info(web) == {}
    assert await qemu.domain_interface_addresses(web, sources.LEASE) == ()
    (guest,) = await test_driver.list_all_domains()
    filesystems = await test_driver.domain_get_fsinfo(guest)
    assert filesystems[0] == t.DomainFSInfo("/", "vda1", "ext4", ("vda",))
    assert (await test_driver.domain_get_time(guest)).seconds > 0
    assert await test_driver.domain_get_hostname(guest)
    (interface,) = await test_driver.domain_interface_addresses(guest, sources.ARP)
    assert interface.addrs[0].prefix == 24


# What else the host has.


async def test_the_test_drivers_host_is_what_virsh_says(
    libvirtd: PrivateLibvirtd, test_driver: Connection
) -> None:
    def virsh(*arguments: str) -> str:
        return libvirtd.virsh("--connect", libvirtd.test_uri, *arguments)

    (pool,) = await test_driver.list_all_storage_pools()
    assert await test_driver.count_all_storage_pools() == 1
    said = printed(virsh("pool-info", "default-pool", "--bytes"))
    info = await test_driver.storage_pool_get_info(pool)
    assert info.state == StoragePoolState.RUNNING
    assert [info.capacity, info.allocation, info.available] == [
        int(said[name]) for name in ("Capacity", "Allocation", "Available")
    ]
    assert await test_driver.storage_pool_num_of_volumes(pool) == 0
    (network,) = await test_driver.list_all_networks()
    assert await test_driver.count_all_networks() == 1
    assert network.name == "default"
    assert await test_driver.network_is_active(network)
    assert await test_driver.network_is_persistent(network)
    assert not await test_driver.network_get_autostart(network)
    assert await test_driver.network_get_bridge_name(network) == "virbr0"
    xml = await test_driver.network_get_xml_desc(network)
    assert xml.strip() == virsh("net-dumpxml", "default").strip()
    for call in (
        test_driver.network_get_dhcp_leases(network),
        test_driver.network_count_dhcp_leases(network),
        test_driver.network_list_all_ports(network),
        test_driver.network_count_all_ports(network),
        test_driver.list_all_secrets(),
    ):
        assert await refusal(call) == ErrorNumber.NO_SUPPORT
    (interface,) = await test_driver.list_all_interfaces()
    assert await test_driver.count_all_interfaces() == 1
    assert await test_driver.interface_is_active(interface)
    assert "mtu size='1492'" in await test_driver.interface_get_xml_desc(interface)
    devices = await test_driver.list_all_node_devices()
    assert len(devices) == await test_driver.count_all_node_devices()
    computer = next(device for device in devices if device.name == "computer")
    assert "<name>computer</name>" in await test_driver.node_device_get_xml_desc(computer)
    (guest,) = await test_driver.list_all_domains()
    (total,) = await test_driver.domain_get_cpu_stats(guest)
    assert set(total) == {"cpu_time", "user_time", "system_time"}
    each = await test_driver.domain_get_cpu_stats(guest, 0, 2)
    assert [set(one) for one in each] == [{"cpu_time", "vcpu_time"}] * 2
    assert (await test_driver.domain_get_scheduler_type(guest)).type == "fair"
    assert await test_driver.get_max_vcpus() == int(virsh("maxvcpus"))


async def test_pools_networks_secrets_and_filters_are_what_was_defined(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    def define(command: str, xml: str) -> None:
        path = own_libvirtd.images / f"{command}.xml"
        path.write_text(xml)
        own_libvirtd.virsh(command, str(path))

    (own_libvirtd.images / "pool").mkdir()
    define("pool-define", POOL_XML.format(path=IMAGES / "pool"))
    define("net-define", NETWORK_XML.format(uuid=A_UUID))
    define("secret-define", SECRET_XML.format(uuid=A_UUID))
    define("nwfilter-define", "<filter name='tight' chain='root'/>")
    own_libvirtd.virsh("pool-autostart", "images")
    async with connect(own_libvirtd.uri(read_only=True)) as connection:
        (pool,) = await connection.list_all_storage_pools()
        assert not await connection.storage_pool_is_active(pool)
        stopped = connection.storage_pool_list_all_volumes(pool)
        assert await refusal(stopped) == ErrorNumber.OPERATION_INVALID
        own_libvirtd.virsh("pool-start", "images")
        own_libvirtd.virsh("vol-create-as", "images", "ü.qcow2", "4M", "--format", "qcow2")
        assert await connection.storage_pool_is_active(pool)
        assert await connection.storage_pool_is_persistent(pool)
        assert await connection.storage_pool_get_autostart(pool)
        assert "<name>images</name>" in await connection.storage_pool_get_xml_desc(pool)
        assert await connection.storage_pool_num_of_volumes(pool) == 1
        (volume,) = await connection.storage_pool_list_all_volumes(pool)
        assert (volume.pool, volume.name) == ("images", "ü.qcow2")
        said = printed(own_libvirtd.virsh("vol-info", "--bytes", "ü.qcow2", "images"))
        info = await connection.storage_vol_get_info(volume)
        assert (info.capacity, info.allocation) == (4 << 20, int(said["Allocation"].split()[0]))
        physical = await connection.storage_vol_get_info_flags(volume, StorageVolInfoFlags.PHYSICAL)
        assert physical.allocation == (own_libvirtd.images / "pool" / "ü.qcow2").stat().st_size
        assert await connection.storage_vol_get_path(volume) == str(IMAGES / "pool" / "ü.qcow2")
        assert "ü.qcow2" in await connection.storage_vol_get_xml_desc(volume)
        (network,) = await connection.list_all_networks()
        assert (network.name, network.uuid) == ("quiet", A_UUID)
        assert not await connection.network_is_active(network)
        assert await connection.network_get_bridge_name(network) == "lvquiet0"
        assert await connection.network_get_dhcp_leases(network) == ()
        assert await connection.network_count_dhcp_leases(network) == 0
        for call in (
            connection.network_list_all_ports(network),
            connection.network_count_all_ports(network),
        ):
            assert await refusal(call) == ErrorNumber.OPERATION_INVALID
        (secret,) = await connection.list_all_secrets()
        assert secret == t.Secret(A_UUID, SecretUsageType.CEPH, "client.test")
        assert await connection.count_all_secrets() == 1
        (tight,) = await connection.list_all_nwfilters()
        assert tight.name == "tight"
        assert await connection.count_all_nwfilters() == 1
        assert await connection.list_all_nwfilter_bindings() == ()
        assert await connection.count_all_nwfilter_bindings() == 0
        devices = await connection.list_all_node_devices()
        assert await connection.count_all_node_devices() > 0
        assert "<device>" in await connection.node_device_get_xml_desc(devices[0])
        interfaces = await connection.list_all_interfaces()
        assert await connection.count_all_interfaces() == len(interfaces)
        active = await connection.list_all_interfaces(ConnectListAllInterfacesFlags.ACTIVE)
        assert active
        for interface in interfaces:
            assert await connection.interface_is_active(interface) == (interface in active)
