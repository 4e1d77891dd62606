"""TLS against a scripted daemon: the handshake, the byte after it, and the words for every failure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.errors import AuthenticationFailed, ConnectFailed, InvalidURI, LibvirtRPCError
from libvirt_rpc.transports.tls import Priority, parse_priority
from tests.support.certificates import DAY, NOW, Authority, Pair, write_client
from tests.support.daemon import PING, Peer, ScriptedDaemon

CA = Authority.new()
OTHER_CA = Authority.new("another CA")
SERVER = CA.issue("the server", "localhost", "127.0.0.1", "::1")
CLIENT = CA.issue("exporter")

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WRONG_PORT = "(is this the port for TLS, 16514 by default? The one without, 16509, takes +tcp)"
PKI_ADVICE = "(put its CA's certificate there, or name the folder that has it with pkipath=)"


class Confirming(Peer):
    """A client of a daemon that says `greeting` after the handshake."""

    greeting = b"\1"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.greeting:
            self.send(self.greeting)


class Pinging(Confirming):
    greeting = b"\1" + PING


class Foreign(Confirming):
    greeting = b"220 ready\r\n"


class Silent(Confirming):
    greeting = b""


class Refusing(Silent):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.close()


@dataclass
class Listening:
    daemon: ScriptedDaemon
    port: int
    client: Path

    def uri(self, host: str = "127.0.0.1", more: str = "") -> str:
        return f"qemu+tls://{host}:{self.port}/system?pkipath={self.client}{more}"

    async def refuses(
        self, kind: type[LibvirtRPCError] = ConnectFailed, uri: str = "", timeout: float = 10
    ) -> str:
        """Connects, and gives the error without its beginning, which names the URI and the address."""
        with pytest.raises(kind) as caught:
            await connect(uri or self.uri(), timeout=timeout)
        place = "[::1]" if "[::1]" in uri else "127.0.0.1"
        before = (
            f"cannot connect to qemu+tls://{place}:{self.port}/system: {place}:{self.port}: ",
            "authentication with libvirt failed: ",
        )
        text = str(caught.value)
        return next((text.removeprefix(each) for each in before if text.startswith(each)), text)


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Listening]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve(pair, peer_class)`: a daemon, and a client's folder that fits it."""

    @contextlib.asynccontextmanager
    async def serving(
        pair: Pair = SERVER,
        peer: type[Peer] = Confirming,
        *,
        host: str = "127.0.0.1",
        chain: bytes = b"",
        maximum: ssl.TLSVersion = TLS_1_3,
    ) -> AsyncIterator[Listening]:
        client = write_client(tmp_path / "client", [CA], CLIENT)
        (tmp_path / "servercert.pem").write_bytes(pair.pem + chain)
        (tmp_path / "serverkey.pem").write_bytes(pair.key_pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "servercert.pem", tmp_path / "serverkey.pem")
        context.maximum_version = maximum
        daemon = ScriptedDaemon()
        server = await asyncio.get_running_loop().create_server(
            lambda: peer(daemon), host, 0, ssl=context
        )
        yield Listening(daemon, server.sockets[0].getsockname()[1], client)
        server.close()
        for each in daemon.peers:
            each.abort()
            await each.ended.wait()

    return serving


class _PlainPeer(asyncio.Protocol):
    def __init__(self, greeting: bytes | None) -> None:
        self._greeting = greeting
        self.transport: asyncio.Transport | None = None
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._greeting is None:
            transport.close()
        else:
            transport.write(self._greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


@contextlib.asynccontextmanager
async def plain(greeting: bytes | None, client: Path) -> AsyncIterator[Listening]:
    """A server without TLS for one client: it greets, or with None just closes."""
    peer = _PlainPeer(greeting)
    server = await asyncio.get_running_loop().create_server(lambda: peer, "127.0.0.1", 0)
    folder = write_client(client, [CA], CLIENT)
    yield Listening(ScriptedDaemon(), server.sockets[0].getsockname()[1], folder)
    server.close()
    assert peer.transport is not None
    peer.transport.abort()
    await peer.ended.wait()


# What works.


@pytest.mark.parametrize("maximum", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_good_certificate_lets_us_in(
    serve: Serve, host: str, maximum: ssl.TLSVersion
) -> None:
    async with serve(maximum=maximum) as listening, connect(listening.uri(host)) as connection:
        assert connection.session.certificates == {
            "server": SERVER.not_after,
            "client": CLIENT.not_after,
            "ca": CA.not_after,
        }


async def test_an_ipv6_address_is_checked_against_the_certificate(serve: Serve) -> None:
    async with serve(host="::1") as listening, connect(listening.uri("[::1]")):
        pass
    async with serve(CA.issue("x", "127.0.0.1"), host="::1") as listening:
        error = await listening.refuses(uri=listening.uri("[::1]"))
    assert error.startswith("the server's certificate is not for ::1: it is for 127.0.0.1 ")


async def test_without_alternative_names_the_common_name_counts(serve: Serve) -> None:
    async with serve(CA.issue("localhost")) as listening, connect(listening.uri("localhost")):
        pass


async def test_what_follows_the_byte_in_one_piece_is_not_lost(serve: Serve) -> None:
    async with serve(peer=Pinging) as listening, connect(listening.uri()) as connection:
        assert listening.daemon.peer.pongs == 1
        assert connection.session.error is None


async def test_a_certificate_of_an_intermediate_ca_is_taken_with_its_chain(serve: Serve) -> None:
    middle = Authority.new("middle", issuer=CA)
    server = middle.issue("x", "127.0.0.1")
    async with serve(server, chain=middle.pem) as listening, connect(listening.uri()) as connection:
        assert connection.session.certificates["ca"] == CA.not_after


async def test_an_intermediate_ca_in_the_clients_file_is_an_anchor(serve: Serve) -> None:
    middle = Authority.new("middle", issuer=CA)
    async with serve(middle.issue("x", "127.0.0.1")) as listening:
        write_client(listening.client, [middle], CLIENT)
        async with connect(listening.uri()):
            pass


async def test_of_several_cas_that_of_the_servers_certificate_counts(serve: Serve) -> None:
    short = Authority.new("short-lived", not_after=NOW + DAY)
    async with serve() as listening:
        write_client(listening.client, [short, CA, OTHER_CA], CLIENT)
        async with connect(listening.uri()) as connection:
            assert connection.session.certificates["ca"] == CA.not_after


async def test_no_verify_takes_any_server_and_warns_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(OTHER_CA.issue("elsewhere")) as listening:
        for _ in range(2):
            with caplog.at_level(logging.WARNING):
                async with connect(listening.uri(more="&no_verify=1")) as connection:
                    assert "server" in connection.session.certificates
        (record,) = caplog.records
        assert record.getMessage() == (
            f"qemu+tls://127.0.0.1:{listening.port}/system: no_verify=1: anybody on the way can pass "
            "for this daemon, and read what it sends"
        )


async def test_no_verify_does_not_do_without_a_ca(serve: Serve) -> None:
    async with serve() as listening:
        (listening.client / "cacert.pem").unlink()
        error = await listening.refuses(uri=listening.uri(more="&no_verify=1"))
    assert f"{listening.client}/cacert.pem: no such file" in error


# The server's certificate.


async def test_an_expired_server_is_named_with_its_date(serve: Serve) -> None:
    async with serve(CA.issue("x", "127.0.0.1", not_after=NOW - DAY / 2)) as listening:
        error = await listening.refuses()
    when = (NOW - DAY / 2).strftime("%Y-%m-%d %H:%M UTC")
    assert error == f"the server's certificate expired on {when} (renew it on the server)"


async def test_a_server_of_the_future_is_named_with_its_date(serve: Serve) -> None:
    async with serve(CA.issue("x", "127.0.0.1", not_before=NOW + DAY)) as listening:
        error = await listening.refuses()
    when = (NOW + DAY).strftime("%Y-%m-%d %H:%M UTC")
    assert error == (
        f"the server's certificate is not valid before {when} (are both machines' clocks right?)"
    )


async def test_an_expired_ca_is_not_taken_for_an_expired_server(serve: Serve) -> None:
    old = Authority.new("old", not_after=NOW - DAY / 2)
    async with serve(old.issue("x", "127.0.0.1")) as listening:
        write_client(listening.client, [old], CLIENT)
        error = await listening.refuses()
    assert error == (
        f"a CA's certificate has expired (renew it, and put it into {listening.client}/cacert.pem)"
    )


@pytest.mark.parametrize(
    ("pair", "has"),
    [
        (CA.issue("127.0.0.1", "kvm1.example", "10.0.0.1"), "kvm1.example, 10.0.0.1"),
        (CA.issue("kvm1.example"), "kvm1.example"),
    ],
)
async def test_the_names_of_another_hosts_certificate_are_listed(
    serve: Serve, pair: Pair, has: str
) -> None:
    async with serve(pair) as listening:
        error = await listening.refuses()
    assert error == (
        f"the server's certificate is not for 127.0.0.1: it is for {has} (write one of its names "
        "into the URI, or give the server a certificate for this one)"
    )


async def test_an_unknown_ca_is_told_with_the_file_that_lacks_it(serve: Serve) -> None:
    async with serve(OTHER_CA.issue("x", "127.0.0.1")) as listening:
        error = await listening.refuses()
    assert error == (
        f"the server's certificate is from a CA that is not in {listening.client}/cacert.pem "
        f"{PKI_ADVICE}"
    )


async def test_a_self_signed_server_is_told_from_an_unknown_ca(serve: Serve) -> None:
    async with serve(OTHER_CA) as listening:
        error = await listening.refuses()
    assert error == (
        f"the server's certificate is self-signed, and not in {listening.client}/cacert.pem "
        f"{PKI_ADVICE}"
    )


async def test_a_revoked_server_is_refused(serve: Serve) -> None:
    async with serve() as listening:
        write_client(listening.client, [CA], CLIENT, revocations=CA.revocations(SERVER))
        error = await listening.refuses()
        assert error == (f"the server's certificate is revoked by {listening.client}/cacrl.pem")
        write_client(listening.client, [CA], CLIENT, revocations=CA.revocations(CLIENT))
        async with connect(listening.uri()):
            pass


async def test_a_revocation_list_that_is_old_or_anothers_is_named(serve: Serve) -> None:
    async with serve() as listening:
        old = CA.revocations(next_update=NOW - DAY)
        write_client(listening.client, [CA], CLIENT, revocations=old)
        assert await listening.refuses() == (
            f"the revocation list {listening.client}/cacrl.pem is out of date (put a new one there)"
        )
        write_client(listening.client, [CA], CLIENT, revocations=OTHER_CA.revocations())
        assert await listening.refuses() == (
            f"{listening.client}/cacrl.pem has no list of the CA that the server's certificate is "
            "from (put that CA's list there, or remove the file)"
        )


# Our own certificate: the daemon closes the connection in place of the byte.


async def test_a_daemon_that_refuses_our_certificate_is_no_lost_connection(serve: Serve) -> None:
    async with serve(peer=Refusing) as listening:
        error = await listening.refuses(AuthenticationFailed)
    assert error == (
        f"the daemon refused our certificate {listening.client}/clientcert.pem (is it from the CA "
        "of the daemon's ca_file, and is its name, which virt-pki-query-dn prints, in "
        "libvirtd.conf's tls_allowed_dn_list?)"
    )


async def test_the_absence_of_our_certificate_is_told(serve: Serve) -> None:
    async with serve(peer=Refusing) as listening:
        (listening.client / "clientkey.pem").unlink()
        error = await listening.refuses(AuthenticationFailed)
    assert error == (
        "the daemon closed the connection after the TLS handshake, and we have no client "
        f"certificate to show it: {listening.client}/clientkey.pem: no such file (put a certificate "
        "and its key there, or name their folder with pkipath=)"
    )


async def test_our_own_expired_certificate_is_told_with_its_date(serve: Serve) -> None:
    async with serve(peer=Refusing) as listening:
        write_client(listening.client, [CA], CA.issue("exporter", not_after=NOW - DAY / 2))
        error = await listening.refuses(AuthenticationFailed)
    when = (NOW - DAY / 2).strftime("%Y-%m-%d %H:%M UTC")
    path = listening.client / "clientcert.pem"
    assert error == f"the daemon refused our certificate {path}, which expired on {when} (renew it)"


async def test_our_own_certificate_of_the_future_is_told_with_its_date(serve: Serve) -> None:
    async with serve(peer=Refusing) as listening:
        write_client(listening.client, [CA], CA.issue("exporter", not_before=NOW + DAY))
        error = await listening.refuses(AuthenticationFailed)
    assert ", which is not valid before " in error


async def test_our_certificate_from_another_ca_is_told(serve: Serve) -> None:
    async with serve(peer=Refusing) as listening:
        write_client(listening.client, [CA], OTHER_CA.issue("exporter"))
        error = await listening.refuses(AuthenticationFailed)
    assert f", whose issuer is not in {listening.client}/cacert.pem (" in error


# Peers that are no daemons, or hang.


async def test_another_first_byte_is_no_libvirt(serve: Serve) -> None:
    async with serve(peer=Foreign) as listening:
        error = await listening.refuses()
    assert error == (
        "it speaks TLS, but its first byte is not that of libvirt (is this the daemon's port?)"
    )


async def test_a_daemon_that_does_not_confirm_is_not_waited_for(serve: Serve) -> None:
    async with serve(peer=Silent) as listening:
        error = await listening.refuses(timeout=1.5)
        assert error == "no confirmation in time, after a TLS handshake that went well"
        await listening.daemon.peer.ended.wait()


async def test_a_peer_that_greets_in_plain_text_does_not_speak_tls(tmp_path: Path) -> None:
    async with plain(b"SSH-2.0-OpenSSH_9.2\r\n", tmp_path) as listening:
        assert await listening.refuses() == f"the peer does not speak TLS {WRONG_PORT}"


async def test_a_peer_that_closes_during_the_handshake_is_told(tmp_path: Path) -> None:
    async with plain(None, tmp_path) as listening:
        assert await listening.refuses() == (
            f"the peer closed the connection during the TLS handshake {WRONG_PORT}"
        )


async def test_a_handshake_without_an_answer_ends_at_the_deadline(tmp_path: Path) -> None:
    async with plain(b"", tmp_path) as listening:
        error = await listening.refuses(timeout=1.5)
    assert error == (
        "no answer in time to the TLS handshake "
        "(is the daemon hung, or has it as many clients as it takes (max_clients)?)"
    )


async def test_an_alert_of_the_peer_is_given_in_its_words(tmp_path: Path) -> None:
    fatal_protocol_version = b"\x15\x03\x03\x00\x02\x02\x46"
    async with plain(fatal_protocol_version, tmp_path) as listening:
        error = await listening.refuses()
    assert error == "the peer refused the TLS handshake (tlsv1 alert protocol version)"


# Priorities.


@pytest.mark.parametrize(
    ("text", "minimum", "maximum", "ignored"),
    [
        ("NORMAL", TLS_1_2, TLS_1_3, ()),
        ("SECURE128", TLS_1_2, TLS_1_3, ()),
        ("@LIBVIRT,SYSTEM", TLS_1_2, TLS_1_3, ()),
        ("@SYSTEM", TLS_1_2, TLS_1_3, ()),
        ("NORMAL:-VERS-TLS1.0:-VERS-TLS1.1", TLS_1_2, TLS_1_3, ()),
        ("NORMAL:-VERS-TLS1.3", TLS_1_2, TLS_1_2, ()),
        ("NORMAL:!VERS-TLS1.2", TLS_1_3, TLS_1_3, ()),
        ("NORMAL:-VERS-ALL:+VERS-TLS1.3", TLS_1_3, TLS_1_3, ()),
        ("NORMAL:-VERS-TLS-ALL:+VERS-TLS1.2", TLS_1_2, TLS_1_2, ()),
        ("NONE:+VERS-TLS1.2:+AES-256-GCM", TLS_1_2, TLS_1_2, ("+AES-256-GCM",)),
        ("SECURE256", TLS_1_2, TLS_1_3, ("SECURE256",)),
        ("NORMAL:%COMPAT:-VERS-TLS1.4", TLS_1_2, TLS_1_3, ("%COMPAT", "-VERS-TLS1.4")),
    ],
)
def test_versions_are_heeded_and_the_rest_is_named(
    text: str, minimum: ssl.TLSVersion, maximum: ssl.TLSVersion, ignored: tuple[str, ...]
) -> None:
    assert parse_priority(text) == Priority(minimum, maximum, ignored)


@pytest.mark.parametrize("text", ["NORMAL:-VERS-ALL:+VERS-TLS1.1", "NONE", "NORMAL:-VERS-ALL"])
def test_nothing_older_than_tls_1_2_is_spoken(text: str) -> None:
    assert parse_priority(text) is None


async def test_a_priority_without_a_version_of_ours_is_a_bad_uri(serve: Serve) -> None:
    async with serve() as listening:
        uri = listening.uri(more="&tls_priority=NORMAL:-VERS-ALL")
        error = await listening.refuses(InvalidURI, uri)
    assert "allows neither TLS 1.2 nor TLS 1.3" in error


async def test_what_a_priority_cannot_say_is_warned_about(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serve() as listening,
        connect(listening.uri(more="&tls_priority=SECURE256:%25COMPAT")),
    ):
        pass
    assert "SECURE256:%COMPAT is passed over" in caplog.text
