"""One monitored libvirt: kept connected in the background, with back-off; a scrape never waits for it.

`connection` is there or None. Further connections (`add_lane`) stand beside the main one while calls
on that are stuck; all of them end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from exporter.availability import Availability
from exporter.config import LibvirtConfig
from exporter.logs import StateLogger
from exporter.pace import Pace, PacedConnection
from libvirt_rpc import libvirt_conf
from libvirt_rpc.connection import Connection, Dial, connect
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import (
    AuthenticationFailed,
    CallTimeout,
    LibvirtRPCError,
    RemoteError,
    SessionClosed,
)
from libvirt_rpc.session import DAEMON_REQUEST_SLOTS, CallObservation, Keepalive, Session
from libvirt_rpc.trace.tap import FrameTap
from libvirt_rpc.transports.dial import dial as dial_by_uri
from libvirt_rpc.uri import ConnectionURI, Transport, parse_uri, resolve_uri

T = TypeVar("T")

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
STABLE_SECONDS = 10.0
"""A connection that held for so long makes the next attempt a first one again."""

REFUSED_SECONDS = 3600.0
"""The longest pause after credentials were refused."""

FAREWELL_SECONDS = 0.2
"""What the daemon is given to answer the farewell: an end has to be quick even where it hangs."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a daemon says of itself once a connection. Versions: major * 1,000,000 + minor * 1,000 + micro."""

    type: str
    version: int
    lib_version: int
    hostname: str


class Watcher(Protocol):
    """What goes on in the background for as long as a connection lasts."""

    async def begin(self, connection: PacedConnection) -> None:
        """Awaited before the connection is anybody's: nothing that happens from then on is missed."""

    async def watch(self, connection: PacedConnection) -> None:
        """Runs until it is done or cancelled, at the latest with the connection's end."""


class Backoff:
    """Pauses between attempts: doubling up to `longest_seconds`, with jitter, so that a fleet's exporters
    do not come back all at once.
    """

    def __init__(
        self, longest_seconds: float, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._longest = longest_seconds
        self._jitter = jitter
        self._next = self._after_refusal = 0.0

    def reset(self) -> None:
        self._next = self._after_refusal = 0.0

    def pause(self) -> float:
        """Seconds to wait now: half of it sure, half by chance."""
        step = min(max(self._next, FIRST_PAUSE_SECONDS), self._longest)
        self._next = step * 2
        return step / 2 + self._jitter() * step / 2

    def longest_pause(self) -> float:
        """The pause after what only an operator can change."""
        self._next = self._longest
        return self.pause()

    def pause_after_refusal(self) -> float:
        """The pause after a refusal of the credentials: from the longest, doubling up to an hour.

        Asking again soon can lock an account.
        """
        step = max(self._after_refusal, self._longest)
        self._after_refusal = min(step * 2, max(REFUSED_SECONDS, self._longest))
        return step / 2 + self._jitter() * step / 2


class Hypervisor:
    """The connection to one libvirt daemon; `run` keeps it."""

    def __init__(
        self,
        config: LibvirtConfig,
        *,
        name: str = "",
        dial: Dial = dial_by_uri,
        tap: FrameTap | None = None,
        observe: Callable[[CallObservation], None] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises InvalidURI."""
        self.config = config
        self.name = name
        self.uri: ConnectionURI = parse_uri(
            resolve_uri(config.uri, environ, libvirt_conf.load(environ))
        )
        self.connection: Connection | None = None
        self.identity: Identity | None = None
        self.error: LibvirtRPCError | None = None
        self.connected_at: float | None = None
        self.connections_made = 0
        self.on_connected: list[Callable[[], None]] = []
        # As many as the statistics have, while they do not need them.
        self.pace = Pace(config.parallel, bound=config.parallel + config.max_stuck_calls)
        self.pace.session_for = self._session_with_room
        self.sibling_paces: dict[str, Pace] = {}
        """Those of the daemons beside this one, each with workers of its own."""
        self.availability = Availability()
        self.watchers: list[Watcher] = []
        self._paced: PacedConnection | None = None
        self._watching: list[asyncio.Task[None]] = []
        self._dial = dial
        self._tap = tap
        self._observe = observe
        self._extra: list[Connection] = []
        self._states = StateLogger(logger)
        self._first_attempt = asyncio.Event()

    @property
    def is_local(self) -> bool:
        """Whether the daemon is on this machine, with the processes of its domains."""
        return self.uri.transport is Transport.UNIX and self._dial is dial_by_uri

    @property
    def is_connected(self) -> bool:
        return self.connection is not None and self.connection.session.error is None

    @property
    def paced(self) -> PacedConnection:
        """The main connection, at a pace. Raises SessionClosed where there is none."""
        if self._paced is None or self._paced.session.error is not None:
            raise SessionClosed("there is no connection")
        return self._paced

    @property
    def reconnects(self) -> int:
        return max(0, self.connections_made - 1)

    @property
    def lanes(self) -> Sequence[Connection]:
        """The connections that stand, the main one first."""
        standing = [self.connection] if self.connection is not None else []
        self._extra = [one for one in self._extra if one.session.error is None]
        return [one for one in (*standing, *self._extra) if one.session.error is None]

    async def add_lane(self, deadline: Deadline) -> Connection:
        """Opens a further connection. Raises what `connect` raises."""
        connection = await self._connect(deadline.remaining())
        if not self.is_connected:
            # It was to stand beside the main one, which has ended meanwhile.
            await connection.close(deadline=Deadline.after(FAREWELL_SECONDS))
            raise SessionClosed("the main connection has ended")
        self._extra.append(connection)
        return connection

    async def drop_lane(self, connection: Connection) -> None:
        if connection in self._extra:
            self._extra.remove(connection)
        await connection.close()

    def _session_with_room(self, session: Session) -> Session:
        """The session, unless calls that hang fill it and a further connection stands."""
        slots = max(DAEMON_REQUEST_SLOTS, self.config.parallel + 1)
        if session.error is not None or session.outstanding < slots:
            return session
        lanes = [lane.session for lane in self.lanes]
        return min(lanes, key=lambda one: one.outstanding, default=session)

    async def open(self) -> Connection:
        """Connects once and learns who is there. Raises what `connect` raises."""
        connection = await self._connect(self.config.timeout_seconds)
        self._end_watching()
        self.pace.meet_daemon()
        self.availability.reset()
        paced = PacedConnection(connection, self.pace, self.config.timeout_seconds)
        try:
            self.identity = await identify(connection)
            for watcher in self.watchers:
                await self._begin(watcher, paced)
        except BaseException:
            await connection.close()
            raise
        self.connection = connection
        self._paced = paced
        self.connections_made += 1
        self.connected_at = time.time()
        self.error = None
        for tell in self.on_connected:
            tell()
        self._watching = [
            asyncio.create_task(self._watch(watcher, paced)) for watcher in self.watchers
        ]
        return connection

    async def _begin(self, watcher: Watcher, connection: PacedConnection) -> None:
        try:
            await watcher.begin(connection)
        except SessionClosed:
            raise
        except LibvirtRPCError as exc:
            self._states.failed(f"watcher {type(watcher).__name__}", timeless(exc))

    async def _watch(self, watcher: Watcher, connection: PacedConnection) -> None:
        try:
            await watcher.watch(connection)
        except LibvirtRPCError as exc:
            if connection.session.error is None:
                self._states.failed(f"watcher {type(watcher).__name__}", timeless(exc))
        except Exception:
            logger.exception("what goes on in the background failed")

    def _end_watching(self) -> None:
        watching, self._watching = self._watching, []
        for task in watching:
            task.cancel()

    async def close(self) -> None:
        self._end_watching()
        lanes = self.lanes
        self.connection = None
        self._extra = []
        await _close_all(lanes)

    @property
    def has_tried(self) -> bool:
        """Whether the first attempt to connect has ended, whichever way."""
        return self._first_attempt.is_set()

    async def first_attempt(self) -> None:
        """Waits until the first attempt to connect has ended, whichever way."""
        await self._first_attempt.wait()

    async def run(self) -> None:
        """Connects, watches, connects again, until it is cancelled."""
        backoff = Backoff(self.config.reconnect_interval_seconds)
        try:
            while True:  # no waiting for an event: a pause between attempts
                pause = await self._one_connection(backoff)
                await asyncio.sleep(pause)
        finally:
            with contextlib.suppress(LibvirtRPCError):
                await self.close()

    async def _one_connection(self, backoff: Backoff) -> float:
        """From an attempt to the connection's end; gives the pause before the next attempt."""
        try:
            connection = await self.open()
        except AuthenticationFailed as exc:
            self.report(exc)
            refused = exc.credentials_refused
            return backoff.pause_after_refusal() if refused else backoff.longest_pause()
        except LibvirtRPCError as exc:
            self.report(exc)
            return backoff.pause()
        except Exception:
            # A mistake of ours must not end the attempts: nobody would start them again.
            logger.exception("connecting failed")
            return backoff.pause()
        finally:
            self._first_attempt.set()
        assert self.identity is not None
        self._states.forget("connection")
        logger.info(
            "connected to libvirt",
            extra={
                "uri": self.uri.redacted,
                "hypervisor": self.identity.type,
                "libvirt": render_version(self.identity.lib_version),
            },
        )
        since = time.monotonic()
        error = await connection.session.wait_closed()
        self._end_watching()
        self.connection = None
        await self._close_extra()
        self.report(error)
        if time.monotonic() - since >= STABLE_SECONDS:
            backoff.reset()
        return backoff.pause()

    async def _close_extra(self) -> None:
        extra, self._extra = self._extra, []
        await _close_all(extra)

    async def _connect(self, timeout_seconds: float) -> Connection:
        config = self.config
        return await connect(
            config.uri,
            read_only=config.read_only,
            timeout=timeout_seconds,
            credentials=credentials_of(config),
            keepalive=Keepalive(config.keepalive_interval_seconds, config.keepalive_count),
            tap=self._tap,
            observe=self._observe,
            dial=self._dial,
        )

    def report(self, error: LibvirtRPCError) -> None:
        """Takes note of why there is no connection, and logs it where it is news."""
        self.error = error
        what = "lost libvirt" if isinstance(error, SessionClosed) else "cannot reach libvirt"
        self._states.failed("connection", f"{what}: {timeless(error)}", uri=self.uri.redacted)


def credentials_of(config: LibvirtConfig) -> Credentials | None:
    """What the configuration says, read anew for every connection; None leaves it to auth.conf.

    Raises AuthenticationFailed.
    """
    if config.username is None and config.password_file is None:
        return None
    if config.username is None or config.password_file is None:
        raise AuthenticationFailed("username and password_file go together in the configuration")
    return Credentials.from_password_file(config.username, config.password_file)


async def _close_all(connections: Iterable[Connection]) -> None:
    deadline = Deadline.after(FAREWELL_SECONDS)
    await asyncio.gather(*(one.close(deadline=deadline) for one in connections))


def timeless(error: LibvirtRPCError) -> str:
    """The error's sentence without the time that was waited: the same failure reads the same."""
    if isinstance(error, CallTimeout):
        return f"libvirt did not answer {error.procedure} in time"
    return str(error)


async def identify(connection: Connection) -> Identity:
    """Asks the daemon who it is; what it refuses to tell is empty or 0."""
    kind = await connection.get_type()
    version = await _or(connection.get_version(), 0)
    lib_version = await _or(connection.get_lib_version(), 0)
    hostname = await _or(connection.get_hostname(), "")
    return Identity(kind, version, lib_version, hostname)


async def _or(asked: Awaitable[T], otherwise: T) -> T:
    try:
        return await asked
    except RemoteError:
        return otherwise


def render_version(version: int) -> str:
    """`9.0.0` of 9000000; empty where it is unknown."""
    if not version:
        return ""
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}.{version % 1_000}"
