"""Any page parses back to the samples that went in, in both formats."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.exposition import (
    Format,
    Page,
    Sample,
    escape_label_value,
    render_float,
    render_header,
    render_labels,
    render_value,
    valid_text,
)
from exporter.metrics.rows import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    INFO,
    KIBIBYTES,
    MEBIBYTES,
    MILLISECONDS,
    NANOSECONDS,
    UNIT,
    UNTYPED,
    Family,
    Scale,
)
from tests.support.pages import (
    ParsedSample,
    families_of,
    promtool_complaints,
    samples_of,
    series_of,
)
from tests.support.records import HOSTILE_TEXTS, TEXTS

FORMATS = list(Format)
HELP = 'A "help" of \\ and % and é.'
REQUESTS = Family("requests_total", COUNTER, HELP)
LOAD = Family("load", GAUGE, HELP)
BUILD = Family("build_info", INFO, HELP)
ODD = Family("odd", UNTYPED, HELP)
LATENCY = Family("latency_seconds", HISTOGRAM, HELP)


def page_of(*samples: Sample) -> Page:
    page = Page()
    page.add(samples)
    return page


def shown(text: str) -> str:
    """A text as a page can show it, spelled out."""
    return "".join("\ufffd" if 0xD800 <= ord(one) < 0xE000 else one for one in text)


# The law.

LABEL_NAMES = st.sampled_from(["domain", "disk", "a", "_b", "le_9"])
LABELS = st.dictionaries(LABEL_NAMES, TEXTS, max_size=3).map(lambda one: tuple(one.items()))
ANY_VALUES = st.floats() | st.integers(-(2**64), 2**64)
VALUES = {
    REQUESTS: st.floats(min_value=0) | st.integers(0, 2**64),
    LOAD: ANY_VALUES,
    BUILD: st.just(1),
    ODD: ANY_VALUES,
}
SAMPLES = st.sampled_from(list(VALUES)).flatmap(
    lambda family: st.builds(Sample, st.just(family), VALUES[family], LABELS)
)


def expected(samples: list[Sample]) -> list[ParsedSample]:
    """The first sample of each series, family by family in the order in which those came."""
    first: dict[str, dict[frozenset[tuple[str, str]], ParsedSample]] = {}
    for sample in samples:
        labels = {name: shown(value) for name, value in sample.labels}
        of_family = first.setdefault(sample.family.name, {})
        one = (sample.family.name, labels, float(sample.value))
        of_family.setdefault(frozenset(labels.items()), one)
    return [one for of_family in first.values() for one in of_family.values()]


def comparable(samples: list[ParsedSample]) -> list[tuple[str, dict[str, str], object]]:
    return [
        (name, labels, "NaN" if math.isnan(value) else float(value))
        for name, labels, value in samples
    ]


@pytest.mark.parametrize("page_format", FORMATS)
@settings(max_examples=100, deadline=None)
@given(samples=st.lists(SAMPLES, max_size=6))
@example(samples=[Sample(LOAD, 1, (("a", text),)) for text in HOSTILE_TEXTS])
@example(samples=[Sample(LOAD, n, (("a", text),)) for n, text in enumerate(["\udc80", "\udcff"])])
def test_any_page_parses_back_to_its_samples(samples: list[Sample], page_format: Format) -> None:
    # The order of labels says nothing to a reader, but a page is written in one order.
    samples = [Sample(one.family, one.value, tuple(sorted(one.labels))) for one in samples]
    page = page_of(*samples).render(page_format)
    assert comparable(samples_of(page, page_format)) == comparable(expected(samples))
    series = series_of(page)
    assert len(series) == len(set(series))


# Labels.


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain", "plain"),
        ('say "hi"', r"say \"hi\""),
        ("a\\b", r"a\\b"),
        ("a\nb", r"a\nb"),
        (r"\n", r"\\n"),
        ("\r\t\0\u2028", "\r\t\0\u2028"),
        ("é 🦀", "é 🦀"),
        ("a\udcffb", "a\ufffdb"),
        ("\udce2\udc82", "\ufffd\ufffd"),
        ("\ud800-\udfff", "\ufffd-\ufffd"),
        ("100 %", "100 %"),
    ],
)
def test_a_label_value_is_escaped(text: str, escaped: str) -> None:
    assert escape_label_value(text) == escaped
    assert render_labels([("a", text), ("b", "c")]) == f'{{a="{escaped}",b="c"}}'
    escaped.encode()


def test_valid_text_changes_only_what_cannot_be_written() -> None:
    assert valid_text('é "\\\n\udc80\ud800') == 'é "\\\n\ufffd\ufffd'


def test_no_labels_need_no_braces() -> None:
    assert render_labels([]) == ""
    assert page_of(Sample(LOAD, 1)).render().endswith(b"\nload 1\n")


# Values.

SCALES = [UNIT, NANOSECONDS, MILLISECONDS, KIBIBYTES, MEBIBYTES, Scale(3, 100)]


@given(st.integers(-(2**64), 2**64), st.sampled_from(SCALES))
@example(-1, NANOSECONDS)
@example(-1_000_000_001, NANOSECONDS)
@example(2**64 - 1, MEBIBYTES)
def test_whole_numbers_are_exact_in_every_unit(number: int, scale: Scale) -> None:
    text = render_value(number, scale)
    assert Fraction(text) == Fraction(number) * scale.multiplier / scale.divisor
    assert float(text) == number * scale.multiplier / scale.divisor
    assert text.isascii()
    assert "e" not in text


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (1, NANOSECONDS, "0.000000001"),
        (-1, NANOSECONDS, "-0.000000001"),
        (-1_500_000_000, NANOSECONDS, "-1.500000000"),
        (10**9, NANOSECONDS, "1.000000000"),
        (0, NANOSECONDS, "0.000000000"),
        (1001, MILLISECONDS, "1.001"),
        (3, KIBIBYTES, "3072"),
        (-3, KIBIBYTES, "-3072"),
        (2**64 - 1, UNIT, "18446744073709551615"),
        (True, UNIT, "1"),
        (False, UNIT, "0"),
        (0.5, UNIT, "0.5"),
        (1.5, KIBIBYTES, "1536.0"),
        (-0.0, UNIT, "0.0"),
        (-5e-324, NANOSECONDS, "0.0"),
        (math.nan, NANOSECONDS, "NaN"),
        (math.inf, KIBIBYTES, "+Inf"),
        (-math.inf, UNIT, "-Inf"),
    ],
)
def test_a_value_reads(value: float, scale: Scale, text: str) -> None:
    assert render_value(value, scale) == text


@given(st.floats())
def test_any_float_is_read_back(value: float) -> None:
    read = float(render_value(value))
    assert read == value or (math.isnan(read) and math.isnan(value))


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_floats_that_are_equal_read_the_same(one: float, other: float) -> None:
    assert (render_value(one) == render_value(other)) is (one == other)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1.0"), (0.0001, "0.0001"), (1e-05, "1e-05"), (1e7, "1e+07"), (math.inf, "+Inf")],
)
def test_an_edge_is_canonical(value: float, text: str) -> None:
    assert render_float(value) == text


# Pages.


def test_the_text_format() -> None:
    page = page_of(
        Sample(REQUESTS, 1, (("a", "x"),)),
        Sample(BUILD, 1, (("version", "1"),)),
        Sample(REQUESTS, 2, (("a", "y"),)),
        Sample(ODD, 3),
    )
    assert page.render().decode() == (
        '# HELP requests_total A "help" of \\\\ and % and é.\n'
        "# TYPE requests_total counter\n"
        'requests_total{a="x"} 1\n'
        'requests_total{a="y"} 2\n'
        '# HELP build_info A "help" of \\\\ and % and é.\n'
        "# TYPE build_info gauge\n"
        'build_info{version="1"} 1\n'
        '# HELP odd A "help" of \\\\ and % and é.\n'
        "# TYPE odd untyped\n"
        "odd 3\n"
    )


def test_openmetrics_names_families_by_its_own_rules() -> None:
    page = page_of(
        Sample(REQUESTS, 1), Sample(BUILD, 1, (("version", "1"),)), Sample(ODD, 3), Sample(LOAD, 2)
    )
    assert page.render(Format.OPENMETRICS).decode() == (
        '# HELP requests A \\"help\\" of \\\\ and % and é.\n'
        "# TYPE requests counter\n"
        "requests_total 1\n"
        '# HELP build A \\"help\\" of \\\\ and % and é.\n'
        "# TYPE build info\n"
        'build_info{version="1"} 1\n'
        '# HELP odd A \\"help\\" of \\\\ and % and é.\n'
        "# TYPE odd unknown\n"
        "odd 3\n"
        '# HELP load A \\"help\\" of \\\\ and % and é.\n'
        "# TYPE load gauge\n"
        "load 2\n"
        "# EOF\n"
    )


def test_a_suffix_is_cut_only_off_the_type_that_has_it() -> None:
    gauge = Family("threads_total_info", GAUGE, "Threads.")
    header = render_header(gauge, Format.OPENMETRICS)
    assert header == "# HELP threads_total_info Threads.\n# TYPE threads_total_info gauge\n"


def test_a_help_text_stays_on_its_line() -> None:
    family = Family("x", GAUGE, "One\ntwo \\n.")
    for page_format in FORMATS:
        page = page_of(Sample(family, 1)).render(page_format)
        (parsed,) = families_of(page, page_format)
        assert parsed.documentation == "One\ntwo \\n."


@pytest.mark.parametrize("page_format", FORMATS)
def test_a_histogram_is_one_family(page_format: Format) -> None:
    own = (("disk", "vda"),)
    page = page_of(
        Sample(LATENCY, 3, (*own, ("le", "0.1")), suffix="_bucket"),
        Sample(LATENCY, 4, (*own, ("le", "+Inf")), suffix="_bucket"),
        Sample(LATENCY, 0.5, own, suffix="_sum"),
        Sample(LATENCY, 4, own, suffix="_count"),
    ).render(page_format)
    (family,) = families_of(page, page_format)
    assert (family.name, family.type) == ("latency_seconds", "histogram")
    assert [sample.name.removeprefix(family.name) for sample in family.samples] == [
        "_bucket",
        "_bucket",
        "_sum",
        "_count",
    ]


def test_an_empty_page() -> None:
    assert Page().render() == b""
    assert Page().render(Format.OPENMETRICS) == b"# EOF\n"
    assert Page().families == ()


def test_a_family_without_lines_has_no_header() -> None:
    page = Page()
    page.add_lines(LOAD, b"")
    assert page.render() == b""


def test_the_second_sample_of_a_series_is_dropped() -> None:
    page = page_of(Sample(LOAD, 1, (("a", "x"),)), Sample(LOAD, 1, (("a", "y"),)))
    page.add([Sample(LOAD, 2, (("a", "x"),)), Sample(LOAD, 3)])
    assert [value for _, _, value in samples_of(page.render())] == [1, 1, 3]


def test_lines_join_the_samples_of_their_family() -> None:
    page = page_of(Sample(LOAD, 1, (("a", "x"),)), Sample(REQUESTS, 1))
    page.add_lines(LOAD, b'load{a="y"} 2\nload{a="z"} 3\n')
    assert page.families == (LOAD, REQUESTS)
    assert [value for _, _, value in samples_of(page.render())] == [1, 2, 3, 1]
    for page_format in FORMATS:
        assert page.render(page_format).count(b"# TYPE load gauge\n") == 1


@pytest.mark.parametrize("page_format", FORMATS)
def test_two_pages_become_one_with_each_family_once(page_format: Format) -> None:
    page = page_of(Sample(LOAD, 1, (("host", "a"),)))
    other = page_of(Sample(REQUESTS, 2, (("host", "b"),)), Sample(LOAD, 3, (("host", "b"),)))
    page.add_page(other)
    rendered = page.render(page_format)
    assert [value for _, _, value in samples_of(rendered, page_format)] == [1, 3, 2]
    assert rendered.count(b"# TYPE load") == 1
    assert page.families == (LOAD, REQUESTS)


def test_openmetrics_ends_once() -> None:
    page = page_of(Sample(LOAD, 1))
    assert page.render(Format.OPENMETRICS).count(b"# EOF") == 1
    assert b"EOF" not in page.render()


def test_promtool_accepts_hostile_labels(require: Callable[[str], str]) -> None:
    page = page_of(*[Sample(LOAD, n, (("a", text),)) for n, text in enumerate(HOSTILE_TEXTS)])
    assert promtool_complaints(require("promtool"), page.render()) == []
