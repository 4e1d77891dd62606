"""When the domains of this machine started: the start time of each one's QEMU process.

libvirt's API has no start time. A domain's process is known by the domain's UUID on its command line.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from libvirt_rpc.protocol.types import Domain

_START_TIME_FIELD = 19
"""Of /proc/PID/stat, counted behind the command's closing parenthesis: ticks since boot (proc(5))."""


class StartTimes(Protocol):
    """Gives the start of running domains as Unix time; a domain whose start is unknown is left out."""

    def of(self, domains: Iterable[Domain]) -> Mapping[uuid.UUID, float]: ...


class NoStartTimes:
    """For a hypervisor on another machine."""

    def of(self, domains: Iterable[Domain]) -> Mapping[uuid.UUID, float]:  # noqa: ARG002
        return {}


class RecordedStartTimes:
    """From a trace's header."""

    def __init__(self, start_times: Mapping[uuid.UUID, float]) -> None:
        self._start_times = dict(start_times)

    def of(self, domains: Iterable[Domain]) -> Mapping[uuid.UUID, float]:
        running = {domain.uuid for domain in domains if domain.id != -1}
        return {key: at for key, at in self._start_times.items() if key in running}


class ProcessStartTimes:
    """From /proc. A domain is looked for when it is new, or runs under a new id, and not again."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: dict[tuple[uuid.UUID, int], float | None] = {}

    def forget(self) -> None:
        """After a new connection: libvirt may count its ids from 1 again."""
        self._known = {}

    def of(self, domains: Iterable[Domain]) -> Mapping[uuid.UUID, float]:
        running = {(domain.uuid, domain.id) for domain in domains if domain.id != -1}
        self._known = {key: at for key, at in self._known.items() if key in running}
        new = running - self._known.keys()
        if new:
            found = self._scan({key for key, _ in new})
            self._known |= {(key, number): found.get(key) for key, number in new}
        return {key: at for (key, _), at in self._known.items() if at is not None}

    def _scan(self, wanted: set[uuid.UUID]) -> dict[uuid.UUID, float]:
        boot = self._boot_time()
        if boot is None:
            return {}
        found = {}
        for process in self._proc.iterdir():
            if not process.name.isdigit():
                continue
            try:
                owner = _domain_uuid((process / "cmdline").read_bytes())
                if owner in wanted:
                    found[owner] = boot + _start_ticks((process / "stat").read_bytes())
            except (OSError, ValueError, IndexError):
                # It ended meanwhile, or is not for us to see.
                continue
        return found

    def _boot_time(self) -> float | None:
        try:
            for line in (self._proc / "stat").read_text().splitlines():
                if line.startswith("btime "):
                    return float(line.split()[1])
        except (OSError, ValueError, IndexError):
            pass
        return None


def _domain_uuid(cmdline: bytes) -> uuid.UUID:
    """The argument behind `-uuid`. Raises ValueError where there is none."""
    arguments = cmdline.split(b"\0")
    return uuid.UUID(arguments[arguments.index(b"-uuid") + 1].decode("ascii"))


def _start_ticks(stat: bytes) -> float:
    """Seconds from boot to the process's start."""
    behind_command = stat.rpartition(b")")[2].split()
    return int(behind_command[_START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
