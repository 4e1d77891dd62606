"""The lines of a trace: values to JSON and back, and whole traces read with their bounds checked.

One JSON object a line: a header, then frames and marks of scrapes, in the order of time. What
authenticates, and a URI that may hold a user or a secret, is never rendered: such a frame's payload
is null. Keys that are not known here are passed over.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import math
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeVar

from libvirt_rpc.errors import TraceError
from libvirt_rpc.protocol.constants import (
    MAX_FRAME,
    MIN_FRAME,
    PROGRAM_VERSION,
    KeepaliveProcedure,
    MessageType,
    Program,
    Status,
)
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import CONNECT_GET_URI, CONNECT_OPEN, PROCEDURES

T = TypeVar("T")

FORMAT = "libvirt-rpc-trace"
VERSION = 1
MAX_TRACE_BYTES = 256 * 1024 * 1024
"""What a trace may take, uncompressed: it is held in memory whole."""

_UINT_MAX = 0xFFFFFFFF
_INT_MAX = 0x7FFFFFFF
_GZIP_MAGIC = b"\x1f\x8b"


class Direction(StrEnum):
    """Which way a frame went, as the client sees it."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """What was recorded. Texts are empty where the recorder did not learn them.

    `uri` is redacted; `started` is UTC; `start_times` has the start of each domain's process in
    seconds since the epoch, by the domain's UUID.
    """

    libvirt: str
    hypervisor: str
    uri: str
    hostname: str
    started: datetime
    start_times: Mapping[uuid.UUID, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A frame, seconds after the recording began; without its payload where `withheld`."""

    time: float
    direction: Direction
    frame: Frame
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class ScrapeMark:
    """The beginning of the scrape `number` (from 1); `at` is in seconds since the epoch."""

    number: int
    time: float
    at: float


Line = FrameLine | ScrapeMark


@dataclass(frozen=True, slots=True)
class Trace:
    header: TraceHeader
    lines: tuple[Line, ...]


_PROGRAMS = {program.name: int(program) for program in Program}
_TYPES = {kind.name.lower(): int(kind) for kind in MessageType}
_STATUSES = {status.name.lower(): int(status) for status in Status}
_PROCEDURES: dict[int, dict[str, int]] = {
    Program.KEEPALIVE: {procedure.name: int(procedure) for procedure in KeepaliveProcedure}
}
for _known in PROCEDURES.values():
    _PROCEDURES.setdefault(_known.program, {})[_known.name] = _known.number

_AUTHENTICATION = range(67, 71)
"""REMOTE's AUTH_SASL_INIT, _START, _STEP and AUTH_POLKIT; AUTH_LIST (66) tells no secret."""
_CARRY_A_URI = (CONNECT_OPEN.number, CONNECT_GET_URI.number)
_URI_BEGINS = 8
"""Behind so many bytes a payload's length words have ended, which may look like any character."""


def has_secret(frame: Frame) -> bool:
    """Whether the payload may hold credentials: an authentication's, or a URI's user or query."""
    if frame.program != Program.REMOTE:
        return False
    if frame.procedure in _AUTHENTICATION:
        return True
    uri = frame.payload[_URI_BEGINS:]
    return frame.procedure in _CARRY_A_URI and (b"@" in uri or b"?" in uri)


# To JSON.


def render_header(header: TraceHeader) -> bytes:
    """The first line of a trace."""
    return _rendered(
        {
            "format": FORMAT,
            "version": VERSION,
            "libvirt": header.libvirt,
            "hypervisor": header.hypervisor,
            "uri": header.uri,
            "hostname": header.hostname,
            "started": header.started.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "start_times": {str(one): start for one, start in header.start_times.items()},
        }
    )


def render_line(line: Line) -> bytes:
    """A later line of a trace, without what nobody may read."""
    if isinstance(line, ScrapeMark):
        return _rendered({"scrape": line.number, "time": line.time, "at": line.at})
    frame = line.frame
    withheld = line.withheld or has_secret(frame)
    return _rendered(
        {
            "time": line.time,
            "direction": line.direction,
            "program": _named(_PROGRAMS, frame.program),
            "procedure": _named(_PROCEDURES.get(frame.program, {}), frame.procedure),
            "type": _named(_TYPES, frame.type),
            "serial": frame.serial,
            "status": _named(_STATUSES, frame.status),
            "payload": None if withheld else base64.b64encode(frame.payload).decode(),
        }
    )


def _rendered(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _named(names: Mapping[str, int], number: int) -> str | int:
    return next((name for name, known in names.items() if known == number), number)


# From JSON.


def load_trace(source: str | PathLike[str] | bytes, *, max_bytes: int = MAX_TRACE_BYTES) -> Trace:
    """Reads the trace in a file, or in the bytes of one, gzipped or not. Raises TraceError."""
    name = "in memory" if isinstance(source, bytes) else str(source)
    header: TraceHeader | None = None
    lines: list[Line] = []
    number, left = 0, max_bytes
    try:
        with _opened(source) as file:
            while raw := file.readline(left + 1):
                number += 1
                left -= len(raw)
                if left < 0:
                    raise ValueError(f"the trace is larger than {max_bytes} bytes")
                if header is None:
                    header = _parse_header(_row(raw))
                else:
                    lines.append(_parse_line(_row(raw)))
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise TraceError(name, f"damaged or truncated gzip data: {exc}", number + 1) from exc
    except OSError as exc:
        raise TraceError(name, f"it cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise TraceError(name, str(exc), number) from exc
    if header is None:
        raise TraceError(name, "it is empty")
    return Trace(header, tuple(lines))


@contextlib.contextmanager
def _opened(source: str | PathLike[str] | bytes) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as raw:
        zipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        if zipped:
            with gzip.GzipFile(fileobj=raw, mode="rb") as file:
                yield file
        else:
            yield raw


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode())
    except json.JSONDecodeError as exc:
        raise ValueError(f"no JSON at column {exc.colno}: {exc.msg}") from None
    if not isinstance(row, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # the fault is in the data
    return row


def _parse_header(row: dict[str, Any]) -> TraceHeader:
    if row.get("format") != FORMAT:
        raise ValueError(f'no trace: the first line lacks "format": "{FORMAT}"')
    if row.get("version") != VERSION:
        raise ValueError(
            f'"version" is {row.get("version")!r:.100}; {VERSION} is what is read here'
        )
    return TraceHeader(
        libvirt=_take(row, "libvirt", _text, "a text"),
        hypervisor=_take(row, "hypervisor", _text, "a text"),
        uri=_take(row, "uri", _text, "a text"),
        hostname=_take(row, "hostname", _text, "a text"),
        started=_take(row, "started", _moment, "a time such as 2024-05-06T07:08:09Z"),
        start_times=_take(row, "start_times", _start_times, "an object of seconds by UUID"),
    )


def _parse_line(row: dict[str, Any]) -> Line:
    time = _take(row, "time", _seconds, "a number of seconds")
    if "scrape" in row:
        number = _take(row, "scrape", _number({}, 1), "a whole number from 1")
        return ScrapeMark(number, time, _take(row, "at", _seconds, "a number of seconds"))
    direction = _take(row, "direction", Direction, '"sent" or "received"')
    program = _take(row, "program", _number(_PROGRAMS), "a known name or a number")
    procedure = _number(_PROCEDURES.get(program, {}), -_INT_MAX - 1, _INT_MAX)
    frame = Frame(
        program,
        PROGRAM_VERSION,
        _take(row, "procedure", procedure, "a known name or a number"),
        _take(row, "type", _number(_TYPES), "a known name or a number"),
        _take(row, "serial", _number({}), "a whole number"),
        _take(row, "status", _number(_STATUSES), "a known name or a number"),
        _take(row, "payload", _payload, "base64 of what a frame can carry, or null"),
    )
    return FrameLine(time, direction, frame, withheld=row["payload"] is None)


def _take(row: dict[str, Any], key: str, read: Callable[[Any], T], wanted: str) -> T:
    """What `read` makes of the value; where it raises, the value is not what is wanted."""
    if key not in row:
        raise ValueError(f'"{key}" is missing')
    try:
        return read(row[key])
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise ValueError(f'"{key}" is {row[key]!r:.100}, not {wanted}') from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(
    names: Mapping[str, int], minimum: int = 0, maximum: int = _UINT_MAX
) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = names.get(value) if isinstance(value, str) else value
        if type(number) is not int or not minimum <= number <= maximum:
            raise ValueError
        return number

    return read


def _seconds(value: Any) -> float:
    if type(value) not in {int, float} or not 0 <= value < math.inf:
        raise ValueError
    return float(value)


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _start_times(value: Any) -> dict[uuid.UUID, float]:
    return {uuid.UUID(one): _seconds(start) for one, start in value.items()}


def _payload(value: Any) -> bytes:
    payload = b"" if value is None else base64.b64decode(value, validate=True)
    if len(payload) > MAX_FRAME - MIN_FRAME:
        raise ValueError
    return payload
