"""An exporter within the test: its application, kept connected to a scripted or a real daemon.

`QEMU_HOST` answers as a QEMU host's daemon with two domains does; `exporting` runs an application on
some URI; `get` asks it over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx

from exporter.application import Application
from exporter.config import (
    CollectorsConfig,
    Config,
    DomainCollectors,
    HostCollectors,
    LibvirtConfig,
    NetworkCollectors,
    StorageCollectors,
    WebConfig,
)
from exporter.web import make_app
from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import MessageType, Status
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.typed_params import TypedParameter
from libvirt_rpc.trace.replay import compose_domain_stats
from tests.support.daemon import HANDSHAKE, Answer, Answers, Peer, ScriptedDaemon, returns

WEB = t.Domain("web", uuid.UUID(int=1), 1)
ARCHIVE = t.Domain("archive", uuid.UUID(int=2), -1)


def number(field: str, value: int) -> TypedParameter:
    return TypedParameter(field, TypedParameterType.ULLONG, value)


def record(
    domain: t.Domain, *more: TypedParameter, state: int | None = None
) -> t.DomainStatsRecord:
    """What a daemon reports of a domain: a little of each group, and `more`."""
    if state is None:
        state = 1 if domain.id != -1 else 5
    return t.DomainStatsRecord(
        domain,
        (
            TypedParameter("state.state", TypedParameterType.INT, state),
            TypedParameter("state.reason", TypedParameterType.INT, 1),
            number("cpu.time", 1_500_000_000),
            number("balloon.current", 1024),
            number("balloon.maximum", 2048),
            number("balloon.rss", 512),
            number("vcpu.current", 1),
            *more,
        ),
    )


def host(*records: t.DomainStatsRecord, kind: str = "QEMU") -> Answers:
    """The answers of a daemon that has these domains."""
    by_uuid = {one.dom.uuid: one for one in records}
    domains = tuple(one.dom for one in records)

    def stats(peer: Peer, call: Frame) -> None:
        payload = compose_domain_stats(by_uuid, call.payload)
        reply = Frame(
            call.program, 1, call.procedure, MessageType.REPLY, call.serial, Status.OK, payload
        )
        peer.send(reply.encode())

    return {
        **HANDSHAKE,
        p.CONNECT_GET_TYPE: returns(t.String(kind)),
        p.CONNECT_GET_VERSION: returns(t.UnsignedNumber(7_002_022)),
        p.CONNECT_GET_LIB_VERSION: returns(t.UnsignedNumber(9_000_000)),
        p.CONNECT_GET_HOSTNAME: returns(t.String("host-1")),
        p.CONNECT_LIST_ALL_DOMAINS: returns(t.ConnectListAllDomainsReply(domains, len(domains))),
        p.CONNECT_GET_ALL_DOMAIN_STATS: stats,
    }


QEMU_HOST = host(record(WEB), record(ARCHIVE))


STATISTICS_ALONE = CollectorsConfig(
    domain=DomainCollectors(info=False, events=False, jobs=False, block_jobs=False),
    network=NetworkCollectors(networks=False, dhcp_leases=False),
    host=HostCollectors(stats=False, devices=False),
    storage=StorageCollectors(pools=False),
)
"""The domains' bulk statistics and nothing that asks for more."""


class Held:
    """An answer that is held back until the test lets it go: `Held(QEMU_HOST[procedure])`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._calls: list[tuple[Peer, Frame]] = []
        self._called = asyncio.Event()

    def __call__(self, peer: Peer, call: Frame) -> None:
        self._calls.append((peer, call))
        self._called.set()

    @property
    def count(self) -> int:
        return len(self._calls)

    async def called(self) -> None:
        await self._called.wait()

    def let_go(self) -> None:
        for peer, call in self._calls:
            self._answer(peer, call)


def configured(
    uri: str,
    *,
    collectors: CollectorsConfig = STATISTICS_ALONE,
    web: WebConfig = WebConfig(),  # noqa: B008  # frozen
    timeout_seconds: float = 10.0,
    reconnect_interval_seconds: float = 30.0,
    keepalive_interval_seconds: float = 5.0,
) -> Config:
    libvirt = LibvirtConfig(
        uri=uri,
        timeout_seconds=timeout_seconds,
        reconnect_interval_seconds=reconnect_interval_seconds,
        keepalive_interval_seconds=keepalive_interval_seconds,
    )
    return Config(libvirt=libvirt, collectors=collectors, web=web)


@contextlib.asynccontextmanager
async def exporting(config: Config) -> AsyncIterator[Application]:
    """An application whose connection is kept; its first attempt to connect has ended."""
    application = Application(config)
    connecting = asyncio.create_task(application.hypervisor.run())
    try:
        await application.hypervisor.first_attempt()
        yield application
    finally:
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting


async def get(
    application: Application, path: str = "/metrics", *, method: str = "GET", **headers: str
) -> httpx.Response:
    """Asks the application over HTTP; underscores in the headers' names stand for hyphens."""
    transport = httpx.ASGITransport(make_app(application))
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
        # Only what the test asks for: the client would accept gzip by itself.
        client.headers.clear()
        return await client.request(method, path, headers=sent)


def calls(daemon: ScriptedDaemon, procedures: Iterable[p.Procedure[Any, Any]]) -> int:
    """How many calls of these procedures all the daemon's clients have made."""
    return sum(len(peer.calls(procedure)) for peer in daemon.peers for procedure in procedures)
