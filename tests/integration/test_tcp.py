"""Plain TCP with a real libvirtd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.errors import CallTimeout, SessionClosed
from libvirt_rpc.session import Keepalive
from tests.support import libvirtd as private
from tests.support import real_parts
from tests.support.check_command import check
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.ports import free_port


@dataclass(frozen=True)
class Host:
    libvirtd: PrivateLibvirtd
    port: int

    @property
    def uri(self) -> str:
        return f"qemu+tcp://127.0.0.1:{self.port}/system"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A libvirtd that lets everyone in over TCP."""
    if (reason := private.missing_part()) is not None:
        real_parts.lacks(reason)
    port = free_port()
    config: dict[str, private.ConfigValue] = {
        "listen_tcp": 1,
        "tcp_port": str(port),
        "auth_tcp": "none",
    }
    with PrivateLibvirtd(config=config) as libvirtd:
        yield Host(libvirtd, port)


async def test_a_daemon_that_asks_for_nothing_lets_us_in(host: Host) -> None:
    async with connect(host.uri) as connection:
        assert await connection.get_type() == "QEMU"
        assert connection.session.certificates == {}
    assert check(host.uri).status == 0


async def test_a_hosts_name_leads_to_whichever_address_listens(host: Host) -> None:
    async with connect(f"qemu+tcp://localhost:{host.port}/system") as connection:
        assert await connection.get_type() == "QEMU"


def test_a_port_without_a_daemon_says_what_opens_it() -> None:
    place = f"127.0.0.1:{free_port()}"
    assert check(f"qemu+tcp://{place}/system").failure == (
        f"socket cannot connect to qemu+tcp://{place}/system: {place}: connection refused (does a "
        "daemon listen there? It takes libvirtd-tcp.socket or virtproxyd-tcp.socket, or libvirtd "
        "--listen with listen_tcp = 1)"
    )


def test_an_unknown_host_is_named() -> None:
    failure = check("qemu+tcp://no-such-host.invalid/system").failure
    assert failure.startswith(
        "socket cannot connect to qemu+tcp://no-such-host.invalid/system: no-such-host.invalid: "
    )
    assert "name" in failure.partition("no-such-host.invalid: ")[2]


async def test_a_stopped_daemon_is_given_up_within_the_keepalive_time(host: Host) -> None:
    connection = await connect(host.uri, keepalive=Keepalive(interval_seconds=0.3, count=3))
    with host.libvirtd.stopped():
        began = time.monotonic()
        error = await connection.session.wait_closed()
        assert isinstance(error, SessionClosed)
        assert str(error).endswith("s (3 keepalive intervals)")
        assert time.monotonic() - began < 3 * 0.3 + 1
    await connection.close()


async def test_a_stopped_daemon_does_not_hold_who_connects(host: Host) -> None:
    with (
        host.libvirtd.stopped(),
        pytest.raises(CallTimeout, match="did not answer AUTH_LIST within"),
    ):
        await connect(host.uri, timeout=0.5)
