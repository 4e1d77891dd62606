"""The engine of one hypervisor: `collect`, again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from exporter.bulk_stats.collection import Choose, Collection
from exporter.bulk_stats.lanes import LaneChoice, LaneSource
from exporter.bulk_stats.memory import Memory
from exporter.bulk_stats.requests import Collected
from exporter.bulk_stats.slots import Slots
from exporter.logs import StateLogger
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainStatsTypes
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS

logger = logging.getLogger(__name__)


class BulkStats:
    """Collects from one hypervisor, whose connections `source` has.

    At most `parallel` calls are in flight, and with those that hang at most `max_stuck_calls` more.
    """

    def __init__(
        self,
        source: LaneSource,
        *,
        parallel: int,
        max_stuck_calls: int,
        others: Callable[[], int] = lambda: 0,
        others_in_flight: Callable[[], int] = lambda: 0,
    ) -> None:
        """`others` is how many calls of other parts of the exporter are with the daemon.

        `others_in_flight` is how many of those end soon: they are worth waiting for.
        """
        self.lanes = LaneChoice(source, slots=max(DAEMON_REQUEST_SLOTS, parallel + 1))
        self.memory = Memory()
        self._parallel = parallel
        self._bound = max_stuck_calls + parallel
        self._others = others
        self._others_in_flight = others_in_flight
        self._slots: Slots | None = None
        self._main: Connection | None = None
        self._states = StateLogger(logger)

    @property
    def stuck_calls(self) -> int:
        """Calls that the exporter waits for no longer and the daemon still works on."""
        return self.memory.stuck_calls

    @property
    def held(self) -> int:
        """Calls that are with the daemon, waited for or not."""
        return self.stuck_calls if self._slots is None else self._slots.held_here

    async def collect(
        self,
        stats: DomainStatsTypes,
        deadline: Deadline,
        *,
        choose: Choose | None = None,
        on_list: Callable[[tuple[Domain, ...]], None] | None = None,
    ) -> Collected:
        """By the deadline. Raises LibvirtRPCError where not even the list of domains is to be had.

        `choose` says which of the listed domains are asked for; for libvirt's others nothing is asked.
        `on_list` is given those as soon as they are there.
        """
        main = next(iter(self.lanes.source.lanes), None)
        if main is not self._main:
            self._main = main
            self.memory.meet_daemon()
        slots = Slots(
            self.memory,
            self.lanes,
            deadline,
            parallel=self._parallel,
            bound=self._bound,
            others=self._others,
            others_in_flight=self._others_in_flight,
        )
        self._slots = slots
        collection = Collection(self.memory, slots, stats, deadline, choose=choose, on_list=on_list)
        try:
            await collection.run()
        finally:
            self.memory.left_behind += slots.leave_behind()
            self._slots = None
        collected = collection.collected
        collected.stuck = self.stuck_calls
        self._note_bound()
        for connection in self.lanes.source.lanes:
            connection.forget_other_domains(collected.domains)
        self.memory.forget_other_domains({domain.uuid for domain in collected.domains})
        self.lanes.drop_idle()
        return collected

    def _note_bound(self) -> None:
        if self.stuck_calls < self._bound - 1:
            self._states.recovered("bound", "full statistics are asked for again")
            return
        self._states.failed(
            "bound",
            "so many calls hang that no more full statistics are asked for; "
            "--libvirt.max-stuck-calls sets how many may",
        )
