"""Listening sockets: of addresses, of a Unix socket's path, or handed over by systemd."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from exporter.config import ConfigError, ListenAddress, WebConfig

__all__ = ["SOCKET_MODE", "Listener", "inherit", "listen", "listening"]

SOCKET_MODE = 0o660
BACKLOG = 128

_FIRST_INHERITED = 3  # sd_listen_fds(3)
_INHERITED_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket, and where a client finds it."""

    sock: socket.socket
    address: ListenAddress

    def url(self, scheme: str, path: str) -> str:
        if self.address.socket_path:
            return str(self.address)
        host = self.address.host or "localhost"
        return f"{scheme}://{ListenAddress(host, self.address.port)}{path}"


@contextlib.contextmanager
def listening(web: WebConfig, environ: MutableMapping[str, str]) -> Iterator[list[Listener]]:
    """Listens where the configuration says; closes all, and removes what it made, at the end.

    Raises ConfigError, and listens nowhere then.
    """
    with contextlib.ExitStack() as stack:
        if web.systemd_socket:
            sockets = [stack.enter_context(sock) for sock in inherit(environ)]
            yield [Listener(sock, _address_of(sock)) for sock in sockets]
            return
        listeners = []
        for address in web.listen_address:
            sock = stack.enter_context(listen(address))
            if address.socket_path:
                stack.enter_context(_removed_at_end(Path(address.socket_path)))
                listeners.append(Listener(sock, address))
            else:
                port = sock.getsockname()[1]
                listeners.append(Listener(sock, ListenAddress(address.host, port)))
        yield listeners


def listen(address: ListenAddress) -> socket.socket:
    """A listening socket. Raises ConfigError where the address cannot be had."""
    try:
        if address.socket_path:
            return _listen_unix(Path(address.socket_path))
        return _without_delay(_listen_tcp(address))
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else str(exc)
        guess = "; is another exporter running there?" if exc.errno == errno.EADDRINUSE else "."
        raise ConfigError(
            "web.listen_address",
            f"cannot listen on {address}: {reason}{guess} Choose another with --web.listen-address",
        ) from exc


def _listen_tcp(address: ListenAddress) -> socket.socket:
    place = (address.host, address.port)
    if address.host:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return socket.create_server(place, family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                place, family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
    return socket.create_server(place, backlog=BACKLOG)


def _without_delay(sock: socket.socket) -> socket.socket:
    """Lets its connections send at once; they inherit it.

    asyncio sees to it for sockets that name their protocol only, which these do not. Without it the last
    piece of a page waits up to 40 ms for the client's acknowledgement.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _listen_unix(path: Path) -> socket.socket:
    if _is_abandoned(path):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        # Nobody can connect before it listens.
        path.chmod(SOCKET_MODE)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _is_abandoned(path: Path) -> bool:
    """Whether a socket's file is there that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


@contextlib.contextmanager
def _removed_at_end(path: Path) -> Iterator[None]:
    made = path.lstat()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if os.path.samestat(made, path.lstat()):  # and not a successor's
                path.unlink()


def inherit(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd hands over (sd_listen_fds(3)); the variables are taken away.

    Raises ConfigError where there are none, or one that does not listen.
    """
    is_ours = environ.get("LISTEN_PID") == str(os.getpid())
    count = environ.get("LISTEN_FDS", "") if is_ours else ""
    for name in _INHERITED_VARIABLES:
        environ.pop(name, None)
    if not count.isdecimal() or int(count) == 0:
        raise ConfigError(
            "web.systemd_socket",
            "systemd hands over no socket: start the .socket unit, not the service alone",
        )
    descriptors = range(_FIRST_INHERITED, _FIRST_INHERITED + int(count))
    return [_adopt(descriptor) for descriptor in descriptors]


def _adopt(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the function's own
        sock = socket.socket(fileno=descriptor)
        is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as exc:
        message = f"descriptor {descriptor} is no socket: {exc.strerror}"
        raise ConfigError("web.systemd_socket", message) from exc
    if not is_listening or sock.type != socket.SOCK_STREAM:
        message = f"descriptor {descriptor} does not listen: use ListenStream= and Accept=no"
        raise ConfigError("web.systemd_socket", message)
    return sock if sock.family == socket.AF_UNIX else _without_delay(sock)


def _address_of(sock: socket.socket) -> ListenAddress:
    name = sock.getsockname()
    if isinstance(name, tuple):
        host = name[0] if name[0] not in {"::", "0.0.0.0"} else ""  # noqa: S104 - read, not bound
        return ListenAddress(host, name[1])
    return ListenAddress("", 0, os.fsdecode(name))
