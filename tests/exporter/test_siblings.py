"""What the connected daemon cannot answer is asked of the daemon beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.config import LibvirtConfig
from exporter.hypervisor import Hypervisor
from exporter.pace import NotAsked, PacedConnection
from exporter.siblings import PAUSE_SECONDS, Siblings
from libvirt_rpc.errors import CallTimeout, LibvirtRPCError, RemoteError, SessionClosed
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.support.daemon import (
    HANDSHAKE,
    Answers,
    Peer,
    ScriptedDaemon,
    by_table,
    never,
    refuses,
    returns,
)
from tests.support.exporting import QEMU_HOST, Held
from tests.support.virtual_time import VirtualClock, in_virtual_time

COUNT = p.CONNECT_LIST_ALL_NWFILTERS
TWO = returns(t.ConnectListAllNWFiltersReply((), 2))


@contextlib.asynccontextmanager
async def beside(
    main: Answers, sibling: Answers | None
) -> AsyncIterator[tuple[Hypervisor, Siblings, list[Peer]]]:
    """A daemon with another one's socket in the same directory."""
    peers: list[Peer] = []
    other = ScriptedDaemon(by_table({**HANDSHAKE, **(sibling or {})}))
    async with ScriptedDaemon(by_table({**QEMU_HOST, **main})) as daemon:
        if sibling is not None:
            path = Path(daemon.path).with_name("virtnwfilterd-sock-ro")

            def accept() -> Peer:
                peer = Peer(other)
                peers.append(peer)
                return peer

            server = await asyncio.get_running_loop().create_unix_server(accept, path)
        hypervisor = Hypervisor(LibvirtConfig(uri=daemon.uri), environ={})
        siblings = Siblings(hypervisor)
        try:
            await hypervisor.open()
            yield hypervisor, siblings, peers
        finally:
            await hypervisor.close()
            await asyncio.sleep(0)
            if sibling is not None:
                server.close()


async def count(siblings: Siblings) -> int | None:
    return await siblings.ask("filters", "nwfilter", lambda asked: asked.count_all_nwfilters())


async def test_what_the_daemon_answers_is_asked_of_it_alone() -> None:
    async with beside({COUNT: TWO}, {}) as (hypervisor, siblings, peers):
        assert await count(siblings) == 2
        assert hypervisor.availability.reasons == {"filters": ""}
        assert peers == []


@pytest.mark.parametrize("code", [3, 5])
async def test_what_it_cannot_answer_is_asked_of_its_sibling_on_one_connection(code: int) -> None:
    async with beside({COUNT: refuses(code, "no")}, {COUNT: TWO}) as (hypervisor, siblings, peers):
        main = hypervisor.paced.session
        for _ in range(3):
            assert await count(siblings) == 2
        assert hypervisor.availability.reasons == {"filters": ""}
        assert len(peers) == 1
        assert main.error is None


async def test_without_a_sibling_it_is_off_and_says_why() -> None:
    async with beside({COUNT: refuses(3, "no")}, None) as (hypervisor, siblings, _):
        for _ in range(2):
            assert await count(siblings) is None
        assert hypervisor.availability.reasons == {"filters": "unsupported"}


async def test_a_sibling_that_cannot_either_is_asked_once() -> None:
    refusal = refuses(3, "no")
    async with beside({COUNT: refusal}, {COUNT: refusal}) as (hypervisor, siblings, peers):
        for _ in range(3):
            assert await count(siblings) is None
        assert hypervisor.availability.reasons == {"filters": "unsupported"}
        assert len(peers[0].calls(COUNT)) == 1


async def test_another_error_is_the_callers() -> None:
    async with beside({COUNT: refuses(1, "broken")}, {COUNT: TWO}) as (_, siblings, peers):
        with pytest.raises(RemoteError):
            await count(siblings)
        assert peers == []


async def test_the_siblings_connection_ends_with_the_main_one() -> None:
    async with beside({COUNT: refuses(3, "no")}, {COUNT: TWO}) as (hypervisor, siblings, peers):
        await count(siblings)
        await hypervisor.close()
        async with asyncio.timeout(5):
            await peers[0].ended.wait()
        assert peers[0].calls(p.CONNECT_CLOSE)


@in_virtual_time
async def test_a_sibling_that_hangs_is_given_so_many_calls_and_no_more(
    clock: VirtualClock,
) -> None:
    async with beside({COUNT: refuses(3, "no")}, {COUNT: never}) as (hypervisor, siblings, peers):
        bound = hypervisor.config.parallel + hypervisor.config.max_stuck_calls
        for flags in range(bound + 3):
            args = t.ListAllArgs(0, flags)

            async def ask(asked: PacedConnection, args: t.ListAllArgs = args) -> object:
                return await asked._call(COUNT, args, None)

            with pytest.raises((CallTimeout, NotAsked)):
                await siblings.ask("filters", "nwfilter", ask)
        assert len(peers[0].calls(COUNT)) == bound
        (pace,) = hypervisor.sibling_paces.values()
        assert pace.stuck_calls == bound


@in_virtual_time
async def test_a_sibling_that_cannot_be_reached_is_tried_now_and_then(clock: VirtualClock) -> None:
    silent: Answers = {p.AUTH_LIST: never}
    async with beside({COUNT: refuses(3, "no")}, silent) as (_, siblings, peers):
        for _ in range(5):
            with pytest.raises(LibvirtRPCError):
                await count(siblings)
        assert len(peers) == 1
        await asyncio.sleep(PAUSE_SECONDS)
        with pytest.raises(LibvirtRPCError):
            await count(siblings)
        assert len(peers) == 2


async def test_a_sibling_whose_main_connection_ended_meanwhile_is_left_at_once() -> None:
    held = Held(HANDSHAKE[p.AUTH_LIST])
    async with beside({COUNT: refuses(3, "no")}, {COUNT: TWO, p.AUTH_LIST: held}) as (
        hypervisor,
        siblings,
        peers,
    ):
        asking = asyncio.create_task(count(siblings))
        await held.called()
        await hypervisor.close()
        held.let_go()
        with pytest.raises(SessionClosed):
            await asking
        await peers[0].ended.wait()
