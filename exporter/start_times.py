"""When domains started: libvirt's API does not say.

On the hypervisor's own machine a domain's process tells it, known by the domain's UUID on its command
line; elsewhere the event that the domain started, for those that start while we watch.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from libvirt_rpc.enums import DomainEventType
from libvirt_rpc.protocol.events import DomainLifecycleEvent, Event
from libvirt_rpc.protocol.types import Domain

_START_TIME_FIELD = 19
"""Of /proc/PID/stat, counted behind the command's closing parenthesis: ticks since boot (proc(5))."""


_TRIES = 3


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
    """From /proc. A domain is looked for when it is new, or runs under a new id, three times at most."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: dict[tuple[uuid.UUID, int], float] = {}
        self._looked_for: dict[tuple[uuid.UUID, int], int] = {}

    def forget(self) -> None:
        """After a new connection: libvirt may count its ids from 1 again."""
        self._known = {}
        self._looked_for = {}

    def of(self, domains: Iterable[Domain]) -> Mapping[uuid.UUID, float]:
        running = {(domain.uuid, domain.id) for domain in domains if domain.id != -1}
        self._known = {key: at for key, at in self._known.items() if key in running}
        self._looked_for = {key: n for key, n in self._looked_for.items() if key in running}
        # libvirt gives a domain its id a moment before its process is there.
        new = [key for key in running if self._looked_for.get(key, 0) < _TRIES]
        if new:
            found = self._scan({key for key, _ in new})
            for key in new:
                is_found = key[0] in found
                self._looked_for[key] = _TRIES if is_found else self._looked_for.get(key, 0) + 1
                if is_found:
                    self._known[key] = found[key[0]]
        return {key: at for (key, _), at in self._known.items()}

    def _scan(self, wanted: set[uuid.UUID]) -> dict[uuid.UUID, float]:
        boot = self._boot_time()
        if boot is None:
            return {}
        found: dict[uuid.UUID, float] = {}
        for process in self._proc.iterdir():
            if not process.name.isdigit():
                continue
            try:
                owner = _domain_uuid((process / "cmdline").read_bytes())
                if owner in wanted:
                    # Of two, as while a domain migrates on its host, the later one is the domain's.
                    found[owner] = max(
                        found.get(owner, 0.0), boot + _start_ticks((process / "stat").read_bytes())
                    )
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


class EventStartTimes:
    """From what libvirt said when a domain started, where `otherwise` does not know the start.

    A listener of events: what started before the connection stood is unknown.
    """

    def __init__(self, otherwise: StartTimes, clock: Callable[[], float] = time.time) -> None:
        self.otherwise = otherwise
        self._clock = clock
        self._started: dict[uuid.UUID, tuple[int, float]] = {}

    def heard(self, event: Event) -> None:
        if not isinstance(event, DomainLifecycleEvent):
            return
        if event.event is DomainEventType.STARTED:
            self._started[event.domain.uuid] = (event.domain.id, self._clock())
        elif event.event in (DomainEventType.STOPPED, DomainEventType.UNDEFINED):
            self._started.pop(event.domain.uuid, None)

    def forget(self) -> None:
        """After a new connection: a domain may have started anew meanwhile, under the same id."""
        self._started = {}

    def of(self, domains: Iterable[Domain]) -> Mapping[uuid.UUID, float]:
        listed = tuple(domains)
        known = dict(self.otherwise.of(listed))
        for domain in listed:
            at = self._started.get(domain.uuid)
            if at is not None and domain.id == at[0] and domain.uuid not in known:
                known[domain.uuid] = at[1]
        return known


def _domain_uuid(cmdline: bytes) -> uuid.UUID:
    """The argument behind `-uuid`. Raises ValueError where there is none."""
    arguments = cmdline.split(b"\0")
    return uuid.UUID(arguments[arguments.index(b"-uuid") + 1].decode("ascii"))


def _start_ticks(stat: bytes) -> float:
    """Seconds from boot to the process's start."""
    behind_command = stat.rpartition(b")")[2].split()
    return int(behind_command[_START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
