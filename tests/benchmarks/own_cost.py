"""What a page costs the exporter itself, as ratios to xdrlib3's own unpacking in the same run.

The reply is a real one: 100 QEMU domains, 8,200 parameters. The yardstick unpacks it with
`xdrlib3.Unpacker` in a straightforward loop and does nothing with the values.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import xdrlib3
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from exporter import metrics
from exporter.exposition import Format, Page
from exporter.mapping import Mapping
from exporter.stats_page import StatsPage
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import types as wire
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import MessageType
from libvirt_rpc.protocol.domain_stats import DomainStatsDecoder
from libvirt_rpc.protocol.procedures import CONNECT_GET_ALL_DOMAIN_STATS
from libvirt_rpc.protocol.typed_params import TypedParameter
from libvirt_rpc.trace.format import FrameLine, load_trace

TRACE = Path(__file__).parents[2] / "fixtures" / "benchmarks" / "hundred-domains.jsonl.gz"
REPLY = xdr.codec_of(wire.ConnectGetAllDomainStatsReply)
COLLECTORS = frozenset(
    group.collector
    for group in metrics.GROUPS
    if not group.opt_in or group.collector == "domain.dirtyrate"
)
"""All that the recorded reply has fields for."""

STEADY_LIMIT = 0.20
BUSY_LIMIT = 0.30
"""Where no two scrapes have a counter in common: no host is like that."""
CHANGE_LIMIT = 1.5
RENDER_FACTOR = 30


@dataclass(frozen=True, slots=True)
class Ratio:
    what: str
    seconds: float
    yardstick_seconds: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.yardstick_seconds


def recorded_replies() -> list[bytes]:
    return [
        line.frame.payload
        for line in load_trace(TRACE).lines
        if isinstance(line, FrameLine)
        and line.frame.procedure == CONNECT_GET_ALL_DOMAIN_STATS.number
        and line.frame.type == MessageType.REPLY
    ]


def unpack_straightforwardly(payload: bytes) -> None:
    unpacker = xdrlib3.Unpacker(payload)
    unpack_value = {
        1: unpacker.unpack_int,
        2: unpacker.unpack_uint,
        3: unpacker.unpack_hyper,
        4: unpacker.unpack_uhyper,
        5: unpacker.unpack_double,
        6: unpacker.unpack_int,
        7: unpacker.unpack_string,
    }
    for _ in range(unpacker.unpack_uint()):
        unpacker.unpack_string()
        unpacker.unpack_fopaque(16)
        unpacker.unpack_int()
        for _ in range(unpacker.unpack_uint()):
            unpacker.unpack_string()
            unpack_value[unpacker.unpack_int()]()
    unpacker.done()


def with_other_numbers(payload: bytes, seed: int) -> bytes:
    """The same reply with every counter another one, as of domains that are all busy."""
    choose = random.Random(seed)
    reply = xdr.decode(REPLY, payload)
    records = []
    for record in reply.ret_stats:
        params = tuple(_another(parameter, choose) for parameter in record.params)
        records.append(replace(record, params=params))
    return xdr.encode(REPLY, replace(reply, ret_stats=tuple(records)))


def _another(parameter: TypedParameter, choose: random.Random) -> TypedParameter:
    if parameter.type is not TypedParameterType.ULLONG or parameter.field.startswith(
        "balloon.last"
    ):
        return parameter
    return replace(parameter, value=choose.randrange(10**12))


def with_another_disk(payload: bytes) -> bytes:
    """The same reply with a disk hot-plugged into every domain: every layout is another."""
    reply = xdr.decode(REPLY, payload)
    records = []
    for record in reply.ret_stats:
        added = tuple(
            replace(parameter, field=parameter.field.replace("block.1.", "block.2."), value=value)
            for parameter in record.params
            if parameter.field.startswith("block.1.")
            for value in ["vdc" if parameter.field.endswith(".name") else parameter.value]
        )
        records.append(replace(record, params=(*record.params, *added)))
    return xdr.encode(REPLY, replace(reply, ret_stats=tuple(records)))


def make_mapping() -> Mapping:
    return Mapping(
        metrics.GROUPS,
        metrics.INSTANCES,
        metrics.NOT_METRICS,
        metrics.QUIRKS,
        collectors=COLLECTORS,
    )


class Exporter:
    """Decoder and page, as a hypervisor's collector keeps them between scrapes."""

    def __init__(self) -> None:
        self.decoder = DomainStatsDecoder()
        self.stats_page = StatsPage(make_mapping())

    def page(self, payload: bytes) -> bytes:
        page = Page()
        for family, lines in self.stats_page.render(self.decoder.decode(payload), "QEMU"):
            page.add_lines(family, lines)
        return page.render(Format.TEXT)


def best_of(*actions: Callable[[], object], blocks: int = 8, times: int = 5) -> list[float]:
    """The least seconds of each action. They take turns by blocks: a busy machine is so for all."""
    best = [float("inf")] * len(actions)
    gc.collect()
    for _ in range(blocks):
        for index, action in enumerate(actions):
            for _ in range(times):
                started = time.perf_counter()
                action()
                best[index] = min(best[index], time.perf_counter() - started)
    return best


def measure_steady(payloads: Sequence[bytes], what: str) -> Ratio:
    """Scrape after scrape of the same domains with these replies in turn."""
    exporter = Exporter()
    for payload in payloads:
        exporter.page(payload)
    turns = cycle(payloads)
    yardstick, mine = best_of(
        lambda: unpack_straightforwardly(payloads[0]), lambda: exporter.page(next(turns))
    )
    return Ratio(what, mine, yardstick)


def measure_change() -> Ratio:
    """The first page after every domain's layout changed: back and forth between two shapes."""
    payload = recorded_replies()[0]
    shapes = (payload, with_another_disk(payload))
    exporter = Exporter()
    for shape in shapes:
        exporter.page(shape)

    def both(action: Callable[[bytes], object]) -> Callable[[], object]:
        return lambda: [action(shape) for shape in shapes]

    yardstick, mine = best_of(both(unpack_straightforwardly), both(exporter.page))
    return Ratio("first page after every layout changed (two)", mine, yardstick)


class _Samples:
    """The samples of a page as prometheus_client's registry takes them."""

    def __init__(self, page: bytes) -> None:
        self._families = list(text_string_to_metric_families(page.decode()))

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def measure_rendering() -> Ratio:
    """Rendering alone, of values that all changed, against prometheus_client over the same samples."""
    payloads = [with_other_numbers(recorded_replies()[0], seed) for seed in (1, 2)]
    exporter = Exporter()
    page = exporter.page(payloads[0])
    registry = CollectorRegistry()
    registry.register(_Samples(page))
    decoded = cycle([exporter.decoder.decode(payload) for payload in payloads])
    mine, theirs = best_of(
        lambda: exporter.stats_page.render(next(decoded), "QEMU"),
        lambda: generate_latest(registry),
        blocks=4,
    )
    return Ratio("rendering, every value new / generate_latest", mine, theirs)


def measure() -> list[tuple[Ratio, float]]:
    """Every ratio with the most that it may be."""
    replies = recorded_replies()
    busy = [with_other_numbers(replies[0], seed) for seed in range(4)]
    return [
        (measure_steady(replies, "page, recorded replies in turn"), STEADY_LIMIT),
        (measure_steady(busy, "page, every counter new each time"), BUSY_LIMIT),
        (measure_change(), CHANGE_LIMIT),
        (measure_rendering(), 1 / RENDER_FACTOR),
    ]
