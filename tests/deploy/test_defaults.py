"""/etc/default/libvirt-exporter names settings that there are."""

from __future__ import annotations

import re

from exporter.config import CONFIG_FILE, SETTINGS, load
from tests.deploy.conftest import REPOSITORY

TEXT = (REPOSITORY / "deploy/systemd/libvirt-exporter.default").read_text()
UNIT = (REPOSITORY / "deploy/systemd/libvirt-exporter.service").read_text()
VARIABLE = r"\b(LIBVIRT_EXPORTER_\w+)="


def test_every_variable_of_the_default_file_and_the_unit_is_a_setting() -> None:
    known = {setting.environment for setting in (CONFIG_FILE, *SETTINGS)}
    named = re.findall(VARIABLE, TEXT + UNIT)
    assert named
    assert set(named) <= known


def test_the_examples_of_the_default_file_are_valid_values() -> None:
    examples = dict(re.findall(r"^#(LIBVIRT_EXPORTER_\w+)=(.*)$", TEXT, re.MULTILINE))
    del examples[CONFIG_FILE.environment]
    config = load(None, flags={}, environ=examples)
    assert config.warnings == ()
    assert str(config.web.listen_address[0]) == examples["LIBVIRT_EXPORTER_WEB_LISTEN_ADDRESS"]
