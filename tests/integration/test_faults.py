"""Daemons that break the protocol, from the wire to the page: each costs a scrape, none the exporter."""

from __future__ import annotations

import asyncio
import struct

import pytest

from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import (
    Answer,
    Peer,
    ScriptedDaemon,
    by_table,
    closes,
    never,
    refuses,
    sends,
    truncated,
)
from tests.support.exporting import ARCHIVE, QEMU_HOST, WEB, configured, exporting, get, record
from tests.support.pages import ReadPage, read_response

DOMAINS = t.ConnectListAllDomainsReply((WEB, ARCHIVE), 2)
STATS = t.ConnectGetAllDomainStatsReply((record(WEB), record(ARCHIVE)))


def with_words(**words: int) -> Answer:
    """A proper reply but for some words of its header."""

    def answer(peer: Peer, call: Frame) -> None:
        value = DOMAINS if call.procedure == p.CONNECT_LIST_ALL_DOMAINS.number else STATS
        peer.reply(call, value, **words)

    return answer


FAULTS: dict[str, Answer] = {
    "never answers": never,
    "closes": closes,
    "garbage": sends(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "zeros": sends(bytes(28)),
    "a length of 4 GiB": sends(struct.pack(">I", 0xFFFFFFFF)),
    "a length below the header's": sends(struct.pack(">I", 5)),
    "a truncated frame": truncated(DOMAINS),
    "a wrong serial": with_words(serial=4711),
    "an unknown program": with_words(program=0x12345678),
    "another procedure": with_words(procedure=1),
    "an unknown status": with_words(status=17),
    "a payload of another type": lambda peer, call: peer.reply(call, t.String("x" * 4)),
    "no payload": lambda peer, call: peer.reply(call),
    "an error without words": refuses(1, None),
}


def has_failed(page: ReadPage) -> bool:
    return (
        page.value("libvirt_exporter_last_scrape_error") == 1
        and page.values("libvirt_domain_cpu_time_seconds_total") == []
    )


@pytest.mark.parametrize(
    "procedure",
    [p.CONNECT_LIST_ALL_DOMAINS, p.CONNECT_GET_ALL_DOMAIN_STATS],
    ids=["list", "stats"],
)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_in_a_scrape_costs_that_scrape_alone(
    fault: Answer, procedure: p.Procedure[object, object]
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        config = configured(daemon.uri, timeout_seconds=0.3, reconnect_interval_seconds=0.05)
        async with exporting(config) as exporter:
            assert not has_failed(read_response(await get(exporter)))
            daemon.script = by_table({**QEMU_HOST, procedure: fault})
            assert has_failed(read_response(await get(exporter)))
            daemon.script = by_table(QEMU_HOST)
            async with asyncio.timeout(10):
                while has_failed(page := read_response(await get(exporter))):
                    if procedure is p.CONNECT_LIST_ALL_DOMAINS and fault is never:
                        # It goes on hanging; as a real daemon it would answer in the end.
                        daemon.peers[-1].close()
                    await asyncio.sleep(0.01)
    assert page.domain_names == {"web", "archive"}


# To these the fault is a proper answer: an open's reply is empty, a type is a text.
PROPER = {("no payload", p.CONNECT_OPEN), ("a payload of another type", p.CONNECT_GET_TYPE)}


@pytest.mark.parametrize(
    ("fault", "procedure"),
    [
        pytest.param(fault, procedure, id=f"{name}-{procedure.name}")
        for procedure in (p.AUTH_LIST, p.CONNECT_OPEN, p.CONNECT_GET_TYPE)
        for name, fault in FAULTS.items()
        if (name, procedure) not in PROPER
    ],
)
async def test_a_fault_while_connecting_leaves_it_unconnected_and_trying(
    fault: Answer, procedure: p.Procedure[object, object]
) -> None:
    broken = by_table({**QEMU_HOST, procedure: fault})
    async with ScriptedDaemon(broken) as daemon:
        config = configured(daemon.uri, timeout_seconds=0.2, reconnect_interval_seconds=0.05)
        async with exporting(config) as exporter:
            page = read_response(await get(exporter))
            assert page.value("libvirt_exporter_connected") == 0
            daemon.script = by_table(QEMU_HOST)
            async with asyncio.timeout(10):
                while not exporter.hypervisor.is_connected:
                    await asyncio.sleep(0.01)
            page = read_response(await get(exporter))
    assert page.value("libvirt_exporter_connected") == 1
