"""The order of the domains: one of a few columns, up or down. Whatever else is asked for is the default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from exporter.landing.snapshot import DomainView

__all__ = ["COLUMNS", "DEFAULT_ORDER", "Order", "parse_order", "sort_domains"]

COLUMNS: Mapping[str, Callable[[DomainView], Any]] = MappingProxyType(
    {
        "name": lambda domain: domain.name.casefold(),
        "state": lambda domain: domain.state,
        "host": lambda domain: domain.host,
        "cpu": lambda domain: domain.cpu_share,
        "memory": lambda domain: domain.memory_used,
        "disk": lambda domain: domain.disk_rate,
        "network": lambda domain: domain.network_rate,
        "uptime": lambda domain: domain.uptime,
    }
)
"""What a column is sorted by; None is what has no place in the order, and comes last."""

_RISING_FIRST = frozenset({"name", "state", "host"})


@dataclass(frozen=True, slots=True)
class Order:
    column: str
    is_falling: bool

    @property
    def query(self) -> str:
        return f"?sort={self.column}&order={'desc' if self.is_falling else 'asc'}"

    def by(self, column: str) -> Order:
        """What a click on a column's head asks for: the other way round, where it is by that already."""
        if column == self.column:
            return Order(column, not self.is_falling)
        return Order(column, column not in _RISING_FIRST)


DEFAULT_ORDER = Order("cpu", is_falling=True)


def parse_order(query: Mapping[str, str]) -> Order:
    """The order that a request's query asks for."""
    column = query.get("sort", "")
    if column not in COLUMNS:
        return DEFAULT_ORDER
    ways = {"asc": False, "desc": True}
    return Order(column, ways.get(query.get("order", ""), column not in _RISING_FIRST))


def sort_domains(domains: Iterable[DomainView], order: Order) -> list[DomainView]:
    """Equals by name, whichever way."""
    key = COLUMNS[order.column]
    by_name = sorted(domains, key=lambda domain: (domain.name.casefold(), domain.host, domain.uuid))
    known = [domain for domain in by_name if key(domain) is not None]
    rest = [domain for domain in by_name if key(domain) is None]
    return [*sorted(known, key=key, reverse=order.is_falling), *rest]
