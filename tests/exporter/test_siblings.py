"""What the connected daemon cannot answer is asked of the daemon beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.config import LibvirtConfig
from exporter.hypervisor import Hypervisor
from exporter.siblings import Siblings
from libvirt_rpc.errors import RemoteError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.support.daemon import (
    HANDSHAKE,
    Answers,
    Peer,
    ScriptedDaemon,
    by_table,
    refuses,
    returns,
)
from tests.support.exporting import QEMU_HOST

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
