"""A daemon that is far away: how many round trips a page takes, and that others leave the statistics room."""

from __future__ import annotations

import asyncio
import uuid

from exporter.config import CollectorsConfig
from libvirt_rpc.enums import DomainJobType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import Answers, Peer, Script, ScriptedDaemon, by_table, never, returns
from tests.support.exporting import calls, configured, exporting, host, record
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.watching import page_of

ROUND_TRIP_SECONDS = 0.05
DOMAINS = tuple(t.Domain(f"vm-{n:02}", uuid.UUID(int=n + 1), n + 1) for n in range(50))
POOLS = tuple(t.StoragePool(f"pool-{n}", uuid.UUID(int=100 + n)) for n in range(3))
NETWORKS = tuple(t.Network(f"net-{n}", uuid.UUID(int=200 + n)) for n in range(3))
DOCUMENT = (
    "<domain type='kvm'><name>x</name><devices><disk type='file' device='disk'>"
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
)


def lists(peer: Peer, call: Frame) -> None:
    """All domains, persistent or transient; of the rest none has it."""
    flags = xdr.decode(p.CONNECT_LIST_ALL_DOMAINS.arguments, call.payload).flags
    found = DOMAINS if flags in (0, 12, 4) else ()
    peer.reply(call, t.ConnectListAllDomainsReply(found, len(found)))


ANSWERS: Answers = {
    **host(*(record(domain) for domain in DOMAINS)),
    p.CONNECT_LIST_ALL_DOMAINS: lists,
    p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: returns(t.Number(0)),
    p.DOMAIN_GET_XML_DESC: returns(t.String(DOCUMENT)),
    p.DOMAIN_GET_JOB_STATS: returns(t.DomainGetJobStatsReply(DomainJobType.NONE, ())),
    p.DOMAIN_GET_BLOCK_JOB_INFO: returns(t.DomainBlockJobInfo(0, 0, 0, 0, 0)),
    p.CONNECT_LIST_ALL_STORAGE_POOLS: returns(t.ConnectListAllStoragePoolsReply(POOLS, len(POOLS))),
    p.STORAGE_POOL_GET_XML_DESC: returns(t.String("<pool type='dir'/>")),
    p.STORAGE_POOL_GET_INFO: returns(t.StoragePoolInfo(2, 1, 1, 1)),
    p.STORAGE_POOL_NUM_OF_VOLUMES: returns(t.Number(3)),
    p.CONNECT_LIST_ALL_NETWORKS: returns(t.ConnectListAllNetworksReply(NETWORKS, len(NETWORKS))),
    p.NETWORK_GET_XML_DESC: returns(t.String("<network/>")),
}


def far_away(script: Script) -> Script:
    def later(peer: Peer, frame: Frame) -> None:
        asyncio.get_running_loop().call_later(ROUND_TRIP_SECONDS, script, peer, frame)

    return later


@in_virtual_time
async def test_a_page_of_fifty_domains_far_away_takes_few_round_trips(clock: VirtualClock) -> None:
    async with ScriptedDaemon(far_away(by_table(ANSWERS))) as daemon:
        config = configured(daemon.uri, collectors=CollectorsConfig(), keepalive_interval_seconds=0)
        async with exporting(config) as application:
            before = clock.now
            page = await page_of(application)
            assert clock.now - before < 5
            assert len(page.values("libvirt_domain_info")) == len(DOMAINS)
            assert page.value("libvirt_exporter_last_scrape_error") == 0
            await asyncio.sleep(15)
            before = clock.now
            page = await page_of(application)
            assert clock.now - before < 10 * ROUND_TRIP_SECONDS
            assert page.value("libvirt_exporter_last_scrape_error") == 0


@in_virtual_time
async def test_background_calls_that_fill_the_connection_cost_no_domain_its_statistics(
    clock: VirtualClock,
) -> None:
    hanging_cells = {**ANSWERS, p.NODE_GET_CELLS_FREE_MEMORY: never}
    async with ScriptedDaemon(far_away(by_table(hanging_cells))) as daemon:
        config = configured(daemon.uri, keepalive_interval_seconds=0)
        async with exporting(config) as application:
            connection = application.hypervisor.paced
            hanging = [
                asyncio.create_task(connection.node_get_cells_free_memory(start, 1))
                for start in range(10)
            ]
            await asyncio.sleep(ROUND_TRIP_SECONDS)
            page = await page_of(application)
            # They are given up within their patience, and count as stuck.
            assert page.value("libvirt_exporter_stuck_calls") > 0
            assert len(page.values("libvirt_domain_state")) == len(DOMAINS)
            assert not any(page.values("libvirt_domain_stats_timed_out"))
            assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1
            await asyncio.gather(*hanging, return_exceptions=True)
            bound = config.libvirt.parallel + config.libvirt.max_stuck_calls
            assert calls(daemon, [p.NODE_GET_CELLS_FREE_MEMORY]) <= bound
