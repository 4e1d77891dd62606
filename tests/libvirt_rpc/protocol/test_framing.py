"""Any split of a stream gives the same frames, and a length that cannot be is refused at once."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.errors import EncodeError, FrameTooLarge, FrameTooShort, ProtocolError
from libvirt_rpc.protocol.constants import (
    MAX_FRAME,
    MAX_FRAME_TO_OLD_DAEMONS,
    MIN_FRAME,
    MessageType,
    Program,
    Status,
)
from libvirt_rpc.protocol.framing import Frame, FrameDecoder

WORDS = st.integers(0, 2**32 - 1)
FRAMES = st.builds(
    Frame,
    WORDS,
    WORDS,
    st.integers(-(2**31), 2**31 - 1),
    WORDS,
    WORDS,
    WORDS,
    st.binary(max_size=40),
)

# What a decoder made of a stream: its frames, how it ended, the bytes that it still holds.
Outcome = tuple[list[Frame], str, int]


def decode(portions: list[bytes]) -> Outcome:
    decoder = FrameDecoder()
    frames = []
    for portion in portions:
        decoder.feed(portion)
        try:
            while (frame := decoder.next_frame()) is not None:
                frames.append(frame)
                assert len(frames) * MIN_FRAME <= sum(map(len, portions)), "a frame of nothing"
        except ProtocolError as exc:
            return frames, repr(exc), 0
    return frames, "", decoder.buffered


def decode_three_ways(stream: bytes, cuts: list[int]) -> Outcome:
    """What the stream gives whole; byte by byte, cut anywhere, with more behind it must agree."""
    whole = decode([stream])
    assert decode([bytes([byte]) for byte in stream]) == whole
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    assert decode([stream[a:b] for a, b in itertools.pairwise(edges)]) == whole
    frames, error, held = whole
    if not error and not held:
        begun = Frame(Program.REMOTE, 1, 3, MessageType.REPLY, 9).encode()[:-1]
        assert decode([stream + begun]) == (frames, "", len(begun))
    return whole


@given(st.lists(FRAMES, max_size=4), st.lists(st.integers(0, 1000), max_size=5))
def test_any_split_of_the_stream_gives_the_frames_that_went_in(
    frames: list[Frame], cuts: list[int]
) -> None:
    stream = b"".join(frame.encode() for frame in frames)
    assert decode_three_ways(stream, cuts) == (frames, "", 0)


@given(
    st.lists(FRAMES, max_size=3),
    st.integers(0, MIN_FRAME - 1) | st.integers(MAX_FRAME + 1, 2**32 - 1),
    st.binary(max_size=30),
    st.lists(st.integers(0, 1000), max_size=5),
)
def test_any_split_gives_the_good_frames_and_then_the_same_error(
    frames: list[Frame], length: int, rest: bytes, cuts: list[int]
) -> None:
    stream = b"".join(frame.encode() for frame in frames) + length.to_bytes(4) + rest
    expected = (
        FrameTooLarge(length, MAX_FRAME) if length > MAX_FRAME else FrameTooShort(length, MIN_FRAME)
    )
    assert decode_three_ways(stream, cuts) == (frames, repr(expected), 0)


@given(st.binary(max_size=120), st.lists(st.integers(0, 1000), max_size=5))
def test_garbage_gives_the_same_however_it_is_split(garbage: bytes, cuts: list[int]) -> None:
    decode_three_ways(garbage, cuts)


def test_a_frame_is_a_length_six_words_and_a_payload() -> None:
    frame = Frame(Program.REMOTE, 1, 66, MessageType.REPLY, 0xFFFFFFFF, Status.ERROR, b"payload")
    assert frame.encode() == b"".join(
        [
            bytes.fromhex("00000023"),  # the length, this word included
            bytes.fromhex("20008086"),  # the program
            bytes.fromhex("00000001"),  # its version
            bytes.fromhex("00000042"),  # the procedure
            bytes.fromhex("00000001"),  # the type: a reply
            bytes.fromhex("ffffffff"),  # the serial
            bytes.fromhex("00000001"),  # the status: an error
            b"payload",
        ]
    )


def test_a_procedure_number_may_be_negative() -> None:
    frame = Frame(Program.REMOTE, 1, -1, MessageType.CALL, 0)
    assert frame.encode()[12:16] == b"\xff\xff\xff\xff"
    assert decode([frame.encode()])[0] == [frame]


@pytest.mark.parametrize("length", [MAX_FRAME + 1, 0x48545450, 0xFFFFFFFF])
def test_a_length_above_the_limit_is_refused_before_memory_is_taken(length: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(length.to_bytes(4))
    tracemalloc.start()
    try:
        with pytest.raises(FrameTooLarge, match=f"{length} bytes is announced"):
            decoder.next_frame()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("length", [0, 3, 4, 27])
def test_a_length_below_the_header_is_refused(length: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(length.to_bytes(4) + bytes(24))
    with pytest.raises(
        FrameTooShort, match=f"{length} bytes is announced, a header alone takes 28"
    ):
        decoder.next_frame()


def test_the_largest_frame_of_a_daemon_is_taken() -> None:
    decoder = FrameDecoder()
    payload = bytes(MAX_FRAME - MIN_FRAME)
    frame = Frame(Program.REMOTE, 1, 344, MessageType.REPLY, 1, payload=payload)
    decoder.feed(frame.encode(max_length=MAX_FRAME))
    assert decoder.next_frame() == frame
    assert decoder.buffered == 0


def test_a_limit_of_ones_own_holds_to_the_byte() -> None:
    frame = Frame(Program.REMOTE, 1, 3, MessageType.REPLY, 0, payload=bytes(12))
    exact = FrameDecoder(max_length=40)
    exact.feed(frame.encode())
    assert exact.next_frame() == frame
    narrow = FrameDecoder(max_length=39)
    narrow.feed(frame.encode())
    with pytest.raises(FrameTooLarge):
        narrow.next_frame()


def test_nothing_larger_than_what_the_oldest_daemons_take_is_sent() -> None:
    largest = bytes(MAX_FRAME_TO_OLD_DAEMONS - MIN_FRAME)
    frame = Frame(Program.REMOTE, 1, 344, MessageType.CALL, 0, payload=largest)
    assert len(frame.encode()) == 16_777_220
    with pytest.raises(EncodeError, match="16777221 bytes where 16777220 are allowed"):
        Frame(Program.REMOTE, 1, 344, MessageType.CALL, 0, payload=largest + b"\0").encode()


def test_what_was_not_cut_into_frames_yet_can_be_taken_back() -> None:
    decoder = FrameDecoder()
    first = Frame(1, 1, 1, MessageType.CALL, 1).encode()
    decoder.feed(first + first + b"rest")
    assert decoder.next_frame() is not None
    assert decoder.take() == first + b"rest"
    assert decoder.take() == b""
    assert decoder.next_frame() is None


def test_a_frame_that_has_begun_is_seen_in_the_buffer() -> None:
    decoder = FrameDecoder()
    assert decoder.buffered == 0
    decoder.feed(b"\0\0")
    assert decoder.next_frame() is None
    assert decoder.buffered == 2
