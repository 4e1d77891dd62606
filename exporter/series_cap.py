"""The bound on a page's series: whole families are left out from the page's end, until the rest fits.

What is about the exporter and its connection stays. A page that is far from the bound costs a few sums.
"""

from __future__ import annotations

import logging

from exporter.exposition import Page
from exporter.logs import StateLogger

__all__ = ["SeriesCap"]

logger = logging.getLogger(__name__)

ALWAYS_SHOWN = ("libvirt_exporter_", "libvirt_connection_")
_SHORTEST_REST = len(" 0\n")
"""Of a line, behind the family's name."""


class SeriesCap:
    """`most` series on a page of one hypervisor; 0 is no bound. `dropped` counts over all pages."""

    def __init__(self, most: int) -> None:
        self.dropped = 0
        self._most = most
        self._states = StateLogger(logger)

    def apply(self, page: Page) -> None:
        """Leaves out what is beyond the bound. The caller adds what is always shown later than this."""
        if not self._most or _at_most(page) <= self._most:
            self._states.recovered("bound", "all series are shown again")
            return
        numbers = {family.name: page.lines(family.name).count(b"\n") for family in page.families}
        beyond = sum(numbers.values()) - self._most
        dropped = []
        for name in reversed(numbers):
            if beyond <= 0:
                break
            if not name.startswith(ALWAYS_SHOWN):
                page.drop(name)
                beyond -= numbers[name]
                self.dropped += numbers[name]
                dropped.append(name)
        if dropped:
            self._states.failed(
                "bound",
                f"more than {self._most} series: metrics are left out (metrics.max_series)",
                left_out=" ".join(reversed(dropped)),
            )
        else:
            self._states.recovered("bound", "all series are shown again")


def _at_most(page: Page) -> int:
    """No less than the page's series, by the size of its lines."""
    return sum(page.size(one.name) // (len(one.name) + _SHORTEST_REST) for one in page.families)
