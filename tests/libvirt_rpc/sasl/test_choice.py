"""Which mechanism is taken, and why none is."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl.choice import MECHANISMS, choose, parse_mechanisms
from libvirt_rpc.sasl.mechanism import Channel

SECURE, OPEN = Channel(host="hv", secure=True), Channel(host="hv", secure=False)


def with_password() -> Credentials:
    return Credentials("exporter", "s3cret")


def without_password() -> Credentials:
    raise AuthenticationFailed("there are none")


@pytest.fixture(autouse=True)
def no_kerberos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)


@pytest.mark.parametrize(
    ("offered", "channel", "taken"),
    [
        ("PLAIN,DIGEST-MD5,SCRAM-SHA-1,SCRAM-SHA-256,SCRAM-SHA-512", SECURE, "SCRAM-SHA-512"),
        ("SCRAM-SHA-1,SCRAM-SHA-256", SECURE, "SCRAM-SHA-256"),
        ("PLAIN,DIGEST-MD5,SCRAM-SHA-1", SECURE, "SCRAM-SHA-1"),
        ("PLAIN,DIGEST-MD5", SECURE, "DIGEST-MD5"),
        ("PLAIN,LOGIN", SECURE, "PLAIN"),
        ("GSSAPI,PLAIN", SECURE, "PLAIN"),
        ("SCRAM-SHA-512,PLAIN,DIGEST-MD5", OPEN, "DIGEST-MD5"),
        ("SCRAM-SHA-384,SCRAM-SHA-224,SCRAM-SHA-1", SECURE, "SCRAM-SHA-1"),
    ],
)
def test_the_strongest_that_can_be_done_is_taken(
    offered: str, channel: Channel, taken: str
) -> None:
    choice = choose(parse_mechanisms(offered), with_password, channel)
    assert choice.mechanism.name == taken
    assert (choice.first is None) is (taken == "DIGEST-MD5")


@pytest.mark.parametrize("name", [name for name in MECHANISMS if name != "GSSAPI"])
def test_the_one_that_is_insisted_on_is_taken(name: str) -> None:
    offered = tuple(MECHANISMS)
    assert choose(offered, with_password, SECURE, name).mechanism.name == name
    assert choose(offered, with_password, SECURE, name.lower()).mechanism.name == name


def reason(*args: object) -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        choose(*args)  # type: ignore[arg-type]  # the tests below pass what `choose` takes
    return caught.value.reason


def test_an_insistence_that_cannot_be_met_says_so_without_repeating_the_uri() -> None:
    text = reason(("SCRAM-SHA-1", "PLAIN"), with_password, SECURE, "s3cret")
    assert text.endswith("URI's auth= asks for: it offers SCRAM-SHA-1, PLAIN")
    assert "s3cret" not in text.lower()
    text = reason(("LOGIN",), with_password, SECURE, "login")
    assert text.endswith("cannot be used: LOGIN: this client does not do that")
    text = reason(("PLAIN", "DIGEST-MD5"), with_password, OPEN, "plain")
    assert "PLAIN would send the password over this connection for all to read" in text


def test_each_mechanism_that_is_out_has_its_reason_and_equal_reasons_stand_once() -> None:
    offered = ("GSSAPI", "SCRAM-SHA-512", "SCRAM-SHA-1", "NTLM")
    text = reason(offered, without_password, SECURE)
    assert "GSSAPI: GSSAPI needs the extra `kerberos`" in text
    assert "SCRAM-SHA-512, SCRAM-SHA-1: there are none" in text
    assert "NTLM: this client does not do that" in text
    assert "PLAIN: PLAIN would send" in reason(("PLAIN",), with_password, OPEN)


def test_credentials_are_looked_for_only_where_a_mechanism_needs_them() -> None:
    def never() -> Credentials:
        raise AssertionError("nobody needs them")

    assert "kerberos" in reason(("GSSAPI",), never, SECURE)


def test_a_daemon_that_offers_nothing_is_misconfigured() -> None:
    assert "offers no mechanism: check mech_list" in reason((), with_password, OPEN)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SCRAM-SHA-256,DIGEST-MD5", ("SCRAM-SHA-256", "DIGEST-MD5")),
        ("SCRAM-SHA-256, DIGEST-MD5 PLAIN", ("SCRAM-SHA-256", "DIGEST-MD5", "PLAIN")),
        ("", ()),
        (",,", ()),
        ("<b>,PLAIN,not-this,ABCDEFGHIJKLMNOPQRSTU", ("PLAIN",)),
    ],
)
def test_only_names_of_mechanisms_are_read_from_the_list(text: str, names: tuple[str, ...]) -> None:
    assert parse_mechanisms(text) == names


@given(st.text(max_size=60))
def test_whatever_a_daemon_lists_it_is_harmless(text: str) -> None:
    for name in parse_mechanisms(text):
        assert name.isascii()
        assert name.isprintable()
        assert len(name) <= 20
