"""What a profile costs: `python -m tests.exporter.profiles.cost` prints the rows of docs/profiles.md.

The figures are those of 100 recorded domains, each counter another one on each page; what a domain is comes
from no recording and is made up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from exporter import metrics
from exporter.exposition import Page, Sample
from exporter.mapping import Mapping
from exporter.page_reader import read_family
from exporter.profiles.tables import PROFILES
from exporter.profiles.translation import Translation
from exporter.stats_page import StatsPage
from libvirt_rpc.protocol.domain_stats import DomainStatsDecoder
from tests.benchmarks import own_cost
from tests.exporter.profiles.native_page import FAMILIES

PAGES = 12


def measure(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def pages() -> list[Page]:
    """Pages of the same domains with other counters."""
    replies = own_cost.recorded_replies()
    mapping = Mapping(
        metrics.GROUPS,
        metrics.INSTANCES,
        metrics.NOT_METRICS,
        metrics.QUIRKS,
        collectors=own_cost.COLLECTORS,
    )
    stats, decoder = StatsPage(mapping), DomainStatsDecoder()
    made = []
    for seed in range(PAGES):
        page = Page()
        records = decoder.decode(own_cost.with_other_numbers(replies[0], seed))
        for family, lines in stats.render(records, "QEMU"):
            page.add_lines(family, lines)
        page.add(list(identity(page)))
        made.append(page)
    return made


def identity(page: Page) -> Iterator[Sample]:
    """What the domains, disks and interfaces of a page could be."""

    def info(name: str, known: dict[str, str]) -> Sample:
        family = FAMILIES[name]
        return Sample(family, 1, tuple((label, known.get(label, label)) for label in family.labels))

    yield Sample(FAMILIES["libvirt_exporter_connected"], 1)
    success = (("collector", "domain_jobs"),)
    yield Sample(FAMILIES["libvirt_exporter_collector_success"], 1, success)
    for series in read_family(page, "libvirt_domain_state"):
        yield info("libvirt_domain_info", series.labels)
        yield info("libvirt_domain_openstack_info", series.labels)
    for series in read_family(page, "libvirt_domain_disk_capacity_bytes"):
        yield info("libvirt_domain_disk_info", {**series.labels, "type": "file"})
    for series in read_family(page, "libvirt_domain_network_receive_bytes_total"):
        yield info("libvirt_domain_interface_info", {**series.labels, "type": "bridge"})


def with_another_state(page: Page, number: int) -> Page:
    """The same page with a domain paused that ran, or running that was paused."""
    made = Page()
    for family in page.families:
        lines = page.lines(family.name)
        if family.name == "libvirt_domain_state":
            each = lines.split(b"\n")
            begin, _, state = each[number].rpartition(b" ")
            each[number] = begin + (b" 3" if state == b"1" else b" 1")
            lines = b"\n".join(each)
        made.add_lines(family, lines)
    return made


def main() -> None:
    every = pages()
    changed = [with_another_state(page, number) for number, page in enumerate(every)]
    for name in PROFILES:
        first = min(measure(lambda: Translation((name,))(every[0])) for _ in range(3))  # noqa: B023
        translate = Translation((name,))
        series = sum(
            not line.startswith(b"#") for line in translate(every[0]).render().splitlines()
        )
        steady = sorted(measure(lambda: translate(page)) for page in every)  # noqa: B023
        moving = sorted(measure(lambda: translate(page)) for page in changed)  # noqa: B023
        figures = (first, steady[PAGES // 2], moving[PAGES // 2])
        shown = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in figures)
        print(f"| `{name}` | {series:,} | {shown} |")  # noqa: T201


if __name__ == "__main__":
    main()
