from __future__ import annotations

from pathlib import Path

import pytest

from exporter.metrics import GROUPS
from exporter.metrics.quirks import QUIRKS
from exporter.metrics.rows import LatencyHistogram, Quirk
from libvirt_rpc.enums import DomainState

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.prefix)
def test_a_quirk_has_a_trace_that_shows_it(quirk: Quirk) -> None:
    assert (FIXTURES / quirk.fixture).is_file()


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.prefix)
def test_a_quirk_says_why_and_concerns_known_fields(quirk: Quirk) -> None:
    assert quirk.reason.endswith(".")
    assert quirk.states
    fields = [
        row.bins if isinstance(row, LatencyHistogram) else row.field
        for group in GROUPS
        for row in group.rows
    ]
    assert any(field.startswith(quirk.prefix) for field in fields)


@pytest.mark.parametrize("state", DomainState)
def test_processor_time_is_kept_only_where_the_domain_has_a_process(state: DomainState) -> None:
    dropped = any(quirk.prefix == "cpu." and state in quirk.states for quirk in QUIRKS)
    assert dropped == (state not in {1, 2, 3, 4, 7})
