"""What every collector is: a name, and one entry point that puts samples on a page by a deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporter.exposition import Labels, Page
from exporter.hypervisor import Hypervisor
from libvirt_rpc.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape of one hypervisor. `labels` go onto every sample; `clock` gives Unix time."""

    hypervisor: Hypervisor
    page: Page
    deadline: Deadline
    labels: Labels
    clock: Callable[[], float]


class Collector(Protocol):
    """`collect` raises LibvirtRPCError where it has nothing; what it has put on the page by then stays."""

    name: str

    async def collect(self, scrape: Scrape) -> None: ...
