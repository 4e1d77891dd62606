"""Small traces, made with the codecs: two domains, scraped a number of times."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime
from typing import Any, TypeVar

from libvirt_rpc.enums import ConnectGetAllDomainStatsFlags, DomainStatsTypes, TypedParameterType
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import PROGRAM_VERSION, MessageType, Status
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.protocol.typed_params import TypedParameter
from libvirt_rpc.trace.format import (
    Direction,
    FrameLine,
    Line,
    ScrapeMark,
    Trace,
    TraceHeader,
    render_header,
    render_line,
)

A = TypeVar("A")
R = TypeVar("R")

RUNNING = t.Domain("running", uuid.UUID(int=1), 7)
SHUT_OFF = t.Domain("shut off", uuid.UUID(int=2), -1)
GROUPS = DomainStatsTypes.STATE | DomainStatsTypes.CPU_TOTAL | DomainStatsTypes.BLOCK
NOWAIT = ConnectGetAllDomainStatsFlags.NOWAIT
STARTED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
FIRST_SCRAPE = STARTED.timestamp() + 60.0
HEADER = TraceHeader(
    libvirt="9.0.0",
    hypervisor="QEMU 7.2.22",
    uri="test:///default",
    hostname="host",
    started=STARTED,
    start_times={RUNNING.uuid: STARTED.timestamp() - 1000.5},
)


def call(procedure: Procedure[A, R], args: A, serial: int = 0) -> Frame:
    return Frame(
        procedure.program,
        PROGRAM_VERSION,
        procedure.number,
        MessageType.CALL,
        serial,
        payload=xdr.encode(procedure.arguments, args),
    )


def reply(procedure: Procedure[A, R], value: R, serial: int = 0) -> Frame:
    return Frame(
        procedure.program,
        PROGRAM_VERSION,
        procedure.number,
        MessageType.REPLY,
        serial,
        payload=xdr.encode(procedure.reply, value),
    )


def error_reply(procedure: Procedure[Any, Any], code: int, serial: int = 0) -> Frame:
    error = t.ErrorReply(code, 10, "refused", 2, None, None, None, None, -1, -1, None)
    return Frame(
        procedure.program,
        PROGRAM_VERSION,
        procedure.number,
        MessageType.REPLY,
        serial,
        Status.ERROR,
        xdr.encode(xdr.codec_of(t.ErrorReply), error),
    )


def sent(frame: Frame) -> FrameLine:
    return FrameLine(0.0, Direction.SENT, frame)


def received(frame: Frame) -> FrameLine:
    return FrameLine(0.0, Direction.RECEIVED, frame)


def exchange(procedure: Procedure[A, R], args: A, value: R, serial: int = 0) -> list[Line]:
    return [sent(call(procedure, args, serial)), received(reply(procedure, value, serial))]


def stats_args(
    *domains: t.Domain, groups: int = GROUPS, flags: int = NOWAIT
) -> t.ConnectGetAllDomainStatsArgs:
    return t.ConnectGetAllDomainStatsArgs(domains, int(groups), int(flags))


def number(field: str, value: int) -> TypedParameter:
    return TypedParameter(field, TypedParameterType.ULLONG, value)


def record(domain: t.Domain, seconds: int) -> t.DomainStatsRecord:
    return t.DomainStatsRecord(
        domain,
        (
            TypedParameter("state.state", TypedParameterType.INT, 1),
            number("cpu.time", seconds * 1_000_000_000),
            TypedParameter("block.0.name", TypedParameterType.STRING, "vda"),
            number("block.0.rd.bytes", seconds * 4096),
        ),
    )


def stats_reply(*records: t.DomainStatsRecord) -> t.ConnectGetAllDomainStatsReply:
    return t.ConnectGetAllDomainStatsReply(records)


def scrape_lines(scrape: int) -> list[Line]:
    """The two domains in a call of their own each, after `scrape` * 10 seconds of CPU time."""
    domains = (RUNNING, SHUT_OFF)
    listed = t.ConnectListAllDomainsReply(domains, len(domains))
    lines: list[Line] = [ScrapeMark(scrape, 0.0, FIRST_SCRAPE + 15.0 * (scrape - 1))]
    lines += exchange(
        p.CONNECT_LIST_ALL_DOMAINS, t.ConnectListAllDomainsArgs(1, 0), listed, scrape * 10
    )
    for serial, domain in enumerate(domains, scrape * 10 + 1):
        lines += exchange(
            p.CONNECT_GET_ALL_DOMAIN_STATS,
            stats_args(domain),
            stats_reply(record(domain, scrape * 10)),
            serial,
        )
    return lines


def prologue_lines() -> list[Line]:
    return [
        *exchange(p.AUTH_LIST, None, t.AuthListReply((0,)), 0),
        *exchange(p.CONNECT_OPEN, t.ConnectOpenArgs("test:///default", 1), None, 1),
        *exchange(p.CONNECT_GET_TYPE, None, t.String("QEMU"), 2),
        *exchange(p.CONNECT_GET_HOSTNAME, None, t.String("host"), 3),
    ]


def trace(*lines: Line) -> Trace:
    return Trace(HEADER, lines)


def recorded_scrapes(count: int) -> Trace:
    lines = prologue_lines()
    for scrape in range(1, count + 1):
        lines += scrape_lines(scrape)
    return trace(*lines)


def rendered(recorded: Trace) -> bytes:
    return b"".join([render_header(recorded.header), *map(render_line, recorded.lines)])


def timeless(lines: tuple[Line, ...]) -> list[Line]:
    """The lines without what differs from one recording to the next: times and serials."""
    plain: list[Line] = []
    for line in lines:
        if isinstance(line, ScrapeMark):
            plain.append(dataclasses.replace(line, time=0.0, at=0.0))
        else:
            frame = dataclasses.replace(line.frame, serial=0)
            plain.append(dataclasses.replace(line, time=0.0, frame=frame))
    return plain
