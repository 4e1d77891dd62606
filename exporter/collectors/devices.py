"""Numbers of what else the host has: node devices by capability, interfaces, secrets, network filters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from exporter.collectors.collector import Scrape
from exporter.exposition import Sample
from exporter.hypervisor import Hypervisor
from exporter.kept_value import KeptValue
from exporter.metrics import host as m
from exporter.pace import PacedConnection
from exporter.siblings import Siblings
from libvirt_rpc.enums import ConnectListAllInterfacesFlags, ConnectListAllNodeDeviceFlags
from libvirt_rpc.errors import InvalidArgument, LibvirtRPCError, SessionClosed

PART = "host_devices"
RESERVE_SECONDS = 0.5

CAPABILITIES = tuple(
    flag
    for flag in ConnectListAllNodeDeviceFlags
    if flag < ConnectListAllNodeDeviceFlags.PERSISTENT
)


@dataclass(frozen=True, slots=True)
class Devices:
    """Numbers; None where the daemon does not tell."""

    by_capability: Mapping[str, int]
    interfaces_active: int | None
    interfaces_inactive: int | None
    secrets: int | None
    nwfilters: int | None
    nwfilter_bindings: int | None
    error: LibvirtRPCError | None
    """Why one of them is not to be had; it costs no other."""


class DevicesCollector:
    """Everything is kept: it hardly changes, and takes a call each."""

    name = PART

    def __init__(
        self, hypervisor: Hypervisor, siblings: Siblings, *, interval_seconds: float
    ) -> None:
        self._siblings = siblings
        self._devices: KeptValue[Devices] = KeptValue(
            "devices", self._fetch, interval_seconds=interval_seconds
        )
        hypervisor.watchers.append(self._devices)

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        known = await self._devices.settled(scrape.deadline, reserve_seconds=RESERVE_SECONDS)
        if known is None:
            return ()
        scrape.page.add(_samples(known, scrape))
        if known.error is not None:
            raise known.error
        return ()

    async def _fetch(self, connection: PacedConnection) -> Devices:  # noqa: ARG002
        errors: list[LibvirtRPCError] = []
        by_capability = await self._by_capability(errors)
        active = await self._interfaces(ConnectListAllInterfacesFlags.ACTIVE, errors)
        # Where the first question hangs, so would the second.
        inactive = None
        if active is not None:
            inactive = await self._interfaces(ConnectListAllInterfacesFlags.INACTIVE, errors)
        return Devices(
            by_capability,
            active,
            inactive,
            await self._count("secrets", "secret", lambda one: one.count_all_secrets(), errors),
            await self._count(
                "nwfilters", "nwfilter", lambda one: one.count_all_nwfilters(), errors
            ),
            await self._count(
                "nwfilter_bindings",
                "nwfilter",
                lambda one: one.count_all_nwfilter_bindings(),
                errors,
            ),
            errors[0] if errors else None,
        )

    async def _by_capability(self, errors: list[LibvirtRPCError]) -> Mapping[str, int]:
        numbers = {}
        for capability in CAPABILITIES:
            try:
                number = await self._of_capability(capability)
            except InvalidArgument:
                continue  # an older daemon that does not know it
            except SessionClosed:
                raise
            except LibvirtRPCError as exc:
                errors.append(exc)
                break  # the others would hang, or be refused, as well
            if number is not None:
                numbers[str(capability.name).lower()] = number
        return numbers

    async def _of_capability(self, capability: ConnectListAllNodeDeviceFlags) -> int | None:
        return await self._siblings.ask(
            f"{PART}.node_devices",
            "nodedev",
            lambda connection: connection.count_all_node_devices(capability),
        )

    async def _interfaces(
        self, flags: ConnectListAllInterfacesFlags, errors: list[LibvirtRPCError]
    ) -> int | None:
        return await self._count(
            "interfaces", "interface", lambda one: one.count_all_interfaces(flags), errors
        )

    async def _count(
        self,
        part: str,
        driver: str,
        call: Callable[[PacedConnection], Awaitable[int]],
        errors: list[LibvirtRPCError],
    ) -> int | None:
        """The number; None, and the error with the others, where it is not to be had."""
        try:
            return await self._siblings.ask(f"{PART}.{part}", driver, call)
        except SessionClosed:
            raise
        except LibvirtRPCError as exc:
            errors.append(exc)
            return None


def _samples(devices: Devices, scrape: Scrape) -> Iterable[Sample]:
    labels = scrape.labels
    for capability, number in devices.by_capability.items():
        yield Sample(m.NODE_DEVICES, number, (("capability", capability), *labels))
    for state, count in (
        ("active", devices.interfaces_active),
        ("inactive", devices.interfaces_inactive),
    ):
        if count is not None:
            yield Sample(m.INTERFACES, count, (("state", state), *labels))
    for family, count in (
        (m.SECRETS, devices.secrets),
        (m.NWFILTERS, devices.nwfilters),
        (m.NWFILTER_BINDINGS, devices.nwfilter_bindings),
    ):
        if count is not None:
            yield Sample(family, count, labels)
