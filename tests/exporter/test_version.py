from __future__ import annotations

import re

import exporter


def test_the_version_is_the_installed_one_or_zero() -> None:
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)+.*", exporter.__version__)
