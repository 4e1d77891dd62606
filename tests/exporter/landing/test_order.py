"""The order of the domains, and what a request may ask for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.landing.order import COLUMNS, DEFAULT_ORDER, Order, parse_order, sort_domains
from exporter.landing.snapshot import DomainView, Rates


def domain(name: str, cpu: float | None = None, disk: float | None = None) -> DomainView:
    return DomainView(name, name, state=1, vcpus=1, rates=Rates(cpu, disk))


DOMAINS = [domain("b", 0.5, 7.0), domain("C", 0.5), domain("a"), domain("d", 2.0, 1.0)]


def names(order: Order) -> str:
    return "".join(one.name for one in sort_domains(DOMAINS, order))


def test_what_is_not_known_comes_last_either_way() -> None:
    assert names(Order("disk", is_falling=True)) == "bdaC"
    assert names(Order("disk", is_falling=False)) == "dbaC"


def test_equals_come_by_their_names_either_way() -> None:
    assert names(Order("cpu", is_falling=True)) == "dbCa"
    assert names(Order("cpu", is_falling=False)) == "bCda"
    assert names(Order("name", is_falling=True)) == "dCba"


def test_a_second_click_turns_the_order_round() -> None:
    assert DEFAULT_ORDER.by("cpu") == Order("cpu", is_falling=False)
    assert DEFAULT_ORDER.by("memory") == Order("memory", is_falling=True)
    assert DEFAULT_ORDER.by("name") == Order("name", is_falling=False)


def test_every_column_can_be_asked_for_and_its_query_leads_back_to_it() -> None:
    for column in COLUMNS:
        for is_falling in (False, True):
            order = Order(column, is_falling)
            query = dict(pair.split("=") for pair in order.query.removeprefix("?").split("&"))
            assert parse_order(query) == order
            assert len(sort_domains(DOMAINS, order)) == len(DOMAINS)


@given(st.dictionaries(st.sampled_from(["sort", "order", "x"]), st.text()))
def test_whatever_else_is_asked_for_is_an_order_of_ours(query: dict[str, str]) -> None:
    assert parse_order(query).column in COLUMNS
    if query.get("sort") not in COLUMNS:
        assert parse_order(query) == DEFAULT_ORDER
