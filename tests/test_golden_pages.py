"""Recorded hypervisors against the pages that they must give."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.golden import (
    expected_page,
    has_events,
    recorded_calls,
    replayed_page,
    traces,
)


def _name(trace: Path) -> str:
    return f"{trace.parent.name}/{trace.name}"


def test_traces_of_an_old_and_a_new_libvirt_are_here() -> None:
    assert {trace.parent.name for trace in traces()} >= {"9.0.0", "12.8.0"}


@pytest.mark.parametrize("trace", traces(), ids=_name)
async def test_a_recorded_hypervisor_gives_its_golden_page(trace: Path) -> None:
    page, calls = await replayed_page(trace)
    assert page == expected_page(trace).read_text()
    asked = {(frame.program, frame.procedure, frame.payload) for frame in calls.sent_frames}
    # While things happen, what is asked in the background comes when it comes.
    assert has_events(trace) or asked >= set(recorded_calls(trace))


@pytest.mark.parametrize("trace", traces(), ids=_name)
def test_a_golden_page_parses(trace: Path) -> None:
    families = list(text_string_to_metric_families(expected_page(trace).read_text()))
    assert len(families) > 30
