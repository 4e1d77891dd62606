"""What the tests of the configuration share: ways to load one and to look into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.config import Config, ConfigError, load

FILES = Path(__file__).parent

DURATION = "expected a duration (30s, 1m, 1h30m, 500ms or a number of seconds)"


def load_only(
    flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    return load(None, flags=flags or {}, environ=environ or {})


def load_text(path: Path, text: str, **flags: object) -> Config:
    """Loads a file of this text; a flag's key has __ for its dots."""
    file = path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, flags={key.replace("__", "."): flags[key] for key in flags}, environ={})


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
