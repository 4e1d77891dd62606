"""A Debian of its own for a test: minimal, with Python, in a folder, entered with systemd-nspawn.

What debootstrap makes is kept under the machine's temporary folder and never changed: every test works on an
overlay of it. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

NEEDED_PROGRAMS = ("debootstrap", "systemd-nspawn", "mount", "umount")
SUITE = "bookworm"
"""Whose Python, 3.11, is the oldest that the exporter runs on."""

NO_BINDS: Mapping[Path, str] = MappingProxyType({})
BOOT_TIMEOUT = 90.0
COMMAND_TIMEOUT = 240.0

_MIRROR = (
    "apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |"
    " sort -u | head -n 1"
)
_PROBE_UNIT = """[Unit]
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /probe.py
ExecStopPost=/bin/sh -c 'systemctl --no-block poweroff 2>/dev/null'
StandardOutput=append:/probe.log
StandardError=append:/probe.log

[Install]
WantedBy=multi-user.target
"""


def missing_part() -> str | None:
    """Say what is not installed, or None."""
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "a Debian of the tests' own needs root"
    return None


def _pristine() -> Path:
    root = Path(tempfile.gettempdir(), f"libvirt-exporter-tests-{SUITE}")
    finished = root.with_suffix(".finished")
    if not finished.exists():
        shutil.rmtree(root, ignore_errors=True)
        mirror = _output("sh", "-c", _MIRROR).strip()
        assert mirror, "apt knows no Debian archive; run apt-get update"
        _output("debootstrap", "--variant=minbase", "--include=python3", SUITE, str(root), mirror)
        finished.touch()
    return root


def _output(*command: str) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


class CleanDebian:
    """`with` it; `root` is its root folder, which no longer is there afterwards."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="clean-debian-"))
        self.root = self._directory / "root"

    def __enter__(self) -> Self:
        upper, work = self._directory / "upper", self._directory / "work"
        for directory in (self.root, upper, work):
            directory.mkdir()
        layers = f"lowerdir={_pristine()},upperdir={upper},workdir={work}"
        _output("mount", "-t", "overlay", "-o", layers, "overlay", str(self.root))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _output("umount", str(self.root))
        shutil.rmtree(self._directory)

    def run(
        self, *command: str, binds: Mapping[Path, str] = NO_BINDS, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in it, with the machine's network. Its exit status is the caller's to check."""
        return subprocess.run(
            [*self._nspawn(binds), "--resolv-conf=copy-host", *options, "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT,
        )

    def install(self, *packages: str) -> str:
        """apt installs packages, or files of this root."""
        done = self.run(
            "sh",
            "-ec",
            'apt-get update -q && apt-get install -q --yes --no-install-recommends "$@"',
            "sh",
            *packages,
            options=("--setenv=DEBIAN_FRONTEND=noninteractive",),
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def boot(self, probe: str, binds: Mapping[Path, str] = NO_BINDS) -> Any:
        """Boots its systemd, without a network, and runs a Python program once everything is up.

        Gives what the program put into `facts`.
        """
        (self.root / "probe.py").write_text(
            f"import json\nfacts = {{}}\ntry:\n{_indented(probe)}finally:\n"
            "    json.dump(facts, open('/probe.json', 'w'))\n"
        )
        units = self.root / "etc/systemd/system"
        (units / "probe.service").write_text(_PROBE_UNIT)
        wanted = units / "multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        if not (wanted / "probe.service").is_symlink():
            (wanted / "probe.service").symlink_to("../probe.service")
        log, facts = self.root / "probe.log", self.root / "probe.json"
        for leftover in (log, facts):
            leftover.unlink(missing_ok=True)
        done = subprocess.run(
            [*self._nspawn(binds), "--private-network", "--boot"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOOT_TIMEOUT,
        )
        assert facts.exists(), f"{done.stdout}{done.stderr}"
        said = log.read_text()
        assert not said, said
        return json.loads(facts.read_text())

    def _nspawn(self, binds: Mapping[Path, str]) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            f"--directory={self.root}",
            *(f"--bind-ro={source}:{target}" for source, target in binds.items()),
        ]


def _indented(program: str) -> str:
    return "".join(f"    {line}\n" for line in program.splitlines())
