"""GSSAPI against a real libvirtd and a real KDC: without a layer on unix, with encryption on TCP."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.enums import DomainStatsTypes
from libvirt_rpc.errors import AuthenticationFailed
from tests.integration.test_sasl import free_ports
from tests.support import kerberos, real_parts, sasl
from tests.support import libvirtd as private
from tests.support.kerberos import Realm
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.sasl import SaslDatabase

CLIENT = "exporter-of-tests"
STRANGER = "stranger-of-tests"


@dataclass(frozen=True, slots=True)
class Site:
    """A realm, a daemon that takes its tickets, and caches with tickets of two principals."""

    realm: Realm
    libvirtd: PrivateLibvirtd
    tcp_port: int
    ticket: str
    strangers_ticket: str
    keytab: Path

    def tcp(self, path: str = "/system", host: str = "localhost", driver: str = "qemu") -> str:
        return f"{driver}+tcp://{host}:{self.tcp_port}{path}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := private.missing_part() or sasl.missing_part() or kerberos.missing_part():
        real_parts.lacks(reason)
    directory = tmp_path_factory.mktemp("gssapi")
    with Realm(directory / "realm") as realm:
        daemons_keytab, keytab = directory / "daemon.keytab", directory / "client.keytab"
        realm.add("libvirt/localhost", daemons_keytab)
        realm.add(CLIENT, keytab)
        realm.add(STRANGER, keytab)
        ticket, strangers = realm.ticket(CLIENT, keytab), realm.ticket(STRANGER, keytab)
        database = SaslDatabase(
            directory / "sasl2", ["gssapi", "scram-sha-256"], f"keytab: {daemons_keytab}"
        )
        database.add("password-user", "s3cret")
        (tcp_port,) = free_ports(1)
        environment = {**realm.environment, "KRB5_KTNAME": f"FILE:{daemons_keytab}"}
        with PrivateLibvirtd(
            config={
                "auth_unix_rw": "sasl",
                "auth_tcp": "sasl",
                "listen_tcp": 1,
                "tcp_port": str(tcp_port),
                "sasl_allowed_username_list": [f"{CLIENT}*", "password-user*"],
            },
            environment={**database.environment, **environment},
            client_environment={**realm.environment, "KRB5CCNAME": ticket},
        ) as libvirtd:
            yield Site(realm, libvirtd, tcp_port, ticket, strangers, keytab)


@pytest.fixture
def environ(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """This process is in the realm, without a ticket so far."""
    for name, value in site.realm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LIBVIRT_AUTH_FILE", raising=False)
    return monkeypatch


async def refusal(uri: str) -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        async with connect(uri, read_only=False, timeout=30.0):
            pass
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert CLIENT not in shown
    assert STRANGER not in shown
    return str(caught.value)


async def test_a_ticket_lets_in_on_the_unix_socket(site: Site, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("KRB5CCNAME", site.ticket)
    async with connect(site.libvirtd.uri(), read_only=False, timeout=30.0) as connection:
        assert await connection.get_type() == "QEMU"


async def test_plain_tcp_is_encrypted_by_kerberos(site: Site, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("KRB5CCNAME", site.ticket)
    count = 3000
    node = site.libvirtd.directory / "many.xml"
    node.write_text(
        "<node>"
        + "".join(
            f"<domain type='test'><name>domain-{number:04}</name><memory>1024</memory>"
            "<os><type>hvm</type></os></domain>"
            for number in range(count)
        )
        + "</node>"
    )
    uri = site.tcp(str(node), driver="test")
    async with connect(uri, read_only=False, timeout=30.0) as connection:
        listed = await connection.list_all_domains()
        assert sorted(one.name for one in listed) == [f"domain-{n:04}" for n in range(count)]
        assert len(await connection.get_all_domain_stats(listed, DomainStatsTypes.STATE)) == count


async def test_a_keytab_lets_in_without_kinit(site: Site, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("KRB5CCNAME", f"FILE:{site.realm.directory / 'made-from-the-keytab'}")
    environ.setenv("KRB5_CLIENT_KTNAME", f"FILE:{site.keytab}")
    async with connect(site.tcp(), read_only=False, timeout=30.0) as connection:
        assert await connection.get_type() == "QEMU"


async def test_without_a_ticket_the_error_says_how_to_get_one(
    site: Site, environ: pytest.MonkeyPatch
) -> None:
    text = await refusal(site.tcp())
    assert "GSSAPI: Kerberos: there is no ticket: run kinit, or name a keytab" in text


async def test_without_a_ticket_a_password_is_the_next_best_thing(
    site: Site, environ: pytest.MonkeyPatch
) -> None:
    credentials = Credentials("password-user", "s3cret")
    async with connect(site.libvirtd.uri(), read_only=False, credentials=credentials) as connection:
        assert await connection.get_type() == "QEMU"


async def test_a_principal_that_is_not_allowed_is_told_what_to_check(
    site: Site, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("KRB5CCNAME", site.strangers_ticket)
    text = await refusal(site.tcp())
    assert "the daemon refused GSSAPI (libvirt error 45): for libvirt/localhost: check" in text
    assert "sasl_allowed_username_list" in text


async def test_a_host_that_has_no_principal_is_named(
    site: Site, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("KRB5CCNAME", site.ticket)
    text = await refusal(site.tcp(host="127.0.0.1"))
    assert "the KDC does not know the principal libvirt/127.0.0.1: create it" in text


async def test_a_kdc_that_is_not_there_is_no_hanging_connection(
    site: Site, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    text = (site.realm.directory / "krb5.conf").read_text()
    conf = tmp_path / "krb5.conf"
    conf.write_text(text.replace(f":{site.realm.port}", f":{port}"))
    environ.setenv("KRB5_CONFIG", str(conf))
    environ.setenv("KRB5_CLIENT_KTNAME", f"FILE:{site.keytab}")
    async with asyncio.timeout(60):
        assert "no KDC of the realm can be reached" in await refusal(site.tcp())
