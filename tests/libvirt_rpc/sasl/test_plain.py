"""PLAIN: the password in the clear, and only where nobody else reads it."""

from __future__ import annotations

import pytest

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl.mechanism import Channel
from libvirt_rpc.sasl.plain import Plain

GOOD = Credentials("exporter", "s3cret ü", "ignored")


def test_the_message_is_that_of_rfc_4616() -> None:
    mechanism = Plain(GOOD, Channel(host="hv", secure=True))
    before = mechanism.done
    assert mechanism.first() == "\0exporter\0s3cret ü".encode()
    assert (before, mechanism.done) == (False, True)
    assert mechanism.layer is None


def test_no_password_goes_over_a_connection_that_others_can_read() -> None:
    with pytest.raises(
        AuthenticationFailed, match=r"for all to read: use \+tls, or let the daemon"
    ):
        Plain(GOOD, Channel(host="hv", secure=False))


def test_a_daemon_that_wants_more_is_not_given_more() -> None:
    mechanism = Plain(GOOD, Channel(host="hv", secure=True))
    mechanism.first()
    mechanism.step(b"")
    with pytest.raises(AuthenticationFailed, match="it asks for more than the password"):
        mechanism.step(b"and your PIN?")
