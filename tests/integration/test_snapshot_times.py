"""The age of real snapshots and checkpoints is that of the newest, as virsh tells it."""

from __future__ import annotations

import re
from dataclasses import replace

from exporter.config import CollectorsConfig
from tests.support import domains
from tests.support.domains import Disk, DomainSpec
from tests.support.exporting import STATISTICS_ALONE, configured, exporting, get
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.pages import read_response

SPEC = DomainSpec("kept", disks=(Disk("vda"),))
BARE = DomainSpec("bare", state="shut off")
COLLECTORS = CollectorsConfig(
    domain=replace(STATISTICS_ALONE.domain, info=True),
    network=STATISTICS_ALONE.network,
    host=STATISTICS_ALONE.host,
    storage=STATISTICS_ALONE.storage,
)


def made_at(document: str) -> int:
    found = re.search(r"<creationTime>(\d+)</creationTime>", document)
    assert found is not None
    return int(found[1])


async def test_the_newest_snapshot_and_checkpoint_tell_their_time(
    own_libvirtd: PrivateLibvirtd,
) -> None:
    libvirtd = own_libvirtd
    domains.create(libvirtd, SPEC, BARE)
    for name in ("first", "second"):
        libvirtd.virsh("checkpoint-create-as", SPEC.name, name)
    # libvirt keeps no internal snapshots beside checkpoints.
    other = DomainSpec("snapped", state="shut off", disks=(Disk("vda"),))
    domains.create(libvirtd, other)
    libvirtd.virsh("snapshot-create-as", other.name, "before")
    libvirtd.virsh("snapshot-create-as", other.name, "after")
    async with exporting(configured(libvirtd.uri(), collectors=COLLECTORS)) as application:
        page = read_response(await get(application))
    snapshot = "libvirt_domain_newest_snapshot_timestamp_seconds"
    checkpoint = "libvirt_domain_newest_checkpoint_timestamp_seconds"
    assert page.labels(snapshot, "domain") == [other.name]
    assert page.labels(checkpoint, "domain") == [SPEC.name]
    newest = made_at(libvirtd.virsh("snapshot-dumpxml", other.name, "after"))
    assert page.value(snapshot) == newest
    newest = made_at(libvirtd.virsh("checkpoint-dumpxml", SPEC.name, "second"))
    assert page.value(checkpoint) == newest
    assert page.value("libvirt_domain_checkpoints", domain=SPEC.name) == 2
