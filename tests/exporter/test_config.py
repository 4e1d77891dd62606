"""The configuration: what loads, what is refused with which words, which source goes first."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import exporter
from exporter.config import (
    CONFIG_FILE,
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
    Setting,
    WebConfig,
    expand_boolean_flags,
    load,
    parse_boolean,
    parse_duration,
    parse_listen_address,
    render_duration,
    show,
)

FILES = Path(__file__).parent / "config"

ADDRESS = "expected an address such as :9177, 127.0.0.1:9177, localhost:9177 or '[::1]:9177'"
DURATION = "expected a duration (30s, 1m, 1h30m, 500ms or a number of seconds)"
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

# A value of every setting that is not its default: as text, and as the Config holds it.
OTHER_VALUES: dict[str, tuple[str, object]] = {
    "libvirt.uri": ("test:///default", "test:///default"),
    "libvirt.timeout": ("1m30s", 90.0),
    "libvirt.reconnect_interval": ("2m", 120.0),
    "libvirt.parallel": ("7", 7),
    "libvirt.max_stuck_calls": ("9", 9),
    "libvirt.keepalive_interval": ("0", 0.0),
    "libvirt.keepalive_count": ("2", 2),
    "libvirt.read_only": ("false", False),
    "web.listen_address": ("[::1]:1,host:2", (ListenAddress("::1", 1), ListenAddress("host", 2))),
    "web.telemetry_path": ("/own", "/own"),
    "web.timeout_offset": ("1s", 1.0),
    "collectors.domain.stats": ("no", False),
    "collectors.domain.state": ("off", False),
    "collectors.domain.perf": ("true", True),
    "collectors.domain.iothread": ("1", True),
    "collectors.domain.memory_bandwidth": ("yes", True),
    "collectors.domain.dirtyrate": ("on", True),
    "collectors.domain.vm": ("TRUE", True),
    "collectors.domain.vcpu_stats": ("true", True),
    "collectors.disk.stats": ("0", False),
    "collectors.disk.limits": ("true", True),
    "collectors.network.stats": ("false", False),
    "collectors.min_interval": ("5s", 5.0),
    "metrics.extra_labels": ("rack=r12,row=a=b", (("rack", "r12"), ("row", "a=b"))),
    "logging.level": ("error", "error"),
    "logging.format": ("json", "json"),
    "logging.file": ("own.log", Path("own.log")),
}


def load_only(
    flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    return load(None, flags=flags or {}, environ=environ or {})


def error_of(act: Callable[[], object]) -> ConfigError | None:
    try:
        act()
    except ConfigError as error:
        return error
    return None


def value_of(config: Config, key: str) -> object:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part) if hasattr(value, part) else getattr(value, f"{part}_seconds")
    return value


def nested(key: str, value: object) -> dict[str, object]:
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def in_yaml(setting: Setting, text: str) -> object:
    """What a file holds for the text of a flag."""
    read = setting.kind.read(text)
    return dict(read) if isinstance(read, list) and isinstance(read[0], tuple) else read


def test_the_version_is_the_installed_one_or_zero() -> None:
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)+.*", exporter.__version__)


# Files.


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
    assert {path.stem for path in FILES.iterdir()} == good | REFUSED.keys()


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


# Where a value comes from.


def test_the_table_of_other_values_has_every_setting() -> None:
    assert list(OTHER_VALUES) == [setting.key for setting in SETTINGS]
    for setting in SETTINGS:
        assert OTHER_VALUES[setting.key][1] != value_of(Config(), setting.key)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize("from_environment", [False, True])
@pytest.mark.parametrize("from_flag", [False, True])
def test_a_flag_goes_before_a_variable_before_the_file_before_the_default(
    setting: Setting, from_file: bool, from_environment: bool, from_flag: bool, tmp_path: Path
) -> None:
    default = value_of(Config(), setting.key)
    default_text = setting.default if setting.key != "libvirt.uri" else "qemu:///system"
    other_text, other = OTHER_VALUES[setting.key]
    # The source that must win says something else than the next one below it.
    sources = [from_file, from_environment, from_flag]
    winner = max((place for place, is_given in enumerate(sources) if is_given), default=None)
    texts = [other_text if place == winner else default_text for place in range(3)]
    path = None
    if from_file and texts[0]:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(nested(setting.key, in_yaml(setting, texts[0]))))
    config = load(
        path,
        flags={setting.key: texts[2]} if from_flag else {},
        environ={setting.environment: texts[1]} if from_environment else {},
    )
    assert value_of(config, setting.key) == (default if winner is None else other)
    others = {other.key: value_of(config, other.key) for other in SETTINGS if other != setting}
    assert others == {key: value_of(Config(), key) for key in others}


def test_a_mistake_is_reported_even_where_another_source_hides_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("libvirt:\n  timeout: soon\n")
    environ = {"LIBVIRT_EXPORTER_LIBVIRT_TIMEOUT": "later"}
    with pytest.raises(ConfigError) as caught:
        load(file, flags={"libvirt.timeout": "10s", "libvirt.parallel": "x"}, environ=environ)
    assert str(caught.value).splitlines() == [
        f"{file}:2: libvirt.timeout: {DURATION}, got 'soon'",
        f"LIBVIRT_EXPORTER_LIBVIRT_TIMEOUT: libvirt.timeout: {DURATION}, got 'later'",
        "--libvirt.parallel: libvirt.parallel: expected a whole number from 1 to 64, got 'x'",
    ]


def test_a_flag_replaces_the_labels_of_the_file() -> None:
    config = load(
        FILES / "good_full.yaml", flags={"metrics.extra_labels": ("a=1,2", "b=")}, environ={}
    )
    assert config.metrics.extra_labels == (("a", "1,2"), ("b", ""))


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    flags = {setting.key: () if setting.kind.is_repeatable else None for setting in SETTINGS}
    assert load_only(flags) == Config()


def test_an_empty_variable_counts_as_not_set_and_an_empty_flag_does_not() -> None:
    file = FILES / "good_full.yaml"
    environ = {setting.environment: "" for setting in (*SETTINGS, CONFIG_FILE)}
    assert load(file, flags={}, environ=environ) == load(file, flags={}, environ={})
    config = load(file, flags={"logging.file": "", "libvirt.uri": ""}, environ={})
    assert (config.logging.file, config.libvirt.uri) == (None, None)


def test_a_flag_of_no_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="libvirt_uri: is no setting"):
        load_only({"libvirt_uri": "x"})


def test_the_file_may_be_named_by_a_variable_and_a_path_goes_before_it() -> None:
    environ = {"LIBVIRT_EXPORTER_CONFIG_FILE": str(FILES / "good_full.yaml")}
    assert load_only(environ=environ).libvirt.parallel == 8
    assert load(FILES / "good_empty.yaml", flags={}, environ=environ) == Config()


def test_an_unknown_variable_of_our_prefix_is_a_warning() -> None:
    config = load_only(
        environ={
            "LIBVIRT_EXPORTER_LIBVIRT_TIMEUOT": "1",
            "LIBVIRT_EXPORTER_IMAGE\n": "x",
            "LIBVIRT_DEFAULT_URI": "x",
            "PATH": "x",
        }
    )
    assert config.warnings == (
        "the environment variable 'LIBVIRT_EXPORTER_IMAGE\\n' is no setting",
        (
            "the environment variable LIBVIRT_EXPORTER_LIBVIRT_TIMEUOT is no setting, "
            "did you mean LIBVIRT_EXPORTER_LIBVIRT_TIMEOUT?"
        ),
    )


# The table.


def test_keys_flags_and_variables_are_unique_and_well_formed() -> None:
    table = (*SETTINGS, CONFIG_FILE)
    for names in (
        [setting.key for setting in table],
        [setting.parameter for setting in table],
        [setting.environment for setting in table],
        [flag for setting in table for flag in (setting.flag, setting.negative_flag) if flag],
    ):
        assert len(set(names)) == len(names)
    for setting in table:
        assert setting.parameter.isidentifier()
        assert re.fullmatch(r"--[a-z]+(\.[a-z-]+)+", setting.flag)
        assert re.fullmatch(r"LIBVIRT_EXPORTER(_[A-Z]+)+", setting.environment)
        assert setting.help.endswith(".") or setting is CONFIG_FILE


def test_the_flags_of_the_specification_exist() -> None:
    assert {
        "--libvirt.uri",
        "--web.listen-address",
        "--web.telemetry-path",
        "--log.level",
        "--log.format",
        "--collector.domain.stats",
        "--collector.domain.state",
        "--collector.disk.stats",
        "--collector.network.stats",
        "--collector.min-interval",
        "--collector.domain.memory-bandwidth",
        "--metrics.extra-label",
        "--log.file",
    } <= {setting.flag for setting in SETTINGS}
    assert CONFIG_FILE.flag == "--config.file"
    assert CONFIG_FILE.environment == "LIBVIRT_EXPORTER_CONFIG_FILE"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_default_that_is_written_out_is_the_default(setting: Setting) -> None:
    if setting.key == "libvirt.uri":  # the default is left to the library
        assert setting.default == "qemu:///system"
    elif setting.default:
        read = setting.kind.check(setting.kind.read(setting.default))
        assert read == value_of(Config(), setting.key)


def test_a_command_line_library_can_take_its_options_from_the_table() -> None:
    def run(**parameters: object) -> None:
        flags = {setting.key: parameters[setting.parameter] for setting in SETTINGS}
        config = load(None, flags=flags, environ={})
        click.echo(f"{config.collectors} {config.metrics} {config.web}")

    options: list[click.Parameter] = [
        click.Option([setting.parameter, setting.flag], multiple=setting.kind.is_repeatable)
        for setting in SETTINGS
    ]
    command = click.Command("run", params=options, callback=run)
    arguments = expand_boolean_flags(
        [
            "--collector.domain.perf",
            "--no-collector.disk.stats",
            "--collector.network.stats=false",
            "--metrics.extra-label",
            "a=1",
            "--metrics.extra-label=b=2",
            "--web.listen-address=:1",
        ]
    )
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    expected = (
        CollectorsConfig(
            DomainCollectors(perf=True), DiskCollectors(stats=False), NetworkCollectors(stats=False)
        ),
        MetricsConfig((("a", "1"), ("b", "2"))),
        WebConfig((ListenAddress("", 1),)),
    )
    assert result.output == " ".join(str(part) for part in expected) + "\n"


def test_bare_boolean_flags_are_written_out_up_to_the_end_of_options() -> None:
    assert expand_boolean_flags(
        [
            "--libvirt.read-only",
            "--no-libvirt.read-only",
            "--libvirt.uri",
            "x",
            "scrape",
            "--libvirt.read-only=false",
            "--",
            "--libvirt.read-only",
        ]
    ) == (
        [
            "--libvirt.read-only=true",
            "--libvirt.read-only=false",
            "--libvirt.uri",
            "x",
            "scrape",
            "--libvirt.read-only=false",
            "--",
            "--libvirt.read-only",
        ]
    )


# Durations.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m", 60.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("1s100ms", 1.1),
        ("1d", 86_400.0),
        ("1.5h", 5400.0),
        ("0.1s", 0.1),
        ("1.1d", 95_040.0),
        ("2.5", 2.5),
        ("0", 0.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_as_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s",
        "-1s",
        "-1",
        "+1s",
        "1 s",
        "1s ",
        "1s1s",
        "1s1m",
        "1w",
        "1S",
        "1e3",
        ".5s",
        "1.s",
        "nan",
        "inf",
        "infinity",
        "1_0",
        "\u0663s",
        "9" * 65,
        "1s\n",
        -1,
        -0.5,
        math.nan,
        math.inf,
        10**400,
        True,
        None,
        [],
        b"1s",
    ],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="expected a duration"):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_a_rendered_duration_is_read_back_as_it_was(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(render_duration(seconds)) == seconds


@given(st.text() | st.from_regex(r"[0-9.]{0,5}(d|h|m|s|ms){0,2}[0-9]{0,3}(s|ms|)"))
def test_any_text_is_a_duration_or_raises_config_error(text: str) -> None:
    error = error_of(lambda: parse_duration(text))
    if error is None:
        assert 0 <= parse_duration(text) < math.inf
    else:
        assert len(str(error).splitlines()) == 1


# Booleans, addresses, paths, labels.


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "on", "1", " true "])
def test_a_word_for_true_is_true(text: str) -> None:
    assert parse_boolean(text) is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0"])
def test_a_word_for_false_is_false(text: str) -> None:
    assert parse_boolean(text) is False


@pytest.mark.parametrize("text", ["", "t", "2", "truefalse", "none"])
def test_another_word_is_no_boolean(text: str) -> None:
    with pytest.raises(ConfigError, match="expected true or false"):
        parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9177", "", 9177),
        ("127.0.0.1:9177", "127.0.0.1", 9177),
        ("[::1]:9177", "::1", 9177),
        ("[fe80::1%eth0]:9177", "fe80::1%eth0", 9177),
        ("localhost:0", "localhost", 0),
        ("kvm-1.example.org:65535", "kvm-1.example.org", 65535),
    ],
)
def test_an_address_is_read_and_rendered_back(text: str, host: str, port: int) -> None:
    assert parse_listen_address(text) == ListenAddress(host, port)
    assert str(ListenAddress(host, port)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9177",
        ":",
        ":x",
        ":65536",
        ":-1",
        ":\u0663",
        "::1:9177",
        "[::1]",
        "[]:9177",
        "[1.2.3.4]:1",
        "1.2.3:1",
        "1.2.3.256:1",
        "a b:1",
        "-a:1",
        "a..b:1",
        "http://x:1",
        ":1\n",
        "[::1%\n]:1",
        1,
        None,
    ],
)
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="expected an address such as"):
        parse_listen_address(text)


@given(st.text() | st.from_regex(r"\[?[a-z0-9.:]*\]?:[0-9]*"))
def test_any_text_is_an_address_that_renders_back_or_raises_config_error(text: str) -> None:
    try:
        address = parse_listen_address(text)
    except ConfigError:
        return
    assert parse_listen_address(str(address)) == address


@pytest.mark.parametrize("path", ["/", "/metrics", "/a/b", "/metrics/", "/probes", "/.", "/a.b"])
def test_a_path_is_accepted_unless_it_has_dot_segments(path: str) -> None:
    if path == "/.":
        with pytest.raises(ConfigError):
            load_only({"web.telemetry_path": path})
    else:
        assert load_only({"web.telemetry_path": path}).web.telemetry_path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "metrics",
        "//host",
        "/a//b",
        "/../x",
        "/a?b",
        "/a#b",
        "/a b",
        "/{x}",
        "/%2e",
        "/a\n",
        "/-/ready",
        "/-",
        "/probe",
        "/probe/x",
        "/sd",
        "/sd/",
    ],
)
def test_a_path_that_cannot_be_served_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^--web\.telemetry-path: web\.telemetry_path: "):
        load_only({"web.telemetry_path": path})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["rack"], "expected a label such as rack=r12, got 'rack'"),
        (["a=1", "a=2"], "the label a is given twice"),
        (["uuid=1"], "the label uuid is the exporter's own"),
        (["le=1"], "the label le is the exporter's own"),
        (["=1"], "expected a label name"),
        (["a-b=1"], "expected a label name"),
        (["a=\udc80"], "the value of the label a is not valid UTF-8"),
    ],
)
def test_a_label_that_would_spoil_the_page_is_refused(labels: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_only({"metrics.extra_labels": labels})


@given(st.dictionaries(st.sampled_from(SETTINGS).map(lambda setting: setting.key), st.text()))
def test_any_text_in_any_flag_loads_or_raises_a_line_a_problem(flags: dict[str, str]) -> None:
    error = error_of(lambda: load_only(flags))
    assert error is None or len(str(error).splitlines()) == len(error.problems) <= len(flags)


# What is shown of a refused value.


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", r"'a\nb'"),
        ("\u202eb", r"'\u202eb'"),
        ("x" * 61, repr("x" * 60 + "...")),
        pytest.param(10**5000, "a number", id="huge"),
        pytest.param(-(10**5000), "a number", id="huge and negative"),
        (b"x", "a bytes"),
        ((), "a list"),
        ({}, "a mapping"),
        (None, "nothing"),
        (1.5, "1.5"),
    ],
)
def test_a_refused_value_is_shown_on_one_short_line(value: object, shown: str) -> None:
    assert show(value) == shown
