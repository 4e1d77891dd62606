"""The parts put together: from a configuration to something that serves or scrapes once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable

from exporter.config import Config, ConfigError
from exporter.exposition import Format, Page
from exporter.hypervisor import Hypervisor
from exporter.hypervisors import Hypervisors
from exporter.landing import PageHistory, Snapshot, take_snapshot
from exporter.logs import configure
from exporter.probe import Probes
from exporter.reload import Reloader, with_fixed_parts
from exporter.scrape import Scraper
from exporter.self_metrics import SelfMetrics
from exporter.start_times import StartTimes
from exporter.systemd import ServiceManager
from exporter.target import Target
from exporter.web import Access, Bounds, listening, make_app, serve
from libvirt_rpc.errors import LibvirtRPCError
from libvirt_rpc.trace.replay import Replayer
from libvirt_rpc.trace.tap import FrameTap

logger = logging.getLogger(__name__)


class Application:
    """One exporter: the hypervisors of its metrics page, and those that are probed.

    With a `replayer` it talks to a recorded hypervisor, in the recording's time.
    """

    def __init__(
        self,
        config: Config,
        *,
        replayer: Replayer | None = None,
        tap: FrameTap | None = None,
        load: Callable[[], Config] | None = None,
    ) -> None:
        """Raises InvalidURI, InvalidLibvirtConf. `load` gives the configuration anew, for a reload."""
        self.config = config
        self.own = SelfMetrics(config.metrics.extra_labels)
        self.hypervisors = Hypervisors(config, replayer=replayer, tap=tap, observe=self.own.observe)
        self.targets = self.hypervisors.targets
        self.history = PageHistory(time.time if replayer is None else lambda: replayer.time)
        self.hypervisors.on_page = self.history.note
        self.probes = Probes(config, observe=self.own.observe)
        self.reloader = Reloader(load or (lambda: config), self._apply)

    @property
    def hypervisor(self) -> Hypervisor:
        """The first hypervisor of the page: the only one, but where `libvirt.connections` names more.

        Raises ConfigError where there is none, because the exporter is for probes alone.
        """
        return self._first.hypervisor

    @property
    def _first(self) -> Target:
        if not self.targets:
            raise ConfigError("libvirt.uri", "no hypervisor is named: give one with --libvirt.uri")
        return self.targets[0]

    @property
    def scraper(self) -> Scraper:
        return self._first.scraper

    @property
    def start_times(self) -> StartTimes:
        return self._first.start_times

    @property
    def is_ready(self) -> bool:
        """Whether every first attempt to connect has ended: from then on a page says how it is."""
        return all(target.hypervisor.has_tried for target in self.targets)

    async def page(self, timeout_seconds: float | None = None, *, of_process: bool = True) -> Page:
        """The metrics page: all hypervisors, scraped at once, and the exporter itself."""
        whole = await self.hypervisors.page(timeout_seconds)
        whole.add(self.own.samples(of_process=of_process))
        if of_process:
            whole.add(self.reloader.samples(self.own.labels))
        return whole

    async def snapshot(self) -> Snapshot:
        """What the landing page shows; scrapes only what nobody has scraped for a while."""
        await self.history.refresh(self.targets, self.hypervisors.scrape)
        # Reading pages of thousands of domains takes its time.
        return await asyncio.to_thread(
            take_snapshot,
            self.config,
            self.targets,
            self.probes.kept,
            self.history,
            now=time.time(),
            has_reloaded=self.reloader.has_succeeded,
        )

    def hurry(self) -> None:
        """Lets running scrapes end soon: the exporter shall end."""
        self.hypervisors.hurry()
        self.probes.hurry()

    async def reload(self) -> None:
        """Reads the configuration anew. Raises ReloadFailed: the old one stays."""
        await self.reloader.reload()

    async def _apply(self, config: Config) -> None:
        """Takes a new configuration over. Raises LibvirtRPCError, ConfigError: nothing has changed then."""
        config = with_fixed_parts(config, self.config)
        prepared = self.hypervisors.prepare(config)
        configure(config.logging.level, config.logging.format, config.logging.file)
        for warning in config.warnings:
            logger.warning(warning)
        kept, made, ended = await self.hypervisors.adopt(prepared)
        self.config = config
        self.own.labels = config.metrics.extra_labels
        self.targets = self.hypervisors.targets
        self.history.forget_others(self.targets)
        self.probes.adopt(config)
        logger.info("configuration reloaded", extra={"kept": kept, "new": made, "ended": ended})

    async def serve(self, announce: Callable[[list[str]], None] | None = None) -> int:
        """Listens, connects in the background, serves until a signal. Raises ConfigError."""
        web = self.config.web
        manager = ServiceManager.of(os.environ)

        def at_end() -> None:
            manager.stopping()
            self.hurry()

        self.reloader.on_begin, self.reloader.on_end = manager.reloading, manager.ready
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.reloader.on_hangup())
            access = Access(web.config_file)
            stack.callback(access.close)
            listeners = stack.enter_context(listening(web, os.environ))
            scheme = "https" if access.has_tls else "http"
            urls = [one.url(scheme, web.telemetry_path) for one in listeners]
            logger.info("listening", extra={"url": " ".join(urls)})
            async with self.connecting(), manager.informed(self._status):
                if announce is not None:
                    # Whoever follows the URL shall find it connected.
                    await self.hypervisor.first_attempt()
                    announce(urls)
                await serve(
                    make_app(self, access),
                    [one.sock for one in listeners],
                    at_end,
                    access=access,
                    bounds=Bounds(connections=web.max_connections),
                )
        return 0

    def _status(self) -> str:
        connected = sum(target.hypervisor.is_connected for target in self.targets)
        return f"connected to {connected} of {len(self.targets)} hypervisors"

    @contextlib.asynccontextmanager
    async def connecting(self) -> AsyncIterator[None]:
        """Keeps the hypervisors connected while the context lasts."""
        self.hypervisors.start()
        probes = asyncio.create_task(self.probes.run())
        try:
            yield
        finally:
            await self.reloader.close()
            probes.cancel()
            await asyncio.gather(self.hypervisors.close(), probes, return_exceptions=True)

    async def scrape_once(self, page_format: Format = Format.TEXT) -> tuple[bytes, int]:
        """One page, and the exit status: 1 where a scrape failed; the page says so too.

        Without the process's own figures: node_exporter, which may show the page, has its own.
        """
        await asyncio.gather(*(_open(target.hypervisor) for target in self.targets))
        try:
            page = await self.page(of_process=False)
        finally:
            await asyncio.gather(*(target.hypervisor.close() for target in self.targets))
        failed = any(target.scraper.has_failed for target in self.targets)
        return page.render(page_format), 1 if failed else 0


async def _open(hypervisor: Hypervisor) -> None:
    try:
        await hypervisor.open()
    except LibvirtRPCError as exc:
        hypervisor.report(exc)
