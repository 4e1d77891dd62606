"""PLAIN (RFC 4616): the password as it is. Only for a channel that nobody else can read."""

from __future__ import annotations

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl.mechanism import Channel, advice_on_password, senseless

NAME = "PLAIN"


class Plain:
    """Raises AuthenticationFailed on a channel that is not secure."""

    name = NAME
    layer = None

    def __init__(self, credentials: Credentials, channel: Channel) -> None:
        if not channel.secure:
            raise AuthenticationFailed(
                "PLAIN would send the password over this connection for all to read: "
                "use +tls, or let the daemon offer GSSAPI or DIGEST-MD5"
            )
        self._credentials = credentials
        self.advice = advice_on_password(credentials)
        self.done = False

    def first(self) -> bytes:
        self.done = True
        return f"\0{self._credentials.username}\0{self._credentials.password}".encode()

    def step(self, challenge: bytes) -> None:
        if challenge:
            raise senseless(NAME, "it asks for more than the password")
