"""Which socket lets us in, and what is said of those that do not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import Attempt, ConnectFailed
from libvirt_rpc.session import Session
from libvirt_rpc.transports.unix import connect_unix
from tests.support.daemon import ScriptedDaemon

NOBODY = 65534
REFUSED = "connection refused: the socket is there, but no daemon listens on it"
FULL = "the daemon's queue of waiting clients is full"


@contextlib.contextmanager
def listening(path: Path, *, backlog: int | None) -> Iterator[None]:
    """A socket at `path`; without a backlog nobody listens on it."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        if backlog is not None:
            sock.listen(backlog)
        yield


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """No rights beyond those of the files' modes, for root has them all."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def lock(path: Path) -> None:
    """Lets everyone see the socket and nobody but root connect to it."""
    path.parent.chmod(0o755)
    path.chmod(0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def refused(*paths: Path | str, seconds: float = 20) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await connect_unix(
            "the target", [str(path) for path in paths], Session, Deadline.after(seconds)
        )
    return caught.value


async def connect_and_leave(*paths: Path | str) -> None:
    session = await connect_unix("test", [str(path) for path in paths], Session, Deadline.after(20))
    await session.close(Deadline.after(20))


async def test_the_first_socket_with_a_daemon_is_taken(tmp_path: Path) -> None:
    async with ScriptedDaemon() as first, ScriptedDaemon() as second:
        await connect_and_leave(tmp_path / "absent", first.path, second.path)
        await first.first_peer()
        assert len(first.peers) == 1
        assert second.peers == []


async def test_every_path_is_named_with_its_reason(tmp_path: Path) -> None:
    absent, stale, plain = tmp_path / "absent", tmp_path / "stale", tmp_path / "plain"
    plain.touch()
    with listening(stale, backlog=None):
        error = await refused(absent, stale, plain, tmp_path, plain / "below")
    assert error.attempts == (
        Attempt(str(absent), "no such socket"),
        Attempt(str(stale), REFUSED),
        Attempt(str(plain), "not a socket"),
        Attempt(str(tmp_path), "not a socket"),
        Attempt(str(plain / "below"), "no such socket"),
    )
    text = str(error)
    assert text.startswith("cannot connect to the target: ")
    assert all(f"{attempt.address}: {attempt.reason}" in text for attempt in error.attempts)


async def test_without_any_socket_the_advice_is_to_start_a_daemon_or_to_name_its_socket(
    tmp_path: Path,
) -> None:
    error = await refused(tmp_path / "a", tmp_path / "b")
    assert "qemu+unix:///system?socket=/path" in error.advice


async def test_without_permission_the_advice_is_to_get_it(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    with unprivileged():
        error = await refused(tmp_path / "absent", locked / "sock")
    assert error.attempts[-1] == Attempt(str(locked / "sock"), "permission denied")
    assert "group that owns the socket" in error.advice


async def test_a_socket_that_we_may_not_write_to_is_no_permission(tmp_path: Path) -> None:
    async with ScriptedDaemon() as daemon:
        lock(Path(daemon.path))
        with unprivileged():
            error = await refused(daemon.path)
    assert error.attempts == (Attempt(daemon.path, "permission denied"),)


async def test_a_daemon_whose_queue_is_full_is_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with listening(path, backlog=0), socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(path))
        assert (await refused(path)).attempts == (Attempt(str(path), FULL),)


async def test_a_datagram_socket_is_no_daemons(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        assert (await refused(path)).attempts == (Attempt(str(path), "not a stream socket"),)


async def test_a_path_that_no_socket_can_have_is_a_reason_too(tmp_path: Path) -> None:
    (attempt,) = (await refused(tmp_path / ("x" * 200))).attempts
    assert "too long" in attempt.reason


async def test_without_a_path_nothing_is_tried() -> None:
    error = await refused()
    assert error.attempts == ()
    assert "nothing to try" in str(error)


async def test_after_the_deadline_no_socket_is_in_time() -> None:
    async with ScriptedDaemon() as daemon:
        assert (await refused(daemon.path, seconds=0)).attempts == (
            Attempt(daemon.path, "no answer in time"),
        )
        # What was connected all the same is closed again.
        peer = await daemon.first_peer()
        await asyncio.wait_for(peer.ended.wait(), 20)


async def test_a_failed_attempt_leaves_no_socket_open(tmp_path: Path) -> None:
    before = open_files()
    for _ in range(3):
        await refused(tmp_path / "absent", tmp_path)
    assert open_files() == before
