"""The unit files, by systemd's own judgement."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import REPOSITORY
from tests.support import real_parts

UNITS = REPOSITORY / "deploy/systemd"
SERVICE = UNITS / "libvirt-exporter.service"
LARGEST_EXPOSURE = 2.0

pytestmark = pytest.mark.integration


def exposure(unit: Path) -> float:
    analyze = real_parts.require("systemd-analyze")
    command = [analyze, "security", "--no-pager", "--offline=true", str(unit)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


def test_the_service_is_little_exposed_and_the_documents_say_how_little() -> None:
    level = exposure(SERVICE)
    assert level < LARGEST_EXPOSURE
    assert f"**{level}**" in (REPOSITORY / "docs/install.md").read_text()


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    analyze = real_parts.require("systemd-analyze")
    for unit in UNITS.glob("libvirt-exporter.*"):
        if unit.suffix != ".default":
            # The program need not be installed here.
            text = unit.read_text().replace("/usr/bin/libvirt-exporter", "/bin/true")
            (tmp_path / unit.name).write_text(text)
    units = sorted(tmp_path.iterdir())
    assert [unit.suffix for unit in units] == [".service", ".socket"]
    done = subprocess.run(
        [analyze, "verify", "--man=no", *units], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_commented_out_in_the_service_is_valid_too(tmp_path: Path) -> None:
    analyze = real_parts.require("systemd-analyze")
    text = SERVICE.read_text().replace("/usr/bin/libvirt-exporter", "/bin/true")
    uncommented = re.sub(r"^#(?=[A-Z][A-Za-z]+=)", "", text, flags=re.MULTILINE)
    assert uncommented != text
    (tmp_path / SERVICE.name).write_text(uncommented)
    done = subprocess.run(
        [analyze, "verify", "--man=no", tmp_path / SERVICE.name],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
