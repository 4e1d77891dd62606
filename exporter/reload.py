"""The configuration read anew while the exporter runs: all of it is taken over, or none.

Reloads come one after the other. How the last one ended is on the metrics page.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

from exporter.config import Config, ConfigError, WebConfig
from exporter.exposition import Labels, Sample
from exporter.metrics.own import CONFIG_RELOAD_SUCCESSFUL, CONFIG_RELOAD_TIME
from libvirt_rpc.errors import LibvirtRPCError

__all__ = ["ReloadFailed", "Reloader", "with_fixed_parts"]

logger = logging.getLogger(__name__)

CHANGEABLE_OF_WEB = frozenset({"timeout_offset_seconds", "enable_lifecycle"})
"""What is looked up at each request; what else `web` says is taken once, when listening begins."""


class ReloadFailed(Exception):
    """The old configuration stays; `reason` says why, a line a mistake."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the configuration was not reloaded, the old one stays: {self.reason}"


class Reloader:
    """Loads a configuration and has it applied, one reload at a time.

    `on_begin` and `on_end` are called around each reload, for whoever wants to know of it.
    """

    def __init__(
        self,
        load: Callable[[], Config],
        apply: Callable[[Config], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`load` may take its time: it runs in a thread. It raises ConfigError.

        `apply` raises ConfigError or LibvirtRPCError before anything has changed.
        """
        self.on_begin: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self._load = load
        self._apply = apply
        self._clock = clock
        self.has_succeeded = True
        """The last one; the start counts."""
        self._succeeded_at = clock()
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._is_closed = False

    async def reload(self) -> None:
        """Raises ReloadFailed. Who stops waiting does not stop the reload."""
        await asyncio.shield(self._start())

    def request(self) -> None:
        """Begins a reload that nobody waits for: the log says how it ends.

        One that has not begun to load yet is enough.
        """
        if not self._is_closed and not self._waiting:
            self._start().add_done_callback(_retrieve)

    @contextlib.contextmanager
    def on_hangup(self) -> Iterator[None]:
        """SIGHUP is a request for as long as the context lasts; behind it, it is ignored."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.request)
        # Those that came while the process was starting waited here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def close(self) -> None:
        """Ends a running reload; none is begun from now on."""
        self._is_closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def samples(self, labels: Labels = ()) -> Iterable[Sample]:
        """How the last reload ended; the start counts as one."""
        yield Sample(CONFIG_RELOAD_SUCCESSFUL, int(self.has_succeeded), labels)
        yield Sample(CONFIG_RELOAD_TIME, round(self._succeeded_at, 3), labels)

    def _start(self) -> asyncio.Task[None]:
        self._waiting += 1
        task = asyncio.create_task(self._reload())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _reload(self) -> None:
        async with self._lock:
            self._waiting -= 1
            if self._is_closed:
                raise ReloadFailed("the exporter is ending")
            with self._announced():
                try:
                    await self._apply(await asyncio.to_thread(self._load))
                except (ConfigError, LibvirtRPCError) as exc:
                    self.has_succeeded = False
                    failure = ReloadFailed(str(exc))
                    logger.error("%s", "; ".join(str(failure).splitlines()))  # noqa: TRY400
                    raise failure from exc
                except Exception:
                    self.has_succeeded = False
                    logger.exception("reloading the configuration failed")
                    raise
                self.has_succeeded = True
                self._succeeded_at = self._clock()

    @contextlib.contextmanager
    def _announced(self) -> Iterator[None]:
        if self.on_begin is not None:
            self.on_begin()
        try:
            yield
        finally:
            if self.on_end is not None and not self._is_closed:
                self.on_end()


def _retrieve(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def with_fixed_parts(config: Config, running: Config) -> Config:
    """The configuration with what only a restart can change as it is; a warning names each of these."""
    fixed = {
        one.name: getattr(running.web, one.name)
        for one in dataclasses.fields(WebConfig)
        if one.name not in CHANGEABLE_OF_WEB
        and getattr(running.web, one.name) != getattr(config.web, one.name)
    }
    warnings = tuple(
        f"web.{name.removesuffix('_seconds')} stays as it is: only a restart can change it"
        for name in fixed
    )
    web = dataclasses.replace(config.web, **fixed)
    return dataclasses.replace(config, web=web, warnings=(*config.warnings, *warnings))
