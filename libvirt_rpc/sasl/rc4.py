"""The RC4 cipher, which DIGEST-MD5's security layer uses. It is broken: nothing new may use it."""

from __future__ import annotations


class RC4:
    """One direction of a stream: each call goes on where the last one ended."""

    def __init__(self, key: bytes) -> None:
        state = list(range(256))
        j = 0
        for i in range(256):
            j = (j + state[i] + key[i % len(key)]) & 0xFF
            state[i], state[j] = state[j], state[i]
        self._state = state
        self._i = self._j = 0

    def process(self, data: bytes) -> bytes:
        """Encrypts or decrypts: the two are the same."""
        state, i, j = self._state, self._i, self._j
        stream = bytearray(len(data))
        for position in range(len(data)):
            i = (i + 1) & 0xFF
            a = state[i]
            j = (j + a) & 0xFF
            b = state[j]
            state[i], state[j] = b, a
            stream[position] = state[(a + b) & 0xFF]
        self._i, self._j = i, j
        mixed = int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")
        return mixed.to_bytes(len(data), "big")
