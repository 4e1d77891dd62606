"""The engine against a scripted host: pipelined, on time, and past whatever hangs."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.bulk_stats import Collected, lanes
from exporter.bulk_stats.collection import GRACE_SECONDS, MONITOR_FREE
from exporter.bulk_stats.requests import INACTIVE_CHUNK, LARGEST_CHUNK, chunk_size
from exporter.bulk_stats.slots import PROBES_AT_ONCE
from libvirt_rpc.enums import (
    ConnectGetAllDomainStatsFlags,
    ConnectListAllDomainsFlags,
    DomainStatsTypes,
)
from libvirt_rpc.errors import AccessDenied, CallTimeout, NoSupport, RemoteError, SessionClosed
from libvirt_rpc.protocol import types as t
from tests.support.daemon import refuses
from tests.support.hypervisor_script import STATS, Asked, Guest, ScriptedHost
from tests.support.virtual_time import VirtualClock, in_virtual_time

NOWAIT = ConnectGetAllDomainStatsFlags.NOWAIT
MARGIN = 0.15
"""Seconds that a collection may end behind its deadline: it looks at the clock every 0.1 s."""


def names(collected: Collected, uuids: Iterable[uuid.UUID]) -> set[str]:
    return {one.name for one in collected.domains if one.uuid in set(uuids)}


def whole(collected: Collected) -> set[str]:
    """Domains with figures that only their monitor tells."""
    return names(
        collected,
        [
            key
            for key, record in collected.records.items()
            if "block.0.rd.reqs" in record.layout.fields or record.domain.id == -1
        ],
    )


def missing(collected: Collected) -> set[str]:
    return names(collected, collected.missing)


def all_of(host: ScriptedHost) -> set[str]:
    return {guest.domain.name for guest in host.guests}


def fields_of(collected: Collected, guest: Guest) -> tuple[str, ...]:
    return collected.records[guest.domain.uuid].layout.fields


def assert_every_domain_is_accounted_for(collected: Collected) -> None:
    listed = {domain.uuid for domain in collected.domains}
    assert listed == collected.records.keys() | collected.missing | collected.vanished
    assert not collected.vanished & (collected.records.keys() | collected.missing)


def asked_for(host: ScriptedHost, name: str) -> list[Asked]:
    return [one for one in host.asked if name in one.names]


async def settled(host: ScriptedHost) -> None:
    """Until everything that was sent has arrived, and late replies were dropped."""
    await asyncio.sleep(0.01)


# A healthy host.


@in_virtual_time
async def test_every_domain_comes_whole(clock: VirtualClock) -> None:
    async with ScriptedHost(40, inactive=10, clock=clock) as host:
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.missing | collected.vanished
        assert not collected.errors
        assert collected.stuck == 0


@in_virtual_time
async def test_the_domains_are_sorted_by_name(clock: VirtualClock) -> None:
    async with ScriptedHost(5, inactive=3, clock=clock) as host:
        host.guests.reverse()
        collected = await host.collect()
        assert [one.name for one in collected.domains] == sorted(all_of(host))


@pytest.mark.parametrize("parallel", [1, 2, 4, 8])
def test_no_more_than_parallel_calls_are_in_flight(parallel: int) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedHost(
            100, inactive=200, parallel=parallel, seconds_a_call=0.01, clock=clock
        ) as host:
            await host.collect()
            assert host.most_in_flight == parallel

    collecting()


@in_virtual_time
async def test_every_call_has_nowait(clock: VirtualClock) -> None:
    async with ScriptedHost(40, inactive=10, clock=clock) as host:
        host.hang(3)
        host.guests[7].is_busy = 1
        await host.collect()
        await host.collect()
        assert {one.flags for one in host.asked} == {NOWAIT}


@in_virtual_time
async def test_inactive_domains_are_asked_in_calls_of_their_own(clock: VirtualClock) -> None:
    async with ScriptedHost(100, inactive=100, clock=clock) as host:
        await host.collect()
        sizes: dict[bool, list[int]] = {True: [], False: []}
        for one in host.asked:
            assert len({name[:2] for name in one.names}) == 1
            sizes[one.is_running].append(len(one.names))
        assert sizes == {True: [7] * 14 + [2], False: [INACTIVE_CHUNK, 100 - INACTIVE_CHUNK]}


@pytest.mark.parametrize(
    ("running", "parallel", "size"),
    [(0, 4, 1), (1, 4, 1), (16, 4, 1), (17, 4, 2), (100, 4, 7), (40, 1, 10), (257, 4, 16)],
)
def test_a_chunk_is_small_and_grows_with_the_host(running: int, parallel: int, size: int) -> None:
    assert chunk_size(running, parallel) == size
    assert chunk_size(20_000, parallel) == LARGEST_CHUNK


@in_virtual_time
async def test_a_host_without_domains_gives_none(clock: VirtualClock) -> None:
    async with ScriptedHost(clock=clock) as host:
        collected = await host.collect()
        assert collected.domains == ()
        assert host.asked == []


@in_virtual_time
async def test_an_undisturbed_collection_asks_for_no_control_information(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(40, inactive=10, clock=clock) as host:
        await host.collect()
        await host.collect()
        assert host.controls == []
        assert host.opened == 1


# What is too large.


@in_virtual_time
async def test_a_chunk_that_is_refused_as_too_large_is_halved(clock: VirtualClock) -> None:
    async with ScriptedHost(200, inactive=60, clock=clock) as host:
        host.largest_reply = 3
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.errors
        assert not collected.missing


@in_virtual_time
async def test_the_one_domain_that_is_refused_is_told_apart(clock: VirtualClock) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        bad = host.guests[50]
        bad.refuses = refuses(1, "internal error")
        collected = await host.collect()
        assert whole(collected) == all_of(host) - {bad.domain.name}
        assert missing(collected) == {bad.domain.name}
        (error, *_) = collected.errors
        assert isinstance(error, RemoteError)
        assert error.code == 1


@in_virtual_time
async def test_a_domain_that_ends_in_the_middle_of_its_call_is_asked_once_more(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(40, clock=clock) as host:
        stopped, gone_since, unknown = host.guests[7], host.guests[17], host.guests[27]
        stopped.refuses = gone_since.refuses = refuses(55, "domain is not running")
        unknown.refuses = refuses(42, "Domain not found")

        def end() -> None:
            stopped.refuses = None
            gone_since.is_gone = True

        asyncio.get_running_loop().call_later(0.04, end)
        collected = await host.collect()
        assert names(collected, collected.vanished) == {
            gone_since.domain.name,
            unknown.domain.name,
        }
        assert_every_domain_is_accounted_for(collected)
        assert not collected.missing
        assert not collected.errors


@in_virtual_time
async def test_a_domain_whose_record_does_not_decode_costs_its_neighbours_nothing(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        bad = host.guests[50]
        bad.refuses = lambda peer, call: peer.reply(call, t.UnsignedNumber(1))
        collected = await host.collect()
        assert whole(collected) == all_of(host) - {bad.domain.name}
        assert missing(collected) == {bad.domain.name}


@in_virtual_time
async def test_twenty_thousand_domains_are_listed_in_halves(clock: VirtualClock) -> None:
    async with ScriptedHost(10_000, inactive=10_000, clock=clock) as host:
        host.longest_list = 16_384
        collected = await host.collect(stats=DomainStatsTypes.STATE)
        assert host.lists == [
            ConnectListAllDomainsFlags(0),
            ConnectListAllDomainsFlags.ACTIVE,
            ConnectListAllDomainsFlags.INACTIVE,
        ]
        assert len(collected.domains) == len(collected.records) == 20_000
        assert max(len(one.names) for one in host.asked) == INACTIVE_CHUNK


# One domain hangs.


@in_virtual_time
async def test_the_neighbours_of_a_hung_domain_come_in_the_same_scrape(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, inactive=10, clock=clock) as host:
        hung = host.guests[50]
        hung.monitor_hangs = True
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < 3
        assert whole(collected) == all_of(host) - {hung.domain.name}
        assert missing(collected) == {hung.domain.name}
        assert "cpu.time" in fields_of(collected, hung)
        assert collected.stuck == host.held == 1
        assert not collected.errors


@in_virtual_time
async def test_the_control_information_of_one_chunk_alone_is_asked_for(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        host.hang(50)
        await host.collect()
        (chunk,) = [
            one.names
            for one in host.asked
            if len(one.names) > 1 and host.guests[50].domain.name in one.names
        ]
        assert set(host.controls) <= set(chunk)


@in_virtual_time
async def test_the_next_scrape_goes_round_the_hung_domain_at_once(clock: VirtualClock) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        hung = host.guests[50]
        hung.monitor_hangs = True
        await host.collect()
        host.forget_calls()
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < MARGIN
        assert whole(collected) == all_of(host) - {hung.domain.name}
        assert missing(collected) == {hung.domain.name}
        assert [one.names for one in asked_for(host, hung.domain.name)] == [(hung.domain.name,)]
        assert collected.stuck == host.held == 1


@in_virtual_time
async def test_after_its_release_the_next_scrape_is_whole(clock: VirtualClock) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        host.hang(50)
        await host.collect()
        await host.collect()
        host.release(host.guests[50])
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.missing
        assert collected.stuck == host.held == 0
        assert host.opened == 1


@in_virtual_time
async def test_a_domain_that_comes_back_in_the_middle_of_a_scrape_is_whole_in_it(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, seconds_a_call=0.05, clock=clock) as host:
        host.hang(50)
        await host.collect()
        asyncio.get_running_loop().call_later(0.1, host.release, host.guests[50])
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.missing


@in_virtual_time
async def test_a_domain_that_was_slow_only_comes_whole(clock: VirtualClock) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        slow = host.guests[50]
        slow.monitor_hangs = True
        asyncio.get_running_loop().call_later(GRACE_SECONDS * 0.9, host.release, slow)
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.missing
        assert collected.stuck == 0


@in_virtual_time
async def test_a_domain_that_hangs_anew_is_found_anew(clock: VirtualClock) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        await host.collect()
        for number in (50, 51, 50):
            host.hang(number)
            assert missing(await host.collect()) == {host.guests[number].domain.name}
            host.release(host.guests[number])
            assert not (await host.collect()).missing


@in_virtual_time
async def test_a_single_call_that_hangs_is_repeated_only_when_the_monitor_is_occupied(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(64, clock=clock) as host:
        # Of one chunk: the call hangs in the first, so that the second's own call hangs too.
        first, second = host.guests[0], host.guests[1]
        host.hang(0, 1)
        await host.collect()
        assert host.held == 2
        assert len(asked_for(host, second.domain.name)) == 3  # chunk, alone, what cannot hang
        host.forget_calls()
        second.control_hangs = True
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < GRACE_SECONDS + MARGIN
        assert not [one for one in asked_for(host, second.domain.name) if one.stats & ~MONITOR_FREE]
        assert missing(collected) == {first.domain.name, second.domain.name}
        second.control_hangs = False
        host.go_on()
        await settled(host)
        host.forget_calls()
        collected = await host.collect()
        assert host.controls == [second.domain.name]
        assert [one.names for one in asked_for(host, second.domain.name)] == [(second.domain.name,)]
        assert "cpu.time" in fields_of(collected, second)
        assert missing(collected) == {first.domain.name, second.domain.name}
        assert host.held == 2


@in_virtual_time
async def test_a_host_without_control_information_is_served_by_the_deadline(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        host.has_control_info = False
        hung = host.guests[50]
        hung.monitor_hangs = True
        started = clock.now
        collected = await host.collect(5.0)
        assert clock.now - started < 5.0 + MARGIN
        (chunk,) = [one.names for one in asked_for(host, hung.domain.name) if one.stats == STATS]
        assert missing(collected) == set(chunk)
        assert whole(collected) == all_of(host) - set(chunk)
        # State and interfaces of the neighbours, too, and of the guilty one.
        assert len(collected.records) == 100
        started = clock.now
        collected = await host.collect(5.0)
        assert clock.now - started < MARGIN
        assert whole(collected) == all_of(host) - {hung.domain.name}


@in_virtual_time
async def test_a_domain_whose_job_another_clients_hung_call_holds_is_missing_too(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(20, clock=clock) as host:
        host.guests[7].is_held_by_other = True
        for _ in range(3):
            collected = await host.collect()
            assert missing(collected) == {host.guests[7].domain.name}
            assert collected.stuck == 0
        host.release(host.guests[7])
        assert not (await host.collect()).missing


# Several hang.


@in_virtual_time
async def test_four_hung_domains_cost_only_themselves(clock: VirtualClock) -> None:
    async with ScriptedHost(12, clock=clock) as host:
        hung = {host.guests[number].domain.name for number in (2, 5, 6, 11)}
        host.hang(2, 5, 6, 11)
        for _ in range(3):
            started = clock.now
            collected = await host.collect()
            assert whole(collected) == all_of(host) - hung
            assert missing(collected) == hung
            assert all("cpu.time" in fields_of(collected, host.guests[n]) for n in (2, 5, 6, 11))
            assert host.held == 4
        assert clock.now - started < MARGIN
        for number in (2, 5, 6, 11):
            host.release(host.guests[number])
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert collected.stuck == 0


@in_virtual_time
async def test_beyond_the_bound_no_call_that_may_hang_is_sent(clock: VirtualClock) -> None:
    async with ScriptedHost(40, clock=clock) as host:
        host.hang(*range(20))
        for _ in range(4):
            collected = await host.collect()
            assert_every_domain_is_accounted_for(collected)
            # State and interfaces come of all, whoever hangs.
            assert len(collected.records) == 40
        assert host.most_held <= host.bound
        host.forget_calls()
        await host.collect()
        assert host.most_held <= host.bound
        for guest in host.guests:
            host.release(guest)
        await settled(host)
        assert whole(await host.collect()) == all_of(host)


@in_virtual_time
async def test_a_further_lane_is_opened_beside_stuck_calls_and_dropped_again(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        host.hang(10, 50)
        await host.collect()
        host.forget_calls()
        collected = await host.collect()
        assert host.connections == 2
        assert {one.connection for one in host.asked} == {1}
        assert len(whole(collected)) == 98
        host.release(host.guests[10])
        host.release(host.guests[50])
        await settled(host)
        assert whole(await host.collect()) == all_of(host)
        await settled(host)
        assert host.connections == 1
        assert whole(await host.collect()) == all_of(host)


@in_virtual_time
async def test_the_number_of_lanes_is_bounded(clock: VirtualClock) -> None:
    async with ScriptedHost(60, max_stuck_calls=20, clock=clock) as host:
        host.hang(*range(0, 60, 3))
        for _ in range(5):
            await host.collect()
        assert host.connections == host.opened == 1 + lanes.EXTRA_LANES


@in_virtual_time
async def test_a_lane_that_cannot_be_opened_delays_nothing(clock: VirtualClock) -> None:
    async with ScriptedHost(40, clock=clock) as host:
        host.hang(10, 30)
        host.accepts_connections = False
        await host.collect()
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < MARGIN
        assert len(whole(collected)) == 38
        for _ in range(10):
            await host.collect()
        assert host.refused_connections == 1


# Whatever else hangs.


@in_virtual_time
async def test_a_list_that_hangs_ends_by_the_deadline_and_is_not_repeated(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(5, clock=clock) as host:
        host.list_hangs = True
        for expected in (5.0, 0.0, 0.0):
            started = clock.now
            with pytest.raises(CallTimeout):
                await host.collect(5.0)
            assert clock.now - started == pytest.approx(expected, abs=0.6)
            assert host.held == 1
        host.list_hangs = False
        host.go_on()
        await settled(host)
        assert whole(await host.collect()) == all_of(host)
        assert host.bulk.stuck_calls == 0


@in_virtual_time
async def test_a_hung_image_costs_the_inactive_domains_their_images_only(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(40, inactive=100, clock=clock) as host:
        host.guest("off-00003").image_hangs = True
        running = {name for name in all_of(host) if name.startswith("vm")}
        collected = await host.collect(5.0)
        assert running <= whole(collected)
        assert len(collected.records) == 140
        assert missing(collected) == {f"off-{i:05}" for i in range(INACTIVE_CHUNK)}
        started = clock.now
        collected = await host.collect(5.0)
        assert clock.now - started < MARGIN
        assert len(collected.records) == 140
        assert host.held == 1
        host.release(host.guest("off-00003"))
        await settled(host)
        collected = await host.collect(5.0)
        assert not collected.missing
        assert "block.0.allocation" in fields_of(collected, host.guest("off-00003"))


@in_virtual_time
async def test_hung_images_leave_places_for_the_running_domains(clock: VirtualClock) -> None:
    async with ScriptedHost(64, inactive=640, clock=clock) as host:
        for guest in host.guests[64:]:
            guest.image_hangs = True
        host.hang(10)
        collected = await host.collect()
        assert len([name for name in whole(collected) if name.startswith("vm")]) == 63
        assert len(collected.records) == 704


@pytest.mark.parametrize("max_stuck_calls", [3, 30])
def test_control_information_that_hangs_is_given_up(max_stuck_calls: int) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedHost(100, max_stuck_calls=max_stuck_calls, clock=clock) as host:
            host.hang(*range(0, 100, 10))
            for guest in host.guests:
                guest.control_hangs = True
            for _ in range(4):
                started = clock.now
                # When these take the last place of the bound, nothing is left for the list.
                with contextlib.suppress(CallTimeout):
                    assert_every_domain_is_accounted_for(await host.collect(5.0))
                assert clock.now - started < 5.0 + MARGIN
            assert host.most_held <= host.bound
            probes = [one for one in host.bulk.memory.left_behind if one.kind.name == "PROBE"]
            assert len(probes) <= PROBES_AT_ONCE

    collecting()


@in_virtual_time
async def test_what_hangs_even_without_the_monitor_is_not_repeated_either(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(4, inactive=2, max_stuck_calls=10, clock=clock) as host:
        locked = host.guests[1]
        locked.is_locked = locked.control_hangs = True
        for _ in range(2):
            assert locked.domain.uuid in (await host.collect(5.0)).missing
        held, calls = host.held, len(asked_for(host, locked.domain.name))
        for _ in range(3):
            collected = await host.collect(5.0)
            assert missing(collected) == {locked.domain.name}
        assert (host.held, len(asked_for(host, locked.domain.name))) == (held, calls)


@in_virtual_time
async def test_running_and_inactive_domains_that_hang_are_not_asked_together(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(10, inactive=10, clock=clock) as host:
        host.has_control_info = False
        host.hang(1)
        host.guest("off-00003").image_hangs = True
        for _ in range(2):
            collected = await host.collect(5.0)
            assert len(collected.records) == 20
        assert all(len({name[:2] for name in one.names}) == 1 for one in host.asked)
        assert host.held == 2


SWITCHES = (
    "monitor_hangs",
    "image_hangs",
    "control_hangs",
    "is_locked",
    "is_held_by_other",
    "is_gone",
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 19), st.sampled_from([*SWITCHES, "release", "list"])), max_size=12
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=st.lists(CHANGES, min_size=1, max_size=5),
    parallel=st.integers(1, 6),
    max_stuck_calls=st.integers(1, 5),
    seconds_a_call=st.sampled_from([0.0, 0.003, 0.4]),
)
def test_whatever_hangs_the_bound_and_the_deadline_hold(
    history: list[list[tuple[int, str]]],
    parallel: int,
    max_stuck_calls: int,
    seconds_a_call: float,
) -> None:
    @in_virtual_time
    async def living(clock: VirtualClock) -> None:
        async with ScriptedHost(
            14,
            inactive=6,
            parallel=parallel,
            max_stuck_calls=max_stuck_calls,
            seconds_a_call=seconds_a_call,
            clock=clock,
        ) as host:
            for changes in history:
                apply(host, changes)
                started = clock.now
                with_list = True
                try:
                    collected = await host.collect(4.0)
                except CallTimeout:
                    with_list = False
                assert clock.now - started <= 4.0 + MARGIN
                assert host.most_held <= host.bound
                assert host.most_in_flight <= host.bound
                if with_list:
                    assert_every_domain_is_accounted_for(collected)
                    assert not names(collected, collected.vanished) - gone(host)
            await everything_answers(host)
            collected = await host.collect(20.0)
            assert whole(collected) == all_of(host)
            assert not collected.missing | collected.vanished
            assert collected.stuck == host.held == 0
            await settled(host)
            assert host.connections == 1

    living()


def apply(host: ScriptedHost, changes: Iterable[tuple[int, str]]) -> None:
    for number, change in changes:
        guest = host.guests[number]
        if change == "release":
            host.release(guest)
        elif change == "list":
            host.list_hangs = not host.list_hangs
            host.go_on()
        else:
            setattr(guest, change, True)


def gone(host: ScriptedHost) -> set[str]:
    return {guest.domain.name for guest in host.guests if guest.is_gone}


async def everything_answers(host: ScriptedHost) -> None:
    host.list_hangs = False
    for guest in host.guests:
        guest.is_gone = False
        host.release(guest)
    await asyncio.sleep(2.0)


# On time.


@pytest.mark.parametrize("seconds", [0.1, 1.0, 9.5])
def test_what_has_come_by_the_deadline_is_given(seconds: float) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedHost(2000, seconds_a_call=0.4, clock=clock) as host:
            started = clock.now
            collected = await host.collect(seconds)
            assert clock.now - started <= seconds + MARGIN
            assert_every_domain_is_accounted_for(collected)
            assert collected.missing

    collecting()


@in_virtual_time
async def test_a_deadline_that_is_brought_forward_holds(clock: VirtualClock) -> None:
    for hang in ("list", "domain"):
        async with ScriptedHost(4, clock=clock) as host:
            host.has_control_info = False
            host.list_hangs = hang == "list"
            host.hang(1)
            deadline = host.deadline(30.0)
            running = asyncio.create_task(host.bulk.collect(STATS, deadline))
            await asyncio.sleep(8.0)
            started = clock.now
            deadline.bring_forward(clock.now + 1.0)
            await asyncio.wait([running])
            assert clock.now - started <= 1.0 + MARGIN
            assert (running.exception() is not None) is host.list_hangs


@in_virtual_time
async def test_nothing_is_repeated_from_an_earlier_scrape(clock: VirtualClock) -> None:
    async with ScriptedHost(4, clock=clock) as host:
        await host.collect()
        host.has_control_info = False
        host.hang(1)
        collected = await host.collect(2.0, stats=DomainStatsTypes.BLOCK)
        assert len(collected.records) == 3
        assert missing(collected) == {host.guests[1].domain.name}


@in_virtual_time
async def test_a_late_reply_is_dropped(clock: VirtualClock) -> None:
    async with ScriptedHost(4, clock=clock) as host:
        host.hang(1)
        collected = await host.collect()
        fields = fields_of(collected, host.guests[1])
        host.release(host.guests[1])
        await settled(host)
        assert host.held == host.bulk.stuck_calls == 0
        assert fields_of(collected, host.guests[1]) == fields
        assert host.hypervisor.connection is not None
        assert host.hypervisor.connection.session.error is None


# Short records.


@in_virtual_time
async def test_a_domain_that_was_busy_for_a_moment_is_asked_once_more(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(100, clock=clock) as host:
        host.guests[7].is_busy = 1
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.missing
        again = asked_for(host, host.guests[7].domain.name)
        assert len(again) == 2
        assert again[-1].names == (host.guests[7].domain.name,)


@in_virtual_time
async def test_a_record_that_stays_short_is_accepted(clock: VirtualClock) -> None:
    async with ScriptedHost(20, clock=clock) as host:
        host.guests[7].has_block_figures = False
        collected = await host.collect()
        assert not collected.missing
        assert len(asked_for(host, host.guests[7].domain.name)) == 2
        host.forget_calls()
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < 0.01
        assert not collected.missing
        assert len(asked_for(host, host.guests[7].domain.name)) == 1


@in_virtual_time
async def test_a_domain_that_stays_busy_is_not_accepted_as_short(clock: VirtualClock) -> None:
    async with ScriptedHost(20, clock=clock) as host:
        guest = host.guests[7]
        guest.is_held_by_other = True
        await host.collect()
        host.release(guest)
        guest.is_busy = 1
        assert whole(await host.collect()) == all_of(host)


@in_virtual_time
async def test_a_short_neighbour_of_a_hung_domain_is_not_missing(clock: VirtualClock) -> None:
    async with ScriptedHost(64, clock=clock) as host:
        host.guests[1].has_block_figures = False
        await host.collect()
        host.hang(0)
        for _ in range(2):
            assert missing(await host.collect()) == {host.guests[0].domain.name}


# Domains that go, and what is refused.


@in_virtual_time
async def test_a_domain_that_vanishes_is_neither_reported_nor_missing(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(40, inactive=3, clock=clock) as host:
        host.guests[7].is_gone = host.guests[41].is_gone = True
        collected = await host.collect()
        assert names(collected, collected.vanished) == gone(host)
        assert_every_domain_is_accounted_for(collected)
        assert not collected.missing
        assert not collected.errors


@in_virtual_time
async def test_a_domain_that_vanishes_while_it_hangs_is_forgotten(clock: VirtualClock) -> None:
    async with ScriptedHost(40, clock=clock) as host:
        host.hang(7)
        await host.collect()
        host.guests[7].is_gone = True
        collected = await host.collect()
        assert names(collected, collected.vanished) == gone(host)
        assert not collected.missing


@pytest.mark.parametrize(("code", "error"), [(3, NoSupport), (88, AccessDenied)])
def test_a_driver_that_refuses_the_call_is_asked_no_more(
    code: int, error: type[RemoteError]
) -> None:
    @in_virtual_time
    async def collecting(clock: VirtualClock) -> None:
        async with ScriptedHost(500, clock=clock) as host:
            host.refuses_stats = refuses(code, "this function is not supported")
            with pytest.raises(error):
                await host.collect()
            assert len(host.asked) == 4
            assert host.bulk.stuck_calls == host.held == 0

    collecting()


@in_virtual_time
async def test_a_daemon_from_before_nowait_is_asked_without_it(clock: VirtualClock) -> None:
    async with ScriptedHost(12, clock=clock) as host:
        host.knows_nowait = False
        collected = await host.collect()
        assert whole(collected) == all_of(host)
        assert not collected.errors
        host.forget_calls()
        await host.collect()
        assert {one.flags for one in host.asked} == {ConnectGetAllDomainStatsFlags(0)}


@in_virtual_time
async def test_nowait_is_never_given_up_for_the_sake_of_one_domain(clock: VirtualClock) -> None:
    async with ScriptedHost(40, clock=clock) as host:
        await host.collect()
        host.guests[7].refuses = refuses(8, "invalid argument")
        collected = await host.collect()
        assert missing(collected) == {host.guests[7].domain.name}
        assert {one.flags for one in host.asked} == {NOWAIT}


@in_virtual_time
async def test_after_a_reconnect_nowait_is_tried_again(clock: VirtualClock) -> None:
    async with ScriptedHost(4, clock=clock) as host:
        host.knows_nowait = False
        await host.collect()
        host.knows_nowait = True
        host.end_connections()
        await settled(host)
        await host.hypervisor.open()
        host.forget_calls()
        await host.collect()
        assert {one.flags for one in host.asked} == {NOWAIT}


# The end of the session.


@in_virtual_time
async def test_a_session_that_ends_in_the_middle_gives_what_had_come(clock: VirtualClock) -> None:
    async with ScriptedHost(400, seconds_a_call=0.02, clock=clock) as host:
        asyncio.get_running_loop().call_later(0.1, host.end_connections)
        started = clock.now
        collected = await host.collect()
        assert clock.now - started < MARGIN
        assert collected.records
        assert collected.missing
        assert_every_domain_is_accounted_for(collected)
        assert {type(error) for error in collected.errors} == {SessionClosed}
        assert collected.stuck == 0
        with pytest.raises(SessionClosed):
            await host.collect()


@in_virtual_time
async def test_what_hangs_is_not_forgotten_with_the_connection(clock: VirtualClock) -> None:
    async with ScriptedHost(20, clock=clock) as host:
        host.hang(7)
        await host.collect()
        for _ in range(5):
            host.end_connections()
            await settled(host)
            assert host.bulk.stuck_calls == 1
            await host.hypervisor.open()
            collected = await host.collect()
            assert len(whole(collected)) == 19
            assert missing(collected) == {host.guests[7].domain.name}
        assert host.held == 1
        host.release(host.guests[7])
        await settled(host)
        await host.collect()
        assert host.bulk.stuck_calls == 0
        assert len(whole(await host.collect())) == 20


@in_virtual_time
async def test_connections_that_end_again_and_again_do_not_lift_the_bound(
    clock: VirtualClock,
) -> None:
    async with ScriptedHost(60, clock=clock) as host:
        host.hang(*range(0, 60, 4))
        for _ in range(6):
            await host.collect()
            host.end_connections()
            await settled(host)
            await host.hypervisor.open()
        assert host.most_held <= host.bound
