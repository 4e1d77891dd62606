from __future__ import annotations

import asyncio
import base64
import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.domain_events import DEFAULT_EVENT_IDS, subscribe
from libvirt_rpc.enums import DomainEventID
from libvirt_rpc.errors import TraceError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import MessageType, Program
from libvirt_rpc.protocol.events import DomainBalloonChangeEvent, Event
from libvirt_rpc.protocol.procedures import AUTH_LIST, CONNECT_GET_TYPE, CONNECT_OPEN, Procedure
from libvirt_rpc.protocol.xdr import codec_of
from libvirt_rpc.session import Session
from libvirt_rpc.trace.format import FrameLine, ScrapeMark, load_trace
from libvirt_rpc.trace.record import Recorder
from libvirt_rpc.trace.replay import Replayer, replay_dial
from libvirt_rpc.uri import parse_uri
from tests.libvirt_rpc.trace.traces import (
    HEADER,
    RUNNING,
    STARTED,
    call,
    exchange,
    prologue_lines,
    reply,
    trace,
)
from tests.support.daemon import HANDSHAKE, Answers, ScriptedDaemon, by_table, returns
from tests.support.event_messages import event_frame

SECRETS = ["exporter@host", "s3cret password", "challenge n0nce"]


def describe(recorder: Recorder, uri: str = "test:///default") -> None:
    recorder.describe(
        libvirt=HEADER.libvirt,
        hypervisor=HEADER.hypervisor,
        uri=parse_uri(uri),
        hostname=HEADER.hostname,
        start_times=HEADER.start_times,
    )


def ticks() -> Iterator[float]:
    """A clock's times: half a second later whenever it is read."""
    return itertools.count(100.0, 0.5)


async def open_session(lines: list[FrameLine | ScrapeMark], recorder: Recorder) -> Session:
    return await replay_dial(Replayer(trace(*lines)))(
        "any", lambda: Session(tap=recorder), read_only=True, deadline=Deadline.after(5)
    )


@pytest.mark.parametrize("name", ["trace.jsonl", "trace.jsonl.gz"])
async def test_credentials_never_reach_the_file(tmp_path: Path, name: str) -> None:
    string = codec_of(t.String)
    exchanges = [
        Procedure(Program.REMOTE, 66 + step, f"STEP_{step}", string, string) for step in range(1, 4)
    ]
    lines: list[FrameLine | ScrapeMark] = []
    for procedure, secret in zip(exchanges, SECRETS, strict=True):
        lines += exchange(procedure, t.String(secret), t.String(secret.upper()))
    path = tmp_path / name
    with Recorder(path) as recorder:
        session = await open_session(lines, recorder)
        for procedure, secret in zip(exchanges, SECRETS, strict=True):
            answer = await session.call(procedure, t.String(secret), deadline=Deadline.after(5))
            assert answer == t.String(secret.upper())
        describe(recorder, "qemu+ssh://someone@host/system?keyfile=/hidden")
        await session.close(Deadline.after(5))
    data = path.read_bytes()
    text = gzip.decompress(data) if name.endswith(".gz") else data
    loaded = load_trace(path)
    frames = [line for line in loaded.lines if isinstance(line, FrameLine)]
    assert [line.frame.procedure for line in frames] == [67, 67, 68, 68, 69, 69]
    assert all(line.withheld and not line.frame.payload for line in frames)
    for hidden in ("someone", "keyfile", "hidden"):
        assert hidden.encode() not in text
    for secret in (*SECRETS, *map(str.upper, SECRETS)):
        assert secret.encode() not in text
        # Whatever stands before the secret, its base64 form has one of three middles.
        for before in (b"", b"x", b"xx"):
            assert base64.b64encode(before + secret.encode())[4:-4] not in text


async def test_a_session_is_recorded_behind_the_header(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    clock, started = ticks(), STARTED.timestamp()
    recorder = Recorder(path, clock=lambda: next(clock), wall_clock=lambda: started)
    with recorder:
        session = await open_session(prologue_lines(), recorder)
        await session.call(AUTH_LIST, None, deadline=Deadline.after(5))
        assert path.read_bytes() == b""
        describe(recorder)
        session.client.authenticated()
        args = t.ConnectOpenArgs("test:///default", 1)
        await session.call(CONNECT_OPEN, args, deadline=Deadline.after(5))
        recorder.mark_scrape()
        # What has happened is in the file at once.
        assert len(path.read_bytes().splitlines()) == 6
    await session.close(Deadline.after(0))
    loaded = load_trace(path)
    assert loaded.header == HEADER
    assert [line.time for line in loaded.lines] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert loaded.lines[-1] == ScrapeMark(1, 2.5, started)
    frames = [line.frame for line in loaded.lines if isinstance(line, FrameLine)]
    assert frames == [
        call(AUTH_LIST, None, 0),
        reply(AUTH_LIST, t.AuthListReply((0,)), 0),
        call(CONNECT_OPEN, args, 1),
        reply(CONNECT_OPEN, None, 1),
    ]


def test_scrapes_are_counted_from_one(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with Recorder(path) as recorder:
        describe(recorder)
        for _ in range(3):
            recorder.mark_scrape()
    marks = [line for line in load_trace(path).lines if isinstance(line, ScrapeMark)]
    assert [mark.number for mark in marks] == [1, 2, 3]
    assert marks[0].at <= marks[1].at <= marks[2].at


def test_only_the_first_description_counts(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with Recorder(path) as recorder:
        describe(recorder)
        describe(recorder, "test:///other")
    assert load_trace(path).header.uri == "test:///default"


def test_a_recording_that_was_never_described_keeps_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with Recorder(path) as recorder:
        recorder.sent(call(CONNECT_GET_TYPE, None))
    loaded = load_trace(path)
    assert len(loaded.lines) == 1
    assert loaded.header.libvirt == loaded.header.uri == ""


def test_nothing_is_recorded_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with Recorder(path) as recorder:
        describe(recorder)
    recorder.sent(call(CONNECT_GET_TYPE, None))
    recorder.mark_scrape()
    recorder.close()
    assert load_trace(path).lines == ()


def test_a_recording_that_is_cut_off_is_whole_up_to_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl.gz"
    with Recorder(path) as recorder:
        describe(recorder)
        recorder.sent(call(CONNECT_GET_TYPE, None))
        cut = path.read_bytes()
    assert len(zlib.decompressobj(wbits=31).decompress(cut).splitlines()) == 2


def test_a_file_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="it cannot be written: No such file or directory"):
        Recorder(tmp_path / "absent" / "trace.jsonl")
    with pytest.raises(TraceError, match="it cannot be written: Is a directory"):
        Recorder(tmp_path)


def test_a_full_disk_is_reported_at_the_next_scrape_and_at_the_end() -> None:
    recorder = Recorder("/dev/full")
    describe(recorder)
    # The session's calls are not disturbed.
    recorder.sent(call(CONNECT_GET_TYPE, None))
    with pytest.raises(TraceError, match="it cannot be written: No space left on device"):
        recorder.mark_scrape()
    with pytest.raises(TraceError, match="No space left on device"):
        recorder.close()


def test_a_full_disk_does_not_hide_the_error_that_ends_the_recording() -> None:
    recorder = Recorder("/dev/full")
    describe(recorder)
    with pytest.raises(KeyError), recorder:
        raise KeyError


REGISTER = p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY
EVENT_IDS = [DomainEventID.LIFECYCLE, DomainEventID.BALLOON_CHANGE]
EVENTS = [DomainBalloonChangeEvent(RUNNING, number) for number in range(6)]


async def record_events(path: Path) -> None:
    """Two scrapes of a daemon which, seconds behind each, sends three of EVENTS."""
    listed = t.ConnectListAllDomainsReply((RUNNING,), 1)
    answers: Answers = {REGISTER: returns(t.Number(0)), p.CONNECT_LIST_ALL_DOMAINS: returns(listed)}
    now = 100.0
    async with ScriptedDaemon(by_table({**HANDSHAKE, **answers})) as daemon:
        with Recorder(path, clock=lambda: now) as recorder:
            async with connect(daemon.uri, tap=recorder) as connection:
                describe(recorder)
                subscription = await subscribe(connection, EVENT_IDS)
                for sent in (EVENTS[:3], EVENTS[3:]):
                    recorder.mark_scrape()
                    await connection.list_all_domains()
                    now += 10
                    for event in sent:
                        daemon.peer.send(event_frame(event, callback_id=7).encode())
                        assert await anext(subscription) == event
                    now += 5


async def test_events_are_recorded_with_their_registrations(tmp_path: Path) -> None:
    await record_events(tmp_path / "trace.jsonl")
    loaded = load_trace(tmp_path / "trace.jsonl")
    lines = [line for line in loaded.lines if isinstance(line, FrameLine)]
    events = [line.frame for line in lines if line.frame.type == MessageType.MESSAGE]
    assert events == [event_frame(event, callback_id=7) for event in EVENTS]
    asked = [line.frame for line in lines if line.frame.procedure == REGISTER.number]
    arguments = [event_id.to_bytes(4) + bytes(4) for event_id in EVENT_IDS]
    callback_id = bytes(4)
    assert [frame.payload for frame in asked] == [*arguments, callback_id, callback_id]


async def test_recorded_events_come_between_the_scrapes_where_they_came(tmp_path: Path) -> None:
    await record_events(tmp_path / "trace.jsonl")
    loaded = load_trace(tmp_path / "trace.jsonl")
    async with connect("test:///default", dial=replay_dial(Replayer(loaded))) as connection:
        subscription = await subscribe(connection)
        assert subscription.ids == set(EVENT_IDS)
        assert set(subscription.refused) == DEFAULT_EVENT_IDS - set(EVENT_IDS)
        seen: list[Event] = []

        async def read() -> None:
            async for event in subscription:
                seen.append(event)  # noqa: PERF401  # one by one, as they come

        reading = asyncio.create_task(read())
        for count in (0, 3, 6, 9):
            await connection.list_all_domains()
            assert seen == [*EVENTS, *EVENTS][:count]
    await reading
    assert len(seen) == 9
