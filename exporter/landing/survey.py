"""From the application's parts to a `Snapshot`: pages are read, nothing is rendered and nobody is asked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from exporter.config import Config, TargetConfig
from exporter.exposition import Page
from exporter.hypervisor import Hypervisor, render_version
from exporter.kept import KeptTarget
from exporter.landing.history import COUNTERS, PageHistory, Scraped
from exporter.landing.snapshot import (
    CollectorView,
    DomainView,
    HypervisorView,
    Part,
    ProbedView,
    Rates,
    Snapshot,
)
from exporter.metrics.own import (
    COLLECTOR_AVAILABLE,
    COLLECTOR_DURATION,
    COLLECTOR_SUCCESS,
    DOMAIN_STATS_TIMED_OUT,
    DOMAIN_UPTIME,
    LAST_SCRAPE_DURATION,
    LAST_SCRAPE_ERROR,
    STUCK_CALLS,
)
from exporter.page_reader import read_family
from exporter.target import Target
from libvirt_rpc.version import __version__

__all__ = ["take_snapshot"]

# A label's value has its quotes escaped, so that nothing in a name looks like this.
_SERIES = re.compile(rb'([^\n]*[{,]uuid="([0-9a-f-]{36})"[^\n]*) (\S+)\n')

STATE = "libvirt_domain_state"
REASON = "libvirt_domain_state_reason_info"


def take_snapshot(
    config: Config,
    targets: Iterable[Target],
    probed: Mapping[tuple[str, str], KeptTarget],
    history: PageHistory,
    *,
    now: float,
    has_reloaded: bool,
) -> Snapshot:
    """Everything that the page shows."""
    return Snapshot(
        version=__version__,
        taken_at=now,
        hypervisors=tuple(_hypervisor(one, history.last(one)) for one in targets),
        probed=tuple(_probed(config.targets, probed)),
        telemetry_path=config.web.telemetry_path,
        has_reloaded=has_reloaded,
    )


def _hypervisor(target: Target, scraped: Scraped | None) -> HypervisorView:
    hypervisor = target.hypervisor
    host = dict(target.scraper.labels).get("host", "")
    if not hypervisor.is_connected:
        error = str(hypervisor.error) if hypervisor.error is not None else ""
        return HypervisorView(
            hypervisor.uri.redacted,
            is_connected=False,
            host=host,
            error=error,
            reconnects=hypervisor.reconnects,
        )
    identity = hypervisor.identity
    view = HypervisorView(
        hypervisor.uri.redacted,
        is_connected=True,
        host=host,
        hostname=identity.hostname if identity is not None else "",
        versions=_versions(hypervisor),
        connected_at=hypervisor.connected_at,
        reconnects=hypervisor.reconnects,
    )
    return view if scraped is None else _with_page(view, scraped, target.scraper.failures)


def _with_page(
    view: HypervisorView, scraped: Scraped, failures: Mapping[str, str]
) -> HypervisorView:
    page = scraped.page
    collectors, missing = _collectors(page, failures)
    span = None
    if scraped.earlier_data_time is not None:
        span = scraped.data_time - scraped.earlier_data_time
    return dataclasses.replace(
        view,
        scraped_at=scraped.at,
        scrape_seconds=_value(page, LAST_SCRAPE_DURATION.name),
        has_failed=bool(_value(page, LAST_SCRAPE_ERROR.name)),
        stuck_calls=int(_value(page, STUCK_CALLS.name) or 0),
        collectors=collectors,
        missing=missing,
        domains=tuple(_domains(scraped, span, view.host)),
        rates_over=span,
    )


def _versions(hypervisor: Hypervisor) -> tuple[str, ...]:
    identity = hypervisor.identity
    if identity is None:
        return ()
    libvirt = f"libvirt {render_version(identity.lib_version)}" if identity.lib_version else ""
    kind = f"{identity.type} {render_version(identity.version)}".strip()
    return tuple(part for part in (kind, libvirt) if part)


def _value(page: Page, name: str) -> float | None:
    return next((float(one.value) for one in read_family(page, name)), None)


def _collectors(
    page: Page, failures: Mapping[str, str]
) -> tuple[tuple[CollectorView, ...], tuple[Part, ...]]:
    """The collectors, and what parts of them are missing: those with a dot in their names."""
    reasons = {
        one.labels["collector"]: one.labels["reason"]
        for one in read_family(page, COLLECTOR_AVAILABLE.name)
    }
    succeeded = {
        one.labels["collector"]: float(one.value) == 1
        for one in read_family(page, COLLECTOR_SUCCESS.name)
    }
    views = [
        CollectorView(
            name=(name := one.labels["collector"]),
            seconds=float(one.value),
            has_succeeded=succeeded.get(name, True),
            reason=reasons.get(name, ""),
            failure=failures.get(name, ""),
        )
        for one in read_family(page, COLLECTOR_DURATION.name)
    ]
    whole = {view.name for view in views}
    parts = [Part(name, why) for name, why in reasons.items() if why and name not in whole]
    return tuple(views), tuple(parts)


def _domains(scraped: Scraped, span: float | None, host: str) -> Iterator[DomainView]:
    page = scraped.page
    names = {
        one.labels["uuid"]: one.labels["domain"]
        for family in (DOMAIN_STATS_TIMED_OUT.name, STATE)
        for one in read_family(page, family)
    }
    reasons = {one.labels["uuid"]: one.labels["reason"] for one in read_family(page, REASON)}
    states = _sums(page, STATE)
    vcpus = _sums(page, "libvirt_domain_vcpu_count")
    resident = _resident(page)
    told = _told_by_guests(page)
    largest = _sums(page, "libvirt_domain_memory_max_bytes")
    uptimes = _sums(page, DOMAIN_UPTIME.name)
    timed_out = _sums(page, DOMAIN_STATS_TIMED_OUT.name)
    rates = [_rates(page.lines(name), scraped.earlier.get(name, b""), span) for name in COUNTERS]
    for uuid, name in names.items():
        yield DomainView(
            name=name,
            uuid=uuid,
            state=int(states[uuid]) if uuid in states else None,
            reason=reasons.get(uuid, ""),
            vcpus=int(vcpus[uuid]) if uuid in vcpus else None,
            memory_used=told.get(uuid, resident.get(uuid)),
            is_told_by_guest=uuid in told,
            memory_max=largest.get(uuid),
            uptime=uptimes.get(uuid),
            has_timed_out=bool(timed_out.get(uuid)),
            rates=Rates(*(one.get(uuid) for one in rates)),
            host=host,
        )


def _resident(page: Page) -> dict[str, float]:
    """What the domain's process has of the host, without QEMU's own part."""
    current = _sums(page, "libvirt_domain_memory_current_bytes")
    resident = _sums(page, "libvirt_domain_memory_rss_bytes")
    return {uuid: min(value, current.get(uuid, value)) for uuid, value in resident.items()}


def _told_by_guests(page: Page) -> dict[str, float]:
    """What the guests use, which their balloon drivers tell."""
    managed = _sums(page, "libvirt_domain_memory_available_bytes")
    usable = _sums(page, "libvirt_domain_memory_usable_bytes")
    return {uuid: managed[uuid] - usable[uuid] for uuid in managed.keys() & usable.keys()}


def _sums(page: Page, family: str) -> dict[str, float]:
    return _sums_of(page.lines(family))


def _sums_of(lines: bytes) -> dict[str, float]:
    """The values of a family by domain, those of its disks and interfaces added up."""
    sums: dict[str, float] = {}
    for match in _SERIES.finditer(lines):
        uuid = match[2].decode()
        sums[uuid] = sums.get(uuid, 0.0) + float(match[3])
    return sums


def _rates(lines: bytes, earlier: bytes, span: float | None) -> dict[str, float]:
    """A second, by domain. A device that was not there before counts from the next scrape on; a counter
    that went down has begun anew, and the domain has no rate.
    """
    if span is None:
        return {}
    before = {match[1]: float(match[3]) for match in _SERIES.finditer(earlier)}
    rates: dict[str, float] = {}
    fallen: set[str] = set()
    for match in _SERIES.finditer(lines):
        if match[1] not in before:
            continue
        uuid, grown = match[2].decode(), float(match[3]) - before[match[1]]
        if grown < 0:
            fallen.add(uuid)
        rates[uuid] = rates.get(uuid, 0.0) + grown / span
    return {uuid: rate for uuid, rate in rates.items() if uuid not in fallen}


def _probed(
    configured: Mapping[str, TargetConfig], kept: Mapping[tuple[str, str], KeptTarget]
) -> Iterator[ProbedView]:
    """What is connected for probes, and what is configured and was not probed lately."""
    for (name, module), one in kept.items():
        hypervisor = one.target.hypervisor
        is_connected = hypervisor.is_connected
        error = str(hypervisor.error) if hypervisor.error is not None else ""
        yield ProbedView(
            # What is not configured is a URI, in which a user may stand.
            name if name in configured else hypervisor.uri.redacted,
            module,
            is_connected=is_connected,
            connected_at=hypervisor.connected_at if is_connected else None,
            error="" if is_connected else error,
        )
    probed = {name for name, _ in kept}
    for name, target in configured.items():
        if name not in probed:
            yield ProbedView(name, target.module, was_probed=False)
