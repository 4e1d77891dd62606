"""The unix socket: the first of the candidate paths that lets us in."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import Attempt, ConnectFailed

P = TypeVar("P", bound=asyncio.Protocol)

_REASONS = {
    errno.ENOENT: "no such socket",
    errno.ENOTDIR: "no such socket",
    errno.ECONNREFUSED: "connection refused: the socket is there, but no daemon listens on it",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EAGAIN: "the daemon's queue of waiting clients is full",
    errno.ENOTSOCK: "not a socket",
    errno.EPROTOTYPE: "not a stream socket",
}


async def connect_unix(
    target: str, paths: Sequence[str], factory: Callable[[], P], deadline: Deadline
) -> P:
    """Connects to the first path that works. Raises ConnectFailed with every attempt's reason."""
    loop = asyncio.get_running_loop()
    attempts = []
    for path in paths:
        try:
            async with asyncio.timeout(deadline.remaining()):
                _, protocol = await loop.create_unix_connection(factory, sock=_connected(path))
        except TimeoutError:
            attempts.append(Attempt(path, "no answer in time"))
        except (OSError, ValueError) as exc:
            attempts.append(Attempt(path, _reason(path, exc)))
        else:
            return protocol
    raise ConnectFailed(target, tuple(attempts), _advice(attempts))


def _connected(path: str) -> socket.socket:
    """A unix socket connects at once or not at all.

    asyncio would take EAGAIN, which a full queue gives, for a connection that is under way and hand
    out a socket that leads nowhere.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _reason(path: str, exc: OSError | ValueError) -> str:
    number = getattr(exc, "errno", None)
    if number == errno.ECONNREFUSED and not Path(path).is_socket():
        # The kernel refuses a plain file in the words of a socket without a listener.
        number = errno.ENOTSOCK
    return _REASONS.get(number, os.strerror(number)) if number else str(exc)


def _advice(attempts: Sequence[Attempt]) -> str:
    reasons = [attempt.reason for attempt in attempts]
    if any(reason == "permission denied" for reason in reasons):
        return (
            "add this user to the group that owns the socket, usually `libvirt`, or run as root; "
            "SELinux or AppArmor may deny it too"
        )
    if all(reason == _REASONS[errno.ENOENT] for reason in reasons):
        return (
            "is libvirtd or virtqemud running here? Name another socket with "
            "qemu+unix:///system?socket=/path"
        )
    return "is libvirtd running?"
