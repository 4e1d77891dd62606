"""What the engine's parts hand to one another: calls in flight, work to do, and what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import ceil
from typing import Any

from libvirt_rpc.connection import Connection
from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags
from libvirt_rpc.errors import LibvirtRPCError
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import Call

CHUNKS_PER_SLOT = 4
LARGEST_CHUNK = 16
INACTIVE_CHUNK = 64


@dataclass(slots=True)
class Collected:
    """What one collection brought; every listed domain is in `records`, `missing` or `vanished`, a
    domain with a part of its record in both of the first two.
    """

    domains: tuple[Domain, ...] = ()
    records: dict[uuid.UUID, DomainStats] = field(default_factory=dict)
    missing: set[uuid.UUID] = field(default_factory=set)
    vanished: set[uuid.UUID] = field(default_factory=set)
    errors: list[LibvirtRPCError] = field(default_factory=list)
    stuck: int = 0


class Kind(Enum):
    LIST = auto()
    CHUNK = auto()
    SINGLE = auto()
    INACTIVE = auto()
    CHEAP = auto()
    PROBE = auto()


ASKING = frozenset({Kind.CHUNK, Kind.SINGLE, Kind.INACTIVE, Kind.CHEAP})


@dataclass(slots=True, eq=False)
class Request:
    """A call of this module, in flight or left behind."""

    kind: Kind
    domains: tuple[Domain, ...]
    call: Call[Any]
    connection: Connection
    patience: float
    overdue_at: float
    flags: ConnectGetAllDomainStatsFlags
    about: Request | None = None
    """Of a probe: the request that it looks into."""
    is_slow: bool = False
    is_released: bool = False
    """Of a lost call: the daemon works on it no more."""

    @property
    def is_outstanding(self) -> bool:
        """Whether the daemon works on it still: hanging up does not end that."""
        return not self.call.done or (self.call.is_lost and not self.is_released)


@dataclass(frozen=True, slots=True)
class Work:
    kind: Kind
    domains: tuple[Domain, ...]


def chunked(domains: Sequence[Domain], size: int) -> list[tuple[Domain, ...]]:
    return [tuple(domains[i : i + size]) for i in range(0, len(domains), size)]


def chunk_size(running: int, parallel: int) -> int:
    """Small chunks: a hung domain takes few neighbours along, and size was measured to cost no time."""
    return min(LARGEST_CHUNK, max(1, ceil(running / (parallel * CHUNKS_PER_SLOT))))
