"""How a security layer cuts its stream: a length word, then so many wrapped bytes (RFC 4422, 3.7)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from libvirt_rpc.errors import DecodeError

_LENGTH = struct.Struct(">I")


class Packets:
    """Unwrapped bytes in portions of at most `chunk_size` out, wrapped packets of any cut in.

    `unwrap` raises DecodeError; a packet longer than `wrapped_max` is refused before it is gathered.
    """

    def __init__(
        self,
        wrap: Callable[[bytes], bytes],
        unwrap: Callable[[bytes], bytes],
        *,
        chunk_size: int,
        wrapped_max: int,
    ) -> None:
        self._wrap = wrap
        self._unwrap = unwrap
        self._chunk_size = chunk_size
        self._wrapped_max = wrapped_max
        self._buffer = bytearray()

    def encode(self, data: bytes) -> bytes:
        packets = bytearray()
        for start in range(0, len(data), self._chunk_size):
            wrapped = self._wrap(data[start : start + self._chunk_size])
            packets += _LENGTH.pack(len(wrapped)) + wrapped
        return bytes(packets)

    def decode(self, data: bytes) -> bytes:
        self._buffer += data
        plain = bytearray()
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._wrapped_max:
                raise DecodeError(
                    f"a wrapped packet of {length} bytes is announced, "
                    f"{self._wrapped_max} are allowed"
                )
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            plain += self._unwrap(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
        return bytes(plain)
