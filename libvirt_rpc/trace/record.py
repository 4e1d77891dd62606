"""Writes what a session sends and receives into a trace file, line by line as it happens.

The lines wait in memory until `describe` tells the header's facts, which become known over the same
connection. The session is never disturbed: a file that can no longer be written is reported by
`mark_scrape` and `close`.
"""

from __future__ import annotations

import contextlib
import gzip
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from libvirt_rpc.errors import TraceError
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.trace.format import (
    Direction,
    FrameLine,
    Line,
    ScrapeMark,
    TraceHeader,
    render_header,
    render_line,
)
from libvirt_rpc.uri import ConnectionURI


class Recorder:
    """A FrameTap into the file `path`, gzipped where its name ends in .gz. Close it, or use `with`.

    Raises TraceError at once where the file cannot be made.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._wall_clock = wall_clock
        self._started = clock()
        self._started_at = datetime.fromtimestamp(wall_clock(), UTC)
        self._scrapes = 0
        self._waiting: list[bytes] | None = []
        self._error: OSError | None = None
        self._closed = False
        self._files = contextlib.ExitStack()
        try:
            file = self._files.enter_context(self._path.open("wb"))
        except OSError as exc:
            raise self._trace_error(exc) from exc
        self._file: BinaryIO | gzip.GzipFile = file
        if self._path.suffix == ".gz":
            zipped = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
            self._file = self._files.enter_context(zipped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # An error that is on its way already says more than the file's.
        with contextlib.suppress(TraceError) if error else contextlib.nullcontext():
            self.close()

    def describe(
        self,
        *,
        libvirt: str,
        hypervisor: str,
        uri: ConnectionURI | None,
        hostname: str,
        start_times: Mapping[uuid.UUID, float],
    ) -> None:
        """Writes the header, its URI redacted, and what has waited. The first time counts."""
        if self._waiting is None:
            return
        redacted = uri.redacted if uri else ""
        header = TraceHeader(libvirt, hypervisor, redacted, hostname, self._started_at, start_times)
        waiting, self._waiting = self._waiting, None
        self._write(b"".join((render_header(header), *waiting)))

    def sent(self, frame: Frame) -> None:
        self._put(FrameLine(self._elapsed(), Direction.SENT, frame))

    def received(self, frame: Frame) -> None:
        self._put(FrameLine(self._elapsed(), Direction.RECEIVED, frame))

    def mark_scrape(self) -> None:
        """Says that the next scrape begins. Raises TraceError where the file failed meanwhile."""
        self._scrapes += 1
        self._put(ScrapeMark(self._scrapes, self._elapsed(), round(self._wall_clock(), 6)))
        self._raise_failure()

    def close(self) -> None:
        """Ends the file; what comes later is not recorded. Raises TraceError if it is not whole."""
        self.describe(libvirt="", hypervisor="", uri=None, hostname="", start_times={})
        self._closed = True
        try:
            self._files.close()
        except OSError as exc:
            self._error = self._error or exc
        self._raise_failure()

    def _elapsed(self) -> float:
        return round(self._clock() - self._started, 6)

    def _put(self, line: Line) -> None:
        # Rendered at once, so that no secret waits in memory either.
        rendered = render_line(line)
        if self._waiting is not None:
            self._waiting.append(rendered)
        else:
            self._write(rendered)

    def _write(self, data: bytes) -> None:
        if self._closed or self._error is not None:
            return
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as exc:
            self._error = exc

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise self._trace_error(self._error) from self._error

    def _trace_error(self, exc: OSError) -> TraceError:
        return TraceError(str(self._path), f"it cannot be written: {exc.strerror or exc}")
