"""The host: processors, memory, NUMA cells, pages, versions."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.capabilities import Capabilities, parse_capabilities
from exporter.collectors.collector import Scrape
from exporter.collectors.parts import collect_parts
from exporter.domain_xml import BrokenXML
from exporter.exposition import Sample
from exporter.hypervisor import Hypervisor, render_version
from exporter.kept_value import KeptValue
from exporter.metrics import host as m
from exporter.pace import PacedConnection
from libvirt_rpc.enums import ErrorNumber
from libvirt_rpc.errors import RemoteError

PART = "host"
CAPABILITIES_SECONDS = 3600.0
RESERVE_SECONDS = 0.5

_KIB = 1024
_MEMORY = {
    "total": m.HOST_MEMORY_TOTAL,
    "free": m.HOST_MEMORY_FREE,
    "available": m.HOST_MEMORY_AVAILABLE,
    "buffers": m.HOST_MEMORY_BUFFERS,
    "cached": m.HOST_MEMORY_CACHED,
}
_KSM_STATES = {
    "shm_pages_shared": "shared",
    "shm_pages_sharing": "sharing",
    "shm_pages_unshared": "unshared",
    "shm_pages_volatile": "volatile",
}


class HostCollector:
    """What changes is asked on the scrape; the capabilities, which a new daemon is slow to make, are kept."""

    name = PART

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._availability = hypervisor.availability
        self._max_vcpus: int | None = None
        self._capabilities: KeptValue[Capabilities | None] = KeptValue(
            "capabilities", self._fetch, interval_seconds=CAPABILITIES_SECONDS
        )
        hypervisor.watchers.append(self._capabilities)

    async def collect(self, scrape: Scrape) -> None:
        known = await self._capabilities.settled(scrape.deadline, reserve_seconds=RESERVE_SECONDS)
        await collect_parts(
            scrape,
            self._versions(scrape),
            self._node(scrape, known),
            self._cpu(scrape),
            self._memory(scrape),
            self._cells(scrape, known),
            self._pages(scrape, known),
            self._ksm(scrape),
        )

    async def _fetch(self, connection: PacedConnection) -> Capabilities | None:
        self._max_vcpus = await self._availability.ask(
            f"{PART}.max_vcpus", connection.get_max_vcpus
        )
        xml = await self._availability.ask(f"{PART}.capabilities", connection.get_capabilities)
        if xml is None:
            return None
        try:
            return parse_capabilities(xml)
        except BrokenXML:
            self._availability.switch_off(f"{PART}.capabilities", "unreadable")
            return None

    async def _versions(self, scrape: Scrape) -> Iterable[Sample]:
        identity = scrape.hypervisor.identity
        if identity is None:
            return ()
        labels = (
            ("hypervisor", render_version(identity.version)),
            ("libvirt", render_version(identity.lib_version)),
            ("driver", identity.type),
        )
        return [Sample(m.VERSIONS_INFO, 1, labels)]

    async def _node(self, scrape: Scrape, known: Capabilities | None) -> Iterable[Sample]:
        node = await scrape.ask(f"{PART}.node", scrape.connection.node_get_info)
        if node is None:
            return ()
        identity = scrape.hypervisor.identity
        info = (
            ("hostname", identity.hostname if identity is not None else ""),
            ("model", node.model_name),
            ("cpu_model", known.cpu_model if known is not None else ""),
            ("cpu_vendor", known.cpu_vendor if known is not None else ""),
            ("uuid", known.uuid if known is not None else ""),
        )
        samples = [
            Sample(m.HOST_INFO, 1, info),
            Sample(m.HOST_CPUS, node.cpus),
            Sample(m.HOST_CPU_SOCKETS, node.sockets),
            Sample(m.HOST_CPU_CORES, node.cores),
            Sample(m.HOST_CPU_THREADS, node.threads),
            Sample(m.HOST_NODES, node.nodes),
        ]
        if node.mhz:
            samples.append(Sample(m.HOST_CPU_FREQUENCY, node.mhz * 1_000_000))
        if self._max_vcpus is not None:
            samples.append(Sample(m.MAX_VCPUS, self._max_vcpus))
        return samples

    async def _cpu(self, scrape: Scrape) -> Iterable[Sample]:
        times = await scrape.ask(f"{PART}.cpu", scrape.connection.node_get_cpu_stats)
        return [
            Sample(m.HOST_CPU_SECONDS, nanoseconds / 1e9, (("mode", mode),))
            for mode, nanoseconds in (times or {}).items()
            # A share of the others' sum, where a host has it, is no mode.
            if mode != "utilization"
        ]

    async def _memory(self, scrape: Scrape) -> Iterable[Sample]:
        memory = await scrape.ask(f"{PART}.memory", scrape.connection.node_get_memory_stats)
        return [
            Sample(_MEMORY[use], kib * _KIB)
            for use, kib in (memory or {}).items()
            if use in _MEMORY
        ]

    async def _cells(self, scrape: Scrape, known: Capabilities | None) -> Iterable[Sample]:
        if known is None or not known.cells:
            return ()
        samples = []
        for cell in known.cells:
            node = (("node", str(cell.id)),)
            if cell.memory_kib is not None:
                samples.append(Sample(m.HOST_NODE_MEMORY, cell.memory_kib * _KIB, node))
            samples.append(Sample(m.HOST_NODE_CPUS, cell.cpus, node))
        first = min(cell.id for cell in known.cells)
        count = max(cell.id for cell in known.cells) - first + 1
        free = await scrape.ask(
            f"{PART}.cells", lambda: scrape.connection.node_get_cells_free_memory(first, count)
        )
        # libvirt counts the cells on from the first one, and has a figure for each gap as well.
        by_id = dict(enumerate(free or (), first))
        for cell in known.cells:
            if cell.id in by_id:
                node = (("node", str(cell.id)),)
                samples.append(Sample(m.HOST_NODE_MEMORY_FREE, by_id[cell.id], node))
        return samples

    async def _pages(self, scrape: Scrape, known: Capabilities | None) -> Iterable[Sample]:
        cells = known.cells if known is not None else ()
        samples = [
            Sample(m.HOST_PAGES, pages.count, _page_labels(cell.id, pages.size_kib))
            for cell in cells
            for pages in cell.pages
        ]
        sizes = sorted({pages.size_kib for cell in cells for pages in cell.pages})
        if not sizes:
            return samples
        part = f"{PART}.pages"
        first = min(cell.id for cell in cells)
        count = max(cell.id for cell in cells) - first + 1
        try:
            free = await scrape.ask(
                part, lambda: scrape.connection.node_get_free_pages(sizes, first, count)
            )
        except RemoteError as exc:
            if exc.code != ErrorNumber.INTERNAL_ERROR:
                raise
            # A driver whose host has no pages to count (test) has no better word for it.
            self._availability.switch_off(part, "unsupported")
            return samples
        by_id = dict(enumerate(free or (), first))
        samples += [
            Sample(m.HOST_FREE_PAGES, pages, _page_labels(cell.id, size))
            for cell in cells
            for size, pages in zip(sizes, by_id.get(cell.id, ()), strict=False)
        ]
        return samples

    async def _ksm(self, scrape: Scrape) -> Iterable[Sample]:
        parameters = await scrape.ask(f"{PART}.ksm", scrape.connection.node_get_memory_parameters)
        samples = []
        for name, value in (parameters or {}).items():
            if isinstance(value, str):
                continue
            if name in _KSM_STATES:
                samples.append(Sample(m.KSM_PAGES, value, (("state", _KSM_STATES[name]),)))
            elif name == "shm_full_scans":
                samples.append(Sample(m.KSM_FULL_SCANS, value))
        return samples


def _page_labels(node: int, size_kib: int) -> tuple[tuple[str, str], ...]:
    return (("node", str(node)), ("page_size", str(size_kib * _KIB)))
