"""SCRAM (RFC 5802, RFC 7677), by the scramp package: neither side shows the other the password."""

from __future__ import annotations

import scramp  # type: ignore[import-untyped]  # it has no types

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl.mechanism import (
    Channel,
    advice_on_password,
    senseless,
    unproven,
)

NAMES = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1")
"""The strongest first. cyrus-sasl has SHA-224 and SHA-384 too, which scramp has not."""

ITERATIONS_MAX = 1_000_000
"""Half a second of work; cyrus-sasl asks for 4,096. More is a daemon that wants to keep us busy."""


class Scram:
    """Raises AuthenticationFailed on a channel that is not secure: SCRAM has no security layer."""

    layer = None

    def __init__(
        self, name: str, credentials: Credentials, channel: Channel, *, nonce: str | None = None
    ) -> None:
        if not channel.secure:
            raise AuthenticationFailed(
                f"{name} has no encryption of its own, which +tcp needs: use +tls, or let the "
                "daemon offer GSSAPI or DIGEST-MD5"
            )
        self.name = name
        self.advice = advice_on_password(credentials)
        self.done = False
        try:
            self._client = scramp.ScramClient(
                [name], credentials.username, credentials.password, c_nonce=nonce
            )
        except scramp.ScramException:
            raise AuthenticationFailed(
                f"{name} cannot carry the user's name or the password from {credentials.source}: "
                "they hold characters that SASLprep (RFC 4013) forbids"
            ) from None
        self._answered = False

    def first(self) -> bytes:
        message: str = self._client.get_client_first()
        return message.encode()

    def step(self, challenge: bytes) -> bytes | None:
        if not self._answered:
            return self._answer(challenge)
        self._finish(challenge)
        return None

    def _answer(self, challenge: bytes) -> bytes:
        self._answered = True
        try:
            self._client.set_server_first(challenge.decode())
        except (scramp.ScramException, UnicodeDecodeError):
            raise senseless(self.name, "no nonce of ours, salt and count") from None
        if int(self._client.iterations) > ITERATIONS_MAX:
            raise senseless(self.name, f"more than {ITERATIONS_MAX} iterations are asked for")
        message: str = self._client.get_client_final()
        return message.encode()

    def _finish(self, challenge: bytes) -> None:
        try:
            self._client.set_server_final(challenge.decode())
        except (scramp.ScramException, UnicodeDecodeError):
            raise unproven(self.name) from None
        self.done = True
