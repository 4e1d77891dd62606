"""The bulk decoder of CONNECT_GET_ALL_DOMAIN_STATS: records of (domain, layout, values).

A domain's record hardly changes between two scrapes but for its numbers. The decoder remembers every
record's bytes between the numbers together with one compiled `struct.Struct`; where they are the same
again, the numbers are taken out in one go. Any difference falls back to the plain codec, which stays
the oracle: both give equal records, and equal errors, for any bytes.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.errors import DecodeError
from libvirt_rpc.protocol import types as wire
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import DOMAIN_LIST_MAX, DOMAIN_STATS_PARAMETERS_MAX
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, TypedValue


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Layout:
    """The shape of a record: the names of its fields and their types, in the order of its values.

    Two records of one decoder that have the same shape share one Layout object.
    """

    fields: tuple[str, ...]
    types: tuple[TypedParameterType, ...]


@dataclass(frozen=True, slots=True)
class DomainStats:
    """What libvirt reported of one domain: `values[i]` belongs to `layout.fields[i]`, in libvirt's units."""

    domain: wire.Domain
    layout: Layout
    values: tuple[TypedValue, ...]


_CODES = {
    TypedParameterType.INT: "i",
    TypedParameterType.UINT: "I",
    TypedParameterType.LLONG: "q",
    TypedParameterType.ULLONG: "Q",
    TypedParameterType.DOUBLE: "d",
    TypedParameterType.BOOLEAN: "i",
}
_RECORD = xdr.codec_of(wire.DomainStatsRecord)
_WORD = struct.Struct(">I")
_UUID_SIZE = 16
_KNOWN_PARAMETERS_MAX = 65_536
"""Names remembered at most; a daemon that makes up more is decoded the plain way."""


def _padded(size: int) -> int:
    return size + -size % 4


@dataclass(frozen=True, slots=True)
class _Template:
    """One record's bytes with holes where the numbers stand."""

    domain: wire.Domain
    layout: Layout
    numbers: struct.Struct
    between: tuple[bytes, ...]
    strings: tuple[tuple[int, str], ...]
    booleans: tuple[int, ...]

    def read(self, payload: bytes, offset: int) -> DomainStats | None:
        """The record at `offset`, or None where its bytes are not this template's."""
        if offset + self.numbers.size > len(payload):
            return None
        parts = self.numbers.unpack_from(payload, offset)
        if parts[0::2] != self.between:
            return None
        if not self.strings and not self.booleans:
            return DomainStats(self.domain, self.layout, parts[1::2])
        values = list(parts[1::2])
        for index, text in self.strings:
            values.insert(index, text)
        for index in self.booleans:
            values[index] = values[index] != 0
        return DomainStats(self.domain, self.layout, tuple(values))


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter's name and type, found again by its bytes up to the value."""

    field: str
    type: TypedParameterType
    code: str
    size: int


class DomainStatsDecoder:
    """Decodes the replies of one connection; `retain` drops what it remembers of gone domains."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[tuple[str, ...], tuple[TypedParameterType, ...]], Layout] = {}
        self._templates: dict[bytes, _Template] = {}
        self._parameters: dict[bytes, _Parameter] = {}
        self._structs: dict[str, struct.Struct] = {}

    def decode(self, payload: bytes) -> tuple[DomainStats, ...]:
        """The records of a reply. Raises DecodeError."""
        length = xdr.ListLength(DOMAIN_LIST_MAX, _RECORD.minimum_size)
        count = xdr.decode_next(length, xdr.Reader(payload))
        offset = _WORD.size
        records = []
        for _ in range(count):
            key = _uuid_at(payload, offset)
            template = self._templates.get(key)
            record = None if template is None else template.read(payload, offset)
            if template is None or record is None:
                record, size = self._learn(payload, offset, key)
            else:
                size = template.numbers.size
            records.append(record)
            offset += size
        if offset != len(payload):
            raise DecodeError(f"{len(payload) - offset} bytes are left over", offset)
        return tuple(records)

    def decode_plain(self, payload: bytes) -> tuple[DomainStats, ...]:
        """The same by the plain codec alone, with nothing remembered but the layouts."""
        reply = xdr.decode(xdr.codec_of(wire.ConnectGetAllDomainStatsReply), payload)
        return tuple([self._record(record) for record in reply.ret_stats])

    def retain(self, uuids: Iterable[uuid.UUID]) -> None:
        """Forgets all domains but these."""
        keep = {one.bytes for one in uuids}
        if keep.issuperset(self._templates):
            return
        self._templates = {key: one for key, one in self._templates.items() if key in keep}
        used = {id(template.layout) for template in self._templates.values()}
        self._layouts = {key: one for key, one in self._layouts.items() if id(one) in used}
        formats = {template.numbers.format for template in self._templates.values()}
        self._structs = {key: one for key, one in self._structs.items() if key in formats}

    def _learn(self, payload: bytes, offset: int, key: bytes) -> tuple[DomainStats, int]:
        """A record whose bytes are not those of last time, and its size; remembers how it looks."""
        template = self._scan(payload, offset)
        if template is None:
            reader = xdr.Reader(payload)
            reader.set_position(offset)
            plain = xdr.decode_next(_RECORD, reader)
            self._remember(plain)
            template = self._scan(payload, offset)
            if template is None:
                return self._record(plain), reader.get_position() - offset
        self._templates[key] = template
        record = template.read(payload, offset)
        assert record is not None
        return record, template.numbers.size

    def _remember(self, plain: wire.DomainStatsRecord) -> None:
        if len(self._parameters) > _KNOWN_PARAMETERS_MAX:
            self._parameters.clear()
        for parameter in plain.params:
            name = xdr.encode(xdr.STRING, parameter.field)
            code = _CODES.get(parameter.type, "")
            self._parameters[name + _WORD.pack(parameter.type)] = _Parameter(
                parameter.field, parameter.type, code, struct.calcsize(f">{code}")
            )

    def _scan(self, payload: bytes, start: int) -> _Template | None:
        """The template of the record at `start`; None where it has a parameter not seen before."""
        reader = xdr.Reader(payload)
        reader.set_position(start)
        domain = xdr.decode_next(_DOMAIN, reader)
        count = xdr.decode_next(_PARAMETER_COUNT, reader)
        position = reader.get_position()
        known = self._parameters
        word = _WORD.unpack_from
        end = len(payload) - _WORD.size
        fields, types, between, formats = [], [], [], []
        strings: list[tuple[int, str]] = []
        booleans: list[int] = []
        since = start  # the end of the last number
        for index in range(count):
            if position > end:
                return None
            (length,) = word(payload, position)
            value_at = position + 8 + length + -length % 4
            parameter = known.get(payload[position:value_at])
            if parameter is None:
                return None
            fields.append(parameter.field)
            types.append(parameter.type)
            if parameter.code:
                between.append(payload[since:value_at])
                formats.append(f"{value_at - since}s{parameter.code}")
                since = position = value_at + parameter.size
                if parameter.type is TypedParameterType.BOOLEAN:
                    booleans.append(index)
            else:
                reader.set_position(value_at)
                strings.append((index, xdr.decode_next(xdr.STRING, reader)))
                position = reader.get_position()
        if position > len(payload):
            return None
        if since < position:
            between.append(payload[since:position])
            formats.append(f"{position - since}s")
        return _Template(
            domain,
            self._layout(tuple(fields), tuple(types)),
            self._struct(">" + "".join(formats)),
            tuple(between),
            tuple(strings),
            tuple(booleans),
        )

    def _struct(self, layout: str) -> struct.Struct:
        known = self._structs.get(layout)
        if known is None:
            known = self._structs[layout] = struct.Struct(layout)
        return known

    def _layout(self, fields: tuple[str, ...], types: tuple[TypedParameterType, ...]) -> Layout:
        layout = self._layouts.get((fields, types))
        if layout is None:
            layout = self._layouts[fields, types] = Layout(fields, types)
        return layout

    def _record(self, plain: wire.DomainStatsRecord) -> DomainStats:
        layout = self._layout(
            tuple([parameter.field for parameter in plain.params]),
            tuple([parameter.type for parameter in plain.params]),
        )
        return DomainStats(plain.dom, layout, tuple([p.value for p in plain.params]))


_DOMAIN = xdr.codec_of(wire.Domain)
_PARAMETER_COUNT = xdr.ListLength(DOMAIN_STATS_PARAMETERS_MAX, TYPED_PARAMETER.minimum_size)


def _uuid_at(payload: bytes, offset: int) -> bytes:
    if offset + _WORD.size > len(payload):
        return b""
    (name_length,) = _WORD.unpack_from(payload, offset)
    start = offset + _WORD.size + _padded(name_length)
    return payload[start : start + _UUID_SIZE]
