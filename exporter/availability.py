"""What a daemon offers, learnt by asking it once a connection: no version is compared.

A part that is refused for good (unsupported, denied, too old) is not asked for again until the next
connection; the reason is on the page.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeVar

from exporter.exposition import Labels, Sample
from exporter.metrics.own import COLLECTOR_AVAILABLE
from libvirt_rpc.errors import (
    AccessDenied,
    LibvirtRPCError,
    NoSupport,
    OperationDenied,
    RPCError,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)

AVAILABLE = ""
_UNKNOWN_PROCEDURE = "unknown procedure"


def reason_of(error: LibvirtRPCError) -> str:
    """Why it would be refused the next time too: `unsupported`, `denied`, `too_old`; else empty."""
    match error:
        case NoSupport():
            return "unsupported"
        case OperationDenied() | AccessDenied():
            return "denied"
        case RPCError() if _UNKNOWN_PROCEDURE in str(error):
            return "too_old"
        case _:
            return AVAILABLE


class Availability:
    """The parts of the collectors that were asked for on this connection, and why some are not there."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def reset(self) -> None:
        """After a new connection everything is asked for again."""
        self._reasons = {}

    @property
    def reasons(self) -> dict[str, str]:
        """The reason by part; empty where the part is available."""
        return dict(self._reasons)

    def reason(self, part: str) -> str:
        """Why the part is not available; empty where it is, or was not asked for."""
        return self._reasons.get(part, AVAILABLE)

    def is_off(self, part: str) -> bool:
        return bool(self._reasons.get(part))

    def found(self, part: str) -> None:
        """For what was asked otherwise than by `ask`, with success."""
        self._reasons[part] = AVAILABLE

    def switch_off(self, part: str, reason: str) -> None:
        """For what is learnt otherwise than by a refusal."""
        if self._reasons.get(part) != reason:
            logger.info("not available", extra={"collector": part, "reason": reason})
        self._reasons[part] = reason

    async def ask(self, part: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """The answer, or None where the part is not available. Raises every other LibvirtRPCError.

        `part` is what the metric's label `collector` says: the collector's name, a dot, the part's.
        """
        if self.is_off(part):
            return None
        try:
            answer = await call()
        except LibvirtRPCError as exc:
            reason = reason_of(exc)
            if not reason:
                raise
            self.switch_off(part, reason)
            return None
        self._reasons[part] = AVAILABLE
        return answer

    def samples(self, labels: Labels, *, without: Collection[str]) -> Iterable[Sample]:
        """One of each part but those, whose availability is shown otherwise."""
        for part, reason in sorted(self._reasons.items()):
            if part in without:
                continue
            named = (("collector", part), *labels, ("reason", reason))
            yield Sample(COLLECTOR_AVAILABLE, int(not reason), named)
