"""What a test does when a real part (libvirtd, QEMU, Prometheus, ssh) is not on this machine.

It skips with the reason, or fails with it where LIBVIRT_EXPORTER_REQUIRE_REAL=1 promises them all.
"""

import os
import shutil
from typing import NoReturn

import pytest

REQUIRE_REAL = "LIBVIRT_EXPORTER_REQUIRE_REAL"


def require(program: str) -> str:
    """Return the path of a program, or end the test."""
    path = shutil.which(program)
    if path is None:
        lacks(f"{program} is not installed")
    return path


def forbids(reason: str) -> NoReturn:
    """End the test: the machine's kernel or sandbox lets no such thing run, whatever is installed."""
    pytest.skip(reason)


def lacks(reason: str) -> NoReturn:
    """End the test: a real part is missing for this reason."""
    if os.environ.get(REQUIRE_REAL) == "1":
        pytest.fail(f"{reason}, and {REQUIRE_REAL}=1 asks for every real part", pytrace=False)
    pytest.skip(reason)
