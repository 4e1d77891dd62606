"""The engine of one hypervisor without bulk statistics: `collect`, again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from exporter.availability import Availability
from exporter.bulk_stats import Collected
from exporter.bulk_stats.collection import Choose
from exporter.bulk_stats.lanes import LaneChoice, LaneSource
from exporter.logs import StateLogger
from exporter.per_domain_stats.calls import Calls, Memory
from exporter.per_domain_stats.collection import Collection
from exporter.per_domain_stats.devices import DeviceMemory
from exporter.per_domain_stats.figures import Layouts
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import DomainStatsTypes
from libvirt_rpc.protocol.events import Event
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS

logger = logging.getLogger(__name__)


class PerDomainStats:
    """Collects from one hypervisor, whose connections `source` has.

    At most `parallel` calls are in flight, and with those that hang at most `max_stuck_calls` more.
    """

    def __init__(
        self,
        source: LaneSource,
        availability: Availability,
        *,
        parallel: int,
        max_stuck_calls: int,
        others: Callable[[], int] = lambda: 0,
    ) -> None:
        """`others` is how many calls of other parts of the exporter are with the daemon."""
        self.lanes = LaneChoice(source, slots=max(DAEMON_REQUEST_SLOTS, parallel + 1))
        self.memory = Memory()
        self._availability = availability
        self._parallel = parallel
        self._bound = max_stuck_calls + parallel
        self._others = others
        self._devices = DeviceMemory()
        self._layouts: Layouts = {}
        self._calls: Calls | None = None
        self._main: Connection | None = None
        self._states = StateLogger(logger)

    @property
    def stuck_calls(self) -> int:
        """Calls that the exporter waits for no longer and the daemon still works on."""
        return self.memory.stuck_calls

    @property
    def held(self) -> int:
        """Calls that are with the daemon, waited for or not."""
        return self.stuck_calls if self._calls is None else self._calls.held

    def heard(self, event: Event) -> None:
        """To be told what happens: a document that has changed is fetched again."""
        self._devices.heard(event)

    async def collect(
        self,
        stats: DomainStatsTypes,
        deadline: Deadline,
        *,
        choose: Choose | None = None,
        on_list: Callable[[tuple[Domain, ...]], None] | None = None,
    ) -> Collected:
        """As `BulkStats.collect`, of the groups that calls about one domain can answer."""
        main = next(iter(self.lanes.source.lanes), None)
        if main is not self._main:
            self._main = main
            self.memory.meet_daemon()
            self._devices.forget()
        calls = Calls(
            self.memory,
            self.lanes,
            self._availability,
            deadline,
            parallel=self._parallel,
            bound=self._bound,
            others=self._others,
        )
        self._calls = calls
        collection = Collection(calls, self._devices, stats, choose=choose, on_list=on_list)
        try:
            await collection.run(self._layouts)
        finally:
            calls.leave_behind()
            self._calls = None
        collected = collection.collected
        collected.stuck = self.stuck_calls
        self._note_bound()
        self.lanes.drop_idle()
        return collected

    def _note_bound(self) -> None:
        if self.stuck_calls < self._bound - 1:
            self._states.recovered("bound", "memory and disks are asked for again")
            return
        self._states.failed(
            "bound",
            "so many calls hang that memory and disks of no domain are asked for; "
            "--libvirt.max-stuck-calls sets how many may",
        )
