"""HTTP: formats by Accept, compression, the scraper's timeout, and the pages beside the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from exporter.application import Application
from exporter.config import (
    Config,
    ProbeConfig,
    TargetConfig,
    WebConfig,
)
from exporter.web import make_app
from libvirt_rpc.protocol import procedures as p
from tests.support.daemon import Answers, ScriptedDaemon, by_table, never
from tests.support.exporting import QEMU_HOST, Held, configured, exporting, get
from tests.support.pages import ReadPage, Series, read_page, read_response
from tests.support.virtual_time import VirtualClock, in_virtual_time

NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PROMETHEUS_2_25 = (
    "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT_FIRST = (
    "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.4"
)
PROMETHEUS_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


# Formats.


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        (BROWSER, TEXT),
        ("text/plain", TEXT),
        ("application/json", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0", TEXT),
        ("application/openmetrics-text;version=2.0.0, */*;q=0.1", TEXT),
        ("application/openmetrics-text;version=x;q=y,;;=,", TEXT),
        (PROMETHEUS_2_25, TEXT),
        (PROMETHEUS_2_42, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROMETHEUS_3_TEXT_FIRST, TEXT),
        (PROMETHEUS_PROTOBUF, OPENMETRICS),
    ],
)
async def test_the_format_is_the_one_that_the_client_likes_best(accept: str, expected: str) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        response = await get(application, accept=accept)
    assert response.headers["content-type"] == expected
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert read_response(response).domain_names == {"web", "archive"}


async def test_without_an_accept_header_the_page_is_text() -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        response = await get(application)
    assert response.headers["content-type"] == TEXT


async def test_both_formats_hold_the_same_domains() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        text = read_response(await get(application, accept="text/plain"))
        openmetrics = read_response(await get(application, accept=PROMETHEUS_3))

    def domains(page: ReadPage) -> dict[Series, str]:
        return {
            series: value
            for series, value in page.samples.items()
            if series[0].startswith("libvirt_domain_")
        }

    assert domains(text) == domains(openmetrics) != {}


@pytest.mark.parametrize(
    ("accept_encoding", "is_compressed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("xgzip", False),
    ],
)
async def test_the_page_is_compressed_when_the_client_takes_gzip(
    accept_encoding: str, is_compressed: bool
) -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        response = await get(application, accept_encoding=accept_encoding)
    assert (response.headers.get("content-encoding") == "gzip") is is_compressed
    assert read_response(response).value("libvirt_exporter_connected") == 0


async def test_a_compressed_page_is_gzip_and_its_length_is_that_of_what_is_sent() -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        response = await get(application, accept_encoding="gzip")
    sent = int(response.headers["content-length"])
    assert sent < len(response.content)
    assert len(gzip.compress(response.content, 1)) == pytest.approx(sent, abs=64)


# The time that a scrape may take.


@pytest.mark.parametrize(
    ("header", "offset_seconds", "expected"),
    [
        ("4", 0.5, 3.5),
        ("4", 1.0, 3.0),
        ("100", 0.5, 8.0),
        ("0.2", 0.5, 0.1),
        ("4.25", 0.0, 4.25),
        ("0", 0.5, 8.0),
        ("-3", 0.5, 8.0),
        ("nan", 0.5, 8.0),
        ("inf", 0.5, 8.0),
        ("1e999", 0.5, 8.0),
        ("soon", 0.5, 8.0),
        ("", 0.5, 8.0),
    ],
)
def test_the_page_is_there_before_the_scraper_gives_up(
    header: str, offset_seconds: float, expected: float
) -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        hanging = by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: never})
        async with ScriptedDaemon(hanging) as daemon:
            config = configured(
                daemon.uri,
                timeout_seconds=8.0,
                web=WebConfig(timeout_offset_seconds=offset_seconds),
                keepalive_interval_seconds=0,
            )
            async with exporting(config) as application:
                began = clock()
                response = await get(application, x_prometheus_scrape_timeout_seconds=header)
                taken = clock() - began
        assert (
            read_response(response).value(
                "libvirt_exporter_collector_success", collector="domain_stats"
            )
            == 0
        )
        assert max(0.0, expected - 0.6) <= taken <= expected + 0.001

    run()


# Other pages.


async def test_it_serves_without_a_daemon() -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        response = await get(application)
    assert read_response(response).value("libvirt_exporter_connected") == 0


async def test_it_is_healthy_at_once_and_ready_after_the_first_attempt() -> None:
    application = Application(configured(NOBODY_THERE))
    healthy, early = await get(application, "/-/healthy"), await get(application, "/-/ready")
    assert (healthy.status_code, healthy.text) == (200, "healthy\n")
    assert (early.status_code, early.text) == (503, "starting\n")
    async with exporting(configured(NOBODY_THERE)) as application:
        ready = await get(application, "/-/ready")
    assert (ready.status_code, ready.text) == (200, "ready\n")


@pytest.mark.parametrize("path", ["/metric", "/metrics/x", "/-/", "/favicon.ico"])
async def test_what_is_not_there_is_not_found(path: str) -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        assert (await get(application, path)).status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/probe", "/sd", "/-/healthy", "/-/ready", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_sent_to_it(path: str, method: str) -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        response = await get(application, path, method=method)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_head_request_has_the_headers_of_a_page() -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        response = await get(application, method="HEAD")
    assert (response.status_code, response.headers["content-type"]) == (200, TEXT)


async def test_the_metrics_page_can_be_elsewhere() -> None:
    web = WebConfig(telemetry_path="/libvirt/m'x&y")
    async with exporting(configured(NOBODY_THERE, web=web)) as application:
        page = await get(application, "/libvirt/m'x&y")
        landing = await get(application, "/")
        absent = await get(application, "/metrics")
    assert read_response(page).value("libvirt_exporter_connected") == 0
    assert '<a href="/libvirt/m&#x27;x&amp;y">' in landing.text
    assert absent.status_code == 404


async def test_the_metrics_page_can_be_the_root() -> None:
    async with exporting(
        configured(NOBODY_THERE, web=WebConfig(telemetry_path="/"))
    ) as application:
        page = await get(application, "/")
    assert read_response(page).value("libvirt_exporter_connected") == 0


async def test_the_landing_page_tells_the_connection_without_its_secrets() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        response = await get(application, "/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "qemu+unix:///system<" in response.text
    assert "connected for" in response.text
    assert '<a href="/metrics">' in response.text
    assert daemon.uri not in response.text


async def test_the_landing_page_tells_why_there_is_no_connection_and_escapes_it() -> None:
    uri = "qemu+unix:///system?socket=/nonexistent/%3Cscript%3Ealert(1)%3C/script%3E"
    async with exporting(configured(uri)) as application:
        response = await get(application, "/")
    assert "<script" not in response.text
    assert "no such socket" in response.text
    assert "&lt;script&gt;" in response.text


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "TRACE", "X"])
async def test_no_answer_may_run_a_script_or_be_taken_for_another_type(method: str) -> None:
    async with exporting(configured(NOBODY_THERE)) as application:
        for path in ("/metrics", "/probe", "/sd", "/-/healthy", "/-/ready", "/", "/absent", "//x/"):
            headers = (await get(application, path, method=method)).headers
            assert "location" not in headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_extra_pages_answer_while_a_scrape_hangs() -> None:
    held = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: held}
    async with (
        ScriptedDaemon(by_table(answers)) as daemon,
        exporting(configured(daemon.uri)) as application,
    ):
        scrape = asyncio.create_task(get(application))
        await held.called()
        assert (await get(application, "/-/healthy")).status_code == 200
        assert (await get(application, "/")).status_code == 200
        assert not scrape.done()
        held.let_go()
        page = read_page((await scrape).content)
    assert page.value("libvirt_exporter_collector_success", collector="domain_stats") == 1


# Probes.


def with_targets(config: Config, *allow: str, **targets: str | TargetConfig) -> Config:
    return dataclasses.replace(
        config,
        probe=ProbeConfig(allow=tuple(re.compile(one) for one in allow)),
        targets={
            name: TargetConfig(name, one) if isinstance(one, str) else one
            for name, one in targets.items()
        },
    )


@contextlib.asynccontextmanager
async def probing(config: Config) -> AsyncIterator[Application]:
    """An application that does all that it does when it serves."""
    application = Application(config)
    async with application.connecting():
        yield application


@pytest.mark.parametrize(
    ("accept", "content_type"), [("", TEXT), (PROMETHEUS_3, OPENMETRICS), ("text/html", TEXT)]
)
async def test_a_probe_gives_the_targets_page_as_the_client_wants_it(
    accept: str, content_type: str
) -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        probing(with_targets(configured(NOBODY_THERE), hv1=daemon.uri)) as application,
    ):
        response = await get(
            application, "/probe?target=hv1", accept=accept, accept_encoding="gzip"
        )
    assert response.headers["content-type"] == content_type
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["x-content-type-options"] == "nosniff"
    page = read_response(response)
    assert page.value("libvirt_exporter_connected") == 1
    assert page.domain_names == {"web", "archive"}


HOSTILE = "%3Cscript%3Ealert(1)%3C/script%3E%0D%0AX-Evil:%20%22%27%26%00"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?target=", 400),
        ("?module=default", 400),
        ("?target=hv2", 403),
        ("?target=hv1&module=brief", 400),
        (f"?target=hv1&module={HOSTILE}", 400),
        (f"?target={HOSTILE}", 403),
        (f"?target=qemu%2Btls://hv1/{HOSTILE}", 400),
        ("?target=qemu%2Btls://hv1:x/%3Cscript%3E", 400),
        ("?target=qemu%2Bscript:%3Cscript%3E", 400),
        ("?target=qemu:///system", 403),
        ("?target=qemu%2Bssh://hv1/system?command=/bin/sh", 403),
        ("?target=%ff%fe", 403),
        (f"?target={'a' * 10_000}", 403),
    ],
)
async def test_a_probe_that_is_refused_says_why_in_plain_text(query: str, status: int) -> None:
    config = with_targets(configured(NOBODY_THERE), "(?s)qemu.*", hv1=NOBODY_THERE)
    async with probing(config) as application:
        response = await get(application, f"/probe{query}")
    assert response.status_code == status
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.text.endswith("\n")
    assert response.text.count("\n") == 1
    assert response.text[:-1].isprintable()
    assert len(response.text) < 500
    assert "alert(1)" not in response.text or status == 400
    assert not any("evil" in name for name in response.headers)


async def test_a_refused_uri_keeps_its_secrets() -> None:
    async with probing(with_targets(configured(NOBODY_THERE), ".*")) as application:
        for query in ("qemu%2Btls://user:s3cret@hv1:x/", "qemu%2Btls://hv1:x/?auth=s3cret"):
            response = await get(application, f"/probe?target={query}")
            assert response.status_code == 400
            assert "s3cret" not in response.text


async def test_a_probe_where_every_connection_is_in_use_is_unavailable() -> None:
    held = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    slow: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: held}
    async with ScriptedDaemon(by_table(slow)) as daemon:
        config = with_targets(configured(NOBODY_THERE), hv1=daemon.uri, hv2=daemon.uri)
        config = dataclasses.replace(config, probe=ProbeConfig(max_connections=1))
        async with probing(config) as application:
            first = asyncio.create_task(get(application, "/probe?target=hv1"))
            await held.called()
            response = await get(application, "/probe?target=hv2")
            held.let_go()
            assert (await first).status_code == 200
    assert response.status_code == 503
    assert "probe.max_connections" in response.text


async def test_a_target_that_is_down_has_a_page_that_says_so() -> None:
    config = with_targets(configured(NOBODY_THERE), hv1=NOBODY_THERE)
    async with probing(config) as application:
        page = read_response(await get(application, "/probe?target=hv1"))
    assert page.value("libvirt_exporter_connected") == 0


def test_a_probe_is_there_before_the_scraper_gives_up() -> None:
    @in_virtual_time
    async def run(clock: VirtualClock) -> None:
        async with ScriptedDaemon(by_table({**QEMU_HOST, p.AUTH_LIST: never})) as daemon:
            config = with_targets(configured(NOBODY_THERE), hv1=daemon.uri, hv2=daemon.uri)
            async with probing(config) as application:
                for target, header, expected in (("hv1", "4", 3.5), ("hv2", "", 10.0)):
                    began = clock()
                    response = await get(
                        application,
                        f"/probe?target={target}",
                        x_prometheus_scrape_timeout_seconds=header,
                    )
                    assert clock() - began == pytest.approx(expected, abs=0.01)
                    assert read_response(response).value("libvirt_exporter_connected") == 0

    run()


async def test_the_service_discovery_is_json_as_prometheus_takes_it() -> None:
    hv2 = TargetConfig("hv 2/ü", NOBODY_THERE, labels={"rack": 'r"12'})
    config = dataclasses.replace(
        with_targets(configured(NOBODY_THERE), hv1=NOBODY_THERE),
        targets={"hv1": TargetConfig("hv1", NOBODY_THERE), hv2.name: hv2},
    )
    async with probing(config) as application:
        response = await get(application, "/sd")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [
        {"targets": ["hv1"], "labels": {"__param_module": "default"}},
        {"targets": ["hv 2/ü"], "labels": {"__param_module": "default", "rack": 'r"12'}},
    ]
    assert "nonexistent" not in response.text  # the URIs are nobody's business


# Bounds.


async def test_scrapes_beyond_the_bound_are_told_to_come_again_and_other_pages_are_not() -> None:
    held = Held(QEMU_HOST[p.CONNECT_LIST_ALL_DOMAINS])
    answers: Answers = {**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: held}
    async with ScriptedDaemon(by_table(answers)) as daemon:
        config = with_targets(
            configured(daemon.uri, web=WebConfig(max_requests=2)), hv1=NOBODY_THERE
        )
        async with probing(config) as application:
            await application.hypervisor.first_attempt()
            client = client_of(application)
            scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(2)]
            await held.called()
            refused = await client.get("/metrics")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.text == "2 requests are being answered already (--web.max-requests)\n"
            assert (await client.get("/-/healthy")).status_code == 200
            assert (await client.get("/probe?target=hv1")).status_code == 200
            held.let_go()
            assert [(await scrape).status_code for scrape in scrapes] == [200, 200]
            # Its own calls are held again.
            assert (await client.get("/metrics", headers=SOON)).status_code == 200
            await client.aclose()


async def test_probes_have_a_bound_of_their_own_and_0_is_none() -> None:
    async with ScriptedDaemon(by_table({**QEMU_HOST, p.AUTH_LIST: never})) as daemon:
        for limit, expected in ((1, 503), (0, 200)):
            config = with_targets(
                configured(NOBODY_THERE, web=WebConfig(max_requests=limit)), hv1=daemon.uri
            )
            async with probing(config) as application:
                client = client_of(application)
                probe = asyncio.create_task(client.get("/probe?target=hv1", headers=SOON))
                while not application.probes.connections:
                    await asyncio.wait([probe], timeout=0.01)
                other = await client.get("/probe?target=hv1", headers=SOON)
                assert other.status_code == expected
                assert (await client.get("/metrics")).status_code == 200
                assert (await probe).status_code == 200
                await client.aclose()


SOON = {"X-Prometheus-Scrape-Timeout-Seconds": "0.7"}


def client_of(application: Application) -> httpx.AsyncClient:
    """One whose requests all go to the same application."""
    transport = httpx.ASGITransport(make_app(application))
    return httpx.AsyncClient(transport=transport, base_url="http://exporter")
