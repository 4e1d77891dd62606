"""Records scrapes of a real hypervisor into a trace file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from exporter.application import Application
from exporter.config import Config
from exporter.hypervisor import render_version
from libvirt_rpc.errors import TraceError
from libvirt_rpc.trace.record import Recorder


async def record(config: Config, file: Path, *, scrapes: int, interval_seconds: float) -> int:
    """Scrapes `scrapes` times, as serving would. Raises LibvirtRPCError, TraceError.

    The file is there only when it is whole; one that was there before stays until then.
    """
    part = file.with_name(f".part-{file.name}")
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise TraceError(
            str(file), "it cannot be written: its folder is absent or closed to this user"
        )
    try:
        await _record_into(part, config, scrapes, interval_seconds)
        part.replace(file)
    except OSError as exc:
        raise TraceError(str(file), f"it cannot be written: {exc.strerror or exc}") from exc
    finally:
        part.unlink(missing_ok=True)
    return 0


async def _record_into(file: Path, config: Config, scrapes: int, interval_seconds: float) -> None:
    with Recorder(file) as recorder:
        application = Application(config, tap=recorder)
        hypervisor = application.hypervisor
        connection = await hypervisor.open()
        try:
            identity = hypervisor.identity
            assert identity is not None
            domains = await connection.list_all_domains()
            version = render_version(identity.version)
            recorder.describe(
                libvirt=render_version(identity.lib_version),
                hypervisor=f"{identity.type} {version}".strip(),
                uri=hypervisor.uri,
                hostname=identity.hostname,
                start_times=application.start_times.of(domains),
            )
            for number in range(scrapes):
                if number:
                    await asyncio.sleep(interval_seconds)
                recorder.mark_scrape()
                await application.scraper.scrape()
                if (lost := connection.session.error) is not None:
                    raise lost
        finally:
            await hypervisor.close()
