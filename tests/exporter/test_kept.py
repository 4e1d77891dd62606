"""A kept target: connected once, used by whoever scrapes, closed once and with a farewell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from exporter.application import Application
from exporter.config import Config, LibvirtConfig
from exporter.kept import KeptTarget, Leaving, Origin
from libvirt_rpc.protocol import procedures as p
from tests.support.daemon import ScriptedDaemon, by_table
from tests.support.exporting import QEMU_HOST, configured


@pytest.fixture
async def daemon() -> AsyncIterator[ScriptedDaemon]:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        yield daemon


async def kept_of(daemon: ScriptedDaemon) -> KeptTarget:
    """Connected."""
    config = configured(daemon.uri)
    (target,) = Application(config).targets
    kept = KeptTarget(target, Origin.of(config.libvirt, config.top_level, ()))
    kept.start()
    kept.start()
    await target.hypervisor.first_attempt()
    return kept


def farewells(daemon: ScriptedDaemon) -> list[int]:
    return [len(peer.calls(p.CONNECT_CLOSE)) for peer in daemon.peers]


async def test_it_connects_once_and_says_goodbye_once(daemon: ScriptedDaemon) -> None:
    kept = await kept_of(daemon)
    assert farewells(daemon) == [0]
    await asyncio.gather(kept.close(), kept.close())
    await kept.close()
    assert farewells(daemon) == [1]


async def test_one_that_never_began_ends_at_once() -> None:
    config = configured("test:///default")
    (target,) = Application(config).targets
    await KeptTarget(target, Origin.of(config.libvirt, config.top_level, ())).close()


async def test_it_leaves_when_its_last_user_has_gone(daemon: ScriptedDaemon) -> None:
    kept = await kept_of(daemon)
    leaving = Leaving()
    with kept.used():
        with kept.used():
            task = leaving.see_off(kept)
        await asyncio.wait((task,), timeout=0.05)
        assert (len(leaving), farewells(daemon)) == (1, [0])
    await task
    assert (len(leaving), farewells(daemon)) == (0, [1])


async def test_in_the_end_it_leaves_whoever_uses_it(daemon: ScriptedDaemon) -> None:
    kept = await kept_of(daemon)
    leaving = Leaving()
    with kept.used():
        task = leaving.see_off(kept)
        await leaving.close()
        assert farewells(daemon) == [1]
        assert task.done()


def test_an_origin_holds_what_the_environment_makes_of_it() -> None:
    origins = [
        Origin.of(LibvirtConfig(), Config().top_level, (), {"LIBVIRT_DEFAULT_URI": uri})
        for uri in ("test:///default", "test:///default", "qemu:///session")
    ]
    assert origins[0] == origins[1] != origins[2]
