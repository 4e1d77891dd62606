"""`check`: connects step by step and says what works, what does not, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from exporter.config import CollectorsConfig, Config, ConfigError, LibvirtConfig, show
from exporter.hypervisor import credentials_of, identify, render_version
from exporter.metrics import GROUPS
from exporter.target import collectors_of, for_endpoint
from libvirt_rpc import libvirt_conf
from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags, DomainStatsTypes
from libvirt_rpc.errors import (
    AuthenticationFailed,
    ConnectFailed,
    InvalidURI,
    LibvirtRPCError,
    RemoteError,
)
from libvirt_rpc.uri import parse_uri, resolve_uri

Say = Callable[[str], None]

_STEPS = ("socket", "authentication", "open")


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
        return await _check_open(connection, collectors, say)


def _failed_step(error: LibvirtRPCError, answered: Sequence[str]) -> str:
    if isinstance(error, ConnectFailed | InvalidURI):
        return "socket"
    # The daemon has let us in when it has told that it asks for nothing, or has what it asked for.
    if isinstance(error, AuthenticationFailed) or not answered:
        return "authentication"
    return "open"


async def _check_open(connection: Connection, collectors: CollectorsConfig, say: Say) -> bool:
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
    enabled = collectors_of(collectors)
    results = [
        await _check_collector(connection, group.collector, group.stats, say)
        for group in GROUPS
        if group.collector in enabled
    ]
    return all(results)


async def _check_collector(
    connection: Connection, name: str, stats: DomainStatsTypes, say: Say
) -> bool:
    label = f"{name} ({stats.name or int(stats)})".lower()
    flags = ConnectGetAllDomainStatsFlags.NOWAIT | ConnectGetAllDomainStatsFlags.ENFORCE_STATS
    try:
        records = await connection.get_all_domain_stats((), stats, flags)
    except RemoteError as exc:
        say(f"FAIL  {label:<30} {exc}")
        return False
    except LibvirtRPCError as exc:
        say(f"FAIL  {label:<30} {exc}; a domain that hangs may be the cause")
        return False
    fields = sum(len(record.values) for record in records)
    say(f"ok    {label:<30} {fields} fields of {len(records)} domains")
    return True
