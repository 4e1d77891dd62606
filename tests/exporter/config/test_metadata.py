from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import Config, ConfigError, MetadataConfig
from exporter.metrics.metadata_profiles import PROFILES, MetadataRule
from tests.exporter.config.loading import load_only, load_text


def test_nova_is_known_and_the_others_are_asked_for() -> None:
    assert MetadataConfig().all_rules == PROFILES["nova"]
    assert Config().metadata == load_only().metadata == MetadataConfig()


def test_the_rules_of_profiles_go_before_the_operators_own(tmp_path: Path) -> None:
    metadata = load_text(
        tmp_path,
        "metadata: {profiles: [libosinfo, ovirt], refresh: 1h, max_label_length: 64, rules: "
        "[{name: team, namespace: 'urn:x', path: a/@b, label: owner}]}",
    ).metadata
    assert metadata.all_rules == (
        *PROFILES["libosinfo"],
        *PROFILES["ovirt"],
        MetadataRule("team", "urn:x", "a/@b", "owner"),
    )
    assert (metadata.refresh_seconds, metadata.max_label_length) == (3600.0, 64)


@pytest.mark.parametrize("text", ["metadata: {profiles: []}", "metadata: {profiles: ''}"])
def test_all_profiles_can_be_switched_off_in_the_file(tmp_path: Path, text: str) -> None:
    assert load_text(tmp_path, text).metadata == MetadataConfig(())


def test_profiles_come_from_flags_and_variables_too() -> None:
    assert load_only({"metadata.profiles": ["ovirt", "nova"]}).metadata.profiles == (
        "ovirt",
        "nova",
    )
    environ = {"LIBVIRT_EXPORTER_METADATA_PROFILES": "cloudstack, libosinfo"}
    assert load_only(environ=environ).metadata.profiles == ("cloudstack", "libosinfo")
    assert load_only({"metadata.profiles": [""]}).metadata.profiles == ()


@pytest.mark.parametrize(
    "where",
    ["metrics: {extra_labels: {rack: r12}}", "modules: {m: {labels: {rack: r12}}}"],
)
def test_a_constant_label_is_no_label_of_a_rule(tmp_path: Path, where: str) -> None:
    rule = "{name: team, namespace: '', path: title, label: %s}"
    text = f"{where}\nmetadata: {{rules: [{rule % 'about'}, {rule % 'rack'}]}}"
    with pytest.raises(ConfigError, match=r"^metadata\.rules\[1\]\.label: the label rack is a con"):
        load_text(tmp_path, text)


def test_a_constant_label_of_a_flag_is_no_label_of_a_rule_either(tmp_path: Path) -> None:
    text = "metadata: {rules: [{name: team, namespace: '', path: title, label: rack}]}"
    assert load_text(tmp_path, text).metadata.rules
    with pytest.raises(ConfigError, match="the label rack is a constant label"):
        load_text(tmp_path, text, metrics__extra_labels=["rack=r12"])


def test_a_rule_of_a_module_is_checked_too(tmp_path: Path) -> None:
    text = (
        "metrics: {extra_labels: {rack: r12}}\n"
        "modules: {m: {metadata: {rules: [{name: team, namespace: '', path: t, label: rack}]}}}"
    )
    with pytest.raises(ConfigError, match=r"^modules\.m\.metadata\.rules\[0\]\.label: the label"):
        load_text(tmp_path, text)


def test_a_namespace_that_no_document_could_have_is_refused(tmp_path: Path) -> None:
    text = "metadata: {rules: [{name: team, namespace: '%s', path: t, label: x}]}"
    assert load_text(tmp_path, text % ("n" * 256)).metadata.rules
    with pytest.raises(ConfigError, match="a namespace has at most 256 characters"):
        load_text(tmp_path, text % ("n" * 257))


@pytest.mark.parametrize(
    "name", ["state", "uptime_seconds", "cpu_time_seconds", "reboots_total_", "a__b", "", "5"]
)
def test_a_name_that_would_hide_another_metric_or_is_none_is_refused(
    tmp_path: Path, name: str
) -> None:
    text = f"metadata: {{rules: [{{name: '{name}', namespace: '', path: title, label: x}}]}}"
    with pytest.raises(ConfigError, match=r"metadata\.rules\[0\]\.name: "):
        load_text(tmp_path, text)
