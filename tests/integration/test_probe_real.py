"""Real daemons as targets of a real exporter: over TLS with a password, and over a local socket."""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import yaml

from tests.support import libvirtd as private
from tests.support import real_parts, sasl
from tests.support.certificates import Authority, Pair, write_client
from tests.support.exporter_process import ExporterProcess, exporter_process, poll
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_response
from tests.support.ports import free_port
from tests.support.sasl import SaslDatabase

USER, PASSWORD, WRONG = "exporter-of-tests", "s3cret of tests", "not this one"
CONNECTED = "libvirt_exporter_connected"
EXPIRY = "libvirt_exporter_tls_certificate_expiry_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A daemon that asks for a certificate and a password, one that asks for nothing, and the file
    that names both as targets.
    """

    remote: PrivateLibvirtd
    port: int
    authority: Authority
    server: Pair
    client: Pair
    folder: Path
    config: dict[str, Any]

    def write(self, **sections: Any) -> str:
        """The flag for a file that has these sections beside, or in the place of, the usual ones."""
        file = self.folder / f"config-{'-'.join(sections)}.yaml"
        file.write_text(yaml.safe_dump({**self.config, **sections}))
        return f"--config.file={file}"


@pytest.fixture(scope="module")
def fleet_of_two(
    libvirtd: PrivateLibvirtd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    if reason := private.missing_part() or sasl.missing_part():
        real_parts.lacks(reason)
    folder = tmp_path_factory.mktemp("fleet")
    database = SaslDatabase(folder / "sasl2", ["scram-sha-256"])
    database.add(USER, PASSWORD)
    for name, password in (("password", PASSWORD), ("wrong", WRONG)):
        (folder / name).write_text(f"{password}\n")
    authority = Authority.new()
    server, client = authority.issue("the host", "localhost", "127.0.0.1"), authority.issue("we")
    for name, content in (
        ("cacert", authority.pem),
        ("servercert", server.pem),
        ("serverkey", server.key_pem()),
    ):
        (folder / f"{name}.pem").write_bytes(content)
    pki = write_client(folder / "pki", [authority], client)
    port = free_port()
    tls = f"test+tls://localhost:{port}/default?pkipath={pki}"
    config = {
        "libvirt": {"uri": libvirtd.test_uri, "keepalive_interval": "1s"},
        "targets": {
            "tls": {"uri": tls, "username": USER, "password_file": str(folder / "password")},
            "unix": {"uri": libvirtd.test_uri, "module": "brief", "labels": {"rack": "r12"}},
            "wrong": {"uri": tls, "username": USER, "password_file": str(folder / "wrong")},
        },
        "modules": {
            "brief": {
                "timeout": "2s",
                "collectors": {"domain": {"stats": False}},
                "labels": {"detail_level": "brief"},
            }
        },
    }
    with PrivateLibvirtd(
        config={
            "auth_tls": "sasl",
            "listen_tls": 1,
            "tls_port": str(port),
            "ca_file": str(folder / "cacert.pem"),
            "cert_file": str(folder / "servercert.pem"),
            "key_file": str(folder / "serverkey.pem"),
        },
        environment=database.environment,
    ) as remote:
        yield Fleet(remote, port, authority, server, client, folder, config)


@pytest.fixture(scope="module")
def exporter(fleet_of_two: Fleet) -> Iterator[ExporterProcess]:
    with exporter_process(fleet_of_two.write()) as running:
        yield running


def get_probe(exporter: ExporterProcess, target: str, **more: str) -> httpx.Response:
    return exporter.get(f"/probe?{urlencode({'target': target, **more})}")


def probe(exporter: ExporterProcess, target: str, **more: str) -> ReadPage:
    return read_response(get_probe(exporter, target, **more))


def check(*arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def tls_clients(daemon: PrivateLibvirtd) -> int:
    """The clients that the daemon has over TLS."""
    lines = daemon.virt_admin("srv-clients-list", "libvirtd").splitlines()
    return sum("tls" in line.split() for line in lines)


def refused_logins(daemon: PrivateLibvirtd) -> int:
    """How often the daemon has refused a password, by its log."""
    return daemon.log.read_text(errors="replace").count("virNetSASLSessionServerStep")


def test_a_target_over_tls_with_a_password_is_probed(
    fleet_of_two: Fleet, exporter: ExporterProcess
) -> None:
    for number in range(1, 6):
        page = probe(exporter, "tls")
        assert page.value("libvirt_exporter_scrapes_total") == number
        assert tls_clients(fleet_of_two.remote) == 1
    assert page.value("libvirt_domain_state", domain="test", hypervisor="TEST") == 1
    assert page.value(CONNECTED) == 1
    info = f"test+tls://localhost:{fleet_of_two.port}/default"
    assert page.labels("libvirt_connection_info", "uri") == [info]


def test_the_page_has_the_days_on_which_the_certificates_end(
    fleet_of_two: Fleet, exporter: ExporterProcess
) -> None:
    page = probe(exporter, "tls")
    assert {
        kind: page.value(EXPIRY, certificate=kind) for kind in page.labels(EXPIRY, "certificate")
    } == {
        "server": fleet_of_two.server.not_after,
        "client": fleet_of_two.client.not_after,
        "ca": fleet_of_two.authority.not_after,
    }
    assert probe(exporter, "unix").values(EXPIRY) == []


def test_a_local_target_has_its_own_module(exporter: ExporterProcess) -> None:
    page = probe(exporter, "unix")
    assert page.value("libvirt_domain_state", domain="test", detail_level="brief") == 1
    whole = probe(exporter, "unix", module="default")
    assert whole.value("libvirt_domain_state", domain="test") == 1
    assert "detail_level" not in whole.text
    assert get_probe(exporter, "unix", module="none").status_code == 400


def test_targets_are_discovered_as_prometheus_asks_for_them(exporter: ExporterProcess) -> None:
    assert exporter.get("/sd").json() == [
        {"targets": ["tls"], "labels": {"__param_module": "default"}},
        {"targets": ["unix"], "labels": {"__param_module": "brief", "rack": "r12"}},
        {"targets": ["wrong"], "labels": {"__param_module": "default"}},
    ]


def test_a_target_that_is_not_named_is_refused_though_it_is_there(
    fleet_of_two: Fleet, libvirtd: PrivateLibvirtd, exporter: ExporterProcess
) -> None:
    before = tls_clients(fleet_of_two.remote)
    uris = (
        f"test+tls://localhost:{fleet_of_two.port}/default",
        fleet_of_two.config["targets"]["tls"]["uri"],
        libvirtd.test_uri,
    )
    with exporter_process(fleet_of_two.write(), "--probe.allow=.*") as open_one:
        for uri in uris:
            for one in (exporter, open_one):
                response = get_probe(one, uri)
                assert response.status_code == 403
                assert uri not in response.text
        assert tls_clients(fleet_of_two.remote) == before


def test_wrong_credentials_are_told_and_not_tried_again_soon(fleet_of_two: Fleet) -> None:
    before = refused_logins(fleet_of_two.remote)
    with exporter_process(fleet_of_two.write()) as exporter:
        began = time.monotonic()
        pages = [probe(exporter, "wrong")]
        while time.monotonic() < began + 3:
            pages += [probe(exporter, "wrong"), probe(exporter, "wrong", module="default")]
            assert probe(exporter, "tls").value(CONNECTED) == 1
        log = exporter.log
    assert [page.value(CONNECTED) for page in pages] == [0] * len(pages)
    assert len(pages) > 5
    assert refused_logins(fleet_of_two.remote) == before + 1
    assert "authentication with libvirt failed: the daemon refused SCRAM-SHA-256" in log
    assert log.count("the daemon refused SCRAM-SHA-256") == 1
    for secret in (USER, PASSWORD, WRONG):
        assert secret not in log
        assert not any(secret in page.text for page in pages)


def test_check_goes_through_the_steps_of_a_target(fleet_of_two: Fleet) -> None:
    # The test driver has the states of its domains and no other statistics.
    tls = {**fleet_of_two.config["targets"]["tls"], "module": "brief"}
    status, said = check(
        fleet_of_two.write(targets={"tls": tls}),
        "--target=tls",
        "--no-collector.disk.stats",
        "--no-collector.network.stats",
    )
    assert (status, said[0]) == (0, "tls:")
    # What the test driver does not have is off, and no failure.
    assert {"ok", "off"} <= {line.split()[0] for line in said[1:]} <= {"ok", "off", "warn"}
    assert ["ok", "domain.state", "(state)"] in [line.split()[:3] for line in said]
    status, said = check(fleet_of_two.write(), "--target=wrong")
    assert status == 1
    assert said[0] == "wrong:"
    assert said[-2].split() == ["ok", "socket"]
    assert said[-1].startswith("FAIL  authentication  ")
    assert "the daemon refused SCRAM-SHA-256" in said[-1]
    assert not any(secret in line for line in said for secret in (USER, WRONG))
    status, _ = check(fleet_of_two.write(), "--target=absent")
    assert status == 2


def test_two_connections_stand_on_one_page(fleet_of_two: Fleet) -> None:
    targets = fleet_of_two.config["targets"]
    connections = [
        {"name": "near", "uri": targets["unix"]["uri"]},
        {"name": "far", **targets["tls"]},
        {"name": "locked", **targets["wrong"]},
    ]
    file = fleet_of_two.write(libvirt={"connections": connections})
    with exporter_process(file) as exporter:
        poll(lambda: exporter.get("/-/ready").status_code == 200, "ready")
        page = exporter.scrape()
    states = {host: page.values(CONNECTED, host=host) for host in ("near", "far", "locked")}
    assert states == {"near": [1], "far": [1], "locked": [0]}
    assert sorted(page.labels("libvirt_domain_state", "host")) == ["far", "near"]
    assert set(page.labels(EXPIRY, "host")) == {"far"}
    status, said = check(file)
    assert status == 1
    assert [line for line in said if line.endswith(":")] == ["near:", "far:", "locked:"]


def test_a_daemon_that_hangs_costs_one_probe_and_nobody_else_anything(
    fleet_of_two: Fleet,
) -> None:
    file = fleet_of_two.write(
        libvirt={**fleet_of_two.config["libvirt"], "reconnect_interval": "1s"}
    )
    with (
        exporter_process(file) as exporter,
        concurrent.futures.ThreadPoolExecutor(1) as executor,
    ):
        assert probe(exporter, "unix").value(CONNECTED) == 1
        with fleet_of_two.remote.stopped():
            began = time.monotonic()
            first = executor.submit(probe, exporter, "tls", module="brief")
            for _ in range(3):
                assert probe(exporter, "unix").value(CONNECTED) == 1
            assert not first.done()
            assert time.monotonic() - began < 1.5
            assert first.result().value(CONNECTED) == 0
            assert 1.5 < time.monotonic() - began < 4
            for _ in range(3):
                began = time.monotonic()
                assert probe(exporter, "tls", module="brief").value(CONNECTED) == 0
                assert time.monotonic() - began < 1
        poll(lambda: probe(exporter, "tls", module="brief").value(CONNECTED) == 1, "it is back")
        assert exporter.end()[0] == 0
