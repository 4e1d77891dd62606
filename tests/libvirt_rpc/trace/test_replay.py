from __future__ import annotations

import asyncio
import dataclasses
import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.enums import (
    ConnectGetAllDomainStatsFlags,
    DomainStatsTypes,
    ErrorDomain,
)
from libvirt_rpc.errors import DecodeError, NoSupport, TraceError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import PROGRAM_VERSION, MessageType, Program, Status
from libvirt_rpc.protocol.domain_stats import DomainStats
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.trace.format import Line, ScrapeMark, Trace, load_trace
from libvirt_rpc.trace.record import Recorder
from libvirt_rpc.trace.replay import (
    Replayer,
    compose_domain_stats,
    replay_dial,
    serve_replay,
)
from tests.libvirt_rpc.trace.traces import (
    FIRST_SCRAPE,
    GROUPS,
    HEADER,
    NOWAIT,
    RUNNING,
    SHUT_OFF,
    STARTED,
    call,
    error_reply,
    exchange,
    number,
    received,
    record,
    recorded_scrapes,
    reply,
    scrape_lines,
    sent,
    stats_args,
    stats_reply,
    timeless,
    trace,
)
from tests.support.strategies import values_of

LIST = call(p.CONNECT_LIST_ALL_DOMAINS, t.ConnectListAllDomainsArgs(1, 0))
STATS = p.CONNECT_GET_ALL_DOMAIN_STATS
PING = Frame(Program.KEEPALIVE, PROGRAM_VERSION, 1, MessageType.MESSAGE, 0)
PONG = Frame(Program.KEEPALIVE, PROGRAM_VERSION, 2, MessageType.MESSAGE, 0)


def answered(replayer: Replayer, frame: Frame) -> Frame:
    [answer] = replayer.answer(frame)
    return answer


def records(replayer: Replayer, args: t.ConnectGetAllDomainStatsArgs) -> list[t.DomainStatsRecord]:
    answer = answered(replayer, call(STATS, args))
    assert answer.status == Status.OK
    return list(xdr.decode(STATS.reply, answer.payload).ret_stats)


def refusal(replayer: Replayer, frame: Frame) -> t.ErrorReply:
    answer = answered(replayer, frame)
    assert answer.status == Status.ERROR
    return xdr.decode(xdr.codec_of(t.ErrorReply), answer.payload)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    recorded = recorded_scrapes(3)
    dial = replay_dial(Replayer(recorded))
    async with connect(recorded.header.uri, dial=dial) as opened:
        yield opened


# The connection


async def test_a_connection_to_a_replay_needs_no_daemon(connection: Connection) -> None:
    assert await connection.get_type() == "QEMU"
    assert await connection.get_hostname() == "host"
    assert await connection.list_all_domains() == (RUNNING, SHUT_OFF)
    [stats] = await connection.get_all_domain_stats([RUNNING], GROUPS, NOWAIT)
    assert stats.domain == RUNNING
    assert stats.layout.fields == ("state.state", "cpu.time", "block.0.name", "block.0.rd.bytes")
    assert stats.values == (1, 10_000_000_000, "vda", 40960)


async def test_pipelined_calls_are_answered_in_any_order(connection: Connection) -> None:
    domains = await connection.list_all_domains()
    # Recorded one behind the other; asked the other way round, all at once and with others between.
    calls = [
        connection.start_get_all_domain_stats([domain], GROUPS, NOWAIT)
        for domain in reversed(domains)
    ]
    assert await connection.get_hostname() == "host"
    replies = [await one.future for one in calls]
    assert [[one.domain for one in stats] for stats in replies] == [[SHUT_OFF], [RUNNING]]


async def test_the_client_sees_the_end_that_it_asked_for() -> None:
    connection = await connect("test:///default", dial=replay_dial(Replayer(recorded_scrapes(1))))
    await connection.close()
    assert "closed by this side" in str(await connection.session.wait_closed())


async def test_a_call_without_an_answer_is_refused_and_the_connection_stands(
    connection: Connection,
) -> None:
    with pytest.raises(NoSupport, match="the trace has no answer to DOMAIN_GET_XML_DESC") as caught:
        await connection.domain_get_xml_desc(RUNNING)
    assert caught.value.domain == ErrorDomain.REMOTE
    assert await connection.get_type() == "QEMU"


# Rounds


async def cpu_seconds(connection: Connection) -> float:
    domains = await connection.list_all_domains()
    results: list[tuple[DomainStats, ...]] = [
        await connection.get_all_domain_stats([domain], GROUPS, NOWAIT) for domain in domains
    ]
    values = {stats.values[stats.layout.fields.index("cpu.time")] for [stats] in results}
    [time] = values
    assert isinstance(time, int)
    return time / 1e9


async def test_the_recorded_scrapes_play_in_turn_and_begin_again(connection: Connection) -> None:
    assert [await cpu_seconds(connection) for _ in range(5)] == [10, 20, 30, 10, 20]


async def test_without_loop_the_last_scrape_stays() -> None:
    dial = replay_dial(Replayer(recorded_scrapes(2), loop=False))
    async with connect("test:///default", dial=dial) as connection:
        assert [await cpu_seconds(connection) for _ in range(4)] == [10, 20, 20, 20]


def test_the_time_is_that_of_the_round_that_plays() -> None:
    replayer = Replayer(recorded_scrapes(2))
    times = [replayer.time]
    for _ in range(3):
        replayer.answer(LIST)
        times.append(replayer.time)
    assert times == [STARTED.timestamp(), FIRST_SCRAPE, FIRST_SCRAPE + 15.0, FIRST_SCRAPE]
    assert replayer.start_times == HEADER.start_times


def test_a_trace_without_scrapes_has_one_round() -> None:
    replayer = Replayer(trace(*scrape_lines(1)[1:]))
    for _ in range(3):
        assert answered(replayer, LIST).status == Status.OK
        assert records(replayer, stats_args(RUNNING)) == [record(RUNNING, 10)]


def test_what_a_round_lacks_comes_from_the_nearest_before_else_from_the_first_behind() -> None:
    hosts: list[Line] = []
    for scrape, name in enumerate(["", "", "second", "third", "", "fifth"]):
        hosts += [ScrapeMark(scrape, 0.0, 0.0)] if scrape else []
        hosts += exchange(p.CONNECT_GET_HOSTNAME, None, t.String(name)) if name else []
    replayer = Replayer(trace(*hosts))
    seen = []
    for _ in range(6):
        answer = answered(replayer, call(p.CONNECT_GET_HOSTNAME, None))
        seen.append(xdr.decode(p.CONNECT_GET_HOSTNAME.reply, answer.payload).value)
        replayer.answer(LIST)
    assert seen == ["second", "second", "second", "third", "third", "fifth"]


def test_a_late_reply_belongs_to_the_round_of_its_call() -> None:
    asked, answer = exchange(STATS, stats_args(RUNNING), stats_reply(record(RUNNING, 1)), 5)
    later = exchange(STATS, stats_args(SHUT_OFF), stats_reply(record(SHUT_OFF, 2)), 6)
    lines = [ScrapeMark(1, 0.0, 0.0), asked, ScrapeMark(2, 0.0, 0.0), *later, answer]
    replayer = Replayer(trace(*lines))
    replayer.answer(LIST)
    assert records(replayer, stats_args()) == [record(RUNNING, 1)]
    replayer.answer(LIST)
    assert records(replayer, stats_args()) == [record(SHUT_OFF, 2)]


def test_a_recorded_refusal_is_played_again() -> None:
    args = t.DomainFlagsArgs(SHUT_OFF, 0)
    frames = [call(p.DOMAIN_GET_STATE, args, 4), error_reply(p.DOMAIN_GET_STATE, 42, 4)]
    replayer = Replayer(trace(sent(frames[0]), received(frames[1])))
    assert refusal(replayer, call(p.DOMAIN_GET_STATE, args, 99)).code == 42


def test_an_answer_carries_the_caller_s_serial() -> None:
    replayer = Replayer(recorded_scrapes(1))
    assert answered(replayer, dataclasses.replace(LIST, serial=77)).serial == 77


# Composed statistics


def test_portions_that_were_not_recorded_are_composed() -> None:
    replayer = Replayer(recorded_scrapes(2))
    for seconds in (10, 20):
        replayer.answer(LIST)
        both = [record(SHUT_OFF, seconds), record(RUNNING, seconds)]
        assert records(replayer, stats_args(SHUT_OFF, RUNNING)) == both


def test_no_domains_mean_all_and_unknown_ones_are_passed_over() -> None:
    replayer = Replayer(recorded_scrapes(1))
    unknown = t.Domain("unknown", uuid.UUID(int=3), 9)
    both = [record(RUNNING, 10), record(SHUT_OFF, 10)]
    assert records(replayer, stats_args()) == both
    assert records(replayer, stats_args(unknown, RUNNING, unknown)) == both[:1]
    assert records(replayer, stats_args(unknown)) == []


@pytest.mark.parametrize(
    ("groups", "fields"),
    [
        (DomainStatsTypes.STATE, ["state.state"]),
        (DomainStatsTypes.CPU_TOTAL, ["cpu.time"]),
        (DomainStatsTypes.BLOCK | DomainStatsTypes.VM, ["block.0.name", "block.0.rd.bytes"]),
        (DomainStatsTypes.VCPU, []),
        (0, ["state.state", "cpu.time", "block.0.name", "block.0.rd.bytes"]),
    ],
)
def test_only_the_groups_asked_for_are_composed(groups: int, fields: list[str]) -> None:
    replayer = Replayer(recorded_scrapes(1))
    [composed] = records(replayer, stats_args(RUNNING, groups=groups))
    assert [parameter.field for parameter in composed.params] == fields


def test_each_group_is_known_by_its_fields() -> None:
    names = ["state", "cpu", "balloon", "vcpu", "net", "block", "perf", "iothread", "memory"]
    names += ["dirtyrate", "vm"]
    params = tuple(number(f"{name}.x", 1) for name in names)
    recorded = {RUNNING.uuid: t.DomainStatsRecord(RUNNING, params)}
    for name, group in zip(names, DomainStatsTypes, strict=True):
        args = xdr.encode(STATS.arguments, stats_args(groups=group))
        reply = xdr.decode(STATS.reply, compose_domain_stats(recorded, args))
        assert [one.field for one in reply.ret_stats[0].params] == [f"{name}.x"]


def test_fields_of_unknown_groups_come_with_unknown_bits() -> None:
    lines = exchange(
        STATS, stats_args(), stats_reply(t.DomainStatsRecord(RUNNING, (number("new.x", 1),)))
    )
    replayer = Replayer(trace(*lines))
    for groups, count in ((0, 1), (1 << 20, 1), (GROUPS, 0)):
        [composed] = records(replayer, stats_args(RUNNING, groups=groups))
        assert len(composed.params) == count


@pytest.mark.parametrize(
    ("name", "domains"),
    [("ACTIVE", [RUNNING]), ("INACTIVE", [SHUT_OFF]), ("BACKING", [RUNNING, SHUT_OFF])],
)
def test_the_filter_by_activity_is_honoured(name: str, domains: list[t.Domain]) -> None:
    replayer = Replayer(recorded_scrapes(1))
    flags = ConnectGetAllDomainStatsFlags[name]
    for asked in ((), (RUNNING, SHUT_OFF)):
        composed = records(replayer, stats_args(*asked, flags=flags))
        assert [one.dom for one in composed] == domains


def test_groups_that_were_asked_one_by_one_are_put_together() -> None:
    cpu, state = number("cpu.time", 5), number("state.state", 1)
    newer = number("cpu.time", 6)
    lines: list[Line] = []
    for groups, params in ((2, (cpu,)), (1, (state,)), (2 | 4, (newer,))):
        args = stats_args(RUNNING, groups=groups)
        lines += exchange(STATS, args, stats_reply(t.DomainStatsRecord(RUNNING, params)))
    [composed] = records(Replayer(trace(*lines)), stats_args(RUNNING, groups=0))
    assert composed.params == (newer, state)


RECORDS = st.lists(
    values_of(t.DomainStatsRecord), max_size=4, unique_by=lambda record: record.dom.uuid
)


@given(RECORDS)
def test_composed_bytes_equal_the_recorded_ones_for_equal_arguments(
    recorded: list[t.DomainStatsRecord],
) -> None:
    answer = reply(STATS, stats_reply(*recorded))
    by_uuid = {record.dom.uuid: record for record in recorded}
    everything = xdr.encode(STATS.arguments, stats_args(groups=0))
    by_name = xdr.encode(STATS.arguments, stats_args(*[one.dom for one in recorded], groups=0))
    for arguments in (everything, by_name):
        assert compose_domain_stats(by_uuid, arguments) == answer.payload


@given(RECORDS, st.data())
def test_any_portions_give_the_records_of_any_other_portions(
    recorded: list[t.DomainStatsRecord], data: st.DataObject
) -> None:
    def portions() -> list[list[t.DomainStatsRecord]]:
        cuts = data.draw(st.sets(st.integers(0, len(recorded))))
        bounds = [0, *sorted(cuts), len(recorded)]
        return [part for a, b in itertools.pairwise(bounds) if (part := recorded[a:b])]

    lines: list[Line] = []
    for portion in portions():
        args = stats_args(*[one.dom for one in portion], groups=0)
        lines += exchange(STATS, args, stats_reply(*portion))
    replayer = Replayer(trace(*lines))
    for portion in portions():
        args = stats_args(*[one.dom for one in portion], groups=0)
        answer = answered(replayer, call(STATS, args))
        # Bytes, for a NaN equals nothing.
        assert answer.payload == reply(STATS, stats_reply(*portion)).payload


def test_a_recorded_reply_that_does_not_decode_is_given_only_for_its_own_arguments() -> None:
    asked = call(STATS, stats_args(RUNNING), 1)
    damaged = dataclasses.replace(reply(STATS, stats_reply(), 1), payload=b"damaged!")
    good = exchange(STATS, stats_args(SHUT_OFF), stats_reply(record(SHUT_OFF, 1)), 2)
    replayer = Replayer(trace(sent(asked), received(damaged), *good))
    assert answered(replayer, asked).payload == b"damaged!"
    assert records(replayer, stats_args()) == [record(SHUT_OFF, 1)]


def test_arguments_that_do_not_decode_are_refused() -> None:
    asked = dataclasses.replace(call(STATS, stats_args()), payload=b"\xff\xff\xff\xff")
    assert refusal(Replayer(recorded_scrapes(1)), asked).code == 3
    with pytest.raises(DecodeError):
        compose_domain_stats({}, asked.payload)


def test_statistics_that_were_never_recorded_are_refused() -> None:
    failed = [sent(call(STATS, stats_args(), 1)), received(error_reply(STATS, 1, 1))]
    replayer = Replayer(trace(*failed))
    assert refusal(replayer, call(STATS, stats_args(RUNNING))).code == 3


# Handshake, keepalive, events


def test_the_handshake_is_answered_though_not_recorded() -> None:
    replayer = Replayer(trace())
    types = xdr.decode(p.AUTH_LIST.reply, answered(replayer, call(p.AUTH_LIST, None)).payload)
    assert types.types == (0,)
    for frame in (
        call(p.CONNECT_OPEN, t.ConnectOpenArgs("qemu:///system", 0)),
        call(p.CONNECT_CLOSE, None),
    ):
        answer = answered(replayer, frame)
        assert (answer.status, answer.payload) == (Status.OK, b"")


def test_a_replay_asks_for_no_credentials_even_if_the_daemon_did() -> None:
    lines = exchange(p.AUTH_LIST, None, t.AuthListReply((1, 2)))
    answer = answered(Replayer(trace(*lines)), call(p.AUTH_LIST, None))
    assert xdr.decode(p.AUTH_LIST.reply, answer.payload).types == (0,)


def test_a_withheld_payload_is_no_answer() -> None:
    asked, answer = exchange(p.CONNECT_GET_URI, None, t.String("test:///default"))
    assert not isinstance(answer, ScrapeMark)
    replayer = Replayer(trace(asked, dataclasses.replace(answer, withheld=True)))
    assert refusal(replayer, call(p.CONNECT_GET_URI, None)).code == 3


def test_a_refused_opening_is_played_again() -> None:
    asked = call(p.CONNECT_OPEN, t.ConnectOpenArgs("xen:///system", 1))
    replayer = Replayer(trace(sent(asked), received(error_reply(p.CONNECT_OPEN, 5))))
    assert refusal(replayer, asked).code == 5


def test_a_ping_is_answered_and_other_messages_are_not() -> None:
    replayer = Replayer(trace())
    assert replayer.answer(PING) == [PONG]
    assert replayer.answer(PONG) == []
    assert replayer.answer(dataclasses.replace(LIST, type=MessageType.STREAM)) == []


def event(text: bytes) -> Frame:
    return Frame(Program.REMOTE, PROGRAM_VERSION, 318, MessageType.MESSAGE, 1, payload=text)


def test_events_follow_the_reply_that_they_followed_once_a_round() -> None:
    hostname = exchange(p.CONNECT_GET_HOSTNAME, None, t.String("host"))
    kind = exchange(p.CONNECT_GET_TYPE, None, t.String("QEMU"))
    recorded = trace(
        received(event(b"before any reply")),
        ScrapeMark(1, 0.0, 0.0),
        *hostname,
        received(event(b"one")),
        received(PING),
        sent(PONG),
        received(event(b"two")),
        *kind,
        ScrapeMark(2, 0.0, 0.0),
        *kind,
        received(event(b"three")),
    )
    replayer = Replayer(recorded)

    def played() -> list[bytes]:
        asked = (p.CONNECT_GET_HOSTNAME, p.CONNECT_GET_HOSTNAME, p.CONNECT_GET_TYPE)
        frames = [frame for one in asked for frame in replayer.answer(call(one, None))]
        return [frame.payload for frame in frames if frame.type == MessageType.MESSAGE]

    assert played() == []
    rounds = []
    for _ in range(3):
        replayer.answer(LIST)
        rounds.append(played())
    assert rounds == [[b"one", b"two"], [b"three"], [b"one", b"two"]]


LISTED = exchange(
    p.CONNECT_LIST_ALL_DOMAINS,
    t.ConnectListAllDomainsArgs(1, 0),
    t.ConnectListAllDomainsReply((RUNNING,), 1),
)
HOSTNAME = exchange(p.CONNECT_GET_HOSTNAME, None, t.String("host"), 1)
KIND = exchange(p.CONNECT_GET_TYPE, None, t.String("QEMU"), 2)


def at(seconds: float, *lines: Line) -> list[Line]:
    return [dataclasses.replace(line, time=seconds) for line in lines]


def texts(frames: list[Frame]) -> list[str]:
    """What was played: events by their text, replies as `-`."""
    return [
        frame.payload.decode() if frame.type == MessageType.MESSAGE else "-" for frame in frames
    ]


def test_an_event_between_two_scrapes_plays_before_the_next_one_s_first_reply() -> None:
    recorded = trace(
        *at(0.0, *HOSTNAME),
        *at(1.0, received(event(b"before the first"))),
        *at(2.0, ScrapeMark(1, 0.0, 0.0), *LISTED, *KIND, received(event(b"within"))),
        *at(5.0, received(event(b"between"))),
        # What the event had asked for, and the next event right behind the answer.
        *at(5.1, *HOSTNAME, received(event(b"and again"))),
        *at(17.0, ScrapeMark(2, 0.0, 0.0)),
        *at(17.2, received(event(b"opening"))),
        *at(17.3, *LISTED, *KIND),
    )
    replayer = Replayer(recorded)
    asked = [LIST, call(p.CONNECT_GET_TYPE, None), call(p.CONNECT_GET_HOSTNAME, None)]
    assert texts(replayer.answer(asked[2])) == ["-"]
    played = [[texts(replayer.answer(frame)) for frame in asked] for _ in range(3)]
    assert played == [
        [["before the first", "-"], ["-", "within"], ["-"]],
        [["between", "and again", "opening", "-"], ["-"], ["-"]],
        [["-"], ["-", "within"], ["-"]],
    ]


def test_an_event_whose_call_is_not_made_any_more_plays_before_the_next_scrape() -> None:
    recorded = trace(
        ScrapeMark(1, 0.0, 0.0),
        *LISTED,
        *HOSTNAME,
        received(event(b"one")),
        *KIND,
        ScrapeMark(2, 0.0, 0.0),
        *LISTED,
    )
    replayer = Replayer(recorded)
    kind = call(p.CONNECT_GET_TYPE, None)
    assert [texts(replayer.answer(frame)) for frame in (LIST, kind, LIST)] == [
        ["-"],
        ["-"],
        ["one", "-"],
    ]


def test_events_keep_their_order_whatever_the_order_of_the_calls() -> None:
    lines = [*HOSTNAME, received(event(b"one")), *KIND, received(event(b"two"))]
    replayer = Replayer(trace(ScrapeMark(1, 0.0, 0.0), *lines))
    replayer.answer(LIST)
    assert texts(replayer.answer(call(p.CONNECT_GET_TYPE, None))) == ["-", "one", "two"]
    assert texts(replayer.answer(call(p.CONNECT_GET_HOSTNAME, None))) == ["-"]


def test_the_events_of_a_round_that_stays_play_once_and_all_of_them() -> None:
    late = at(9.0, received(event(b"late")))
    lines = [*LISTED, *HOSTNAME, received(event(b"one")), *late]
    replayer = Replayer(trace(ScrapeMark(1, 0.0, 0.0), *lines), loop=False)
    hostname = call(p.CONNECT_GET_HOSTNAME, None)
    played = [texts(replayer.answer(frame)) for frame in (LIST, hostname, LIST, hostname)]
    assert played == [["-"], ["-", "one", "late"], ["-"], ["-"]]


def test_only_a_list_of_all_domains_begins_a_scrape() -> None:
    args = [t.ConnectListAllDomainsArgs(1, flags) for flags in (1, 2, 256)]
    args.append(t.ConnectListAllDomainsArgs(0, 0))
    others = [call(p.CONNECT_LIST_ALL_DOMAINS, one) for one in args]
    replayer = Replayer(recorded_scrapes(2))
    for frame in others:
        replayer.answer(frame)
    assert replayer.time == STARTED.timestamp()
    replayer.answer(LIST)
    for frame in others:
        replayer.answer(frame)
    assert replayer.time == FIRST_SCRAPE


async def test_a_session_gets_the_events() -> None:
    lines = [*exchange(p.CONNECT_GET_TYPE, None, t.String("QEMU")), received(event(b"it"))]
    async with connect("test:///default", dial=replay_dial(Replayer(trace(*lines)))) as connection:
        frames: list[Frame] = []
        arrived = asyncio.Event()

        def on_message(frame: Frame) -> None:
            frames.append(frame)
            arrived.set()

        connection.session.on_message = on_message
        assert await connection.get_type() == "QEMU"
        async with asyncio.timeout(5):
            await arrived.wait()
        assert frames == [event(b"it")]


# Recording a replay


async def recorded_from(replayed: Trace, path: Path) -> Trace:
    """A recording of the calls of `replayed`, made to a replay of it."""
    with Recorder(path) as recorder:
        session_dial = replay_dial(Replayer(replayed))
        async with connect("test:///default", dial=session_dial, tap=recorder) as connection:
            await connection.get_type()
            await connection.get_hostname()
            recorder.describe(
                libvirt=HEADER.libvirt,
                hypervisor=HEADER.hypervisor,
                uri=connection.uri,
                hostname=HEADER.hostname,
                start_times=HEADER.start_times,
            )
            for _ in range(2):
                recorder.mark_scrape()
                for domain in await connection.list_all_domains():
                    await connection.get_all_domain_stats([domain], GROUPS, NOWAIT)
            # The leave-taking is no part of the traces that are compared.
            recorder.close()
    return load_trace(path)


async def test_recording_a_replay_gives_the_trace_again(tmp_path: Path) -> None:
    replayed = recorded_scrapes(2)
    once = await recorded_from(replayed, tmp_path / "once.jsonl")
    twice = await recorded_from(once, tmp_path / "twice.jsonl.gz")
    assert timeless(once.lines) == timeless(replayed.lines)
    assert timeless(twice.lines) == timeless(replayed.lines)
    assert dataclasses.replace(once.header, started=STARTED) == HEADER


# Servers


async def served_seconds(path: Path) -> float:
    async with connect(f"test+unix:///default?socket={path}") as connection:
        return await cpu_seconds(connection)


async def test_a_served_replay_answers_on_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    recorded = recorded_scrapes(2)
    async with serve_replay(lambda: Replayer(recorded), path):
        # Each connection has a replayer of its own.
        assert [await served_seconds(path) for _ in range(2)] == [10, 10]
    assert not path.exists()


async def test_connections_can_share_a_replayer(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    shared = Replayer(recorded_scrapes(2))
    async with serve_replay(lambda: shared, path):
        assert [await served_seconds(path) for _ in range(3)] == [10, 20, 10]


async def test_the_end_of_serving_ends_the_connections(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    recorded = recorded_scrapes(1)
    async with serve_replay(lambda: Replayer(recorded), path):
        connection = await connect(f"test+unix:///default?socket={path}")
    async with asyncio.timeout(5):
        assert "the daemon closed it" in str(await connection.session.wait_closed())


async def test_a_client_that_does_not_speak_the_protocol_is_disconnected(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with serve_replay(lambda: Replayer(trace()), path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_socket_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"it cannot listen on .*absent"):
        async with serve_replay(lambda: Replayer(trace()), tmp_path / "absent" / "socket"):
            pytest.fail("not reached")
