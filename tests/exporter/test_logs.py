"""Logs: one line a record whatever it holds, no secrets, and only news."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, show
from exporter.logs import JSONFormatter, StateLogger, TextFormatter, configure

# What a guest's owner may call a domain, to forge a line or to paint the terminal.
HOSTILE = [
    "vm\ntime=2025-01-01T00:00:00.000Z level=error message=forged",
    "vm\r\n",
    "vm\u2028line\u2029paragraph\u0085next",
    "\x1b[31mred\x1b[0m\x07",
    "\u202egnp.exe",
    'quote" level=error x="',
    "back\\slash\\n",
    "nul\0",
    "surrogate\udc80",
    "",
]


def make_record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("exporter.x", logging.WARNING, "x.py", 1, message, arguments, None)
    record.created = 1763799060.1239
    vars(record).update(fields)
    return record


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def test_a_text_line_is_logfmt() -> None:
    record = make_record(
        "%s of %d", "one", 2, domain="vm 1", seconds=0.5, ready=True, socket=None, n=3
    )
    assert TextFormatter().format(record) == (
        "time=2025-11-22T08:11:00.123Z level=warning logger=exporter.x "
        'message="one of 2" domain="vm 1" seconds=0.5 ready=true socket=null n=3'
    )


def test_a_json_line_is_one_object() -> None:
    record = make_record(
        "%s of %d", "one", 2, domain="vm \u00e9", seconds=0.5, ready=True, path=Path("x")
    )
    line = JSONFormatter().format(record)
    assert line.isascii()
    assert json.loads(line) == {
        "time": "2025-11-22T08:11:00.123Z",
        "level": "warning",
        "logger": "exporter.x",
        "message": "one of 2",
        "domain": "vm \u00e9",
        "seconds": 0.5,
        "ready": True,
        "path": "x",
    }


def test_a_field_cannot_take_the_place_of_the_records_own() -> None:
    record = make_record("real", level="forged", time="never", logger="other")
    parts = json.loads(JSONFormatter().format(record))
    assert (parts["message"], parts["level"], parts["logger"]) == ("real", "warning", "exporter.x")
    assert (parts["extra_level"], parts["extra_time"]) == ("forged", "never")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_know_becomes_text(value: float) -> None:
    parts = json.loads(
        JSONFormatter().format(make_record("x", n=value)), parse_constant=pytest.fail
    )
    assert parts["n"] == str(value)


@pytest.mark.parametrize("formatter", [TextFormatter(), JSONFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_forges_no_line(formatter: logging.Formatter, name: str) -> None:
    try:
        raise ValueError(name)
    except ValueError:
        record = make_record(f"domain {name}", domain=name)
        record.exc_info = sys.exc_info()
        record.stack_info = name
    line = formatter.format(record)
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    line.encode()
    assert line.count("level=error") == line.count("level=error x=") + line.count(
        "level=error message=forged"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_field_of_a_text_line_ends_where_its_value_ends(name: str) -> None:
    line = TextFormatter().format(make_record("x", domain=name, last="yes"))
    assert re.fullmatch(
        r'time=\S+ level=\S+ logger=\S+ message=x domain="(?:[^"\\]|\\.)*" last=yes', line
    )


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_in_any_place_gives_one_printable_line(message: str, value: str) -> None:
    record = make_record("%s", message, domain=value, **{"odd name\n=": value})
    assert TextFormatter().format(record).isprintable()
    parts = json.loads(JSONFormatter().format(record))
    if "://" not in message + value:
        assert (parts["message"], parts["domain"]) == (message, value)


def test_an_exception_is_one_field() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = make_record("failed")
        record.exc_info = sys.exc_info()
    parts = json.loads(JSONFormatter().format(record))
    assert parts["exception"].startswith("Traceback (most recent call last):\n")
    assert parts["exception"].endswith("\nValueError: broken")
    text = TextFormatter().format(record)
    assert text.endswith(r'\nValueError: broken"')


@pytest.mark.parametrize("formatter", [TextFormatter(), JSONFormatter()], ids=["text", "json"])
@pytest.mark.parametrize(
    "uri", ["qemu+tcp://someone:hunter2@host/system", "x://someone:hunter2@@h"]
)
def test_the_user_and_password_of_a_uri_are_masked_everywhere(
    formatter: logging.Formatter, uri: str
) -> None:
    try:
        raise ValueError(uri)
    except ValueError:
        record = make_record("cannot use %s", uri, target=uri, several=[uri])
        record.exc_info = sys.exc_info()
        record.stack_info = uri
    line = formatter.format(record)
    assert "hunter2" not in line
    assert "someone" not in line
    assert line.count("://***@h") == 5


def test_the_mask_leaves_other_uris_and_addresses_alone() -> None:
    text = "see https://host/a@b and qemu:///system and a@b"
    assert json.loads(JSONFormatter().format(make_record(text)))["message"] == text


def test_stderr_gets_lines_from_the_level_upwards(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", "text", None)
    logger = logging.getLogger("exporter.test")
    logger.info("quiet")
    logger.warning("loud", extra={"domain": "a\nb"})
    assert re.fullmatch(
        r'time=\S+Z level=warning logger=exporter\.test message=loud domain="a\\nb"\n',
        capsys.readouterr().err,
    )


def test_configuring_again_replaces_the_earlier_handler_and_leaves_foreign_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    foreign = logging.NullHandler()
    logging.getLogger().addHandler(foreign)
    configure("debug", "text", tmp_path / "log")
    configure("debug", "json", None)
    logging.getLogger("exporter.test").debug("once")
    assert json.loads(capsys.readouterr().err)["message"] == "once"
    assert (tmp_path / "log").read_text() == ""
    assert foreign in logging.getLogger().handlers


def test_a_log_file_that_cannot_be_opened_is_refused_and_the_earlier_log_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure("info", "text", None)
    file = tmp_path / "absent" / "log"
    with pytest.raises(ConfigError) as caught:
        configure("info", "json", file)
    assert str(caught.value) == (
        f"logging.file: cannot open the log file {show(str(file))}: No such file or directory"
    )
    with pytest.raises(ConfigError, match=r"cannot open the log file .*: not a file name"):
        configure("info", "json", Path("a\ud800"))
    logging.getLogger("exporter.test").info("still here")
    assert 'message="still here"' in capsys.readouterr().err


def test_a_rotated_log_file_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "log"
    configure("info", "text", file)
    logger = logging.getLogger("exporter.test")
    logger.info("first")
    file.rename(tmp_path / "log.1")
    logger.info("second")
    assert "message=first" in (tmp_path / "log.1").read_text()
    assert "message=second" in file.read_text()
    assert "message=second" not in (tmp_path / "log.1").read_text()


def test_lines_go_to_stderr_while_the_log_files_folder_is_gone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    configure("info", "text", folder / "log")
    logger = logging.getLogger("exporter.test")
    shutil.rmtree(folder)
    logger.info("homeless")
    logger.info("still homeless")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("message=")[2] for line in lines] == ["homeless", '"still homeless"']
    folder.mkdir()
    logger.info("back")
    assert "message=back" in (folder / "log").read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_lines_go_to_stderr_while_the_disk_is_full(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text", Path("/dev/full"))
    logging.getLogger("exporter.test").info("no room")
    assert capsys.readouterr().err.endswith(' message="no room"\n')
    configure("info", "text", None)


def test_a_line_of_wrong_arguments_does_not_raise(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    handler = configure("info", "text", tmp_path / "log")
    handler.handle(make_record("%d", "x"))
    assert "Logging error" in capsys.readouterr().err


class Lines(logging.Handler):
    """Collects what a logger of its own says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def logger(lines: Lines) -> logging.Logger:
    own = logging.Logger("exporter.states")  # noqa: LOG001 - outside of the global tree on purpose
    own.addHandler(lines)
    return own


def test_the_same_failure_is_logged_once_and_again_when_it_changes(
    logger: logging.Logger, lines: Lines
) -> None:
    states = StateLogger(logger)
    news = [states.failed("connect", text) for text in ("absent", "absent", "refused", "absent")]
    assert news == [True, False, True, True]
    assert lines.lines == ["WARNING absent", "WARNING refused", "WARNING absent"]


def test_the_recovery_is_logged_once_and_only_after_a_failure(
    logger: logging.Logger, lines: Lines
) -> None:
    states = StateLogger(logger)
    assert not states.recovered("connect", "connected")
    states.failed("connect", "absent", level=logging.ERROR)
    assert states.is_failing("connect")
    assert states.recovered("connect", "connected")
    assert not states.recovered("connect", "connected")
    assert not states.is_failing("connect")
    states.failed("connect", "absent")
    assert lines.lines == ["ERROR absent", "INFO connected", "WARNING absent"]


def test_failures_of_two_keys_do_not_mix(logger: logging.Logger, lines: Lines) -> None:
    states = StateLogger(logger)
    assert states.failed("a", "gone")
    assert states.failed("b", "gone")
    assert states.recovered("a", "a is back")
    assert not states.failed("b", "gone")
    states.forget("b")
    assert not states.recovered("b", "b is back")
    assert lines.lines == ["WARNING gone", "WARNING gone", "INFO a is back"]


def test_only_so_many_failures_are_remembered(logger: logging.Logger) -> None:
    states = StateLogger(logger, capacity=2)
    for key in ("a", "b", "a", "c"):  # "a" was seen after "b"
        states.failed(key, "gone")
    assert [states.is_failing(key) for key in "abc"] == [True, False, True]


def test_a_message_with_percent_signs_and_fields_named_like_a_records_own_is_logged(
    logger: logging.Logger, lines: Lines
) -> None:
    assert StateLogger(logger).failed("a", "100%s %d", name="vm", message="x", args=1)
    assert lines.lines == ["WARNING 100%s %d"]
