"""Hypothesis strategies derived from the codecs: their declarations say what they can write."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeVar, cast

from hypothesis import strategies as st

from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.typed_params import (
    VALUE_CODECS,
    Boolean,
    TypedParameter,
    TypedParameterCodec,
)

T = TypeVar("T")

LONGEST = 24
"""Enough bytes for every padding and for names that resemble libvirt's."""
MOST_ITEMS = 4


def values_of(kind: xdr.Codec[T] | type[T]) -> st.SearchStrategy[T]:
    """Every value that the codec, or the Struct class, can write."""
    codec = xdr.codec_of(kind)
    for family, strategy in _BY_CLASS.items():
        if isinstance(codec, family):
            return cast("st.SearchStrategy[T]", strategy(codec))
    raise TypeError(f"no strategy is declared for {type(codec).__name__}")


def _integers(codec: xdr.Integer) -> st.SearchStrategy[int]:
    return st.integers(codec.minimum, codec.maximum)


def _doubles(_: xdr.Double) -> st.SearchStrategy[float]:
    # From the bits, so that every NaN, both zeros and both infinities come up.
    special = st.sampled_from(
        [0, 1 << 63, 0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 1]
    )
    patterns = special | st.integers(0, 2**64 - 1)
    return patterns.map(lambda bits: cast("float", struct.unpack(">d", bits.to_bytes(8))[0]))


def _bytes(maximum: int) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=min(maximum, LONGEST))


def _texts(codec: xdr.String) -> st.SearchStrategy[str]:
    # From the bytes: what no sequence of bytes decodes to is no value of this codec.
    written = st.text(max_size=LONGEST // 4).map(lambda text: text.encode("utf-8", "replace"))
    return (written | _bytes(codec.maximum)).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def _characters(codec: xdr.Characters) -> st.SearchStrategy[bytes]:
    if codec.count is not None:
        return st.binary(min_size=codec.count, max_size=codec.count)
    return _bytes(codec._length.maximum)


def _arrays(codec: xdr.Array[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values_of(codec.item), max_size=min(codec.maximum, MOST_ITEMS)).map(tuple)


def _structs(codec: xdr.StructCodec[Any]) -> st.SearchStrategy[Any]:
    return st.builds(codec.kind, *[values_of(field) for field in codec.fields.values()])


def _typed_parameters(_: TypedParameterCodec) -> st.SearchStrategy[TypedParameter]:
    return st.one_of(
        [
            st.builds(
                TypedParameter,
                values_of(xdr.STRING),
                st.just(TypedParameterType(number)),
                values_of(cast("xdr.Codec[Any]", codec)),
            )
            for number, codec in VALUE_CODECS.items()
        ]
    )


# The family of codecs (its subclasses with it) and how their values are drawn.
_BY_CLASS: dict[type[xdr.Codec[Any]], Callable[[Any], st.SearchStrategy[Any]]] = {
    xdr.Void: lambda _: st.none(),
    xdr.Integer: _integers,
    xdr.ListLength: lambda codec: st.integers(0, codec.maximum),
    xdr.Byte: lambda _: st.integers(0, 0xFF),
    Boolean: lambda _: st.booleans(),
    xdr.Double: _doubles,
    xdr.Opaque: lambda codec: _bytes(codec.maximum),
    xdr.String: _texts,
    xdr.UUIDCodec: lambda _: st.uuids(),
    xdr.Characters: _characters,
    xdr.Optional: lambda codec: st.none() | values_of(codec.item),
    xdr.Array: _arrays,
    xdr.StructCodec: _structs,
    TypedParameterCodec: _typed_parameters,
}


def mutated(draw: st.DrawFn, raw: bytes) -> bytes:
    """`raw` with a few bytes changed, put in, taken out or cut off; most of it stays."""
    result = bytearray(raw)
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, max(0, len(result) - 1)))
        match draw(st.sampled_from(["change", "change", "change", "insert", "remove", "cut"])):
            case "change" if result:
                result[position] = draw(
                    st.sampled_from([0, 1, 4, 7, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
                )
            case "insert":
                result[position:position] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del result[position : position + draw(st.integers(1, 8))]
            case _:
                del result[position:]
    return bytes(result)


@st.composite
def mutations_of(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that were well formed before a few of them changed."""
    return mutated(draw, draw(originals))
