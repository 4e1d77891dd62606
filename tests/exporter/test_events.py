"""The hub of events: registered for once a connection, or later, and never lost to a mistake."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from exporter.config import LibvirtConfig
from exporter.events import PART, REGISTRATION_SECONDS, RETRY_SECONDS, EventHub
from exporter.hypervisor import Hypervisor
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.support.daemon import Answer, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.event_messages import event_frame
from tests.support.exporting import ARCHIVE, QEMU_HOST, WEB
from tests.support.virtual_time import VirtualClock, in_virtual_time

REGISTER = p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY
TAKEN = returns(t.Number(0))


@contextlib.asynccontextmanager
async def hub_on(
    answer: Answer, *listeners: object
) -> AsyncIterator[tuple[ScriptedDaemon, EventHub, Hypervisor]]:
    async with ScriptedDaemon(by_table({**QEMU_HOST, REGISTER: answer})) as daemon:
        config = LibvirtConfig(uri=daemon.uri, keepalive_interval_seconds=0)
        hypervisor = Hypervisor(config, environ={})
        hub = EventHub(hypervisor.availability)
        hub.listeners += listeners  # type: ignore[arg-type]  # appended as a collector does
        hypervisor.watchers.append(hub)
        running = asyncio.create_task(hypervisor.run())
        try:
            await hypervisor.first_attempt()
            yield daemon, hub, hypervisor
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


def reboot_of(domain: t.Domain) -> bytes:
    return event_frame(e.DomainRebootEvent(domain=domain)).encode()


async def test_every_listener_hears_every_event_in_order() -> None:
    heard: list[tuple[str, str]] = []
    done = asyncio.Event()

    def first(event: e.Event) -> None:
        heard.append(("first", event.domain.name))  # type: ignore[union-attr]  # of a domain

    def second(event: e.Event) -> None:
        heard.append(("second", event.domain.name))  # type: ignore[union-attr]  # of a domain
        if event.domain == ARCHIVE:  # type: ignore[union-attr]  # of a domain
            done.set()

    async with hub_on(TAKEN, first, second) as (daemon, _, hypervisor):
        daemon.peer.send(reboot_of(WEB) + reboot_of(ARCHIVE))
        async with asyncio.timeout(5):
            await done.wait()
        assert hypervisor.is_connected
    names = [("first", "web"), ("second", "web"), ("first", "archive"), ("second", "archive")]
    assert heard == names


async def test_a_listener_that_fails_costs_nobody_an_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[e.Event] = []
    done = asyncio.Event()

    def broken(event: e.Event) -> None:
        raise ZeroDivisionError("ours")

    def sound(event: e.Event) -> None:
        heard.append(event)
        if len(heard) == 2:
            done.set()

    with caplog.at_level(logging.ERROR, logger="exporter.events"):
        async with hub_on(TAKEN, broken, sound) as (daemon, _, _):
            daemon.peer.send(reboot_of(WEB) + reboot_of(WEB))
            async with asyncio.timeout(5):
                await done.wait()
    assert [record.getMessage() for record in caplog.records] == ["an event could not be used"] * 2


async def test_without_a_listener_nothing_is_registered_for() -> None:
    async with hub_on(TAKEN) as (daemon, hub, _):
        assert hub.subscription is None
        assert not daemon.peer.calls(REGISTER)


async def test_what_happens_before_anybody_lists_is_heard() -> None:
    heard = asyncio.Event()

    def registers(peer: object, call: object) -> None:
        TAKEN(peer, call)  # type: ignore[arg-type]  # as it came
        peer.send(reboot_of(WEB))  # type: ignore[attr-defined]  # it is a Peer

    async with hub_on(registers, lambda _: heard.set()) as (_, hub, _), asyncio.timeout(5):
        await heard.wait()
        assert hub.subscription is not None


@in_virtual_time
async def test_a_daemon_without_events_is_asked_once(clock: VirtualClock) -> None:
    async with hub_on(refuses(3, "no"), print) as (daemon, hub, hypervisor):
        asked = len(daemon.peer.calls(REGISTER))
        assert hypervisor.availability.reason(PART) == "unsupported"
        await asyncio.sleep(10 * RETRY_SECONDS)
        assert hub.subscription is None
        assert len(daemon.peer.calls(REGISTER)) == asked


@in_virtual_time
async def test_registrations_that_were_not_answered_are_made_later(clock: VirtualClock) -> None:
    heard: list[e.Event] = []
    async with hub_on(never, heard.append) as (daemon, hub, hypervisor):
        # The connection is there without events.
        assert hypervisor.is_connected
        before = hub.subscription
        daemon.script = by_table({**QEMU_HOST, REGISTER: TAKEN})
        await asyncio.sleep(RETRY_SECONDS + REGISTRATION_SECONDS)
        assert hub.subscription is not None
        assert before is None
        daemon.peer.send(reboot_of(WEB))
        await asyncio.sleep(0.1)
        assert len(heard) == 1
