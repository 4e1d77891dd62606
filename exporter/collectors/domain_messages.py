"""What libvirt has against running domains: what taints them, what of them is deprecated or failing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporter.collectors.collector import domain_labels
from exporter.collectors.running_domains import RunningDomainsCollector
from exporter.domain_xml import cut_text
from exporter.events import EventHub
from exporter.exposition import Sample
from exporter.hypervisor import Hypervisor
from exporter.metrics import diagnostics as m
from exporter.pace import PacedConnection
from libvirt_rpc.enums import DomainMessageType
from libvirt_rpc.errors import InvalidArgument
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol.types import Domain

PART = "domain_messages"
KINDS = (DomainMessageType.TAINTING, DomainMessageType.DEPRECATION, DomainMessageType.IOERRORS)


@dataclass(frozen=True, slots=True)
class Findings:
    """The messages by their kind, without a kind that the daemon does not know."""

    messages: Mapping[str, tuple[str, ...]]
    is_updated: bool | None


class DomainMessagesCollector(RunningDomainsCollector[Findings]):
    """A call a kind and domain; none waits for a monitor."""

    name = PART
    changes = (
        e.DomainLifecycleEvent,
        e.DomainDeviceAddedEvent,
        e.DomainDeviceRemovedEvent,
        e.DomainIOErrorReasonEvent,
    )

    def __init__(
        self,
        hypervisor: Hypervisor,
        events: EventHub,
        *,
        interval_seconds: float,
        longest_label: int,
    ) -> None:
        super().__init__(hypervisor, events, interval_seconds=interval_seconds)
        self._longest_label = longest_label

    async def ask(self, connection: PacedConnection, domain: Domain) -> Findings | None:
        found = {}
        for kind in KINDS:
            name = str(kind.name).lower()
            messages = await self._messages(connection, domain, kind, f"{PART}.{name}")
            if messages is not None:
                found[name] = tuple(cut_text(one, self._longest_label) for one in messages)
        is_updated = await self.availability.ask(
            f"{PART}.updated", lambda: connection.domain_is_updated(domain)
        )
        return Findings(found, is_updated)

    async def _messages(
        self, connection: PacedConnection, domain: Domain, kind: DomainMessageType, part: str
    ) -> tuple[str, ...] | None:
        try:
            return await self.availability.ask(
                part, lambda: connection.domain_get_messages(domain, kind)
            )
        except InvalidArgument:
            # An older daemon that does not know the kind.
            self.availability.switch_off(part, "too_old")
            return None

    def samples(self, domain: Domain, known: Findings) -> Iterator[Sample]:
        for kind, messages in known.messages.items():
            labels = domain_labels(domain, (("kind", kind),))
            yield Sample(m.MESSAGES, len(messages), labels)
            for message in messages:
                yield Sample(m.MESSAGE_INFO, 1, (*labels, ("message", message)))
        if known.is_updated is not None:
            yield Sample(m.UPDATED, int(known.is_updated), domain_labels(domain))
