"""What every mechanism is, and what an exchange may leave behind: a security layer.

A mechanism is used once, from one thread at a time. Its methods raise AuthenticationFailed, whose text
has neither credentials nor anything that the daemon sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed

SERVICE = "libvirt"
"""SASL's name of the service: part of DIGEST-MD5's digest-uri and of Kerberos' principal."""

WRAPPED_SIZE_MAX = 65_536
"""What this side takes of a wrapped packet, and cyrus-sasl of ours unless it says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a mechanism works on: the host of the URI, and whether others can listen in.

    On a channel that is not `secure` a mechanism must leave a security layer, on others none.
    """

    host: str
    secure: bool


class SecurityLayer(Protocol):
    """Both directions of a byte stream. `decode` keeps what is no whole packet yet, and raises ProtocolError."""

    def encode(self, data: bytes) -> bytes: ...

    def decode(self, data: bytes) -> bytes: ...


class Mechanism(Protocol):
    """One exchange. `first`, then `step` with each challenge; None is no data, not even empty data."""

    @property
    def name(self) -> str: ...

    @property
    def done(self) -> bool:
        """Whether this side is content: nothing to send is left and the daemon has proven itself."""
        ...

    @property
    def layer(self) -> SecurityLayer | None:
        """What all bytes go through once the daemon says `complete`; known before it says so."""
        ...

    @property
    def advice(self) -> str:
        """What to check where the daemon refuses."""
        ...

    def first(self) -> bytes | None: ...

    def step(self, challenge: bytes) -> bytes | None: ...


def advice_on_password(credentials: Credentials) -> str:
    return (
        f"check the user's name, its realm (NAME@REALM) and the password, which are from "
        f"{credentials.source}, and sasl_allowed_username_list in the daemon's configuration; "
        "the daemon's log has the reason"
    )


def senseless(name: str, what: str) -> AuthenticationFailed:
    """For a challenge that the mechanism's standard does not allow."""
    return AuthenticationFailed(f"the daemon's {name} message is not understood: {what}")


def unproven(name: str) -> AuthenticationFailed:
    """For a daemon that does not know the password itself."""
    return AuthenticationFailed(
        f"the daemon did not prove by {name} that it knows the password: is it the right host?"
    )
