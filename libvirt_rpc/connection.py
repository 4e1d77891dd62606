"""A connection to one libvirt daemon: libvirt's API calls by their names in snake case, one a method.

Every method takes `deadline`; without one, the connection's own timeout holds. Errors are those of
libvirt_rpc.errors. Nothing here changes anything on the hypervisor.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from libvirt_rpc import libvirt_conf
from libvirt_rpc.api.domain_figures import DomainFigureCalls
from libvirt_rpc.api.domain_settings import DomainSettingCalls
from libvirt_rpc.api.domains import DomainCalls
from libvirt_rpc.api.events import EventCalls
from libvirt_rpc.api.guests import GuestCalls
from libvirt_rpc.api.host import HostCalls
from libvirt_rpc.api.networks import HostObjectCalls, NetworkCalls
from libvirt_rpc.api.storage import StorageCalls
from libvirt_rpc.authentication import authenticate
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    ConnectFlags,
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainStatsTypes,
)
from libvirt_rpc.errors import ConnectFailed, SessionClosed
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.domain_stats import DomainStats, DomainStatsDecoder
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.session import NO_KEEPALIVE, Call, CallObservation, Keepalive, Session
from libvirt_rpc.trace.tap import FrameTap
from libvirt_rpc.transports.dial import dial
from libvirt_rpc.uri import ConnectionURI, parse_uri, resolve_uri

A = TypeVar("A")
R = TypeVar("R")


class Dial(Protocol):
    """Opens a transport and gives the session on it; `dial` does it by the URI, a replay from a trace."""

    def __call__(
        self,
        uri: ConnectionURI,
        factory: Callable[[], Session],
        *,
        read_only: bool,
        deadline: Deadline,
    ) -> Awaitable[Session]: ...


class Connection(
    HostCalls,
    DomainCalls,
    DomainFigureCalls,
    DomainSettingCalls,
    GuestCalls,
    StorageCalls,
    NetworkCalls,
    HostObjectCalls,
    EventCalls,
):
    """An open connection; made by `connect`. Its calls are in libvirt_rpc.api, a class a concern."""

    def __init__(self, session: Session, uri: ConnectionURI, timeout_seconds: float) -> None:
        self.session = session
        self.uri = uri
        self._timeout_seconds = timeout_seconds
        self._stats = DomainStatsDecoder()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, *, deadline: Deadline | None = None) -> None:
        """Takes leave of the daemon, waiting at most two seconds for its answer."""
        await self.session.close(deadline or Deadline.after(2.0))

    async def _call(self, procedure: Procedure[A, R], args: A, deadline: Deadline | None) -> R:
        until = deadline or Deadline.after(self._timeout_seconds)
        reply: R = await self.session.call(procedure, args, deadline=until)
        return reply

    async def get_all_domain_stats(
        self,
        domains: Iterable[t.Domain] = (),
        stats: DomainStatsTypes = DomainStatsTypes(0),
        flags: ConnectGetAllDomainStatsFlags = ConnectGetAllDomainStatsFlags(0),
        *,
        deadline: Deadline | None = None,
    ) -> tuple[DomainStats, ...]:
        """The statistics groups `stats` (0: all that the daemon has) of `domains` (none: of all).

        A domain that is gone has no record. Without NOWAIT in `flags` the daemon waits for busy domains.
        """
        until = deadline or Deadline.after(self._timeout_seconds)
        args = _stats_args(domains, stats, flags)
        records: tuple[DomainStats, ...] = await self.session.call(
            p.CONNECT_GET_ALL_DOMAIN_STATS, args, deadline=until, decode=self._stats.decode
        )
        return records

    def start_get_all_domain_stats(
        self,
        domains: Iterable[t.Domain],
        stats: DomainStatsTypes,
        flags: ConnectGetAllDomainStatsFlags,
    ) -> Call[tuple[DomainStats, ...]]:
        """Sends the call and gives it without waiting, for callers that keep several in flight."""
        args = _stats_args(domains, stats, flags)
        return self.session.start(p.CONNECT_GET_ALL_DOMAIN_STATS, args, decode=self._stats.decode)

    def start_list_all_domains(
        self, flags: ConnectListAllDomainsFlags = ConnectListAllDomainsFlags(0)
    ) -> Call[t.ConnectListAllDomainsReply]:
        """Sends the call and gives it without waiting."""
        args = t.ConnectListAllDomainsArgs(need_results=1, flags=int(flags))
        return self.session.start(p.CONNECT_LIST_ALL_DOMAINS, args)

    def start_domain_get_control_info(self, domain: t.Domain) -> Call[t.DomainControlInfo]:
        """Sends the call and gives it without waiting."""
        return self.session.start(p.DOMAIN_GET_CONTROL_INFO, t.DomainFlagsArgs(domain, 0))

    def forget_other_domains(self, domains: Iterable[t.Domain]) -> None:
        """Drops what the statistics decoder remembers of domains other than these."""
        self._stats.retain(domain.uuid for domain in domains)


def _stats_args(
    domains: Iterable[t.Domain],
    stats: DomainStatsTypes,
    flags: ConnectGetAllDomainStatsFlags,
) -> t.ConnectGetAllDomainStatsArgs:
    return t.ConnectGetAllDomainStatsArgs(tuple(domains), int(stats), int(flags))


class Connecting:
    """What `connect` gives: `async with` it, or await it for a Connection that you close yourself."""

    def __init__(self, opening: Callable[[], Awaitable[Connection]]) -> None:
        self._opening = opening
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._opening().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._opening()
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._connection is not None
        await self._connection.close()


def connect(
    uri: str | None = None,
    *,
    read_only: bool = True,
    timeout: float = 10.0,
    credentials: Credentials | None = None,
    keepalive: Keepalive = NO_KEEPALIVE,
    tap: FrameTap | None = None,
    observe: Callable[[CallObservation], None] | None = None,
    dial: Dial = dial,
) -> Connecting:
    """Opens a connection to a daemon: `async with libvirt_rpc.connect("qemu:///system") as c`.

    Without `uri`, LIBVIRT_DEFAULT_URI, then libvirt.conf's uri_default, then qemu:///system. `timeout`, in
    seconds, is for connecting as a whole, and for each later call that has no deadline of its own. Where
    the daemon asks for SASL, `credentials` count, and without them those in libvirt's auth.conf. Raises
    InvalidURI, ConnectFailed, AuthenticationFailed, CallTimeout, ProtocolError or RemoteError.
    """

    async def opening() -> Connection:
        resolved = parse_uri(resolve_uri(uri, os.environ, libvirt_conf.load(os.environ)))
        deadline = Deadline.after(timeout)
        session = await dial(
            resolved,
            lambda: Session(keepalive=keepalive, tap=tap, observe=observe),
            read_only=read_only,
            deadline=deadline,
        )
        try:
            await authenticate(
                session, resolved, read_only=read_only, credentials=credentials, deadline=deadline
            )
            flags = ConnectFlags.RO if read_only else ConnectFlags(0)
            args = t.ConnectOpenArgs(resolved.open_name, int(flags))
            await session.call(p.CONNECT_OPEN, args, deadline=deadline)
        except BaseException as exc:
            await session.close(Deadline.after(0))
            if isinstance(exc, SessionClosed) and isinstance(session.error, ConnectFailed):
                raise session.error from session.error.__cause__  # the way was never open
            raise
        return Connection(session, resolved, timeout)

    return Connecting(opening)
