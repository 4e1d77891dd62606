from __future__ import annotations

from pathlib import Path

from exporter.config import Config, LibvirtConfig, ModuleConfig
from tests.exporter.config.loading import load_only, load_text


def test_there_is_always_a_default_module(tmp_path: Path) -> None:
    flags = {"libvirt.timeout": "3s", "collectors.domain.perf": "true"}
    config = load_only(flags)
    assert config.modules == {
        "default": ModuleConfig("default", config.collectors, timeout_seconds=3.0)
    }
    assert Config(LibvirtConfig(timeout_seconds=3.0)).modules["default"].timeout_seconds == 3.0
    own = load_text(tmp_path, "modules: {default: {timeout: 4s}}", libvirt__timeout="3s")
    assert own.modules == {"default": ModuleConfig("default", timeout_seconds=4.0)}


def test_modules_targets_and_labels_cannot_be_changed(tmp_path: Path) -> None:
    config = load_text(tmp_path, "targets: {a: {uri: x, labels: {rack: r12}}}")
    for mapping in (config.modules, config.targets, config.targets["a"].labels):
        assert not hasattr(mapping, "__setitem__")
