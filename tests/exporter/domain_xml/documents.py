"""The documents below fixtures/domain_xml, read by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exporter.domain_xml import DomainMetadata, parse_domain
from exporter.metrics.metadata_profiles import PROFILES, MetadataRule

FIXTURES = Path(__file__).parents[3] / "fixtures" / "domain_xml"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.xml"))
ALL_RULES = tuple(rule for rules in PROFILES.values() for rule in rules)


def document(name: str) -> str:
    return (FIXTURES / f"{name}.xml").read_text(encoding="utf-8")


def read(
    name: str, rules: Sequence[MetadataRule] = ALL_RULES, *, longest_label: int = 256
) -> DomainMetadata:
    return parse_domain(document(name), rules, longest_label=longest_label)


def domain(inside: str, attributes: str = "type='kvm'") -> str:
    return f"<domain {attributes}><name>a</name>{inside}</domain>"


def parse(inside: str, *rules: MetadataRule, longest_label: int = 256) -> DomainMetadata:
    """Reads a domain with these elements."""
    return parse_domain(domain(inside), rules, longest_label=longest_label)
