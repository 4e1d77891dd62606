"""`check`: connects step by step and says what works, what does not, and what to do about it.

Then every collector that is on, plugins too, runs once as in a scrape: `ok`, `off` with the reason where
libvirt does not offer what it needs, `FAIL` where something is wrong.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from exporter.availability import reason_of
from exporter.bulk_stats import BulkStats
from exporter.collectors.domain_stats import NO_BULK
from exporter.collectors.registry import STATISTICS, collector_names, switches_of
from exporter.config import Config, ConfigError, LibvirtConfig, ModuleConfig, show
from exporter.exposition import Labels
from exporter.hypervisor import Hypervisor, render_version
from exporter.metrics import GROUPS
from exporter.metrics.rows import Group, LatencyHistogram, Row
from exporter.plugins import PLUGIN_REASONS, installed_plugins
from exporter.target import Target, for_endpoint, make_target
from libvirt_rpc import libvirt_conf
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags, DomainStatsTypes
from libvirt_rpc.errors import (
    AuthenticationFailed,
    ConnectFailed,
    InvalidURI,
    LibvirtRPCError,
    RemoteError,
)
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.uri import parse_uri, resolve_uri

Say = Callable[[str], None]

_STEPS = ("socket", "authentication", "open")
_NOBODY = Domain("", uuid.UUID(int=0), -1)

QUIET_SECONDS = 0.2
"""What goes on in the background has ended when no call was made for so long."""
LONGEST_BACKGROUND_SECONDS = 5.0

WHAT_TO_DO = {
    "unsupported": "this driver of libvirt does not offer it; nothing can be done, and it costs nothing",
    "denied": "the connection may not ask for it: allow it to (docs/security.md; what a read-only "
    "connection may not ask needs --no-libvirt.read-only), or switch it off",
    "too_old": "this libvirt is too old for it; a newer one has it",
}
"""By the reason that the page gives too."""


class NoBulkStatistics(Exception):
    """The daemon refuses the bulk call whatever is asked for."""


async def check(config: Config, say: Say, *, target: str | None = None) -> int:
    """Exit status 0 where everything that is enabled works, else 1. Raises ConfigError.

    Of several connections each is checked; `target` is one of the configured targets instead.
    """
    if target is not None:
        checks = [_of_target(config, target)]
    elif config.libvirt.connections:
        checks = [
            (one.name, for_endpoint(config.libvirt, one), config.top_level)
            for one in config.libvirt.connections
        ]
    else:
        checks = [("", config.libvirt, config.top_level)]
    results = []
    for name, libvirt, module in checks:
        if name:
            say(f"{name}:")
        results.append(await _check_one(libvirt, module, config.metrics.extra_labels, say))
    return 0 if all(results) else 1


def _of_target(config: Config, name: str) -> tuple[str, LibvirtConfig, ModuleConfig]:
    found = config.targets.get(name)
    if found is None:
        known = ", ".join(sorted(config.targets)) or "none"
        raise ConfigError("targets", f"there is no target {show(name)}; there are: {known}")
    module = config.modules[found.module]
    libvirt = replace(for_endpoint(config.libvirt, found), timeout_seconds=module.timeout_seconds)
    return name, libvirt, module


async def _check_one(
    libvirt: LibvirtConfig, module: ModuleConfig, labels: Labels, say: Say
) -> bool:
    try:
        uri = parse_uri(resolve_uri(libvirt.uri, os.environ, libvirt_conf.load(os.environ)))
    except LibvirtRPCError as exc:
        say(f"FAIL  uri             {exc}")
        return False
    say(f"ok    uri             {uri.redacted}")
    answered: list[str] = []
    target = make_target(
        libvirt,
        module,
        labels=labels,
        observe=lambda call: answered.append(call.procedure) if call.error is None else None,
    )
    try:
        return await _check_target(target, module, answered, say)
    finally:
        await target.hypervisor.close()


async def _check_target(
    target: Target, module: ModuleConfig, answered: Sequence[str], say: Say
) -> bool:
    try:
        connection = await target.hypervisor.open()
    except LibvirtRPCError as exc:
        failed = _failed_step(exc, answered)
        steps = (*_STEPS, failed)
        for step in steps[: steps.index(failed)]:
            say(f"ok    {step}")
        say(f"FAIL  {failed:<15} {exc}")
        return False
    for step in _STEPS:
        say(f"ok    {step}")
    _say_who(target.hypervisor, say)
    try:
        is_whole = await _check_statistics(target.hypervisor, connection, module, say)
    except LibvirtRPCError as exc:
        say(f"FAIL  statistics      {exc}")
        return False
    return (
        await _check_collectors(target, module, say, without_statistics=not is_whole) and is_whole
    )


def _failed_step(error: LibvirtRPCError, answered: Sequence[str]) -> str:
    if isinstance(error, ConnectFailed | InvalidURI):
        return "socket"
    # The daemon has let us in when it has told that it asks for nothing, or has what it asked for.
    if isinstance(error, AuthenticationFailed) or not answered:
        return "authentication"
    return "versions" if "CONNECT_OPEN" in answered else "open"


def _say_who(hypervisor: Hypervisor, say: Say) -> None:
    identity = hypervisor.identity
    assert identity is not None
    say(
        "ok    versions        "
        f"libvirt {render_version(identity.lib_version) or 'unknown'}, "
        f"{identity.type} {render_version(identity.version) or 'unknown'}, host {identity.hostname}"
    )


async def _check_statistics(
    hypervisor: Hypervisor, connection: Connection, module: ModuleConfig, say: Say
) -> bool:
    """Whether libvirt has every group of statistics that is on. Raises LibvirtRPCError."""
    domains = await connection.list_all_domains()
    active = sum(domain.id != -1 for domain in domains)
    say(f"ok    domains         {active} active, {len(domains) - active} inactive")
    if STATISTICS in module.collectors.disable:
        return True
    enabled = switches_of(module.collectors)
    groups = [group for group in GROUPS if group.collector in enabled]
    try:
        supported = [group for group in groups if await _is_supported(connection, group, say)]
    except NoBulkStatistics as exc:
        say(f"off   statistics      {exc}: each domain is asked by itself")
        return True
    if supported:
        await _collect_statistics(hypervisor, supported, say)
    return supported == groups


async def _is_supported(connection: Connection, group: Group, say: Say) -> bool:
    """Asks for the statistics of a domain that there is not: the daemon says whether it has the group.

    Raises NoBulkStatistics where there are no such statistics at all.
    """
    flags = ConnectGetAllDomainStatsFlags.NOWAIT | ConnectGetAllDomainStatsFlags.ENFORCE_STATS
    try:
        await connection.get_all_domain_stats([_NOBODY], group.stats, flags)
    except RemoteError as exc:
        if reason_of(exc) in NO_BULK:
            raise NoBulkStatistics("libvirt has none for several domains at once here") from exc
        say(f"FAIL  {_label(group):<30} {exc}")
        return False
    return True


def _label(group: Group) -> str:
    return f"{group.collector} ({group.stats.name or int(group.stats)})".lower()


async def _collect_statistics(hypervisor: Hypervisor, groups: Sequence[Group], say: Say) -> None:
    """One collection, as a scrape makes it; a domain that hangs is named and is no failure."""
    libvirt = hypervisor.config
    engine = BulkStats(
        hypervisor, parallel=libvirt.parallel, max_stuck_calls=libvirt.max_stuck_calls
    )
    wanted = DomainStatsTypes.STATE
    for group in groups:
        wanted |= group.stats
    collected = await engine.collect(wanted, Deadline.after(libvirt.timeout_seconds))
    if collected.errors:
        raise collected.errors[0]
    fields = [name for record in collected.records.values() for name in record.layout.fields]
    for group in groups:
        prefixes = tuple({f"{_pattern(row).partition('.')[0]}." for row in group.rows})
        count = sum(name.startswith(prefixes) for name in fields)
        say(f"ok    {_label(group):<30} {count} fields of {len(collected.records)} domains")
    for domain in collected.domains:
        if domain.uuid in collected.missing:
            say(f"warn  {domain.name:<30} hangs: its statistics did not come, or in part only")


def _pattern(row: Row) -> str:
    return row.bins if isinstance(row, LatencyHistogram) else row.field


async def _check_collectors(
    target: Target, module: ModuleConfig, say: Say, *, without_statistics: bool
) -> bool:
    """Runs them all once; whether none failed. `without_statistics`: it is known that these fail."""
    scraper, availability = target.scraper, target.hypervisor.availability
    await scraper.scrape()
    await _background_has_ended(target.hypervisor)
    failed = False
    names = [collector.name for collector in scraper.collectors]
    for name in names:
        if without_statistics and name == STATISTICS:
            continue
        reason = scraper.reasons.get(name, "") or availability.reason(name)
        failed |= not _say_collector(name, scraper.failures.get(name, ""), reason, say)
        for part, why in sorted(availability.reasons.items()):
            if part.startswith(f"{name}."):
                _say_collector(part, "", why, say)
    for part, why in sorted(availability.reasons.items()):
        if part.partition(".")[0] not in names:
            _say_collector(part, "", why, say)
    known = collector_names(installed_plugins())
    for name in (*module.collectors.enable, *module.collectors.disable):
        if name not in known:
            say(f"warn  {name:<30} there is no collector or plugin of this name")
    return not failed


def _say_collector(name: str, failure: str, reason: str, say: Say) -> bool:
    """Whether it works, or is off for a reason that is no mistake."""
    if reason and reason not in PLUGIN_REASONS:
        say(f"off   {name:<30} {reason}: {WHAT_TO_DO.get(reason, 'see docs/operations.md')}")
        return True
    if failure:
        say(f"FAIL  {name:<30} {failure}")
        return False
    say(f"ok    {name}")
    return True


async def _background_has_ended(hypervisor: Hypervisor) -> None:
    """Waits for what is asked beside a scrape, such as the domains' jobs; not for long."""
    longest = min(LONGEST_BACKGROUND_SECONDS, hypervisor.config.timeout_seconds)
    deadline = Deadline.after(longest)
    quiet_since = deadline.clock()
    while not deadline.expired and deadline.clock() - quiet_since < QUIET_SECONDS:
        await asyncio.sleep(QUIET_SECONDS / 10)
        if hypervisor.pace.held > hypervisor.pace.stuck_calls:
            quiet_since = deadline.clock()
