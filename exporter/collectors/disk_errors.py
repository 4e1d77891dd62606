"""The disks that have an error at present, such as an image that cannot grow."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.collectors.collector import domain_labels
from exporter.collectors.running_domains import RunningDomainsCollector
from exporter.events import EventHub
from exporter.exposition import Sample
from exporter.filters import Filters
from exporter.hypervisor import Hypervisor
from exporter.metrics import diagnostics as m
from exporter.pace import PacedConnection
from libvirt_rpc.enums import DomainDiskErrorCode
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain, DomainDiskError

PART = "disk_errors"


class DiskErrorsCollector(RunningDomainsCollector[tuple[DomainDiskError, ...]]):
    """One call a domain, to its monitor."""

    name = PART
    changes = (e.DomainLifecycleEvent, e.DomainIOErrorReasonEvent, e.DomainIOErrorEvent)

    def __init__(
        self,
        hypervisor: Hypervisor,
        events: EventHub,
        *,
        interval_seconds: float,
        filters: Filters | None = None,
    ) -> None:
        super().__init__(hypervisor, events, interval_seconds=interval_seconds)
        self._filters = filters or Filters()

    async def ask(
        self, connection: PacedConnection, domain: Domain
    ) -> tuple[DomainDiskError, ...] | None:
        return await self.availability.ask(PART, lambda: connection.domain_get_disk_errors(domain))

    def samples(self, domain: Domain, known: tuple[DomainDiskError, ...]) -> Iterator[Sample]:
        for one in known:
            if one.error != DomainDiskErrorCode.NONE and self._filters.disk(one.disk):
                error = DomainDiskErrorCode(one.error).label
                labels = domain_labels(domain, (("disk", one.disk), ("error", error)))
                yield Sample(m.DISK_ERROR, 1, labels)
