"""Virtual networks: which there are, how they are, who is plugged in, and their DHCP leases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from exporter.collectors.collector import Scrape
from exporter.collectors.parts import collect_parts
from exporter.domain_xml import BrokenXML
from exporter.domain_xml.document import parse_document
from exporter.exposition import Labels, Sample
from exporter.hypervisor import Hypervisor
from exporter.kept_value import KeptValue
from exporter.metrics import networks as m
from exporter.pace import NotAsked, PacedConnection
from exporter.siblings import Siblings
from libvirt_rpc.enums import ConnectListAllNetworksFlags as List
from libvirt_rpc.enums import ErrorNumber
from libvirt_rpc.errors import CallTimeout, RemoteError
from libvirt_rpc.protocol.types import Network

DRIVER = "network"
NETWORKS = "networks"
LEASES = "dhcp_leases"
RESERVE_SECONDS = 0.5

_GONE = (ErrorNumber.NO_NETWORK, ErrorNumber.OPERATION_INVALID)


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What hardly changes of a network; `forward` is `nat`, `route`, `bridge` and so on, or `isolated`."""

    bridge: str
    forward: str
    domain_name: str
    is_persistent: bool
    has_autostart: bool


class NetworksCollector:
    """Three lists tell the state of all; their documents are kept."""

    name = NETWORKS

    def __init__(
        self, hypervisor: Hypervisor, siblings: Siblings, *, interval_seconds: float
    ) -> None:
        self._siblings = siblings
        self._facts: KeptValue[Mapping[UUID, NetworkFacts | None]] = KeptValue(
            "networks", self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._facts)

    async def collect(self, scrape: Scrape) -> None:
        networks = await self._listed(List(0))
        if networks is None:
            return
        active = _uuids(await self._listed(List.ACTIVE))
        known = await self._facts.settled(scrape.deadline, reserve_seconds=RESERVE_SECONDS)
        facts = known or {}
        if known is not None and any(network.uuid not in known for network in networks):
            self._facts.refresh()
        await collect_parts(
            scrape,
            *(
                self._network(network, facts.get(network.uuid), is_active=network.uuid in active)
                for network in networks
            ),
        )

    async def _listed(self, flags: List) -> Sequence[Network] | None:
        return await self._siblings.ask(
            NETWORKS, DRIVER, lambda connection: connection.list_all_networks(flags)
        )

    async def _fetch(self, connection: PacedConnection) -> Mapping[UUID, NetworkFacts | None]:  # noqa: ARG002
        facts: dict[UUID, NetworkFacts | None] = {}
        persistent = _uuids(await self._listed(List.PERSISTENT))
        autostart = _uuids(await self._listed(List.AUTOSTART))
        for network in await self._listed(List(0)) or ():
            facts[network.uuid] = None
            try:
                xml = await self._xml(network)
                if xml is not None:
                    facts[network.uuid] = _facts(
                        xml,
                        is_persistent=network.uuid in persistent,
                        has_autostart=network.uuid in autostart,
                    )
            except (RemoteError, CallTimeout, NotAsked, BrokenXML):
                continue  # gone meanwhile, hangs, or of no use: it costs no other its facts
        return facts

    async def _xml(self, network: Network) -> str | None:
        return await self._siblings.ask(
            f"{NETWORKS}.xml", DRIVER, lambda connection: connection.network_get_xml_desc(network)
        )

    async def _network(
        self, network: Network, facts: NetworkFacts | None, *, is_active: bool
    ) -> Iterable[Sample]:
        labels = _labels(network)
        samples = [Sample(m.NETWORK_ACTIVE, int(is_active), labels)]
        if facts is not None:
            info = (
                ("bridge", facts.bridge),
                ("forward", facts.forward),
                ("domain_name", facts.domain_name),
            )
            samples += [
                Sample(m.NETWORK_AUTOSTART, int(facts.has_autostart), labels),
                Sample(m.NETWORK_PERSISTENT, int(facts.is_persistent), labels),
                Sample(m.NETWORK_INFO, 1, (*labels, *info)),
            ]
        if is_active:
            ports = await self._ports(network)
            if ports is not None:
                samples.append(Sample(m.NETWORK_PORTS, ports, labels))
        return samples

    async def _ports(self, network: Network) -> int | None:
        try:
            return await self._siblings.ask(
                f"{NETWORKS}.ports",
                DRIVER,
                lambda connection: connection.network_count_all_ports(network),
            )
        except RemoteError as exc:
            if exc.code in _GONE:
                return None
            raise


class DHCPLeasesCollector:
    """One call an active network, which reads the leases' file and asks nobody."""

    name = LEASES

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings

    async def collect(self, scrape: Scrape) -> None:
        networks = await self._siblings.ask(
            LEASES, DRIVER, lambda connection: connection.list_all_networks(List.ACTIVE)
        )
        await collect_parts(scrape, *(self._leases(network) for network in networks or ()))

    async def _leases(self, network: Network) -> Iterable[Sample]:
        try:
            count = await self._siblings.ask(
                LEASES, DRIVER, lambda connection: connection.network_count_dhcp_leases(network)
            )
        except RemoteError as exc:
            if exc.code in _GONE:
                return ()
            raise
        return () if count is None else [Sample(m.DHCP_LEASES, count, _labels(network))]


def _facts(xml: str, *, is_persistent: bool, has_autostart: bool) -> NetworkFacts:
    root = parse_document(xml)
    return NetworkFacts(
        root.find("bridge").get("name"),
        root.find("forward").get("mode") or "isolated",
        root.find("domain").get("name"),
        is_persistent,
        has_autostart,
    )


def _labels(network: Network) -> Labels:
    return (("network", network.name), ("uuid", str(network.uuid)))


def _uuids(networks: Iterable[Network] | None) -> frozenset[UUID]:
    return frozenset(network.uuid for network in networks or ())
