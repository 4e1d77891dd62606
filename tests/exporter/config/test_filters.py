"""Filters and switches that contradict the rest of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import ConfigError
from tests.exporter.config.loading import load_only, load_text


def test_a_label_that_no_metadata_give_is_refused_with_those_that_there_are(
    tmp_path: Path,
) -> None:
    text = "metadata: {profiles: [libosinfo]}\nfilter: {domain_metadata_exclude: 'flavor=x'}\n"
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    assert str(caught.value) == (
        "filter.domain_metadata_exclude: there is no label flavor here: metadata.profiles and "
        "metadata.rules give title, os_id"
    )
    assert load_only({"filter.domain_metadata_include": ["flavor=x", "title=y z"]})


def test_a_module_is_checked_with_its_own_metadata(tmp_path: Path) -> None:
    text = (
        "filter: {domain_metadata_include: 'flavor=x'}\n"
        "modules: {brief: {metadata: {profiles: [ovirt]}}}\n"
    )
    with pytest.raises(ConfigError, match=r"^modules.brief.filter.domain_metadata_include: "):
        load_text(tmp_path, text)


def test_a_module_takes_the_filters_of_the_top_level_key_by_key(tmp_path: Path) -> None:
    text = (
        "filter: {disk_include: a, disk_exclude: b}\nmetrics: {max_series: 5}\n"
        "modules: {brief: {filter: {disk_exclude: c}}}\n"
    )
    config = load_text(tmp_path, text)
    brief = config.modules["brief"]
    assert [one.pattern for one in brief.filter.disk_include] == ["a"]
    assert [one.pattern for one in brief.filter.disk_exclude] == ["c"]
    assert brief.max_series == config.modules["default"].max_series == 5


def test_a_collector_is_switched_one_way_only() -> None:
    with pytest.raises(ConfigError, match=r"^collectors.disable: own is in collectors.enable too"):
        load_only({"collectors.enable": ["own"], "collectors.disable": ["other", "own"]})
    with pytest.raises(ConfigError, match="the name of a collector, such as domain_jobs"):
        load_only({"collectors.enable": ["Own-Name"]})
