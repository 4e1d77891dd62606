"""ssh: the user's own `ssh` program carries the bytes; virt-ssh-helper or nc on the host takes them.

It runs in batch mode, without a terminal, as a child of this process that is gone when the session is
closed. What it says on stderr is the error's text. No shell of this machine sees any parameter, and the
host's shell sees each as one word.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import socket
from collections.abc import Callable
from urllib.parse import quote

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import Attempt, ConnectFailed, InvalidURI, SessionClosed
from libvirt_rpc.libvirt_conf import RemoteProxy
from libvirt_rpc.session import Session
from libvirt_rpc.uri import ConnectionURI

__all__ = ["arguments", "connect_ssh", "remote_command"]

STDERR_BYTES = 8192
"""What is kept of stderr: its end. A login banner may be long."""

REASON_CHARACTERS = 1000
LAST_WORDS_SECONDS = 1.0
"""How long a program that has closed its streams may take to end by itself, and one that was told to."""

SIGN_OFF_SECONDS = 0.1
"""A connection attempt ends so much before its deadline, lest the caller's own timer be the first."""

_UNPRINTABLE = re.compile(r"[^ -~\u00a0-\U0010ffff]+")

_SYSTEM_SOCKET = "/var/run/libvirt/libvirt-sock"


# The command line. Pure.


def arguments(uri: ConnectionURI, proxy: RemoteProxy, *, read_only: bool) -> list[str]:
    """The program and its arguments, in the order in which libvirt's client gives them.

    `proxy` is libvirt.conf's remote_proxy; the URI's `proxy=` wins. Raises InvalidURI.
    """
    assert uri.host is not None
    parameters = uri.parameters
    argv = [parameters.command or "ssh"]
    if uri.port is not None:
        argv += ["-p", str(uri.port)]
    if uri.user is not None:
        argv += ["-l", uri.user]
    if parameters.keyfile is not None:
        argv += ["-i", parameters.keyfile]
    argv += ["-T", "-e", "none", "-o", "BatchMode=yes"]
    if parameters.no_verify:
        argv += ["-o", "StrictHostKeyChecking=no"]
    return [*argv, "--", uri.host, remote_command(uri, proxy, read_only=read_only)]


def remote_command(uri: ConnectionURI, proxy: RemoteProxy, *, read_only: bool) -> str:
    """What the host's login shell runs, whichever shell that is: one script for its `sh`."""
    native, netcat = _native(uri, read_only=read_only), _netcat(uri, read_only=read_only)
    match _proxy(uri, proxy):
        case RemoteProxy.NATIVE:
            script = f"exec {native}"
        case RemoteProxy.NETCAT:
            script = netcat
        case RemoteProxy.AUTO:
            found = "command -v virt-ssh-helper >/dev/null 2>&1"
            script = f"if {found}; then exec {native}; else {netcat}; fi"
    return f"sh -c {_quoted_for_any_shell(script)}"


def _proxy(uri: ConnectionURI, configured: RemoteProxy) -> RemoteProxy:
    """As libvirt's client decides. An empty name, which helpers do not take, is for netcat too."""
    parameters = uri.parameters
    chosen = parameters.proxy or configured
    is_session = uri.path == "/session" and parameters.socket is None
    if chosen is RemoteProxy.AUTO:
        if parameters.socket or parameters.netcat or (not uri.open_name and not is_session):
            chosen = RemoteProxy.NETCAT
        elif is_session:
            chosen = RemoteProxy.NATIVE
    if chosen is RemoteProxy.NETCAT and is_session:
        raise InvalidURI(
            uri.redacted,
            "netcat does not find a session's socket: name it with socket=, or write proxy=native",
        )
    return chosen


def _native(uri: ConnectionURI, *, read_only: bool) -> str:
    options = " -r" if read_only else ""
    return f"virt-ssh-helper{options} {shlex.quote(_helper_uri(uri))}"


def _helper_uri(uri: ConnectionURI) -> str:
    """The helper looks for the socket itself; it is told what the URI says of that."""
    parameters = uri.parameters
    if parameters.name is not None:
        return uri.open_name
    hints = [
        f"{name}={quote(value, safe='/')}"
        for name, value in (("mode", parameters.mode), ("socket", parameters.socket))
        if value is not None
    ]
    if not hints:
        return uri.open_name
    local, mark, fragment = uri.open_name.partition("#")
    return f"{local}{'&' if '?' in local else '?'}{'&'.join(hints)}{mark}{fragment}"


def _netcat(uri: ConnectionURI, *, read_only: bool) -> str:
    """Some versions of nc stay when the stream ends unless -q0 is given, others do not know it."""
    program = shlex.quote(uri.parameters.netcat or "nc")
    path = uri.parameters.socket or _SYSTEM_SOCKET + ("-ro" if read_only else "")
    return (
        f'if {program} -q 2>&1 | grep "requires an argument" >/dev/null 2>&1; then q=-q0; else q=; fi; '
        f"exec {program} $q -U {shlex.quote(path)}"
    )


def _quoted_for_any_shell(text: str) -> str:
    """One word for POSIX shells, csh and fish alike.

    Between single quotes csh still expands exclamation marks and fish still takes backslashes for
    escapes; a backslash outside of quotes makes either a plain character in all of them.
    """
    parts = re.split(r"(['!\\])", text)
    return "".join(
        f"\\{part}" if part in {"'", "!", "\\"} else f"'{part}'" for part in parts if part
    )


# The connection


async def connect_ssh(
    uri: ConnectionURI,
    factory: Callable[[], Session],
    deadline: Deadline,
    *,
    read_only: bool,
    proxy: RemoteProxy = RemoteProxy.AUTO,
) -> Session:
    """Starts ssh. Whether it gets through shows with the daemon's first byte: until then the session
    fails with ConnectFailed, which has ssh's own words.

    Raises InvalidURI, and ConnectFailed where the program cannot be run.
    """
    argv = arguments(uri, proxy, read_only=read_only)
    child = _Child()
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)  # noqa: FBT003
        with theirs:
            await _start(uri.redacted, argv, child, theirs)
        session = factory()
        channel = _Channel(session, child, uri, argv[0])
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
    except BaseException:
        ours.close()
        await child.end(patience_seconds=0)
        raise
    channel.give_up_after(deadline.remaining() - SIGN_OFF_SECONDS)
    return session


async def _start(target: str, argv: list[str], child: _Child, stream: socket.socket) -> None:
    starting = asyncio.ensure_future(
        asyncio.get_running_loop().subprocess_exec(
            lambda: child,
            *argv,
            stdin=stream.fileno(),
            stdout=stream.fileno(),
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # no terminal to ask on, and no share in its Ctrl-C
        )
    )
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio would end the program alone, and not what it has started; `child` knows it now.
        await asyncio.wait((starting,))
        raise
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        attempt = Attempt(argv[0], f"the program cannot be run: {reason}")
        advice = "install the OpenSSH client, or name the program with command="
        raise ConnectFailed(target, (attempt,), advice) from exc


class _Channel(asyncio.Protocol):
    """Between the program's socket and the session: the session learns of the end after the child's."""

    def __init__(self, session: Session, child: _Child, uri: ConnectionURI, program: str) -> None:
        self._session = session
        self._child = child
        self._uri = uri
        self._program = program
        self._has_heard = False
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def give_up_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._too_late)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._session.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._has_heard:
            self._has_heard = True
            self._cancel_timer()
            self._child.forget()  # a banner and warnings are not what ends the session later
        self._session.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._ending = asyncio.get_running_loop().create_task(self._end(exc))

    def _too_late(self) -> None:
        said = self._child.said(self._uri.user)
        reason = f"no answer in time{': ' if said else ''}{said}"
        attempt = Attempt(self._address, reason)
        advice = "is the host up, and does ssh to it work by hand?"
        self._session.fail(ConnectFailed(self._uri.redacted, (attempt,), advice))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def _end(self, exc: Exception | None) -> None:
        closed_here = self._session.error is not None
        try:
            await self._child.end(patience_seconds=0 if closed_here else LAST_WORDS_SECONDS)
        finally:
            self._session.fail(self._failure(), cause=exc)
            self._session.connection_lost(exc)

    def _failure(self) -> ConnectFailed | SessionClosed:
        said = self._child.said(self._uri.user)
        reason = said or f"it ended with status {self._child.status} and said nothing"
        if self._has_heard:
            return SessionClosed(f"{self._program}: {reason}")
        attempt = Attempt(self._address, reason)
        return ConnectFailed(self._uri.redacted, (attempt,), _advice(reason))

    @property
    def _address(self) -> str:
        port = "" if self._uri.port is None else f" -p {self._uri.port}"
        return f"{self._program}{port} {self._uri.host}"


class _Child(asyncio.SubprocessProtocol):
    """The program: the end of what it says is kept, and it is always reaped."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._stderr = b""
        self._exited = asyncio.Event()
        self._ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002  # only stderr is a pipe
        self._stderr = (self._stderr + data)[-STDERR_BYTES:]

    def process_exited(self) -> None:
        assert self._transport is not None
        self.status = self._transport.get_returncode()
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        self._ended.set()

    def said(self, user: str | None) -> str:
        """The lines of stderr as one line, without the URI's user."""
        text = self._stderr.decode(errors="replace")
        if user is not None:
            text = text.replace(f"{user}@", "")
        lines = (_UNPRINTABLE.sub(" ", line).strip("@ ") for line in text.splitlines())
        return " / ".join(line for line in lines if line)[-REASON_CHARACTERS:]

    def forget(self) -> None:
        """Drops what was said so far."""
        self._stderr = b""

    async def end(self, *, patience_seconds: float) -> None:
        """Waits for the program's end so long, then tells it to end, then kills it; reaps it."""
        if self._transport is None:
            return  # it was never started
        try:
            for number, seconds in (
                (None, patience_seconds),
                (signal.SIGTERM, LAST_WORDS_SECONDS),
                (signal.SIGKILL, None),
            ):
                self._signal(number)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._exited.wait()
                        break
            # Its last words may still be in the pipe. A program that it left behind, such as ssh's
            # own connection sharing, may hold the other end for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_SECONDS):
                    await self._ended.wait()
        finally:
            self._signal(signal.SIGKILL)
            self._transport.close()

    def _signal(self, number: signal.Signals | None) -> None:
        """To the program and what a wrapper around ssh has started: it leads a group of its own."""
        assert self._transport is not None
        if number is not None and not self._exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._transport.get_pid(), number)


_NO_DAEMON = "does libvirtd run on the host, and may the user use its socket (group libvirt)?"

_ADVICE = {
    "Host key verification failed": (
        "connect once by hand as this user and compare the key, or put it into known_hosts"
    ),
    "Permission denied (": (
        "the key must be accepted there and need no passphrase here: ssh-agent, or keyfile="
    ),
    "not found": "virt-ssh-helper, of libvirt's daemon package, or nc must be installed on the host",
    "Failed to connect socket": _NO_DAEMON,
    "nc: ": _NO_DAEMON,
    "Ncat: ": _NO_DAEMON,
}


def _advice(reason: str) -> str:
    return next((advice for words, advice in _ADVICE.items() if words in reason), "")
