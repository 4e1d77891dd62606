"""A collector of every domain: the length of its name. It runs unless it is switched off."""

from __future__ import annotations

from exporter.plugin import Family, MetricType, Sample, Scrape, domain_labels

NAME_LENGTH = Family(
    "example_domain_name_length_characters",
    MetricType.GAUGE,
    "Characters of the domain's name.",
    ("domain", "uuid"),
)


class NamesCollector:
    name = "example_names"
    help = "How long the names of domains are."
    default = True

    async def collect(self, scrape: Scrape) -> list[Sample]:
        return [
            Sample(NAME_LENGTH, len(domain.name), domain_labels(domain))
            for domain in await scrape.domains()
        ]
