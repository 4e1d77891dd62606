"""What the landing page shows, as plain values: nothing here is measured, named or rendered."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CollectorView",
    "DomainView",
    "HypervisorView",
    "Part",
    "ProbedView",
    "Rates",
    "Snapshot",
]


@dataclass(frozen=True, slots=True)
class Rates:
    """Of the time between two scrapes; None where a counter was absent or began anew."""

    cpu_seconds: float | None = None
    """Processor time a second."""
    disk_read: float | None = None
    disk_written: float | None = None
    network_received: float | None = None
    network_sent: float | None = None


@dataclass(frozen=True, slots=True)
class DomainView:
    """One domain; bytes, seconds, and rates of them a second. None is what is not known."""

    name: str
    uuid: str
    state: int | None = None
    reason: str = ""
    vcpus: int | None = None
    memory_used: float | None = None
    """By the guest where it tells, else by the domain's process on the host."""
    memory_max: float | None = None
    is_told_by_guest: bool = False
    """Whether `memory_used` is: only then does a full memory say that the guest has none left."""
    uptime: float | None = None
    has_timed_out: bool = False
    rates: Rates = Rates()
    host: str = ""

    @property
    def cpu_share(self) -> float | None:
        """Processor time of what the vCPUs can use, 1 is all."""
        if self.rates.cpu_seconds is None or not self.vcpus:
            return None
        return self.rates.cpu_seconds / self.vcpus

    @property
    def memory_share(self) -> float | None:
        if self.memory_used is None or not self.memory_max:
            return None
        return self.memory_used / self.memory_max

    @property
    def disk_rate(self) -> float | None:
        return _sum(self.rates.disk_read, self.rates.disk_written)

    @property
    def network_rate(self) -> float | None:
        return _sum(self.rates.network_received, self.rates.network_sent)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)


@dataclass(frozen=True, slots=True)
class CollectorView:
    """A collector in the last scrape."""

    name: str
    seconds: float
    has_succeeded: bool
    reason: str = ""
    """Why libvirt does not offer what it needs; empty where it does."""
    failure: str = ""
    """Why it failed otherwise, where that is known."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a collector that libvirt does not offer here."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class HypervisorView:
    """One hypervisor of the metrics page; times are Unix times."""

    uri: str
    is_connected: bool
    host: str = ""
    """Its name on the page, where there are several."""
    hostname: str = ""
    versions: tuple[str, ...] = ()
    connected_at: float | None = None
    reconnects: int = 0
    error: str = ""
    """Why it is not connected; empty before the first attempt has ended."""
    scraped_at: float | None = None
    scrape_seconds: float | None = None
    has_failed: bool = False
    stuck_calls: int = 0
    collectors: tuple[CollectorView, ...] = ()
    missing: tuple[Part, ...] = ()
    domains: tuple[DomainView, ...] = ()
    rates_over: float | None = None
    """Seconds between the two scrapes that the rates are of; None where there was one only."""


@dataclass(frozen=True, slots=True)
class ProbedView:
    """A target of probes."""

    name: str
    module: str
    is_connected: bool = False
    was_probed: bool = True
    connected_at: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything on the page, as it was at the Unix time `taken_at`."""

    version: str
    taken_at: float
    hypervisors: tuple[HypervisorView, ...] = ()
    probed: tuple[ProbedView, ...] = ()
    telemetry_path: str = "/metrics"
    has_reloaded: bool = True
    """Whether the last reload of the configuration succeeded."""

    @property
    def domains(self) -> list[DomainView]:
        return [domain for one in self.hypervisors for domain in one.domains]
