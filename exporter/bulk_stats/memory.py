"""What one collection leaves to the next: calls left behind and experience, nothing that domains said."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from exporter.bulk_stats.requests import Kind, Request
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags
from libvirt_rpc.errors import InvalidArgument, LibvirtRPCError
from libvirt_rpc.protocol.domain_stats import DomainStats, Layout
from libvirt_rpc.protocol.types import Domain

logger = logging.getLogger(__name__)

FIRST_PATIENCE_SECONDS = 0.5
LEAST_PATIENCE_SECONDS = 0.25
PATIENCE_CALLS = 8
"""A call that takes longer than so many usual ones is looked into."""
SHORTEST_PATIENCE_SECONDS = 0.02
"""Whatever the deadline."""


class Memory:
    """Which calls are left behind, how long one usually takes, which records are short by nature."""

    def __init__(self) -> None:
        self.flags = ConnectGetAllDomainStatsFlags.NOWAIT
        self.usual_seconds: float | None = None
        """What a call for a chunk takes; None until one was seen."""
        self.left_behind: list[Request] = []
        self._knows_nowait = False
        self._whole_though_short: dict[uuid.UUID, tuple[str, ...]] = {}
        self._reduced: WeakKeyDictionary[Layout, bool] = WeakKeyDictionary()

    @property
    def stuck_calls(self) -> int:
        """Calls that the exporter waits for no longer and the daemon still works on."""
        self.left_behind = [one for one in self.left_behind if one.is_outstanding]
        return len(self.left_behind)

    def meet_daemon(self) -> None:
        """Behind a new connection there may be another daemon, or the one that still works on lost calls.

        A call that hangs at a domain's monitor shows in that domain; of others nothing can be learnt.
        """
        self._knows_nowait = False
        self.flags = ConnectGetAllDomainStatsFlags.NOWAIT
        for one in self.left_behind:
            one.is_released = one.is_released or one.kind not in (Kind.CHUNK, Kind.SINGLE)

    def release_lost(self, is_free: Callable[[Domain], bool]) -> None:
        """Forgets the lost calls whose domains are all free: nobody holds their jobs."""
        for one in self.left_behind:
            if one.call.is_lost and all(is_free(domain) for domain in one.domains):
                one.is_released = True

    def forget_other_domains(self, uuids: set[uuid.UUID]) -> None:
        for gone in self._whole_though_short.keys() - uuids:
            del self._whole_though_short[gone]

    def outstanding_for(self, domain: Domain, kind: Kind) -> bool:
        return any(
            one.kind is kind and one.is_outstanding and domain in one.domains
            for one in self.left_behind
        )

    def suspects(self) -> set[uuid.UUID]:
        """Domains of calls that were left behind: one of each call hangs."""
        return {
            domain.uuid for one in self.left_behind if one.is_outstanding for domain in one.domains
        }

    def is_left_behind(self, kind: Kind) -> bool:
        return any(one.kind is kind and one.is_outstanding for one in self.left_behind)

    def learn(self, request: Request, seconds: float) -> None:
        """Takes from an answer how long a chunk usually takes, and that the daemon knows its flags."""
        if request.flags:
            self._knows_nowait = True
        if request.kind is Kind.CHUNK and not request.is_slow:
            usual = self.usual_seconds
            self.usual_seconds = seconds if usual is None else usual + (seconds - usual) / 8

    def gives_up_flags(self, request: Request, error: LibvirtRPCError) -> bool:
        """Whether the call was refused for its flags, by a daemon from before libvirt 4.5."""
        if self._knows_nowait or not request.flags or not isinstance(error, InvalidArgument):
            return False
        if self.flags:
            logger.warning(
                "the daemon knows no NOWAIT: a busy domain will be waited for (%s)", error
            )
        self.flags = ConnectGetAllDomainStatsFlags(0)
        return True

    def patience(self, deadline: Deadline) -> float:
        usual = self.usual_seconds
        wish = FIRST_PATIENCE_SECONDS if usual is None else PATIENCE_CALLS * usual
        patience = min(max(wish, LEAST_PATIENCE_SECONDS), deadline.remaining() / 4)
        return max(patience, SHORTEST_PATIENCE_SECONDS)

    def is_reduced(self, record: DomainStats) -> bool:
        """Whether the record looks as NOWAIT leaves it while somebody else holds the domain's job."""
        known = self._reduced.get(record.layout)
        if known is None:
            known = self._reduced[record.layout] = looks_reduced(record.layout.fields)
        return known and record.domain.id != -1

    def is_short(self, record: DomainStats) -> bool:
        """Whether a running domain's record lacks what only its monitor tells, and usually has it."""
        if not self.is_reduced(record):
            self._whole_though_short.pop(record.domain.uuid, None)
            return False
        return self._whole_though_short.get(record.domain.uuid) != record.layout.fields

    def accept_short(self, record: DomainStats) -> None:
        """The record came twice in this shape, with nobody in the way: it is how this domain is."""
        self._whole_though_short[record.domain.uuid] = record.layout.fields


def looks_reduced(fields: Sequence[str]) -> bool:
    no_disk_figures = "block.0.name" in fields and not any(
        name.startswith("block.") and name.endswith(".rd.reqs") for name in fields
    )
    no_balloon_figures = "balloon.current" in fields and "balloon.rss" not in fields
    return no_disk_figures or no_balloon_figures
