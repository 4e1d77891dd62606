"""The YAML file: text -> a plain tree and the line of every key; it knows no setting.

Every failure is a ConfigError that names the file and, where it is known, the line. The size is
bounded, aliases cost no more than their text, and no tag makes an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from exporter.config.problems import ConfigError, Problem, item_key, show_key

__all__ = ["LARGEST_FILE_BYTES", "ConfigFile", "read_config_file"]

LARGEST_FILE_BYTES = 1 << 20
_MERGE_TAG = "tag:yaml.org,2002:merge"

_KEYS_ARE_TEXT = "a key must be plain text; merge keys (<<) and other keys are not supported"

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file's content: `tree` as YAML gives it, `lines` of keys and items, counted from 1."""

    name: str
    tree: Mapping[object, object]
    lines: Mapping[KeyPath, int]

    def source(self, path: KeyPath) -> str:
        """The file and the line of the key, or of the nearest section above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines[path]}" if path else self.name

    def value(self, path: KeyPath) -> object:
        """What stands at a path of keys; None where nothing does."""
        value: object = self.tree
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def read_config_file(path: Path) -> ConfigFile:
    """Reads and parses a file of at most LARGEST_FILE_BYTES; an empty one is an empty mapping."""
    name = str(path)
    loader = _open_loader(_read_text(path, name), name)
    try:
        root = loader.get_single_node()
        if root is None:
            return ConfigFile(name, {}, {})
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError("", "expected a mapping of settings at the top", source=name)
        lines = _key_lines(root, name)
        return ConfigFile(name, loader.construct_document(root), lines)
    except yaml.MarkedYAMLError as exc:
        raise _syntax_error(exc, name) from exc
    except RecursionError as exc:
        raise ConfigError("", "the YAML is nested too deeply", source=name) from exc
    except ConfigError:
        raise
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as exc:
        # PyYAML lets these through for a scalar that does not fit its tag: !!int "", 2024-13-45.
        reason = "a value does not fit its YAML type; put text in quotes"
        raise ConfigError("", reason, source=name) from exc
    finally:
        loader.dispose()


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "not a file name"
        raise ConfigError("", f"cannot read the file: {reason}", source=name) from exc
    if len(content) > LARGEST_FILE_BYTES:
        reason = f"the file is larger than {LARGEST_FILE_BYTES} bytes"
        raise ConfigError("", reason, source=name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ConfigError("", "the file is not UTF-8 text", source=f"{name}:{line}") from exc


def _open_loader(text: str, name: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as exc:
        before = text[: exc.position]
        source = f"{name}:{before.count(chr(10)) + 1}:{exc.position - before.rfind(chr(10))}"
        reason = f"the character U+{ord(text[exc.position]):04X} is not allowed in YAML"
        raise ConfigError("", reason, source=source) from exc


def _syntax_error(error: yaml.MarkedYAMLError, name: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    source = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    return ConfigError("", f"not valid YAML: {reason}", source=source)


def _key_lines(root: yaml.Node, name: str) -> dict[KeyPath, int]:
    """The line of every key and list item; raises for keys that stand twice in one mapping and for merge keys."""
    lines: dict[KeyPath, int] = {}
    problems: dict[int, Problem] = {}
    visited: set[int] = set()  # an alias leads to a node that was seen, perhaps around a circle
    pending: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while pending:
        path, node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                here = (*path, item_key(number))
                lines[here] = item.start_mark.line + 1
                pending.append((here, item))
        if not isinstance(node, yaml.MappingNode):
            continue
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE_TAG:
                problems[line] = Problem("", _KEYS_ARE_TEXT, f"{name}:{line}")
                continue
            key = key_node.value
            if key in first_lines:
                reason = f"given twice, first on line {first_lines[key]}"
                problems[line] = Problem(show_key((*path, key)), reason, f"{name}:{line}")
            first_lines.setdefault(key, line)
            lines.setdefault((*path, key), line)
            pending.append(((*path, key), value_node))
    if problems:
        raise ConfigError.of(problems[line] for line in sorted(problems))
    return lines
