"""`check`: connects step by step and says what works, what does not, and what to do about it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from exporter.bulk_stats import BulkStats
from exporter.config import CollectorsConfig, Config, ConfigError, LibvirtConfig, show
from exporter.hypervisor import credentials_of, identify, render_version
from exporter.metrics import GROUPS
from exporter.metrics.rows import Group, LatencyHistogram, Row
from exporter.collectors.registry import switches_of
from exporter.target import for_endpoint
from libvirt_rpc import libvirt_conf
from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags, DomainStatsTypes
from libvirt_rpc.errors import (
    AuthenticationFailed,
    ConnectFailed,
    InvalidURI,
    LibvirtRPCError,
    RemoteError,
    SessionClosed,
)
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.uri import parse_uri, resolve_uri

Say = Callable[[str], None]

_STEPS = ("socket", "authentication", "open")
_NOBODY = Domain("", uuid.UUID(int=0), -1)


async def check(config: Config, say: Say, *, target: str | None = None) -> int:
    """Exit status 0 where everything that is enabled works, else 1. Raises ConfigError.

    Of several connections each is checked; `target` is one of the configured targets instead.
    """
    if target is not None:
        checks = [_of_target(config, target)]
    elif config.libvirt.connections:
        checks = [
            (one.name, for_endpoint(config.libvirt, one), config.collectors)
            for one in config.libvirt.connections
        ]
    else:
        checks = [("", config.libvirt, config.collectors)]
    results = []
    for name, libvirt, collectors in checks:
        if name:
            say(f"{name}:")
        results.append(await _check_one(libvirt, collectors, say))
    return 0 if all(results) else 1


def _of_target(config: Config, name: str) -> tuple[str, LibvirtConfig, CollectorsConfig]:
    found = config.targets.get(name)
    if found is None:
        known = ", ".join(sorted(config.targets)) or "none"
        raise ConfigError("targets", f"there is no target {show(name)}; there are: {known}")
    module = config.modules[found.module]
    libvirt = replace(for_endpoint(config.libvirt, found), timeout_seconds=module.timeout_seconds)
    return name, libvirt, module.collectors


async def _check_one(libvirt: LibvirtConfig, collectors: CollectorsConfig, say: Say) -> bool:
    try:
        uri = parse_uri(resolve_uri(libvirt.uri, os.environ, libvirt_conf.load(os.environ)))
    except LibvirtRPCError as exc:
        say(f"FAIL  uri             {exc}")
        return False
    say(f"ok    uri             {uri.redacted}")
    answered: list[str] = []
    try:
        connection = await connect(
            libvirt.uri,
            read_only=libvirt.read_only,
            timeout=libvirt.timeout_seconds,
            credentials=credentials_of(libvirt),
            observe=lambda call: answered.append(call.procedure) if call.error is None else None,
        )
    except LibvirtRPCError as exc:
        failed = _failed_step(exc, answered)
        for step in _STEPS[: _STEPS.index(failed)]:
            say(f"ok    {step}")
        say(f"FAIL  {failed:<15} {exc}")
        return False
    async with connection:
        for step in _STEPS:
            say(f"ok    {step}")
        return await _check_open(connection, libvirt, collectors, say)


def _failed_step(error: LibvirtRPCError, answered: Sequence[str]) -> str:
    if isinstance(error, ConnectFailed | InvalidURI):
        return "socket"
    # The daemon has let us in when it has told that it asks for nothing, or has what it asked for.
    if isinstance(error, AuthenticationFailed) or not answered:
        return "authentication"
    return "open"


async def _check_open(
    connection: Connection, libvirt: LibvirtConfig, collectors: CollectorsConfig, say: Say
) -> bool:
    try:
        identity = await identify(connection)
        domains = await connection.list_all_domains()
    except LibvirtRPCError as exc:
        say(f"FAIL  versions        {exc}")
        return False
    versions = (
        f"libvirt {render_version(identity.lib_version) or 'unknown'}, "
        f"{identity.type} {render_version(identity.version) or 'unknown'}, host {identity.hostname}"
    )
    say(f"ok    versions        {versions}")
    active = sum(domain.id != -1 for domain in domains)
    say(f"ok    domains         {active} active, {len(domains) - active} inactive")
    enabled = switches_of(collectors)
    groups = [group for group in GROUPS if group.collector in enabled]
    try:
        supported = [group for group in groups if await _is_supported(connection, group, say)]
        if supported:
            await _check_statistics(connection, libvirt, supported, say)
    except LibvirtRPCError as exc:
        say(f"FAIL  statistics      {exc}")
        return False
    return supported == groups


async def _is_supported(connection: Connection, group: Group, say: Say) -> bool:
    """Asks for the statistics of a domain that there is not: the daemon says whether it has the group."""
    flags = ConnectGetAllDomainStatsFlags.NOWAIT | ConnectGetAllDomainStatsFlags.ENFORCE_STATS
    try:
        await connection.get_all_domain_stats([_NOBODY], group.stats, flags)
    except RemoteError as exc:
        say(f"FAIL  {_label(group):<30} {exc}")
        return False
    return True


def _label(group: Group) -> str:
    return f"{group.collector} ({group.stats.name or int(group.stats)})".lower()


async def _check_statistics(
    connection: Connection,
    libvirt: LibvirtConfig,
    groups: Sequence[Group],
    say: Say,
) -> None:
    """One collection, as a scrape makes it; a domain that hangs is named and is no failure."""
    engine = BulkStats(
        _OneLane(connection), parallel=libvirt.parallel, max_stuck_calls=libvirt.max_stuck_calls
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


class _OneLane:
    """A connection with no other beside it."""

    def __init__(self, connection: Connection) -> None:
        self.lanes = (connection,)

    async def add_lane(self, deadline: Deadline) -> Connection:  # noqa: ARG002
        raise SessionClosed("a check has one connection")

    async def drop_lane(self, connection: Connection) -> None: ...
