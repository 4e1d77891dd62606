"""Which disks and interfaces a domain has, by its XML document: what there is to ask for. Remembered."""

from __future__ import annotations

import logging
import random
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.domain_xml.document import BrokenXML, parse_document
from exporter.logs import StateLogger
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 300.0
"""The longest that a document is believed: some drivers send no events."""
DOUBT_SECONDS = 30.0
"""As long once the daemon has said that it does not know a device."""

_CHANGES = (
    e.DomainLifecycleEvent,
    e.DomainDeviceAddedEvent,
    e.DomainDeviceRemovedEvent,
)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Devices:
    """By their place in the document: targets of disks (`vda`) and of interfaces on the host (`vnet0`).

    An interface without a device on the host is an empty text.
    """

    disks: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    maximum_vcpus: int | None = None


def parse_devices(xml: str) -> Devices:
    """Raises BrokenXML."""
    root = parse_document(xml)
    devices = root.find("devices")
    vcpus = root.find("vcpu").text
    return Devices(
        tuple([one.find("target").get("dev") for one in devices.all("disk")]),
        tuple([one.find("target").get("dev") for one in devices.all("interface")]),
        int(vcpus) if _NUMBER.fullmatch(vcpus) else None,
    )


@dataclass(slots=True)
class _Known:
    devices: Devices
    domain_id: int
    until: float


class DeviceMemory:
    """The devices of all domains of one hypervisor; `until` is in seconds of the clock that is given."""

    def __init__(self, *, jitter: Callable[[], float] = random.random) -> None:
        self._known: dict[uuid.UUID, _Known] = {}
        self._jitter = jitter
        self._states = StateLogger(logger)

    def get(self, domain: Domain) -> Devices | None:
        """What is known, be it old; nothing of a domain that has started or ended since."""
        known = self._known.get(domain.uuid)
        return known.devices if known is not None and known.domain_id == domain.id else None

    def is_fresh(self, domain: Domain, now: float) -> bool:
        return self.get(domain) is not None and now < self._known[domain.uuid].until

    def put(self, domain: Domain, xml: str, now: float) -> Devices:
        """Takes a domain's document. From a broken one nothing is learnt."""
        key = str(domain.uuid)
        try:
            devices = parse_devices(xml)
        except BrokenXML as exc:
            what = f"the document of {domain.name} cannot be used: {exc.reason}"
            self._states.failed(key, what, uuid=key)
            devices = Devices()
        else:
            what = f"the document of {domain.name} can be used again"
            self._states.recovered(key, what, uuid=key)
        # Not all at once: half of the time sure, half by chance.
        until = now + REFRESH_SECONDS * (1 + self._jitter()) / 2
        self._known[domain.uuid] = _Known(devices, domain.id, until)
        return devices

    def doubt(self, domain: Domain, now: float) -> None:
        """The daemon does not know a device of the domain."""
        known = self._known.get(domain.uuid)
        if known is not None:
            known.until = min(known.until, now + DOUBT_SECONDS)

    def heard(self, event: e.Event) -> None:
        if isinstance(event, _CHANGES):
            self._known.pop(event.domain.uuid, None)

    def forget(self) -> None:
        """Nothing was heard for a while."""
        self._known.clear()

    def keep(self, domains: Iterable[Domain]) -> None:
        """Forgets all other domains."""
        for gone in self._known.keys() - {domain.uuid for domain in domains}:
            del self._known[gone]
            self._states.forget(str(gone))
