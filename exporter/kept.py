"""A hypervisor that is kept connected until it is ended: what it was made of, and who uses it now.

Two that are made of the same are the same: a changed configuration replaces only what is made of other
things.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporter.config import LibvirtConfig, ModuleConfig
from exporter.exposition import Labels
from exporter.target import Target
from libvirt_rpc import libvirt_conf
from libvirt_rpc.uri import resolve_uri

__all__ = ["KeptTarget", "Leaving", "Origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a target is made of; `uri` is what libvirt.conf and the environment make of the setting."""

    libvirt: LibvirtConfig
    module: ModuleConfig
    labels: Labels
    uri: str

    @classmethod
    def of(
        cls,
        libvirt: LibvirtConfig,
        module: ModuleConfig,
        labels: Labels,
        environ: Mapping[str, str] = os.environ,
    ) -> Origin:
        """Reads libvirt.conf. Raises InvalidLibvirtConf."""
        uri = resolve_uri(libvirt.uri, environ, libvirt_conf.load(environ))
        return cls(libvirt, module, labels, uri)


class KeptTarget:
    """A target that is connected, or tries to be, from `start` to `close`."""

    def __init__(self, target: Target, origin: Origin) -> None:
        self.target = target
        self.origin = origin
        self.users = 0
        self._unused = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to connect, unless it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self.target.hypervisor.run())

    @contextlib.contextmanager
    def used(self) -> Iterator[Target]:
        """For as long as a scrape takes: `unused` waits for its end."""
        self.users += 1
        try:
            yield self.target
        finally:
            self.users -= 1
            if not self.users:
                self._unused.set()

    async def unused(self) -> None:
        """Waits until nobody uses it."""
        while self.users:
            self._unused.clear()
            await self._unused.wait()

    async def close(self) -> None:
        """Says goodbye to the daemon and ends the attempts, whoever uses it."""
        if self._task is None:
            return
        # Whoever cancels twice, or is cancelled while waiting here, must not cut the farewell short.
        if not self._task.cancelling():
            self._task.cancel()
        await asyncio.wait((self._task,))


class Leaving:
    """Targets that nobody shall use any more: each is closed when its running scrapes have ended."""

    def __init__(self) -> None:
        self._tasks: dict[KeptTarget, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def see_off(self, kept: KeptTarget) -> asyncio.Task[None]:
        """Begins to close; who does not wait for the task leaves that to `close`."""
        task = self._tasks[kept] = asyncio.create_task(self._see_off(kept))
        return task

    async def _see_off(self, kept: KeptTarget) -> None:
        await kept.unused()
        await kept.close()
        del self._tasks[kept]

    def hurry(self) -> None:
        """Lets their scrapes end soon."""
        for kept in self._tasks:
            kept.target.scraper.hurry()

    async def close(self) -> None:
        """Closes them at once."""
        tasks = dict(self._tasks)
        await asyncio.gather(*(kept.close() for kept in tasks))
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
