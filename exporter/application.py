"""The parts put together: from a configuration to something that serves or scrapes once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from exporter.config import Config, ConfigError, ListenAddress
from exporter.exposition import Format, Page
from exporter.hypervisor import Hypervisor
from exporter.probe import Probes
from exporter.scrape import Scraper
from exporter.self_metrics import SelfMetrics
from exporter.start_times import StartTimes
from exporter.target import Target, for_endpoint, make_target
from exporter.web import listen, make_app, serve
from libvirt_rpc.errors import LibvirtRPCError
from libvirt_rpc.trace.replay import Replayer
from libvirt_rpc.trace.tap import FrameTap

logger = logging.getLogger(__name__)


class Application:
    """One exporter: the hypervisors of its metrics page, and those that are probed.

    With a `replayer` it talks to a recorded hypervisor, in the recording's time.
    """

    def __init__(
        self, config: Config, *, replayer: Replayer | None = None, tap: FrameTap | None = None
    ) -> None:
        """Raises InvalidURI."""
        self.config = config
        self.own = SelfMetrics(config.metrics.extra_labels)
        self._replayer = replayer
        self._tap = tap
        self.targets = self._make_targets()
        self.probes = Probes(config, observe=self.own.observe)

    def _make_targets(self) -> tuple[Target, ...]:
        libvirt = self.config.libvirt
        is_for_probes = bool(self.config.targets or self.config.probe.allow)
        if not libvirt.connections and libvirt.uri is None and is_for_probes:
            # What is asked to probe others, and of no hypervisor of its own, has none.
            return ()
        if not libvirt.connections:
            return (self._make_target(),)
        return tuple(self._make_target(connection.name) for connection in libvirt.connections)

    def _make_target(self, name: str | None = None) -> Target:
        """The hypervisor of the connection `name`, whose samples say so; or the only one there is."""
        libvirt = self.config.libvirt
        labels = self.config.metrics.extra_labels
        if name is not None:
            connection = next(one for one in libvirt.connections if one.name == name)
            libvirt = for_endpoint(libvirt, connection)
            labels = (("host", name), *labels)
        return make_target(
            libvirt,
            self.config.collectors,
            labels=labels,
            replayer=self._replayer,
            tap=self._tap,
            observe=self.own.observe,
        )

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
        pages = await asyncio.gather(
            *(target.scraper.scrape(timeout_seconds) for target in self.targets)
        )
        whole = Page()
        for page in pages:
            whole.add_page(page)
        whole.add(self.own.samples(of_process=of_process))
        return whole

    def hurry(self) -> None:
        """Lets running scrapes end soon: the exporter shall end."""
        for target in self.targets:
            target.scraper.hurry()
        self.probes.hurry()

    async def serve(self, announce: Callable[[list[str]], None] | None = None) -> int:
        """Listens, connects in the background, serves until a signal. Raises ConfigError."""
        web = self.config.web
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(listen(address)) for address in web.listen_address]
            urls = [
                _url(address, one.getsockname()[1], web.telemetry_path)
                for address, one in zip(web.listen_address, sockets, strict=True)
            ]
            logger.info("listening", extra={"url": " ".join(urls)})
            async with self.connecting():
                if announce is not None:
                    # Whoever follows the URL shall find it connected.
                    await self.hypervisor.first_attempt()
                    announce(urls)
                await serve(make_app(self), sockets, self.hurry)
        return 0

    @contextlib.asynccontextmanager
    async def connecting(self) -> AsyncIterator[None]:
        """Keeps the hypervisors connected while the context lasts."""
        tasks = [asyncio.create_task(target.hypervisor.run()) for target in self.targets]
        tasks.append(asyncio.create_task(self.probes.run()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

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


def _url(address: ListenAddress, port: int, path: str) -> str:
    host = address.host or "localhost"
    return f"http://{ListenAddress(host, port)}{path}"
