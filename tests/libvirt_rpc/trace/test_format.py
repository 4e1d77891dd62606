from __future__ import annotations

import base64
import contextlib
import dataclasses
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.errors import TraceError
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.constants import MAX_FRAME, MIN_FRAME, PROGRAM_VERSION, Program
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import (
    CONNECT_GET_TYPE,
    CONNECT_GET_URI,
    CONNECT_OPEN,
    PROCEDURES,
)
from libvirt_rpc.trace.format import (
    Direction,
    FrameLine,
    ScrapeMark,
    Trace,
    TraceHeader,
    has_secret,
    load_trace,
    render_header,
    render_line,
)
from tests.libvirt_rpc.trace.traces import (
    HEADER,
    call,
    prologue_lines,
    recorded_scrapes,
    rendered,
    reply,
    sent,
    trace,
)
from tests.support.strategies import mutations_of

UINTS = st.integers(0, 2**32 - 1)
SECONDS = st.floats(0, 1e10).map(lambda seconds: round(seconds, 6))
CALLS = st.sampled_from(sorted(PROCEDURES)) | st.tuples(
    UINTS | st.sampled_from(list(Program)), st.integers(-(2**31), 2**31 - 1) | st.integers(0, 80)
)
FRAMES = st.builds(
    lambda call, kind, serial, status, payload: Frame(
        call[0], PROGRAM_VERSION, call[1], kind, serial, status, payload
    ),
    CALLS,
    st.integers(0, 7) | UINTS,
    UINTS,
    st.integers(0, 3) | UINTS,
    st.binary(max_size=64),
)
FRAME_LINES = st.builds(FrameLine, SECONDS, st.sampled_from(Direction), FRAMES)
MARKS = st.builds(ScrapeMark, st.integers(1, 2**32 - 1), SECONDS, SECONDS)
HEADERS = st.builds(
    TraceHeader,
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.datetimes(timezones=st.just(UTC)),
    st.dictionaries(st.uuids(), SECONDS, max_size=3),
)


def without_secret(line: FrameLine) -> FrameLine:
    if not has_secret(line.frame):
        return line
    return dataclasses.replace(
        line, frame=dataclasses.replace(line.frame, payload=b""), withheld=True
    )


@given(HEADERS, st.lists(FRAME_LINES | MARKS, max_size=4))
def test_any_trace_round_trips_but_for_its_secrets(
    header: TraceHeader, lines: list[FrameLine | ScrapeMark]
) -> None:
    loaded = load_trace(rendered(Trace(header, tuple(lines))))
    assert loaded.header == header
    assert loaded.lines == tuple(
        line if isinstance(line, ScrapeMark) else without_secret(line) for line in lines
    )


@given(st.data())
def test_any_bytes_load_or_raise_trace_error(data: st.DataObject) -> None:
    good = rendered(trace(*prologue_lines()[:2], ScrapeMark(1, 0.0, 0.0)))
    garbage = data.draw(st.binary(max_size=64) | mutations_of(st.just(good)))
    # Anything but a TraceError would come through.
    with contextlib.suppress(TraceError):
        load_trace(data.draw(st.sampled_from([garbage, gzip.compress(garbage), good + garbage])))


def test_a_frame_is_written_with_the_names_of_its_numbers() -> None:
    row = json.loads(render_line(sent(call(CONNECT_GET_TYPE, None, 5))))
    assert row == {
        "time": 0.0,
        "direction": "sent",
        "program": "REMOTE",
        "procedure": "CONNECT_GET_TYPE",
        "type": "call",
        "serial": 5,
        "status": "ok",
        "payload": "",
    }


def test_numbers_without_a_name_are_written_as_numbers() -> None:
    frame = Frame(0x12345678, PROGRAM_VERSION, 9999, 77, 0, 9)
    row = json.loads(render_line(sent(frame)))
    assert (row["program"], row["procedure"], row["type"], row["status"]) == (
        305419896,
        9999,
        77,
        9,
    )


def test_the_header_is_written_as_documented() -> None:
    assert json.loads(render_header(HEADER)) == {
        "format": "libvirt-rpc-trace",
        "version": 1,
        "libvirt": "9.0.0",
        "hypervisor": "QEMU 7.2.22",
        "uri": "test:///default",
        "hostname": "host",
        "started": "2024-05-06T07:08:09Z",
        "start_times": {
            "00000000-0000-0000-0000-000000000001": HEADER.started.timestamp() - 1000.5
        },
    }


@pytest.mark.parametrize("number", [67, 68, 69, 70])
@pytest.mark.parametrize("direction", Direction)
def test_authentication_payloads_are_null_in_both_directions(
    number: int, direction: Direction
) -> None:
    frame = Frame(Program.REMOTE, PROGRAM_VERSION, number, 0, 0, payload=b"s3cret")
    assert json.loads(render_line(FrameLine(0.0, direction, frame)))["payload"] is None


def test_the_list_of_authentication_types_is_kept() -> None:
    frame = Frame(Program.REMOTE, PROGRAM_VERSION, 66, 1, 0, payload=b"kept")
    assert json.loads(render_line(sent(frame)))["payload"] == base64.b64encode(b"kept").decode()


@pytest.mark.parametrize("uri", ["esx://root@host/", "xen:///system?token=abc"])
def test_a_uri_that_may_hold_a_secret_is_null(uri: str) -> None:
    opened = call(CONNECT_OPEN, t.ConnectOpenArgs(uri, 1))
    answered = reply(CONNECT_GET_URI, t.String(uri))
    for frame in (opened, answered):
        assert json.loads(render_line(sent(frame)))["payload"] is None


def test_what_was_withheld_stays_so() -> None:
    line = dataclasses.replace(sent(call(CONNECT_GET_TYPE, None)), withheld=True)
    assert load_trace(rendered(trace(line))).lines == (line,)


@pytest.mark.parametrize("length", [63, 64])
def test_a_plain_uri_is_kept_whatever_its_length(length: int) -> None:
    # 63 and 64, as bytes of a length word, are the question mark and the at sign.
    uri = "test:///".ljust(length, "x")
    assert not has_secret(call(CONNECT_OPEN, t.ConnectOpenArgs(uri, 1)))
    assert not has_secret(reply(CONNECT_GET_URI, t.String(uri)))


def test_plain_and_gzipped_files_and_their_bytes_load_the_same(tmp_path: Path) -> None:
    recorded = recorded_scrapes(2)
    data = rendered(recorded)
    # The name does not matter when reading.
    plain, zipped = tmp_path / "plain.gz", tmp_path / "zipped.jsonl"
    plain.write_bytes(data)
    zipped.write_bytes(gzip.compress(data))
    for source in (plain, str(zipped), data, gzip.compress(data)):
        assert load_trace(source) == recorded


def test_unknown_keys_are_passed_over() -> None:
    lines = [json.loads(line) for line in rendered(recorded_scrapes(1)).splitlines()]
    data = b"\n".join(json.dumps({**line, "later": {"a": [1]}}).encode() for line in lines)
    assert load_trace(data) == recorded_scrapes(1)


def test_a_start_in_another_zone_is_read_as_utc() -> None:
    header = json.loads(render_header(HEADER)) | {"started": "2024-05-06T09:08:09.5+02:00"}
    expected = datetime(2024, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)
    assert load_trace(json.dumps(header).encode()).header.started == expected


def changed(line: bytes, change: dict[str, Any]) -> bytes:
    row = json.loads(line)
    for key, value in change.items():
        if value is ...:
            del row[key]
        else:
            row[key] = value
    return json.dumps(row).encode() + b"\n"


GOOD_HEADER = render_header(HEADER)
GOOD_FRAME = render_line(sent(call(CONNECT_GET_TYPE, None)))
GOOD_MARK = render_line(ScrapeMark(1, 0.5, 1.5))
TOO_MUCH = base64.b64encode(bytes(MAX_FRAME - MIN_FRAME + 1)).decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "pcap"}, 'no trace: the first line lacks "format": "libvirt-rpc-trace"'),
        ({"format": ...}, "no trace"),
        ({"version": 2}, '"version" is 2; 1 is what is read here'),
        ({"version": ...}, '"version" is None'),
        ({"libvirt": 9}, '"libvirt" is 9, not a text'),
        ({"hypervisor": None}, '"hypervisor" is None, not a text'),
        ({"uri": ...}, '"uri" is missing'),
        ({"hostname": []}, '"hostname" is [], not a text'),
        ({"started": "yesterday"}, "\"started\" is 'yesterday', not a time such as"),
        ({"started": "2024-05-06T07:08:09"}, '"started" is'),
        ({"started": 5}, '"started" is 5'),
        ({"start_times": []}, '"start_times" is []'),
        ({"start_times": {"no uuid": 1}}, '"start_times" is'),
        ({"start_times": {str(next(iter(HEADER.start_times))): "1"}}, '"start_times" is'),
    ],
)
def test_a_wrong_header_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(changed(GOOD_HEADER, change))
    assert caught.value.line == 1
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": -1}, '"time" is -1, not a number of seconds'),
        ({"time": float("nan")}, '"time" is nan'),
        ({"time": 10**400}, '"time" is 1000'),
        ({"time": True}, '"time" is True'),
        ({"time": ...}, '"time" is missing'),
        ({"direction": "up"}, '"direction" is \'up\', not "sent" or "received"'),
        ({"direction": ...}, '"direction" is missing'),
        ({"program": "ADMIN"}, "\"program\" is 'ADMIN', not a known name or a number"),
        ({"program": 2**32}, '"program" is 4294967296'),
        ({"procedure": "NO_SUCH"}, "\"procedure\" is 'NO_SUCH'"),
        ({"procedure": 2**31}, '"procedure" is 2147483648'),
        ({"procedure": 1.5}, '"procedure" is 1.5'),
        ({"type": "letter"}, "\"type\" is 'letter'"),
        ({"serial": -1}, '"serial" is -1, not a whole number'),
        ({"serial": "1"}, "\"serial\" is '1'"),
        ({"serial": False}, '"serial" is False'),
        ({"status": "good"}, "\"status\" is 'good'"),
        ({"payload": "abc"}, "\"payload\" is 'abc', not base64"),
        ({"payload": "ab c="}, '"payload" is'),
        ({"payload": "é"}, '"payload" is'),
        ({"payload": 5}, '"payload" is 5'),
        ({"payload": ...}, '"payload" is missing'),
        ({"payload": TOO_MUCH}, "what a frame can carry"),
    ],
)
def test_a_wrong_frame_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(GOOD_HEADER + GOOD_MARK + changed(GOOD_FRAME, change))
    assert caught.value.line == 3
    assert words in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scrape": 0}, '"scrape" is 0, not a whole number from 1'),
        ({"scrape": "first"}, "\"scrape\" is 'first'"),
        ({"at": "now"}, "\"at\" is 'now', not a number of seconds"),
        ({"at": ...}, '"at" is missing'),
        ({"time": None}, '"time" is None'),
    ],
)
def test_a_wrong_mark_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(GOOD_HEADER + changed(GOOD_MARK, change))
    assert caught.value.line == 2
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (GOOD_FRAME[:20], "no JSON at column"),
        (b"\n", "no JSON at column"),
        (b'{"a": "\xff"}\n', "utf-8"),
        (b"[1]\n", "no JSON object"),
        (b"1" * 5000, "limit"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused(line: bytes, words: str) -> None:
    with pytest.raises(TraceError) as caught:
        load_trace(GOOD_HEADER + line)
    assert caught.value.line == 2
    assert words in str(caught.value)


def test_truncated_and_damaged_gzip_data_are_refused() -> None:
    zipped = gzip.compress(rendered(recorded_scrapes(3)))
    damaged = bytearray(zipped)
    damaged[len(zipped) // 2] ^= 0xFF
    wrong_sum = zipped[:-8] + bytes(8)
    for data in (zipped[: len(zipped) // 2], zipped[:-1], zipped[:3], bytes(damaged), wrong_sum):
        with pytest.raises(TraceError, match=r"gzip data|JSON|base64") as caught:
            load_trace(data)
        assert caught.value.line


def test_what_is_too_large_is_refused_before_it_is_held_in_memory() -> None:
    data = rendered(trace(*prologue_lines()))
    assert load_trace(data, max_bytes=len(data)).lines
    with pytest.raises(TraceError, match=r"larger than \d+ bytes"):
        load_trace(data, max_bytes=len(data) - 1)
    bomb = gzip.compress(bytes(10_000_000))
    with pytest.raises(TraceError, match="line 1: the trace is larger than 1000 bytes"):
        load_trace(bomb, max_bytes=1000)


def test_an_empty_file_and_one_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="it is empty"):
        load_trace(b"")
    with pytest.raises(TraceError, match="it cannot be read: No such file or directory") as caught:
        load_trace(tmp_path / "absent")
    assert caught.value.trace == str(tmp_path / "absent")
    with pytest.raises(TraceError, match="it cannot be read: Is a directory"):
        load_trace(tmp_path)
