"""From file, variables and flags to a checked `Config`: `load`.

A flag goes before a variable, that before the file, that before the default. Every mistake of
every source is reported at once, and nothing but the configuration file is opened.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.config.consistency import (
    CONNECTIONS,
    OF_ONE_CONNECTION,
    check_metadata_labels,
    check_own_filters,
    check_own_rows,
    consistency_problems,
    guest_agent_warnings,
)
from exporter.config.file import read_config_file
from exporter.config.name_profiles import check_profile_labels, profile_warnings
from exporter.config.problems import ConfigError, Problem, show_key
from exporter.config.sections import Config
from exporter.config.settings import (
    CONFIG_FILE,
    ENTRIES,
    ENVIRONMENT_PREFIX,
    SETTINGS,
    Setting,
)
from exporter.config.structure import structure_config, structure_problems

__all__ = ["load"]


@dataclass(slots=True)
class _Given:
    """What the sources give, as YAML would, by key; `sources` of flags and variables."""

    values: dict[str, object] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load(
    path: Path | None,
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> Config:
    """Reads file, variables and flags; without a path LIBVIRT_EXPORTER_CONFIG_FILE names the file.

    `flags` are by the settings' keys: text or values, a list for a repeatable one; None and an
    empty list are flags that were not given. An empty variable counts as not set. A list or a
    mapping is replaced as a whole, never merged. `defaults`, by the settings' keys too, stand in for
    those of the table: a command may have others. Raises ConfigError.
    """
    if path is None and environ.get(CONFIG_FILE.environment):
        path = Path(environ[CONFIG_FILE.environment])
    given = _Given()
    for setting in SETTINGS:
        _read_given(setting, "default", defaults.get(setting.key), given)
    # Every source is checked by itself: a mistake is reported even where another source hides it.
    if path is not None:
        _read_file(path, given)
    for setting in SETTINGS:
        variable = environ.get(setting.environment) or None
        _read_given(setting, setting.environment, variable, given)
        _read_given(setting, setting.flag, flags.get(setting.key), given)
    _choose_connections(given)
    unknown_flags = flags.keys() - {setting.key for setting in SETTINGS}
    given.problems.extend(Problem(key, "is no setting") for key in sorted(unknown_flags))
    if given.problems:
        raise ConfigError.of(given.problems)
    config = structure_config(_complete(_nested(given.values)))
    check_metadata_labels(config)
    check_profile_labels(config)
    check_own_filters(config)
    check_own_rows(config)
    warnings = (
        *_unknown_variables(environ),
        *profile_warnings(config),
        *guest_agent_warnings(config),
    )
    return dataclasses.replace(config, warnings=warnings)


def _read_file(path: Path, given: _Given) -> None:
    try:
        file = read_config_file(path)
    except ConfigError as error:
        given.problems.extend(error.problems)
        return
    given.problems.extend((*structure_problems(file), *consistency_problems(file)))
    for key in (*(setting.key for setting in SETTINGS), *ENTRIES):
        value = file.value(tuple(key.split(".")))
        if value is not None:
            given.values[key] = value


def _read_given(setting: Setting, source: str, value: object, given: _Given) -> None:
    if value is None or (setting.kind.is_repeatable and value in ((), [])):
        return
    try:
        read = setting.kind.read(value)
        setting.kind.check(read)
    except ConfigError as error:
        given.problems.extend(error.located(key=setting.key, source=source))
        return
    given.values[setting.key] = read
    given.sources[setting.key] = source


def _choose_connections(given: _Given) -> None:
    """A URI of a flag or a variable goes before the file's connections; its credentials need one."""
    if CONNECTIONS not in given.values:
        return
    uri, *credentials = OF_ONE_CONNECTION
    if uri in given.sources and given.values[uri]:
        del given.values[CONNECTIONS]
        return
    given.problems.extend(
        Problem(key, f"needs {uri} beside it: {CONNECTIONS} have their own", given.sources[key])
        for key in credentials
        if key in given.sources and given.values[key]
    )


def _nested(given: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in given.items():
        *sections, last = key.split(".")
        section = tree
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return tree


def _complete(tree: dict[str, Any]) -> dict[str, Any]:
    """Gives the entries what they leave out and the top level says."""
    libvirt = tree.get("libvirt", {})
    entry = {"read_only": libvirt.get("read_only")}
    module = {
        "collectors": tree.get("collectors"),
        "metadata": tree.get("metadata"),
        "timeout": libvirt.get("timeout"),
        "profile": tree.get("metrics", {}).get("profile"),
        "filter": tree.get("filter"),
        "max_series": tree.get("metrics", {}).get("max_series"),
        "rows": tree.get("metrics", {}).get("rows"),
    }
    if "connections" in libvirt:
        libvirt["connections"] = [_merged(entry, one) for one in libvirt["connections"]]
    for key, above in (("targets", entry), ("modules", module)):
        tree[key] = {name: _merged(above, one) for name, one in tree.get(key, {}).items()}
    return tree


def _merged(below: object, above: object) -> Any:
    """Two trees as one, key by key; what `above` says goes first, nothing is said by None."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return below if above is None else above
    return {**below, **{key: _merged(below.get(key), above[key]) for key in above}}


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    table = (*SETTINGS, CONFIG_FILE)
    known = [setting.environment.removeprefix(ENVIRONMENT_PREFIX) for setting in table]
    for name in sorted(environ):
        own = name.removeprefix(ENVIRONMENT_PREFIX)
        if own == name or own in known:
            continue
        # The prefix is left out of the comparison: it alone would make every name look close.
        close = difflib.get_close_matches(own, known, 1)
        question = f", did you mean {ENVIRONMENT_PREFIX}{close[0]}?" if close else ""
        yield f"the environment variable {show_key([name])} is no setting{question}"
