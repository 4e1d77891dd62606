"""Wrapped packets: any stream comes out as it went in, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.errors import DecodeError
from libvirt_rpc.sasl.packets import Packets


def packets(chunk_size: int = 5, wrapped_max: int = 100) -> Packets:
    """A layer that turns its bytes round and puts an exclamation mark behind them."""
    return Packets(
        lambda data: data[::-1] + b"!",
        lambda data: data[-2::-1],
        chunk_size=chunk_size,
        wrapped_max=wrapped_max,
    )


def test_a_packet_is_a_length_and_what_was_wrapped() -> None:
    assert packets().encode(b"abcdefg") == b"\0\0\0\6edcba!\0\0\0\3gf!"
    assert packets().encode(b"") == b""


@given(st.binary(max_size=60), st.integers(1, 20), st.lists(st.integers(1, 9), max_size=60))
def test_any_split_gives_the_same_stream(data: bytes, chunk: int, cuts: list[int]) -> None:
    wire = packets(chunk).encode(data)
    reader, plain = packets(chunk), b""
    for size in cuts:
        plain += reader.decode(wire[:size])
        wire = wire[size:]
    assert plain + reader.decode(wire) == data


def test_a_length_above_the_limit_is_refused_at_once() -> None:
    assert packets(wrapped_max=6).decode(b"\0\0\0\6edcba!") == b"abcde"
    with pytest.raises(
        DecodeError, match="a wrapped packet of 7 bytes is announced, 6 are allowed"
    ):
        packets(wrapped_max=6).decode(b"\0\0\0\7")
