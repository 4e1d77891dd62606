"""From a `Snapshot` to HTML: whole without scripts, fonts or pictures from elsewhere, and every text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence

from exporter.landing.markup import Markup, document, tag
from exporter.landing.order import Order, sort_domains
from exporter.landing.snapshot import (
    CollectorView,
    DomainView,
    HypervisorView,
    Part,
    ProbedView,
    Snapshot,
)
from exporter.landing.style import STYLE
from exporter.landing.units import (
    render_bytes,
    render_duration,
    render_rate,
    render_share,
    render_time,
)
from libvirt_rpc.enums import DomainState

__all__ = ["CONTENT_SECURITY_POLICY", "MOST_DOMAINS", "render_page"]

MOST_DOMAINS = 200
MOST_TARGETS = 200
MOST_NAMES = 20
REFRESH_SECONDS = 30
HIGH_SHARE = 0.9

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The one style sheet of the page, by its hash, and nothing else."""

_STATES = {
    DomainState.NOSTATE: ("no state", "idle"),
    DomainState.RUNNING: ("running", "good"),
    DomainState.BLOCKED: ("blocked", "good"),
    DomainState.PAUSED: ("paused", "warn"),
    DomainState.SHUTDOWN: ("shutting down", "warn"),
    DomainState.SHUTOFF: ("shut off", "idle"),
    DomainState.CRASHED: ("crashed", "bad"),
    DomainState.PMSUSPENDED: ("suspended", "warn"),
}

_REASONS = {
    "unsupported": "Not supported by this driver of libvirt",
    "denied": "Denied to this user",
    "too_old": "Newer than this libvirt",
}

_SORTED_BY = {
    "name": "Domain",
    "state": "State",
    "host": "Host",
    "cpu": "CPU",
    "memory": "Memory",
    "disk": "Disk",
    "network": "Network",
    "uptime": "Up",
}


def render_page(snapshot: Snapshot, order: Order) -> str:
    """The whole page."""
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=str(REFRESH_SECONDS)),
        tag("title", _title(snapshot)),
        tag("style", Markup(STYLE)),
    ]
    sections = [
        _header(snapshot),
        _tiles(snapshot),
        *_warnings(snapshot),
        *_hypervisors(snapshot),
        *_domains(snapshot, order),
        *_probed(snapshot.probed),
        *_scrapes(snapshot),
        _footer(snapshot),
    ]
    return document(head, [tag("div", sections, class_="wrap")])


def _title(snapshot: Snapshot) -> str:
    down = sum(bool(one.error) for one in snapshot.hypervisors)
    return f"libvirt-exporter: {down} not connected" if down else "libvirt-exporter"


def _header(snapshot: Snapshot) -> Markup:
    links = [
        ("Metrics", snapshot.telemetry_path),
        ("Service discovery", "/sd"),
        ("Health", "/-/healthy"),
        ("Readiness", "/-/ready"),
    ]
    return tag(
        "header",
        tag("h1", "libvirt-exporter", tag("small", snapshot.version)),
        tag("nav", [tag("a", text, href=to) for text, to in links], aria_label="Pages"),
    )


def _footer(snapshot: Snapshot) -> Markup:
    return tag(
        "footer",
        tag(
            "p",
            f"As of {render_time(snapshot.taken_at)}; the page comes anew every {REFRESH_SECONDS} s. ",
            "CPU is processor time of what the vCPUs can use. Memory is what the guest uses where its ",
            "balloon driver tells, else what the domain's process has of the host.",
        ),
        tag(
            "p",
            "What every metric means: ",
            tag("span", "libvirt-exporter metrics", class_="mono"),
            ". What works and what is missing: ",
            tag("span", "libvirt-exporter check", class_="mono"),
            ". Every setting: docs/configuration.md.",
        ),
    )


# The whole, in a few figures.


def _tiles(snapshot: Snapshot) -> Markup:
    own = snapshot.hypervisors
    tiles = []
    if own:
        connected = sum(one.is_connected for one in own)
        tiles.append(
            _tile(
                "Hypervisors",
                f"{connected} of {len(own)}",
                "connected",
                "bad" if any(one.error for one in own) else "good",
            )
        )
        tiles.append(_domain_tile(snapshot.domains))
        tiles.append(_scrape_tile(snapshot))
    if snapshot.probed:
        connected = sum(one.is_connected for one in snapshot.probed)
        tiles.append(_tile("Probed targets", str(len(snapshot.probed)), f"{connected} connected"))
    trouble = _count_trouble(snapshot)
    tiles.append(
        _tile(
            "Attention",
            str(trouble) if trouble else "none",
            "see below" if trouble else "all is well",
            "warn" if trouble else "good",
        )
    )
    return tag("dl", tiles, class_="tiles")


def _tile(name: str, figure: str, more: str, dot: str | None = None) -> Markup:
    marks = [_dot(dot)] if dot else []
    return tag(
        "div",
        tag("dt", name),
        tag("dd", marks, figure, tag("span", more, class_="small")),
        class_="tile",
    )


def _domain_tile(domains: Sequence[DomainView]) -> Markup:
    counts = Counter(_state_of(domain)[0] for domain in domains)
    # A count and its word stay on one line.
    parts = [
        f"{count} {word}".replace(" ", "\N{NO-BREAK SPACE}") for word, count in counts.most_common()
    ]
    words = ", ".join(parts)
    return _tile("Domains", str(len(domains)), words or "none is defined")


def _state_of(domain: DomainView) -> tuple[str, str]:
    """The state's word and the kind of its dot."""
    if domain.state is None:
        return "not known", "idle"
    return _STATES.get(DomainState(domain.state), (f"state {domain.state}", "idle"))


def _scrape_tile(snapshot: Snapshot) -> Markup:
    times = [one.scraped_at for one in snapshot.hypervisors if one.scraped_at is not None]
    took = [one.scrape_seconds for one in snapshot.hypervisors if one.scrape_seconds is not None]
    if not times or not took:
        return _tile("Last scrape", "none yet", "nobody has asked")
    return _tile(
        "Last scrape",
        render_duration(max(took)),
        f"{render_duration(snapshot.taken_at - max(times))} ago",
    )


def _count_trouble(snapshot: Snapshot) -> int:
    hypervisors = sum(
        _count_trouble_of(one) if one.is_connected else bool(one.error)
        for one in snapshot.hypervisors
    )
    targets = sum(bool(one.error) for one in snapshot.probed)
    return hypervisors + targets + (not snapshot.has_reloaded)


def _count_trouble_of(one: HypervisorView) -> int:
    failed = sum(
        not collector.has_succeeded and not collector.reason for collector in one.collectors
    )
    hung = sum(domain.has_timed_out for domain in one.domains)
    crashed = sum(domain.state == DomainState.CRASHED for domain in one.domains)
    return failed + hung + crashed


def _warnings(snapshot: Snapshot) -> list[Markup]:
    if snapshot.has_reloaded:
        return []
    text = "The last reload of the configuration failed: the old one is in use. The log says why."
    return [tag("p", text, class_="note bad", role="status")]


# Each hypervisor.


def _hypervisors(snapshot: Snapshot) -> list[Markup]:
    own = snapshot.hypervisors
    if not own and not snapshot.probed:
        text = "No hypervisor is configured: name one with --libvirt.uri, or targets for probes."
        return [tag("p", text, class_="note")]
    if not own:
        return []
    title = "Hypervisor" if len(own) == 1 else "Hypervisors"
    return [tag("h2", title), *(_hypervisor(one, snapshot) for one in own)]


def _hypervisor(one: HypervisorView, snapshot: Snapshot) -> Markup:
    name = [tag("strong", one.host), Markup(" ")] if one.host else []
    if not one.is_connected:
        return _absent(one, name)
    facts = [
        f"connected for {render_duration(snapshot.taken_at - one.connected_at)}"
        if one.connected_at is not None
        else "connected",
        *([one.hostname] if one.hostname else []),
        *one.versions,
        *([f"reconnected {_times(one.reconnects)}"] if one.reconnects else []),
    ]
    title = f"since {render_time(one.connected_at)}" if one.connected_at is not None else None
    first = tag("p", _dot("good"), name, tag("span", one.uri, class_="mono"))
    second = tag("p", " \N{MIDDLE DOT} ".join(facts), class_="soft small", title=title)
    if one.scraped_at is None:
        return tag(
            "div", first, second, tag("p", "Nothing was scraped yet.", class_="soft"), class_="card"
        )
    return tag("div", first, second, *_notes(one), class_="card")


def _absent(one: HypervisorView, name: list[Markup]) -> Markup:
    what = "not connected" if one.error else "connecting"
    return tag(
        "div",
        tag(
            "p",
            _dot("bad" if one.error else "idle"),
            name,
            tag("span", one.uri, class_="mono"),
            Markup(" "),
            tag("span", what, class_="soft"),
        ),
        _advice(one.error) if one.error else None,
        class_="card",
    )


def _advice(error: str) -> Markup:
    run = tag("span", "libvirt-exporter check", class_="mono")
    text = f"Not connected: {error.rstrip('.')}. Run "
    return tag("p", text, run, " to see what is missing.", class_="note bad")


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _notes(one: HypervisorView) -> list[Markup]:
    """What an operator should look at."""
    shown = []
    hung = [domain.name for domain in one.domains if domain.has_timed_out]
    if hung:
        names = ", ".join(hung[:MOST_NAMES])
        more = f" and {len(hung) - MOST_NAMES} more" if len(hung) > MOST_NAMES else ""
        shown.append(
            tag(
                "p",
                f"No full statistics in time of {_domains_in_words(len(hung))}: {names}{more}. ",
                "They hang: look at QEMU's monitor or the storage behind them.",
                class_="note",
            )
        )
    if one.stuck_calls:
        noun = "call to libvirt is" if one.stuck_calls == 1 else "calls to libvirt are"
        shown.append(tag("p", f"{one.stuck_calls} {noun} still unanswered.", class_="note"))
    failed = [
        f"{collector.name} ({collector.failure})" if collector.failure else collector.name
        for collector in one.collectors
        if not collector.has_succeeded and not collector.reason
    ]
    if failed:
        text = f"Failed in the last scrape: {', '.join(failed)}. The log says why."
        shown.append(tag("p", text, class_="note bad"))
    return shown


def _domains_in_words(number: int) -> str:
    return "1 domain" if number == 1 else f"{number} domains"


# The domains.


def _domains(snapshot: Snapshot, order: Order) -> list[Markup]:
    if not any(one.is_connected and one.scraped_at is not None for one in snapshot.hypervisors):
        return []
    domains = sort_domains(snapshot.domains, order)
    shown = domains[:MOST_DOMAINS]
    title = tag("h2", "Domains", tag("small", _rates_note(snapshot)), id="domains")
    if not domains:
        return [title, tag("p", "There are no domains here.", class_="card soft")]
    columns = [key for key in _SORTED_BY if key != "host" or len(snapshot.hypervisors) > 1]
    head = tag("tr", [_head(key, order) for key in columns])
    rows = [tag("tr", [_CELLS[key](domain) for key in columns]) for domain in shown]
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="domains")
    parts = [title, tag("div", table, class_="card table")]
    if len(domains) > len(shown):
        text = (
            f"The first {len(shown)} of {len(domains)} domains by "
            f"{_SORTED_BY[order.column].lower()}; all are on the "
        )
        link = tag("a", "metrics page", href=snapshot.telemetry_path)
        parts.append(tag("p", text, link, ".", class_="soft small"))
    return parts


def _rates_note(snapshot: Snapshot) -> str:
    spans = [one.rates_over for one in snapshot.hypervisors if one.rates_over is not None]
    if not spans:
        return "rates come with the second scrape"
    return f"rates over the last {render_duration(max(spans))}"


def _head(key: str, order: Order) -> Markup:
    arrow, sort = "", None
    if key == order.column:
        arrow = (
            " \N{BLACK DOWN-POINTING SMALL TRIANGLE}"
            if order.is_falling
            else (" \N{BLACK UP-POINTING SMALL TRIANGLE}")
        )
        sort = "descending" if order.is_falling else "ascending"
    link = tag("a", f"{_SORTED_BY[key]}{arrow}", href=f"{order.by(key).query}#domains")
    is_number = key == "uptime"
    return tag("th", link, scope="col", aria_sort=sort, class_="number" if is_number else None)


def _name_cell(domain: DomainView) -> Markup:
    late = tag("small", "hangs: no full statistics") if domain.has_timed_out else None
    return tag("td", domain.name, late, class_="name", title=domain.uuid)


def _state_cell(domain: DomainView) -> Markup:
    word, dot = _state_of(domain)
    title = f"reason: {domain.reason}" if domain.reason else None
    return tag("td", _dot(dot), word, class_="state", title=title)


def _host_cell(domain: DomainView) -> Markup:
    return tag("td", _label("Host"), domain.host, class_="host soft")


def _cpu_cell(domain: DomainView) -> Markup:
    share = domain.cpu_share
    of = "" if domain.vcpus is None else f"{domain.vcpus} vCPU{'' if domain.vcpus == 1 else 's'}"
    is_high = share is not None and share >= HIGH_SHARE
    return _measure("CPU", render_share(share), of, share, is_high=is_high)


def _memory_cell(domain: DomainView) -> Markup:
    of = f"of {render_bytes(domain.memory_max)}" if domain.memory_max is not None else ""
    share = domain.memory_share
    is_high = domain.is_told_by_guest and share is not None and share >= HIGH_SHARE
    return _measure("Memory", render_bytes(domain.memory_used), of, share, is_high=is_high)


def _disk_cell(domain: DomainView) -> Markup:
    return _two_ways("Disk", "read", domain.rates.disk_read, "written", domain.rates.disk_written)


def _network_cell(domain: DomainView) -> Markup:
    rates = domain.rates
    return _two_ways("Network", "in", rates.network_received, "out", rates.network_sent)


def _uptime_cell(domain: DomainView) -> Markup:
    return tag("td", _label("Up"), render_duration(domain.uptime), class_="number soft")


_CELLS: dict[str, Callable[[DomainView], Markup]] = {
    "name": _name_cell,
    "state": _state_cell,
    "host": _host_cell,
    "cpu": _cpu_cell,
    "memory": _memory_cell,
    "disk": _disk_cell,
    "network": _network_cell,
    "uptime": _uptime_cell,
}


def _measure(name: str, text: str, of: str, share: float | None, *, is_high: bool) -> Markup:
    figures = tag(
        "span", _label(name), text, tag("span", of, class_="soft small"), class_="figures"
    )
    bar = _bar(share, is_high=is_high) if share is not None else None
    return tag("td", figures, bar, class_="measure")


def _two_ways(
    name: str, one: str, one_rate: float | None, other: str, other_rate: float | None
) -> Markup:
    if one_rate is None and other_rate is None:
        return tag("td", _label(name), render_rate(None), class_="measure soft")
    lines = [
        tag("span", tag("span", word, class_="soft small"), _rate(rate), class_="figures")
        for word, rate in ((one, one_rate), (other, other_rate))
    ]
    return tag("td", _label(name), lines, class_="measure")


def _rate(rate: float | None) -> Markup:
    return tag("span", render_rate(rate), class_=None if rate else "soft")


def _label(text: str) -> Markup:
    """What the head of the column says, for where there are no columns."""
    return tag("span", text, class_="label")


def _bar(share: float, *, is_high: bool = False) -> Markup:
    width = min(max(share, 0.0), 1.0) * 100
    return tag(
        "svg",
        tag("rect", width=f"{width:.1f}%", height="100%"),
        class_="bar high" if is_high else "bar",
        aria_hidden="true",
    )


def _dot(kind: str) -> Markup:
    return tag("span", class_=f"dot {kind}", aria_hidden="true")


# Probed targets.


def _probed(probed: Sequence[ProbedView]) -> list[Markup]:
    if not probed:
        return []
    # Those in trouble first: they are why somebody looks.
    ordered = sorted(probed, key=lambda one: (not _is_down(one), one.name, one.module))
    rows = [_probed_row(one) for one in ordered[:MOST_TARGETS]]
    head = tag("tr", [tag("th", text, scope="col") for text in ("Target", "Module", "State")])
    table = tag("table", tag("thead", head), tag("tbody", rows))
    parts = [tag("h2", "Probed targets"), tag("div", table, class_="card table")]
    if len(ordered) > MOST_TARGETS:
        text = f"{MOST_TARGETS} of {len(ordered)} targets; all that are configured are in the "
        link = tag("a", "service discovery", href="/sd")
        parts.append(tag("p", text, link, ".", class_="soft small"))
    return parts


def _is_down(one: ProbedView) -> bool:
    return bool(one.error)


def _probed_row(one: ProbedView) -> Markup:
    if not one.was_probed:
        state = [_dot("idle"), tag("span", "not probed lately", class_="soft")]
    elif one.is_connected:
        state = [_dot("good"), tag("span", "connected")]
    elif one.error:
        state = [_dot("bad"), tag("span", f"not connected: {one.error}")]
    else:
        state = [_dot("idle"), tag("span", "connecting", class_="soft")]
    return tag(
        "tr",
        tag("td", one.name, class_="name"),
        tag("td", one.module, class_="soft"),
        tag("td", state),
    )


# The last scrape of each hypervisor: its collectors, and what libvirt does not offer.


def _scrapes(snapshot: Snapshot) -> list[Markup]:
    scraped = [one for one in snapshot.hypervisors if one.scraped_at is not None]
    if not scraped:
        return []
    # One is open to the eye; of several each is a click away.
    if len(scraped) == 1:
        (one,) = scraped
        return [tag("h2", "Last scrape", tag("small", _when(one, snapshot))), _scrape(one)]
    return [
        tag("h2", "Last scrapes"),
        *(
            tag(
                "details",
                tag("summary", one.host, tag("span", _when(one, snapshot), class_="soft small")),
                _scrape(one),
            )
            for one in scraped
        ),
    ]


def _when(one: HypervisorView, snapshot: Snapshot) -> str:
    assert one.scraped_at is not None
    ago = render_duration(snapshot.taken_at - one.scraped_at)
    return f"{ago} ago, took {render_duration(one.scrape_seconds)}"


def _scrape(one: HypervisorView) -> Markup:
    asked = [collector for collector in one.collectors if not collector.reason]
    sides = [tag("div", tag("h3", "Collectors"), _collectors(asked))]
    missing = [
        Part(collector.name, collector.reason) for collector in one.collectors if collector.reason
    ]
    missing += one.missing
    if missing:
        sides.append(tag("div", tag("h3", "Not available here"), *_missing(missing)))
    return tag("div", tag("div", sides, class_="sides"), class_="card")


def _collectors(collectors: Sequence[CollectorView]) -> Markup:
    longest = max((one.seconds for one in collectors), default=0.0)
    rows = [
        tag(
            "tr",
            tag("td", _dot("good" if one.has_succeeded else "bad"), one.name, class_="mono"),
            tag("td", _bar(one.seconds / longest if longest else 0.0), class_="grow"),
            tag("td", render_duration(one.seconds), class_="number"),
            tag("td", "ok" if one.has_succeeded else "failed", class_="soft small"),
        )
        for one in collectors
    ]
    return tag("table", tag("tbody", rows), class_="parts")


def _missing(parts: Sequence[Part]) -> list[Markup]:
    by_reason: dict[str, list[str]] = {}
    for part in parts:
        by_reason.setdefault(part.reason, []).append(part.name)
    return [
        tag(
            "p",
            _dot("idle"),
            f"{_REASONS.get(reason, reason)}: ",
            tag("span", ", ".join(sorted(names)), class_="mono soft"),
        )
        for reason, names in sorted(by_reason.items())
    ]
