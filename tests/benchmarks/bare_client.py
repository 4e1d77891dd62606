"""The floor of a scrape: the same calls with the same pipelining, the replies thrown away unread."""

import socket
import struct
import time
from collections.abc import Sequence

from libvirt_rpc.protocol.framing import Frame

HEADER = struct.Struct(">IIIiIII")


class BareClient:
    """Blocking, on a unix socket; it looks at a reply's length and serial and at nothing else."""

    def __init__(self, path: str, handshake: Sequence[Frame]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._serial = 0
        for frame in handshake:
            self._send(frame)
            self._receive()

    def close(self) -> None:
        self._socket.close()

    def _send(self, frame: Frame) -> None:
        self._serial += 1
        length = HEADER.size + len(frame.payload)
        header = HEADER.pack(length, frame.program, 1, frame.procedure, 0, self._serial, 0)
        self._socket.sendall(header + frame.payload)

    def _receive(self) -> None:
        (left,) = struct.unpack(">I", self._exactly(4))
        left -= 4
        while left:
            left -= len(self._socket.recv(min(left, 65536)))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._socket.recv(size - len(data))
        return data

    def scrape(self, listing: Frame, chunks: Sequence[Frame], in_flight: int) -> float:
        """Seconds for the list and then the chunks, at most `in_flight` of them at once."""
        started = time.perf_counter()
        self._send(listing)
        self._receive()
        waiting = 0
        for chunk in chunks:
            if waiting == in_flight:
                self._receive()
                waiting -= 1
            self._send(chunk)
            waiting += 1
        for _ in range(waiting):
            self._receive()
        return time.perf_counter() - started
