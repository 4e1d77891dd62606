"""The manual page, and that the one that is kept is the one that is made."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from exporter.cli import cli
from exporter.config import SETTINGS
from exporter.manual import render
from tests.support import real_parts

PAGE = Path(__file__).parents[2] / "deploy/man/libvirt-exporter.1"


def test_the_page_that_is_kept_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: .ci/generate"


def test_every_command_and_every_setting_has_an_entry() -> None:
    plain = render().replace(r"\-", "-").replace(r"\fB", "").replace(r"\fR", "")
    entries = re.findall(r"^\.TP\n(.*)$", plain, re.MULTILINE)
    for name in cli.commands:
        assert [one for one in entries if one.split()[0] == name], name
    for setting in SETTINGS:
        spelling = setting.flag.removeprefix("--")
        assert [one for one in entries if re.match(rf"--(\[no-\])?{spelling}(=|$)", one)], spelling
        assert setting.environment in plain


@pytest.mark.integration
def test_man_shows_the_page_without_a_warning() -> None:
    man = real_parts.require("man")
    done = subprocess.run(
        [man, "--warnings", "--encoding=UTF-8", "--local-file", PAGE],
        check=True,
        capture_output=True,
        env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""},
    )
    assert done.stderr == b""
    assert "libvirt-exporter - Prometheus exporter for libvirt" in done.stdout.decode()


@pytest.mark.integration
def test_mandoc_finds_nothing_wrong_with_the_page() -> None:
    mandoc = real_parts.require("mandoc")
    done = subprocess.run(
        [mandoc, "-T", "lint", "-W", "warning", PAGE], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
