"""RC4 against published vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.sasl.rc4 import RC4


@pytest.mark.parametrize(
    ("key", "plain", "sealed"),
    [
        # RFC 6229: the key stream's beginning is what zeros become.
        (bytes.fromhex("0102030405"), bytes(16), "b2396305f03dc027ccc3524a0a1118a8"),
        (bytes.fromhex("01020304050607"), bytes(16), "293f02d47f37c9b633f2af5285feb46b"),
        (bytes(range(1, 17)), bytes(16), "9ac7cc9a609d1ef7b2932899cde41b97"),
        (b"Key", b"Plaintext", "bbf316e8d940af0ad3"),
    ],
)
def test_the_cipher_is_rc4(key: bytes, plain: bytes, sealed: str) -> None:
    assert RC4(key).process(plain).hex() == sealed


@given(st.binary(min_size=1, max_size=32), st.lists(st.binary(max_size=40), max_size=5))
def test_any_portions_are_one_stream(key: bytes, portions: list[bytes]) -> None:
    whole = RC4(key).process(b"".join(portions))
    cipher = RC4(key)
    assert b"".join([cipher.process(portion) for portion in portions]) == whole
    assert RC4(key).process(whole) == b"".join(portions)
