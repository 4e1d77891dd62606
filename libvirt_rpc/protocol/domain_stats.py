"""The bulk decoder of CONNECT_GET_ALL_DOMAIN_STATS: records of (domain, layout, values).

A domain's record hardly changes between two scrapes but for its numbers. The decoder remembers every
record's bytes between the numbers together with one compiled `struct.Struct`; where they are the same
again, the numbers are taken out in one go. Any difference falls back to the plain codec, which stays
the oracle: both give equal records, and equal errors, for any bytes.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.errors import DecodeError
from libvirt_rpc.protocol import types as wire
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import DOMAIN_LIST_MAX, STRING_MAX
from libvirt_rpc.protocol.typed_params import TypedValue


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
_DOMAIN = xdr.codec_of(wire.Domain)
_WORD = struct.Struct(">I")
_UUID_SIZE = 16
_PROGRAMS_PER_COUNT = 8
"""Layouts with the same number of parameters that are tried before the plain codec."""


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
class _Run:
    """Parameters with numbers one behind another, and the name of the string parameter behind them.

    `between` are the bytes before each number. `string` is None behind the last numbers.
    """

    numbers: struct.Struct
    between: tuple[bytes, ...]
    string: bytes | None

    @property
    def start_size(self) -> int:
        """Bytes up to the first number."""
        return len(self.between[0]) if self.between else 0

    @property
    def format_behind_start(self) -> str:
        """The struct's format without the bytes up to the first number."""
        return self.numbers.format.removeprefix(f">{self.start_size}s")


@dataclass(frozen=True, slots=True)
class _Program:
    """How to read any record of a layout, whatever its domain and its strings."""

    layout: Layout
    runs: tuple[tuple[_Run, int, str], ...]
    """Each with its start_size and format_behind_start, which every record asks for."""
    booleans: tuple[int, ...]

    @classmethod
    def of(cls, layout: Layout) -> Self:
        runs: list[_Run] = []
        between: list[bytes] = []
        formats: list[str] = []
        for field, kind in zip(layout.fields, layout.types, strict=True):
            name = xdr.encode(xdr.STRING, field) + _WORD.pack(kind)
            code = _CODES.get(kind)
            if code is None:
                numbers = struct.Struct(">" + "".join(formats))
                runs.append(_Run(numbers, tuple(between), name))
                between, formats = [], []
            else:
                between.append(name)
                formats.append(f"{len(name)}s{code}")
        runs.append(_Run(struct.Struct(">" + "".join(formats)), tuple(between), None))
        booleans = [i for i, k in enumerate(layout.types) if k is TypedParameterType.BOOLEAN]
        programs = tuple([(run, run.start_size, run.format_behind_start) for run in runs])
        return cls(layout, programs, tuple(booleans))

    def learn(
        self,
        payload: bytes,
        start: int,
        domain: wire.Domain,
        position: int,
        make_struct: Callable[[str], struct.Struct],
    ) -> _Template | None:
        """The template of the record at `start`, whose parameters begin at `position`.

        None where the record is not of this layout, or is broken: the plain codec says which.
        """
        between: list[bytes] = []
        formats = [">"]
        strings: list[tuple[int, str]] = []
        index = 0
        since = start  # the end of the last number
        for run, start_size, behind_start in self.runs:
            if run.between:
                if position + run.numbers.size > len(payload):
                    return None
                parts = run.numbers.unpack_from(payload, position)
                if parts[0::2] != run.between:
                    return None
                first = payload[since : position + start_size]
                between.append(first)
                between += run.between[1:]
                formats.append(f"{len(first)}s{behind_start}")
                index += len(run.between)
                since = position = position + run.numbers.size
            if run.string is not None:
                text_at = position + len(run.string)
                if payload[position:text_at] != run.string:
                    return None
                text = _string_at(payload, text_at)
                if text is None:
                    return None
                strings.append((index, text[0]))
                position = text[1]
                index += 1
        if since < position:
            between.append(payload[since:position])
            formats.append(f"{position - since}s")
        numbers = make_struct("".join(formats))
        return _Template(
            domain, self.layout, numbers, tuple(between), tuple(strings), self.booleans
        )


def _string_at(payload: bytes, position: int) -> tuple[str, int] | None:
    """A string and where it ends; None where it is broken."""
    start = position + _WORD.size
    if start > len(payload):
        return None
    (length,) = _WORD.unpack_from(payload, position)
    end = start + _padded(length)
    if length > STRING_MAX or end > len(payload) or any(payload[start + length : end]):
        return None
    return payload[start : start + length].decode("utf-8", "surrogateescape"), end


class DomainStatsDecoder:
    """Decodes the replies of one connection; `retain` drops what it remembers of gone domains."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[tuple[str, ...], tuple[TypedParameterType, ...]], Layout] = {}
        self._templates: dict[bytes, _Template] = {}
        self._programs: dict[int, list[_Program]] = {}
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
        most = len(self._templates)
        if (
            keep.issuperset(self._templates)
            and len(self._layouts) <= most
            and len(self._structs) <= most
        ):
            return
        self._templates = {key: one for key, one in self._templates.items() if key in keep}
        used = {id(template.layout) for template in self._templates.values()}
        self._layouts = {key: one for key, one in self._layouts.items() if id(one) in used}
        self._programs = {
            count: kept
            for count, programs in self._programs.items()
            if (kept := [program for program in programs if id(program.layout) in used])
        }
        formats = {template.numbers.format for template in self._templates.values()}
        self._structs = {key: one for key, one in self._structs.items() if key in formats}

    def _learn(self, payload: bytes, offset: int, key: bytes) -> tuple[DomainStats, int]:
        """A record whose bytes are not those of last time, and its size; remembers how it looks."""
        template = self._template(payload, offset)
        if template is None:
            reader = xdr.Reader(payload)
            reader.set_position(offset)
            record = self._record(xdr.decode_next(_RECORD, reader))
            self._add_program(record.layout)
            template = self._template(payload, offset)
            if template is None:
                return record, reader.get_position() - offset
        self._templates[key] = template
        again = template.read(payload, offset)
        assert again is not None
        return again, template.numbers.size

    def _template(self, payload: bytes, offset: int) -> _Template | None:
        reader = xdr.Reader(payload)
        reader.set_position(offset)
        domain = xdr.decode_next(_DOMAIN, reader)
        position = reader.get_position() + _WORD.size
        if position > len(payload):
            return None
        (count,) = _WORD.unpack_from(payload, position - _WORD.size)
        for program in self._programs.get(count, ()):
            template = program.learn(payload, offset, domain, position, self._struct)
            if template is not None:
                return template
        return None

    def _add_program(self, layout: Layout) -> None:
        programs = self._programs.setdefault(len(layout.fields), [])
        if all(program.layout is not layout for program in programs):
            programs.insert(0, _Program.of(layout))
            del programs[_PROGRAMS_PER_COUNT:]

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


def _uuid_at(payload: bytes, offset: int) -> bytes:
    if offset + _WORD.size > len(payload):
        return b""
    (name_length,) = _WORD.unpack_from(payload, offset)
    start = offset + _WORD.size + _padded(name_length)
    return payload[start : start + _UUID_SIZE]
