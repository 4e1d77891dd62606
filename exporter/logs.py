"""Structured logs on the standard library: text (logfmt) or JSON, one line a record.

A line break or an escape sequence in a message, a field or an exception is escaped, so that no name
from a guest can forge a line; the user part of every URI is masked, whoever put it there.
"""

import contextlib
import json
import logging
import math
import re
import sys
from collections import OrderedDict
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

from exporter.config import ConfigError, show

__all__ = ["JSONFormatter", "StateLogger", "TextFormatter", "configure"]

Field = str | int | float | bool | None

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",  # uvicorn's coloured copy of its message
    "message",
    "taskName",
}

# Anchored at "://" and ended by the first "/", so that a long line costs linear time.
_USER_INFO = re.compile(r"://[^/\s?#]*@")


def configure(level: str, log_format: str, file: Path | None) -> logging.Handler:
    """Sends all logging to the file or to stderr, in place of what an earlier call set up.

    Raises ConfigError for a file that cannot be opened; what was set up before then stays.
    """
    handler = logging.StreamHandler(sys.stderr) if file is None else _open(file)
    handler.setFormatter(_FORMATTERS[log_format]())
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each.formatter, _Formatter)]:
        root.removeHandler(earlier)
        with contextlib.suppress(OSError):  # what could not be written before still cannot
            earlier.close()
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    return handler


def _open(file: Path) -> logging.Handler:
    try:
        return _LogFile(file, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as exc:  # ValueError: a name that the file system cannot encode
        cause = getattr(exc, "strerror", None) or "not a file name"
        reason = f"cannot open the log file {show(str(file))}: {cause}"
        raise ConfigError("logging.file", reason) from exc


class _LogFile(WatchedFileHandler):
    """A log file that is opened again when it was rotated; what it cannot take goes to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # the standard handler lets a failed reopening through to the caller
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base's name
        if isinstance(sys.exc_info()[1], OSError):
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{self.format(record)}\n")
            return
        super().handleError(record)


class _Formatter(logging.Formatter):
    """Collects a record's parts in a fixed order; subclasses render them."""

    def _parts(self, record: logging.LogRecord) -> dict[str, Field]:
        parts: dict[str, Field] = {
            "time": _render_time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _mask(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD_ATTRIBUTES:
                parts[f"extra_{name}" if name in parts else name] = _plain(value)
        if record.exc_info:
            parts["exception"] = _mask(self.formatException(record.exc_info))
        if record.stack_info:
            parts["stack"] = _mask(record.stack_info)
        return parts


class TextFormatter(_Formatter):
    """Renders a record as logfmt: `time=... level=info logger=... message="..." key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        parts = self._parts(record)
        return " ".join(f"{_bare(name)}={_render_text(value)}" for name, value in parts.items())


class JSONFormatter(_Formatter):
    """Renders a record as one JSON object in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self._parts(record))


_FORMATTERS: dict[str, type[_Formatter]] = {"text": TextFormatter, "json": JSONFormatter}


def _render_time(seconds: float) -> str:
    time = datetime.fromtimestamp(seconds, UTC)
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _mask(text: str) -> str:
    return _USER_INFO.sub("://***@", text)


def _plain(value: object) -> Field:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _mask(str(value))


_NEEDS_QUOTES = re.compile(r'[\s="\\]')


def _render_text(value: Field) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if value and value.isprintable() and not _NEEDS_QUOTES.search(value):
        return value
    return f'"{"".join(_escape(character) for character in value)}"'


def _escape(character: str) -> str:
    if character == '"':
        return r"\""
    if character.isprintable() and character != "\\":
        return character
    return character.encode("unicode_escape").decode("ascii")


def _bare(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


class StateLogger:
    """Logs a failure when it is new or changed, not each time it is seen, and its end once.

    A failure is known by its key; at most `capacity` are remembered, the oldest is forgotten first.
    """

    def __init__(self, logger: logging.Logger, *, capacity: int = 10_000) -> None:
        self._logger = logger
        self._capacity = capacity
        self._failures: OrderedDict[str, str] = OrderedDict()

    def failed(
        self, key: str, message: str, /, *, level: int = logging.WARNING, **fields: object
    ) -> bool:
        """Notes that something fails; says whether that was news. Keep times out of `message`."""
        is_news = self._failures.get(key) != message
        self._failures[key] = message
        self._failures.move_to_end(key)
        if len(self._failures) > self._capacity:
            self._failures.popitem(last=False)
        if is_news:
            self._logger.log(level, message, extra=_extra(fields))
        return is_news

    def recovered(self, key: str, message: str, /, **fields: object) -> bool:
        """Notes that something works; says whether it had failed before."""
        had_failed = self._failures.pop(key, None) is not None
        if had_failed:
            self._logger.info(message, extra=_extra(fields))
        return had_failed

    def forget(self, key: str) -> None:
        """Drops a failure without a line, because what failed is gone."""
        self._failures.pop(key, None)

    def is_failing(self, key: str) -> bool:
        return key in self._failures


def _extra(fields: dict[str, object]) -> dict[str, object]:
    # logging refuses extra fields that would overwrite a record's own, such as "name".
    return {
        f"extra_{name}" if name in _STANDARD_ATTRIBUTES else name: value
        for name, value in fields.items()
    }
