"""What XDR allows is written and read back; the rest is refused, and costs no memory."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.errors import DecodeError, EncodeError
from libvirt_rpc.protocol import xdr
from tests.support.strategies import mutations_of, values_of


@dataclass(frozen=True, slots=True)
class Sample(xdr.Struct):
    """One field of every kind of codec."""

    void: Annotated[None, xdr.VOID]
    int32: xdr.Int
    uint32: xdr.UnsignedInt
    int16: Annotated[int, xdr.SHORT]
    uint16: xdr.UnsignedShort
    int64: xdr.Hyper
    uint64: xdr.UnsignedHyper
    char: xdr.Char
    double: Annotated[float, xdr.DOUBLE]
    text: xdr.Text
    optional_text: xdr.OptionalText
    opaque: Annotated[bytes, xdr.Opaque(24)]
    identity: xdr.WireUUID
    fixed: Annotated[bytes, xdr.Characters(count=3)]
    variable: Annotated[bytes, xdr.Characters(maximum=24)]
    numbers: Annotated[tuple[int, ...], xdr.Array(xdr.UINT, 4)]


SAMPLE = xdr.codec_of(Sample)
INTEGERS = [xdr.INT, xdr.UINT, xdr.SHORT, xdr.USHORT, xdr.HYPER, xdr.UHYPER]


def parse_three_ways(codec: xdr.Codec[Any], payload: bytes) -> Any:
    """The value of `payload`, after a look at it cut short and with more behind it."""
    value = xdr.decode(codec, payload)
    for end in range(len(payload)):
        with pytest.raises(DecodeError):
            xdr.decode(codec, payload[:end])
    with pytest.raises(DecodeError, match="4 bytes are left over"):
        xdr.decode(codec, payload + bytes(4))
    reader = xdr.Reader(payload + b"rest")
    assert repr(xdr.decode_next(codec, reader)) == repr(value)
    assert reader.remaining() == len(b"rest")
    return value


@given(values_of(SAMPLE))
def test_a_struct_with_a_field_of_every_kind_round_trips(sample: Sample) -> None:
    payload = xdr.encode(SAMPLE, sample)
    decoded = parse_three_ways(SAMPLE, payload)
    # repr tells 1 from True and does not tell one NaN from the next: the bytes do that.
    assert repr(decoded) == repr(sample)
    assert xdr.encode(SAMPLE, decoded) == payload
    assert len(payload) >= SAMPLE.minimum_size


@given(
    st.binary(max_size=300) | mutations_of(values_of(SAMPLE).map(lambda s: xdr.encode(SAMPLE, s)))
)
def test_any_bytes_decode_or_raise_a_decode_error(payload: bytes) -> None:
    try:
        value = xdr.decode(SAMPLE, payload)
    except DecodeError:
        return
    xdr.encode(SAMPLE, value)


def test_every_kind_stands_on_the_wire_as_rfc_4506_says() -> None:
    sample = Sample(
        void=None,
        int32=-2,
        uint32=0xFFFFFFFE,
        int16=-2,
        uint16=0xFFFE,
        int64=-2,
        uint64=2**64 - 2,
        char=0xFE,
        double=-0.5,
        text="é",
        optional_text=None,
        opaque=b"\x01\x02\x03\x04\x05",
        identity=uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f"),
        fixed=b"ab",
        variable=b"\xff",
        numbers=(7, 8),
    )
    assert xdr.encode(SAMPLE, sample) == b"".join(
        [
            bytes.fromhex("fffffffe"),  # an int
            bytes.fromhex("fffffffe"),  # an unsigned int
            bytes.fromhex("fffffffe"),  # a short takes four bytes too
            bytes.fromhex("0000fffe"),  # an unsigned short
            bytes.fromhex("fffffffffffffffe"),  # a hyper
            bytes.fromhex("fffffffffffffffe"),  # an unsigned hyper
            bytes.fromhex("000000fe"),  # a char
            bytes.fromhex("bfe0000000000000"),  # a double
            bytes.fromhex("00000002 c3a9 0000"),  # a string's length, its bytes, its padding
            bytes.fromhex("00000000"),  # the absence of an optional
            bytes.fromhex("00000005 0102030405 000000"),  # opaque bytes
            bytes.fromhex("000102030405060708090a0b0c0d0e0f"),  # a UUID has no length
            bytes.fromhex("00000061 00000062 00000000"),  # char[3]: every element an int
            bytes.fromhex("00000001 000000ff"),  # char<>: behind their number
            bytes.fromhex("00000002 00000007 00000008"),  # an array
        ]
    )


@pytest.mark.parametrize("codec", INTEGERS)
@given(data=st.data())
def test_an_integer_outside_its_range_is_refused_before_it_is_sent(
    codec: xdr.Integer, data: st.DataObject
) -> None:
    too_large = st.integers(min_value=codec.maximum + 1)
    too_small = st.integers(max_value=codec.minimum - 1)
    with pytest.raises(EncodeError, match="is not between"):
        xdr.encode(codec, data.draw(too_large | too_small))


@pytest.mark.parametrize("codec", INTEGERS)
def test_the_ends_of_every_integer_range_round_trip(codec: xdr.Integer) -> None:
    for value in (codec.minimum, codec.maximum):
        payload = xdr.encode(codec, value)
        assert len(payload) == codec.minimum_size
        assert parse_three_ways(codec, payload) == value


def test_the_integer_ranges_are_those_of_c() -> None:
    assert [(codec.minimum, codec.maximum) for codec in INTEGERS] == [
        (-2147483648, 2147483647),
        (0, 4294967295),
        (-32768, 32767),
        (0, 65535),
        (-9223372036854775808, 9223372036854775807),
        (0, 18446744073709551615),
    ]


@pytest.mark.parametrize(
    ("codec", "wire"),
    [
        (xdr.SHORT, "00008000"),
        (xdr.SHORT, "ffff7fff"),
        (xdr.USHORT, "00010000"),
        (xdr.USHORT, "ffffffff"),
    ],
)
def test_a_short_that_does_not_fit_its_type_is_refused(codec: xdr.Integer, wire: str) -> None:
    with pytest.raises(DecodeError, match="is not between"):
        xdr.decode(codec, bytes.fromhex(wire))


@pytest.mark.parametrize("value", [-1, 256])
def test_a_char_is_sent_as_a_byte_or_not_at_all(value: int) -> None:
    with pytest.raises(EncodeError, match="is no byte"):
        xdr.encode(xdr.BYTE, value)


@pytest.mark.parametrize(
    ("wire", "byte"), [("ffffff80", 0x80), ("ffffffff", 0xFF), ("000000ff", 0xFF)]
)
def test_a_char_that_the_daemon_sign_extended_is_the_byte_it_was(wire: str, byte: int) -> None:
    assert xdr.decode(xdr.BYTE, bytes.fromhex(wire)) == byte
    assert xdr.decode(xdr.Characters(count=1), bytes.fromhex(wire)) == bytes([byte])


@pytest.mark.parametrize("wire", ["00000100", "ffffff7f", "7fffffff", "80000000"])
def test_a_char_that_is_no_byte_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError, match="is no byte"):
        xdr.decode(xdr.BYTE, bytes.fromhex(wire))


@given(st.integers(0, 2**64 - 1) | st.integers(0x7FF0 << 48, 0x7FFF << 48))
def test_a_double_keeps_its_bits(pattern: int) -> None:
    wire = pattern.to_bytes(8)
    assert xdr.encode(xdr.DOUBLE, xdr.decode(xdr.DOUBLE, wire)) == wire


@given(st.binary(max_size=40))
def test_text_in_any_encoding_goes_back_as_it_came(raw: bytes) -> None:
    wire = xdr.encode(xdr.Opaque(40), raw)
    assert xdr.encode(xdr.STRING, xdr.decode(xdr.STRING, wire)) == wire


def test_text_that_no_bytes_stand_for_is_refused() -> None:
    with pytest.raises(EncodeError, match="does not fit its wire type"):
        xdr.encode(xdr.STRING, "\ud800")


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (xdr.INT, "1"),
        (xdr.INT, None),
        (xdr.UINT, 1.5),
        (xdr.UHYPER, 1.5),
        (xdr.DOUBLE, "1"),
        (xdr.DOUBLE, 10**400),
        (xdr.Opaque(4), None),
    ],
)
def test_a_value_of_another_type_is_an_encode_error(codec: xdr.Codec[Any], value: Any) -> None:
    with pytest.raises(EncodeError):
        xdr.encode(codec, value)


@pytest.mark.parametrize(
    ("codec", "value", "wire"),
    [
        (xdr.Opaque(4), b"12345", "00000005 3132333435000000"),
        (xdr.String(4), "12345", "00000005 3132333435000000"),
        (xdr.Characters(maximum=1), b"12", "00000002 00000031 00000032"),
        (xdr.Array(xdr.UINT, 1), (1, 2), "00000002 00000001 00000002"),
    ],
)
def test_more_than_the_declared_maximum_is_refused_both_ways(
    codec: xdr.Codec[Any], value: Any, wire: str
) -> None:
    with pytest.raises(EncodeError, match="allowed"):
        xdr.encode(codec, value)
    with pytest.raises(DecodeError, match="allowed"):
        xdr.decode(codec, bytes.fromhex(wire))


def test_a_char_array_of_fixed_size_takes_no_more_than_its_size() -> None:
    with pytest.raises(EncodeError, match="4 characters where there is room for 3"):
        xdr.encode(xdr.Characters(count=3), b"1234")


@pytest.mark.parametrize(
    "codec",
    [
        xdr.STRING,
        xdr.Opaque(4_194_304),
        xdr.Characters(maximum=4_000_000),
        xdr.Array(xdr.UHYPER, 4_000_000),
    ],
    ids=["string", "opaque", "characters", "array"],
)
@pytest.mark.parametrize("announced", [4_000_000, 4_294_967_295])
def test_a_length_beyond_the_message_is_refused_before_memory_is_taken(
    codec: xdr.Codec[Any], announced: int
) -> None:
    payload = announced.to_bytes(4) + bytes(64)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            xdr.decode(codec, payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_a_list_says_how_many_items_are_announced_and_how_many_bytes_are_there() -> None:
    with pytest.raises(DecodeError, match="3 items are announced, 8 bytes are there"):
        xdr.decode(xdr.Array(xdr.UINT, 4), bytes.fromhex("00000003 00000001 00000002"))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_padding_that_is_not_zero_is_refused(position: int) -> None:
    padding = bytearray(3)
    padding[position] = 1
    with pytest.raises(DecodeError, match="padding that is not zero"):
        xdr.decode(xdr.STRING, bytes.fromhex("00000001 61") + padding)


@pytest.mark.parametrize("flag", ["00000002", "ffffffff", "01000000"])
def test_an_optional_is_there_or_not_and_nothing_else(flag: str) -> None:
    with pytest.raises(DecodeError, match="0 or 1 says whether a value follows"):
        xdr.decode(xdr.Optional(xdr.UINT), bytes.fromhex(flag + "00000001"))


def test_an_error_says_where_it_is() -> None:
    with pytest.raises(DecodeError) as caught:
        xdr.decode(xdr.Array(xdr.SHORT, 4), bytes.fromhex("00000002 00000001 00010000"))
    assert caught.value.offset == 12
    assert str(caught.value) == (
        "cannot decode the daemon's message at byte 12: 65536 is not between -32768 and 32767"
    )


@pytest.mark.parametrize("kind", [int, "text", lambda: None])
def test_what_is_no_struct_has_no_codec(kind: Any) -> None:
    with pytest.raises(TypeError, match="has no codec"):
        xdr.codec_of(kind)


def test_a_struct_has_one_codec_and_a_codec_is_its_own() -> None:
    assert xdr.codec_of(Sample) is SAMPLE
    assert xdr.codec_of(SAMPLE) is SAMPLE


@pytest.mark.parametrize(
    "decode",
    [lambda payload: xdr.decode(xdr.VOID, payload), lambda payload: xdr.decode(SAMPLE, payload)],
)
def test_bytes_left_over_are_refused(decode: Callable[[bytes], Any]) -> None:
    empty = Sample(
        None, 0, 0, 0, 0, 0, 0, 0, 0.0, "", None, b"", uuid.UUID(int=0), bytes(3), b"", ()
    )
    with pytest.raises(DecodeError):
        decode(xdr.encode(SAMPLE, empty) + b"\0")
