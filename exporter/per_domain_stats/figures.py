"""What the calls about one domain brought, and the record that the bulk statistics would have made of it.

Pure. Field names and units are those of the bulk statistics: KiB, nanoseconds, bytes. A figure that the
driver does not know (-1, or 0 where that can be no figure) has no field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exporter.per_domain_stats.devices import Devices
from libvirt_rpc.enums import DomainMemoryStatTags as Tag
from libvirt_rpc.enums import DomainStatsTypes, TypedParameterType
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.domain_stats import DomainStats, Layout
from libvirt_rpc.protocol.typed_params import TypedValue

Field = tuple[str, TypedParameterType, TypedValue]
DiskStats = Mapping[str, TypedValue] | t.DomainBlockStats
Layouts = dict[tuple[tuple[str, ...], tuple[TypedParameterType, ...]], Layout]

_MEMORY_FIELDS: Mapping[int, str] = {
    Tag.SWAP_IN: "balloon.swap_in",
    Tag.SWAP_OUT: "balloon.swap_out",
    Tag.MAJOR_FAULT: "balloon.major_fault",
    Tag.MINOR_FAULT: "balloon.minor_fault",
    Tag.UNUSED: "balloon.unused",
    Tag.AVAILABLE: "balloon.available",
    Tag.USABLE: "balloon.usable",
    Tag.LAST_UPDATE: "balloon.last-update",
    Tag.DISK_CACHES: "balloon.disk_caches",
    Tag.HUGETLB_PGALLOC: "balloon.hugetlb_pgalloc",
    Tag.HUGETLB_PGFAIL: "balloon.hugetlb_pgfail",
    Tag.RSS: "balloon.rss",
}
_INTERFACE_FIELDS = (
    ("rx.bytes", "rx_bytes"),
    ("rx.pkts", "rx_packets"),
    ("rx.errs", "rx_errs"),
    ("rx.drop", "rx_drop"),
    ("tx.bytes", "tx_bytes"),
    ("tx.pkts", "tx_packets"),
    ("tx.errs", "tx_errs"),
    ("tx.drop", "tx_drop"),
)
_DISK_FIELDS = (
    ("rd.reqs", "rd_operations"),
    ("rd.bytes", "rd_bytes"),
    ("rd.times", "rd_total_times"),
    ("wr.reqs", "wr_operations"),
    ("wr.bytes", "wr_bytes"),
    ("wr.times", "wr_total_times"),
    ("fl.reqs", "flush_operations"),
    ("fl.times", "flush_total_times"),
    ("errors", "errs"),
)
"""Of DOMAIN_BLOCK_STATS_FLAGS."""
_PLAIN_DISK_FIELDS = (
    ("rd.reqs", "rd_req"),
    ("rd.bytes", "rd_bytes"),
    ("wr.reqs", "wr_req"),
    ("wr.bytes", "wr_bytes"),
    ("errors", "errs"),
)
"""Of DOMAIN_BLOCK_STATS."""


@dataclass(slots=True)
class Figures:
    """The answers about one domain as far as they came; what did not come is None, or not there."""

    domain: t.Domain
    stats: DomainStatsTypes
    is_whole: bool = False
    """Everything was answered, be it by a refusal."""
    is_spared: bool = False
    """Something was not asked, because it would only have hung."""
    state: t.DomainState | None = None
    info: t.DomainInfo | None = None
    devices: Devices | None = None
    vcpus: tuple[t.VcpuInfo, ...] = ()
    cpu: Mapping[str, TypedValue] = field(default_factory=dict)
    memory: Mapping[Tag, int] | None = None
    knows_memory: bool = False
    """Whether it has been told, or refused, what memory the domain has: `memory` will not change."""
    interfaces: dict[int, t.DomainInterfaceStats] = field(default_factory=dict)
    disks: dict[int, DiskStats] = field(default_factory=dict)
    sizes: dict[int, t.DomainBlockInfo] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        return self.domain.id != -1

    def wants(self, stats: DomainStatsTypes) -> bool:
        return bool(self.stats & stats)

    def record(self, layouts: Layouts) -> DomainStats | None:
        """The record; None where there is not a single field. `layouts` are those that are known, by shape."""
        fields = [*_state(self), *_cpu(self), *_balloon(self), *_vcpus(self), *_net(self)]
        fields += _block(self)
        if not fields:
            return None
        names, types, values = zip(*fields, strict=True)
        layout = layouts.get((names, types))
        if layout is None:
            layout = layouts[names, types] = Layout(names, types)
        return DomainStats(self.domain, layout, values)


def _number(name: str, value: TypedValue) -> Iterator[Field]:
    """A count or a size; negative is unknown."""
    if not isinstance(value, str) and value >= 0:
        yield name, TypedParameterType.ULLONG, int(value)


def _state(figures: Figures) -> Iterator[Field]:
    if figures.state is not None:
        yield "state.state", TypedParameterType.INT, figures.state.state
        yield "state.reason", TypedParameterType.INT, figures.state.reason
    elif figures.info is not None:
        yield "state.state", TypedParameterType.INT, figures.info.state


def _cpu(figures: Figures) -> Iterator[Field]:
    if not figures.wants(DomainStatsTypes.CPU_TOTAL):
        return
    # Cloud Hypervisor's driver says 0 of every domain, the others of an inactive one.
    if figures.info is not None and figures.info.cpu_time and figures.is_active:
        yield from _number("cpu.time", figures.info.cpu_time)
    for name, key in (("cpu.user", "user_time"), ("cpu.system", "system_time")):
        yield from _number(name, figures.cpu.get(key, -1))


def _balloon(figures: Figures) -> Iterator[Field]:
    if not figures.wants(DomainStatsTypes.BALLOON):
        return
    memory = figures.memory or {}
    # What DOMAIN_GET_INFO calls memory is at lxc what the container uses, so it is not taken in place
    # of a figure that may be among those that have not come.
    if figures.info is not None and figures.knows_memory:
        yield from _number("balloon.current", memory.get(Tag.ACTUAL_BALLOON, figures.info.memory))
    if figures.info is not None:
        yield from _number("balloon.maximum", figures.info.max_mem)
    for tag, value in memory.items():
        # lxc (9.0.0) gives its use of memory and swap as swap_in, and no swap_out.
        if tag == Tag.SWAP_IN and Tag.SWAP_OUT not in memory:
            continue
        if tag in _MEMORY_FIELDS:
            yield from _number(_MEMORY_FIELDS[tag], value)


def _vcpus(figures: Figures) -> Iterator[Field]:
    if not figures.wants(DomainStatsTypes.VCPU):
        return
    if figures.info is not None:
        yield "vcpu.current", TypedParameterType.UINT, figures.info.nr_virt_cpu
    if figures.devices is not None and figures.devices.maximum_vcpus is not None:
        yield "vcpu.maximum", TypedParameterType.UINT, figures.devices.maximum_vcpus
    for vcpu in figures.vcpus:
        yield f"vcpu.{vcpu.number}.state", TypedParameterType.INT, vcpu.state
        yield from _number(f"vcpu.{vcpu.number}.time", vcpu.cpu_time)


def _net(figures: Figures) -> Iterator[Field]:
    if not figures.wants(DomainStatsTypes.INTERFACE) or not figures.is_active:
        return
    if figures.devices is None:
        return
    yield "net.count", TypedParameterType.UINT, len(figures.devices.interfaces)
    for place, name in enumerate(figures.devices.interfaces):
        stats = figures.interfaces.get(place)
        if stats is not None:
            yield f"net.{place}.name", TypedParameterType.STRING, name
            for spelling, attribute in _INTERFACE_FIELDS:
                yield from _number(f"net.{place}.{spelling}", getattr(stats, attribute))


def _block(figures: Figures) -> Iterator[Field]:
    if not figures.wants(DomainStatsTypes.BLOCK) or figures.devices is None:
        return
    yield "block.count", TypedParameterType.UINT, len(figures.devices.disks)
    for place, name in enumerate(figures.devices.disks):
        yield f"block.{place}.name", TypedParameterType.STRING, name
        yield from _disk_figures(f"block.{place}", figures.disks.get(place))
        size = figures.sizes.get(place)
        if size is not None:
            yield from _number(f"block.{place}.allocation", size.allocation)
            # 0 is unknown.
            yield from _number(f"block.{place}.capacity", size.capacity or -1)
            yield from _number(f"block.{place}.physical", size.physical or -1)


def _disk_figures(prefix: str, stats: DiskStats | None) -> Iterator[Field]:
    if isinstance(stats, t.DomainBlockStats):
        for spelling, attribute in _PLAIN_DISK_FIELDS:
            yield from _number(f"{prefix}.{spelling}", getattr(stats, attribute))
    elif stats is not None:
        for spelling, key in _DISK_FIELDS:
            yield from _number(f"{prefix}.{spelling}", stats.get(key, -1))
