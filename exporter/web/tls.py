"""TLS of the server: a checked configuration -> contexts for handshakes, made anew when a file changes.

No handshake waits for anything but three calls of stat. What cannot be loaded is a ConfigError; nothing
is replaced then.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporter.config.problems import ConfigError
from exporter.web.changes import Changes
from exporter.web.web_config import CIPHER_SUITES, CURVES, TLSServerConfig, has_only_tls13

__all__ = ["ServerTLS"]

logger = logging.getLogger(__name__)

_SECTION = "tls_server_config"
_LARGEST_PEM_BYTES = 1 << 20

_CLIENT_AUTH = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class ServerTLS:
    """Raises ConfigError where certificate, key or authorities cannot be used."""

    def __init__(self, config: TLSServerConfig) -> None:
        self._config = config
        self._changes = Changes(config.files)
        self._context = _make_context(config)

    def context(self) -> ssl.SSLContext:
        """What the next handshake is done with; a changed file that cannot be used is logged once."""
        if self._changes.seen():
            try:
                self._context = _make_context(self._config)
            except ConfigError as exc:
                logger.error("the changed certificates are not used: %s", exc)  # noqa: TRY400
            else:
                logger.info("the changed certificates are used from now on")
        return self._context

    def is_allowed(self, connection: ssl.SSLObject) -> bool:
        """Whether the client that shook hands has one of the names that are asked for."""
        allowed = self._config.client_allowed_sans
        if allowed is None or self._context.verify_mode is ssl.CERT_NONE:
            return True
        certificate = connection.getpeercert()
        if certificate is None:
            return True  # as client_auth_type has it; the handshake asked for one where it must
        return any(name in allowed for name in _names(certificate))


def _names(certificate: dict[str, Any]) -> Iterator[str]:
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "IP Address":
            with contextlib.suppress(ValueError):
                yield str(ipaddress.ip_address(value.strip()))  # OpenSSL writes IPv6 at full length
        elif kind in {"DNS", "email", "URI"}:
            yield value


def _make_context(config: TLSServerConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.minimum_version, context.maximum_version = _versions(config)
    context.set_alpn_protocols(["http/1.1"])
    _choose_ciphers(context, config)
    if len(config.curve_preferences) == 1:
        context.set_ecdh_curve(CURVES[config.curve_preferences[0]])
    certificate = _content(config.cert_file, config.cert, "cert_file")
    key = _content(config.key_file, config.key, "key_file")
    _load_pair(context, certificate, key)
    _load_authorities(context, config)
    return context


def _versions(config: TLSServerConfig) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
    oldest = ssl.TLSVersion.TLSv1_2
    if config.min_version == "TLS13" or has_only_tls13(config):
        oldest = ssl.TLSVersion.TLSv1_3
    newest = ssl.TLSVersion.TLSv1_2 if config.max_version == "TLS12" else ssl.TLSVersion.TLSv1_3
    return oldest, newest


def _choose_ciphers(context: ssl.SSLContext, config: TLSServerConfig) -> None:
    if not config.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    names = [name for suite in config.cipher_suites if (name := CIPHER_SUITES[suite])]
    if not names:
        return
    try:
        context.set_ciphers(":".join(names))
    except ssl.SSLError as exc:
        raise ConfigError(
            f"{_SECTION}.cipher_suites", f"OpenSSL offers none of them here: {_reason(exc)}"
        ) from exc


def _content(file: Path | None, inline: str, key: str) -> bytes:
    if file is None:
        return inline.encode()
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_PEM_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "not a file name"
        raise ConfigError(f"{_SECTION}.{key}", f"cannot read {file}: {reason}") from exc
    if len(content) > _LARGEST_PEM_BYTES:
        raise ConfigError(f"{_SECTION}.{key}", f"{file} is larger than {_LARGEST_PEM_BYTES} bytes")
    return content


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    try:
        # Python loads files only; these are in memory, and hold what was read a moment ago.
        with _in_memory(certificate) as cert_name, _in_memory(key) as key_name:
            context.load_cert_chain(cert_name, key_name, _no_password)
    except ssl.SSLError as exc:
        message = f"the certificate and its key cannot be used: {_reason(exc)}"
        raise ConfigError(f"{_SECTION}.cert_file", message) from exc


def _no_password() -> str:
    raise ConfigError(f"{_SECTION}.key_file", "the key is encrypted: it must not have a passphrase")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _load_authorities(context: ssl.SSLContext, config: TLSServerConfig) -> None:
    context.verify_mode = _CLIENT_AUTH[config.client_auth_type]
    if context.verify_mode is ssl.CERT_NONE:
        return
    if not config.has_client_ca:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    # Whatever stands in the file is trusted, as with the toolkit: an intermediate authority, too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    content = _content(config.client_ca_file, config.client_ca, "client_ca_file")
    try:
        context.load_verify_locations(cadata=content.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as exc:
        reason = _reason(exc) if isinstance(exc, ssl.SSLError) else str(exc)
        message = f"no authority can be read: {reason}"
        raise ConfigError(f"{_SECTION}.client_ca_file", message) from exc


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "unknown").lower().replace("_", " ")
