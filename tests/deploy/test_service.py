"""The system service, run by a real systemd: the Debian package in a clean Debian that is booted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.conftest import Packages
from tests.support import domains, real_parts
from tests.support import libvirtd as private
from tests.support.clean_debian import CleanDebian
from tests.support.domains import DomainSpec
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import read_page

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

UNIT = "libvirt-exporter.service"
SHOW = f"""
import os, re, subprocess, time, urllib.request
def show(name):
    command = ["systemctl", "show", "--value", "--property", name, "{UNIT}"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
def run(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
def until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
def journal():
    return run("journalctl", "--no-pager", "--unit", "libvirt-exporter")
def page():
    return urllib.request.urlopen("http://127.0.0.1:9177/metrics", timeout=30).read().decode()
"""
PASSWORD = "a password that only root can read"
DROP_IN = """[Service]
WatchdogSec=2
TimeoutAbortSec=1
RestartSec=0
LoadCredential=libvirt-password:/etc/libvirt-exporter/password
Environment=LIBVIRT_EXPORTER_LIBVIRT_PASSWORD_FILE=%d/libvirt-password
Environment=LIBVIRT_EXPORTER_LIBVIRT_USERNAME=exporter
Environment=LIBVIRT_EXPORTER_LIBVIRT_URI=qemu+tcp://127.0.0.1:1/system
# What the domains' start times are read from, in the service's own confinement.
ExecStartPre=/usr/bin/python3 -c "open('/proc/1/cmdline').read(1); assert 'btime' in open('/proc/stat').read()"
"""


@pytest.fixture
def installed(packages: Packages, debian: CleanDebian) -> CleanDebian:
    (debian.root / "opt/package.deb").write_bytes(packages.deb.read_bytes())
    debian.install("/opt/package.deb")
    return debian


def write(debian: CleanDebian, path: str, text: str, *, mode: int = 0o644) -> None:
    file = debian.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def test_the_service_is_ready_confined_watched_and_ends_well(installed: CleanDebian) -> None:
    write(installed, "etc/libvirt-exporter/password", PASSWORD, mode=0o600)
    write(installed, f"etc/systemd/system/{UNIT}.d/tests.conf", DROP_IN)
    write(installed, "etc/default/libvirt-exporter", "LIBVIRT_EXPORTER_LOGGING_FORMAT=json\n")
    facts = installed.boot(
        SHOW
        + """
facts["state"] = show("ActiveState")
facts["status"] = show("StatusText")
facts["page"] = page()
pid = show("MainPID")
facts["process"] = open(f"/proc/{pid}/status").read()
facts["user"] = run("getent", "passwd", "libvirt-exporter")
facts["uid"] = str(os.stat(f"/proc/{pid}").st_uid)
credential = f"/run/credentials/libvirt-exporter.service/libvirt-password"
facts["secret"] = open(credential).read()
facts["environment"] = open(f"/proc/{pid}/environ").read()
run("systemctl", "reload", "libvirt-exporter.service")
until(lambda: "configuration reloaded" in journal())
facts["reloaded"] = [show("ActiveState"), show("MainPID") == pid]
os.kill(int(pid), 19)
until(lambda: show("NRestarts") == "1" and show("ActiveState") == "active")
facts["restarts"] = show("NRestarts")
facts["again"] = show("ActiveState")
run("systemctl", "stop", "libvirt-exporter.service")
facts["ended"] = [show("ActiveState"), show("Result"), show("ExecMainStatus")]
facts["journal"] = journal()
"""
    )
    assert facts["state"] == "active", facts["journal"]
    assert facts["status"] == "connected to 0 of 1 hypervisors"
    assert read_page(facts["page"].encode()).value("libvirt_exporter_connected") == 0
    process = dict(line.split(":\t", 1) for line in facts["process"].splitlines() if ":\t" in line)
    assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    # The user that systemd made has a name, by libnss-systemd; libvirtd turns away who has none.
    name, _, uid, *_ = facts["user"].split(":")
    assert (name, uid) == ("libvirt-exporter", facts["uid"])
    assert int(uid) >= 61184, "not of systemd's dynamic users"
    assert facts["secret"] == PASSWORD
    assert PASSWORD not in facts["environment"] + facts["journal"] + facts["page"]
    assert "configuration reloaded" in facts["journal"]
    assert facts["reloaded"] == ["active", True]
    assert (facts["restarts"], facts["again"]) == ("1", "active")
    assert "Watchdog timeout" in facts["journal"]
    assert facts["ended"] == ["inactive", "success", "0"]


def test_the_first_request_to_the_socket_starts_the_service(installed: CleanDebian) -> None:
    write(installed, "etc/default/libvirt-exporter", "LIBVIRT_EXPORTER_WEB_SYSTEMD_SOCKET=true\n")
    for verb, unit in (("disable", UNIT), ("enable", "libvirt-exporter.socket")):
        assert installed.run("systemctl", verb, unit).returncode == 0
    facts = installed.boot(
        SHOW
        + """
facts["before"] = show("ActiveState")
facts["page"] = page()
facts["after"] = show("ActiveState")
facts["journal"] = journal()
"""
    )
    assert (facts["before"], facts["after"]) == ("inactive", "active"), facts["journal"]
    assert read_page(facts["page"].encode()).value("libvirt_exporter_connected") == 0


def test_the_service_reads_a_real_libvirtd_over_its_read_only_socket(
    installed: CleanDebian,
) -> None:
    if reason := private.missing_part():
        real_parts.lacks(reason)
    # The daemon runs on this machine, which does not know the booted system's dynamic users; it knows uid 1.
    with (installed.root / "etc/passwd").open("a") as file:
        file.write("libvirt-exporter:x:1:1::/nonexistent:/usr/sbin/nologin\n")
    with (installed.root / "etc/group").open("a") as file:
        file.write("libvirt-exporter:x:1:\n")
    with PrivateLibvirtd() as daemon:
        domains.create(daemon, DomainSpec("plain"))
        facts = installed.boot(
            SHOW
            + """
until(lambda: "1 of 1" in show("StatusText"))
facts["status"] = show("StatusText")
facts["page"] = page()
facts["journal"] = journal()
""",
            binds={Path(daemon.socket_ro).parent: "/run/libvirt"},
        )
    assert facts["status"] == "connected to 1 of 1 hypervisors", facts["journal"]
    page = read_page(facts["page"].encode())
    assert page.value("libvirt_exporter_connected") == 1
    assert page.value("libvirt_exporter_last_scrape_error") == 0
    assert 'domain="plain"' in facts["page"]
