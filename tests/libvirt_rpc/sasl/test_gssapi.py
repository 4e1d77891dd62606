"""GSSAPI where Kerberos is not there. With a KDC and a daemon: the integration tests."""

from __future__ import annotations

import sys

import pytest

from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl.gssapi import GSSAPI
from libvirt_rpc.sasl.mechanism import Channel


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)  # as Python marks what cannot be imported
    with pytest.raises(AuthenticationFailed, match=r"pip install 'libvirt-exporter\[kerberos\]'"):
        GSSAPI(Channel(host="hv", secure=True))


@pytest.mark.parametrize("secure", [True, False])
def test_without_a_ticket_the_error_says_how_to_get_one(
    secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gssapi", reason="the extra `kerberos` is not installed")
    monkeypatch.setenv("KRB5CCNAME", "FILE:/dev/null/none")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", "FILE:/dev/null/none")
    monkeypatch.setenv("KRB5_CONFIG", "/dev/null")
    mechanism = GSSAPI(Channel(host="hv", secure=secure))
    with pytest.raises(AuthenticationFailed, match=r"Kerberos: .*run kinit, or name a keytab"):
        mechanism.first()
    assert mechanism.layer is None
    assert not mechanism.done
    assert "libvirt/hv" in mechanism.advice
