"""What loads from a file, and what is refused with which words and which place."""

from __future__ import annotations

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
    LibvirtConfig,
    ListenAddress,
    LoggingConfig,
    MetricsConfig,
    NetworkCollectors,
    WebConfig,
    load,
)
from tests.exporter.config.loading import DURATION, FILES, error_of, load_only

ADDRESS = "expected an address such as :9177, 127.0.0.1:9177, localhost:9177 or '[::1]:9177'"
LABEL_NAME = (
    "expected a label name of letters, digits and underscores that starts with no digit "
    "and no double underscore"
)
TOP = "(allowed here: libvirt, web, collectors, metrics, logging)"
KEYS_ARE_TEXT = "a key must be plain text; merge keys (<<) and other keys are not supported"

REFUSED = {
    "address_host": f":1: web.listen_address: {ADDRESS}, got 'bad host:9177'",
    "address_ip": f":1: web.listen_address: {ADDRESS}, got '127.0.0.300:9177'",
    "address_list_empty": (
        f":1: web.listen_address: {ADDRESS}, or a list of them, got an empty list"
    ),
    "address_number": f":1: web.listen_address: {ADDRESS}, got 9177",
    "address_port": f":1: web.listen_address: {ADDRESS}, got ':65536'",
    "address_twice": ":1: web.listen_address: the address :9177 is given twice",
    "boolean_number": ":1: collectors.domain.stats: expected true or false, got 1",
    "boolean_text": ":1: libvirt.read_only: expected true or false, got 'true'",
    "choice_format": ":1: logging.format: expected one of text, json, got 'xml'",
    "choice_level": ":1: logging.level: expected one of debug, info, warning, error, got 'loud'",
    "duration_negative": f":1: libvirt.timeout: {DURATION}, got -5",
    "duration_not_finite": f":1: libvirt.timeout: {DURATION}, got inf",
    "duration_range": f":1: libvirt.timeout: {DURATION} from 1ms to 1d, got '2d'",
    "duration_type": f":1: libvirt.timeout: {DURATION}, got a list",
    "duration_unit": f":1: libvirt.timeout: {DURATION}, got '10 parsecs'",
    "duration_zero": f":1: libvirt.timeout: {DURATION} from 1ms to 1d, got 0",
    "file_type": ":1: logging.file: expected a file name, got 5",
    "integer_boolean": ":1: libvirt.parallel: expected a whole number from 1 to 64, got true",
    "integer_range": ":1: libvirt.parallel: expected a whole number from 1 to 64, got 65",
    "integer_type": ":1: libvirt.parallel: expected a whole number from 1 to 64, got '4'",
    "key_hexadecimal": (
        ":1: libvirt.5: unknown key (allowed here: uri, timeout, reconnect_interval, parallel, "
        "max_stuck_calls, keepalive_interval, keepalive_count, read_only)"
    ),
    "key_list": f":1: {KEYS_ARE_TEXT}",
    "key_merge": f":3: {KEYS_ARE_TEXT}",
    "key_not_text": f":1: 5: unknown key {TOP}",
    "key_twice": ":4: libvirt.timeout: given twice, first on line 2",
    "key_unknown": (
        ":3: libvirt.timeuot: unknown key, did you mean libvirt.timeout? (allowed here: uri, "
        "timeout, reconnect_interval, parallel, max_stuck_calls, keepalive_interval, "
        "keepalive_count, read_only)"
    ),
    "key_unknown_elsewhere": f":1: timeout: unknown key, did you mean libvirt.timeout? {TOP}",
    "key_unknown_section": f":1: collector: unknown key, did you mean collectors? {TOP}",
    "label_name": f":1: metrics.extra_labels: {LABEL_NAME}, got '1rack'",
    "label_private": f":1: metrics.extra_labels: {LABEL_NAME}, got '__name__'",
    "label_reserved": (
        ":1: metrics.extra_labels: the label domain is the exporter's own; choose another name"
    ),
    "label_type": (
        ":1: metrics.extra_labels: expected a mapping of label names to text, such as rack: r12, "
        "got a list"
    ),
    "label_value": (
        ":1: metrics.extra_labels: the value of the label rack must be text in quotes, got true"
    ),
    "many_mistakes": (
        f":2: libvirt.timeout: {DURATION}, got 'soon'\n"
        "many_mistakes.yaml:3: libvirt.parallel: expected a whole number from 1 to 64, got 0\n"
        "many_mistakes.yaml:5: web.listen_adress: unknown key, did you mean web.listen_address? "
        "(allowed here: listen_address, telemetry_path, timeout_offset)\n"
        "many_mistakes.yaml:8: collectors.domain.stats: expected true or false, got 'maybe'\n"
        "many_mistakes.yaml:9: collectors.disks: unknown key, did you mean collectors.disk? "
        "(allowed here: domain, disk, network, min_interval)"
    ),
    "path_own_page": (
        ":1: web.telemetry_path: /-/healthy is one of the exporter's own pages; use another, "
        "such as /metrics"
    ),
    "path_relative": (
        ":1: web.telemetry_path: expected an absolute path without a query, such as /metrics, "
        "got 'metrics'"
    ),
    "section_type": ":1: libvirt: expected a mapping of settings, got text",
    "uri": ":1: libvirt.uri: expected a libvirt URI without spaces, such as qemu:///system",
    "warnings_is_no_key": f":1: warnings: unknown key {TOP}",
    "yaml_alias_unknown": ":1:10: not valid YAML: found undefined alias 'nothing'",
    "yaml_bad_scalar": ": a value does not fit its YAML type; put text in quotes",
    "yaml_control_character": ":2:9: the character U+0001 is not allowed in YAML",
    "yaml_list": ": expected a mapping of settings at the top",
    "yaml_not_utf8": ":2: the file is not UTF-8 text",
    "yaml_python_object": (
        ":1:10: not valid YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'"
    ),
    "yaml_syntax": (
        ":3:2: not valid YAML: while parsing a block mapping, expected <block end>, "
        "but found '<block mapping start>'"
    ),
    "yaml_two_documents": (
        ":3:1: not valid YAML: expected a single document in the stream, but found another document"
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_invalid_file_is_refused_with_its_place_and_what_is_allowed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FILES)
    with pytest.raises(ConfigError) as caught:
        load(Path(f"{name}.yaml"), flags={}, environ={})
    assert str(caught.value) == f"{name}.yaml{REFUSED[name]}"


def test_every_file_beside_this_test_is_used_by_it() -> None:
    good = {"good_blank_values", "good_empty", "good_full", "good_specification"}
    assert {path.stem for path in FILES.glob("*.yaml")} == good | REFUSED.keys()


def test_a_full_file_sets_every_setting() -> None:
    config = load(FILES / "good_full.yaml", flags={}, environ={})
    assert config == Config(
        LibvirtConfig("test:///default", 8.0, 60.0, 8, 2, 0.0, 3, False),
        WebConfig((ListenAddress("", 9177), ListenAddress("::1", 9178)), "/own/metrics", 0.25),
        CollectorsConfig(
            DomainCollectors(True, False, True, True, True, True, True, True),
            DiskCollectors(False, True),
            NetworkCollectors(False),
            1.5,
        ),
        MetricsConfig((("rack", "r12"), ("row", "7"))),
        LoggingConfig("debug", "json", Path("exporter.log")),
    )


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
