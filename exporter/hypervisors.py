"""The hypervisors of the metrics page: kept connected, scraped at once, replaced by a reload."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from exporter.config import Config
from exporter.exposition import Labels, Page
from exporter.kept import KeptTarget, Leaving, Origin
from exporter.target import Target, for_endpoint, make_target
from libvirt_rpc.session import CallObservation
from libvirt_rpc.trace.replay import Replayer
from libvirt_rpc.trace.tap import FrameTap

__all__ = ["Hypervisors"]

SETTLE_SECONDS = 2.0
"""What new ones are given to connect before pages show them: most are there by then."""


class Hypervisors:
    """`on_page` is called with each page that a scrape made, and the target that it is of."""

    def __init__(
        self,
        config: Config,
        *,
        replayer: Replayer | None = None,
        tap: FrameTap | None = None,
        observe: Callable[[CallObservation], None] | None = None,
    ) -> None:
        """Raises InvalidURI, InvalidLibvirtConf."""
        self.on_page: Callable[[Target, Page], None] | None = None
        self._replayer = replayer
        self._tap = tap
        self._observe = observe
        self._kept: tuple[KeptTarget, ...] = ()
        self._kept = self.prepare(config)
        self._coming: tuple[KeptTarget, ...] = ()
        self._leaving = Leaving()

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(kept.target for kept in self._kept)

    @property
    def ending(self) -> int:
        """Hypervisors that are no longer asked for and not yet closed."""
        return len(self._leaving)

    def prepare(self, config: Config) -> tuple[KeptTarget, ...]:
        """What the configuration asks for: what is here and unchanged, and new ones, not yet started.

        Raises InvalidURI, InvalidLibvirtConf.
        """
        return tuple(self._kept_of(origin) for origin in _origins(config))

    def _kept_of(self, origin: Origin) -> KeptTarget:
        for kept in self._kept:
            if kept.origin == origin:
                return kept
        return KeptTarget(self._make(origin), origin)

    async def adopt(self, prepared: Sequence[KeptTarget]) -> tuple[int, int, int]:
        """Puts these in the place of the present ones; gives how many were kept, made and ended.

        What is no longer asked for is closed when its running scrape has ended.
        """
        new = [kept for kept in prepared if kept not in self._kept]
        self._coming = tuple(new)
        for kept in new:
            kept.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                for kept in new:
                    await kept.target.hypervisor.first_attempt()
        old = [kept for kept in self._kept if kept not in prepared]
        self._kept, self._coming = tuple(prepared), ()
        for kept in old:
            self._leaving.see_off(kept)
        return len(prepared) - len(new), len(new), len(old)

    def start(self) -> None:
        """Begins to connect."""
        for kept in self._kept:
            kept.start()

    async def close(self) -> None:
        """Ends every connection."""
        present = (*self._kept, *self._coming)
        await asyncio.gather(*(kept.close() for kept in present), self._leaving.close())

    async def page(self, timeout_seconds: float | None = None) -> Page:
        """All of them on one page, scraped at the same time."""
        whole = Page()
        for page in await asyncio.gather(
            *(self._scrape(kept, timeout_seconds) for kept in self._kept)
        ):
            whole.add_page(page)
        return whole

    async def scrape(self, target: Target) -> Page:
        """One of them, by the configured timeout."""
        return await self._scrape(next(one for one in self._kept if one.target is target), None)

    async def _scrape(self, kept: KeptTarget, timeout_seconds: float | None) -> Page:
        with kept.used() as target:
            page = await target.scraper.scrape(timeout_seconds)
        if self.on_page is not None:
            self.on_page(target, page)
        return target.shown(page)

    def hurry(self) -> None:
        """Lets running scrapes end soon."""
        for kept in self._kept:
            kept.target.scraper.hurry()
        self._leaving.hurry()

    def _make(self, origin: Origin) -> Target:
        return make_target(
            origin.libvirt,
            origin.module,
            labels=origin.labels,
            replayer=self._replayer,
            tap=self._tap,
            observe=self._observe,
        )


def _origins(config: Config) -> Iterator[Origin]:
    libvirt, module, labels = config.libvirt, config.top_level, config.metrics.extra_labels
    for connection in libvirt.connections:
        named: Labels = (("host", connection.name), *labels)
        yield Origin.of(for_endpoint(libvirt, connection), module, named)
    is_for_probes = bool(config.targets or config.probe.allow)
    # What is asked to probe others, and of no hypervisor of its own, has none.
    if not libvirt.connections and (libvirt.uri is not None or not is_for_probes):
        yield Origin.of(libvirt, module, labels)
