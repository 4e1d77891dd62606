"""What is served: the application, as far as HTTP needs to know it."""

from __future__ import annotations

from typing import Protocol

from exporter.config import Config
from exporter.exposition import Page
from exporter.landing import Snapshot
from exporter.probe import Probes
from exporter.target import Target

__all__ = ["Site"]


class Site(Protocol):
    config: Config
    probes: Probes
    targets: tuple[Target, ...]

    @property
    def is_ready(self) -> bool: ...

    async def page(self, timeout_seconds: float | None = None) -> Page: ...

    async def snapshot(self) -> Snapshot: ...

    async def reload(self) -> None:
        """Raises ReloadFailed."""
