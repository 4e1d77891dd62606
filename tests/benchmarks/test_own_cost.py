"""The limits of the exporter's own cost. Figures: python -m tests.benchmarks."""

from libvirt_rpc.protocol.domain_stats import DomainStatsDecoder
from tests.benchmarks import memory, own_cost


def test_the_recorded_reply_is_of_100_domains_with_8200_parameters() -> None:
    decoder = DomainStatsDecoder()
    for reply in own_cost.recorded_replies():
        records = decoder.decode(reply)
        assert (len(records), sum(len(record.values) for record in records)) == (100, 8200)


def test_a_page_in_steady_state_costs_a_fifth_of_unpacking_at_most() -> None:
    replies = own_cost.recorded_replies()
    assert own_cost.measure_steady(replies, "").ratio <= own_cost.STEADY_LIMIT


def test_a_page_costs_little_more_when_every_counter_is_new() -> None:
    replies = own_cost.recorded_replies()
    busy = [own_cost.with_other_numbers(replies[0], seed) for seed in range(4)]
    assert own_cost.measure_steady(busy, "").ratio <= own_cost.BUSY_LIMIT


def test_the_first_page_after_every_layout_changed_costs_one_and_a_half_unpackings_at_most() -> (
    None
):
    assert own_cost.measure_change().ratio <= own_cost.CHANGE_LIMIT


def test_rendering_is_thirty_times_faster_than_prometheus_client() -> None:
    assert own_cost.measure_rendering().ratio <= 1 / own_cost.RENDER_FACTOR


def test_memory_does_not_grow_with_scrapes() -> None:
    early, late = memory.measure(200)
    assert late <= memory.LIMIT * early
