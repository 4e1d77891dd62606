"""A tree as YAML gives it -> a `Config`, and every mistake of a file's tree with its place.

The shape of a section is cattrs' work, each value its kind's. A key without a value is a key that
was not given. What one key asks of another is in `consistency`.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from exporter.config.endpoints import NAME
from exporter.config.file import ConfigFile, KeyPath
from exporter.config.kinds import Kind
from exporter.config.problems import (
    ConfigError,
    Hidden,
    Problem,
    item_key,
    refuse,
    show,
    show_key,
)
from exporter.config.sections import Config, Entries, Field, fields_of, is_named_by_key
from exporter.config.settings import ENTRIES, SETTINGS

__all__ = ["structure_config", "structure_file", "structure_problems"]

T = TypeVar("T")


def structure_config(tree: Mapping[str, object]) -> Config:
    """Makes the configuration of a tree that has no mistake."""
    config: Config = _CONVERTER.structure(tree, Config)
    return config


def structure_problems(file: ConfigFile) -> Iterator[Problem]:
    """Every key that a file may not hold or has to, and every value that is none of its kind."""
    try:
        _CONVERTER.structure(file.tree, Config)
    except (ClassValidationError, ConfigError) as error:
        elsewhere = (*(setting.key for setting in SETTINGS), *ENTRIES)
        yield from _problems(error, Config, (), file, elsewhere)


def structure_file(file: ConfigFile, section: type[T]) -> T:
    """Makes the section that a whole file is; raises ConfigError with every mistake in its place."""
    try:
        return _CONVERTER.structure(file.tree, section)
    except (ClassValidationError, ConfigError) as error:
        elsewhere = tuple(_keys(section))
        raise ConfigError.of(_problems(error, section, (), file, elsewhere)) from error


def _keys(section: type[Any], prefix: str = "") -> Iterator[str]:
    for field in fields_of(section):
        if field.section is None:
            yield f"{prefix}{field.key}"
        else:
            yield from _keys(field.section, f"{prefix}{field.key}.")


class _EntryErrors(Exception):
    """What is wrong with some entries of a field, by what stands for each in a key's path."""

    def __init__(self, section: type[Any], errors: Sequence[tuple[str, Exception]]) -> None:
        super().__init__(section, errors)
        self.section = section
        self.errors = errors


@dataclasses.dataclass(frozen=True, slots=True)
class _Named:
    """An entry and the key above it, which is its name."""

    name: object
    value: object


def _problems(
    error: Exception,
    section: type[Any] | None,
    path: KeyPath,
    file: ConfigFile,
    elsewhere: Sequence[str],
) -> Iterator[Problem]:
    """Takes the tree of errors apart: one problem a leaf."""
    match error:
        case ConfigError():
            yield from error.located(key=show_key(path), source=file.source(path))
        case ClassValidationError() if section is not None:
            yield from _section_problems(error, section, path, file, elsewhere)
        case _EntryErrors():
            for key, inner in error.errors:
                yield from _problems(inner, error.section, (*path, key), file, elsewhere)
        case KeyError():
            yield Problem(show_key(path), "is required", file.source(path))
        case _:
            raise error


def _section_problems(
    error: ClassValidationError,
    section: type[Any],
    path: KeyPath,
    file: ConfigFile,
    elsewhere: Sequence[str],
) -> Iterator[Problem]:
    fields = {field.attribute: field for field in fields_of(section)}
    placed, own = error.group_exceptions()
    for exc, note in placed:
        if note.name in fields:
            field = fields[note.name]
            yield from _problems(exc, field.section, (*path, field.key), file, elsewhere)
        elif isinstance(exc, ConfigError):  # the key that is the section's name
            yield from exc.located(key=show_key(path[:-1]), source=file.source(path))
    for exc in own:
        if not isinstance(exc, ForbiddenExtraKeysError):
            raise exc
        known = [field.key for field in fields.values()]
        for key in sorted(exc.extra_fields):
            yield _unknown_key(key, known, path, file, elsewhere)


def _unknown_key(
    key: str, known: Sequence[str], path: KeyPath, file: ConfigFile, elsewhere: Sequence[str]
) -> Problem:
    close = difflib.get_close_matches(key, known, 1)
    meant = (
        [show_key((*path, *close))]
        if close
        else [other for other in elsewhere if key == other.rpartition(".")[2]]
    )
    question = f", did you mean {' or '.join(meant)}?" if meant else ""
    allowed = f"allowed here: {', '.join(known)}"
    here = (*path, key)
    return Problem(show_key(here), f"unknown key{question} ({allowed})", file.source(here))


def _structure_section(
    section: type[Any], converter: cattrs.Converter
) -> Callable[[object, object], Any]:
    """The hook for one section: the mapping's shape by cattrs, each leaf by its setting's kind."""
    fields = list(fields_of(section))
    known = {field.key for field in fields}
    overrides: dict[str, Any] = {
        field.name: override(omit=True) for field in dataclasses.fields(section)
    }
    for field in fields:
        overrides[field.attribute] = override(rename=field.key, struct_hook=_hook(field, converter))
    if is_named_by_key(section):
        overrides["name"] = override(struct_hook=_leaf_hook(NAME))
    structure = make_dict_structure_fn(
        section, converter, _cattrs_detailed_validation=True, **overrides
    )

    def structure_section(value: object, _: object) -> Any:
        name = {}
        if isinstance(value, _Named):
            name, value = {"name": value.name}, value.value
        if not isinstance(value, Mapping | None):
            raise refuse("a mapping of settings", Hidden(value))
        tree = _by_text(value or {})
        given = {key: item for key, item in tree.items() if key in known and item is not None}
        errors: list[Exception] = []
        if unknown := tree.keys() - known:
            errors.append(ForbiddenExtraKeysError(None, section, unknown))
        try:
            structured = structure({**given, **name}, section)
        except ClassValidationError as error:
            errors.extend(error.exceptions)
        if errors:
            raise ClassValidationError("mistakes", errors, section)
        return structured

    return structure_section


def _by_text(value: Mapping[object, object]) -> dict[str, object]:
    return {key if isinstance(key, str) else show(key): item for key, item in value.items()}


def _hook(field: Field, converter: cattrs.Converter) -> Callable[[object, object], Any] | None:
    if field.doc is not None:
        return _leaf_hook(field.doc.kind)
    if field.entries is not None:
        return _entries_hook(field.key, field.entries, converter)
    return None


def _leaf_hook(kind: Kind[Any]) -> Callable[[object, object], Any]:
    return lambda value, _: kind.check(value)


def _entries_hook(
    key: str, entries: Entries, converter: cattrs.Converter
) -> Callable[[object, object], Any]:
    def structure_list(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise refuse(f"a list of {key}", Hidden(value))
        if not value:
            raise ConfigError("", f"expected a list of {key}, got an empty one")
        return tuple(structure_each((item_key(i), item) for i, item in enumerate(value)).values())

    def structure_mapping(value: object, _: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise refuse(f"a mapping of names to {key}", Hidden(value))
        return structure_each(
            (name if isinstance(name, str) else show(name), _Named(name, item))
            for name, item in value.items()
        )

    def structure_each(items: Iterable[tuple[str, object]]) -> dict[str, Any]:
        structured: dict[str, Any] = {}
        errors: list[tuple[str, Exception]] = []
        for place, item in items:
            try:
                structured[place] = converter.structure(item, entries.section)
            except (ClassValidationError, ConfigError) as error:
                errors.append((place, error))
        if errors:
            raise _EntryErrors(entries.section, errors)
        return structured

    return structure_list if entries.is_list else structure_mapping


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook_factory(
        dataclasses.is_dataclass, lambda section: _structure_section(section, converter)
    )
    return converter


_CONVERTER = _make_converter()
