from __future__ import annotations

import re

import pytest

from exporter.catalogue import entries, render_markdown
from exporter.metrics.not_exported import NOT_EXPORTED, NotExported

METRICS = {entry.name for entry in entries()}


@pytest.mark.parametrize("row", NOT_EXPORTED, ids=lambda row: row.what)
def test_a_reason_is_a_sentence_and_names_only_metrics_that_there_are(row: NotExported) -> None:
    assert row.reason.endswith(".")
    assert row.reason[0].isupper() or row.reason.startswith("libvirt")
    named = set(re.findall(r"libvirt_[a-z_]+", row.reason))
    assert named <= METRICS


def test_the_catalogue_ends_with_the_table() -> None:
    _, _, table = render_markdown().partition("What peers export and this exporter does not")
    assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == [
        f"| {row.what}" for row in NOT_EXPORTED
    ]
