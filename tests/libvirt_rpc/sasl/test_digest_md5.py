"""DIGEST-MD5: the RFC's examples, a server of the test's own, the layer, and nonsense."""

from __future__ import annotations

import hashlib
import re
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed, DecodeError
from libvirt_rpc.sasl import digest_md5
from libvirt_rpc.sasl.digest_md5 import Challenge, Digest, DigestMD5, auth_conf_layer
from libvirt_rpc.sasl.mechanism import Channel
from tests.support.sasl import digest_md5_server_layer

SECURE, OPEN = Channel(host="hv", secure=True), Channel(host="hv", secure=False)
GOOD = Credentials("exporter-1", "s3cret-1")
CHALLENGE = (
    b'nonce="abc",realm="vm",qop="auth,auth-int,auth-conf",cipher="3des,rc4-40,rc4,rc4-56",'
    b"maxbuf=65536,charset=utf-8,algorithm=md5-sess"
)


@pytest.mark.parametrize(
    ("service", "nonce", "cnonce", "response", "rspauth"),
    [  # RFC 2831, 4
        (
            "imap",
            "OA6MG9tEQGm2hh",
            "OA6MHXh6VqTrRk",
            "d388dad90d4bbd760a152321f2143af7",
            "ea40f60335c427b5527b84dbabcdfffd",
        ),
        (
            "acap",
            "OA9BSXrbuRhWay",
            "OA9BSuZWMSpW8m",
            "6084c6db3fede7352c551284490fd0fc",
            "2f0b3d7c3c2e486600ef710726aa2eae",
        ),
    ],
)
def test_the_proofs_are_those_of_the_rfc(
    service: str, nonce: str, cnonce: str, response: str, rspauth: str
) -> None:
    secret = hashlib.md5(b"chris:elwood.innosoft.com:secret").digest()
    session_key = hashlib.md5(secret + f":{nonce}:{cnonce}".encode()).digest()
    digest = Digest(session_key, nonce, cnonce, "auth", f"{service}/elwood.innosoft.com")
    assert digest.of("AUTHENTICATE") == response
    assert digest.of("") == rspauth


def fields_of(response: bytes) -> dict[str, str]:
    found = re.findall(r'([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^,"]*))', response.decode())
    return {name: quoted or token for name, quoted, token in found}


def session_key_of(username: bytes, realm: bytes, password: bytes, cnonce: str) -> bytes:
    secret = hashlib.md5(b":".join((username, realm, password))).digest()
    return hashlib.md5(secret + f":abc:{cnonce}".encode()).digest()


def test_a_secure_channel_gets_qop_auth_and_no_layer() -> None:
    mechanism = DigestMD5(GOOD, SECURE)
    assert mechanism.first() is None
    fields = fields_of(mechanism.step(CHALLENGE))
    digest = Digest(
        session_key_of(b"exporter-1", b"vm", b"s3cret-1", fields["cnonce"]),
        "abc",
        fields["cnonce"],
        "auth",
        "libvirt/hv",
    )
    assert fields == {
        "username": "exporter-1",
        "realm": "vm",
        "nonce": "abc",
        "cnonce": fields["cnonce"],
        "nc": "00000001",
        "qop": "auth",
        "digest-uri": "libvirt/hv",
        "response": digest.of("AUTHENTICATE"),
        "charset": "utf-8",
    }
    before = mechanism.done
    assert mechanism.step(b"rspauth=" + digest.of("").encode()) == b""
    assert (before, mechanism.done) == (False, True)
    assert mechanism.layer is None


def test_an_open_channel_gets_the_strongest_cipher_and_a_layer() -> None:
    mechanism = DigestMD5(GOOD, OPEN)
    fields = fields_of(mechanism.step(CHALLENGE))
    assert (fields["qop"], fields["cipher"], fields["maxbuf"]) == ("auth-conf", "rc4", "65536")
    assert mechanism.layer is not None
    weaker = DigestMD5(GOOD, OPEN)
    assert fields_of(weaker.step(CHALLENGE.replace(b"rc4,", b"")))["cipher"] == "rc4-56"


@pytest.mark.parametrize("proof", [b"", b"rspauth=", b"rspauth=" + b"0" * 32, b"\xff"])
def test_a_server_that_does_not_know_the_password_is_not_believed(proof: bytes) -> None:
    mechanism = DigestMD5(GOOD, SECURE)
    mechanism.step(CHALLENGE)
    with pytest.raises(AuthenticationFailed, match="did not prove by DIGEST-MD5"):
        mechanism.step(proof)
    assert not mechanism.done


def test_each_exchange_has_a_nonce_of_its_own() -> None:
    nonces = {fields_of(DigestMD5(GOOD, SECURE).step(CHALLENGE))["cnonce"] for _ in range(20)}
    assert len(nonces) == 20


@pytest.mark.parametrize(
    ("credentials", "challenge", "realm"),
    [
        (Credentials("a", "b"), CHALLENGE, "vm"),
        (Credentials("a", "b", "mine"), CHALLENGE, "mine"),
        (Credentials("a", "b", ""), CHALLENGE, ""),
        (Credentials("a", "b"), CHALLENGE + b',realm="second"', "vm"),
        (Credentials("a", "b"), CHALLENGE.replace(b'realm="vm",', b""), ""),
        (Credentials("a", "b"), CHALLENGE.replace(b'"vm"', rb'"a \"v\\m"'), r"a \"v\\m"),
    ],
)
def test_the_realm_is_the_credentials_or_the_first_offered(
    credentials: Credentials, challenge: bytes, realm: str
) -> None:
    assert fields_of(DigestMD5(credentials, SECURE).step(challenge))["realm"] == realm


@pytest.mark.parametrize(
    ("username", "password", "hashed"),
    [
        ("a", "größe", ("a", "größe".encode("latin-1"))),
        ("größe", "b", ("größe", b"b")),
        ("a", "λ", ("a", "λ".encode())),
    ],
)
def test_what_fits_latin_1_is_hashed_in_latin_1_even_where_the_rest_is_utf_8(
    username: str, password: str, hashed: tuple[str, bytes]
) -> None:
    mechanism = DigestMD5(Credentials(username, password), SECURE)
    fields = fields_of(mechanism.step(CHALLENGE))
    assert fields["username"] == username
    key = session_key_of(username.encode("latin-1"), b"vm", hashed[1], fields["cnonce"])
    digest = Digest(key, "abc", fields["cnonce"], "auth", "libvirt/hv")
    assert fields["response"] == digest.of("AUTHENTICATE")


def test_a_daemon_without_utf_8_gets_latin_1_or_a_refusal() -> None:
    challenge = CHALLENGE.replace(b"charset=utf-8,", b"")
    response = DigestMD5(Credentials("größe", "b"), SECURE).step(challenge)
    assert 'username="größe"'.encode("latin-1") in response
    assert b"charset" not in response
    for credentials in (Credentials("λ", "b"), Credentials("a", "λ")):
        with pytest.raises(AuthenticationFailed, match="takes latin-1 alone") as caught:
            DigestMD5(credentials, SECURE).step(challenge)
        assert "λ" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        (b"", "it has no nonce"),
        (b'realm="vm"', "it has no nonce"),
        (CHALLENGE.replace(b"md5-sess", b"md5"), "another algorithm than md5-sess"),
        (CHALLENGE + b',nonce="again"', "it has more than one nonce"),
        (CHALLENGE.replace(b"65536", b"16"), "its maxbuf is out of range"),
        (CHALLENGE.replace(b"65536", b"99999999"), "its maxbuf is out of range"),
        (CHALLENGE.replace(b"65536", b"-1"), "its maxbuf is out of range"),
        (CHALLENGE.replace(b'"vm"', b'"\xff"'), "its realm is not UTF-8"),
        (CHALLENGE + b",x", "no list of name=value"),
        (CHALLENGE + b',x="y', "no list of name=value"),
    ],
)
def test_a_challenge_that_breaks_the_rules_is_refused(challenge: bytes, reason: str) -> None:
    with pytest.raises(AuthenticationFailed, match=f"not understood: .*{reason}"):
        DigestMD5(GOOD, SECURE).step(challenge)


def test_a_challenge_without_what_the_channel_needs_is_refused() -> None:
    with pytest.raises(AuthenticationFailed, match="does not offer qop=auth-conf"):
        DigestMD5(GOOD, OPEN).step(CHALLENGE.replace(b",auth-conf", b""))
    with pytest.raises(AuthenticationFailed, match=r"does not offer qop=auth$"):
        DigestMD5(GOOD, SECURE).step(CHALLENGE.replace(b'"auth,', b'"'))
    with pytest.raises(AuthenticationFailed, match=r"no cipher that this client has \(rc4, rc4-56"):
        DigestMD5(GOOD, OPEN).step(re.sub(rb"cipher=\"[^\"]*\"", b'cipher="3des"', CHALLENGE))


@given(st.binary(max_size=100) | st.text('nonce="abc",\\ =md5-sealgorith').map(str.encode))
def test_any_challenge_is_understood_or_refused(challenge: bytes) -> None:
    try:
        parsed = Challenge.parse(challenge)
    except AuthenticationFailed:
        return
    assert parsed.maxbuf > 16


# The layer

KEY = bytes(range(16))


@pytest.mark.parametrize("key_size", digest_md5.CIPHERS.values())
@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(17, 200), st.integers(1, 50))
def test_any_bytes_cross_the_layer_in_both_directions(
    key_size: int, portions: list[bytes], maxbuf: int, cut: int
) -> None:
    client = auth_conf_layer(KEY, key_size, maxbuf)
    server = digest_md5_server_layer(KEY, key_size)
    for data in portions:
        wire = client.encode(data)
        pieces = [wire[start : start + cut] for start in range(0, len(wire), cut)]
        assert b"".join([server.decode(piece) for piece in pieces]) == data
        assert client.decode(server.encode(data)) == data


def test_a_packet_has_the_size_and_the_trailer_of_the_rfc() -> None:
    client = auth_conf_layer(KEY, 16, 65536)
    for number in range(3):
        wire = client.encode(bytes(28))
        assert wire[:4] == (44).to_bytes(4)
        assert wire[-6:] == b"\0\1" + number.to_bytes(4)
    # What the daemon takes of one packet is not exceeded.
    small = auth_conf_layer(KEY, 16, 40).encode(bytes(100))
    assert small[:4] == (40).to_bytes(4)


@pytest.mark.parametrize("position", [4, 10, -17, -7, -6, -1])
def test_a_packet_that_was_changed_on_its_way_is_refused(position: int) -> None:
    wire = bytearray(digest_md5_server_layer(KEY, 16).encode(b"hello, world"))
    wire[position] ^= 1
    with pytest.raises(DecodeError, match="wrapped packet of DIGEST-MD5"):
        auth_conf_layer(KEY, 16, 65536).decode(bytes(wire))


def test_packets_come_once_and_in_order() -> None:
    server = digest_md5_server_layer(KEY, 16)
    first, second = server.encode(b"first"), server.encode(b"second")
    with pytest.raises(DecodeError, match="not the next number"):
        auth_conf_layer(KEY, 16, 65536).decode(second)
    client = auth_conf_layer(KEY, 16, 65536)
    client.decode(first)
    with pytest.raises(DecodeError, match="not the next number"):
        client.decode(first)
    with pytest.raises(DecodeError, match="no trailer"):
        auth_conf_layer(KEY, 16, 65536).decode(b"\0\0\0\3abc")
