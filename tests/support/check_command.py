"""`libvirt-exporter check` as operators run it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What it printed, and its exit status."""

    text: str
    status: int

    @property
    def failure(self) -> str:
        """The one step that failed, with its reason; white space is single."""
        assert self.status == 1, self.text
        (line,) = (line for line in self.text.splitlines() if line.startswith("FAIL"))
        return " ".join(line.removeprefix("FAIL").split())


def check(uri: str, *flags: str, **environment: str) -> Checked:
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", f"--libvirt.uri={uri}", *flags],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return Checked(done.stdout, done.returncode)
