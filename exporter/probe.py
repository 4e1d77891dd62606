"""Targets that are scraped on demand: connected at their first probe, kept while they are probed.

A target is one that the configuration names, or a URI that one of its patterns lets through; every other
is refused, for a probe uses this machine's sockets and credentials.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from exporter.config import Config, ModuleConfig, TargetConfig
from exporter.exposition import Page
from exporter.kept import KeptTarget, Leaving, Origin
from exporter.scrape import HURRY_SECONDS
from exporter.target import Target, for_endpoint, make_target
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import InvalidURI, LibvirtRPCError
from libvirt_rpc.session import CallObservation
from libvirt_rpc.uri import ConnectionURI, URIParameters, parse_uri

logger = logging.getLogger(__name__)

SWEEPS_PER_IDLE_TIMEOUT = 4


class ProbeRefused(Exception):
    """The request asks for something that the configuration does not allow, or that it does not have."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


class _Probed(KeptTarget):
    """A target that was probed, and when."""

    def __init__(self, target: Target, origin: Origin, now: float) -> None:
        super().__init__(target, origin)
        self.last_used = now
        self.has_waited = False
        """Whether a probe has waited for the first attempt until its deadline: the next one does not."""


class Probes:
    """The targets of `/probe`, their connections bounded in number and closed when idle."""

    def __init__(
        self,
        config: Config,
        *,
        observe: Callable[[CallObservation], None] | None = None,
        make: Callable[..., Target] = make_target,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._allowed = [re.compile(pattern) for pattern in config.probe.allow]
        self._observe = observe
        self._make = make
        self._clock = clock
        self._kept: dict[tuple[str, str], _Probed] = {}
        self._leaving = Leaving()
        self._waiting: set[asyncio.Timeout] = set()
        self._is_ending = False

    @property
    def connections(self) -> int:
        """Targets that are kept connected, or tried to be, at present."""
        return len(self._kept)

    @property
    def kept(self) -> Mapping[tuple[str, str], KeptTarget]:
        """Those targets, by their names and modules."""
        return dict(self._kept)

    @property
    def ending(self) -> int:
        """Targets whose connections are being closed."""
        return len(self._leaving)

    async def probe(self, name: str, module: str | None, timeout_seconds: float | None) -> Page:
        """The page of a target, by the deadline. Raises ProbeRefused.

        A first probe waits for the connection; while a target is down, later ones say so at once.
        """
        config, settings = self._find(name, module)
        seconds = settings.timeout_seconds
        if timeout_seconds is not None:
            seconds = min(seconds, timeout_seconds)
        deadline = Deadline.after(seconds)
        kept = self._keep(config, settings)
        try:
            with kept.used() as target:
                await self._first_attempt(kept, deadline)
                if self._is_ending:
                    deadline.bring_forward(Deadline.after(HURRY_SECONDS).at)
                return target.shown(await target.scraper.scrape(deadline.remaining()))
        finally:
            kept.last_used = self._clock()

    async def _first_attempt(self, kept: _Probed, deadline: Deadline) -> None:
        if kept.has_waited:
            return
        try:
            async with asyncio.timeout(deadline.remaining()) as timeout:
                self._waiting.add(timeout)
                try:
                    await kept.target.hypervisor.first_attempt()
                finally:
                    self._waiting.discard(timeout)
        except TimeoutError:
            kept.has_waited = True

    def hurry(self) -> None:
        """Lets running probes end soon: the exporter shall end."""
        self._is_ending = True
        soon = asyncio.get_running_loop().time() + HURRY_SECONDS
        for timeout in self._waiting:
            until = timeout.when()
            if not timeout.expired() and (until is None or soon < until):
                timeout.reschedule(soon)
        for kept in self._kept.values():
            kept.target.scraper.hurry()
        self._leaving.hurry()

    def adopt(self, config: Config) -> None:
        """Takes a new configuration over: what it would make otherwise ends when its probes have ended."""
        self._config = config
        self._allowed = [re.compile(pattern) for pattern in config.probe.allow]
        for key, kept in list(self._kept.items()):
            if self._origin_now(key) != kept.origin:
                del self._kept[key]
                self._leaving.see_off(kept)

    def _origin_now(self, key: tuple[str, str]) -> Origin | None:
        """What the target would be made of; None where it may no longer be probed."""
        try:
            return self._origin(*self._find(*key))
        except ProbeRefused:
            return None

    async def run(self) -> None:
        """Closes what is idle, until it is cancelled; then everything."""
        try:
            while True:
                idle_timeout = self._config.probe.idle_timeout_seconds
                await asyncio.sleep(idle_timeout / SWEEPS_PER_IDLE_TIMEOUT)
                await self.close_idle()
        finally:
            ending, self._kept = self._kept, {}
            closing = [kept.close() for kept in ending.values()]
            await asyncio.gather(*closing, self._leaving.close())

    async def close_idle(self) -> None:
        """Closes the connections of targets that were not probed for the idle timeout."""
        idle = [key for key, kept in self._kept.items() if self._is_idle(kept)]
        await asyncio.gather(*[self._end(key) for key in idle])

    def _is_idle(self, kept: _Probed) -> bool:
        longest = self._config.probe.idle_timeout_seconds
        if not kept.target.hypervisor.is_connected:
            # Else the next probe would try at once what the pause between attempts puts off.
            longest = max(longest, self._config.libvirt.reconnect_interval_seconds)
        return not kept.users and self._clock() - kept.last_used >= longest

    def _find(self, name: str, module: str | None) -> tuple[TargetConfig, ModuleConfig]:
        known = self._config.targets.get(name)
        target = known or self._allowed_target(name)
        module_name = module or target.module
        settings = self._config.modules.get(module_name)
        if settings is None:
            known_modules = ", ".join(sorted(self._config.modules))
            raise ProbeRefused(400, f"there is no module of this name; there are: {known_modules}")
        return target, settings

    def _allowed_target(self, name: str) -> TargetConfig:
        if not any(pattern.fullmatch(name) for pattern in self._allowed):
            raise ProbeRefused(
                403,
                "this target is not configured: name it in `targets`, or allow it in `probe.allow`",
            )
        try:
            uri = parse_uri(name)
        except InvalidURI as exc:
            raise ProbeRefused(400, str(exc)) from exc
        if not _is_harmless(uri):
            raise ProbeRefused(
                403,
                "a target that is not configured may not choose programs, files or sockets of this "
                "machine: give it a name in `targets`",
            )
        return TargetConfig(name=name, uri=name)

    def _keep(self, target: TargetConfig, module: ModuleConfig) -> _Probed:
        key = (target.name, module.name)
        kept = self._kept.get(key)
        if kept is None:
            origin = self._origin(target, module)
            made = self._make_target(origin)
            self._make_room()
            kept = self._kept[key] = _Probed(made, origin, self._clock())
            kept.start()
        return kept

    def _origin(self, target: TargetConfig, module: ModuleConfig) -> Origin:
        labels = {**dict(self._config.metrics.extra_labels), **module.labels}
        libvirt = for_endpoint(self._config.libvirt, target)
        libvirt = replace(libvirt, timeout_seconds=module.timeout_seconds)
        try:
            return Origin.of(libvirt, module, tuple(labels.items()))
        except LibvirtRPCError as exc:
            raise ProbeRefused(500, str(exc)) from exc

    def _make_target(self, origin: Origin) -> Target:
        try:
            return self._make(
                origin.libvirt, origin.module, labels=origin.labels, observe=self._observe
            )
        except LibvirtRPCError as exc:
            # An alias that libvirt.conf does not have: the configuration's fault, not the request's.
            raise ProbeRefused(500, str(exc)) from exc

    def _make_room(self) -> None:
        # More than one where a reload has lowered the bound.
        while len(self._kept) >= self._config.probe.max_connections:
            idle = [(kept.last_used, key) for key, kept in self._kept.items() if not kept.users]
            if not idle:
                raise ProbeRefused(
                    503,
                    f"all {len(self._kept)} connections are in use (probe.max_connections); "
                    "probe fewer targets here, or shard them over several exporters",
                )
            _, key = min(idle)
            self._end(key)

    def _end(self, key: tuple[str, str]) -> asyncio.Task[None]:
        """Begins to close; who does not wait for the task leaves that to the end of `run`."""
        return self._leaving.see_off(self._kept.pop(key))


def _is_harmless(uri: ConnectionURI) -> bool:
    """Whether the URI names another host and nothing of this machine."""
    is_here = uri.is_local or uri.host is None or _is_loopback(uri.host)
    return not is_here and uri.parameters == URIParameters()


def _is_loopback(host: str) -> bool:
    """Whether a host's name or address leads here, as far as its text tells."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a connection would go to, where the name is one: 127.1 is 127.0.0.1."""
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError:
        pass
    else:
        return address.ipv4_mapped or address
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except OSError:
        return None


def service_discovery(targets: Mapping[str, TargetConfig]) -> list[dict[str, object]]:
    """The configured targets as Prometheus' HTTP service discovery takes them."""
    return [
        {
            "targets": [target.name],
            "labels": {"__param_module": target.module, **target.labels},
        }
        for target in targets.values()
    ]
