"""A collector of several parts: each is tried, and one that fails costs no other its samples."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from exporter.collectors.collector import Scrape
from exporter.exposition import Sample
from libvirt_rpc.errors import LibvirtRPCError


async def collect_parts(scrape: Scrape, *parts: Awaitable[Iterable[Sample]]) -> None:
    """Puts the samples of all parts on the page, in their order. Raises the first part's error."""
    results = await asyncio.gather(*parts, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for result in results:
        if not isinstance(result, BaseException):
            scrape.page.add(_labelled(result, scrape))
    # A mistake of ours goes before what libvirt refused: it has a traceback to show.
    errors.sort(key=lambda error: isinstance(error, LibvirtRPCError))
    if errors:
        raise errors[0]


def _labelled(samples: Iterable[Sample], scrape: Scrape) -> Iterable[Sample]:
    if not scrape.labels:
        return samples
    return (
        Sample(one.family, one.value, (*one.labels, *scrape.labels), suffix=one.suffix)
        for one in samples
    )
