"""Answers about one domain to the record that the bulk statistics would have made of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import metrics
from exporter.mapping import Mapping as Tables
from exporter.per_domain_stats.devices import Devices
from exporter.per_domain_stats.figures import Figures
from libvirt_rpc.enums import DomainMemoryStatTags, DomainStatsTypes, TypedParameterType
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.typed_params import TypedValue
from tests.support.driver_script import STATS

Tag = DomainMemoryStatTags
RUNNING = t.Domain("web", uuid.UUID(int=1), 3)
OFF = t.Domain("web", uuid.UUID(int=1), -1)
INFO = t.DomainInfo(1, 4096, 2048, 2, 7_000)

TABLES = Tables(
    metrics.GROUPS,
    metrics.INSTANCES,
    metrics.NOT_METRICS,
    metrics.QUIRKS,
    collectors=frozenset(group.collector for group in metrics.GROUPS),
)


def values_of(figures: Figures) -> dict[str, TypedValue]:
    record = figures.record({})
    return {} if record is None else dict(zip(record.layout.fields, record.values, strict=True))


def test_nothing_that_came_is_no_record() -> None:
    assert Figures(RUNNING, STATS).record({}) is None


# Whatever comes.

SIGNED = st.integers(-1, 2**63 - 1)
UNSIGNED = st.integers(0, 2**64 - 1)
NAMES = st.text(max_size=5)


@st.composite
def figures(draw: st.DrawFn) -> Figures:
    one = Figures(draw(st.sampled_from([RUNNING, OFF])), draw(st.sampled_from([STATS, STATE])))
    one.state = draw(st.none() | st.builds(t.DomainState, st.integers(0, 9), st.integers(-1, 9)))
    one.info = draw(
        st.none()
        | st.builds(
            t.DomainInfo, st.integers(0, 9), UNSIGNED, UNSIGNED, st.integers(0, 99), UNSIGNED
        )
    )
    one.devices = draw(
        st.none()
        | st.builds(
            Devices,
            st.lists(NAMES, max_size=3).map(tuple),
            st.lists(NAMES, max_size=3).map(tuple),
            st.none() | st.integers(1, 64),
        )
    )
    vcpu = st.builds(t.VcpuInfo, st.integers(0, 64), st.integers(0, 3), UNSIGNED, st.just(-1))
    one.vcpus = tuple(draw(st.lists(vcpu, max_size=3, unique_by=lambda it: it.number)))
    one.cpu = draw(st.dictionaries(st.sampled_from(["user_time", "cpu_time", "other"]), UNSIGNED))
    memory = st.dictionaries(st.integers(0, 20).map(Tag), UNSIGNED)
    one.memory = draw(st.none() | memory)
    one.knows_memory = draw(st.booleans())
    places = st.integers(0, 3)
    one.interfaces = draw(st.dictionaries(places, st.builds(t.DomainInterfaceStats, *[SIGNED] * 8)))
    keys = st.sampled_from(["rd_operations", "wr_bytes", "flush_total_times", "errs", "other"])
    one.disks = draw(
        st.dictionaries(
            places,
            st.dictionaries(keys, SIGNED) | st.builds(t.DomainBlockStats, *[SIGNED] * 5),
        )
    )
    one.sizes = draw(st.dictionaries(places, st.builds(t.DomainBlockInfo, *[UNSIGNED] * 3)))
    return one


STATE = DomainStatsTypes.STATE


@settings(deadline=None)
@given(figures())
def test_every_field_is_one_of_the_bulk_statistics_and_nothing_unknown_is_a_number(
    one: Figures,
) -> None:
    record = one.record({})
    if record is None:
        return
    assert TABLES.unknown_fields(record.layout) == ()
    assert len(set(record.layout.fields)) == len(record.layout.fields)
    for kind, value in zip(record.layout.types, record.values, strict=True):
        if kind is TypedParameterType.STRING:
            assert isinstance(value, str)
        elif kind is TypedParameterType.ULLONG:
            assert isinstance(value, int)
            assert value >= 0
    TABLES.plan(record)


@settings(deadline=None)
@given(figures(), figures())
def test_records_of_one_shape_have_one_layout(first: Figures, second: Figures) -> None:
    layouts: dict[object, object] = {}
    records = [one.record(layouts) for one in (first, second, first)]  # type: ignore[arg-type]  # a plain dict
    shapes = {(one.layout.fields, one.layout.types) for one in records if one is not None}
    assert len(layouts) == len(shapes) == len({one.layout for one in records if one is not None})


# Cases.


def memory_fields(memory: Mapping[Tag, int]) -> dict[str, TypedValue]:
    one = Figures(RUNNING, DomainStatsTypes.BALLOON, info=INFO, memory=memory, knows_memory=True)
    return values_of(one)


def test_the_balloons_own_figure_goes_before_that_of_the_information() -> None:
    assert memory_fields({})["balloon.current"] == 2048
    assert memory_fields({Tag.ACTUAL_BALLOON: 3072})["balloon.current"] == 3072


def test_while_the_balloons_figure_may_come_there_is_none() -> None:
    one = Figures(RUNNING, DomainStatsTypes.BALLOON, info=INFO)
    assert values_of(one) == {"balloon.maximum": 4096, "state.state": 1}


def test_memory_swapped_in_counts_beside_memory_swapped_out_alone() -> None:
    assert "balloon.swap_in" not in memory_fields({Tag.SWAP_IN: 5})
    assert memory_fields({Tag.SWAP_IN: 5, Tag.SWAP_OUT: 0})["balloon.swap_in"] == 5


def test_a_memory_figure_of_an_unknown_kind_is_passed_over() -> None:
    assert set(memory_fields({Tag(99): 5})) == {
        "state.state",
        "balloon.current",
        "balloon.maximum",
    }


@pytest.mark.parametrize(
    ("domain", "cpu_time", "fields"),
    [
        (RUNNING, 7_000, {"cpu.time"}),
        (RUNNING, 0, set[str]()),
        (OFF, 7_000, set[str]()),
    ],
)
def test_processor_time_is_that_of_a_running_domain_whose_driver_knows_it(
    domain: t.Domain, cpu_time: int, fields: set[str]
) -> None:
    info = t.DomainInfo(1, 4096, 2048, 2, cpu_time)
    one = Figures(domain, DomainStatsTypes.CPU_TOTAL, info=info)
    assert set(values_of(one)) == fields | {"state.state"}


def test_an_interface_without_a_device_is_counted_and_has_no_figures() -> None:
    one = Figures(
        RUNNING,
        DomainStatsTypes.INTERFACE,
        devices=Devices((), ("", "vnet1")),
        interfaces={1: t.DomainInterfaceStats(1, -1, -1, -1, 2, -1, -1, -1)},
    )
    assert values_of(one) == {
        "net.count": 2,
        "net.1.name": "vnet1",
        "net.1.rx.bytes": 1,
        "net.1.tx.bytes": 2,
    }


def test_a_size_of_zero_is_unknown_but_for_what_is_allocated() -> None:
    one = Figures(
        OFF,
        DomainStatsTypes.BLOCK,
        devices=Devices(("vda",)),
        sizes={0: t.DomainBlockInfo(0, 0, 0)},
    )
    assert values_of(one) == {"block.count": 1, "block.0.name": "vda", "block.0.allocation": 0}
