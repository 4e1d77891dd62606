"""The page equals `virsh domstats --raw`, field by field, for domains that stand still.

The fields are matched to metrics by the tables' rows, but not by the code that makes pages; the
specification's own names stand here once more by hand.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

import pytest

from exporter.application import Application
from exporter.config import CollectorsConfig, DiskCollectors
from exporter.metrics import GROUPS, INSTANCES, NOT_METRICS, QUIRKS
from exporter.metrics.rows import Stat, StateReason, StateSet
from libvirt_rpc.enums import DomainState, domain_state_reason
from tests.support import domains
from tests.support.domains import DomainSpec
from tests.support.exporting import STATISTICS_ALONE, configured
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, Series, read_page

Fields = Mapping[str, str]

EVERYTHING = dataclasses.replace(
    STATISTICS_ALONE,
    domain=dataclasses.replace(
        STATISTICS_ALONE.domain,
        **dict.fromkeys(
            ("perf", "iothread", "memory_bandwidth", "dirtyrate", "vm", "vcpu_stats"), True
        ),
    ),
    disk=DiskCollectors(stats=True, limits=True),
)
"""Every group of the statistics, those that have to be asked for too, and nothing else."""

DERIVED = {
    "libvirt_domain_uptime_seconds",
    "libvirt_domain_start_time_seconds",
    "libvirt_domain_stats_timed_out",
}
"""On the page, and of no field of virsh's."""

# The specification's names: pattern of the field, metric, what a unit of the field is.
SPECIFIED = (
    (r"state\.state", "libvirt_domain_state", 1),
    (r"vcpu\.current", "libvirt_domain_vcpu_count", 1),
    (r"balloon\.maximum", "libvirt_domain_memory_max_bytes", 1024),
    (r"balloon\.current", "libvirt_domain_memory_current_bytes", 1024),
    (r"cpu\.time", "libvirt_domain_cpu_time_seconds_total", Decimal("1e-9")),
    (r"block\.\d+\.rd\.bytes", "libvirt_domain_disk_read_bytes_total", 1),
    (r"block\.\d+\.wr\.bytes", "libvirt_domain_disk_write_bytes_total", 1),
    (r"block\.\d+\.rd\.reqs", "libvirt_domain_disk_read_requests_total", 1),
    (r"block\.\d+\.wr\.reqs", "libvirt_domain_disk_write_requests_total", 1),
    (r"block\.\d+\.rd\.times", "libvirt_domain_disk_read_time_seconds_total", Decimal("1e-9")),
    (r"block\.\d+\.wr\.times", "libvirt_domain_disk_write_time_seconds_total", Decimal("1e-9")),
    (r"net\.\d+\.rx\.bytes", "libvirt_domain_network_receive_bytes_total", 1),
    (r"net\.\d+\.tx\.bytes", "libvirt_domain_network_transmit_bytes_total", 1),
    (r"net\.\d+\.rx\.pkts", "libvirt_domain_network_receive_packets_total", 1),
    (r"net\.\d+\.tx\.pkts", "libvirt_domain_network_transmit_packets_total", 1),
    (r"net\.\d+\.rx\.errs", "libvirt_domain_network_receive_errors_total", 1),
    (r"net\.\d+\.tx\.errs", "libvirt_domain_network_transmit_errors_total", 1),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Expected:
    """A series and the value that it should have, from one field."""

    field: str
    series: Series
    value: Decimal


def series(name: str, labels: Mapping[str, str]) -> Series:
    return name, frozenset(labels.items())


def pattern_of(field: str) -> re.Pattern[str]:
    """`vcpu.<vcpu>.time` as a regular expression; a varying part holds no dot."""
    parts = [
        f"(?P<{part[1:-1]}>[^.]+)" if part.startswith("<") else re.escape(part)
        for part in field.split(".")
    ]
    return re.compile(r"\.".join(parts))


PATTERNS = [
    (pattern_of(row.field), row)
    for group in GROUPS
    for row in group.rows
    if isinstance(row, Stat | StateSet | StateReason)
]
KNOWN = [pattern_of(field) for field in NOT_METRICS]


def labels_of(spec: DomainSpec, fields: Fields, parts: Mapping[str, str]) -> dict[str, str]:
    labels = {"domain": spec.name, "uuid": str(spec.uuid)}
    if not parts:
        labels["hypervisor"] = "QEMU"
    instances = {instance.part: instance for instance in INSTANCES}
    for part, token in parts.items():
        for label, named_by in instances[part].labels:
            name = named_by or ""
            for other, value in parts.items():
                name = name.replace(f"<{other}>", value)
            labels[label] = fields[name] if name else token
    return labels


def expected_of(spec: DomainSpec, fields: Fields) -> Iterator[Expected]:
    """What virsh's fields of a domain should be on the page."""
    state = DomainState(int(fields["state.state"]))
    dropped = tuple(quirk.prefix for quirk in QUIRKS if state in quirk.states)
    for field, text in fields.items():
        if dropped and field.startswith(dropped):
            continue
        matches = [(match, row) for pattern, row in PATTERNS if (match := pattern.fullmatch(field))]
        assert matches or any(pattern.fullmatch(field) for pattern in KNOWN), f"{field}: no metric"
        for match, row in matches:
            labels = labels_of(spec, fields, match.groupdict())
            value = Decimal(text)
            match row:
                case Stat():
                    if row.absent_if_zero and not value:
                        continue
                    scaled = value * row.scale.multiplier / row.scale.divisor
                    own = {**labels, **dict(row.labels)}
                    yield Expected(field, series(row.metric, own), scaled)
                case StateSet():
                    for member in row.enum:
                        own = {**labels, row.label: member.label}
                        present = Decimal(member == value)
                        yield Expected(field, series(row.metric, own), present)
                case StateReason():
                    reason = domain_state_reason(state, int(text))
                    own = {**labels, "state": state.label, "reason": reason.label}
                    yield Expected(field, series(row.metric, own), Decimal(1))


async def scraped(libvirtd: PrivateLibvirtd, collectors: CollectorsConfig) -> ReadPage:
    application = Application(configured(libvirtd.uri(), collectors=collectors))
    body, status = await application.scrape_once()
    assert status == 0
    page = read_page(body)
    assert page.value("libvirt_exporter_last_scrape_error") == 0
    assert page.value("libvirt_exporter_unknown_fields") == 0
    return page


async def test_every_field_of_virsh_is_on_the_page_with_its_value_and_nothing_else_is(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    before = domains.domstats(libvirtd)
    page = await scraped(libvirtd, EVERYTHING)
    after = domains.domstats(libvirtd)
    specs = {spec.name: spec for spec in fleet}
    assert specs.keys() <= before.keys() == after.keys()
    there: set[Series] = set()
    moving = 0
    for name, spec in specs.items():
        assert before[name].keys() == after[name].keys()
        later = {one.series: one.value for one in expected_of(spec, after[name])}
        for one in expected_of(spec, before[name]):
            assert one.series in page.samples, f"{name}: {one.field} is not on the page"
            there.add(one.series)
            value, bounds = Decimal(page.samples[one.series]), (one.value, later[one.series])
            # What stands still is there exactly, digit by digit.
            assert min(bounds) <= value <= max(bounds), f"{name}: {one.field} is {value}"
            moving += bounds[0] != bounds[1]
    assert len(there) > 250
    assert moving < len(there) / 20, "the domains do not stand still"
    on_page = {
        (metric, labels)
        for metric, labels in page.samples
        if metric.startswith("libvirt_domain_")
        and metric not in DERIVED
        and dict(labels)["domain"] in specs
    }
    assert on_page - there == set()


async def test_the_specifications_metrics_have_virshs_values(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    before = domains.domstats(libvirtd)
    page = await scraped(libvirtd, CollectorsConfig())
    after = domains.domstats(libvirtd)
    seen = set()
    for spec in fleet:
        for field, text in before[spec.name].items():
            for pattern, metric, unit in SPECIFIED:
                if not re.fullmatch(pattern, field) or (
                    spec.state == "shut off" and field.startswith("cpu.")
                ):
                    continue
                kind, place, *_ = field.split(".")
                labels = {"domain": spec.name, "uuid": str(spec.uuid)}
                if kind in {"block", "net"}:
                    device = before[spec.name][f"{kind}.{place}.name"]
                    labels["disk" if kind == "block" else "interface"] = device
                else:
                    labels["hypervisor"] = "QEMU"
                bounds = sorted(Decimal(one) * unit for one in (text, after[spec.name][field]))
                value = Decimal(page.samples[series(metric, labels)])
                assert bounds[0] <= value <= bounds[1], f"{spec.name}: {field}"
                seen.add(metric)
    assert seen == {metric for _, metric, _ in SPECIFIED}


async def test_every_state_series_names_the_domains_state(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...]
) -> None:
    page = await scraped(libvirtd, CollectorsConfig())
    for spec in fleet:
        present = {"paused": "paused", "shut off": "shutoff"}[spec.state]
        for state in DomainState:
            value = page.value("libvirt_domain_state_info", uuid=str(spec.uuid), state=state.label)
            assert value == (state.label == present)


@pytest.mark.parametrize("group", ["domain.stats", "domain.state", "disk.stats", "network.stats"])
async def test_a_collector_that_is_switched_off_leaves_the_others_as_they_are(
    libvirtd: PrivateLibvirtd, fleet: tuple[DomainSpec, ...], group: str
) -> None:
    section, name = group.split(".")
    default = CollectorsConfig()
    reduced = dataclasses.replace(
        default,
        **{section: dataclasses.replace(getattr(default, section), **{name: False})},
    )
    absent = {row.metric for one in GROUPS if one.collector == group for row in one.rows}
    whole, part = await scraped(libvirtd, default), await scraped(libvirtd, reduced)
    missing = {metric for metric, _ in whole.samples} - {metric for metric, _ in part.samples}
    assert missing
    assert {one for one in missing if one.startswith("libvirt_domain_")} <= absent
