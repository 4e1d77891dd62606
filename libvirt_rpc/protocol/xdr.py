"""XDR codecs (RFC 4506): one object a wire type, values in, bytes out, and back.

A struct is a frozen dataclass derived from `Struct` whose annotations name the codecs of its fields
in .x order. `decode` raises DecodeError and nothing else, whatever the bytes; `encode` EncodeError.
This is the only module that knows xdrlib3.
"""

from __future__ import annotations

import functools
import struct
import typing
import uuid
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Generic, TypeVar

import xdrlib3

from libvirt_rpc.errors import DecodeError, EncodeError
from libvirt_rpc.protocol.constants import STRING_MAX

T = TypeVar("T")
S = TypeVar("S", bound="Struct")


class Reader(xdrlib3.Unpacker):
    """The bytes still to be decoded."""

    def remaining(self) -> int:
        return len(self.get_buffer()) - self.get_position()


class Codec(Generic[T]):
    """How one wire type is written and read. `minimum_size` is the fewest bytes that a value takes."""

    minimum_size: int = 4

    def encode(self, value: T, packer: xdrlib3.Packer) -> None:
        raise NotImplementedError

    def decode(self, reader: Reader) -> T:
        raise NotImplementedError


def encode(codec: Codec[T], value: T) -> bytes:
    """The bytes of `value`. Raises EncodeError for a value that the type cannot carry."""
    packer = xdrlib3.Packer()
    try:
        codec.encode(value, packer)
    except (xdrlib3.Error, struct.error, OverflowError, UnicodeEncodeError, TypeError) as exc:
        raise EncodeError(f"{value!r:.200} does not fit its wire type: {exc}") from exc
    return packer.get_buffer()


def decode(codec: Codec[T], payload: bytes) -> T:
    """The one value that `payload` is, whole: bytes left over are an error. Raises DecodeError."""
    reader = Reader(payload)
    value = decode_next(codec, reader)
    if reader.remaining():
        raise DecodeError(f"{reader.remaining()} bytes are left over", reader.get_position())
    return value


def decode_next(codec: Codec[T], reader: Reader) -> T:
    """The value at the reader's position, which moves behind it. Raises DecodeError."""
    try:
        return codec.decode(reader)
    except EOFError:
        raise DecodeError("the message ends too early", len(reader.get_buffer())) from None
    except (xdrlib3.Error, struct.error) as exc:
        raise DecodeError(str(exc), reader.get_position()) from exc


class Void(Codec[None]):
    """No bytes at all: the arguments or the reply of a procedure that has none."""

    minimum_size = 0

    def encode(self, value: None, packer: xdrlib3.Packer) -> None:
        pass

    def decode(self, reader: Reader) -> None:  # noqa: ARG002
        return None


class Integer(Codec[int]):
    """A whole number of `bits` bits. Short types (`char`, `short`) take four bytes on the wire too."""

    def __init__(self, bits: int, *, signed: bool) -> None:
        self.bits = bits
        self.signed = signed
        self.minimum = -(1 << (bits - 1)) if signed else 0
        self.maximum = (1 << (bits - 1 if signed else bits)) - 1
        self.minimum_size = 8 if bits == 64 else 4
        self._pack: Callable[[xdrlib3.Packer, int], None]
        self._unpack: Callable[[Reader], int]
        if bits == 64:
            self._pack = xdrlib3.Packer.pack_hyper if signed else xdrlib3.Packer.pack_uhyper
            self._unpack = Reader.unpack_hyper if signed else Reader.unpack_uhyper
        else:
            self._pack = xdrlib3.Packer.pack_int if signed else xdrlib3.Packer.pack_uint
            self._unpack = Reader.unpack_int if signed else Reader.unpack_uint

    def encode(self, value: int, packer: xdrlib3.Packer) -> None:
        # xdrlib3 cuts a 64-bit number that is too large instead of refusing it.
        if not self.minimum <= value <= self.maximum:
            raise EncodeError(f"{value} is not between {self.minimum} and {self.maximum}")
        self._pack(packer, value)

    def decode(self, reader: Reader) -> int:
        value = self._unpack(reader)
        if not self.minimum <= value <= self.maximum:
            raise DecodeError(
                f"{value} is not between {self.minimum} and {self.maximum}", reader.get_position()
            )
        return value


class Byte(Codec[int]):
    """A C `char` that carries a byte, 0 to 255; daemons sign-extend those from 0x80 up."""

    def encode(self, value: int, packer: xdrlib3.Packer) -> None:
        if not 0 <= value <= 0xFF:
            raise EncodeError(f"{value} is no byte")
        packer.pack_int(value)

    def decode(self, reader: Reader) -> int:
        value = reader.unpack_int()
        if not -0x80 <= value <= 0xFF:
            raise DecodeError(f"{value} is no byte", reader.get_position())
        return value & 0xFF


class Double(Codec[float]):
    minimum_size = 8

    def encode(self, value: float, packer: xdrlib3.Packer) -> None:
        packer.pack_double(value)

    def decode(self, reader: Reader) -> float:
        return reader.unpack_double()


class Opaque(Codec[bytes]):
    """At most `maximum` bytes behind their number, padded with zeros to a multiple of four."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum

    def encode(self, value: bytes, packer: xdrlib3.Packer) -> None:
        if len(value) > self.maximum:
            raise EncodeError(f"{len(value)} bytes where {self.maximum} are allowed")
        packer.pack_opaque(value)

    def decode(self, reader: Reader) -> bytes:
        length = reader.unpack_uint()
        if length > self.maximum:
            raise DecodeError(
                f"{length} bytes where {self.maximum} are allowed", reader.get_position()
            )
        return _fixed_bytes(reader, length)


def _fixed_bytes(reader: Reader, length: int) -> bytes:
    value = reader.unpack_fopaque(length)
    padding = -length % 4
    if padding:
        end = reader.get_position()
        if any(reader.get_buffer()[end - padding : end]):
            raise DecodeError("padding that is not zero", end)
    return bytes(value)


class String(Codec[str]):
    """Text. libvirt promises no encoding: bytes that are no UTF-8 become surrogates and go back as they came."""

    def __init__(self, maximum: int = STRING_MAX) -> None:
        self.maximum = maximum
        self._bytes = Opaque(maximum)

    def encode(self, value: str, packer: xdrlib3.Packer) -> None:
        self._bytes.encode(value.encode("utf-8", "surrogateescape"), packer)

    def decode(self, reader: Reader) -> str:
        return self._bytes.decode(reader).decode("utf-8", "surrogateescape")


class UUIDCodec(Codec[uuid.UUID]):
    """Sixteen bytes with no length before them."""

    minimum_size = 16

    def encode(self, value: uuid.UUID, packer: xdrlib3.Packer) -> None:
        packer.pack_fopaque(16, value.bytes)

    def decode(self, reader: Reader) -> uuid.UUID:
        return uuid.UUID(bytes=_fixed_bytes(reader, 16))


class ListLength(Codec[int]):
    """The number of items before a list, checked before anything is made room for."""

    def __init__(self, maximum: int, item_size: int) -> None:
        self.maximum = maximum
        self.item_size = item_size

    def encode(self, value: int, packer: xdrlib3.Packer) -> None:
        if value > self.maximum:
            raise EncodeError(f"{value} items where {self.maximum} are allowed")
        packer.pack_uint(value)

    def decode(self, reader: Reader) -> int:
        count = reader.unpack_uint()
        if count > self.maximum:
            raise DecodeError(
                f"{count} items where {self.maximum} are allowed", reader.get_position()
            )
        if count * self.item_size > reader.remaining():
            raise DecodeError(
                f"{count} items are announced, {reader.remaining()} bytes are there",
                reader.get_position(),
            )
        return count


class Characters(Codec[bytes]):
    """A C `char[]`: every element takes four bytes. `count` elements, or at most `maximum` behind their number."""

    def __init__(self, *, count: int | None = None, maximum: int = 0) -> None:
        self.count = count
        self.minimum_size = 4 if count is None else 4 * count
        self._length = ListLength(maximum, 4)

    def encode(self, value: bytes, packer: xdrlib3.Packer) -> None:
        if self.count is not None:
            if len(value) > self.count:
                raise EncodeError(f"{len(value)} characters where there is room for {self.count}")
            value = value.ljust(self.count, b"\0")
        else:
            self._length.encode(len(value), packer)
        for byte in value:
            packer.pack_int(byte)

    def decode(self, reader: Reader) -> bytes:
        count = self._length.decode(reader) if self.count is None else self.count
        byte = Byte()
        return bytes([byte.decode(reader) for _ in range(count)])


class Optional(Codec[T | None]):
    """A value or None, behind a flag that must be 0 or 1."""

    def __init__(self, item: Codec[T] | type[T]) -> None:
        self.item: Codec[T] = codec_of(item)

    def encode(self, value: T | None, packer: xdrlib3.Packer) -> None:
        packer.pack_bool(value is not None)
        if value is not None:
            self.item.encode(value, packer)

    def decode(self, reader: Reader) -> T | None:
        flag = reader.unpack_uint()
        if flag > 1:
            raise DecodeError(
                f"{flag} where 0 or 1 says whether a value follows", reader.get_position()
            )
        return self.item.decode(reader) if flag else None


class Array(Codec[tuple[T, ...]]):
    """At most `maximum` values behind their number."""

    def __init__(self, item: Codec[T] | type[T], maximum: int) -> None:
        self.item: Codec[T] = codec_of(item)
        self.maximum = maximum
        self._length = ListLength(maximum, self.item.minimum_size)

    def encode(self, value: tuple[T, ...], packer: xdrlib3.Packer) -> None:
        self._length.encode(len(value), packer)
        for item in value:
            self.item.encode(item, packer)

    def decode(self, reader: Reader) -> tuple[T, ...]:
        count = self._length.decode(reader)
        return tuple([self.item.decode(reader) for _ in range(count)])


class Struct:
    """Base of the wire structs: see libvirt_rpc.protocol.types."""

    __slots__ = ()


class StructCodec(Codec[S]):
    """Reads and writes the fields one after another, as they are declared."""

    def __init__(self, kind: type[S]) -> None:
        hints = typing.get_type_hints(kind, include_extras=True)
        self.kind = kind
        self.fields: dict[str, Codec[Any]] = {
            field.name: _codec_of_hint(hints[field.name])
            for field in fields(kind)  # type: ignore[arg-type]  # every Struct is a dataclass
        }
        self.minimum_size = sum(codec.minimum_size for codec in self.fields.values())

    def encode(self, value: S, packer: xdrlib3.Packer) -> None:
        for name, codec in self.fields.items():
            codec.encode(getattr(value, name), packer)

    def decode(self, reader: Reader) -> S:
        return self.kind(*[codec.decode(reader) for codec in self.fields.values()])


def _codec_of_hint(hint: Any) -> Codec[Any]:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Codec):
            return extra
    return codec_of(hint)


@functools.cache
def _struct_codec(kind: type[Any]) -> StructCodec[Any]:
    return StructCodec(kind)


def codec_of(kind: Codec[T] | type[T]) -> Codec[T]:
    """The codec itself, or that of a Struct class."""
    if isinstance(kind, Codec):
        return kind
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _struct_codec(kind)  # type: ignore[arg-type]  # mypy takes no type variable's type as hashable
    raise TypeError(f"{kind!r} has no codec")


VOID = Void()
INT = Integer(32, signed=True)
UINT = Integer(32, signed=False)
SHORT = Integer(16, signed=True)
USHORT = Integer(16, signed=False)
HYPER = Integer(64, signed=True)
UHYPER = Integer(64, signed=False)
BYTE = Byte()
DOUBLE = Double()
STRING = String()
UUID = UUIDCodec()

Int = Annotated[int, INT]
UnsignedInt = Annotated[int, UINT]
UnsignedShort = Annotated[int, USHORT]
Hyper = Annotated[int, HYPER]
UnsignedHyper = Annotated[int, UHYPER]
Char = Annotated[int, BYTE]
Text = Annotated[str, STRING]
OptionalText = Annotated[str | None, Optional(STRING)]
WireUUID = Annotated[uuid.UUID, UUID]
