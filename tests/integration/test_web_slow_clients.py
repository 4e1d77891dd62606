"""500 clients that dribble their requests beside one that scrapes, and more than there may be."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator

import httpx

from tests.support.exporter_process import ExporterProcess, exporter_process

DRIBBLERS = 500
PACE_SECONDS = 1.0
SCRAPES = 20
ROUNDS = 3
LIMIT = 2.0


@contextlib.asynccontextmanager
async def dribbling(exporter: ExporterProcess, count: int) -> AsyncIterator[None]:
    """Keeps `count` clients connected that each say a byte of a request now and then."""
    url = httpx.URL(exporter.url)
    assert url.port is not None
    opened = [await asyncio.open_connection(url.host, url.port) for _ in range(count)]

    async def dribble(number: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(PACE_SECONDS * number / count)
        writer.write(b"GET /metrics HTTP/1.1\r\nX: ")
        while not writer.is_closing():
            await asyncio.sleep(PACE_SECONDS)
            writer.write(b"a")

    tasks = [asyncio.create_task(dribble(*one)) for one in enumerate(w for _, w in opened)]
    await asyncio.sleep(PACE_SECONDS)  # all have begun
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in opened:
            writer.transport.abort()


async def scrape_seconds(exporter: ExporterProcess) -> list[float]:
    """How long each of some scrapes took, as Prometheus makes them: one connection, kept alive."""
    seconds = []
    async with httpx.AsyncClient(timeout=30) as client:
        for _ in range(SCRAPES):
            began = time.perf_counter()
            response = await client.get(exporter.url)
            seconds.append(time.perf_counter() - began)
            assert response.status_code == 200
    return seconds


async def test_500_dribbling_clients_leave_a_scrape_within_twice_its_usual_time() -> None:
    usual, beside_them = [], []
    with exporter_process("demo") as exporter:
        await scrape_seconds(exporter)
        for _ in range(ROUNDS):  # in turns, so that another load of the machine meets both
            usual += await scrape_seconds(exporter)
            async with dribbling(exporter, DRIBBLERS):
                beside_them += await scrape_seconds(exporter)
    before, now = statistics.median(usual), statistics.median(beside_them)
    assert now < LIMIT * before, f"{now * 1e3:.1f} ms, usually {before * 1e3:.1f} ms"


async def test_more_dribbling_clients_than_there_may_be_keep_nobody_out() -> None:
    with exporter_process("demo", "--web.max-connections=100") as exporter:
        async with dribbling(exporter, 150):
            for _ in range(3):
                # A new connection each time: the dribbler that was there longest gives way.
                async with httpx.AsyncClient(timeout=30) as client:
                    assert (await client.get(exporter.url)).status_code == 200
