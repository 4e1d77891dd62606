"""Lets the connection in: asks what the daemon wants and does it. Source: remote_protocol.x, AUTH_*.

AUTH_LIST must come first even where no authentication is needed: a daemon grants it in there. No text
that is raised here has anything of the credentials, or of what a daemon sends while it has them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TypeVar, TypeVarTuple

from libvirt_rpc import auth_conf
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import AuthType, ErrorDomain, ErrorNumber
from libvirt_rpc.errors import AuthenticationFailed, RemoteAuthenticationFailed, RemoteError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.sasl.choice import choose, parse_mechanisms
from libvirt_rpc.sasl.mechanism import Channel, Mechanism
from libvirt_rpc.session import Session
from libvirt_rpc.uri import ConnectionURI, Transport

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LONGEST_EXCHANGE = 16
"""Steps after which a daemon that is never content is given up; Kerberos takes three."""


async def authenticate(
    session: Session,
    uri: ConnectionURI,
    *,
    deadline: Deadline,
    read_only: bool = True,
    credentials: Credentials | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Without `credentials`, those that libvirt's auth.conf has for the URI's host.

    Raises AuthenticationFailed, which says what to configure or to check.
    """
    try:
        reply = await session.call(p.AUTH_LIST, None, deadline=deadline)
    except RemoteAuthenticationFailed as exc:
        raise AuthenticationFailed(f"the daemon lets nobody in (libvirt error {exc.code})") from exc
    offered = tuple(AuthType(number) for number in reply.types)
    kind = _chosen(offered, uri.parameters.auth)
    if kind is AuthType.SASL:
        await _do_sasl(session, uri, credentials, environ, deadline)
    elif kind is AuthType.POLKIT:
        await _do_polkit(session, _polkit_action(session, read_only=read_only), deadline)
    session.client.authenticated()


def _chosen(offered: tuple[AuthType, ...], insisted: str | None) -> AuthType:
    """What to do of what the daemon asks for; the URI's auth= insists, as in libvirt's client."""
    names = tuple(kind.label for kind in offered)
    if insisted is not None:
        kind = AuthType.POLKIT if insisted == "polkit" else AuthType.SASL
        if kind in offered:
            return kind
        raise AuthenticationFailed(
            f"the URI's auth= insists on {kind.label}, and the daemon asks for "
            f"{' or '.join(names) or 'nothing'} here",
            names,
        )
    if not offered or AuthType.NONE in offered:
        return AuthType.NONE
    for kind in offered:
        if kind in (AuthType.SASL, AuthType.POLKIT):
            return kind
    raise AuthenticationFailed(
        f"the daemon asks for {' or '.join(names)}, which this client does not do; "
        "use its read-only socket, or let it take clients of this socket without "
        "(auth_unix_ro, auth_unix_rw in libvirtd.conf)",
        names,
    )


# SASL

_SASL = (AuthType.SASL.label,)


async def _do_sasl(
    session: Session,
    uri: ConnectionURI,
    credentials: Credentials | None,
    environ: Mapping[str, str],
    deadline: Deadline,
) -> None:
    host = uri.host or "localhost"
    channel = Channel(host=host, secure=uri.transport is not Transport.TCP)
    wanted = (uri.parameters.auth or "").partition(".")[2] or None

    def find_credentials() -> Credentials:
        return credentials or _from_auth_conf(environ, uri.parameters.authfile, host)

    try:
        reply = await session.call(p.AUTH_SASL_INIT, None, deadline=deadline)
    except RemoteError as exc:
        raise AuthenticationFailed(
            f"the daemon cannot begin SASL (libvirt error {exc.code}): check its "
            "/etc/sasl2/libvirt.conf and its log",
            _SASL,
        ) from exc
    mechanisms = parse_mechanisms(reply.value)
    try:
        choice = await _in_thread(
            choose, mechanisms, find_credentials, channel, wanted, deadline=deadline
        )
        await _exchange(session, choice.mechanism, choice.first, deadline)
    except AuthenticationFailed as exc:
        # Neither the daemon's words nor a library's come along: they may hold the user's name.
        raise AuthenticationFailed(
            exc.reason, _SASL, credentials_refused=exc.credentials_refused
        ) from None
    assert channel.secure or choice.mechanism.layer is not None, "nothing goes on in the clear"


def _from_auth_conf(environ: Mapping[str, str], authfile: str | None, host: str) -> Credentials:
    found = auth_conf.load(environ, authfile=authfile)
    credentials = found.credentials(host)
    if credentials is None:
        where = found.path or "/etc/libvirt/auth.conf"
        raise AuthenticationFailed(
            "it needs a user's name and a password: configure username and password_file, or write "
            f"a group [auth-libvirt-{host}] into {where}"
        )
    return credentials


async def _exchange(
    session: Session, mechanism: Mechanism, first: bytes | None, deadline: Deadline
) -> None:
    nil, data = _on_wire(first)
    reply = await _ask(
        session,
        p.AUTH_SASL_START,
        t.AuthSaslStartArgs(mechanism.name, nil, data),
        mechanism,
        deadline,
    )
    for _ in range(_LONGEST_EXCHANGE):
        challenge = None if reply.nil else reply.data
        if reply.complete:
            if challenge is not None and not mechanism.done:
                await _in_thread(mechanism.step, challenge, deadline=deadline)
            if not mechanism.done:
                raise AuthenticationFailed(
                    f"the daemon ended {mechanism.name} before it had proven that it knows the key"
                )
            return
        response = await _in_thread(mechanism.step, challenge or b"", deadline=deadline)
        nil, data = _on_wire(response)
        reply = await _ask(
            session, p.AUTH_SASL_STEP, t.AuthSaslStepArgs(nil, data), mechanism, deadline
        )
    raise AuthenticationFailed(f"{mechanism.name} does not come to an end")


def _on_wire(data: bytes | None) -> tuple[int, bytes]:
    return int(data is None), data or b""


async def _ask(
    session: Session,
    procedure: Procedure[T, t.AuthSaslReply],
    args: T,
    mechanism: Mechanism,
    deadline: Deadline,
) -> t.AuthSaslReply:
    def read(payload: bytes) -> t.AuthSaslReply:
        reply = xdr.decode(procedure.reply, payload)
        if reply.complete and mechanism.layer is not None:
            # Here and not when the caller wakes up: what follows in the same segment is wrapped.
            session.begin_layer(mechanism.layer)
        return reply

    try:
        reply: t.AuthSaslReply = await session.call(procedure, args, deadline=deadline, decode=read)
    except RemoteError as exc:
        raise AuthenticationFailed(
            f"the daemon refused {mechanism.name} (libvirt error {exc.code}): {mechanism.advice}",
            credentials_refused=True,
        ) from exc
    return reply


async def _in_thread(work: Callable[[*Ts], T], *args: *Ts, deadline: Deadline) -> T:
    """Kerberos asks the network, auth.conf is a file and SCRAM takes time: none may hold the loop up."""
    try:
        async with asyncio.timeout(deadline.remaining()):
            return await asyncio.to_thread(work, *args)
    except TimeoutError:
        raise AuthenticationFailed(
            "this side's part of SASL was not done in time: with GSSAPI, is the KDC reachable?"
        ) from None


# polkit

_MONITOR = "org.libvirt.unix.monitor"
_MANAGE = "org.libvirt.unix.manage"

_POLKIT_REASONS: dict[int, str] = {
    ErrorNumber.AUTH_FAILED: "polkit denies {action} to this user",
    ErrorNumber.AUTH_CANCELLED: "the question of polkit for {action} was dismissed",
    ErrorNumber.AUTH_UNAVAILABLE: (
        "polkit would ask somebody whether to allow {action}, and this process has no polkit agent"
    ),
}
_POLKIT_RULE = (
    "write /etc/polkit-1/rules.d/50-libvirt-exporter.rules: polkit.addRule(function(action, subject) "
    '{{ if (action.id == "{action}" && subject.user == "NAME OF THIS USER") '
    "return polkit.Result.YES; }});"
)
_OR_READ_ONLY = " or use the read-only socket"


def _polkit_action(session: Session, *, read_only: bool) -> str:
    """Which socket decides; where that is not known here (ssh), what was asked for."""
    on_read_only_socket = session.peer_address.endswith("-ro") or (
        read_only and not session.peer_address
    )
    return _MONITOR if on_read_only_socket else _MANAGE


async def _do_polkit(session: Session, action: str, deadline: Deadline) -> None:
    offered = (AuthType.POLKIT.label,)
    try:
        reply = await session.call(p.AUTH_POLKIT, None, deadline=deadline)
    except RemoteError as exc:
        raise AuthenticationFailed(_polkit_refusal(exc, action), offered) from exc
    if not reply.value:
        reason = _POLKIT_REASONS[ErrorNumber.AUTH_FAILED].format(action=action)
        raise AuthenticationFailed(f"{reason}: {_rule(action)}", offered)


def _polkit_refusal(error: RemoteError, action: str) -> str:
    if error.code in _POLKIT_REASONS:
        return f"{_POLKIT_REASONS[error.code].format(action=action)}: {_rule(action)}"
    if error.domain in (ErrorDomain.DBUS, ErrorDomain.POLKIT):
        return (
            f"the daemon cannot ask polkit about {action}, for it reaches no system bus or no polkit "
            "there: start dbus and polkit on the daemon's host, or let the daemon do without polkit "
            "(auth_unix_ro, auth_unix_rw and unix_sock_group in libvirtd.conf)"
        )
    return f"the daemon refused to ask polkit about {action} (libvirt error {error.code})"


def _rule(action: str) -> str:
    rule = _POLKIT_RULE.format(action=action)
    return rule if action == _MONITOR else f"{rule}{_OR_READ_ONLY}"
