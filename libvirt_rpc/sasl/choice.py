"""Which mechanism: the one that the URI insists on, else the strongest that this client can do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.sasl import digest_md5, gssapi, plain, scram
from libvirt_rpc.sasl.digest_md5 import DigestMD5
from libvirt_rpc.sasl.gssapi import GSSAPI
from libvirt_rpc.sasl.mechanism import Channel, Mechanism
from libvirt_rpc.sasl.plain import Plain
from libvirt_rpc.sasl.scram import Scram

FindCredentials: TypeAlias = Callable[[], Credentials]
"""Raises AuthenticationFailed where there are none. Asked only where a mechanism needs them."""
Make: TypeAlias = Callable[[FindCredentials, Channel], Mechanism]


def _with_scram(name: str) -> Make:
    return lambda find, channel: Scram(name, find(), channel)


MECHANISMS: dict[str, Make] = {
    gssapi.NAME: lambda _, channel: GSSAPI(channel),
    **{name: _with_scram(name) for name in scram.NAMES},
    digest_md5.NAME: lambda find, channel: DigestMD5(find(), channel),
    plain.NAME: lambda find, channel: Plain(find(), channel),
}
"""The strongest first."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A mechanism that has begun: `first` is what it sends, None where it sends nothing yet."""

    mechanism: Mechanism
    first: bytes | None


def parse_mechanisms(text: str) -> tuple[str, ...]:
    """The daemon's list of mechanisms; what is no mechanism's name is left out."""
    return tuple(re.findall(r"(?<![^\s,])[A-Z0-9_-]{1,20}(?![^\s,])", text, re.ASCII))


def choose(
    offered: tuple[str, ...],
    find_credentials: FindCredentials,
    channel: Channel,
    wanted: str | None = None,
) -> Choice:
    """Begins the exchange. Raises AuthenticationFailed that says why each mechanism is out.

    May take time and ask the network, for Kerberos does.
    """
    if not offered:
        raise AuthenticationFailed(
            "the daemon asks for SASL and offers no mechanism: check mech_list in its "
            "/etc/sasl2/libvirt.conf; on +tcp it offers only what encrypts by itself"
        )
    candidates = offered if wanted is None else _insist(wanted.upper(), offered)
    obstacles: dict[str, list[str]] = {}
    for name, make in MECHANISMS.items():
        if name not in candidates:
            continue
        try:
            mechanism = make(find_credentials, channel)
            return Choice(mechanism, mechanism.first())
        except AuthenticationFailed as exc:
            obstacles.setdefault(exc.reason, []).append(name)
    if unknown := [name for name in candidates if name not in MECHANISMS]:
        obstacles["this client does not do that"] = unknown
    reasons = "; ".join(f"{', '.join(names)}: {why}" for why, names in obstacles.items())
    raise AuthenticationFailed(
        f"the daemon asks for SASL, and no mechanism of its can be used: {reasons}"
        if wanted is None
        else f"the SASL mechanism that the URI's auth= asks for cannot be used: {reasons}"
    )


def _insist(wanted: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    if wanted in offered:
        return (wanted,)
    raise AuthenticationFailed(
        "the daemon does not offer the SASL mechanism that the URI's auth= asks for: "
        f"it offers {', '.join(offered)}"
    )
