"""What is known of a domain to samples: pure functions over values that are already there.

The domain's own labels are the caller's: those of its other metrics, not what its XML says.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

from exporter.domain_xml.metadata import DomainMetadata, LabelSet
from exporter.exposition import Labels, Sample
from exporter.metrics import identity
from exporter.metrics.instances import DOMAIN_LABELS
from exporter.metrics.rows import INFO, Family


@dataclass(frozen=True, slots=True)
class DomainKeeping:
    """What calls other than that for the XML tell of a domain; None is not known."""

    _: KW_ONLY
    autostart: bool | None = None
    persistent: bool | None = None
    has_managed_save: bool | None = None
    snapshots: int | None = None
    checkpoints: int | None = None
    newest_snapshot: int | None = None
    """Unix time, as the next one."""
    newest_checkpoint: int | None = None


@functools.lru_cache(maxsize=256)
def label_set_family(name: str, labels: tuple[str, ...]) -> Family:
    """The family that rules of this name fill: one of the tables, or the operator's own."""
    known = identity.LABEL_SETS.get(name)
    if known is not None:
        return known
    return Family(
        label_set_metric(name),
        INFO,
        "What the configured rules find in the domain's metadata, always 1.",
        (*DOMAIN_LABELS, *labels),
    )


def label_set_metric(name: str) -> str:
    return f"libvirt_domain_{name}_info"


def metadata_samples(
    name: str, domain_uuid: uuid.UUID, hypervisor: str, metadata: DomainMetadata
) -> Iterator[Sample]:
    """All that comes from the XML."""
    own: Labels = (("domain", name), ("uuid", str(domain_uuid)))
    domain: Labels = (*own, ("hypervisor", hypervisor))
    yield _info(
        identity.DOMAIN_INFO,
        domain,
        metadata.os_type,
        metadata.arch,
        metadata.machine,
        metadata.type,
        metadata.title,
    )
    yield from _device_samples(own, metadata)
    yield from _setting_samples(domain, metadata)
    for label_set in metadata.label_sets:
        yield _label_set_sample(domain, label_set)
    if metadata.openstack_creation_seconds is not None:
        yield Sample(identity.OPENSTACK_CREATION_TIME, metadata.openstack_creation_seconds, domain)


def keeping_samples(
    name: str, domain_uuid: uuid.UUID, hypervisor: str, keeping: DomainKeeping
) -> Iterator[Sample]:
    """What is known of autostart, persistence, managed save, snapshots and checkpoints."""
    domain: Labels = (("domain", name), ("uuid", str(domain_uuid)), ("hypervisor", hypervisor))
    for family, value in (
        (identity.AUTOSTART, keeping.autostart),
        (identity.PERSISTENT, keeping.persistent),
        (identity.HAS_MANAGED_SAVE, keeping.has_managed_save),
        (identity.SNAPSHOTS, keeping.snapshots),
        (identity.CHECKPOINTS, keeping.checkpoints),
        (identity.NEWEST_SNAPSHOT, keeping.newest_snapshot),
        (identity.NEWEST_CHECKPOINT, keeping.newest_checkpoint),
    ):
        if value is not None:
            yield Sample(family, int(value), domain)


def _device_samples(own: Labels, metadata: DomainMetadata) -> Iterator[Sample]:
    for disk in metadata.disks:
        yield _info(
            identity.DISK_INFO,
            own,
            disk.target,
            disk.device,
            disk.bus,
            disk.type,
            disk.source,
            disk.format,
            disk.cache,
            disk.discard,
            disk.io,
            disk.serial,
        )
    for interface in metadata.interfaces:
        yield _info(
            identity.INTERFACE_INFO,
            own,
            interface.target,
            interface.type,
            interface.source,
            interface.mac,
            interface.model,
            interface.alias,
        )
    for hostdev in metadata.hostdevs:
        yield _info(identity.HOSTDEV_INFO, own, hostdev.type, hostdev.address, hostdev.alias)
    for watchdog in metadata.watchdogs:
        yield _info(identity.WATCHDOG_INFO, own, watchdog.model, watchdog.action)
    for kind in metadata.graphics:
        yield _info(identity.GRAPHICS_INFO, own, kind)
    for tpm in metadata.tpms:
        yield _info(identity.TPM_INFO, own, tpm.model, tpm.type, tpm.version)
    for rng in metadata.rngs:
        yield _info(identity.RNG_INFO, own, rng.model, rng.source)
    if metadata.launch_security:
        yield _info(identity.LAUNCH_SECURITY_INFO, own, metadata.launch_security)


def _setting_samples(domain: Labels, metadata: DomainMetadata) -> Iterator[Sample]:
    cpu = metadata.cpu
    if cpu.mode or cpu.model or cpu.sockets is not None:
        yield _info(
            identity.CPU_INFO,
            domain,
            cpu.mode,
            cpu.model,
            *map(_text, (cpu.sockets, cpu.dies, cpu.cores, cpu.threads)),
        )
    yield Sample(identity.GUEST_AGENT_CHANNEL, int(metadata.has_agent_channel), domain)
    yield Sample(identity.MEMORY_HUGEPAGES, int(metadata.has_hugepages), domain)
    yield Sample(identity.IOTHREADS, metadata.iothreads, domain)
    if metadata.balloon_model not in {"", "none"}:
        period = metadata.balloon_stats_period_seconds or 0
        yield Sample(identity.BALLOON_STATS_PERIOD, period, domain)


def _label_set_sample(domain: Labels, label_set: LabelSet) -> Sample:
    family = label_set_family(label_set.name, tuple(name for name, _ in label_set.labels))
    return Sample(family, 1, (*domain, *label_set.labels))


def _info(family: Family, own: Labels, *values: str) -> Sample:
    """A sample of 1: the family's labels behind the domain's, in their order, take the values."""
    return Sample(family, 1, (*own, *zip(family.labels[len(own) :], values, strict=True)))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
