from __future__ import annotations

import uuid

import pytest

from exporter.snapshot_times import KEPT_SECONDS, SnapshotTimes, creation_time
from libvirt_rpc.errors import remote_error
from libvirt_rpc.protocol.types import Domain
from tests.support.exporting import ARCHIVE, WEB
from tests.support.virtual_time import VirtualClock, in_virtual_time

NEWEST = "<domainsnapshot><name>b</name><creationTime>{}</creationTime>{}</domainsnapshot>"


class Source:
    """The creation times by the domain's name, None where it refuses."""

    def __init__(self, **times: list[int] | None) -> None:
        self.times = times
        self.listed = 0

    async def list(self, domain: Domain) -> list[int]:
        self.listed += 1
        times = self.times[domain.name]
        if times is None:
            raise remote_error(42, 10, 2, "no domain")
        return times

    async def document(self, time: int) -> str:
        return NEWEST.format(time, "")


@in_virtual_time
async def test_the_newest_counts_and_is_asked_anew_where_the_number_is_another(
    clock: VirtualClock,
) -> None:
    source, times = Source(web=[5, 9, 7], archive=None), SnapshotTimes[int]()
    domains = {WEB.uuid: WEB, ARCHIVE.uuid: ARCHIVE}

    async def newest(count: int) -> dict[uuid.UUID, int]:
        return await times.newest(domains, {WEB.uuid: count}, source.list, source.document)

    assert await newest(3) == {WEB.uuid: 9}
    source.times["web"] = [5, 9, 7, 11]
    assert await newest(3) == {WEB.uuid: 9}
    assert source.listed == 2
    assert await newest(4) == {WEB.uuid: 11}
    source.times["web"] = [5]
    clock.now += KEPT_SECONDS
    assert await newest(4) == {WEB.uuid: 5}
    source.times["web"] = [6]
    times.forget()
    assert await newest(4) == {WEB.uuid: 6}
    del domains[WEB.uuid]
    assert await newest(4) == {}


@pytest.mark.parametrize(
    ("xml", "time"),
    [
        (NEWEST.format(1700000000, ""), 1700000000),
        (NEWEST.format(" 12\n", ""), 12),
        (NEWEST.format("-1", ""), None),
        ("<domainsnapshot/>", None),
        ("<s><domain type='kvm'><creationTime>5</creationTime></domain></s>", None),
        ("<s><domain><creationTime>5</creationTime></domain></s>", None),
    ],
)
def test_the_creation_time_is_that_of_the_snapshot_not_of_anything_in_the_domain(
    xml: str, time: int | None
) -> None:
    assert creation_time(xml) == time
