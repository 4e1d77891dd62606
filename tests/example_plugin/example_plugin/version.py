"""A collector that asks libvirt itself, once a connection. It has to be switched on."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.plugin import Collector, Family, MetricType, Sample, Scrape

VERSION = Family(
    "example_libvirt_version", MetricType.GAUGE, "Version of libvirt, 1000000 a major version."
)


class VersionCollector:
    name = "example_version"
    help = "The version of libvirt as a number."
    default = False

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        connection = scrape.connection
        # None where this libvirt does not offer it: the page says so by itself.
        version = await scrape.ask(
            "version", lambda: connection.get_lib_version(deadline=scrape.deadline)
        )
        return () if version is None else [Sample(VERSION, version)]


def make() -> Collector:
    """An entry point may be a function as well as a class."""
    return VersionCollector()
