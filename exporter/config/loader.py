"""From file, variables and flags to a checked `Config`: `load`.

A flag goes before a variable, that before the file, that before the default. Every mistake of
every source is reported at once, and nothing but the configuration file is opened.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from exporter.config.file import ConfigFile, read_config_file
from exporter.config.kinds import Kind
from exporter.config.problems import ConfigError, Hidden, Problem, refuse, show, show_key
from exporter.config.settings import (
    CONFIG_FILE,
    ENVIRONMENT_PREFIX,
    SETTINGS,
    Config,
    Setting,
    fields_of,
)

__all__ = ["load"]


def load(path: Path | None, *, flags: Mapping[str, object], environ: Mapping[str, str]) -> Config:
    """Reads file, variables and flags; without a path LIBVIRT_EXPORTER_CONFIG_FILE names the file.

    `flags` are by the settings' keys: text or values, a list for a repeatable one; None and an
    empty list are flags that were not given. An empty variable counts as not set. A list or a
    mapping is replaced as a whole, never merged. Raises ConfigError.
    """
    if path is None and environ.get(CONFIG_FILE.environment):
        path = Path(environ[CONFIG_FILE.environment])
    problems: list[Problem] = []
    # Every source is checked by itself: a mistake is reported even where another source hides it.
    given = {} if path is None else _given_by_file(path, problems)
    for setting in SETTINGS:
        _read_given(
            setting, setting.environment, environ.get(setting.environment) or None, given, problems
        )
        _read_given(setting, setting.flag, flags.get(setting.key), given, problems)
    unknown_flags = flags.keys() - {setting.key for setting in SETTINGS}
    problems.extend(Problem(key, "is no setting") for key in sorted(unknown_flags))
    if problems:
        raise ConfigError.of(problems)
    config: Config = _CONVERTER.structure(_nested(given), Config)
    return dataclasses.replace(config, warnings=tuple(_unknown_variables(environ)))


def _read_given(
    setting: Setting,
    source: str,
    value: object,
    given: dict[str, object],
    problems: list[Problem],
) -> None:
    if value is None or (setting.kind.is_repeatable and value in ((), [])):
        return
    try:
        read = setting.kind.read(value)
        setting.kind.check(read)
    except ConfigError as error:
        problems.extend(error.located(key=setting.key, source=source))
        return
    given[setting.key] = read


def _given_by_file(path: Path, problems: list[Problem]) -> dict[str, object]:
    try:
        file = read_config_file(path)
        _CONVERTER.structure(file.tree, Config)
    except ConfigError as error:
        problems.extend(error.problems)
        return {}
    except ClassValidationError as error:
        problems.extend(_file_problems(error, Config, (), file))
        return {}
    found = ((setting.key, _value_at(file.tree, setting.key)) for setting in SETTINGS)
    return {key: value for key, value in found if value is not None}


def _value_at(tree: object, key: str) -> object:
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


def _nested(given: Mapping[str, object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for key, value in given.items():
        *sections, last = key.split(".")
        section: dict[str, Any] = tree
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return tree


def _file_problems(
    error: ClassValidationError, section: type[Any], path: tuple[str, ...], file: ConfigFile
) -> Iterator[Problem]:
    """Takes the tree of cattrs' errors apart: one problem a leaf."""
    fields = {field.attribute: field for field in fields_of(section)}
    placed, own = error.group_exceptions()
    for exc, note in placed:
        field = fields[note.name]
        here = (*path, field.key)
        if isinstance(exc, ClassValidationError) and field.section is not None:
            yield from _file_problems(exc, field.section, here, file)
        elif isinstance(exc, ConfigError):
            yield from exc.located(key=".".join(here), source=file.source(here))
        else:
            raise exc
    for exc in own:
        if not isinstance(exc, ForbiddenExtraKeysError):
            raise exc
        known = [field.key for field in fields.values()]
        for key in sorted(exc.extra_fields):
            yield _unknown_key(key, known, path, file)


def _unknown_key(
    key: str, known: Sequence[str], path: tuple[str, ...], file: ConfigFile
) -> Problem:
    elsewhere = [setting.key for setting in SETTINGS if key == setting.key.rpartition(".")[2]]
    close = difflib.get_close_matches(key, known, 1)
    meant = [".".join((*path, *close))] if close else elsewhere
    question = f", did you mean {' or '.join(meant)}?" if meant else ""
    allowed = f"allowed here: {', '.join(known)}"
    here = (*path, key)
    return Problem(show_key(here), f"unknown key{question} ({allowed})", file.source(here))


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


def _structure_section(
    section: type[Any], converter: cattrs.Converter
) -> Callable[[object, object], Any]:
    """The hook for one section: the mapping's shape by cattrs, each leaf by its setting's kind."""
    overrides: dict[str, Any] = {
        field.name: override(omit=True) for field in dataclasses.fields(section)
    }
    for field in fields_of(section):
        hook = None if field.doc is None else _leaf_hook(field.doc.kind)
        overrides[field.attribute] = override(rename=field.key, struct_hook=hook)
    structure = make_dict_structure_fn(
        section,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        **overrides,
    )

    def structure_section(value: object, _: object) -> Any:
        if not isinstance(value, Mapping | None):
            raise refuse("a mapping of settings", Hidden(value))
        # A key without a value (`libvirt:` alone) is a key that was not given.
        given = {
            key if isinstance(key, str) else show(key): item
            for key, item in (value or {}).items()
            if item is not None
        }
        return structure(given, section)

    return structure_section


def _leaf_hook(kind: Kind[Any]) -> Callable[[object, object], Any]:
    return lambda value, _: kind.check(value)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=True)
    converter.register_structure_hook_factory(
        dataclasses.is_dataclass, lambda section: _structure_section(section, converter)
    )
    return converter


_CONVERTER = _make_converter()
