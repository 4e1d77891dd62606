"""What a plugin may use: everything of `__all__` stays as it is within a major version.

A plugin is a collector of one's own; docs/plugins.md says how one is written and installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from exporter.collectors.collector import DomainList, NotListed, Scrape, domain_labels
from exporter.exposition import Labels, Sample
from exporter.metrics.instances import DOMAIN_LABELS, INSTANCE_LABELS
from exporter.metrics.rows import Family, MetricType
from exporter.pace import NotAsked, PacedConnection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import (
    CallTimeout,
    LibvirtRPCError,
    NoDomain,
    NoSupport,
    OperationInvalid,
    RemoteError,
    SessionClosed,
)
from libvirt_rpc.protocol.types import Domain

__all__ = [
    "DOMAIN_LABELS",
    "INSTANCE_LABELS",
    "CallTimeout",
    "Collector",
    "Deadline",
    "Domain",
    "DomainList",
    "Family",
    "Labels",
    "LibvirtRPCError",
    "MetricType",
    "NoDomain",
    "NoSupport",
    "NotAsked",
    "NotListed",
    "OperationInvalid",
    "PacedConnection",
    "RemoteError",
    "Sample",
    "Scrape",
    "SessionClosed",
    "domain_labels",
]


class Collector(Protocol):
    """What a plugin's entry point gives when it is called without arguments, once a hypervisor.

    `name` is the entry point's, `default` whether it runs without being asked for. `collect` raises
    LibvirtRPCError where it has nothing; it is cancelled behind the deadline of the scrape.
    """

    name: str
    help: str
    default: bool

    async def collect(self, scrape: Scrape) -> Iterable[Sample]: ...
