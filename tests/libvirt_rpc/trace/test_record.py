from __future__ import annotations

import base64
import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import TraceError
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.procedures import AUTH_LIST, CONNECT_GET_TYPE, CONNECT_OPEN, Procedure
from libvirt_rpc.protocol.xdr import codec_of
from libvirt_rpc.session import Session
from libvirt_rpc.trace.format import FrameLine, ScrapeMark, load_trace
from libvirt_rpc.trace.record import Recorder
from libvirt_rpc.trace.replay import Replayer, replay_dial
from libvirt_rpc.uri import parse_uri
from tests.libvirt_rpc.trace.traces import (
    HEADER,
    STARTED,
    call,
    exchange,
    prologue_lines,
    reply,
    trace,
)

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
