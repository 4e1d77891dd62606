"""The words for what goes wrong with TLS: reason and advice, made from facts. Pure but for the clock."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from libvirt_rpc.transports.pki import Files, TLSCredentials
from libvirt_rpc.transports.tcp import NO_ANSWER
from libvirt_rpc.transports.x509 import Certificate

__all__ = ["OTHER_NAME", "BadCertificate", "explain_handshake", "explain_refusal"]

Explanation = tuple[str, str]

_WRONG_PORT = "is this the port for TLS, 16514 by default? The one without, 16509, takes +tcp"
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE"})


def explain_handshake(exc: Exception) -> Explanation:
    """What every failure but a bad certificate means."""
    match exc:
        case ssl.SSLError():
            return _explain_ssl(exc)
        case TimeoutError():
            advice = "is the daemon hung, or has it as many clients as it takes (max_clients)?"
            return f"{NO_ANSWER} to the TLS handshake", advice
        case OSError():
            return "the peer closed the connection during the TLS handshake", _WRONG_PORT
        case _:
            return f"the host's name fits no certificate: {exc}", ""


def _explain_ssl(exc: ssl.SSLError) -> Explanation:
    words = (exc.reason or str(exc)).lower().replace("_", " ")
    if exc.reason in _NOT_TLS:
        return "the peer does not speak TLS", _WRONG_PORT
    if "alert" in words:
        return f"the peer refused the TLS handshake ({words})", ""
    return f"the TLS handshake failed ({words})", ""


# The server's certificate


@dataclass(frozen=True, slots=True)
class BadCertificate:
    """A server's certificate that did not pass: OpenSSL's verdict, and what could be seen of it."""

    code: int
    message: str
    host: str
    files: Files
    names: tuple[str, ...]
    certificate: Certificate | None

    def explain(self) -> Explanation:
        explanation = _EXPLANATIONS.get(self.code)
        if explanation is None:
            return f"the server's certificate cannot be trusted: {self.message}", ""
        return explanation(self)


def _expired(bad: BadCertificate) -> Explanation:
    if bad.certificate is not None and bad.certificate.not_after >= time.time():
        # The server's own is good, so it is one above it.
        return "a CA's certificate has expired", f"renew it, and put it into {bad.files.authority}"
    when = f" on {_date(bad.certificate.not_after)}" if bad.certificate else ""
    return f"the server's certificate expired{when}", "renew it on the server"


def _not_yet_valid(bad: BadCertificate) -> Explanation:
    when = f"before {_date(bad.certificate.not_before)}" if bad.certificate else "yet"
    return f"the server's certificate is not valid {when}", "are both machines' clocks right?"


def _other_name(bad: BadCertificate) -> Explanation:
    has = f"it is for {', '.join(bad.names)}" if bad.names else "it has other names"
    return (
        f"the server's certificate is not for {bad.host}: {has}",
        "write one of its names into the URI, or give the server a certificate for this one",
    )


def _unknown_authority(bad: BadCertificate) -> Explanation:
    advice = "put its CA's certificate there, or name the folder that has it with pkipath="
    if bad.certificate is not None and bad.certificate.is_self_signed:
        authority = bad.files.authority
        return f"the server's certificate is self-signed, and not in {authority}", advice
    return f"the server's certificate is from a CA that is not in {bad.files.authority}", advice


def _revoked(bad: BadCertificate) -> Explanation:
    return f"the server's certificate is revoked by {bad.files.revocations}", ""


def _no_list(bad: BadCertificate) -> Explanation:
    return (
        f"{bad.files.revocations} has no list of the CA that the server's certificate is from",
        "put that CA's list there, or remove the file",
    )


def _old_list(bad: BadCertificate) -> Explanation:
    return f"the revocation list {bad.files.revocations} is out of date", "put a new one there"


OTHER_NAME = frozenset({62, 64})
"""OpenSSL's verdicts on a certificate for another host or IP address."""

# By X509_V_ERR_*.
_EXPLANATIONS: dict[int, Callable[[BadCertificate], Explanation]] = {
    2: _unknown_authority,
    3: _no_list,
    9: _not_yet_valid,
    10: _expired,
    12: _old_list,
    18: _unknown_authority,
    19: _unknown_authority,
    20: _unknown_authority,
    21: _unknown_authority,
    23: _revoked,
    **dict.fromkeys(OTHER_NAME, _other_name),
}


# Our own certificate


def explain_refusal(credentials: TLSCredentials) -> str:
    """The daemon only closes the connection; what we know of our own side narrows it down."""
    path, own = credentials.files.certificate, credentials.own
    if path is None:
        notes = "; ".join(credentials.files.notes)
        return (
            "the daemon closed the connection after the TLS handshake, and we have no client "
            f"certificate to show it: {notes} (put a certificate and its key there, or name their "
            "folder with pkipath=)"
        )
    return f"the daemon refused our certificate {path}{_fault(own, credentials)}"


def _fault(own: Certificate | None, credentials: TLSCredentials) -> str:
    if own is not None and own.not_after < time.time():
        return f", which expired on {_date(own.not_after)} (renew it)"
    if own is not None and own.not_before > time.time():
        when = _date(own.not_before)
        return f", which is not valid before {when} (are both machines' clocks right?)"
    hint = ""
    if own is not None and own.issuer not in {ca.subject for ca in credentials.authorities}:
        hint = f", whose issuer is not in {credentials.files.authority}"
    return (
        f"{hint} (is it from the CA of the daemon's ca_file, and is its name, which virt-pki-query-dn "
        "prints, in libvirtd.conf's tls_allowed_dn_list?)"
    )


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
