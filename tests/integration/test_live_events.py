"""Domains come and go, by the hundred, around scrapes in a loop; every page is right about them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import domains, real_parts
from tests.support import libvirtd as private
from tests.support.domains import Disk, DomainSpec, Interface
from tests.support.exporting import configured, exporting, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import ReadPage, read_response

logger = logging.getLogger(__name__)

LASTING = (
    DomainSpec("lasting-0", disks=(Disk("vda"),)),
    DomainSpec("lasting-1", disks=(Disk("vda"),)),
    DomainSpec("lasting-2", disks=(Disk("vda"),), state="shut off"),
)
WORKERS = 5
CYCLES = 40
"""Of each worker: a domain is created and destroyed so many times."""


@pytest.fixture(scope="module")
def host() -> Iterator[PrivateLibvirtd]:
    """A daemon with domains that last."""
    reason = private.missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        domains.create(daemon, *LASTING)
        yield daemon


@dataclass(slots=True)
class Life:
    """A transient domain's: each moment is before the command to it, or after the command's end."""

    name: str
    before_birth: float
    born: float = field(default=float("inf"))
    before_death: float = field(default=float("inf"))
    dead: float = field(default=float("inf"))


@dataclass(frozen=True, slots=True)
class Scraped:
    page: ReadPage
    start: float
    end: float


async def live(host: PrivateLibvirtd, definition: Path, name: str, lives: list[Life]) -> None:
    """Creates a transient domain and destroys it."""
    life = Life(name, time.monotonic())
    lives.append(life)
    await asyncio.to_thread(host.virsh, "create", str(definition), "--paused")
    life.born = life.before_death = time.monotonic()
    await asyncio.to_thread(host.virsh, "destroy", name)
    life.dead = time.monotonic()


def passing(host: PrivateLibvirtd, number: int) -> list[DomainSpec]:
    """A worker's domains; their definitions and images are there, they themselves are not."""
    specs = [
        DomainSpec(
            f"passing-{number}-{letter}",
            memory_mib=16,
            disks=(Disk("vda", size_mib=1),),
            interfaces=(Interface(user_mode=True),),
        )
        for letter in "abc"
    ]
    for spec in specs:
        domains.define(host, spec)
        host.virsh("undefine", spec.name)
    return specs


async def work(host: PrivateLibvirtd, specs: list[DomainSpec], lives: list[Life]) -> None:
    """Domain after domain in turn: each is gone most of the time and comes back under another id."""
    for cycle in range(CYCLES):
        spec = specs[cycle % len(specs)]
        await live(host, host.images / f"{spec.uuid}.xml", spec.name, lives)


@pytest.mark.timeout(400)
async def test_no_page_forgets_a_domain_or_remembers_one_that_is_gone(
    host: PrivateLibvirtd, caplog: pytest.LogCaptureFixture
) -> None:
    lives: list[Life] = []
    scrapes: list[Scraped] = []
    lasting = {spec.name for spec in LASTING}
    workers = [passing(host, number) for number in range(WORKERS)]
    with caplog.at_level(logging.INFO):
        async with exporting(configured(host.uri())) as application:
            working = asyncio.gather(*(work(host, specs, lives) for specs in workers))
            while not working.done():
                start = time.monotonic()
                response = await get(application)
                # read_response ends the test at a duplicate series.
                scrapes.append(Scraped(read_response(response), start, time.monotonic()))
            await working
            after = read_response(await get(application))
    assert len(lives) == WORKERS * CYCLES
    assert after.domain_names == lasting
    assert after.value("libvirt_exporter_stuck_calls") == 0
    assert after.value("libvirt_exporter_reconnects_total") == 0
    assert not [one for one in caplog.records if one.exc_info or one.levelno >= logging.ERROR]
    for scraped in scrapes:
        shown = scraped.page.domain_names - lasting
        assert lasting <= scraped.page.domain_names
        assert shown <= possible(lives, scraped)
        assert shown >= certain(lives, scraped)
    successes = [
        one.page.value("libvirt_exporter_collector_success", collector="domain_stats")
        for one in scrapes
    ]
    seconds = sorted(one.end - one.start for one in scrapes)
    logger.info(
        "%d scrapes, %.3f s in the middle, %.3f s at most, %d not whole",
        len(scrapes),
        seconds[len(seconds) // 2],
        seconds[-1],
        successes.count(0.0),
    )


def possible(lives: list[Life], scraped: Scraped) -> set[str]:
    """The domains that existed at any moment of the scrape."""
    return {
        one.name for one in lives if one.before_birth <= scraped.end and one.dead >= scraped.start
    }


def certain(lives: list[Life], scraped: Scraped) -> set[str]:
    """The domains that existed all the time of the scrape."""
    return {
        one.name for one in lives if one.born <= scraped.start and one.before_death >= scraped.end
    }
