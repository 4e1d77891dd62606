"""TLS with a real libvirtd: who is let in, and what the others are told."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.errors import AuthenticationFailed, ConnectFailed, SessionClosed
from libvirt_rpc.session import Keepalive
from tests.support import libvirtd as private
from tests.support import real_parts
from tests.support.certificates import DAY, NOW, Authority, Pair, write_client
from tests.support.check_command import check
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.network import PrivateNetwork, require_networks
from tests.support.ports import free_port

WRONG_PORT = "is this the port for TLS, 16514 by default? The one without, 16509, takes +tcp"
RENEWED = NOW - DAY / 2
RENEWED_TEXT = RENEWED.strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True)
class Host:
    """A libvirtd with TLS, and with TCP, that lets in clients of its CA whose name is exporter."""

    libvirtd: PrivateLibvirtd
    directory: Path
    authority: Authority
    server: Pair
    port: int
    tcp_port: int
    address: str = "127.0.0.1"

    @property
    def place(self) -> str:
        return f"{self.address}:{self.port}"

    def uri(self, client: Path, more: str = "") -> str:
        return f"qemu+tls://{self.place}/system?pkipath={client}{more}"

    def client(self, own: Pair | None = None, *, trusts: Authority | None = None) -> Path:
        """A new folder for `pkipath=`."""
        folder = self.directory / f"client{len(list(self.directory.iterdir()))}"
        return write_client(folder, [trusts or self.authority], own)

    def exporter(self) -> Path:
        return self.client(self.authority.issue("exporter"))

    def install(self, pair: Pair) -> None:
        (self.directory / "servercert.pem").write_bytes(pair.pem)
        (self.directory / "serverkey.pem").write_bytes(pair.key_pem())

    @contextmanager
    def certified_by(self, pair: Pair) -> Iterator[None]:
        """The daemon with another certificate, for a while."""
        self.install(pair)
        self.libvirtd.restart()
        try:
            yield
        finally:
            self.install(self.server)
            self.libvirtd.restart()

    def refusal(self, client: Path) -> str:
        """What `check` says, without the address."""
        before = f"socket cannot connect to qemu+tls://{self.place}/system: {self.place}: "
        failure = check(self.uri(client)).failure
        assert failure.startswith(before)
        return failure.removeprefix(before)


@contextmanager
def new_host(directory: Path, address: str, network: str | None = None) -> Iterator[Host]:
    authority = Authority.new()
    server = authority.issue("the host", "localhost", address)
    (directory / "cacert.pem").write_bytes(authority.pem)
    port, tcp_port = free_port(), free_port()
    config: dict[str, private.ConfigValue] = {
        "listen_addr": address,
        "listen_tls": 1,
        "listen_tcp": 1,
        "tls_port": str(port),
        "tcp_port": str(tcp_port),
        "auth_tcp": "none",
        "ca_file": str(directory / "cacert.pem"),
        "cert_file": str(directory / "servercert.pem"),
        "key_file": str(directory / "serverkey.pem"),
        "tls_allowed_dn_list": ["*CN=exporter*"],
        "tls_no_sanity_certificate": 1,  # else it does not start with an expired certificate
    }
    libvirtd = PrivateLibvirtd(config=config, network=network)
    host = Host(libvirtd, directory, authority, server, port, tcp_port, address)
    host.install(server)
    with libvirtd:
        yield host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if (reason := private.missing_part()) is not None:
        real_parts.lacks(reason)
    with new_host(tmp_path_factory.mktemp("tls"), "127.0.0.1") as made:
        yield made


async def test_a_good_certificate_lets_us_in(host: Host) -> None:
    own = host.authority.issue("exporter")
    uri = host.uri(host.client(own))
    async with connect(uri) as connection:
        assert await connection.get_type() == "QEMU"
        assert connection.session.certificates == {
            "server": host.server.not_after,
            "client": own.not_after,
            "ca": host.authority.not_after,
        }
    assert check(uri).status == 0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_both_versions_of_tls_bring_the_confirmation(host: Host, version: str) -> None:
    more = f"&tls_priority=NORMAL:-VERS-ALL:%2BVERS-TLS{version}"
    async with connect(host.uri(host.exporter(), more)) as connection:
        assert await connection.get_type() == "QEMU"
    with pytest.raises(AuthenticationFailed, match="no client certificate"):
        await connect(host.uri(host.client(), more))


def test_what_works_for_virsh_works_here(host: Host) -> None:
    uri = host.uri(host.exporter())
    command = ["virsh", "--quiet", "--connect", uri, "list"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert check(uri).status == 0


async def test_the_read_only_flag_holds_over_tls(host: Host) -> None:
    async with connect(host.uri(host.exporter()), read_only=True) as connection:
        assert await connection.get_uri() == "qemu:///system"


# Clients that are refused.


def test_a_client_without_a_certificate_is_told_to_have_one(host: Host) -> None:
    client = host.client()
    assert check(host.uri(client)).failure == (
        "authentication authentication with libvirt failed: the daemon closed the connection after "
        "the TLS handshake, and we have no client certificate to show it: "
        f"{client}/clientcert.pem: no such file; {client}/clientkey.pem: no such file (put a "
        "certificate and its key there, or name their folder with pkipath=)"
    )


def test_an_expired_client_is_told_the_date(host: Host) -> None:
    client = host.client(host.authority.issue("exporter", not_after=RENEWED))
    assert check(host.uri(client)).failure == (
        "authentication authentication with libvirt failed: the daemon refused our certificate "
        f"{client}/clientcert.pem, which expired on {RENEWED_TEXT} (renew it)"
    )


def test_a_client_whose_name_is_not_allowed_is_told_of_the_list(host: Host) -> None:
    client = host.client(host.authority.issue("stranger"))
    assert check(host.uri(client)).failure == (
        "authentication authentication with libvirt failed: the daemon refused our certificate "
        f"{client}/clientcert.pem (is it from the CA of the daemon's ca_file, and is its name, which "
        "virt-pki-query-dn prints, in libvirtd.conf's tls_allowed_dn_list?)"
    )


def test_a_client_of_another_ca_is_told_so(host: Host) -> None:
    client = host.client(Authority.new("another CA").issue("exporter"))
    failure = check(host.uri(client)).failure
    assert f"{client}/clientcert.pem, whose issuer is not in {client}/cacert.pem (" in failure


# Servers that we refuse.


def test_a_server_of_another_ca_is_refused(host: Host) -> None:
    client = host.client(host.authority.issue("exporter"), trusts=Authority.new("another CA"))
    assert host.refusal(client) == (
        f"the server's certificate is from a CA that is not in {client}/cacert.pem "
        "(put its CA's certificate there, or name the folder that has it with pkipath=)"
    )


async def test_no_verify_takes_it_all_the_same(host: Host) -> None:
    client = host.client(host.authority.issue("exporter"), trusts=Authority.new("another CA"))
    async with connect(host.uri(client, "&no_verify=1")) as connection:
        assert connection.session.certificates["server"] == host.server.not_after


def test_an_expired_server_is_refused_with_the_date(host: Host) -> None:
    with host.certified_by(host.authority.issue("host", "127.0.0.1", not_after=RENEWED)):
        assert host.refusal(host.exporter()) == (
            f"the server's certificate expired on {RENEWED_TEXT} (renew it on the server)"
        )


def test_a_server_of_another_name_is_refused_with_its_names(host: Host) -> None:
    with host.certified_by(host.authority.issue("host", "kvm1.example", "192.0.2.1")):
        assert host.refusal(host.exporter()) == (
            "the server's certificate is not for 127.0.0.1: it is for kvm1.example, 192.0.2.1 (write "
            "one of its names into the URI, or give the server a certificate for this one)"
        )


# Wrong ports and absent files.


def test_tls_to_the_plain_port_names_the_other(host: Host) -> None:
    uri = f"qemu+tls://127.0.0.1:{host.tcp_port}/system?pkipath={host.exporter()}"
    assert check(uri).failure == (
        f"socket cannot connect to qemu+tls://127.0.0.1:{host.tcp_port}/system: "
        f"127.0.0.1:{host.tcp_port}: the peer closed the connection during the TLS handshake "
        f"({WRONG_PORT})"
    )


def test_plain_calls_to_the_tls_port_name_the_other(host: Host) -> None:
    assert check(f"qemu+tcp://{host.place}/system").failure == (
        f"socket cannot connect to qemu+tcp://{host.place}/system: {host.place}: the peer closed the "
        "connection without a word "
        "(if this is the port for TLS, 16514 by default, write +tls in place of +tcp)"
    )


def test_a_port_without_a_daemon_says_what_opens_it(host: Host) -> None:
    port = free_port()
    assert check(f"qemu+tls://127.0.0.1:{port}/system?pkipath={host.exporter()}").failure == (
        f"socket cannot connect to qemu+tls://127.0.0.1:{port}/system: 127.0.0.1:{port}: connection "
        "refused (does a daemon listen there? It takes libvirtd-tls.socket or "
        "virtproxyd-tls.socket, or libvirtd --listen with listen_tls = 1)"
    )


def test_a_missing_ca_is_told_with_its_path(host: Host) -> None:
    client = host.exporter()
    (client / "cacert.pem").unlink()
    for more in ("", "&no_verify=1"):
        failure = check(host.uri(client, more)).failure
        assert f"{client}/cacert.pem: no such file" in failure


# Peers that stop answering.


async def test_a_stopped_daemon_is_given_up_within_the_keepalive_time(host: Host) -> None:
    keepalive = Keepalive(interval_seconds=0.3, count=3)
    connection = await connect(host.uri(host.exporter()), keepalive=keepalive)
    with host.libvirtd.stopped():
        began = time.monotonic()
        error = await connection.session.wait_closed()
        assert isinstance(error, SessionClosed)
        assert str(error).endswith("s (3 keepalive intervals)")
        assert time.monotonic() - began < 3 * 0.3 + 1
    await connection.close()


async def test_a_daemon_that_is_stopped_does_not_hold_the_handshake(host: Host) -> None:
    uri = host.uri(host.exporter())
    with (
        host.libvirtd.stopped(),
        pytest.raises(ConnectFailed, match="no answer in time to the TLS"),
    ):
        await connect(uri, timeout=0.5)


async def test_a_network_that_drops_packets_is_given_up_within_the_keepalive_time(
    tmp_path: Path,
) -> None:
    require_networks()
    if (reason := private.missing_part()) is not None:
        real_parts.lacks(reason)
    with (
        PrivateNetwork() as network,
        new_host(tmp_path, PrivateNetwork.address, network.name) as remote,
    ):
        keepalive = Keepalive(interval_seconds=0.3, count=3)
        tls = await connect(remote.uri(remote.exporter()), keepalive=keepalive)
        tcp_uri = f"qemu+tcp://{network.address}:{remote.tcp_port}/system"
        tcp = await connect(tcp_uri, keepalive=keepalive)
        network.cut()
        began = time.monotonic()
        for connection in (tls, tcp):
            error = await connection.session.wait_closed()
            assert str(error).endswith("s (3 keepalive intervals)")
            await connection.close()
        assert time.monotonic() - began < 3 * 0.3 + 1
        with pytest.raises(ConnectFailed, match=r"no answer in time|no route to the host"):
            await connect(tcp_uri, timeout=0.5)
