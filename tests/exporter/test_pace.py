"""Calls at a pace: one at a time, none twice that hangs, none to a domain that hangs, never past the bound."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest

from exporter.pace import (
    MAY_HANG,
    MONITOR_PATIENCE_SECONDS,
    OF_AGENT,
    NotAsked,
    Pace,
    PacedConnection,
)
from libvirt_rpc.connection import connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import CallTimeout, NoDomain, SessionClosed
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.procedures import PROCEDURES
from tests.support.daemon import Answers, ScriptedDaemon, by_table, never, refuses, returns
from tests.support.exporting import ARCHIVE, QEMU_HOST, WEB, Held
from tests.support.virtual_time import VirtualClock, in_virtual_time

JOB_INFO = p.DOMAIN_GET_JOB_INFO
MEMORY = p.NODE_GET_FREE_MEMORY
NO_JOB = returns(t.DomainJobInfo(*[0] * 12))
SOME_MEMORY = returns(t.UnsignedNumber(4096))


@contextlib.asynccontextmanager
async def paced(
    answers: Answers, pace: Pace
) -> AsyncIterator[tuple[ScriptedDaemon, PacedConnection]]:
    async with (
        ScriptedDaemon(by_table({**QEMU_HOST, **answers})) as daemon,
        connect(daemon.uri) as connection,
    ):
        yield daemon, PacedConnection(connection, pace, 10.0)


async def until_called(held: Held, count: int) -> None:
    while held.count < count:
        await asyncio.sleep(0.001)


@in_virtual_time
async def test_one_call_is_made_at_a_time(clock: VirtualClock) -> None:
    held = Held(SOME_MEMORY)
    async with paced({MEMORY: held}, Pace()) as (_, connection):
        calls = [asyncio.create_task(connection.node_get_free_memory()) for _ in range(3)]
        await until_called(held, 1)
        await asyncio.sleep(1)
        assert held.count == 1
        for count in (2, 3):
            held.let_go()
            held._calls.clear()
            await until_called(held, 1)
            assert sum(call.done() for call in calls) == count - 1
        held.let_go()
        assert await asyncio.gather(*calls) == [4096] * 3


@in_virtual_time
async def test_a_call_that_waits_for_a_monitor_is_given_up_soon(clock: VirtualClock) -> None:
    pace = Pace()
    async with paced({JOB_INFO: never, MEMORY: SOME_MEMORY}, pace) as (_, connection):
        before = clock.now
        with pytest.raises(CallTimeout):
            await connection.domain_get_job_info(WEB, deadline=Deadline.after(60))
        assert clock.now - before == pytest.approx(MONITOR_PATIENCE_SECONDS)
        assert (pace.stuck_calls, pace.held) == (1, 1)
        # What needs no monitor goes on.
        assert await connection.node_get_free_memory() == 4096


@in_virtual_time
async def test_a_domain_whose_call_hangs_is_not_asked_again_until_it_answers(
    clock: VirtualClock,
) -> None:
    pace, held = Pace(), Held(NO_JOB)
    async with paced({JOB_INFO: held, p.DOMAIN_GET_BLOCK_JOB_INFO: never}, pace) as (
        daemon,
        connection,
    ):
        with pytest.raises(CallTimeout):
            await connection.domain_get_job_info(WEB)
        for _ in range(2):
            with pytest.raises(NotAsked, match="has not been answered yet"):
                await connection.domain_get_job_info(WEB)
            with pytest.raises(NotAsked, match="the domain hangs"):
                await connection.domain_get_block_job_info(WEB, "vda")
        assert len(daemon.peer.calls(JOB_INFO)) == 1
        assert not daemon.peer.calls(p.DOMAIN_GET_BLOCK_JOB_INFO)
        held.let_go()
        await asyncio.sleep(0.01)
        assert pace.stuck_calls == 0
        daemon.script = by_table({**QEMU_HOST, JOB_INFO: NO_JOB})
        assert (await connection.domain_get_job_info(WEB)).type == 0


@in_virtual_time
async def test_a_domain_that_the_statistics_suspect_is_not_asked_and_another_is(
    clock: VirtualClock,
) -> None:
    pace = Pace()
    pace.suspects = {WEB.uuid}
    async with paced({JOB_INFO: NO_JOB}, pace) as (daemon, connection):
        with pytest.raises(NotAsked, match=r"DOMAIN_GET_JOB_INFO was not called: the domain hangs"):
            await connection.domain_get_job_info(WEB)
        assert (await connection.domain_get_job_info(ARCHIVE)).type == 0
        assert len(daemon.peer.calls(JOB_INFO)) == 1


async def test_past_the_bound_nothing_is_asked() -> None:
    pace = Pace(bound=3)
    pace.others_stuck = lambda: 3
    async with paced({MEMORY: SOME_MEMORY}, pace) as (daemon, connection):
        with pytest.raises(NotAsked, match="max-stuck-calls"):
            await connection.node_get_free_memory()
        assert not daemon.peer.calls(MEMORY)


@in_virtual_time
async def test_who_gets_no_place_by_the_deadline_is_told_so(clock: VirtualClock) -> None:
    async with paced({p.CONNECT_GET_URI: never, MEMORY: SOME_MEMORY}, Pace()) as (_, connection):
        first = asyncio.create_task(connection.get_uri())
        await asyncio.sleep(0)
        before = clock.now
        with pytest.raises(CallTimeout):
            await connection.node_get_free_memory(deadline=Deadline.after(3))
        assert clock.now - before == pytest.approx(3, abs=0.01)
        with pytest.raises(CallTimeout):
            await first
        assert await connection.node_get_free_memory() == 4096


@in_virtual_time
async def test_a_call_that_hung_when_the_connection_was_lost_counts_until_its_domain_answers(
    clock: VirtualClock,
) -> None:
    pace = Pace()
    answers: Answers = {JOB_INFO: never, p.CONNECT_GET_URI: never}
    async with paced(answers, pace) as (daemon, connection):
        for call in (connection.domain_get_job_info(WEB), connection.get_uri()):
            with pytest.raises(CallTimeout):
                await call
        daemon.peer.close()
        await connection.session.wait_closed()
        assert pace.stuck_calls == 2
        with pytest.raises(SessionClosed):
            await connection.node_get_free_memory()
    pace.meet_daemon()
    assert pace.stuck_calls == 1
    pace.release_lost({WEB.uuid})
    assert pace.stuck_calls == 1
    pace.release_lost({uuid.UUID(int=99)})
    assert pace.stuck_calls == 0


async def test_a_refusal_is_the_daemons_and_leaves_nothing_behind() -> None:
    pace = Pace()
    async with paced({JOB_INFO: refuses(42, "Domain not found")}, pace) as (_, connection):
        with pytest.raises(NoDomain):
            await connection.domain_get_job_info(WEB)
    assert pace.held == 0


def test_what_may_hang_is_named_as_the_procedures_are() -> None:
    assert {procedure.name for procedure in PROCEDURES.values()} >= MAY_HANG | OF_AGENT
    assert not MAY_HANG & OF_AGENT


GUEST_INFO = p.DOMAIN_GET_GUEST_INFO
OTHER = t.Domain("other", uuid.UUID(int=3), 3)


@in_virtual_time
async def test_an_agent_is_waited_for_as_long_as_was_said_and_nothing_else_waits_for_it(
    clock: VirtualClock,
) -> None:
    pace = Pace()
    answers: Answers = {GUEST_INFO: never, JOB_INFO: NO_JOB}
    async with paced(answers, pace) as (_, connection):
        before = clock.now
        asked = asyncio.create_task(
            connection.domain_get_guest_info(WEB, deadline=Deadline.after(7))
        )
        await asyncio.sleep(0.01)
        # It has a job lock of its own, so that the domain's monitor is not waiting for it either.
        assert (await connection.domain_get_job_info(WEB)).type == 0
        assert clock.now - before < 1
        with pytest.raises(CallTimeout):
            await asked
        assert clock.now - before == pytest.approx(7, abs=0.05)
        assert (await connection.domain_get_job_info(WEB)).type == 0
        with pytest.raises(NotAsked, match="has not been answered yet"):
            await connection.domain_get_guest_info(WEB)
        with pytest.raises(NotAsked, match="the domain hangs"):
            await connection.domain_get_guest_vcpus(WEB)


@in_virtual_time
async def test_two_agents_may_hang_and_no_more(clock: VirtualClock) -> None:
    pace = Pace()
    async with paced({GUEST_INFO: never}, pace) as (daemon, connection):
        for domain in (WEB, OTHER):
            with pytest.raises(CallTimeout):
                await connection.domain_get_guest_info(domain, deadline=Deadline.after(1))
        with pytest.raises(NotAsked, match="too many guest agents hang"):
            await connection.domain_get_guest_info(ARCHIVE)
        assert len(daemon.peer.calls(GUEST_INFO)) == 2


@in_virtual_time
async def test_while_the_statistics_are_asked_for_there_is_one_place(clock: VirtualClock) -> None:
    pace, held = Pace(3), Held(SOME_MEMORY)
    pace.is_narrow = True
    async with paced({MEMORY: held}, pace) as (_, connection):
        calls = [asyncio.create_task(connection.node_get_free_memory()) for _ in range(3)]
        await asyncio.sleep(1)
        assert held.count == pace.in_flight == 1
        pace.is_narrow = False
        await asyncio.sleep(0.1)
        assert held.count == pace.in_flight == 3
        held.let_go()
        assert await asyncio.gather(*calls) == [4096] * 3


@in_virtual_time
async def test_a_storage_pool_that_hangs_is_left_alone_with_all_its_volumes(
    clock: VirtualClock,
) -> None:
    pool, other = (t.StoragePool(name, uuid.UUID(int=7)) for name in ("dead", "alive"))
    volume = t.StorageVol("dead", "disk", "/dead/disk")
    answers: Answers = {p.STORAGE_POOL_GET_INFO: never, p.STORAGE_VOL_GET_INFO: never}
    async with paced(answers, Pace()) as (daemon, connection):
        with pytest.raises(CallTimeout):
            await connection.storage_pool_get_info(pool)
        with pytest.raises(NotAsked, match="the storage pool hangs"):
            await connection.storage_vol_get_info(volume)
        with pytest.raises(NotAsked, match="the storage pool hangs"):
            await connection.storage_pool_num_of_volumes(pool)
        with pytest.raises(CallTimeout):
            await connection.storage_pool_get_info(other)
        assert not daemon.peer.calls(p.STORAGE_VOL_GET_INFO)


@in_virtual_time
async def test_what_hangs_leaves_room_for_what_never_does(clock: VirtualClock) -> None:
    bound = 4
    pace = Pace(bound=bound)
    domains = [t.Domain(f"vm-{i}", uuid.UUID(int=10 + i), i) for i in range(bound)]
    async with paced({JOB_INFO: never, MEMORY: SOME_MEMORY}, pace) as (_, connection):
        for domain in domains[: bound - 2]:
            with pytest.raises(CallTimeout):
                await connection.domain_get_job_info(domain)
        with pytest.raises(NotAsked, match="max-stuck-calls"):
            await connection.domain_get_job_info(domains[-1])
        assert await connection.node_get_free_memory() == 4096
        assert pace.stuck_calls == bound - 2


@in_virtual_time
async def test_what_does_not_hang_is_waited_for_within_the_bound(clock: VirtualClock) -> None:
    pace = Pace(bound=2)
    pace.others_held = lambda: 2
    async with paced({MEMORY: SOME_MEMORY}, pace) as (daemon, connection):
        waiting = asyncio.create_task(connection.node_get_free_memory())
        await asyncio.sleep(1)
        assert not daemon.peer.calls(MEMORY)
        pace.others_held = lambda: 1
        assert await waiting == 4096
        pace.others_held = lambda: 2
        with pytest.raises(CallTimeout):
            await connection.node_get_free_memory(deadline=Deadline.after(1))
