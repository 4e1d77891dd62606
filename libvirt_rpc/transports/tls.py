"""TLS as libvirt's own client does it: its certificate folders, its checks, the daemon's one byte.

After the handshake the daemon looks at the client's certificate and sends one byte, 1, before anything
else; where it does not like the certificate it closes the connection instead. TLS 1.2 at least. The
host's name goes out as SNI (libvirt's client sends none and the daemon does not look at it).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import Attempt, AuthenticationFailed, ConnectFailed, InvalidURI
from libvirt_rpc.session import Session
from libvirt_rpc.transports.pki import TLSCredentials, find, folders, load
from libvirt_rpc.transports.tcp import open_socket, render_address
from libvirt_rpc.transports.tls_failures import (
    OTHER_NAME,
    BadCertificate,
    explain_handshake,
    explain_refusal,
)
from libvirt_rpc.transports.x509 import Certificate, parse_certificate
from libvirt_rpc.uri import ConnectionURI

__all__ = ["Priority", "connect_tls", "parse_priority"]

_CONFIRMED = 1


async def connect_tls(
    uri: ConnectionURI,
    factory: Callable[[], Session],
    deadline: Deadline,
    *,
    priority: str | None = None,
    warn: Callable[[str], None],
) -> Session:
    """Connects, and waits until the daemon has accepted our certificate.

    `priority` is libvirt.conf's tls_priority, for a URI without one. Raises InvalidURI, ConnectFailed,
    and AuthenticationFailed where the daemon refuses the certificate, or its absence.
    """
    assert uri.host is not None
    places = folders(uri.parameters.pkipath, uid=os.geteuid(), environ=os.environ)
    credentials = load(uri.redacted, find(uri.redacted, places))
    _configure(credentials.context, uri, priority, warn)
    name = uri.host.partition("%")[0]  # a link-local address's interface is in no certificate
    sock = await open_socket(uri, deadline)
    address = render_address(sock.getpeername())
    session = factory()
    confirmation = _Confirmation(session)
    try:
        async with asyncio.timeout(deadline.remaining()):
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: confirmation, sock=sock, ssl=credentials.context, server_hostname=name
            )
    except (OSError, ValueError, TimeoutError) as exc:
        sock.close()
        reason, advice = await _handshake_failure(exc, uri, credentials, name, deadline)
        raise ConnectFailed(uri.redacted, (Attempt(address, reason),), advice) from exc
    try:
        await _confirmed(confirmation, uri.redacted, address, credentials, deadline)
    except BaseException:
        transport.abort()
        raise
    session.certificates = _expiries(credentials, transport.get_extra_info("ssl_object"))
    return session


async def _confirmed(
    confirmation: _Confirmation,
    target: str,
    address: str,
    credentials: TLSCredentials,
    deadline: Deadline,
) -> None:
    try:
        async with asyncio.timeout(deadline.remaining()):
            await confirmation.done
    except TimeoutError as exc:
        attempt = Attempt(address, "no confirmation in time, after a TLS handshake that went well")
        raise ConnectFailed(target, (attempt,)) from exc
    except _NotConfirmed as exc:
        raise AuthenticationFailed(explain_refusal(credentials), ("certificate",)) from exc
    except _NotLibvirt as exc:
        attempt = Attempt(address, "it speaks TLS, but its first byte is not that of libvirt")
        raise ConnectFailed(target, (attempt,), "is this the daemon's port?") from exc


class _NotConfirmed(Exception):
    pass


class _NotLibvirt(Exception):
    pass


class _Confirmation(asyncio.Protocol):
    """Takes the daemon's first byte and gives the connection, with all that follows, to the session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self.done.done():  # nobody waits any more
            return
        if data[0] != _CONFIRMED:
            self.done.set_exception(_NotLibvirt())
            return
        self._transport.set_protocol(self._session)
        self._session.connection_made(self._transport)
        if len(data) > 1:
            self._session.data_received(data[1:])
        self.done.set_result(None)

    def eof_received(self) -> None:
        self._refused(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refused(exc)

    def _refused(self, cause: Exception | None) -> None:
        if not self.done.done():
            error = _NotConfirmed()
            error.__cause__ = cause
            self.done.set_exception(error)


# Settings


def _configure(
    context: ssl.SSLContext,
    uri: ConnectionURI,
    priority: str | None,
    warn: Callable[[str], None],
) -> None:
    if uri.parameters.no_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        warn("no_verify=1: anybody on the way can pass for this daemon, and read what it sends")
    text = uri.parameters.tls_priority or priority or "NORMAL"
    chosen = parse_priority(text)
    if chosen is None:
        raise InvalidURI(
            uri.redacted,
            f"tls_priority {text!r} allows neither TLS 1.2 nor TLS 1.3, and nothing older is spoken here",
        )
    context.minimum_version, context.maximum_version = chosen.minimum, chosen.maximum
    if chosen.ignored:
        warn(
            "tls_priority is in GnuTLS's words and OpenSSL is used here: "
            f"{':'.join(chosen.ignored)} is passed over; what counts is NORMAL and the versions "
            "(NORMAL:-VERS-ALL:+VERS-TLS1.3)"
        )


@dataclass(frozen=True, slots=True)
class Priority:
    """What of a GnuTLS priority string can be said to OpenSSL, and the rest."""

    minimum: ssl.TLSVersion
    maximum: ssl.TLSVersion
    ignored: tuple[str, ...]


_VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}
_OLDER = frozenset({"SSL3.0", "TLS1.0", "TLS1.1"})
_EVERY = frozenset({"ALL", "TLS-ALL"})

# What OpenSSL's own choice of ciphers comes up to. @NAME is a keyword of the system's own policy.
_ORDINARY = frozenset({"", "NORMAL", "PERFORMANCE", "PFS", "SECURE128", "SYSTEM"})


def parse_priority(text: str) -> Priority | None:
    """None where neither TLS 1.2 nor TLS 1.3 is left."""
    base, *modifiers = text.split(":")
    ignored = [
        keyword
        for keyword in base.split(",")
        if keyword not in _ORDINARY and not keyword.startswith("@") and keyword != "NONE"
    ]
    allowed = set() if base == "NONE" else set(_VERSIONS)
    for modifier in modifiers:
        sign, kind, version = modifier[:1], modifier[1:6], modifier[6:]
        if kind != "VERS-" or sign not in {"+", "-", "!"} or not _is_version(version):
            ignored.append(modifier)
            continue
        named = set(_VERSIONS) if version in _EVERY else {version} & set(_VERSIONS)
        allowed = allowed | named if sign == "+" else allowed - named
    if not allowed:
        return None
    versions = [_VERSIONS[version] for version in allowed]
    return Priority(min(versions), max(versions), tuple(ignored))


def _is_version(text: str) -> bool:
    return text in _VERSIONS or text in _OLDER or text in _EVERY


# Failures


async def _handshake_failure(
    exc: Exception,
    uri: ConnectionURI,
    credentials: TLSCredentials,
    name: str,
    deadline: Deadline,
) -> tuple[str, str]:
    """Reason and advice."""
    if not isinstance(exc, ssl.SSLCertVerificationError):
        return explain_handshake(exc)
    names, certificate = await _look(uri, credentials, name, exc.verify_code, deadline)
    bad = BadCertificate(
        exc.verify_code, exc.verify_message, name, credentials.files, names, certificate
    )
    return bad.explain()


async def _look(
    uri: ConnectionURI,
    credentials: TLSCredentials,
    name: str,
    code: int,
    deadline: Deadline,
) -> tuple[tuple[str, ...], Certificate | None]:
    """Shakes hands again without the check that failed, to say what is in the certificate.

    A handshake that failed leaves none behind. Nothing is sent but the handshake, and the connection is
    dropped after it. Names come from certificates of a known CA alone.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if code in OTHER_NAME:
        context.load_verify_locations(cafile=credentials.files.authority)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    else:
        context.verify_mode = ssl.CERT_NONE
    try:
        sock = await open_socket(uri, deadline)
        try:
            async with asyncio.timeout(deadline.remaining()):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    asyncio.Protocol, sock=sock, ssl=context, server_hostname=name
                )
        except BaseException:
            sock.close()
            raise
    except (OSError, TimeoutError, ConnectFailed):
        return (), None
    connection: ssl.SSLObject = transport.get_extra_info("ssl_object")
    seen = _names(connection.getpeercert() or {}), _peer(connection)
    transport.abort()
    return seen


def _names(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that count: the alternative ones, the common one where there are none."""
    alternative = tuple(value for _, value in certificate.get("subjectAltName", ()))
    common = (
        value
        for parts in certificate.get("subject", ())
        for key, value in parts
        if key == "commonName"
    )
    return alternative or tuple(common)


def _peer(connection: ssl.SSLObject) -> Certificate | None:
    der = connection.getpeercert(binary_form=True)
    try:
        return None if der is None else parse_certificate(der)
    except ValueError:
        return None


# Expiry


def _expiries(credentials: TLSCredentials, connection: ssl.SSLObject) -> Mapping[str, float]:
    """When the certificates in use expire, in seconds since the epoch.

    Of a CA file with several, that of the server's issuer counts; where none of them is (the server
    sent an intermediate certificate), the one that expires first.
    """
    expiries = {}
    server = _peer(connection)
    if server is not None:
        expiries["server"] = server.not_after
    if credentials.own is not None:
        expiries["client"] = credentials.own.not_after
    issuers = [
        ca.not_after
        for ca in credentials.authorities
        if server is not None and ca.subject == server.issuer
    ]
    # A CA that was renewed with its key may stand there twice.
    expiries["ca"] = (
        max(issuers) if issuers else min(ca.not_after for ca in credentials.authorities)
    )
    return MappingProxyType(expiries)
