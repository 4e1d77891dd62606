"""An exporter on a scripted daemon with some collectors switched on: `watched`, and its pages: `page_of`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from exporter.application import Application
from exporter.config import CollectorsConfig
from tests.support.daemon import Answers, ScriptedDaemon, by_table
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE, configured, exporting, get
from tests.support.pages import ReadPage, read_response


@contextlib.asynccontextmanager
async def watched(
    answers: Answers, collectors: CollectorsConfig, *, labels: tuple[tuple[str, str], ...] = ()
) -> AsyncIterator[tuple[ScriptedDaemon, Application]]:
    """A QEMU host that answers so beside its two domains; `labels` are the configured extra ones."""
    async with ScriptedDaemon(by_table({**QEMU_HOST, **answers})) as daemon:
        config = configured(daemon.uri, collectors=collectors, keepalive_interval_seconds=0)
        config = replace(config, metrics=replace(config.metrics, extra_labels=labels))
        async with exporting(config) as application:
            yield daemon, application


async def page_of(application: Application) -> ReadPage:
    return read_response(await get(application))


def only(**sections: object) -> CollectorsConfig:
    """The statistics and what is given: sections of the configuration, such as `host=HostCollectors()`."""
    return replace(STATISTICS_ALONE, **sections)  # type: ignore[arg-type]  # the names are the fields'
