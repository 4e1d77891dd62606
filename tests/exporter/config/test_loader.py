"""Which source of a value goes first, and what each source refuses."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import (
    CONFIG_FILE,
    SETTINGS,
    CollectorsConfig,
    Config,
    ConfigError,
    ConnectionConfig,
    DiskCollectors,
    DomainCollectors,
    LabelPattern,
    ListenAddress,
    ModuleConfig,
    NetworkCollectors,
    Setting,
    load,
)
from tests.exporter.config.loading import (
    DURATION,
    FILES,
    error_of,
    load_only,
    load_text,
    value_of,
)

CONNECTIONS = "libvirt: {connections: [{name: a, uri: 'qemu://a/'}]}\n"

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
    "libvirt.username": ("exporter", "exporter"),
    "libvirt.password_file": ("own.password", Path("own.password")),
    "web.listen_address": ("[::1]:1,host:2", (ListenAddress("::1", 1), ListenAddress("host", 2))),
    "web.telemetry_path": ("/own", "/own"),
    "web.timeout_offset": ("1s", 1.0),
    "web.config_file": ("web.yml", Path("web.yml")),
    "web.systemd_socket": ("true", True),
    "web.max_connections": ("64", 64),
    "web.max_requests": ("0", 0),
    "web.enable_lifecycle": ("true", True),
    "collectors.domain.stats": ("no", False),
    "collectors.domain.state": ("off", False),
    "collectors.domain.perf": ("true", True),
    "collectors.domain.iothread": ("1", True),
    "collectors.domain.memory_bandwidth": ("yes", True),
    "collectors.domain.dirtyrate": ("on", True),
    "collectors.domain.vm": ("TRUE", True),
    "collectors.domain.vcpu_stats": ("true", True),
    "collectors.domain.info": ("false", False),
    "collectors.domain.events": ("false", False),
    "collectors.domain.jobs": ("false", False),
    "collectors.domain.block_jobs": ("false", False),
    "collectors.domain.limits": ("true", True),
    "collectors.domain.vcpu_placement": ("true", True),
    "collectors.domain.messages": ("true", True),
    "collectors.domain.guest_agent": ("true", True),
    "collectors.disk.stats": ("0", False),
    "collectors.disk.limits": ("true", True),
    "collectors.disk.errors": ("true", True),
    "collectors.network.stats": ("false", False),
    "collectors.network.networks": ("false", False),
    "collectors.network.dhcp_leases": ("false", False),
    "collectors.host.stats": ("false", False),
    "collectors.host.devices": ("false", False),
    "collectors.storage.pools": ("false", False),
    "collectors.storage.volumes": ("true", True),
    "collectors.storage.max_volumes": ("7", 7),
    "collectors.jobs_interval": ("2m", 120.0),
    "collectors.slow_interval": ("1m", 60.0),
    "collectors.guest_agent_interval": ("2m", 120.0),
    "collectors.guest_agent_timeout": ("1s", 1.0),
    "collectors.min_interval": ("5s", 5.0),
    "collectors.enable": ("own,storage_volumes", ("own", "storage_volumes")),
    "collectors.disable": ("host", ("host",)),
    "metrics.extra_labels": ("rack=r12,row=a=b", (("rack", "r12"), ("row", "a=b"))),
    "metrics.profile": ("inovex", ("inovex",)),
    "metrics.max_series": ("0", 0),
    "logging.level": ("error", "error"),
    "logging.format": ("json", "json"),
    "logging.file": ("own.log", Path("own.log")),
    "probe.allow": ("a{1,2}  b", (re.compile("a{1,2}"), re.compile("b"))),
    "probe.max_connections": ("7", 7),
    "probe.idle_timeout": ("1m", 60.0),
    "metadata.profiles": ("ovirt,libosinfo", ("ovirt", "libosinfo")),
    "metadata.max_label_length": ("64", 64),
    "metadata.refresh": ("1h", 3600.0),
    "filter.domain_name_include": ("web-.*  a{1,2}", (re.compile("web-.*"), re.compile("a{1,2}"))),
    "filter.domain_name_exclude": ("a b", (re.compile("a"), re.compile("b"))),
    "filter.domain_uuid_include": ("0{8}-.*", (re.compile("0{8}-.*"),)),
    "filter.domain_uuid_exclude": ("1.*", (re.compile("1.*"),)),
    "filter.domain_state_include": ("running", (re.compile("running"),)),
    "filter.domain_state_exclude": ("shut.*", (re.compile("shut.*"),)),
    "filter.domain_metadata_include": (
        "title=a=b project_name=",
        (
            LabelPattern("title", re.compile("a=b")),
            LabelPattern("project_name", re.compile("")),
        ),
    ),
    "filter.domain_metadata_exclude": ("flavor=x", (LabelPattern("flavor", re.compile("x")),)),
    "filter.disk_include": ("vd[a-z]", (re.compile("vd[a-z]"),)),
    "filter.disk_exclude": ("sd.", (re.compile("sd."),)),
    "filter.interface_include": ("vnet[0-9]+", (re.compile("vnet[0-9]+"),)),
    "filter.interface_exclude": ("tap.*", (re.compile("tap.*"),)),
}


def nested(key: str, value: object) -> dict[str, object]:
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def in_yaml(setting: Setting, text: str) -> object:
    """What a file holds for the text of a flag."""
    read = setting.kind.read(text)
    return dict(read) if isinstance(read, list) and isinstance(read[0], tuple) else read


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


@given(st.dictionaries(st.sampled_from(SETTINGS).map(lambda setting: setting.key), st.text()))
def test_any_text_in_any_flag_loads_or_raises_a_line_a_problem(flags: dict[str, str]) -> None:
    error = error_of(lambda: load_only(flags))
    assert error is None or len(str(error).splitlines()) == len(error.problems) <= len(flags)


def test_connections_and_targets_are_opened_as_the_top_level_says(tmp_path: Path) -> None:
    text = f"{CONNECTIONS}targets: {{b: {{uri: 'qemu://b/'}}, c: {{uri: x, read_only: true}}}}\n"
    for flags, expected in (({}, True), ({"libvirt__read_only": "false"}, False)):
        config = load_text(tmp_path, text, **flags)
        assert config.libvirt.connections[0].read_only is expected
        assert config.targets["b"].read_only is expected
        assert config.targets["c"].read_only is True


def test_credentials_of_the_top_level_are_for_its_own_uri_alone(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        "libvirt: {username: someone, password_file: p}\ntargets: {b: {uri: 'qemu://b/'}}\n",
    )
    assert (config.targets["b"].username, config.targets["b"].password_file) == (None, None)


def test_a_module_says_only_what_differs_from_the_top_level(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        """
libvirt: {timeout: 8s}
collectors: {domain: {perf: true, state: false}, disk: {limits: true}, min_interval: 5s}
modules:
  same:
  other:
    collectors:
      domain: {state: true}
      network: {stats: false}
      disk:
    timeout: 2s
    labels: {rack: r12}
""",
        collectors__domain__vm="true",
    )
    domain = DomainCollectors(perf=True, state=False, vm=True)
    top = CollectorsConfig(domain, DiskCollectors(limits=True), min_interval_seconds=5.0)
    assert config.collectors == top
    assert config.modules == {
        "default": ModuleConfig("default", top, timeout_seconds=8.0),
        "same": ModuleConfig("same", top, timeout_seconds=8.0),
        "other": ModuleConfig(
            "other",
            CollectorsConfig(
                dataclasses.replace(domain, state=True),
                DiskCollectors(limits=True),
                NetworkCollectors(stats=False),
                min_interval_seconds=5.0,
            ),
            timeout_seconds=2.0,
            labels={"rack": "r12"},
        ),
    }


def test_a_uri_of_a_flag_goes_before_the_connections_of_the_file(tmp_path: Path) -> None:
    config = load_text(
        tmp_path, CONNECTIONS, libvirt__uri="test:///default", libvirt__username="someone"
    )
    assert (config.libvirt.uri, config.libvirt.connections) == ("test:///default", ())
    kept = load_text(tmp_path, CONNECTIONS, libvirt__uri="")
    assert kept.libvirt.connections == (ConnectionConfig("a", "qemu://a/"),)


def test_credentials_of_a_flag_are_for_none_of_the_connections_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(
            tmp_path, CONNECTIONS, libvirt__username="someone", libvirt__password_file="secret"
        )
    assert str(caught.value).splitlines() == [
        f"--libvirt.{name}: libvirt.{key}: needs libvirt.uri beside it: libvirt.connections have "
        "their own"
        for name, key in (("username", "username"), ("password-file", "password_file"))
    ]


AGENT_ON = {"collectors.domain.guest_agent": True}
DENIED = (
    "collectors.domain.guest_agent is on, but libvirt tells a read-only connection nothing of "
    "guest agents: set {}.read_only to false"
)


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        ({}, False),
        (AGENT_ON, True),
        ({"collectors.enable": ["guest_agent"]}, True),
        ({**AGENT_ON, "collectors.disable": ["guest_agent"]}, False),
        ({**AGENT_ON, "libvirt.read_only": False}, False),
    ],
)
def test_guest_agents_on_a_read_only_connection_are_warned_of(
    flags: dict[str, object], *, warned: bool
) -> None:
    expected = (DENIED.format("libvirt"),) if warned else ()
    assert load_only(flags).warnings == expected


def test_each_read_only_connection_and_target_is_named_in_the_warning(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        """
collectors: {domain: {guest_agent: true}}
libvirt:
  connections:
    - {name: a, uri: "qemu:///system"}
    - {name: b, uri: "qemu:///session", read_only: false}
targets:
  c: {uri: "qemu:///system"}
  d: {uri: "qemu:///system", read_only: false}
"""
    )
    config = load(file, flags={}, environ={})
    assert config.warnings == (
        DENIED.format("libvirt.connections.a"),
        DENIED.format("targets.c"),
    )
