"""The packages, built once, and a clean Debian to install them in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import clean_debian, real_parts
from tests.support.clean_debian import CleanDebian

REPOSITORY = Path(__file__).parents[2]
BUILD_TIMEOUT = 300.0


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
        yield one


def program(name: str) -> str:
    """The path of a program that a Python package of the tests brings."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else real_parts.require(name)
