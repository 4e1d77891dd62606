"""What a service manager hears: of the class, and of a real process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.systemd import STATUS_INTERVAL_SECONDS, ServiceManager
from tests.support.exporter_process import exporter_process
from tests.support.virtual_time import VirtualClock, in_virtual_time

HEARD_TIMEOUT = 30.0


class Manager:
    """The socket that systemd would listen on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address.replace("@", "\0", 1) if address[0] == "@" else address)
        self.sock.settimeout(HEARD_TIMEOUT)

    def hear(self) -> dict[str, str]:
        """The next message; waits for it."""
        text = self.sock.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.split("\n"))

    def heard(self) -> list[dict[str, str]]:
        """All that has come."""
        self.sock.setblocking(False)
        messages = []
        try:
            while True:
                messages.append(self.hear())
        except BlockingIOError:
            return messages
        finally:
            self.sock.settimeout(HEARD_TIMEOUT)


@contextlib.contextmanager
def listening(address: str = "") -> Iterator[Manager]:
    """At an address, or at an abstract one of its own."""
    one = Manager(address or f"@libvirt-exporter-test-{os.getpid()}-{time.time_ns()}")
    with one.sock:
        yield one


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    with listening(str(tmp_path / "notify") if request.param == "path" else "") as one:
        yield one


@in_virtual_time
async def test_readiness_comes_first_then_signs_of_life_at_half_the_watchdog_s_time(
    clock: VirtualClock,
) -> None:
    states = iter(["starting", "one of\ntwo  connected", "all connected"])
    with listening() as manager:
        service = ServiceManager.of({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "6000000"})
        async with service.informed(lambda: next(states)):
            await asyncio.sleep(6.5)
            assert manager.heard() == [
                {"READY": "1"},
                {"WATCHDOG": "1", "STATUS": "starting"},
                {"WATCHDOG": "1", "STATUS": "one of two connected"},
                {"WATCHDOG": "1", "STATUS": "all connected"},
            ]
        await asyncio.sleep(100)
        assert manager.heard() == []


@in_virtual_time
async def test_the_status_is_told_now_and_then_without_a_watchdog_for_this_process(
    clock: VirtualClock,
) -> None:
    of_another = {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}
    for variables in ({}, of_another, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}):
        with listening() as manager:
            service = ServiceManager.of({"NOTIFY_SOCKET": manager.address, **variables})
            async with service.informed(lambda: "well"):
                await asyncio.sleep(2.5 * STATUS_INTERVAL_SECONDS)
            assert [one["STATUS"] for one in manager.heard()[1:]] == ["well"] * 3


def test_a_reload_is_told_with_its_time_and_ends_with_readiness(manager: Manager) -> None:
    service = ServiceManager.of({"NOTIFY_SOCKET": manager.address})
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    service.reloading()
    message = manager.hear()
    assert message["RELOADING"] == "1"
    assert int(message["MONOTONIC_USEC"]) >= before
    service.ready()
    service.stopping()
    assert manager.heard() == [{"READY": "1"}, {"STOPPING": "1"}]


async def test_without_a_manager_nothing_is_sent_and_nothing_runs() -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}):
        before = asyncio.all_tasks()
        async with ServiceManager.of(environ).informed(lambda: pytest.fail("asked")):
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == before
        ServiceManager.of(environ).stopping()


def test_a_manager_that_is_gone_or_does_not_read_is_no_error(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready()
    deaf = Manager(str(tmp_path / "deaf"))
    service = ServiceManager(deaf.address)
    for _ in range(5000):
        service.ready()
    deaf.sock.close()


def test_a_process_is_ready_when_it_answers_and_says_when_it_stops(manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
    with exporter_process("demo", **environment) as exporter:
        assert manager.hear() == {"READY": "1"}
        assert exporter.get("/-/healthy").status_code == 200
        statuses = {manager.hear()["STATUS"] for _ in range(5)}
        assert "connected to 1 of 1 hypervisors" in statuses
        manager.heard()
        assert manager.hear()["WATCHDOG"] == "1"
        assert exporter.end(signal.SIGTERM)[0] == 0
        assert {"STOPPING": "1"} in manager.heard()


def test_a_stopped_process_gives_no_sign_of_life(manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"}
    with exporter_process("demo", **environment) as exporter:
        manager.hear()
        os.kill(exporter.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, exporter.pid, os.WSTOPPED)
        manager.heard()
        manager.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            manager.hear()
