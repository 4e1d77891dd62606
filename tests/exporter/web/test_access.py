"""The web configuration file at work, before a real server: users, TLS, headers, and changes of them."""

from __future__ import annotations

import logging
import re
import ssl
import sys
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest

from exporter.config import ConfigError
from exporter.web import Access
from exporter.web.auth import load_bcrypt
from tests.support.certificates import DAY, NOW, Authority
from tests.support.web_server import Certificates, Served, served

HASH = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
ALICE = ("alice", "wonderland")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.made(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


# Users.


@pytest.mark.parametrize(
    "path", ["/metrics", "/probe", "/sd", "/-/healthy", "/-/ready", "/", "/absent"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_every_path_asks_for_a_user(file: Path, path: str, method: str) -> None:
    file.write_text(USERS)
    async with served(access=Access(file)) as server:
        for auth in (None, ("alice", "guess"), ("mallory", "wonderland")):
            response = await server.get(path, auth=auth, method=method)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Basic realm=")
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["content-security-policy"].startswith("default-src 'none'")
            assert method == "HEAD" or response.text == "a user and a password are needed\n"
        assert (await server.get(path, auth=ALICE, method=method)).status_code != 401


async def test_users_are_read_anew_when_the_file_changes(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file.write_text(USERS)
    async with served(access=Access(file)) as server:
        assert (await server.get(auth=ALICE)).status_code == 200
        file.write_text(USERS.replace("alice", "carol"))
        assert (await server.get(auth=ALICE)).status_code == 401
        assert (await server.get(auth=("carol", "wonderland"))).status_code == 200
        caplog.clear()
        for broken in ("basic_auth_users: {carol: plain}", "nonsense", None):
            if broken is None:
                file.unlink()
            else:
                file.write_text(broken)
            for _ in range(3):
                assert (await server.get(auth=("carol", "wonderland"))).status_code == 200
                assert (await server.get()).status_code == 401
        file.write_text("")
        assert (await server.get()).status_code == 200
    said = [one.message for one in caplog.records if one.name == "exporter.web.access"]
    assert [line.partition(":")[0] for line in said] == [
        *["the changed web configuration is not used"] * 3,
        "the changed web configuration is used from now on",
    ]
    assert "carol" not in caplog.text
    assert HASH not in caplog.text


def test_without_the_library_users_are_refused_with_the_extra_to_install(file: Path) -> None:
    def absent() -> Any:
        raise ConfigError("basic_auth_users", "needs the bcrypt library")

    file.write_text(USERS)
    with pytest.raises(ConfigError, match=re.escape(f"{file}: basic_auth_users: needs the bcrypt")):
        Access(file, load_bcrypt=absent)
    file.write_text("")
    Access(file, load_bcrypt=absent)


def test_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(ConfigError, match=r"install libvirt-exporter\[auth\]"):
        load_bcrypt()


# Headers and rate.


async def test_configured_headers_go_before_the_exporters_own(file: Path) -> None:
    file.write_text(
        "http_server_config:\n  headers:\n    Content-Security-Policy: default-src 'self'\n"
        "    Strict-Transport-Security: max-age=3600\n"
    )
    async with served(access=Access(file)) as server:
        for path in ("/", "/absent"):
            headers = (await server.get(path)).headers
            assert headers.get_list("content-security-policy") == ["default-src 'self'"]
            assert headers["strict-transport-security"] == "max-age=3600"
            assert headers["x-content-type-options"] == "nosniff"


async def test_requests_beyond_the_rate_are_told_to_come_later(file: Path) -> None:
    file.write_text(f"{USERS}rate_limit: {{interval: 1h, burst: 3}}\n")
    async with served(access=Access(file)) as server:
        statuses = [(await server.get(auth=ALICE)).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = await server.get()  # before its user is asked for
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


# TLS.


async def status_of(server: Served, tls: ssl.SSLContext) -> int | None:
    """What a client gets; None where it is not let in."""
    try:
        return (await server.get(tls=tls)).status_code
    except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
        return None


async def served_name(server: Served, tls: ssl.SSLContext) -> str:
    """The name in the certificate that the server shows."""
    async with server.connected(tls) as client:
        certificate = client.writer.get_extra_info("peercert")
    names: dict[str, str] = dict(pair[0] for pair in certificate["subject"])
    return names["commonName"]


async def test_a_certificate_is_read_anew_when_its_file_changes(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tls = certificates.client_context()
    async with served(access=Access(certificates.config())) as server:
        assert await served_name(server, tls) == "server"
        certificates.renew(common_name="renewed")
        assert await served_name(server, tls) == "renewed"
        caplog.clear()
        (certificates.folder / "server.crt").write_text("nonsense")
        for _ in range(3):
            assert await served_name(server, tls) == "renewed"
        assert len(caplog.messages) == 1
        assert "the changed certificates are not used" in caplog.text
        certificates.renew(common_name="repaired")
        assert await served_name(server, tls) == "repaired"


async def test_an_open_connection_outlives_its_certificate(certificates: Certificates) -> None:
    tls = certificates.client_context()
    async with (
        served(access=Access(certificates.config())) as server,
        server.connected(tls) as client,
    ):
        certificates.renew(common_name="renewed")
        assert await served_name(server, tls) == "renewed"
        client.say(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[0] == 200


async def test_certificate_key_and_authority_may_stand_in_the_file_itself(
    certificates: Certificates,
) -> None:
    def indented(pem: bytes) -> str:
        return "".join(f"    {line}\n" for line in pem.decode().splitlines())

    pair = certificates.renew()
    file = certificates.folder / "inline.yml"
    file.write_text(
        f"tls_server_config:\n  cert: |\n{indented(pair.pem)}  key: |\n{indented(pair.key_pem())}"
        f"  client_ca: |\n{indented(certificates.authority.pem)}"
        "  client_auth_type: RequireAndVerifyClientCert\n"
    )
    async with served(access=Access(file)) as server:
        assert await status_of(server, certificates.client_context(pair)) == 200
        assert await status_of(server, certificates.client_context()) is None


TWO_SUITES = (
    "cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,"
    " TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"
)
VERIFIED = "  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"


async def test_only_clients_of_the_authority_are_let_in(certificates: Certificates) -> None:
    ours = certificates.authority.issue("prometheus", "prometheus.example.org", "127.0.0.1")
    others = Authority.new("another CA").issue("prometheus", "prometheus.example.org")
    expired = certificates.authority.issue("old", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    expected = {ours: 200, others: None, expired: None}
    async with served(access=Access(certificates.config(VERIFIED))) as server:
        for pair, status in expected.items():
            assert await status_of(server, certificates.client_context(pair)) == status
        assert await status_of(server, certificates.client_context()) is None


async def test_where_a_certificate_is_optional_a_bad_one_is_still_refused(
    certificates: Certificates,
) -> None:
    text = VERIFIED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
    ours = certificates.authority.issue("prometheus")
    others = Authority.new("another CA").issue("prometheus")
    async with served(access=Access(certificates.config(text))) as server:
        assert await status_of(server, certificates.client_context()) == 200
        assert await status_of(server, certificates.client_context(ours)) == 200
        assert await status_of(server, certificates.client_context(others)) is None


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        ("[prometheus.example.org]", 200),
        ("[a, '::1']", 200),
        ("[10.0.0.1]", 200),
        ("[example.org]", None),
        ("['*.example.org']", None),
        ("[PROMETHEUS.example.org]", None),
        ("[prometheus]", None),  # its common name, which does not count
        ("[]", None),
    ],
)
async def test_a_client_must_have_one_of_the_allowed_names(
    certificates: Certificates, allowed: str, status: int | None
) -> None:
    own = certificates.authority.issue("prometheus", "prometheus.example.org", "10.0.0.1", "::1")
    config = certificates.config(f"{VERIFIED}  client_allowed_sans: {allowed}\n")
    async with served(access=Access(config)) as server:
        assert await status_of(server, certificates.client_context(own)) == status


async def test_the_authority_of_clients_is_replaced_and_not_added_to(
    certificates: Certificates,
) -> None:
    new = Authority.new("the next CA")
    old_client = certificates.client_context(certificates.authority.issue("old"))
    new_client = certificates.client_context(new.issue("new"))
    async with served(access=Access(certificates.config(VERIFIED))) as server:
        assert await status_of(server, old_client) == 200
        assert await status_of(server, new_client) is None
        (certificates.folder / "ca.pem").write_bytes(new.pem)
        assert await status_of(server, old_client) is None
        assert await status_of(server, new_client) == 200


async def test_an_intermediate_authority_alone_may_be_trusted(certificates: Certificates) -> None:
    root = Authority.new("root")
    trusted = Authority.new("trusted", issuer=root)
    config = certificates.config(VERIFIED.replace("ca.pem", "intermediate.pem"))
    (certificates.folder / "intermediate.pem").write_bytes(trusted.pem)
    async with served(access=Access(config)) as server:
        ours = certificates.client_context(trusted.issue("a"))
        others = certificates.client_context(root.issue("b"))
        assert await status_of(server, ours) == 200
        assert await status_of(server, others) is None


@pytest.mark.parametrize(
    ("text", "client", "expected"),
    [
        ("", {}, "TLSv1.3"),
        ("max_version: TLS12", {}, "TLSv1.2"),
        ("min_version: TLS13", {"maximum_version": ssl.TLSVersion.TLSv1_2}, None),
        (
            "cipher_suites: [TLS_AES_128_GCM_SHA256]",
            {"maximum_version": ssl.TLSVersion.TLSv1_2},
            None,
        ),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", {}, "TLSv1.3"),
        (
            "max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]",
            {},
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            f"max_version: TLS12\n  {TWO_SUITES}",
            {},
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
        (
            f"max_version: TLS12\n  prefer_server_cipher_suites: false\n  {TWO_SUITES}",
            {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"},
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        ("curve_preferences: [CurveP384]", {"curve": "prime256v1"}, None),
        ("curve_preferences: [CurveP384]", {"curve": "secp384r1"}, "TLSv1.3"),
        ("curve_preferences: [X25519]", {"curve": "X25519"}, "TLSv1.3"),
        ("curve_preferences: [X25519, CurveP256]", {"curve": "prime256v1"}, "TLSv1.3"),
    ],
)
async def test_versions_ciphers_and_curves_are_what_the_file_says(
    certificates: Certificates, text: str, client: dict[str, Any], expected: str | None
) -> None:
    tls = certificates.client_context()
    if "maximum_version" in client:
        tls.maximum_version = client["maximum_version"]
    if "ciphers" in client:
        tls.set_ciphers(client["ciphers"])
    if "curve" in client:
        tls.set_ecdh_curve(client["curve"])
    config = certificates.config(f"  {text}\n" if text else "")
    async with served(access=Access(config)) as server:
        if expected is None:
            assert await status_of(server, tls) is None
            return
        async with server.connected(tls) as connection:
            connected = connection.writer.get_extra_info("ssl_object")
            assert expected in (connected.version(), connected.cipher()[0])
            assert connected.selected_alpn_protocol() is None  # the client offered none


async def test_tls_is_not_switched_off_by_a_change(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    file = certificates.config()
    async with served(access=Access(file)) as server:
        file.write_text("")
        assert await status_of(server, certificates.client_context()) == 200
    assert "TLS cannot be switched on or off without a new start" in caplog.text


async def test_tls_settings_are_read_anew_when_the_file_changes(certificates: Certificates) -> None:
    access = Access(certificates.config())
    async with served(access=access) as server:
        assert await status_of(server, certificates.client_context()) == 200
        certificates.config(VERIFIED)
        assert await status_of(server, certificates.client_context()) is None


def test_files_that_cannot_be_used_are_refused_at_the_start(certificates: Certificates) -> None:
    folder, other = certificates.folder, certificates.authority.issue("other")
    encrypted = other.key_pem(b"passphrase")
    cases = [
        ("server.crt", None, f"cert_file: cannot read {folder}/server.crt: No such file"),
        ("server.key", None, f"key_file: cannot read {folder}/server.key: No such file"),
        (
            "server.key",
            other.key_pem(),
            "cert_file: the certificate and its key cannot be used: key",
        ),
        ("server.key", encrypted, "key_file: the key is encrypted: it must not have a passphrase"),
        ("server.crt", b"nonsense", "cert_file: the certificate and its key cannot be used: "),
        ("ca.pem", None, f"client_ca_file: cannot read {folder}/ca.pem: No such file"),
        ("ca.pem", b"nonsense", "client_ca_file: no authority can be read: "),
        ("ca.pem", b"", "client_ca_file: no authority can be read: "),
    ]
    for name, content, expected in cases:
        certificates.renew()
        (folder / "ca.pem").write_bytes(certificates.authority.pem)
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            Access(certificates.config(VERIFIED))
        assert f"{folder}/web.yml: tls_server_config.{expected}" in str(caught.value)
