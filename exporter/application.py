"""The parts put together: from a configuration to something that serves or scrapes once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from exporter.collectors.domain_stats import DomainStatsCollector
from exporter.config import CollectorsConfig, Config, ListenAddress
from exporter.exposition import Format
from exporter.hypervisor import Hypervisor
from exporter.scrape import Scraper
from exporter.self_metrics import SelfMetrics
from exporter.start_times import (
    NoStartTimes,
    ProcessStartTimes,
    RecordedStartTimes,
    StartTimes,
)
from exporter.web import listen, make_app, serve
from libvirt_rpc.errors import LibvirtRPCError
from libvirt_rpc.trace.replay import Replayer, replay_dial
from libvirt_rpc.trace.tap import FrameTap
from libvirt_rpc.transports.dial import dial

logger = logging.getLogger(__name__)


class Application:
    """One exporter. With a `replayer` it talks to a recorded hypervisor, in the recording's time."""

    def __init__(
        self, config: Config, *, replayer: Replayer | None = None, tap: FrameTap | None = None
    ) -> None:
        """Raises InvalidURI."""
        self.config = config
        self.own = SelfMetrics(config.metrics.extra_labels)
        self.hypervisor = Hypervisor(
            config.libvirt,
            dial=dial if replayer is None else replay_dial(replayer),
            tap=tap,
            observe=self.own.observe,
        )
        self.start_times = self._start_times(replayer)
        labels = config.metrics.extra_labels
        collector = DomainStatsCollector(
            self.hypervisor, collectors_of(config.collectors), self.start_times, labels=labels
        )
        self.scraper = Scraper(
            self.hypervisor,
            [collector],
            self.own,
            labels=labels,
            min_interval_seconds=config.collectors.min_interval_seconds,
            clock=time.time if replayer is None else lambda: replayer.time,
        )

    def _start_times(self, replayer: Replayer | None) -> StartTimes:
        if replayer is not None:
            return RecordedStartTimes(replayer.start_times)
        if not self.hypervisor.is_local:
            return NoStartTimes()
        processes = ProcessStartTimes()
        self.hypervisor.on_connected = processes.forget
        return processes

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
            connecting = asyncio.create_task(self.hypervisor.run())
            try:
                if announce is not None:
                    # Whoever follows the URL shall find it connected.
                    await self.hypervisor.first_attempt()
                    announce(urls)
                await serve(make_app(self.scraper, web), sockets, self.scraper.hurry)
            finally:
                connecting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await connecting
        return 0

    async def scrape_once(self, page_format: Format = Format.TEXT) -> tuple[bytes, int]:
        """One page, and the exit status: 1 where there is no connection; the page says so too."""
        try:
            await self.hypervisor.open()
        except LibvirtRPCError as exc:
            self.hypervisor.report(exc)
        try:
            page = await self.scraper.scrape()
        finally:
            connected = self.hypervisor.is_connected
            await self.hypervisor.close()
        return page.render(page_format), 0 if connected else 1


def collectors_of(config: CollectorsConfig) -> frozenset[str]:
    """The names of the enabled collectors, as the metric tables have them."""
    switches = {
        f"{section}.{name}": getattr(getattr(config, section), name)
        for section in ("domain", "disk", "network")
        for name in type(getattr(config, section)).__dataclass_fields__
    }
    return frozenset(name for name, enabled in switches.items() if enabled)


def _url(address: ListenAddress, port: int, path: str) -> str:
    host = address.host or "localhost"
    return f"http://{ListenAddress(host, port)}{path}"
