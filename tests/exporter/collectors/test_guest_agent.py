"""Guest agents as a scripted daemon has them: there, away, hanging, half forbidden."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from exporter.application import Application
from exporter.collectors.guest_agent import SILENT_SECONDS
from exporter.config import CollectorsConfig, DomainCollectors
from libvirt_rpc.enums import (
    ConnectDomainEventAgentLifecycleReason,
    ConnectDomainEventAgentLifecycleState,
    DomainEventType,
    TypedParameterType,
)
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter, TypedValue
from tests.support.daemon import Answers, Peer, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.event_messages import event_frame
from tests.support.exporting import (
    QEMU_HOST,
    STATISTICS_ALONE,
    WEB,
    calls,
    configured,
    exporting,
    get,
)
from tests.support.pages import ReadPage, read_response
from tests.support.virtual_time import VirtualClock, in_virtual_time

XML = """
<domain type='kvm'><name>web</name><os><type>hvm</type></os><devices>{}</devices></domain>
"""
CHANNEL = (
    "<channel type='unix'>"
    "<target type='virtio' name='org.qemu.guest_agent.0' state='{}'/></channel>"
)
CONNECTED, DISCONNECTED = (XML.format(CHANNEL.format(one)) for one in ("connected", "disconnected"))
WITHOUT = XML.format("")
INFO = p.DOMAIN_GET_GUEST_INFO
TYPES = {str: TypedParameterType.STRING, int: TypedParameterType.INT}
INTERVAL, TIMEOUT = 60.0, 3.0
ALONE = replace(
    STATISTICS_ALONE,
    domain=replace(STATISTICS_ALONE.domain, guest_agent=True),
    guest_agent_interval_seconds=INTERVAL,
    guest_agent_timeout_seconds=TIMEOUT,
)
HANGS = refuses(86, "Guest agent is not responding")


def told(**parameters: TypedValue) -> t.DomainGetGuestInfoReply:
    return t.DomainGetGuestInfoReply(
        tuple(
            TypedParameter(name.replace("_", "."), TYPES[type(value)], value)
            for name, value in parameters.items()
        )
    )


class Agent:
    """What the daemon says at present of the only running domain; a test changes it."""

    def __init__(self) -> None:
        self.xml = CONNECTED
        self.answer = returns(told(hostname="inside", if_count=0))
        self.vcpus = returns(t.DomainGetGuestVcpusReply(vcpus("0-3", "0-1")))

    @property
    def answers(self) -> Answers:
        return {
            **QEMU_HOST,
            p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: returns(t.Number(0)),
            p.DOMAIN_GET_XML_DESC: lambda peer, call: peer.reply(call, t.String(self.xml)),
            INFO: self._answer,
            p.DOMAIN_GET_GUEST_VCPUS: self._answer_vcpus,
        }

    def _answer(self, peer: Peer, call: Frame) -> None:
        self.answer(peer, call)

    def _answer_vcpus(self, peer: Peer, call: Frame) -> None:
        self.vcpus(peer, call)


def vcpus(there: str, online: str) -> tuple[TypedParameter, ...]:
    text = TypedParameterType.STRING
    return (TypedParameter("vcpus", text, there), TypedParameter("online", text, online))


@contextlib.asynccontextmanager
async def watched(
    agent: Agent, *, collectors: CollectorsConfig = ALONE, read_only: bool = False
) -> AsyncIterator[tuple[ScriptedDaemon, Application]]:
    async with ScriptedDaemon(by_table(agent.answers)) as daemon:
        config = configured(daemon.uri, collectors=collectors, keepalive_interval_seconds=0)
        config = replace(config, libvirt=replace(config.libvirt, read_only=read_only))
        async with exporting(config) as application:
            yield daemon, application


async def page_of(application: Application) -> ReadPage:
    return read_response(await get(application))


async def settled_page(application: Application) -> ReadPage:
    """The page behind one that let the agents be asked."""
    for _ in range(2):
        await page_of(application)
        await asyncio.sleep(0.05)
    return await page_of(application)


async def tell(daemon: ScriptedDaemon, event: e.Event) -> None:
    daemon.peers[-1].send(event_frame(event).encode())
    await asyncio.sleep(0.05)


def lifecycle(state: ConnectDomainEventAgentLifecycleState) -> e.Event:
    return e.DomainAgentLifecycleEvent(WEB, state, ConnectDomainEventAgentLifecycleReason.CHANNEL)


def asked(daemon: ScriptedDaemon) -> int:
    return calls(daemon, [INFO])


@in_virtual_time
async def test_what_the_agent_tells_is_shown_and_asked_anew_now_and_then(
    clock: VirtualClock,
) -> None:
    agent = Agent()
    async with watched(agent) as (daemon, application):
        page = await settled_page(application)
        assert page.labels("libvirt_domain_guest_hostname_info", "hostname") == ["inside"]
        assert page.value("libvirt_domain_guest_vcpus") == 4
        assert page.value("libvirt_domain_guest_vcpus_online") == 2
        assert page.value("libvirt_domain_guest_agent_responsive", domain="web") == 1
        assert page.value("libvirt_domain_guest_agent_timeouts_total") == 0
        assert asked(daemon) == 1
        await asyncio.sleep(INTERVAL)
        assert asked(daemon) == 2


@in_virtual_time
async def test_a_domain_without_a_connected_agent_is_not_asked(clock: VirtualClock) -> None:
    for xml in (WITHOUT, DISCONNECTED):
        agent = Agent()
        agent.xml = xml
        async with watched(agent) as (daemon, application):
            page = await settled_page(application)
            assert page.values("libvirt_domain_guest_agent_responsive") == []
            await asyncio.sleep(INTERVAL * 3)
            assert asked(daemon) == 0


@in_virtual_time
async def test_an_agent_that_comes_is_asked_and_one_that_goes_is_forgotten(
    clock: VirtualClock,
) -> None:
    agent = Agent()
    agent.xml = DISCONNECTED
    async with watched(agent) as (daemon, application):
        await settled_page(application)
        await tell(daemon, lifecycle(ConnectDomainEventAgentLifecycleState.CONNECTED))
        page = await settled_page(application)
        assert page.value("libvirt_domain_guest_agent_responsive") == 1
        await tell(daemon, lifecycle(ConnectDomainEventAgentLifecycleState.DISCONNECTED))
        page = await page_of(application)
        assert page.values("libvirt_domain_guest_hostname_info") == []
        assert page.values("libvirt_domain_guest_agent_responsive") == []


@in_virtual_time
async def test_after_a_refusal_it_costs_nothing_until_it_comes(clock: VirtualClock) -> None:
    agent = Agent()
    good, agent.answer = agent.answer, HANGS
    async with watched(agent) as (daemon, application):
        page = await settled_page(application)
        assert page.value("libvirt_domain_guest_agent_responsive") == 0
        for _ in range(5):
            await asyncio.sleep(INTERVAL)
            page = await page_of(application)
        assert asked(daemon) == 1
        assert page.value("libvirt_domain_guest_agent_responsive") == 0
        agent.answer = good
        await tell(daemon, lifecycle(ConnectDomainEventAgentLifecycleState.CONNECTED))
        page = await settled_page(application)
        assert page.value("libvirt_domain_guest_agent_responsive") == 1
        assert asked(daemon) == 2


@in_virtual_time
async def test_an_agent_that_is_connected_and_refused_is_tried_again_much_later(
    clock: VirtualClock,
) -> None:
    agent = Agent()
    agent.answer = HANGS
    async with watched(agent) as (daemon, application):
        await settled_page(application)
        await asyncio.sleep(SILENT_SECONDS - INTERVAL)
        assert asked(daemon) == 1
        await asyncio.sleep(2 * INTERVAL)
        assert asked(daemon) == 2


@in_virtual_time
async def test_a_domain_that_runs_again_is_asked_again(clock: VirtualClock) -> None:
    agent = Agent()
    good, agent.answer = agent.answer, refuses(55, "domain is not running")
    async with watched(agent) as (daemon, application):
        page = await settled_page(application)
        assert page.values("libvirt_domain_guest_agent_responsive") == []
        agent.answer = good
        await tell(daemon, e.DomainLifecycleEvent(WEB, DomainEventType.RESUMED, 0))  # type: ignore[arg-type]  # any detail
        page = await settled_page(application)
        assert page.value("libvirt_domain_guest_agent_responsive") == 1


@in_virtual_time
async def test_an_agent_that_hangs_is_left_behind_and_counted_and_no_page_waits(
    clock: VirtualClock,
) -> None:
    agent = Agent()
    agent.answer = never
    async with watched(agent) as (daemon, application):
        await page_of(application)
        before = clock.now
        for _ in range(4):
            page = await page_of(application)
        assert clock.now - before < 1
        assert page.values("libvirt_domain_guest_agent_responsive") == []
        await asyncio.sleep(TIMEOUT + 0.1)
        page = await page_of(application)
        assert page.value("libvirt_domain_guest_agent_responsive") == 0
        assert page.value("libvirt_domain_guest_agent_timeouts_total") == 1
        assert page.value("libvirt_exporter_stuck_calls") == 1
        assert page.value("libvirt_exporter_last_scrape_error") == 0
        await asyncio.sleep(3 * INTERVAL)
        page = await page_of(application)
        assert asked(daemon) == 1
        assert page.value("libvirt_domain_guest_agent_responsive") == 0
        # The answer comes at last.
        call = daemon.peers[-1].calls(INFO)[0]
        agent.answer = returns(told(hostname="late", if_count=0))
        agent.answer(daemon.peers[-1], call)
        await asyncio.sleep(2 * INTERVAL)
        page = await page_of(application)
        assert page.labels("libvirt_domain_guest_hostname_info", "hostname") == ["late"]


@in_virtual_time
async def test_a_command_that_the_guest_forbids_costs_no_other(clock: VirtualClock) -> None:
    agent = Agent()

    def by_group(peer: Peer, call: Frame) -> None:
        types = xdr.decode(INFO.arguments, call.payload).types
        replies = {8: told(hostname="half"), 1: told(user_count=2)}
        if types in replies:
            peer.reply(call, replies[types])
        else:
            refuses(1, "The command has been disabled for this instance")(peer, call)

    agent.answer = by_group
    agent.vcpus = refuses(1, "The command has been disabled for this instance")
    async with watched(agent) as (_, application):
        page = await settled_page(application)
        assert page.labels("libvirt_domain_guest_hostname_info", "hostname") == ["half"]
        assert page.value("libvirt_domain_guest_users") == 2
        assert page.values("libvirt_domain_guest_vcpus") == []
        assert page.value("libvirt_domain_guest_agent_responsive") == 1


@in_virtual_time
async def test_an_older_libvirt_is_asked_by_other_calls(clock: VirtualClock) -> None:
    agent = Agent()
    agent.answer = refuses(39, "unknown procedure: 418")
    address = t.DomainIPAddr(0, "198.18.7.2", 30)
    interface = t.DomainInterface("eth0", "52:54:00:1e:f7:00", (address,))
    async with watched(agent) as (daemon, application):
        daemon.script = by_table(
            {
                **agent.answers,
                p.DOMAIN_GET_HOSTNAME: returns(t.String("old")),
                p.DOMAIN_INTERFACE_ADDRESSES: returns(
                    t.DomainInterfaceAddressesReply((interface,))
                ),
            }
        )
        page = await settled_page(application)
        assert page.labels("libvirt_domain_guest_hostname_info", "hostname") == ["old"]
        assert page.labels("libvirt_domain_guest_interface_address_info", "address") == [
            "198.18.7.2"
        ]
        off = {"collector": "guest_agent", "reason": "too_old"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0


@in_virtual_time
async def test_a_read_only_connection_says_so_and_asks_nothing(clock: VirtualClock) -> None:
    async with watched(Agent(), read_only=True) as (daemon, application):
        page = await settled_page(application)
        off = {"collector": "guest_agent", "reason": "denied"}
        assert page.value("libvirt_exporter_collector_available", **off) == 0
        assert page.value("libvirt_exporter_last_scrape_error") == 0
        assert asked(daemon) == 0


def test_it_is_off_by_default() -> None:
    assert not DomainCollectors().guest_agent
