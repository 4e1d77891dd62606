"""Domains' statistics as libvirt sends them: builders for examples, hypothesis strategies for laws.

A record is made as a wire struct and read by the real decoder, so that layouts are shared as in a
scrape. `TYPES` is the types that libvirt gives its fields; every other number is an unsigned hyper.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from hypothesis import strategies as st

from exporter.metrics import GROUPS, NOT_METRICS
from exporter.metrics.rows import LatencyHistogram
from libvirt_rpc.enums import TypedParameterType as Type
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.domain_stats import DomainStats, DomainStatsDecoder
from libvirt_rpc.protocol.typed_params import VALUE_CODECS, TypedParameter, TypedValue
from libvirt_rpc.protocol.types import ConnectGetAllDomainStatsReply, Domain, DomainStatsRecord
from tests.support.strategies import values_of

Fields = Mapping[str, TypedValue]

WEB = Domain("web", uuid.UUID("11111111-1111-1111-1111-111111111111"), 1)
"""The domain of an example that needs but one."""

ALL_COLLECTORS = frozenset(group.collector for group in GROUPS)

HOSTILE_TEXTS = (
    "",
    'quoted "name"',
    "back\\slash\\",
    "two\nlines",
    '\\n and \\" and "}',
    "Köln データ 🦀",
    "no utf-8 \udcff\udce2\udc82",
    "100 % %d %b %% %(x)s",
    "\r\n\t\0\x1f\x7f",
    "\u2028\u2029\x85\ufeff\ufffd",
    '{domain="a",uuid="b"} 1 # {x="y"}',
    "long" * 1000,
)

OPERATIONS = {"read": "rd", "write": "wr", "zone_append": None, "flush": "fl"}
"""Of latency histograms; with the operation's totals, which zone appends have none of."""

# Everything that a table knows, as patterns.
PATTERNS = tuple(
    dict.fromkeys(
        [
            pattern
            for group in GROUPS
            for row in group.rows
            for pattern in (
                (f"{row.bins}.bin.<bin>.start", f"{row.bins}.bin.<bin>.value")
                if isinstance(row, LatencyHistogram)
                else (row.field,)
            )
        ]
        + list(NOT_METRICS)
    )
)

TYPES: dict[str, Type] = {
    "state.state": Type.INT,
    "state.reason": Type.INT,
    "vcpu.current": Type.UINT,
    "vcpu.maximum": Type.UINT,
    "vcpu.<vcpu>.state": Type.INT,
    "vcpu.<vcpu>.halted": Type.BOOLEAN,
    "block.<disk>.backingIndex": Type.UINT,
    "iothread.<iothread>.poll-grow": Type.UINT,
    "iothread.<iothread>.poll-shrink": Type.UINT,
    "iothread.<iothread>.poll-weight": Type.UINT,
    "cpu.cache.monitor.<cache_monitor>.bank.<bank>.id": Type.UINT,
    "cpu.cache.monitor.<cache_monitor>.bank.<bank>.bytes": Type.UINT,
    "memory.bandwidth.monitor.<bandwidth_monitor>.node.<node>.id": Type.UINT,
    "dirtyrate.calc_status": Type.INT,
    "dirtyrate.calc_start_time": Type.LLONG,
    "dirtyrate.calc_period": Type.INT,
    "dirtyrate.megabytes_per_second": Type.LLONG,
    "dirtyrate.vcpu.<vcpu>.megabytes_per_second": Type.ULLONG,
}
_TYPES_BY_END = {
    ".name": Type.STRING,
    ".path": Type.STRING,
    ".vcpus": Type.STRING,
    "calc_mode": Type.STRING,
    "_queue_depth_avg": Type.DOUBLE,
}


def type_of(pattern: str) -> Type:
    """What libvirt sends the fields of this pattern as."""
    for end, kind in _TYPES_BY_END.items():
        if pattern.endswith(end):
            return kind
    if pattern.endswith(".count") and "timed_group" not in pattern and "histogram" not in pattern:
        return Type.UINT
    return TYPES.get(pattern, Type.ULLONG)


def numbered(pattern: str, number: int | str = 0) -> str:
    """The name of a field of this pattern, with one number in all of its varying parts."""
    parts = pattern.split(".")
    return ".".join(str(number) if part.startswith("<") else part for part in parts)


_TYPE_OF_FIELD = {numbered(one, n): type_of(one) for one in PATTERNS for n in range(9)}
_TYPE_OF_PYTHON: dict[type, Type] = {bool: Type.BOOLEAN, str: Type.STRING, float: Type.DOUBLE}


def parameter(field: str, value: TypedValue, kind: Type | None = None) -> TypedParameter:
    """A parameter of libvirt's type for this field, or of the type that its value has."""
    if kind is None:
        kind = _TYPE_OF_FIELD.get(field)
    if kind is None:
        kind = _TYPE_OF_PYTHON.get(type(value), Type.ULLONG)
    return TypedParameter(field, kind, value)


def record_of(
    fields: Fields, domain: Domain = WEB, types: Mapping[str, Type] | None = None
) -> DomainStatsRecord:
    """A domain's record with these fields in this order."""
    given = types or {}
    parameters = [parameter(name, value, given.get(name)) for name, value in fields.items()]
    return DomainStatsRecord(domain, tuple(parameters))


_REPLY = xdr.codec_of(ConnectGetAllDomainStatsReply)


def payload_of(records: Iterable[DomainStatsRecord]) -> bytes:
    """The reply with these records, as it stands on the wire."""
    return xdr.encode(_REPLY, ConnectGetAllDomainStatsReply(tuple(records)))


def decoded(*records: DomainStatsRecord) -> tuple[DomainStats, ...]:
    """The records as a scrape gets them."""
    return DomainStatsDecoder().decode(payload_of(records))


def stats_of(
    fields: Fields, domain: Domain = WEB, types: Mapping[str, Type] | None = None
) -> DomainStats:
    """A record with these fields, as a scrape gets it."""
    (stats,) = decoded(record_of(fields, domain, types))
    return stats


def histogram_fields(
    bins: str, starts: Sequence[int], counts: Sequence[int]
) -> dict[str, TypedValue]:
    """The fields of a latency histogram below `bins`: the lower edges and what is in each bin."""
    fields: dict[str, TypedValue] = {f"{bins}.bin.count": len(starts)}
    for index, (start, count) in enumerate(zip(starts, counts, strict=True)):
        fields[f"{bins}.bin.{index}.start"] = start
        fields[f"{bins}.bin.{index}.value"] = count
    return fields


def everything() -> dict[str, TypedValue]:
    """A running domain with one of everything: each field of the tables, at number 0."""
    fields: dict[str, TypedValue] = {"state.state": 1, "state.reason": 5}
    samples: dict[Type, TypedValue] = {Type.STRING: "text", Type.DOUBLE: 2.5, Type.BOOLEAN: True}
    for pattern in PATTERNS:
        if "<bin>" not in pattern and "<stat>" not in pattern:
            fields.setdefault(numbered(pattern), samples.get(type_of(pattern), len(fields)))
    fields |= {"vm.pages_4k.cur": 17, "vcpu.0.exits.sum": 4}
    for operation, total in OPERATIONS.items():
        bins = f"block.0.latency_histogram.{operation}"
        fields |= histogram_fields(bins, (0, 10_000, 2_500_000), (3, 0, 2))
        if total is not None:
            fields[f"block.0.{total}.reqs"] = 5
    return fields


# Records as daemons send them.

TEXTS = st.sampled_from(HOSTILE_TEXTS) | values_of(xdr.STRING)
NAMES = st.sampled_from(["vda", "vdb", "vnet0", "vnet1", "web"]) | TEXTS
UUIDS = st.sampled_from([uuid.UUID(int=number) for number in range(1, 8)])
DOMAINS = st.builds(Domain, NAMES, UUIDS, st.integers(-1, 3))

NUMBERS = st.sampled_from(
    [0, 1, 7, 999_999_999, 10**9, 2**31 - 1, 2**32 - 1, 2**53 + 1, 2**63 - 1, 2**64 - 1]
) | st.integers(0, 2**64 - 1)

_ONCE = [
    one for one in PATTERNS if "<" not in one and not one.startswith(("block", "net", "state"))
]
_OF_VCPU = [one for one in PATTERNS if one.startswith("vcpu.<vcpu>.") and "<stat>" not in one]
_OF_INTERFACE = [
    one for one in PATTERNS if one.startswith("net.<interface>.") and "name" not in one
]
_OF_DISK = [one for one in PATTERNS if one.startswith("block.<disk>.") and one.count("<") == 1]
_OF_INTERVAL = [one for one in PATTERNS if "timed_group.<interval>" in one]
_OF_MONITOR = [one for one in PATTERNS if "monitor.<" in one]
_OF_IOTHREAD = [one for one in PATTERNS if one.startswith("iothread.<")]
_OF_KERNEL = ["vm.remote_tlb_flush.sum", "vm.pages_4k.cur", "vm.max_mmu.max"]


class _Numbers:
    """Deals the drawn numbers in turn: few draws make a whole record, which shrinks well."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._next = 0

    def deal(self, kind: Type) -> TypedValue:
        number = self._numbers[self._next % len(self._numbers)]
        self._next += 1
        match kind:
            case Type.BOOLEAN:
                return bool(number % 2)
            case Type.DOUBLE:
                return number / 8
            case Type.STRING:
                return f"text {number}"
            case _:
                # Of what libvirt counts, nothing is below zero.
                return number % (cast("xdr.Integer", VALUE_CODECS[kind]).maximum + 1)


@st.composite
def domain_records(
    draw: st.DrawFn, domains: st.SearchStrategy[Domain] = DOMAINS
) -> DomainStatsRecord:
    """A domain with some of every group's fields, under libvirt's names and types."""
    numbers = _Numbers(draw(st.lists(NUMBERS, min_size=1, max_size=4)))
    fields: dict[str, TypedParameter] = {}

    def put(field: str, value: TypedValue | None = None) -> None:
        if value is None:
            value = numbers.deal(_TYPE_OF_FIELD.get(field, Type.ULLONG))
        fields[field] = parameter(field, value)

    def put_all(patterns: Iterable[str], number: int | str = 0) -> None:
        for pattern in patterns:
            put(numbered(pattern, number))

    put("state.state", draw(st.integers(0, 8)))
    put("state.reason", draw(st.integers(0, 15)))
    if draw(st.booleans()):
        put_all(_ONCE)
    for vcpu in range(draw(st.integers(0, 2))):
        put_all(_OF_VCPU, vcpu)
        if draw(st.booleans()):
            put(f"vcpu.{vcpu}.exits.sum")
            put(f"vcpu.{vcpu}.blocking.cur", value=True)
    for interface in draw(st.lists(st.integers(0, 3), max_size=2, unique=True)):
        put(f"net.{interface}.name", draw(NAMES))
        put_all(_OF_INTERFACE, interface)
    for disk in range(draw(st.integers(0, 2))):
        if draw(st.integers(0, 4)):
            put(f"block.{disk}.name", draw(NAMES))
        put_all([one for one in _OF_DISK if not one.endswith(".name")], disk)
        for group in range(draw(st.integers(0, 2))):
            for pattern in _OF_INTERVAL:
                put(pattern.replace("<disk>", str(disk)).replace("<interval>", str(group)))
        operation = draw(st.sampled_from([None, *OPERATIONS]))
        if operation is not None:
            _put_histogram(draw, fields, f"block.{disk}", operation)
    for _ in range(draw(st.integers(0, 1))):
        put_all([*_OF_MONITOR, *_OF_IOTHREAD, *_OF_KERNEL], draw(st.integers(0, 2)))
    return DomainStatsRecord(draw(domains), tuple(fields.values()))


def _put_histogram(
    draw: st.DrawFn, fields: dict[str, TypedParameter], disk: str, operation: str
) -> None:
    starts = sorted(draw(st.sets(st.integers(1, 10**12), max_size=3)) | {0})
    counts = draw(st.lists(st.integers(0, 2**40), min_size=len(starts), max_size=len(starts)))
    bins = histogram_fields(f"{disk}.latency_histogram.{operation}", starts, counts)
    fields.update({field: parameter(field, value, Type.ULLONG) for field, value in bins.items()})
    total = OPERATIONS[operation]
    if total is not None and draw(st.booleans()):
        requests = f"{disk}.{total}.reqs"
        fields[requests] = parameter(requests, sum(counts), Type.ULLONG)


# Records as no daemon sends them.

_TOKENS = ("0", "1", "", "<>", "<disk>", "é\udcff", "%d")
ODD_FIELDS = st.one_of(
    st.builds(numbered, st.sampled_from(PATTERNS), st.sampled_from(_TOKENS)),
    st.builds(numbered, st.sampled_from(PATTERNS), st.just("0")),
    st.sampled_from(["", ".", "vm.<>.cur", "vm.\udc80.cur", "vm.\udc81.cur", "state", "block"]),
    TEXTS,
)


def _of_every_type(field: str) -> st.SearchStrategy[TypedParameter]:
    return st.one_of(
        [
            st.builds(TypedParameter, st.just(field), st.just(Type(kind)), values_for(Type(kind)))
            for kind in VALUE_CODECS
        ]
    )


def values_for(kind: Type) -> st.SearchStrategy[TypedValue]:
    """Every value that a parameter of this type can have, hostile texts among them."""
    if kind is Type.STRING:
        return NAMES
    small = st.integers(0, 2) if kind in {Type.INT, Type.UINT, Type.LLONG, Type.ULLONG} else None
    values = values_of(cast("xdr.Codec[Any]", VALUE_CODECS[kind]))
    return values if small is None else small | values


ODD_PARAMETERS = ODD_FIELDS.flatmap(_of_every_type)
ODD_RECORDS = st.builds(DomainStatsRecord, DOMAINS, st.lists(ODD_PARAMETERS, max_size=8).map(tuple))

RECORDS = domain_records() | ODD_RECORDS

Records = list[DomainStatsRecord]
Change = Callable[[st.DrawFn, Records], None]


def unique(records: Iterable[DomainStatsRecord]) -> Records:
    """The first record of each domain: a scrape has no two."""
    return list({one.dom.uuid: one for one in reversed(list(records))}.values())[::-1]


# What happens between two scrapes. Each leaves most of the records as they were.


def _numbers_move(draw: st.DrawFn, records: Records) -> None:
    for place, record in enumerate(records):
        step = draw(st.integers(0, 2**33))
        records[place] = replace(
            record,
            params=tuple(_moved(index, one, step) for index, one in enumerate(record.params)),
        )


def _moved(index: int, one: TypedParameter, step: int) -> TypedParameter:
    value = one.value
    match one.type:
        case Type.STRING | Type.BOOLEAN:
            return one
        case Type.DOUBLE:
            return replace(one, value=cast("float", value) + step)
        case _ if one.field.startswith("state.") or ".start" in one.field:
            return one
        case _:
            maximum = cast("xdr.Integer", VALUE_CODECS[one.type]).maximum
            return replace(one, value=(cast("int", value) + step * index) % (maximum + 1))


def _domain_added(draw: st.DrawFn, records: Records) -> None:
    records.insert(draw(st.integers(0, len(records))), draw(RECORDS))


def _domain_copied(draw: st.DrawFn, records: Records) -> None:
    """A second domain of the same shape, with the same names of disks and interfaces."""
    if records:
        original = draw(st.sampled_from(records))
        records.append(replace(original, dom=replace(original.dom, uuid=draw(UUIDS))))


def _domain_removed(draw: st.DrawFn, records: Records) -> None:
    if records:
        del records[draw(st.integers(0, len(records) - 1))]


def _domain_renamed(draw: st.DrawFn, records: Records) -> None:
    _change(draw, records, lambda one: replace(one, dom=replace(one.dom, name=draw(NAMES))))


def _domain_restarted(draw: st.DrawFn, records: Records) -> None:
    _change(
        draw, records, lambda one: replace(one, dom=replace(one.dom, id=draw(st.integers(-1, 3))))
    )


def _order_changed(draw: st.DrawFn, records: Records) -> None:
    records[:] = draw(st.permutations(records))


def _state_changed(draw: st.DrawFn, records: Records) -> None:
    state = draw(st.integers(-1, 9))
    _change_field(draw, records, lambda one: one.field == "state.state", lambda _: state)


def _text_changed(draw: st.DrawFn, records: Records) -> None:
    _change_field(draw, records, lambda one: one.type is Type.STRING, lambda _: draw(NAMES))


def _number_changed(draw: st.DrawFn, records: Records) -> None:
    _change_field(draw, records, lambda _: True, lambda one: draw(values_for(one.type)))


def _number_zeroed(draw: st.DrawFn, records: Records) -> None:
    _change_field(
        draw,
        records,
        lambda one: one.type not in {Type.STRING, Type.DOUBLE},
        lambda one: False if one.type is Type.BOOLEAN else 0,
    )


def _zero_signed(draw: st.DrawFn, records: Records) -> None:
    sign = draw(st.sampled_from([0.0, -0.0]))
    _change_field(draw, records, lambda one: one.type is Type.DOUBLE, lambda _: sign)


def _type_changed(draw: st.DrawFn, records: Records) -> None:
    def change(record: DomainStatsRecord) -> DomainStatsRecord:
        if not record.params:
            return record
        params = list(record.params)
        place = draw(st.integers(0, len(params) - 1))
        params[place] = draw(_of_every_type(params[place].field))
        return replace(record, params=tuple(params))

    _change(draw, records, change)


def _record_reduced(draw: st.DrawFn, records: Records) -> None:
    """As when another client holds the domain's job."""

    def change(record: DomainStatsRecord) -> DomainStatsRecord:
        kept = draw(st.sampled_from([("state.",), ("state.", "net."), ("state.", "block.0."), ()]))
        return replace(record, params=tuple(p for p in record.params if p.field.startswith(kept)))

    _change(draw, records, change)


def _disk_plugged(draw: st.DrawFn, records: Records) -> None:
    name = draw(NAMES)
    number = draw(st.integers(1, 3))
    fields: Fields = {f"block.{number}.name": name, f"block.{number}.rd.bytes": 5}
    plugged = record_of(fields).params
    _change(draw, records, lambda one: replace(one, params=one.params + plugged))


def _field_removed(draw: st.DrawFn, records: Records) -> None:
    def change(record: DomainStatsRecord) -> DomainStatsRecord:
        place = draw(st.integers(0, max(0, len(record.params) - 1)))
        return replace(record, params=record.params[:place] + record.params[place + 1 :])

    _change(draw, records, change)


def _field_doubled(draw: st.DrawFn, records: Records) -> None:
    def change(record: DomainStatsRecord) -> DomainStatsRecord:
        return replace(record, params=record.params + record.params[:3])

    _change(draw, records, change)


def _field_added(draw: st.DrawFn, records: Records) -> None:
    added = draw(ODD_PARAMETERS)
    _change(draw, records, lambda one: replace(one, params=(*one.params, added)))


def _change(
    draw: st.DrawFn, records: Records, change: Callable[[DomainStatsRecord], DomainStatsRecord]
) -> None:
    if records:
        place = draw(st.integers(0, len(records) - 1))
        records[place] = change(records[place])


def _change_field(
    draw: st.DrawFn,
    records: Records,
    fits: Callable[[TypedParameter], bool],
    value: Callable[[TypedParameter], TypedValue],
) -> None:
    places = [
        (place, index)
        for place, record in enumerate(records)
        for index, one in enumerate(record.params)
        if fits(one)
    ]
    if places:
        place, index = draw(st.sampled_from(places))
        params = list(records[place].params)
        params[index] = replace(params[index], value=value(params[index]))
        records[place] = replace(records[place], params=tuple(params))


def _nothing(draw: st.DrawFn, records: Records) -> None:
    pass


CHANGES: tuple[Change, ...] = (
    _nothing,
    _numbers_move,
    _domain_added,
    _domain_copied,
    _domain_removed,
    _domain_renamed,
    _domain_restarted,
    _order_changed,
    _state_changed,
    _text_changed,
    _number_changed,
    _number_zeroed,
    _zero_signed,
    _type_changed,
    _record_reduced,
    _disk_plugged,
    _field_removed,
    _field_doubled,
    _field_added,
)


@st.composite
def histories(
    draw: st.DrawFn, *, changes: Sequence[Change] = CHANGES, max_scrapes: int = 7
) -> list[Records]:
    """What the scrapes of one hypervisor see, each a variation of the one before."""
    records = draw(st.lists(RECORDS, max_size=3))
    if draw(st.booleans()):
        # A fleet of one shape, as most hosts have: its domains share what is planned.
        one = draw(domain_records())
        names = draw(st.lists(NAMES, min_size=1, max_size=3))
        records += [
            replace(one, dom=Domain(name, uuid.UUID(int=number), number))
            for number, name in enumerate(names, 100)
        ]
        records = draw(st.permutations(records))
    records = unique(records)
    history = [list(records)]
    for change in draw(st.lists(st.sampled_from(changes), max_size=max_scrapes - 1)):
        change(draw, records)
        records = unique(records)
        history.append(list(records))
    return history
