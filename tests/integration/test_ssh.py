"""ssh with a real sshd, virt-ssh-helper and nc, to a real libvirtd."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.errors import ConnectFailed, SessionClosed
from libvirt_rpc.session import Keepalive
from tests.support.check_command import check
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.ports import free_port
from tests.support.sshd import PrivateSshd


@pytest.fixture(scope="module")
def sshd(libvirtd: PrivateLibvirtd, require: Callable[[str], str]) -> Iterator[PrivateSshd]:
    """A host with virt-ssh-helper and nc."""
    yield from _run_sshd(libvirtd, require, helper=True)


@pytest.fixture(scope="module")
def sshd_without_helper(
    libvirtd: PrivateLibvirtd, require: Callable[[str], str]
) -> Iterator[PrivateSshd]:
    """A host with nc alone."""
    yield from _run_sshd(libvirtd, require, helper=False)


def _run_sshd(
    libvirtd: PrivateLibvirtd, require: Callable[[str], str], *, helper: bool
) -> Iterator[PrivateSshd]:
    for program in ("ssh", "sshd", "ssh-keygen", "nc", "virt-ssh-helper"):
        require(program)
    with PrivateSshd(libvirtd.socket.parent, helper=helper) as sshd:
        yield sshd


@pytest.fixture
def known_hosts(sshd: PrivateSshd) -> Iterator[Path]:
    """For one test to spoil."""
    yield sshd.known_hosts
    sshd.trust(sshd.host_key)


def children() -> set[str]:
    return {
        pid
        for listed in Path("/proc/self/task").glob("*/children")
        for pid in listed.read_text().split()
    }


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("proxy", ["auto", "native", "netcat"])
async def test_the_daemon_is_reached_through_helper_and_nc(
    sshd: PrivateSshd, proxy: str, *, read_only: bool
) -> None:
    async with connect(sshd.uri(proxy=proxy), read_only=read_only) as connection:
        assert await connection.get_uri() == "qemu:///system"


async def test_without_the_helper_nc_is_used(sshd_without_helper: PrivateSshd) -> None:
    async with connect(sshd_without_helper.uri()) as connection:
        assert await connection.get_uri() == "qemu:///system"
    assert check(sshd_without_helper.uri()).status == 0


async def test_another_socket_is_reached_through_nc(
    sshd: PrivateSshd, libvirtd: PrivateLibvirtd
) -> None:
    async with connect(sshd.uri(socket=str(libvirtd.socket))) as connection:
        assert await connection.get_uri() == "qemu:///system"


async def test_a_session_is_the_helpers_affair(sshd: PrivateSshd) -> None:
    # To root the helper gives the system's daemon, and that opens the session's driver.
    async with connect(sshd.uri("/session")) as connection:
        assert await connection.get_uri() == "qemu:///session"


async def test_nothing_is_left_when_the_connection_is_closed(sshd: PrivateSshd) -> None:
    async with connect(sshd.uri()):
        pass
    before, files = children(), open_files()
    for _ in range(3):
        async with connect(sshd.uri()) as connection:
            assert await connection.get_type() == "QEMU"
            assert children() > before
        assert children() == before
    assert open_files() == files


def test_check_says_that_it_works(sshd: PrivateSshd) -> None:
    assert check(sshd.uri()).status == 0


# What goes wrong comes back in ssh's own words.


def failure(sshd: PrivateSshd, uri: str) -> str:
    """Without the beginning, which names the address."""
    before = f"socket cannot connect to qemu+ssh://127.0.0.1:{sshd.port}/system: {sshd.command} "
    text = check(uri).failure
    assert text.startswith(before)
    return text.removeprefix(before).removeprefix(f"-p {sshd.port} 127.0.0.1: ")


def test_a_key_that_is_not_accepted(sshd: PrivateSshd) -> None:
    assert failure(sshd, sshd.uri(key=sshd.other_key)) == (
        "127.0.0.1: Permission denied (publickey). "
        "(the key must be accepted there and need no passphrase here: ssh-agent, or keyfile=)"
    )


def test_a_host_whose_key_is_unknown(sshd: PrivateSshd, known_hosts: Path) -> None:
    known_hosts.write_text("")
    assert failure(sshd, sshd.uri()) == (
        "Host key verification failed. "
        "(connect once by hand as this user and compare the key, or put it into known_hosts)"
    )


def test_a_host_whose_key_has_changed(sshd: PrivateSshd, known_hosts: Path) -> None:
    sshd.trust(sshd.other_key)
    text = failure(sshd, sshd.uri())
    assert "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!" in text
    assert f"Offending ED25519 key in {known_hosts}:1" in text


@pytest.mark.parametrize("is_known", [True, False])
async def test_no_verify_takes_any_hosts_key(
    sshd: PrivateSshd, known_hosts: Path, *, is_known: bool
) -> None:
    if is_known:
        sshd.trust(sshd.other_key)
    else:
        known_hosts.write_text("")
    async with connect(sshd.uri(no_verify="1")) as connection:
        assert await connection.get_type() == "QEMU"


def test_a_port_without_sshd(sshd: PrivateSshd) -> None:
    port = free_port()
    text = check(sshd.uri().replace(f":{sshd.port}/", f":{port}/")).failure
    assert text.endswith(f"ssh: connect to host 127.0.0.1 port {port}: Connection refused")


def test_a_socket_that_is_not_there(sshd: PrivateSshd) -> None:
    assert failure(sshd, sshd.uri(socket="/no such/sock")) == (
        "nc: /no such/sock: No such file or directory "
        "(does libvirtd run on the host, and may the user use its socket (group libvirt)?)"
    )


def test_a_netcat_that_is_not_there(sshd: PrivateSshd) -> None:
    text = failure(sshd, sshd.uri(netcat="/no such/nc"))
    assert "/no such/nc: not found" in text
    assert text.endswith(
        "(virt-ssh-helper, of libvirt's daemon package, or nc must be installed on the host)"
    )


def test_a_hostile_parameter_reaches_the_host_as_one_word(sshd: PrivateSshd) -> None:
    evidence = sshd.directory / "evidence"
    for word in (f"x; touch {evidence}", f"$(touch {evidence})", f"' ; touch {evidence} ; '"):
        assert word in failure(sshd, sshd.uri(socket=word))
    assert not evidence.exists()


async def test_a_stopped_daemon_is_given_up_and_ssh_ended(
    own_libvirtd: PrivateLibvirtd, require: Callable[[str], str]
) -> None:
    for sshd in _run_sshd(own_libvirtd, require, helper=True):
        before = children()
        keepalive = Keepalive(interval_seconds=0.3, count=3)
        connection = await connect(sshd.uri(), keepalive=keepalive)
        with own_libvirtd.stopped():
            began = time.monotonic()
            error = await connection.session.wait_closed()
            assert isinstance(error, SessionClosed)
            assert str(error).endswith("s (3 keepalive intervals)")
            assert time.monotonic() - began < 3 * 0.3 + 1
            assert children() == before
            with pytest.raises(ConnectFailed, match="no answer in time"):
                await connect(sshd.uri(), timeout=2)
        await connection.close()
        assert children() == before
