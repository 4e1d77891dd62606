"""Frames: a length word, six header words, a payload. Bytes in any portions in, whole frames out.

Source: virnetprotocol.x. A length outside the limits is refused before memory is taken for it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from libvirt_rpc.errors import EncodeError, FrameTooLarge, FrameTooShort
from libvirt_rpc.protocol.constants import (
    LENGTH_SIZE,
    MAX_FRAME,
    MAX_FRAME_TO_OLD_DAEMONS,
    MIN_FRAME,
    Status,
)

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IIIiIII")


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet; the words are kept as numbers, for a peer may send any."""

    program: int
    version: int
    procedure: int
    type: int
    serial: int
    status: int = Status.OK
    payload: bytes = b""

    def encode(self, *, max_length: int = MAX_FRAME_TO_OLD_DAEMONS) -> bytes:
        """The bytes to send. Raises EncodeError where `max_length`, length word included, is exceeded."""
        length = MIN_FRAME + len(self.payload)
        if length > max_length:
            raise EncodeError(f"a packet of {length} bytes where {max_length} are allowed")
        header = _HEADER.pack(
            length,
            self.program,
            self.version,
            self.procedure,
            self.type,
            self.serial,
            self.status,
        )
        return header + self.payload


class FrameDecoder:
    """Cuts a stream into frames: `feed` it what arrived, then call `next_frame` until it gives None.

    After FrameTooLarge or FrameTooShort the stream has no known next frame: close the connection.
    """

    def __init__(self, *, max_length: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._max_length = max_length

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> Frame | None:
        if len(self._buffer) < LENGTH_SIZE:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > self._max_length:
            raise FrameTooLarge(length, self._max_length)
        if length < MIN_FRAME:
            raise FrameTooShort(length, MIN_FRAME)
        if len(self._buffer) < length:
            return None
        _, program, version, procedure, kind, serial, status = _HEADER.unpack_from(self._buffer)
        with memoryview(self._buffer) as view:
            payload = bytes(view[MIN_FRAME:length])
        del self._buffer[:length]
        return Frame(program, version, procedure, kind, serial, status, payload)

    def take(self) -> bytes:
        """Gives back what was fed and is in no frame that came out, and forgets it."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    @property
    def buffered(self) -> int:
        """Bytes of a frame that has begun and not ended: at end of file, a truncated frame."""
        return len(self._buffer)
