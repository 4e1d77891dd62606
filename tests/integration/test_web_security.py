"""The exporter as a process behind a web configuration file; curl and openssl are its clients."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import httpx
import pytest

from tests.support.exporter_process import ExporterProcess, exporter_process, poll
from tests.support.ports import free_port
from tests.support.prometheus import FAST, prometheus
from tests.support.web_server import Certificates

HASH = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(10)).decode().replace("$2b$", "$2y$")
USERS = f"basic_auth_users:\n  alice: {HASH}\n"
VERIFIED = "  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates.made(tmp_path)
    client = made.authority.issue("prometheus")
    (tmp_path / "client.pem").write_bytes(client.pem + client.key_pem())
    return made


@pytest.fixture
def exporter(certificates: Certificates) -> Iterator[ExporterProcess]:
    """One with TLS, verified clients and users."""
    config = certificates.config(f"{VERIFIED}{USERS}")
    with exporter_process("demo", f"--web.config.file={config}") as process:
        yield process


@pytest.fixture
def curl(require: Callable[[str], str], certificates: Certificates) -> Callable[..., str]:
    program = require("curl")

    def run(*arguments: str) -> str:
        command = [program, "--silent", "--max-time", "20", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=certificates.folder, check=False
        )
        return f"{done.returncode} {done.stdout}"

    return run


STATUS = ("--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", "ca.pem")
CLIENT = ("--cert", "client.pem")
ALICE = ("--user", "alice:wonderland")


def test_a_client_needs_a_certificate_and_a_password(
    exporter: ExporterProcess, curl: Callable[..., str]
) -> None:
    assert exporter.url.startswith("https://127.0.0.1:")
    assert curl(*STATUS, *CLIENT, *ALICE, exporter.url) == "0 200"
    assert curl(*STATUS, *CLIENT, "--head", *ALICE, exporter.url) == "0 200"
    assert curl(*STATUS, *CLIENT, "--http1.0", *ALICE, exporter.url) == "0 200"
    assert curl(*STATUS, *CLIENT, exporter.url) == "0 401"
    assert curl(*STATUS, *CLIENT, "--user", "alice:guess", exporter.url) == "0 401"
    assert curl(*STATUS, *ALICE, exporter.url).endswith(" 000")
    assert curl(*STATUS, *CLIENT, *ALICE, exporter.url.replace("https", "http")).endswith(" 000")
    assert "alice" not in exporter.log
    assert "wonderland" not in exporter.log


def test_openssl_finds_no_old_protocol_and_no_renegotiation(
    exporter: ExporterProcess, require: Callable[[str], str], certificates: Certificates
) -> None:
    place = httpx.URL(exporter.url).netloc.decode()

    def s_client(*arguments: str, said: str = "") -> str:
        done = subprocess.run(
            [require("openssl"), "s_client", "-connect", place, "-CAfile", "ca.pem", *arguments],
            input=said,
            capture_output=True,
            text=True,
            cwd=certificates.folder,
            timeout=30,
            check=False,
        )
        return done.stdout + done.stderr

    assert "Verify return code: 0 (ok)" in s_client("-tls1_2", "-alpn", "h2,http/1.1")
    assert "ALPN protocol: http/1.1" in s_client("-tls1_2", "-alpn", "h2,http/1.1")
    assert "Cipher is (NONE)" in s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    renegotiated = s_client("-tls1_2", "-cert", "client.pem", "-key", "client.pem", said="R\n")
    assert "RENEGOTIATING" in renegotiated
    assert "no renegotiation" in renegotiated


def test_prometheus_scrapes_with_the_same_certificate_and_password(
    exporter: ExporterProcess,
    require: Callable[[str], str],
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    folder = certificates.folder
    target = httpx.URL(exporter.url).netloc.decode()
    job = {
        "job_name": "libvirt",
        "scheme": "https",
        "basic_auth": {"username": "alice", "password": "wonderland"},
        "tls_config": {
            "ca_file": f"{folder}/ca.pem",
            "cert_file": f"{folder}/client.pem",
            "key_file": f"{folder}/client.pem",
        },
        "static_configs": [{"targets": [target]}],
    }
    config = {"global": dict(FAST), "scrape_configs": [job]}
    with prometheus(require("prometheus"), tmp_path, config) as server:
        poll(
            lambda: [one["value"][1] for one in server.query("up")] == ["1"], "up is 1", timeout=60
        )


def test_a_renewed_certificate_and_another_password_need_no_restart(
    exporter: ExporterProcess, curl: Callable[..., str], certificates: Certificates
) -> None:
    assert curl(*STATUS, *CLIENT, *ALICE, exporter.url) == "0 200"
    other = bcrypt.hashpw(b"looking-glass", bcrypt.gensalt(4)).decode()
    pair = certificates.renew(common_name="renewed")
    certificates.config(f"{VERIFIED}{USERS.replace(HASH, other)}")
    assert curl(*STATUS, *CLIENT, *ALICE, exporter.url) == "0 401"
    assert curl(*STATUS, *CLIENT, "--user", "alice:looking-glass", exporter.url) == "0 200"
    shown = curl(*STATUS[:3], "%{certs}", *STATUS[4:], *CLIENT, exporter.url)
    assert pair.pem.decode().split()[2] in shown or "CN = renewed" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_server_config: {cert_file: absent.crt, key_file: absent.key}", "cannot read"),
        ("basic_auth_users: {alice: wonderland}", "expected a bcrypt hash"),
        ("tls_config: {}", "unknown key, did you mean tls_server_config?"),
    ],
)
def test_a_file_that_cannot_be_used_ends_the_start_with_its_reason(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "web.yml"
    file.write_text(text)
    command = [sys.executable, "-m", "exporter", "demo", f"--web.config.file={file}"]
    done = subprocess.run(
        [*command, f"--web.listen-address=127.0.0.1:{free_port()}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert str(file) in done.stderr
    assert "wonderland" not in done.stderr
