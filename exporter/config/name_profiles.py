"""The kind of value that says under whose names the metrics are shown, and what goes with it.

`check_profile_labels` and `profile_warnings` look at the finished configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.config.kinds import Kind
from exporter.config.problems import ConfigError, Problem, refuse
from exporter.profiles.tables import NAMES, PROFILES, conflicts

if TYPE_CHECKING:
    from exporter.config.sections import CollectorsConfig, Config

__all__ = ["NAME_PROFILES", "check_profile_labels", "profile_warnings"]

DEFAULT_MODULE = "default"
_EXPECTED = f"one of {', '.join(NAMES)}, or a list of them"


def _check(value: object) -> tuple[str, ...]:
    names: list[str] = []
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str) or name not in NAMES:
            raise refuse(_EXPECTED, name)
        if name in names:
            raise ConfigError("", f"the profile {name} is given twice")
        names.append(name)
    if not names:
        raise ConfigError("", f"expected {_EXPECTED}, got an empty list")
    for conflict in conflicts(names):
        message = f"{conflict}; leave one of the two out, or run an exporter for each"
        raise ConfigError("", message)
    return tuple(names)


NAME_PROFILES: Kind[tuple[str, ...]] = Kind("PROFILE", _check, ",".join, is_repeatable=True)


def check_profile_labels(config: Config) -> None:
    """Raises ConfigError for labels of the operator's own that a profile has too."""
    problems = list(dict.fromkeys(_problems_of_labels(config)))
    if problems:
        raise ConfigError.of(problems)


def _problems_of_labels(config: Config) -> Iterator[Problem]:
    extra = {f"metrics.extra_labels.{name}": name for name, _ in config.metrics.extra_labels}
    for module in config.modules.values():
        labels = {f"modules.{module.name}.labels.{name}": name for name in module.labels}
        for profile in module.profile:
            rows = PROFILES[profile].rows if profile in PROFILES else ()
            taken = {label for row in rows for label in row.label_names}
            for key, name in (extra | labels).items():
                if name in taken:
                    message = f"the profile {profile} has a label {name} too; choose another name"
                    yield Problem(key, message)


def profile_warnings(config: Config) -> Iterator[str]:
    """What a profile lacks because a collector is off."""
    for module in config.modules.values():
        for name in module.profile:
            for need in PROFILES[name].needs if name in PROFILES else ():
                if not _is_on(module.collectors, need.switch):
                    where = "" if module.name == DEFAULT_MODULE else f" of the module {module.name}"
                    yield (
                        f"the profile {name}{where} lacks {need.what}, "
                        f"because the collector {need.switch} is off"
                    )


def _is_on(collectors: CollectorsConfig, switch: str) -> bool:
    section, _, name = switch.partition(".")
    return bool(getattr(getattr(collectors, section), name))
