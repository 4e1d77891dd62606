from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import Config, ConfigError, ConnectionConfig, TargetConfig
from tests.exporter.config.loading import load_only, load_text


def test_every_key_of_a_connection_and_of_a_target_is_read(tmp_path: Path) -> None:
    values = "uri: 'qemu+tls://h/system', username: exporter, password_file: p, read_only: false"
    config = load_text(
        tmp_path,
        f"libvirt: {{connections: [{{name: a b, {values}}}]}}\n"
        f"targets: {{h.1: {{module: m, labels: {{rack: 12}}, {values}}}}}\n"
        "modules: {m: }\n",
    )
    own = ("qemu+tls://h/system", "exporter", Path("p"), False)
    assert config.libvirt.connections == (ConnectionConfig("a b", *own),)
    assert config.targets == {"h.1": TargetConfig("h.1", own[0], "m", *own[1:], {"rack": "12"})}


def test_an_entry_may_be_an_alias_of_another_one(tmp_path: Path) -> None:
    config = load_text(tmp_path, "targets: {a: &a {uri: 'qemu://h/'}, b: *a}")
    assert [target.name for target in config.targets.values()] == ["a", "b"]
    assert config.targets["b"].uri == "qemu://h/"
    with pytest.raises(ConfigError, match=r"yaml:1: targets\.a\.uri: is required"):
        load_text(tmp_path, "targets: &a {a: *a}")


def test_all_mistakes_of_all_structures_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(
            tmp_path,
            """
libvirt:
  uri: no uri
  connections:
    - {name: a, uri: "qemu://a/", read_only: perhaps}
    - {name: a}
modules:
  fast: {timeout: soon}
targets:
  hv1: {uri: "qemu+tls://hv1/", module: slow}
probe: {allow: "("}
""",
            libvirt__parallel="x",
        )
    assert [(problem.key, problem.source[-2:]) for problem in caught.value.problems] == [
        ("libvirt.uri", ":3"),
        ("libvirt.connections[0].read_only", ":5"),
        ("libvirt.connections[1].uri", ":6"),
        ("probe.allow", "11"),
        ("modules.fast.timeout", ":8"),
        ("libvirt.uri", ":3"),
        ("libvirt.connections[1].name", ":6"),
        ("targets.hv1.module", "10"),
        ("libvirt.parallel", "el"),
    ]


def test_a_wrong_key_without_a_value_is_refused_and_a_right_one_keeps_its_default(
    tmp_path: Path,
) -> None:
    assert (
        load_text(tmp_path, "libvirt: {timeout: }\ntargets:\nprobe:\n") == Config() == load_only()
    )
    with pytest.raises(ConfigError, match=r"libvirt\.timeuot: unknown key"):
        load_text(tmp_path, "libvirt: {timeuot: }")
