"""GSSAPI (RFC 4752): Kerberos, by the gssapi package of the extra `kerberos`, loaded when it is needed.

Names, keys and tickets are Kerberos' own affair: the ticket of `kinit`, or a keytab that
KRB5_CLIENT_KTNAME names. Making a context may ask the network: keep it off the event loop.
"""

from __future__ import annotations

from typing import Any

from libvirt_rpc.errors import AuthenticationFailed, DecodeError
from libvirt_rpc.sasl.mechanism import (
    SERVICE,
    WRAPPED_SIZE_MAX,
    Channel,
    SecurityLayer,
    senseless,
)
from libvirt_rpc.sasl.packets import Packets

NAME = "GSSAPI"

_NO_LAYER = 1
_CONFIDENTIALITY = 4
_MASK_SIZE = 4

_ADVICE = (
    "check that the daemon's keytab holds the key of this principal, that the daemon's host goes by "
    "the same name as in the URI, and that sasl_allowed_username_list in libvirtd.conf lets this "
    "client's principal in; the daemon's log has the reason"
)

# What went wrong, by Kerberos' error number; its own texts name the user.
_REASONS = {
    -1765328378: "the KDC does not know this client's principal",
    -1765328377: "the KDC does not know the principal {principal}: create it (addprinc -randkey)",
    -1765328361: "the password or key of this client's principal has expired",
    -1765328360: "the KDC refuses this client's key: is the keytab out of date?",
    -1765328352: "the ticket has expired: run kinit, or name a keytab with KRB5_CLIENT_KTNAME",
    -1765328347: "this host's clock and the KDC's differ too much",
    -1765328230: "no KDC is known for the realm: check krb5.conf",
    -1765328228: "no KDC of the realm can be reached",
    -1765328243: "there is no ticket: run kinit, or name a keytab with KRB5_CLIENT_KTNAME",
    -1765328189: "there is no ticket: run kinit, or name a keytab with KRB5_CLIENT_KTNAME",
}


class GSSAPI:
    """No security layer on a secure channel, encryption on others.

    Raises AuthenticationFailed where the package or the ticket is missing.
    """

    name = NAME

    def __init__(self, channel: Channel) -> None:
        self._gssapi = _package()
        self._channel = channel
        self._principal = f"{SERVICE}/{channel.host}"
        self.advice = f"for {self._principal}: {_ADVICE}"
        self.done = False
        self.layer: SecurityLayer | None = None
        gssapi = self._gssapi
        try:
            name = gssapi.Name(
                f"{SERVICE}@{channel.host}", name_type=gssapi.NameType.hostbased_service
            )
            flags = gssapi.RequirementFlag.mutual_authentication
            if not channel.secure:
                flags |= gssapi.RequirementFlag.integrity | gssapi.RequirementFlag.confidentiality
            self._context = gssapi.SecurityContext(
                name=name, usage="initiate", mech=gssapi.MechType.kerberos, flags=flags
            )
        except gssapi.exceptions.GSSError as exc:
            raise self._failure(exc) from None

    def first(self) -> bytes | None:
        return self._token(None)

    def step(self, challenge: bytes) -> bytes:
        if not self._context.complete:
            return self._token(challenge) or b""
        if self.done:
            raise senseless(NAME, "it goes on after the end")
        return self._settle_layer(challenge)

    def _token(self, challenge: bytes | None) -> bytes | None:
        try:
            token: bytes | None = self._context.step(challenge)
        except self._gssapi.exceptions.GSSError as exc:
            raise self._failure(exc) from None
        return token

    def _settle_layer(self, challenge: bytes) -> bytes:
        """The daemon says which layers it does and how much it takes; this side chooses."""
        try:
            offer = self._context.unwrap(challenge).message
        except self._gssapi.exceptions.GSSError as exc:
            raise self._failure(exc) from None
        if len(offer) != _MASK_SIZE:
            raise senseless(NAME, "it offers no layers")
        layers, daemon_takes = offer[0], int.from_bytes(offer[1:], "big")
        choice, we_take = _NO_LAYER, 0
        if not self._channel.secure:
            choice, we_take = _CONFIDENTIALITY, WRAPPED_SIZE_MAX
        if not layers & choice:
            raise AuthenticationFailed(
                "the daemon's GSSAPI offers no encryption, which +tcp needs"
                if choice == _CONFIDENTIALITY
                else "the daemon's GSSAPI insists on a security layer on a connection that needs none"
            )
        try:
            if choice == _CONFIDENTIALITY:
                self.layer = self._confidentiality(daemon_takes)
            reply = bytes([choice]) + we_take.to_bytes(3, "big")
            wrapped: bytes = self._context.wrap(reply, encrypt=False).message
        except self._gssapi.exceptions.GSSError as exc:
            raise self._failure(exc) from None
        self.done = True
        return wrapped

    def _confidentiality(self, daemon_takes: int) -> Packets:
        gss_error = self._gssapi.exceptions.GSSError
        context = self._context

        def wrap(data: bytes) -> bytes:
            try:
                message: bytes = context.wrap(data, encrypt=True).message
            except gss_error:
                raise DecodeError("Kerberos cannot encrypt: has the ticket expired?") from None
            return message

        def unwrap(wrapped: bytes) -> bytes:
            try:
                result = context.unwrap(wrapped)
            except gss_error:
                raise DecodeError("a wrapped packet of GSSAPI was changed on its way") from None
            if not result.encrypted:
                raise DecodeError("a wrapped packet of GSSAPI is not encrypted")
            message: bytes = result.message
            return message

        chunk_size = context.get_wrap_size_limit(daemon_takes, encrypted=True)
        if chunk_size <= 0:
            raise senseless(NAME, "it takes packets that are too small")
        return Packets(wrap, unwrap, chunk_size=chunk_size, wrapped_max=WRAPPED_SIZE_MAX)

    def _failure(self, exc: Any) -> AuthenticationFailed:
        errors = self._gssapi.exceptions
        number = _signed(exc.min_code)
        if number in _REASONS:
            reason = _REASONS[number].format(principal=self._principal)
        elif isinstance(exc, errors.MissingCredentialsError | errors.ExpiredCredentialsError):
            reason = "there is no valid ticket: run kinit, or name a keytab with KRB5_CLIENT_KTNAME"
        else:
            reason = f"it failed with GSSAPI's code {exc.maj_code}, Kerberos' code {number}"
        return AuthenticationFailed(f"Kerberos: {reason}")


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


def _package() -> Any:
    try:
        import gssapi  # noqa: PLC0415  # an extra: loaded where it is asked for
    except ImportError:
        raise AuthenticationFailed(
            "GSSAPI needs the extra `kerberos`: pip install 'libvirt-exporter[kerberos]'"
        ) from None
    return gssapi
