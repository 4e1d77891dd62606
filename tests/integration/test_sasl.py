"""SASL against a real libvirtd: every mechanism on unix, TCP and TLS, and every way to be refused."""

from __future__ import annotations

import logging
import socket
import subprocess
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.enums import ConnectListAllDomainsFlags, DomainStatsTypes
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.protocol.framing import Frame
from tests.support import domains, real_parts, sasl
from tests.support import libvirtd as private
from tests.support.certificates import Authority, write_client
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.sasl import SaslDatabase, write_auth_conf

USER = "exporter-of-tests"
PASSWORD = 's3cret, ümläut & "quotes" \\'
GOOD = Credentials(USER, PASSWORD)
SCRAM = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1")
FLEET = (
    DomainSpec("plain"),
    DomainSpec("disks", vcpus=2, disks=tuple(Disk(f"vd{letter}") for letter in "abcdefgh")),
    DomainSpec("cards", vcpus=4, interfaces=tuple(Interface(user_mode=True) for _ in range(8))),
)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A libvirtd that asks for SASL on its read-write socket, on TCP and on TLS."""

    libvirtd: PrivateLibvirtd
    tcp_port: int
    tls_port: int
    pki: Path

    def unix(self, parameters: str = "") -> str:
        return f"{self.libvirtd.uri()}{parameters and '&'}{parameters}"

    def tcp(self, path: str = "/system", driver: str = "qemu") -> str:
        return f"{driver}+tcp://127.0.0.1:{self.tcp_port}{path}"

    def tls(self, parameters: str = "") -> str:
        return f"qemu+tls://localhost:{self.tls_port}/system?pkipath={self.pki}&{parameters}"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    if reason := private.missing_part() or sasl.missing_part():
        real_parts.lacks(reason)
    directory = tmp_path_factory.mktemp("sasl")
    database = SaslDatabase(directory / "sasl2", ["plain", "digest-md5", *map(str.lower, SCRAM)])
    database.add(USER, PASSWORD)
    database.add("elsewhere", PASSWORD, realm="example.org")
    for name, password in PASSWORDS.items():
        database.add(name, password)
    auth_conf = write_auth_conf(directory / "auth.conf", USER, PASSWORD)

    authority = Authority.new()
    server = authority.issue("localhost", "localhost", "127.0.0.1")
    for name, content in (
        ("cacert", authority.pem),
        ("servercert", server.pem),
        ("serverkey", server.key_pem()),
    ):
        (directory / f"{name}.pem").write_bytes(content)
    pki = write_client(directory / "pki", [authority], authority.issue("client"))

    tcp_port, tls_port = free_ports(2)
    with PrivateLibvirtd(
        config={
            "auth_unix_rw": "sasl",
            "auth_tcp": "sasl",
            "auth_tls": "sasl",
            "listen_tcp": 1,
            "listen_tls": 1,
            "tcp_port": str(tcp_port),
            "tls_port": str(tls_port),
            "ca_file": str(directory / "cacert.pem"),
            "cert_file": str(directory / "servercert.pem"),
            "key_file": str(directory / "serverkey.pem"),
        },
        environment=database.environment,
        client_environment={"LIBVIRT_AUTH_FILE": str(auth_conf)},
    ) as libvirtd:
        yield Daemon(libvirtd, tcp_port, tls_port, pki)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(autouse=True)
def no_auth_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own lets a test in."""
    monkeypatch.delenv("LIBVIRT_AUTH_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@asynccontextmanager
async def opened(uri: str, credentials: Credentials | None = GOOD) -> AsyncIterator[Connection]:
    async with connect(uri, read_only=False, credentials=credentials, timeout=30.0) as connection:
        yield connection


async def refusal(uri: str, credentials: Credentials | None) -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        async with opened(uri, credentials):
            pass
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert PASSWORD not in shown
    if credentials is not None:
        assert credentials.username not in shown
        assert credentials.password not in shown
    assert caught.value.offered == ("sasl",)
    assert caught.value.credentials_refused is ("the daemon refused" in str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("mechanism", [*SCRAM, "DIGEST-MD5", "PLAIN", "scram-sha-256"])
async def test_each_mechanism_lets_in_on_the_unix_socket(daemon: Daemon, mechanism: str) -> None:
    async with opened(daemon.unix(f"auth=sasl.{mechanism}")) as connection:
        assert await connection.get_type() == "QEMU"


@pytest.mark.parametrize("mechanism", [*SCRAM, "DIGEST-MD5", "PLAIN"])
async def test_each_mechanism_lets_in_over_tls(daemon: Daemon, mechanism: str) -> None:
    async with opened(daemon.tls(f"auth=sasl.{mechanism}")) as connection:
        assert await connection.get_type() == "QEMU"


class Tap:
    """Notes the mechanism that was begun, and the frames as they pass."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def sent(self, frame: Frame) -> None:
        self.frames.append(frame)

    def received(self, frame: Frame) -> None:
        self.frames.append(frame)

    @property
    def mechanism(self) -> str:
        (start,) = [one for one in self.frames if one.procedure == 68 and one.type == 0]
        return start.payload[4 : 4 + int.from_bytes(start.payload[:4])].decode()


async def test_the_strongest_is_taken_where_nothing_is_insisted_on(daemon: Daemon) -> None:
    for uri, mechanism in (
        (daemon.unix(), "SCRAM-SHA-512"),
        (daemon.tls(), "SCRAM-SHA-512"),
        (daemon.tcp(), "DIGEST-MD5"),
    ):
        tap = Tap()
        async with connect(uri, read_only=False, credentials=GOOD, tap=tap):
            assert tap.mechanism == mechanism


async def test_plain_tcp_carries_lists_and_statistics_of_real_domains_encrypted(
    daemon: Daemon,
) -> None:
    domains.create(daemon.libvirtd, *FLEET)
    tap = Tap()
    async with (
        opened(daemon.unix()) as plain,
        connect(daemon.tcp(), read_only=False, credentials=GOOD, tap=tap) as wrapped,
    ):
        assert await wrapped.list_all_domains() == await plain.list_all_domains()
        groups = DomainStatsTypes.BLOCK | DomainStatsTypes.VCPU | DomainStatsTypes.INTERFACE
        for _ in range(3):  # the ciphers' states go on from call to call
            ours = await wrapped.get_all_domain_stats(stats=groups)
            theirs = await plain.get_all_domain_stats(stats=groups)
            assert [(one.domain, one.layout.fields) for one in ours] == [
                (one.domain, one.layout.fields) for one in theirs
            ]
        assert len(ours) == len(FLEET)
    # The tap stands above the layer: it saw plain frames all along.
    assert {frame.program for frame in tap.frames} == {0x20008086}


async def test_replies_of_many_wrapped_packets_come_whole(daemon: Daemon) -> None:
    count = 3000
    node = daemon.libvirtd.directory / "many.xml"
    node.write_text(
        "<node>"
        + "".join(
            f"<domain type='test'><name>domain-{number:04}</name><memory>1024</memory>"
            "<os><type>hvm</type></os></domain>"
            for number in range(count)
        )
        + "</node>"
    )
    async with opened(daemon.tcp(str(node), "test")) as connection:
        listed = await connection.list_all_domains(ConnectListAllDomainsFlags(0))
        assert sorted(one.name for one in listed) == [f"domain-{n:04}" for n in range(count)]
        # And so do calls: this one names every domain.
        records = await connection.get_all_domain_stats(listed, DomainStatsTypes.STATE)
        assert len(records) == count


async def test_a_user_of_another_realm_is_named_with_it(daemon: Daemon) -> None:
    full = Credentials("elsewhere@example.org", PASSWORD)
    for uri in (daemon.unix(), daemon.unix("auth=sasl.DIGEST-MD5"), daemon.tcp()):
        async with opened(uri, full) as connection:
            assert await connection.get_type() == "QEMU"
        assert "the daemon refused" in await refusal(uri, Credentials("elsewhere", PASSWORD))


@pytest.mark.parametrize("mechanism", [*SCRAM, "DIGEST-MD5", "PLAIN"])
@pytest.mark.parametrize(
    "credentials",
    [Credentials(USER, "not this one"), Credentials("nobody-of-tests", PASSWORD)],
    ids=["password", "user"],
)
async def test_wrong_credentials_are_refused_without_a_word_of_them(
    daemon: Daemon, mechanism: str, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    text = await refusal(daemon.unix(f"auth=sasl.{mechanism}"), credentials)
    assert f"the daemon refused {mechanism} (libvirt error 45): check the user's name" in text
    assert credentials.password not in caplog.text
    assert credentials.username not in caplog.text


async def test_wrong_credentials_are_refused_on_plain_tcp(daemon: Daemon) -> None:
    text = await refusal(daemon.tcp(), Credentials(USER, "not this one"))
    assert "the daemon refused DIGEST-MD5 (libvirt error 45): check the user's name" in text


async def test_a_mechanism_that_plain_tcp_does_not_offer_is_named_as_missing(
    daemon: Daemon,
) -> None:
    text = await refusal(daemon.tcp("/system?auth=sasl.PLAIN"), GOOD)
    assert "does not offer the SASL mechanism that the URI's auth= asks for" in text
    assert "it offers DIGEST-MD5" in text


async def test_without_credentials_the_error_says_where_to_write_them(daemon: Daemon) -> None:
    text = await refusal(daemon.unix(), None)
    assert "SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, DIGEST-MD5, PLAIN: it needs a user's" in text
    assert "configure username and password_file" in text
    assert "[auth-libvirt-localhost] into /etc/libvirt/auth.conf" in text
    assert "[auth-libvirt-127.0.0.1]" in await refusal(daemon.tcp(), None)


async def test_an_auth_conf_that_lets_virsh_in_lets_us_in(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert daemon.libvirtd.virsh("list", "--all", "--name") is not None
    monkeypatch.setenv("LIBVIRT_AUTH_FILE", daemon.libvirtd.client_environment["LIBVIRT_AUTH_FILE"])
    for uri in (daemon.unix(), daemon.tcp(), daemon.tls()):
        async with opened(uri, None) as connection:
            assert await connection.get_type() == "QEMU"
    monkeypatch.delenv("LIBVIRT_AUTH_FILE")
    mine = write_auth_conf(tmp_path / "mine.conf", USER, PASSWORD, host="localhost")
    async with opened(daemon.unix(f"authfile={mine}"), None) as connection:
        assert await connection.get_type() == "QEMU"
    assert "[auth-libvirt-127.0.0.1]" in await refusal(daemon.tcp(f"/system?authfile={mine}"), None)


HEAD = "[auth-libvirt-default]\ncredentials=t\n[credentials-t]\n"
PASSWORDS = {"plain": "abc", "behind": "abc ", "slash": "abc\\", "middle": "a\\bc", "tab": "abc\t"}
AUTH_CONFS = [
    f"{HEAD}authname=plain\npassword=abc\n",
    f"{HEAD}authname=plain\npassword=abc",
    f"{HEAD}authname=plain\npassword=abd\n",
    f"{HEAD}authname=plain\r\npassword=abc\r\n",
    f"{HEAD} authname = plain\n\t password =  abc\n",
    f"{HEAD}authname=plain\npassword=abc \n",
    f"{HEAD}authname=behind\npassword=abc \n",
    f"{HEAD}authname=behind\npassword=abc\\s\n",
    f"{HEAD}authname=tab\npassword=abc\\t\n",
    f"{HEAD}authname=plain\npassword=abc\\\n",
    f"{HEAD}authname=slash\npassword=abc\\\\\n",
    f"{HEAD}authname=middle\npassword=a\\bc\n",
    f"{HEAD}authname=plain\npassword='abc'\n",
    f"{HEAD}authname=plain\npassword=abc # not a comment\n",
    f"{HEAD}authname=other\nauthname=plain\npassword=abc\n",
    f"{HEAD}authname=plain\n[x]\na=b\n[credentials-t]\npassword=abc\n",
    f"{HEAD}authname=plain\npassword=abc\n[x] \t\na-b_c=1\nd[de]=2\n",
    f"{HEAD}authname=plain\npassword=abc\n[x] y\n",
    f"{HEAD}authname=plain\npassword=abc\n[]\n",
    f"{HEAD}authname=plain\npassword=abc\nsenseless\n",
    f"{HEAD}authname=plain\npassword=abc\n=x\n",
    f"{HEAD}authname=plain\npassword=abc\n; a comment elsewhere\n",
    f"{HEAD}authname=plain\npassword=abc\n  # a comment, \udcfc\n",
    f"x=y\n{HEAD}authname=plain\npassword=abc\n",
    f"\ufeff{HEAD}authname=plain\npassword=abc\n",
    f"{HEAD}authname=plain\n",
    f"{HEAD}password=abc\n",
    "[auth-libvirt-default]\ncredentials=t\n",
    "[auth-libvirt-default]\n[credentials-t]\nauthname=plain\npassword=abc\n",
    "[auth-ssh-default]\ncredentials=t\n[credentials-t]\nauthname=plain\npassword=abc\n",
    f"[auth-libvirt-localhost]\ncredentials=u\n{HEAD}authname=plain\npassword=abc\n",
    f"[auth-libvirt-other]\ncredentials=u\n{HEAD}authname=plain\npassword=abc\n",
    "",
]


@pytest.mark.parametrize("text", AUTH_CONFS, ids=lambda text: ascii(text.replace(HEAD, "")))
async def test_an_auth_conf_means_what_it_means_to_virsh(
    daemon: Daemon, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "auth.conf"
    path.write_bytes(text.encode(errors="surrogateescape"))
    uri = daemon.unix(f"auth=sasl.PLAIN&authfile={path}")
    virsh = subprocess.run(
        ["virsh", "--connect", uri, "uri"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    try:
        async with opened(uri, None):
            entered = True
    except AuthenticationFailed:
        entered = False
    assert entered is (virsh.returncode == 0), virsh.stderr


async def test_the_same_connection_may_try_again_after_a_refusal(daemon: Daemon) -> None:
    """Nothing is left behind on the daemon's side that a reconnect would meet."""
    for _ in range(3):
        await refusal(daemon.unix(), Credentials(USER, "not this one"))
    async with opened(daemon.unix()) as connection:
        assert await connection.get_type() == "QEMU"


async def test_the_read_only_socket_asks_for_nothing(daemon: Daemon) -> None:
    async with connect(daemon.libvirtd.uri(read_only=True)) as connection:
        assert await connection.get_type() == "QEMU"
