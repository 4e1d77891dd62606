"""SCRAM against a server of the same package, against the RFCs' examples, and against nonsense."""

from __future__ import annotations

import traceback

import pytest
import scramp  # type: ignore[import-untyped]  # it has no types
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl.mechanism import Channel
from libvirt_rpc.sasl.scram import ITERATIONS_MAX, NAMES, Scram

SECURE = Channel(host="hv", secure=True)
GOOD = Credentials("exporter-1", "s3cret-1")


def converse(name: str, known: Credentials, used: Credentials) -> Scram:
    """The whole exchange of a client with `used` and a server that knows `known`."""
    server_side = scramp.ScramMechanism(name)
    stored = server_side.make_auth_info(known.password, iteration_count=4096)
    server = server_side.make_server(lambda _: stored)
    client = Scram(name, used, SECURE)
    server.set_client_first(client.first().decode())
    answer = client.step(server.get_server_first().encode())
    assert answer is not None
    assert not client.done
    server.set_client_final(answer.decode())
    assert client.step(server.get_server_final().encode()) is None
    return client


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20))
def test_any_name_and_password_get_in_where_the_server_knows_them(name: str, text: str) -> None:
    credentials = Credentials(text, text)
    client = converse(name, credentials, credentials)
    assert client.done
    assert client.layer is None


@pytest.mark.parametrize("name", NAMES)
def test_another_password_gets_nobody_in(name: str) -> None:
    with pytest.raises(scramp.ScramException, match="keys don't match"):
        converse(name, GOOD, Credentials("exporter-1", "other"))


@pytest.mark.parametrize(
    ("name", "nonce", "server_first", "client_final", "server_final"),
    [
        (  # RFC 5802, 5
            "SCRAM-SHA-1",
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (  # RFC 7677, 3
            "SCRAM-SHA-256",
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            (
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            ),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
)
def test_the_messages_are_those_of_the_rfcs(
    name: str, nonce: str, server_first: str, client_final: str, server_final: str
) -> None:
    client = Scram(name, Credentials("user", "pencil"), SECURE, nonce=nonce)
    assert client.first() == f"n,,n=user,r={nonce}".encode()
    assert client.step(server_first.encode()) == client_final.encode()
    client.step(server_final.encode())
    assert client.done


def begun(nonce: str = "abc") -> Scram:
    client = Scram("SCRAM-SHA-256", GOOD, SECURE, nonce=nonce)
    client.first()
    return client


@pytest.mark.parametrize("final", [b"v=AAAA", b"e=invalid-proof", b"", b"\xff", b"v=!"])
def test_a_server_that_does_not_know_the_password_is_not_believed(final: bytes) -> None:
    client = begun()
    client.step(b"r=abcdef,s=QSXCR+Q6sek8bf92QSXCRQ==,i=4096")
    with pytest.raises(AuthenticationFailed, match="did not prove by SCRAM-SHA-256"):
        client.step(final)
    assert not client.done


@pytest.mark.parametrize(
    "challenge",
    [
        b"r=abd,s=QSXCR+Q6sek8bf92QSXCRQ==,i=4096",  # not our nonce
        b"r=abc,s=QSXCR+Q6sek8bf92QSXCRQ==,i=4096",  # nothing of its own in it
        b"r=abcdef,s=QSXCR+Q6sek8bf92QSXCRQ==,i=1",  # too few rounds
        b"e=unknown-user",
        b"",
        b"\xff\xfe",
    ],
)
def test_a_challenge_that_breaks_the_rules_is_refused(challenge: bytes) -> None:
    with pytest.raises(AuthenticationFailed, match="SCRAM-SHA-256 message is not understood"):
        begun().step(challenge)


def test_a_daemon_cannot_keep_this_side_busy() -> None:
    salt = "s=QSXCR+Q6sek8bf92QSXCRQ=="
    with pytest.raises(AuthenticationFailed, match="more than 1000000 iterations"):
        begun().step(f"r=abcdef,{salt},i={ITERATIONS_MAX + 1}".encode())


def test_characters_that_saslprep_forbids_are_said_to_be_that() -> None:
    for credentials in (Credentials("expo\x07rter", "x"), Credentials("x", "s3\x07cret")):
        with pytest.raises(AuthenticationFailed, match="SASLprep") as caught:
            Scram("SCRAM-SHA-1", credentials, SECURE)
        assert "\x07" not in "".join(traceback.format_exception(caught.value))


def test_scram_needs_a_channel_that_is_encrypted_already() -> None:
    with pytest.raises(AuthenticationFailed, match=r"which \+tcp needs: use \+tls"):
        Scram("SCRAM-SHA-512", GOOD, Channel(host="hv", secure=False))


@given(st.binary(max_size=80) | st.text("r=abcdef,s=QSXCR+Q6sek8bf92,i=4096").map(str.encode))
def test_any_challenge_is_answered_or_refused_without_a_word_of_secrets(challenge: bytes) -> None:
    try:
        begun("rsi").step(challenge)
    except AuthenticationFailed as exc:
        shown = "".join(traceback.format_exception(exc)) + repr(exc)
        assert "exporter-1" not in shown
        assert "s3cret-1" not in shown
