"""The exporter's own figures, read back from the page."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from exporter.exposition import Format, Page
from exporter.self_metrics import SelfMetrics
from libvirt_rpc.errors import CallTimeout, LibvirtRPCError, RemoteError, SessionClosed
from libvirt_rpc.session import CallObservation
from libvirt_rpc.version import BUILD_DATE, __version__
from tests.support.pages import families_of, promtool_complaints, samples_of

CALL = "CONNECT_GET_ALL_DOMAIN_STATS"
DURATION = "libvirt_exporter_rpc_duration_seconds"
ERRORS = "libvirt_exporter_rpc_errors_total"


def page_of(metrics: SelfMetrics) -> Page:
    page = Page()
    page.add(metrics.samples())
    return page


def values_of(metrics: SelfMetrics, name: str) -> list[tuple[dict[str, str], float]]:
    samples = samples_of(page_of(metrics).render())
    return [(labels, value) for one, labels, value in samples if one == name]


def observed(*observations: tuple[float, BaseException | None]) -> SelfMetrics:
    metrics = SelfMetrics()
    for seconds, error in observations:
        metrics.observe(CallObservation(CALL, seconds, error))
    return metrics


def test_the_build_is_named() -> None:
    labels = {
        "version": __version__,
        "python_version": platform.python_version(),
        "build_date": BUILD_DATE,
    }
    assert values_of(SelfMetrics(), "libvirt_exporter_build_info") == [(labels, 1)]


def test_the_durations_of_calls_fill_a_histogram() -> None:
    metrics = observed((0.001, None), (0.004, None), (0.5, None), (60.0, None))
    own = {"procedure": CALL}
    buckets = {labels["le"]: value for labels, value in values_of(metrics, f"{DURATION}_bucket")}
    assert all(
        labels.items() >= own.items() for labels, _ in values_of(metrics, f"{DURATION}_bucket")
    )
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.005"]) == (1, 1, 2)
    assert (buckets["0.25"], buckets["0.5"], buckets["30.0"], buckets["+Inf"]) == (2, 3, 3, 4)
    assert list(buckets.values()) == sorted(buckets.values())
    assert values_of(metrics, f"{DURATION}_count") == [(own, 4)]
    assert [value for _, value in values_of(metrics, f"{DURATION}_sum")] == pytest.approx([60.505])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RemoteError(42, 10, 2, "no domain"), "42"),
        (RemoteError(12_345, 10, 2, "of a newer daemon"), "12345"),
        (CallTimeout(CALL, 1.0), "timeout"),
        (SessionClosed("the daemon closed the connection"), "connection"),
        (ConnectionResetError(), "connection"),
    ],
    ids=["known", "unknown", "timeout", "closed", "reset"],
)
def test_an_error_is_counted_by_its_code(error: BaseException, code: str) -> None:
    metrics = observed((0.1, None), (0.1, error), (0.1, error))
    assert values_of(metrics, ERRORS) == [({"procedure": CALL, "code": code}, 2)]
    assert values_of(metrics, f"{DURATION}_count") == [({"procedure": CALL}, 3)]


def test_calls_that_succeed_count_no_error() -> None:
    assert values_of(observed((0.1, None)), ERRORS) == []


def test_the_process_shows_itself() -> None:
    samples = {name: value for name, _, value in samples_of(page_of(SelfMetrics()).render())}
    assert samples["process_resident_memory_bytes"] > 1_000_000
    assert samples["process_cpu_seconds_total"] > 0
    assert samples["python_info"] == 1
    assert "python_gc_collections_total" in samples


def test_the_time_at_which_a_counter_was_made_is_no_metric() -> None:
    metrics = observed((0.1, LibvirtRPCError()))
    assert b"_created" not in page_of(metrics).render()


@pytest.mark.parametrize("page_format", list(Format))
def test_the_page_parses_back_to_what_the_registry_holds(page_format: Format) -> None:
    metrics = observed((0.1, None), (0.2, CallTimeout(CALL, 1.0)))
    page = Page()
    samples = list(metrics.samples())
    page.add(samples)
    parsed = samples_of(page.render(page_format), page_format)
    assert [(name, value) for name, _, value in parsed] == [
        (sample.family.name + sample.suffix, sample.value) for sample in samples
    ]
    types = {
        family.name: family.type for family in families_of(page.render(page_format), page_format)
    }
    assert types[DURATION] == "histogram"
    assert types[ERRORS.removesuffix("_total")] == "counter"
    assert types["process_resident_memory_bytes"] == "gauge"


def test_every_help_text_is_a_sentence() -> None:
    families = page_of(observed((0.1, CallTimeout(CALL, 1.0)))).families
    assert all(family.help.endswith(".") for family in families)
    assert len({family.name for family in families}) == len(families)


def test_two_exporters_in_one_process_share_nothing() -> None:
    observed((0.1, None))
    assert values_of(SelfMetrics(), f"{DURATION}_count") == []


def test_promtool_accepts_the_page(require: Callable[[str], str]) -> None:
    metrics = observed((0.1, None), (0.2, CallTimeout(CALL, 1.0)))
    assert promtool_complaints(require("promtool"), page_of(metrics).render()) == []


def test_constant_labels_go_onto_every_sample() -> None:
    metrics = SelfMetrics((("rack", "r12"),))
    metrics.observe(CallObservation(CALL, 0.1, CallTimeout(CALL, 1.0)))
    samples = samples_of(page_of(metrics).render())
    assert {labels["rack"] for _, labels, _ in samples} == {"r12"}
