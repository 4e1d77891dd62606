"""The engine against scripted drivers: what each offers, on time, and past whatever hangs."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.bulk_stats import Collected
from exporter.per_domain_stats.calls import GRACE_SECONDS, LOST_SECONDS
from exporter.per_domain_stats.devices import DOUBT_SECONDS, REFRESH_SECONDS
from libvirt_rpc.enums import DomainEventType, DomainStatsTypes, domain_event_detail
from libvirt_rpc.errors import CallTimeout, NoSupport, RemoteError, SessionClosed
from libvirt_rpc.protocol import events as e
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from tests.support.daemon import Answer, refuses, returns
from tests.support.driver_script import DRIVERS, MAY_HANG, STATS, Called, Guest, ScriptedDriver
from tests.support.virtual_time import VirtualClock, in_virtual_time

MARGIN = 0.15
"""Seconds that a collection may end behind its deadline: it looks at the clock every 0.1 s."""

BUSY = refuses(68, "Timed out during operation: cannot acquire state change lock")


def names(collected: Collected, uuids: Iterable[uuid.UUID]) -> set[str]:
    return {one.name for one in collected.domains if one.uuid in set(uuids)}


def missing(collected: Collected) -> set[str]:
    return names(collected, collected.missing)


def values_of(collected: Collected, guest: Guest) -> dict[str, object]:
    record = collected.records[guest.domain.uuid]
    return dict(zip(record.layout.fields, record.values, strict=True))


def assert_every_domain_is_accounted_for(collected: Collected) -> None:
    listed = {domain.uuid for domain in collected.domains}
    assert listed == collected.records.keys() | collected.missing | collected.vanished
    assert not collected.vanished & (collected.records.keys() | collected.missing)


async def settled() -> None:
    """Until everything that was sent has arrived, and late replies were dropped."""
    await asyncio.sleep(0.01)


# What each driver offers.

EVERY_DRIVER = {
    "state.state": 1,
    "state.reason": 1,
    "balloon.current": 1024,
    "balloon.maximum": 2048,
    "vcpu.current": 2,
    "vcpu.maximum": 4,
    "net.count": 2,
    "block.count": 2,
    "block.0.name": "xvda",
    "block.1.name": "xvdb",
}
CPU_TIME = {"cpu.time": 1_500_000_000}
CPU_SPLIT = {"cpu.user": 900_000_000, "cpu.system": 400_000_000}
VCPUS = {
    "vcpu.0.state": 1,
    "vcpu.0.time": 700_000_000,
    "vcpu.2.state": 2,
    "vcpu.2.time": 800_000_000,
}
INTERFACE = {
    "net.0.name": "vif-vm-00000",
    "net.0.rx.bytes": 100,
    "net.0.rx.pkts": 2,
    "net.0.rx.errs": 0,
    "net.0.rx.drop": 0,
    "net.0.tx.bytes": 300,
    "net.0.tx.pkts": 4,
}
DISKS = {
    f"block.{disk}.{name}": value
    for disk in (0, 1)
    for name, value in (("rd.reqs", 10), ("rd.bytes", 4096), ("wr.reqs", 20), ("wr.bytes", 8192))
}
MORE_OF_DISKS = {
    f"block.{disk}.{name}": value
    for disk in (0, 1)
    for name, value in (("rd.times", 5_000_000), ("fl.reqs", 3))
}
SIZES = {
    f"block.{disk}.{name}": value
    for disk in (0, 1)
    for name, value in (("allocation", 4096), ("capacity", 1 << 30), ("physical", 8192))
}
MORE_OF_MEMORY = {
    "balloon.swap_in": 300,
    "balloon.swap_out": 200,
    "balloon.major_fault": 7,
    "balloon.unused": 100,
}
RSS = {"balloon.rss": 300}


@pytest.mark.parametrize(
    ("driver", "own"),
    [
        ("LXC", {**CPU_TIME, **CPU_SPLIT, **RSS, **INTERFACE, **DISKS}),
        ("Xen", {**CPU_TIME, "balloon.available": 2048, **VCPUS, **INTERFACE, **DISKS}),
        # The driver gives no CPU time in DOMAIN_GET_INFO.
        ("CH", VCPUS),
        ("BHYVE", CPU_TIME),
        (
            "all",
            {
                **CPU_TIME,
                **CPU_SPLIT,
                **RSS,
                **MORE_OF_MEMORY,
                **VCPUS,
                **INTERFACE,
                **DISKS,
                **MORE_OF_DISKS,
                **SIZES,
            },
        ),
    ],
)
def test_a_running_domain_has_what_its_driver_offers(driver: str, own: dict[str, object]) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(3, driver=driver, clock=clock) as host:
            collected = await host.collect()
            assert values_of(collected, host.guests[0]) == EVERY_DRIVER | own
            assert not collected.missing | collected.vanished
            assert not collected.errors

    collecting()


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_inactive_domain_has_its_state_and_memory(driver: str) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(inactive=1, driver=driver, clock=clock) as host:
            collected = await host.collect()
            expected = {"state.state": 5, "state.reason": 2, **EVERY_DRIVER} | {
                "state.state": 5,
                "state.reason": 2,
            }
            del expected["net.count"]
            sizes = SIZES if driver == "all" else {}
            assert values_of(collected, host.guests[0]) == expected | sizes
            assert not collected.missing

    collecting()


@pytest.mark.parametrize("driver", ["LXC", "Xen", "CH", "BHYVE"])
def test_what_a_driver_refuses_is_not_asked_for_again(driver: str) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(30, inactive=5, driver=driver, clock=clock) as host:
            await host.collect()
            host.asked.clear()
            await host.collect()
            assert {one.procedure for one in host.asked} <= host.offers
            reasons = host.hypervisor.availability.reasons
            assert set(reasons.values()) == {"", "unsupported"}
            await host.hypervisor.close()
            await host.hypervisor.open()
            await host.collect()
            assert not {one.procedure for one in host.asked} <= host.offers

    collecting()


@in_virtual_time
async def test_disks_are_asked_for_once_and_plainly_where_there_are_no_flags(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(1, clock=clock) as host:
        host.offers.remove(p.DOMAIN_BLOCK_STATS_FLAGS)
        await host.collect()
        host.asked.clear()
        collected = await host.collect()
        calls = Counter(one.procedure for one in host.asked)
        assert calls[p.DOMAIN_BLOCK_STATS] == 2
        assert not calls[p.DOMAIN_BLOCK_STATS_FLAGS]
        assert DISKS.items() <= values_of(collected, host.guests[0]).items()


def calls_for(*procedures: Called) -> set[Called]:
    return set(procedures)


INFO, XML = p.DOMAIN_GET_INFO, p.DOMAIN_GET_XML_DESC


@pytest.mark.parametrize(
    ("stats", "called"),
    [
        (DomainStatsTypes.STATE, calls_for()),
        (DomainStatsTypes.CPU_TOTAL, calls_for(INFO, p.DOMAIN_GET_CPU_STATS)),
        (DomainStatsTypes.BALLOON, calls_for(INFO, p.DOMAIN_MEMORY_STATS)),
        (DomainStatsTypes.VCPU, calls_for(INFO, XML, p.DOMAIN_GET_VCPUS)),
        (DomainStatsTypes.INTERFACE, calls_for(XML, p.DOMAIN_INTERFACE_STATS)),
        (
            DomainStatsTypes.BLOCK,
            calls_for(XML, p.DOMAIN_BLOCK_STATS_FLAGS, p.DOMAIN_GET_BLOCK_INFO),
        ),
        (DomainStatsTypes.PERF | DomainStatsTypes.DIRTYRATE, calls_for()),
    ],
)
def test_only_the_groups_that_are_wanted_are_asked_for(
    stats: DomainStatsTypes, called: set[Called]
) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(1, clock=clock) as host:
            await host.collect(stats=stats | DomainStatsTypes.STATE)
            assert {one.procedure for one in host.asked} == called | {p.DOMAIN_GET_STATE}

    collecting()


@in_virtual_time
async def test_without_a_call_for_the_state_its_number_comes_with_the_rest(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(1, clock=clock) as host:
        host.offers.remove(p.DOMAIN_GET_STATE)
        collected = await host.collect()
        values = values_of(collected, host.guests[0])
        assert values["state.state"] == 1
        assert "state.reason" not in values


# Domains and their list.


@in_virtual_time
async def test_the_domains_are_sorted_by_name_and_chosen_from(clock: VirtualClock) -> None:
    async with ScriptedDriver(5, inactive=3, clock=clock) as host:
        host.guests.reverse()
        listed: list[tuple[t.Domain, ...]] = []

        async def choose(domains: tuple[t.Domain, ...]) -> tuple[t.Domain, ...]:
            return domains[1:]

        collected = await host.engine.collect(
            STATS, host.deadline(10), choose=choose, on_list=listed.append
        )
        expected = sorted(guest.domain.name for guest in host.guests)[1:]
        assert [one.name for one in collected.domains] == expected
        assert listed == [collected.domains]
        assert {one.name for one in host.asked} == set(expected)


@in_virtual_time
async def test_a_list_that_is_too_long_comes_in_halves(clock: VirtualClock) -> None:
    async with ScriptedDriver(40, inactive=40, clock=clock) as host:
        host.longest_list = 50
        collected = await host.collect()
        assert len(collected.records) == 80


@in_virtual_time
async def test_a_list_that_hangs_is_not_asked_for_twice(clock: VirtualClock) -> None:
    async with ScriptedDriver(2, clock=clock) as host:
        host.list_hangs = True
        for _ in range(3):
            started = clock.now
            with pytest.raises(CallTimeout):
                await host.collect(2.0)
            assert clock.now - started <= 2.0 + MARGIN
            assert host.held == host.engine.stuck_calls == 1
        host.list_hangs = False
        host.release()
        await settled()
        assert len((await host.collect()).records) == 2


@in_virtual_time
async def test_a_list_that_was_lost_with_its_connection_hangs_no_more(clock: VirtualClock) -> None:
    async with ScriptedDriver(2, clock=clock) as host:
        host.list_hangs = True
        with pytest.raises(CallTimeout):
            await host.collect(2.0)
        host.end_connections()
        host.forget_work()
        host.list_hangs = False
        await host.hypervisor.close()
        await host.hypervisor.open()
        assert (await host.collect()).stuck == 0


@in_virtual_time
async def test_a_daemon_that_tells_nothing_of_any_domain_is_told_so_each_time(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(2, clock=clock) as host:
        host.offers.clear()
        for _ in range(2):
            with pytest.raises(NoSupport):
                await host.collect()


@in_virtual_time
async def test_a_domain_that_is_gone_has_no_record_and_is_not_missing(clock: VirtualClock) -> None:
    async with ScriptedDriver(10, clock=clock) as host:
        host.guests[3].is_gone = True
        collected = await host.collect()
        assert names(collected, collected.vanished) == {"vm-00003"}
        assert not collected.missing
        assert_every_domain_is_accounted_for(collected)


@in_virtual_time
async def test_a_domain_that_ends_meanwhile_keeps_what_came(clock: VirtualClock) -> None:
    async with ScriptedDriver(3, clock=clock) as host:
        ended = host.guests[1]
        ended.refuses = dict.fromkeys(
            (*MAY_HANG, p.DOMAIN_GET_VCPUS), refuses(55, "domain is not running")
        )
        collected = await host.collect()
        assert not collected.missing
        assert not collected.errors
        values = values_of(collected, ended)
        assert values["state.state"] == 1
        assert "block.0.rd.reqs" not in values


@pytest.mark.parametrize(
    "answer", [refuses(1, "internal error"), returns(t.Number(1)), refuses(88, "access denied")]
)
def test_a_call_that_is_refused_for_one_domain_costs_only_that(answer: Answer) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(3, clock=clock) as host:
            # The last one: nobody's success comes behind it.
            good, bad = host.guests[1:]
            bad.refuses[p.DOMAIN_MEMORY_STATS] = answer
            for _ in range(2):
                collected = await host.collect()
                assert not collected.missing
                assert not collected.errors
                assert "balloon.rss" not in values_of(collected, bad)
                assert "block.0.rd.reqs" in values_of(collected, bad)
                assert values_of(collected, good)["balloon.rss"] == 300

    collecting()


@in_virtual_time
async def test_a_domain_of_which_everything_is_refused_is_missing_with_the_reason(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(3, clock=clock) as host:
        bad = host.guests[1]
        bad.refuses = dict.fromkeys(host.offers, refuses(1, "internal error"))
        collected = await host.collect()
        assert missing(collected) == {bad.domain.name}
        (error,) = collected.errors
        assert isinstance(error, RemoteError)
        assert_every_domain_is_accounted_for(collected)


@in_virtual_time
async def test_a_domain_that_is_busy_too_long_is_missing_in_part(clock: VirtualClock) -> None:
    async with ScriptedDriver(3, clock=clock) as host:
        host.guests[1].refuses[p.DOMAIN_MEMORY_STATS] = BUSY
        collected = await host.collect()
        assert missing(collected) == {"vm-00001"}
        assert "net.0.rx.bytes" in values_of(collected, host.guests[1])
        assert not collected.errors


@in_virtual_time
async def test_a_connection_that_ends_is_an_error_of_the_collection(clock: VirtualClock) -> None:
    async with ScriptedDriver(20, seconds_a_call=0.05, clock=clock) as host:
        asyncio.get_running_loop().call_later(0.3, host.end_connections)
        collected = await host.collect()
        assert all(isinstance(one, SessionClosed) for one in collected.errors)
        assert len(collected.errors) == len(collected.missing) == 20
        assert_every_domain_is_accounted_for(collected)


# How much at once.


@pytest.mark.parametrize("parallel", [1, 2, 4, 8])
def test_no_more_than_parallel_calls_are_in_flight(parallel: int) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(
            40, inactive=40, parallel=parallel, seconds_a_call=0.001, clock=clock
        ) as host:
            collected = await host.collect()
            assert not collected.missing
            assert host.most_in_flight == parallel

    collecting()


@in_virtual_time
async def test_calls_of_others_count_for_the_bound(clock: VirtualClock) -> None:
    async with ScriptedDriver(10, seconds_a_call=0.001, clock=clock) as host:
        host.others = host.bound - 2
        collected = await host.collect()
        assert not collected.missing
        assert host.most_held == 2


@in_virtual_time
async def test_what_others_hold_is_waited_for_a_little(clock: VirtualClock) -> None:
    async with ScriptedDriver(2, parallel=1, max_stuck_calls=1, clock=clock) as host:
        host.others = 1

        def let_go() -> None:
            host.others = 0

        asyncio.get_running_loop().call_later(0.5, let_go)
        assert not (await host.collect()).missing
        host.others = 1
        started = clock.now
        assert (await host.collect()).missing
        assert clock.now - started < GRACE_SECONDS + MARGIN


@in_virtual_time
async def test_where_time_is_short_every_domain_has_its_state(clock: VirtualClock) -> None:
    async with ScriptedDriver(100, seconds_a_call=0.01, clock=clock) as host:
        started = clock.now
        collected = await host.collect(1.0)
        assert clock.now - started <= 1.0 + MARGIN
        assert len(collected.records) == 100
        assert {values_of(collected, one)["state.state"] for one in host.guests} == {1}
        assert len(collected.missing) > 50


@in_virtual_time
async def test_a_deadline_that_is_brought_forward_holds(clock: VirtualClock) -> None:
    async with ScriptedDriver(100, seconds_a_call=0.1, clock=clock) as host:
        deadline = host.deadline(10.0)
        started = clock.now
        asyncio.get_running_loop().call_later(0.5, deadline.bring_forward, started + 1.0)
        await host.engine.collect(STATS, deadline)
        assert clock.now - started <= 1.0 + MARGIN


# What hangs.


@in_virtual_time
async def test_a_domain_that_hangs_costs_no_other_anything(clock: VirtualClock) -> None:
    async with ScriptedDriver(30, inactive=5, clock=clock) as host:
        hung = host.guests[7]
        hung.hangs = {*MAY_HANG}
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < GRACE_SECONDS + MARGIN
        assert missing(collected) == {hung.domain.name}
        assert collected.stuck == host.held == 1
        values = values_of(collected, hung)
        assert {"state.state", "cpu.time", "vcpu.0.time", "net.0.rx.bytes"} <= values.keys()
        assert "balloon.current" not in values
        assert not collected.errors


@in_virtual_time
async def test_what_still_hangs_is_not_asked_again_until_it_answers(clock: VirtualClock) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        hung = host.guests[7]
        hung.hangs = {*MAY_HANG}
        await host.collect()
        for _ in range(3):
            host.asked.clear()
            started = clock.now
            collected = await host.collect()
            assert clock.now - started < MARGIN
            assert missing(collected) == {hung.domain.name}
            assert not set(host.calls(hung.domain.name)) & set(MAY_HANG)
            assert "net.0.rx.bytes" in values_of(collected, hung)
            assert host.held == 1
        host.release(hung)
        await settled()
        collected = await host.collect()
        assert not collected.missing
        assert collected.stuck == 0


@in_virtual_time
async def test_a_slow_answer_is_taken(clock: VirtualClock) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        slow = host.guests[7]
        slow.hangs = {p.DOMAIN_MEMORY_STATS}
        asyncio.get_running_loop().call_later(0.8, host.release, slow)
        collected = await host.collect()
        assert not collected.missing
        assert values_of(collected, slow)["balloon.rss"] == 300


@in_virtual_time
async def test_a_domain_that_the_daemon_itself_holds_is_left_alone(clock: VirtualClock) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        held = host.guests[7]
        held.hangs = set(host.offers)
        collected = await host.collect()
        assert missing(collected) == {held.domain.name}
        assert held.domain.uuid not in collected.records
        assert_every_domain_is_accounted_for(collected)
        host.asked.clear()
        await host.collect()
        assert host.calls(held.domain.name) == []
        assert host.held == 1


@in_virtual_time
async def test_however_many_hang_the_bound_holds_and_the_rest_has_its_state(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        for guest in host.guests:
            guest.hangs = {*MAY_HANG}
        for _ in range(3):
            started = clock.now
            collected = await host.collect(3.0)
            assert clock.now - started <= 3.0 + MARGIN
            assert host.most_held <= host.bound
            assert len(collected.records) == len(collected.missing) == 30
            assert all("net.0.rx.bytes" in values_of(collected, one) for one in host.guests)
        host.release()
        await settled()
        assert not (await host.collect()).missing


def test_a_bound_that_is_reached_is_told_once_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedDriver(30, clock=clock) as host:
            for guest in host.guests:
                guest.hangs = {*MAY_HANG}
            for _ in range(3):
                await host.collect(3.0)
            host.release()
            await settled()
            await host.collect()

    collecting()
    told = [one.message for one in caplog.records if one.name.startswith("exporter.per_domain")]
    assert len(told) == 2
    assert told[0].startswith("so many calls hang that memory and disks of no domain are asked for")
    assert told[1] == "memory and disks are asked for again"


@in_virtual_time
async def test_images_that_hang_leave_running_domains_their_places(clock: VirtualClock) -> None:
    async with ScriptedDriver(20, inactive=20, clock=clock) as host:
        for guest in host.guests[20:]:
            guest.hangs = {p.DOMAIN_GET_BLOCK_INFO}
        for _ in range(2):
            collected = await host.collect()
            assert missing(collected) == {one.domain.name for one in host.guests[20:]}
            assert host.held == 2
            assert len(collected.records) == 40
        started = clock.now
        await host.collect()
        assert clock.now - started < MARGIN


@in_virtual_time
async def test_a_further_connection_stands_beside_one_with_stuck_calls(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        for guest in host.guests[:2]:
            guest.hangs = {*MAY_HANG}
        await host.collect()
        await host.collect()
        assert len(host.hypervisor.lanes) == 2
        host.release()
        await settled()
        await host.collect()
        await settled()
        assert len(host.hypervisor.lanes) == 1


@in_virtual_time
async def test_calls_lost_with_their_connection_count_until_their_domain_answers(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        hung = host.guests[7]
        hung.hangs = {*MAY_HANG}
        await host.collect()
        host.end_connections()
        await settled()
        assert host.engine.stuck_calls == 1
        await host.hypervisor.close()
        await host.hypervisor.open()
        collected = await host.collect()
        assert host.engine.stuck_calls == host.held == 2
        assert missing(collected) == {hung.domain.name}
        host.release()
        await settled()
        assert not (await host.collect()).missing
        assert host.engine.stuck_calls == 0


@in_virtual_time
async def test_lost_calls_are_forgotten_in_the_end(clock: VirtualClock) -> None:
    async with ScriptedDriver(30, clock=clock) as host:
        for guest in host.guests:
            guest.hangs = {*MAY_HANG}
        await host.collect()
        host.end_connections()
        host.forget_work()
        for guest in host.guests:
            guest.hangs.clear()
        await host.hypervisor.close()
        await host.hypervisor.open()
        assert (await host.collect()).missing
        clock.now += LOST_SECONDS
        assert not (await host.collect()).missing


@in_virtual_time
async def test_a_domain_that_has_ended_hangs_no_more(clock: VirtualClock) -> None:
    async with ScriptedDriver(3, clock=clock) as host:
        hung = host.guests[1]
        hung.hangs = {*MAY_HANG}
        await host.collect()
        host.end_connections()
        host.forget_work()
        hung.hangs.clear()
        host.restart(hung, -1)
        await host.hypervisor.close()
        await host.hypervisor.open()
        assert not (await host.collect()).missing
        assert host.engine.stuck_calls == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_whatever_hangs_every_domain_is_accounted_for_on_time_within_the_bound(
    data: st.DataObject,
) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        parallel = data.draw(st.integers(1, 5))
        max_stuck_calls = data.draw(st.integers(1, 4))
        async with ScriptedDriver(
            data.draw(st.integers(0, 12)),
            inactive=data.draw(st.integers(0, 6)),
            parallel=parallel,
            max_stuck_calls=max_stuck_calls,
            seconds_a_call=data.draw(st.sampled_from([0.0, 0.01])),
            clock=clock,
        ) as host:
            for _ in range(4):
                for guest in host.guests:
                    change = data.draw(st.sampled_from(["", "", "hang", "lock", "gone", "free"]))
                    if change == "hang":
                        guest.hangs = {*MAY_HANG}
                    elif change == "lock":
                        guest.hangs = set(host.offers)
                    elif change == "free":
                        host.release(guest)
                    guest.is_gone = change == "gone"
                seconds = data.draw(st.sampled_from([0.2, 1.0, 5.0]))
                started = clock.now
                with contextlib.suppress(CallTimeout):
                    collected = await host.collect(seconds)
                    assert_every_domain_is_accounted_for(collected)
                    assert collected.stuck == host.held
                assert clock.now - started <= seconds + MARGIN
                assert host.most_held <= host.bound
            host.release()
            for guest in host.guests:
                guest.is_gone = False
            await settled()
            collected = await host.collect()
            assert not collected.missing

    collecting()


# The documents.


@in_virtual_time
async def test_a_document_is_fetched_once_and_now_and_then(clock: VirtualClock) -> None:
    async with ScriptedDriver(20, inactive=5, clock=clock) as host:
        for _ in range(3):
            await host.collect()
        fetched = [one for one in host.asked if one.procedure is XML]
        assert len(fetched) == 25
        clock.now += REFRESH_SECONDS
        await host.collect()
        fetched = [one for one in host.asked if one.procedure is XML]
        assert len(fetched) == 50


@in_virtual_time
async def test_a_document_is_fetched_again_where_it_must_have_changed(clock: VirtualClock) -> None:
    async with ScriptedDriver(3, clock=clock) as host:
        await host.collect()
        host.asked.clear()
        host.restart(host.guests[0], 55)
        event = DomainEventType.DEFINED
        detail = domain_event_detail(event, 0)
        host.engine.heard(e.DomainLifecycleEvent(host.guests[1].domain, event, detail))
        host.engine.heard(e.DomainRebootEvent(host.guests[2].domain))
        await host.collect()
        assert [one.name for one in host.asked if one.procedure is XML] == ["vm-00000", "vm-00001"]


@in_virtual_time
async def test_a_device_that_the_daemon_does_not_know_makes_the_document_doubtful(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(2, clock=clock) as host:
        await host.collect()
        host.guests[0].refuses[p.DOMAIN_INTERFACE_STATS] = refuses(8, "invalid argument: no vif")
        collected = await host.collect()
        assert not collected.missing
        host.asked.clear()
        await host.collect()
        assert not [one for one in host.asked if one.procedure is XML]
        clock.now += DOUBT_SECONDS
        await host.collect()
        assert [one.name for one in host.asked if one.procedure is XML] == ["vm-00000"]


@in_virtual_time
async def test_a_broken_document_costs_the_domain_its_devices_alone(clock: VirtualClock) -> None:
    async with ScriptedDriver(3, clock=clock) as host:
        host.guests[1].xml = "<domain><devices>"
        collected = await host.collect()
        assert not collected.missing
        values = values_of(collected, host.guests[1])
        assert values["balloon.rss"] == 300
        assert values["block.count"] == 0
        assert "block.0.name" in values_of(collected, host.guests[2])


@in_virtual_time
async def test_records_of_one_shape_share_their_layout_from_scrape_to_scrape(
    clock: VirtualClock,
) -> None:
    async with ScriptedDriver(5, clock=clock) as host:
        first = {record.layout for record in (await host.collect()).records.values()}
        again = {record.layout for record in (await host.collect()).records.values()}
        assert first == again
        assert len(first) == 1
