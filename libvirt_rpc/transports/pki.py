"""Where a TLS client's files are, as libvirt's own client finds them, and what is in them.

`folders` is pure path logic: the user's folder, then the system's, or pkipath= alone. `find` picks
the files that are there; `load` reads them into an ssl.SSLContext. Nothing here opens a connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from libvirt_rpc.errors import Attempt, ConnectFailed
from libvirt_rpc.transports.x509 import Certificate, parse_pem

__all__ = ["Files", "Folder", "TLSCredentials", "find", "folders", "load"]


@dataclass(frozen=True, slots=True)
class Folder:
    """One place where a client's four files may be."""

    authority: Path
    revocations: Path
    certificate: Path
    key: Path


_SYSTEM = Folder(
    authority=Path("/etc/pki/CA/cacert.pem"),
    revocations=Path("/etc/pki/CA/cacrl.pem"),
    certificate=Path("/etc/pki/libvirt/clientcert.pem"),
    key=Path("/etc/pki/libvirt/private/clientkey.pem"),
)


def folders(pkipath: str | None, *, uid: int, environ: Mapping[str, str]) -> tuple[Folder, ...]:
    """The places to look in, in order. `pkipath` stands alone; root has no folder of its own."""
    if pkipath is not None:
        return (_flat(Path(pkipath)),)
    if uid != 0 and (home := environ.get("HOME")):
        return (_flat(Path(home, ".pki", "libvirt")), _SYSTEM)
    return (_SYSTEM,)


def _flat(path: Path) -> Folder:
    names = ("cacert.pem", "cacrl.pem", "clientcert.pem", "clientkey.pem")
    return Folder(*(path / name for name in names))


@dataclass(frozen=True, slots=True)
class Files:
    """The files that are used. `notes` says of a client certificate that is not used why not."""

    authority: Path
    revocations: Path | None
    certificate: Path | None
    key: Path | None
    notes: tuple[str, ...] = ()


def find(target: str, places: Sequence[Folder]) -> Files:
    """Picks the CA and the CRL each by itself, certificate and key as a pair.

    Without a CA there is no way to check a server, and libvirt's client goes no further even where it
    is told not to check: ConnectFailed with every path. A missing pair is no error.
    """
    tried: list[Attempt] = []
    authority = _first([place.authority for place in places], tried)
    if authority is None:
        advice = "put the certificate of the CA there, or name its folder with pkipath="
        raise ConnectFailed(target, tuple(tried), advice)
    revocations = _first([place.revocations for place in places], [])
    missing: list[Attempt] = []
    for place in places:
        certificate, key = (_first([path], missing) for path in (place.certificate, place.key))
        if certificate is not None and key is not None:
            return Files(authority, revocations, certificate, key)
    notes = tuple(f"{attempt.address}: {attempt.reason}" for attempt in missing)
    return Files(authority, revocations, None, None, notes)


def _first(paths: Sequence[Path], tried: list[Attempt]) -> Path | None:
    for path in paths:
        try:
            path.stat()
        except OSError as exc:
            tried.append(Attempt(str(path), _reason(exc)))
        else:
            return path
    return None


def _reason(exc: OSError) -> str:
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        return "no such file"
    if isinstance(exc, PermissionError):
        return "permission denied"
    return exc.strerror or str(exc)


# What is in them


@dataclass(frozen=True, slots=True)
class TLSCredentials:
    """A context with the files loaded, and the certificates as far as they could be read."""

    files: Files
    context: ssl.SSLContext
    authorities: tuple[Certificate, ...]
    own: Certificate | None


def load(target: str, files: Files) -> TLSCredentials:
    """Raises ConnectFailed, which names the file, for one that cannot be read or used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As in GnuTLS, every certificate in the CA's file is an anchor, be it an intermediate one.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    authorities = _certificates(target, files.authority)
    if not authorities:
        _refuse(target, files.authority, "there is no certificate in PEM in it")
    _load_authority(target, context, files.authority)
    if files.revocations is not None:
        _read(target, files.revocations)
        _load_authority(target, context, files.revocations)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    own = None
    if files.certificate is not None and files.key is not None:
        chain = _certificates(target, files.certificate)
        _read(target, files.key)
        _load_pair(target, context, files.certificate, files.key)
        own = chain[0] if chain else None
    return TLSCredentials(files, context, authorities, own)


def _load_authority(target: str, context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as exc:
        _refuse(target, path, f"OpenSSL cannot read it ({_words(exc)})", exc)


class _EncryptedKey(Exception):
    pass


def _load_pair(target: str, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    def ask() -> NoReturn:
        # Without this OpenSSL would ask on the terminal.
        raise _EncryptedKey

    try:
        context.load_cert_chain(certificate, key, password=ask)
    except _EncryptedKey as exc:
        _refuse(target, key, "the key has a passphrase, and nobody is there to type it", exc)
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            _refuse(target, key, f"it is not the key of {certificate}", exc)
        _refuse(target, certificate, f"OpenSSL cannot use it or {key} ({_words(exc)})", exc)


def _certificates(target: str, path: Path) -> tuple[Certificate, ...]:
    try:
        return parse_pem(_read(target, path))
    except ValueError as exc:
        _refuse(target, path, f"a certificate in it is damaged ({exc})", exc)


def _read(target: str, path: Path) -> str:
    """Reads the file for an error that is clearer than OpenSSL's; a comment may be in any encoding."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as exc:
        _refuse(target, path, f"cannot be read: {_reason(exc)}", exc)


def _words(exc: ssl.SSLError) -> str:
    return (exc.reason or str(exc)).lower().replace("_", " ")


def _refuse(target: str, path: Path, reason: str, cause: Exception | None = None) -> NoReturn:
    advice = "let this process read it" if isinstance(cause, PermissionError) else ""
    raise ConnectFailed(target, (Attempt(str(path), reason),), advice) from cause
