"""On which of the host's processors the domains' vCPUs run, and on which they may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.collectors.collector import domain_labels
from exporter.collectors.running_domains import RunningDomainsCollector
from exporter.exposition import Sample
from exporter.metrics import diagnostics as m
from exporter.pace import PacedConnection
from libvirt_rpc.enums import VcpuState
from libvirt_rpc.protocol.types import Domain

PART = "vcpu_placement"
MOST_VCPUS = 1024
"""Of one domain; the daemon gives a map of processors for each, whether it exists or not."""


@dataclass(frozen=True, slots=True)
class VcpuPlacement:
    """`cpu` is None while the vCPU runs nowhere; `affinity` as in `0-3,8`."""

    number: int
    cpu: int | None
    affinity: str


class VcpuPlacementCollector(RunningDomainsCollector[tuple[VcpuPlacement, ...]]):
    """One call a domain, which waits for no monitor."""

    name = PART
    _map_length = 0
    _connection: PacedConnection | None = None
    """That on which the length was asked for: a host may come back with other processors."""

    async def ask(
        self, connection: PacedConnection, domain: Domain
    ) -> tuple[VcpuPlacement, ...] | None:
        if connection is not self._connection:
            cpus = (await connection.node_get_cpu_map()).present
            self._connection, self._map_length = connection, (cpus + 7) // 8
        length = self._map_length
        reply = await self.availability.ask(
            PART, lambda: connection.domain_get_vcpus(domain, MOST_VCPUS, length)
        )
        if reply is None:
            return None
        return tuple(
            VcpuPlacement(
                one.number,
                one.cpu if one.cpu >= 0 and one.state != VcpuState.OFFLINE else None,
                cpu_ranges(reply.cpumaps[place * length : (place + 1) * length]),
            )
            for place, one in enumerate(reply.info)
        )

    def samples(self, domain: Domain, known: tuple[VcpuPlacement, ...]) -> Iterator[Sample]:
        for one in known:
            labels = domain_labels(domain, (("vcpu", str(one.number)),))
            if one.cpu is not None:
                yield Sample(m.VCPU_PHYSICAL_CPU, one.cpu, labels)
            if one.affinity:
                yield Sample(m.VCPU_AFFINITY, 1, (*labels, ("cpus", one.affinity)))


def cpu_ranges(bitmap: bytes) -> str:
    """A map of processors, the lowest bit first, as text of ranges: `0-3,8`."""
    bits = int.from_bytes(bitmap, "little")
    ranges: list[str] = []
    first: int | None = None
    for number in range(len(bitmap) * 8 + 1):
        is_set = bool(bits >> number & 1)
        if is_set and first is None:
            first = number
        elif not is_set and first is not None:
            ranges.append(str(first) if first == number - 1 else f"{first}-{number - 1}")
            first = None
    return ",".join(ranges)
