from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import Config, ConfigError
from tests.exporter.config.loading import load_only, load_text

TINKOFF_LACKS_LIMITS = (
    "the profile tinkoff lacks libvirt_domain_block_stats_limit_*, "
    "because the collector domain.limits is off"
)


def test_the_names_are_our_own_unless_others_are_asked_for() -> None:
    assert Config().metrics.profile == load_only().metrics.profile == ("native",)
    assert load_only().modules["default"].profile == ("native",)


def test_several_profiles_come_from_the_file_flags_and_variables(tmp_path: Path) -> None:
    text = "metrics: {profile: [native, kumina]}"
    assert load_text(tmp_path, text).metrics.profile == ("native", "kumina")
    assert load_text(tmp_path, "metrics: {profile: uos}").metrics.profile == ("uos",)
    assert load_only({"metrics.profile": ["uos", "native"]}).metrics.profile == ("uos", "native")


def test_a_module_has_the_profile_of_all_or_its_own(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        "metrics: {profile: kumina}\nmodules: {plain: {}, old: {profile: [native, vexxhost]}}",
    )
    assert {name: module.profile for name, module in config.modules.items()} == {
        "default": ("kumina",),
        "plain": ("kumina",),
        "old": ("native", "vexxhost"),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nagios"], "expected one of native, tinkoff, inovex, kumina, vexxhost, uos"),
        (["uos", "uos"], "the profile uos is given twice"),
        (
            ["kumina", "native", "inovex"],
            (
                "kumina and inovex both have libvirt_domain_info_maximum_memory_bytes, "
                "which differ; leave one of the two out, or run an exporter for each"
            ),
        ),
    ],
)
def test_profiles_that_cannot_be_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_only({"metrics.profile": names})
    assert message in str(caught.value)


def test_no_profile_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got an empty list"):
        load_text(tmp_path, "metrics: {profile: []}")


def test_a_label_of_one_s_own_that_a_profile_has_too_is_refused(tmp_path: Path) -> None:
    assert load_only({"metrics.extra_labels": ["source_file=x"]}).metrics.extra_labels
    with pytest.raises(ConfigError) as caught:
        load_text(
            tmp_path,
            "metrics: {profile: kumina, extra_labels: {source_file: x}}\n"
            "modules: {far: {labels: {target_device: y}}}",
        )
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "metrics.extra_labels.source_file: "
            "the profile kumina has a label source_file too; choose another name"
        ),
        (
            "modules.far.labels.target_device: "
            "the profile kumina has a label target_device too; choose another name"
        ),
    ]


def test_a_collector_that_is_off_and_lacks_in_a_profile_is_a_warning(tmp_path: Path) -> None:
    assert load_only({"metrics.profile": ["tinkoff"]}).warnings == (TINKOFF_LACKS_LIMITS,)
    limits = {"metrics.profile": ["tinkoff"], "collectors.domain.limits": "true"}
    assert load_only(limits).warnings == ()
    text = "modules: {old: {profile: inovex, collectors: {domain: {jobs: false}}}}"
    assert load_text(tmp_path, text).warnings == (
        (
            "the profile inovex of the module old lacks libvirt_domain_job_info_*, "
            "because the collector domain.jobs is off"
        ),
    )
