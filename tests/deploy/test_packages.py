"""The packages as somebody gets them: each is installed where nothing of the project is, and runs."""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter import __version__
from tests.deploy.conftest import REPOSITORY, Packages, build
from tests.support.clean_debian import CleanDebian
from tests.support.ports import free_port

START_TIMEOUT = 60.0
POLL_SECONDS = 0.1
SHARED = (
    "share/man/man1/libvirt-exporter.1",
    "share/bash-completion/completions/libvirt-exporter",
    "share/zsh/site-functions/_libvirt-exporter",
    "share/fish/vendor_completions.d/libvirt-exporter.fish",
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def demo_page(command: list[str], environment: Mapping[str, str]) -> str:
    """Runs `demo` with a program and gives its page."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [*command, "demo", f"--web.listen-address={address}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
    )
    try:
        return _page(f"http://{address}/metrics", process)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0, said.decode()


def _page(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                page: bytes = response.read()
                return page.decode()
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(POLL_SECONDS)


def domains_of(page: str) -> int:
    return sum(line.startswith("libvirt_domain_uptime_seconds{") for line in page.splitlines())


def test_the_sdist_has_what_packagers_need_and_no_tests(packages: Packages) -> None:
    with tarfile.open(packages.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "deploy/man/libvirt-exporter.1",
        "deploy/completions/zsh/_libvirt-exporter",
        "deploy/systemd/libvirt-exporter.service",
        "deploy/polkit/50-libvirt-exporter.rules",
        "docs/configuration.md",
        "exporter/demo.jsonl.gz",
    } <= names
    assert not [name for name in names if name.startswith(("tests", "fixtures"))]
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_runs_the_demo_in_an_empty_environment(
    packages: Packages, tmp_path: Path
) -> None:
    venv.create(tmp_path, with_pip=True)
    pip: list[str | Path] = [tmp_path / "bin/pip", "install", "--quiet", packages.wheel]
    subprocess.run(pip, check=True, capture_output=True, timeout=300)
    assert [name for name in SHARED if not (tmp_path / name).is_file()] == []
    page = demo_page([str(tmp_path / "bin/libvirt-exporter")], {"PATH": os.defpath})
    assert domains_of(page) > 0


def test_the_wheel_has_every_module_and_nothing_else(packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        held = {
            name for name in archive.namelist() if name.startswith(("exporter/", "libvirt_rpc/"))
        }
    here = {
        str(path.relative_to(REPOSITORY))
        for package in ("exporter", "libvirt_rpc")
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert held == here


def test_the_zipapp_runs_the_demo_with_nothing_but_python(
    packages: Packages, debian: CleanDebian
) -> None:
    (debian.root / "opt/libvirt-exporter.pyz").write_bytes(packages.zipapp.read_bytes())
    chroot = ["chroot", str(debian.root), "/usr/bin/env", "-i"]
    # Without site there are no folders of packages at all.
    run = [*chroot, "/usr/bin/python3", "-I", "-S", "/opt/libvirt-exporter.pyz"]
    said = subprocess.run([*run, "--version"], check=True, capture_output=True, text=True)
    assert said.stdout == f"libvirt-exporter, version {__version__}\n"
    page = demo_page(run, os.environ)
    assert domains_of(page) > 0
    assert debian.run("/usr/bin/python3", "-c", "import yaml").returncode == 1


def test_the_zipapp_reads_a_configuration_file(packages: Packages, tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("collectors: {domain: {stats: maybe}}\n")
    done = subprocess.run(
        [packages.zipapp, "check", f"--config.file={file}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"{file}:1" in done.stderr


def test_no_compiled_code_is_in_what_runs_on_every_processor(packages: Packages) -> None:
    with zipfile.ZipFile(packages.zipapp) as archive:
        assert [name for name in archive.namelist() if name.endswith((".so", ".pyd", ".pyc"))] == []


def test_packages_of_the_same_sources_are_the_same_bytes(
    packages: Packages, tmp_path: Path
) -> None:
    again = build(tmp_path)
    assert again.zipapp.read_bytes() == packages.zipapp.read_bytes()
    assert again.deb.read_bytes() == packages.deb.read_bytes()


def test_every_dependency_is_pinned_for_the_packages() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    names = {_normal(one.partition(">=")[0]) for one in needed}
    lines = (REPOSITORY / "deploy/vendored.txt").read_text().splitlines()
    pinned = {_normal(line.partition("==")[0]) for line in lines if not line.startswith("#")}
    assert names <= pinned, "run: .ci/pin-vendored"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_debian_package_checks_serves_the_demo_and_leaves_nothing_when_purged(
    packages: Packages, debian: CleanDebian
) -> None:
    before = files_of(debian)
    (debian.root / "opt/package.deb").write_bytes(packages.deb.read_bytes())
    debian.install("/opt/package.deb")

    checked = debian.run("libvirt-exporter", "check")
    assert checked.returncode == 1
    assert "FAIL  socket          cannot connect to qemu:///system" in checked.stdout
    assert "is libvirtd or virtqemud running here?" in checked.stdout

    run = ["chroot", str(debian.root), "/usr/bin/env", "-i", "/usr/bin/libvirt-exporter"]
    assert domains_of(demo_page(run, os.environ)) > 0

    assert debian.run("dpkg", "--verify", "libvirt-exporter").stdout == ""
    listed = debian.run(
        "systemctl", "is-enabled", "libvirt-exporter.service", "libvirt-exporter.socket"
    )
    assert listed.stdout.split() == ["enabled", "disabled"]

    purged = debian.run("apt-get", "purge", "--quiet", "--yes", "libvirt-exporter")
    assert purged.returncode == 0, purged.stderr
    assert "not empty" not in purged.stdout + purged.stderr
    after = files_of(debian)
    assert {path for path in after - before if "libvirt-exporter" in path} == set()


def files_of(debian: CleanDebian) -> set[str]:
    """Every path of the system, but those of logs and of apt's own books."""
    found = debian.run(
        "find", "/", "-xdev", "-not", "-path", "/var/log/*", "-not", "-path", "/proc/*"
    )
    return set(found.stdout.splitlines())
