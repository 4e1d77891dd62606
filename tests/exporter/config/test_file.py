"""What loads from a file, and what is refused with which words and which place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import (
    LARGEST_FILE_BYTES,
    SETTINGS,
    CollectorsConfig,
    Config,
    ConfigError,
    DiskCollectors,
    DomainCollectors,
    FilterConfig,
    HostCollectors,
    LabelPattern,
    LibvirtConfig,
    ListenAddress,
    LoggingConfig,
    MetadataConfig,
    MetadataRuleConfig,
    MetricRowConfig,
    MetricsConfig,
    NetworkCollectors,
    ProbeConfig,
    StorageCollectors,
    WebConfig,
    load,
)
from tests.exporter.config.loading import FILES, error_of, load_only, value_of
from tests.exporter.config.refused import REFUSED


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_invalid_file_is_refused_with_its_place_and_what_is_allowed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FILES)
    with pytest.raises(ConfigError) as caught:
        load(Path(f"{name}.yaml"), flags={}, environ={})
    assert str(caught.value) == f"{name}.yaml{REFUSED[name]}"


def test_every_file_beside_this_test_is_used_by_it() -> None:
    good = {path.stem for path in FILES.glob("good_*.yaml")}
    assert {path.stem for path in FILES.glob("*.yaml")} == good | REFUSED.keys()


# Of the domains' collectors: each as it is not by default.
OTHERWISE = (
    False,
    False,
    True,
    True,
    True,
    True,
    True,
    True,
    False,
    False,
    False,
    False,
    True,
    True,
    True,
    True,
)


def test_a_full_file_sets_every_setting() -> None:
    config = load(FILES / "good_full.yaml", flags={}, environ={})
    assert config == Config(
        LibvirtConfig(
            "test:///default", 8.0, 60.0, 8, 2, 0.0, 3, False, "exporter", Path("password")
        ),
        WebConfig(
            (ListenAddress("", 9177), ListenAddress("::1", 9178)),
            "/own/metrics",
            0.25,
            Path("web.yml"),
            systemd_socket=True,
            max_connections=64,
            max_requests=0,
            enable_lifecycle=True,
        ),
        CollectorsConfig(
            DomainCollectors(*OTHERWISE),
            DiskCollectors(False, True, True),
            NetworkCollectors(False, False, False),
            HostCollectors(False, False),
            StorageCollectors(False, True, 7),
            jobs_interval_seconds=120.0,
            slow_interval_seconds=60.0,
            guest_agent_interval_seconds=180.0,
            guest_agent_timeout_seconds=1.0,
            min_interval_seconds=1.5,
            enable=("own",),
            disable=("host", "networks"),
        ),
        MetricsConfig(
            (("rack", "r12"), ("row", "7")),
            ("inovex",),
            1000,
            (
                MetricRowConfig(
                    "block.<disk>.rd.bytes",
                    "own_disk_read_kilobytes_total",
                    "What was read of the disk.",
                    "counter",
                    "kib",
                    2,
                    1000,
                    (("own", "yes please"),),
                ),
            ),
        ),
        LoggingConfig("debug", "json", Path("exporter.log")),
        ProbeConfig((re.compile("qemu://a{1,2}/"),), 10, 60.0),
        metadata=MetadataConfig(
            ("ovirt",),
            64,
            3600.0,
            (MetadataRuleConfig("team", "https://inventory.example.org/vm", "owner", "owner"),),
        ),
        filter=FilterConfig(
            patterns("web-.*"),
            patterns("web-1", r"web-2\d"),
            patterns("0.*"),
            patterns("01.*"),
            patterns("running", "paused"),
            patterns("paused"),
            (LabelPattern("owner", re.compile("a.*")),),
            (LabelPattern("title", re.compile("b")), LabelPattern("owner", re.compile("ab"))),
            patterns("vd."),
            patterns("vdb"),
            patterns("vnet.*"),
            patterns("vnet1"),
        ),
        warnings=config.warnings,
    )
    for setting in SETTINGS:
        assert value_of(config, setting.key) != value_of(Config(), setting.key), setting.key


def patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(re.compile, texts))


def test_the_keys_of_the_specification_are_accepted() -> None:
    config = load(FILES / "good_specification.yaml", flags={}, environ={})
    assert config == Config(
        libvirt=LibvirtConfig(uri="qemu:///system"), logging=LoggingConfig(format="json")
    )


@pytest.mark.parametrize("name", ["good_empty", "good_blank_values"])
def test_what_a_file_leaves_blank_keeps_its_default(name: str) -> None:
    assert load(FILES / f"{name}.yaml", flags={}, environ={}) == Config() == load_only()


def test_a_file_may_begin_with_a_byte_order_mark_and_hold_any_utf8(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("metrics: {extra_labels: {city: Z\u00fcrich}}", encoding="utf-8-sig")
    labels = load(file, flags={}, environ={}).metrics.extra_labels
    assert labels == (("city", "Z\u00fcrich"),)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"
    with pytest.raises(ConfigError) as caught:
        load(absent, flags={}, environ={})
    assert str(caught.value) == f"{absent}: cannot read the file: No such file or directory"
    with pytest.raises(ConfigError, match="cannot read the file: Is a directory"):
        load(tmp_path, flags={}, environ={})
    with pytest.raises(ConfigError, match="cannot read the file: not a file name"):
        load(Path("a\0b"), flags={}, environ={})


def test_a_file_above_the_bound_is_refused_and_one_at_the_bound_is_not(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"#" * LARGEST_FILE_BYTES)
    assert load(file, flags={}, environ={}) == Config()
    file.write_bytes(b"#" * (LARGEST_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="the file is larger than 1048576 bytes"):
        load(file, flags={}, environ={})


@pytest.mark.parametrize("text", ["[" * 20_000, "a: " + "{a: " * 5_000 + "}" * 5_000])
def test_a_file_nested_too_deeply_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="the YAML is nested too deeply"):
        load(file, flags={}, environ={})


def test_aliases_cost_no_more_than_their_text(tmp_path: Path) -> None:
    lines = ["libvirt:", "  uri:", "    - &a0 [x, x]"]
    lines += [f"    - &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    file = tmp_path / "aliases.yaml"
    file.write_text("\n".join([*lines, "    - &circle [*circle]"]))
    with pytest.raises(ConfigError, match=r"aliases\.yaml:2: libvirt\.uri: expected a libvirt URI"):
        load(file, flags={}, environ={})


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_file_loads_or_raises_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    error = error_of(lambda: load(file, flags={}, environ={}))
    assert error is None or all(str(file) in line for line in str(error).splitlines())


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([part for setting in SETTINGS for part in setting.key.split(".")])
            | st.sampled_from(["targets", "modules", "connections", "labels", "name", "module"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
)


def test_an_integer_of_thousands_of_digits_is_an_ordinary_mistake(tmp_path: Path) -> None:
    huge = f"0x{'f' * 5000}"
    file = tmp_path / "huge.yaml"
    file.write_text(
        f"libvirt: {{parallel: {huge}, timeout: {huge}}}\n"
        f"metrics: {{extra_labels: {{rack: {huge}}}}}\n? {huge}\n: 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(file, flags={}, environ={})
    assert [problem.key for problem in caught.value.problems] == [
        "libvirt.timeout",
        "libvirt.parallel",
        "metrics.extra_labels",
        "a number",
    ]


@given(trees)
def test_any_tree_of_any_values_loads_or_raises_config_error(
    tmp_path_factory: pytest.TempPathFactory, tree: object
) -> None:
    file = tmp_path_factory.getbasetemp() / "tree.yaml"
    file.write_text(yaml.safe_dump(tree))
    error = error_of(lambda: load(file, flags={}, environ={}))
    assert error is None or all(problem.source for problem in error.problems)


def test_the_secrets_of_a_uri_are_in_no_message(tmp_path: Path) -> None:
    file = tmp_path / "secret.yaml"
    for text in ("libvirt: qemu+tcp://a:hunter2@h/system", "libvirt: {uri: [hunter2]}"):
        file.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(file, flags={"libvirt.uri": "hunter2 x"}, environ={})
        assert len(caught.value.problems) == 2
        assert "hunter2" not in f"{caught.value}{caught.value!r}"
