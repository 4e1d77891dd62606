"""The page: what it says of what there is, in which order, and that nothing in it is anybody's but ours."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re

from exporter.landing.order import DEFAULT_ORDER, Order
from exporter.landing.snapshot import (
    CollectorView,
    DomainView,
    HypervisorView,
    Part,
    ProbedView,
    Rates,
    Snapshot,
)
from exporter.landing.view import CONTENT_SECURITY_POLICY, MOST_DOMAINS, render_page
from tests.exporter.landing.test_markup import Reader, read

NOW = 1_700_000_000.0
WEB = DomainView(
    "web",
    "00000000-0000-0000-0000-000000000001",
    state=1,
    reason="booted",
    vcpus=2,
    memory_used=300 * 2**20,
    memory_max=2**30,
    is_told_by_guest=True,
    uptime=3_700.0,
    rates=Rates(0.7, 2048.0, 0.0, 1e6, None),
)
OFF = DomainView("off", "00000000-0000-0000-0000-000000000002", state=5, vcpus=1)
HERE = HypervisorView(
    "qemu:///system",
    is_connected=True,
    hostname="host-1",
    versions=("QEMU 7.2.22", "libvirt 9.0.0"),
    connected_at=NOW - 7_200,
    scraped_at=NOW - 4,
    scrape_seconds=0.084,
    collectors=(
        CollectorView("domain_stats", 0.08, has_succeeded=True),
        CollectorView("host", 0.02, has_succeeded=False, failure="it missed the deadline"),
        CollectorView("networks", 0.01, has_succeeded=False, reason="denied"),
    ),
    missing=(Part("domain_info.xml", "unsupported"),),
    domains=(WEB, OFF),
    rates_over=15.0,
)
HOSTILE = "<script>alert('x')</script>\"'&\x1b"


def shown(*hypervisors: HypervisorView, **more: object) -> Snapshot:
    snapshot = Snapshot("1.2.3", NOW, hypervisors)
    return dataclasses.replace(snapshot, **more)  # type: ignore[arg-type]  # any fields


def text_of(snapshot: Snapshot, order: Order = DEFAULT_ORDER) -> str:
    page = render_page(snapshot, order)
    body = re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", body).replace("\N{NARROW NO-BREAK SPACE}", " ")


def squeezed(text: str) -> str:
    return re.sub(r"[ \n]+", " ", text)


def test_it_says_how_things_are() -> None:
    text = squeezed(text_of(shown(HERE)))
    for part in (
        "libvirt-exporter 1.2.3",
        "1 of 1 connected",
        "Domains 2 1\N{NO-BREAK SPACE}running, 1\N{NO-BREAK SPACE}shut\N{NO-BREAK SPACE}off",
        "qemu:///system",
        "connected for 2 h · host-1 · QEMU 7.2.22 · libvirt 9.0.0",
        "rates over the last 15 s",
        "CPU 35 % 2 vCPUs Memory 300 MiB of 1.0 GiB",
        "read 2.0 KiB/s written 0 B/s Network in 977 KiB/s out –",
        "1 h 1 min",
        "4.0 s ago, took 84 ms",
        "domain_stats 80 ms ok host 20 ms failed",
        "Failed in the last scrape: host (it missed the deadline).",
        "Denied to this user: networks Not supported by this driver of libvirt: domain_info.xml",
        "Attention 1 see below",
    ):
        assert part in text


def test_bars_are_as_long_as_the_shares() -> None:
    page = render_page(shown(HERE), DEFAULT_ORDER)
    assert re.findall(r'<svg class="([\w ]+)"[^>]*><rect width="([\d.]+)%"', page) == [
        ("bar", "35.0"),
        ("bar", "29.3"),
        ("bar", "100.0"),
        ("bar", "25.0"),
    ]
    full = dataclasses.replace(WEB, rates=Rates(2.2), memory_used=2.0**30, is_told_by_guest=False)
    page = render_page(
        shown(dataclasses.replace(HERE, domains=(full,), collectors=())), DEFAULT_ORDER
    )
    assert re.findall(r'<svg class="([\w ]+)"[^>]*><rect width="([\d.]+)%"', page) == [
        ("bar high", "100.0"),
        ("bar", "100.0"),
    ]


def test_no_part_of_it_needs_more_than_the_policy_allows() -> None:
    page = render_page(shown(HERE), DEFAULT_ORDER)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")
    reader = read(page)
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(reader.tags)
    names = {name for name, _ in reader.attributes}
    assert not {"style", "src"} & names
    assert not [name for name in names if name.startswith("on")]
    targets = [value or "" for name, value in reader.attributes if name == "href"]
    assert all(re.match(r"/(?!/)|\?|#", target) for target in targets)
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_whatever_others_have_named_is_text() -> None:
    domain = dataclasses.replace(WEB, name=HOSTILE, uuid=HOSTILE, reason=HOSTILE, host=HOSTILE)
    hostile = dataclasses.replace(
        HERE,
        uri=HOSTILE,
        host=HOSTILE,
        hostname=HOSTILE,
        versions=(HOSTILE,),
        collectors=(CollectorView(HOSTILE, 1.0, has_succeeded=False, reason=HOSTILE),),
        missing=(Part(HOSTILE, HOSTILE),),
        domains=(dataclasses.replace(domain, has_timed_out=True),),
    )
    down = HypervisorView(HOSTILE, is_connected=False, host=HOSTILE, error=HOSTILE)
    probed = (ProbedView(HOSTILE, HOSTILE, error=HOSTILE),)
    snapshot = shown(hostile, down, probed=probed, telemetry_path="/m'\"<x>")
    page = render_page(snapshot, DEFAULT_ORDER)
    assert "<script" not in page
    assert "alert('x')" not in page
    reader = read(page)
    assert HOSTILE in reader.text
    assert ("href", "/m'\"<x>") in reader.attributes


def test_the_heads_lead_to_the_other_orders_and_say_the_present_one() -> None:
    page = render_page(shown(HERE), Order("memory", is_falling=True))
    assert (
        '<th scope="col" aria-sort="descending"><a href="?sort=memory&amp;order=asc#domains">'
        in page
    )
    assert '<th scope="col"><a href="?sort=cpu&amp;order=desc#domains">CPU</a>' in page
    assert '<th scope="col"><a href="?sort=name&amp;order=asc#domains">Domain</a>' in page
    assert "sort=host" not in page
    several = render_page(shown(HERE, HERE), DEFAULT_ORDER)
    assert "sort=host" in several


def domain_names(reader: Reader) -> list[str]:
    return re.findall(r"vm\d+", reader.text)


def test_of_many_domains_the_first_are_shown_and_it_is_said() -> None:
    many = tuple(
        dataclasses.replace(WEB, name=f"vm{number}", uuid=str(number), rates=Rates(number / 1000))
        for number in range(1000)
    )
    snapshot = shown(dataclasses.replace(HERE, domains=many))
    falling = domain_names(read(render_page(snapshot, DEFAULT_ORDER)))
    rising = domain_names(read(render_page(snapshot, Order("cpu", is_falling=False))))
    assert falling == [f"vm{number}" for number in range(999, 999 - MOST_DOMAINS, -1)]
    assert rising == [f"vm{number}" for number in range(MOST_DOMAINS)]
    assert "The first 200 of 1000 domains by cpu; all are on the" in text_of(snapshot)


def test_a_state_is_a_word_beside_its_colour() -> None:
    states = {0: "no state", 1: "running", 3: "paused", 5: "shut off", 6: "crashed", 99: "state 99"}
    for number, word in states.items():
        domain = dataclasses.replace(WEB, state=number)
        page = render_page(shown(dataclasses.replace(HERE, domains=(domain,))), DEFAULT_ORDER)
        assert re.search(rf'<span class="dot \w+" aria-hidden="true"></span>{word}</td>', page)
    unknown = dataclasses.replace(HERE, domains=(dataclasses.replace(WEB, state=None),))
    assert "not known" in text_of(shown(unknown))


def test_what_hangs_is_named() -> None:
    hung = tuple(
        dataclasses.replace(WEB, name=f"vm{number}", has_timed_out=True) for number in range(25)
    )
    text = squeezed(text_of(shown(dataclasses.replace(HERE, domains=hung, stuck_calls=2))))
    assert "No full statistics in time of 25 domains: vm0, vm1," in text
    assert "vm19 and 5 more." in text
    assert "2 calls to libvirt are still unanswered." in text


def test_without_a_connection_it_says_why_and_what_to_do() -> None:
    down = HypervisorView("qemu:///system", is_connected=False, error="no such socket")
    text = squeezed(text_of(shown(down)))
    assert "Not connected: no such socket. Run libvirt-exporter check to see" in text
    assert "0 of 1 connected" in text
    assert "<title>libvirt-exporter: 1 not connected</title>" in render_page(
        shown(down), DEFAULT_ORDER
    )
    assert "Domains rates" not in text


def test_before_the_first_attempt_it_is_connecting() -> None:
    starting = HypervisorView("qemu:///system", is_connected=False)
    assert "qemu:///system connecting" in squeezed(text_of(shown(starting)))


def test_before_the_first_scrape_it_says_so() -> None:
    fresh = dataclasses.replace(HERE, scraped_at=None, domains=(), collectors=())
    assert "Nothing was scraped yet." in text_of(shown(fresh))


def test_without_anything_configured_it_says_how_to() -> None:
    assert "No hypervisor is configured: name one with --libvirt.uri" in text_of(shown())


def test_a_hypervisor_without_domains_says_so() -> None:
    assert "There are no domains here." in text_of(shown(dataclasses.replace(HERE, domains=())))


def test_a_failed_reload_is_told() -> None:
    text = text_of(shown(HERE, has_reloaded=False))
    assert "The last reload of the configuration failed" in text


def test_probed_targets_in_trouble_come_first() -> None:
    probed = (
        ProbedView("a", "default", is_connected=True, connected_at=NOW),
        ProbedView("b", "default", was_probed=False),
        ProbedView("c", "brief", error="refused"),
    )
    text = squeezed(text_of(shown(probed=probed)))
    assert "c brief not connected: refused a default connected b default not probed lately" in text
    assert "Probed targets 3 1 connected" in text
