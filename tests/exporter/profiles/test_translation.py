"""The interpreter of the tables, and each table over a page that is made by hand.

`python -m tests.exporter.profiles.test_translation` writes expected/ anew, after a change that was meant.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.exposition import Format, Page
from exporter.metrics.rows import Scale
from exporter.page_reader import read_family
from exporter.profiles.tables import NAMES, NATIVE, PROFILES, conflicts
from exporter.profiles.translation import Translation, scaled
from tests.exporter.profiles.native_page import DB, FLEET, WEB, page_of
from tests.support.pages import samples_of

EXPECTED = Path(__file__).parent / "expected"
NOW = 1_700_000_060.0

TOGETHER = [
    names
    for count in range(1, len(NAMES) + 1)
    for names in combinations(NAMES, count)
    if not any(conflicts(names))
]


def translation(*profiles: str, **labels: str) -> Translation:
    return Translation(profiles, labels=tuple(labels.items()), clock=lambda: NOW)


def lines_of(page: Page, name: str) -> list[str]:
    return page.lines(name).decode().splitlines()


def translated(lines: str, *profiles: str, **labels: str) -> Page:
    return translation(*profiles, **labels)(page_of(lines))


@pytest.mark.parametrize("name", PROFILES)
def test_the_whole_page_under_a_profile(name: str) -> None:
    page = translated(FLEET, name).render().decode()
    assert page == (EXPECTED / f"{name}.prom").read_text()


@pytest.mark.parametrize("names", TOGETHER, ids=",".join)
@pytest.mark.parametrize("page_format", Format)
def test_any_profiles_that_go_together_make_a_page_that_parses(
    names: tuple[str, ...], page_format: Format
) -> None:
    page = translated(FLEET, *names).render(page_format)
    samples = samples_of(page, page_format)
    lines = [line for line in page.splitlines() if not line.startswith(b"#")]
    assert len(samples) == len(lines)
    series = {(name, frozenset(labels.items())) for name, labels, _ in samples}
    assert len(series) == len(samples), "a series is there twice"


@pytest.mark.parametrize("names", TOGETHER, ids=",".join)
def test_profiles_together_show_what_each_shows_alone(names: tuple[str, ...]) -> None:
    together = set(translated(FLEET, *names).render().splitlines())
    for name in set(names) - {NATIVE}:
        alone = translated(FLEET, name)
        for row in PROFILES[name].rows:
            beside_ours = NATIVE in names and page_of(FLEET).lines(row.name)
            if not beside_ours:
                assert set(alone.lines(row.name).splitlines()) <= together, row.name


def test_the_page_stays_as_it_is() -> None:
    page = page_of(FLEET)
    before = page.render()
    for name in PROFILES:
        translation(name)(page)
    assert page.render() == before


def test_without_native_ours_are_off_the_page_but_for_the_exporter_s_own_and_a_plugin_s() -> None:
    page = translated(FLEET, "vexxhost")
    ours = {family.name for family in page.families} & {
        family.name for family in page_of(FLEET).families
    }
    assert ours == {
        "libvirt_exporter_connected",
        "libvirt_exporter_scrapes_total",
        "libvirt_exporter_last_scrape_duration_seconds",
        "libvirt_exporter_collector_success",
        "libvirt_connection_info",
        "plugin_answer",
    }


def test_with_native_ours_stay_as_they_are() -> None:
    page, native = translated(FLEET, "kumina", NATIVE), page_of(FLEET)
    for family in native.families:
        assert page.lines(family.name) == native.lines(family.name)
    assert lines_of(page, "libvirt_up") == ["libvirt_up 1"]


def test_beside_ours_a_family_of_the_same_name_and_series_has_the_labels_of_both() -> None:
    page = translated(FLEET, NATIVE, "inovex", "tinkoff")
    (versions,) = lines_of(page, "libvirt_versions_info")
    assert versions == (
        'libvirt_versions_info{hypervisor="7.2.22",libvirt="9.0.1",driver="QEMU",'
        'hypervisor_running="7.2.22",libvirtd_running="9.0.1",libvirt_library=""} 1'
    )
    assert lines_of(page, "libvirt_storage_pool_capacity_bytes") == [
        'libvirt_storage_pool_capacity_bytes{pool="fast",uuid="u-fast",storage_pool="fast"} 4001'
    ]
    assert lines_of(page, "libvirt_domain_vcpu_wait_seconds_total") == [
        f'libvirt_domain_vcpu_wait_seconds_total{{{WEB},vcpu="0"}} 0.000000007'
    ]
    (openstack,) = lines_of(page, "libvirt_domain_openstack_info")
    assert 'flavor="m1.big"' in openstack
    assert 'flavor_name="m1.big"' in openstack


def test_beside_ours_a_family_of_the_same_name_that_is_made_otherwise_stays_ours() -> None:
    page = translated(FLEET, NATIVE, "inovex")
    assert page.lines("libvirt_domains") == page_of(FLEET).lines("libvirt_domains")


def test_the_next_page_has_the_new_values() -> None:
    translate = translation("tinkoff")
    state = f'libvirt_domain_state{{{WEB},hypervisor="QEMU"}}'
    time = f'libvirt_domain_cpu_time_seconds_total{{{WEB},hypervisor="QEMU"}}'
    for number in range(3):
        page = translate(page_of(f"{state} 1\n{time} {number}.5"))
        assert lines_of(page, "libvirt_domain_info_cpu_time_seconds_total") == [
            f'libvirt_domain_info_cpu_time_seconds_total{{domain="web"}} {number}.5'
        ]


def test_what_is_looked_up_is_looked_up_anew_when_it_changed() -> None:
    translate = translation("kumina")
    read = f'libvirt_domain_disk_read_bytes_total{{{WEB},disk="vda"}} 1'
    info = (
        f'libvirt_domain_disk_info{{{WEB},disk="vda",device="disk",type="file",source="/vm/%s"}} 1'
    )
    files = []
    for source in ("a", "a", "b"):
        page = translate(page_of(f"{read}\n{info % source}"))
        (series,) = read_family(page, "libvirt_domain_block_stats_read_bytes_total")
        files.append(series.labels["source_file"])
    assert files == ["/vm/a", "/vm/a", "/vm/b"]


def test_a_change_is_seen_even_while_the_series_was_not_there() -> None:
    translate = translation("kumina")
    read = f'libvirt_domain_disk_read_bytes_total{{{WEB},disk="vda"}} 1'
    info = 'libvirt_domain_disk_info{%s,disk="vda",device="disk",type="file",source="/vm/%s"} 1'
    translate(page_of(f"{read}\n{info % (WEB, 'a')}\n{info % (DB, 'x')}"))
    translate(page_of(f"{info % (WEB, 'b')}\n{info % (DB, 'x')}"))
    page = translate(page_of(f"{read}\n{info % (WEB, 'b')}\n{info % (DB, 'y')}"))
    (series,) = read_family(page, "libvirt_domain_block_stats_read_bytes_total")
    assert series.labels["source_file"] == "/vm/b"


def test_of_several_series_that_could_be_meant_the_first_counts() -> None:
    lines = f"""
libvirt_exporter_collector_success{{collector="domain_jobs"}} 1
libvirt_domain_state{{{WEB},hypervisor="QEMU"}} 1
libvirt_domain_job_data_total_bytes{{{WEB},operation="backup"}} 1
libvirt_domain_job_data_total_bytes{{{WEB},operation="dump"}} 2
"""
    name = "libvirt_domain_job_info_data_total_bytes"
    assert lines_of(translated(lines, "inovex"), name) == [f'{name}{{domain="web"}} 1']


def test_a_domain_that_stops_is_left_out_by_those_that_do_not_ask_for_it() -> None:
    translate = translation("inovex")
    lines = f"""
libvirt_domain_vcpu_count{{{WEB},hypervisor="QEMU"}} 2
libvirt_domain_state{{{WEB},hypervisor="QEMU"}} %d
"""
    running, stopped = (translate(page_of(lines % state)) for state in (1, 5))
    assert lines_of(running, "libvirt_domain_vcpu_current") == [
        'libvirt_domain_vcpu_current{domain="web"} 2'
    ]
    assert lines_of(stopped, "libvirt_domain_vcpu_current") == []
    assert lines_of(stopped, "libvirt_domain_info_virtual_cpus") == [
        'libvirt_domain_info_virtual_cpus{domain="web"} 2'
    ]


def test_series_that_come_and_go_leave_nothing_behind() -> None:
    translate = translation("vexxhost")
    for number in range(500):
        page = translate(
            page_of(f'libvirt_domain_vcpu_state{{domain="a",uuid="u{number}",vcpu="0"}} 1')
        )
        assert lines_of(page, "libvirtd_domain_vcpu_state") == [
            f'libvirtd_domain_vcpu_state{{uuid="u{number}",vcpu="0"}} 1'
        ]
    assert translate.kept_lines <= 8


LINES = FLEET.strip().split("\n")


@st.composite
def pages(draw: st.DrawFn) -> str:
    """The fleet with lines left out and values changed."""
    dropped = draw(st.sets(st.integers(0, len(LINES) - 1), max_size=8))
    values = draw(st.dictionaries(st.integers(0, len(LINES) - 1), st.integers(0, 7), max_size=8))
    changed = [
        f"{line.rpartition(' ')[0]} {values[number]}" if number in values else line
        for number, line in enumerate(LINES)
    ]
    return "\n".join(line for number, line in enumerate(changed) if number not in dropped)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TOGETHER), st.lists(pages(), min_size=2, max_size=4))
def test_what_is_kept_from_page_to_page_never_shows(
    names: tuple[str, ...], lines: list[str]
) -> None:
    translate = translation(*names)
    for one in lines:
        assert translate(page_of(one)).render() == translated(one, *names).render()


def test_constant_labels_are_on_every_sample() -> None:
    lines = FLEET.replace('uuid="u-web"', 'uuid="u-web",host="a",rack="r1"')
    page = translated(lines, "vexxhost", host="a", rack="r1")
    (line,) = lines_of(page, "libvirtd_domain_cpu_user")
    assert line == 'libvirtd_domain_cpu_user{uuid="u-web",host="a",rack="r1"} 12340000000'
    assert lines_of(page, "libvirtd_info") == [
        'libvirtd_info{driver="QEMU",driver_version="7.2.22",version="9.0.1",host="a",rack="r1"} 1'
    ]


def test_labels_that_need_escapes_stay_what_they_are() -> None:
    odd = r'domain="odd \"name\" \\ \n ü",uuid="u-odd"'
    page = translated(f'libvirt_domain_state{{{odd},hypervisor="QEMU"}} 1', "kumina")
    (line,) = lines_of(page, "libvirt_domain_state_code")
    assert line.startswith(f"libvirt_domain_state_code{{{odd},name=")
    ((_, labels, _),) = samples_of(page.render())[:1]
    assert labels["domain"] == 'odd "name" \\ \n ü'


def test_a_page_without_a_connection_says_so_and_nothing_else() -> None:
    page = translated("libvirt_exporter_connected 0", "tinkoff")
    assert lines_of(page, "libvirt_up") == ["libvirt_up 0"]
    assert [family.name for family in page.families] == ["libvirt_exporter_connected", "libvirt_up"]


def test_jobs_are_left_out_where_nobody_looked() -> None:
    state = f'libvirt_domain_state{{{DB},hypervisor="QEMU"}} 1'
    success = 'libvirt_exporter_collector_success{collector="domain_jobs"}'
    name = "libvirt_domain_job_info_type"
    assert lines_of(translated(state, "inovex"), name) == []
    assert lines_of(translated(f"{state}\n{success} 0", "inovex"), name) == []
    assert lines_of(translated(f"{state}\n{success} 1", "inovex"), name) == [
        f'{name}{{domain="db"}} 0'
    ]


def test_a_share_is_left_out_where_one_part_is_not_known_or_the_whole_is_nothing() -> None:
    available = f'libvirt_domain_memory_available_bytes{{{WEB},hypervisor="QEMU"}}'
    usable = f'libvirt_domain_memory_usable_bytes{{{WEB},hypervisor="QEMU"}}'
    name = "libvirt_domain_memory_stats_used_percent"
    assert lines_of(translated(f"{available} 3000", "tinkoff"), name) == []
    assert lines_of(translated(f"{available} 0\n{usable} 0", "tinkoff"), name) == []
    both = translated(f"{available} 3000\n{usable} 1000", "tinkoff")
    assert lines_of(both, name) == [f'{name}{{domain="web"}} {2000 / (3000 / 100)!r}']


def test_vexxhost_s_disk_numbers_are_those_of_the_domain_s_document() -> None:
    page = translated(FLEET, "vexxhost")
    devices = {
        series.labels["path"]: series.labels["device"]
        for series in read_family(page, "libvirtd_domain_block_read_bytes")
    }
    assert devices == {"/vm/web.qcow2": "0", "": "2"}


def test_a_version_that_is_none_is_no_number() -> None:
    page = translated(FLEET.replace('libvirt="9.0.1"', 'libvirt="unknown"'), "uos")
    assert lines_of(page, "libvirt_host_libvirt_version") == []
    assert lines_of(page, "libvirt_host_hypervisor_version") == [
        "libvirt_host_hypervisor_version 7002022"
    ]


@given(st.integers(0, 2**64 - 1))
def test_nanoseconds_come_back_with_every_digit(nanoseconds: int) -> None:
    seconds = f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
    assert scaled(seconds, Scale(multiplier=10**9)) == str(nanoseconds)


@given(st.integers(0, 2**64 - 1))
def test_kibibytes_come_back_with_every_digit(kibibytes: int) -> None:
    assert scaled(str(kibibytes * 1024), Scale(divisor=1024)) == str(kibibytes)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_number_stays_so(text: str) -> None:
    assert scaled(text, Scale(multiplier=1000)) == text


def main() -> None:
    EXPECTED.mkdir(exist_ok=True)
    for name in PROFILES:
        (EXPECTED / f"{name}.prom").write_bytes(translated(FLEET, name).render())


if __name__ == "__main__":
    main()
