"""The table of settings, derived from the sections' fields: keys, flags, variables, defaults.

`SETTINGS` has what every source may give, `ENTRIES` what only the file may. No source is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.config.kinds import FILE, Kind
from exporter.config.sections import Config, Entries, fields_of

__all__ = [
    "CONFIG_FILE",
    "ENTRIES",
    "ENVIRONMENT_PREFIX",
    "SETTINGS",
    "Setting",
    "expand_boolean_flags",
]

ENVIRONMENT_PREFIX = "LIBVIRT_EXPORTER_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings; `default` is written as an operator would write it."""

    key: str
    kind: Kind[Any]
    default: str
    help: str
    flag: str
    environment: str

    @property
    def parameter(self) -> str:
        """The key as a Python identifier, for a command line library."""
        return self.key.replace(".", "__")

    @property
    def negative_flag(self) -> str:
        """The flag that switches a boolean off (`--no-...`); empty for other kinds."""
        return f"--no-{self.flag.removeprefix('--')}" if self.kind.is_boolean else ""


_FLAG_SECTIONS = {"collectors": "collector", "logging": "log"}


def _flag(key: str) -> str:
    section, _, rest = key.partition(".")
    return f"--{_FLAG_SECTIONS.get(section, section)}.{rest}".replace("_", "-")


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.replace(".", "_").upper()


def _settings(section: type[Any], prefix: str = "") -> Iterator[Setting]:
    for field in fields_of(section):
        key = f"{prefix}{field.key}"
        if field.section is not None:
            yield from _settings(field.section, f"{key}.")
        if field.doc is not None:
            kind, flag = field.doc.kind, field.doc.flag or _flag(key)
            default = kind.render(field.default)
            yield Setting(key, kind, default, field.doc.help, flag, _variable(key))


SETTINGS: tuple[Setting, ...] = tuple(_settings(Config))
"""Every setting of the configuration file, in the order of the reference page."""


def _entries(section: type[Any], prefix: str = "") -> Iterator[tuple[str, Entries]]:
    for field in fields_of(section):
        if field.section is not None:
            yield from _entries(field.section, f"{prefix}{field.key}.")
        if field.entries is not None:
            yield f"{prefix}{field.key}", field.entries


ENTRIES: dict[str, Entries] = dict(_entries(Config))
"""What only the file may hold, by its key: named sections, any number of them."""

CONFIG_FILE = Setting(
    "config.file",
    FILE,
    "",
    "Configuration file (YAML).",
    "--config.file",
    _variable("config.file"),
)
"""The one setting that has no key in the file."""


def expand_boolean_flags(arguments: Sequence[str]) -> list[str]:
    """Writes bare boolean flags out: `--x` becomes `--x=true` and `--no-x` `--x=false`.

    Every boolean is then an ordinary option with a value, which never takes the next word for it.
    """
    written_out = {
        spelling: f"{setting.flag}={value}"
        for setting in SETTINGS
        if setting.kind.is_boolean
        for spelling, value in ((setting.flag, "true"), (setting.negative_flag, "false"))
    }
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    options = [written_out.get(argument, argument) for argument in arguments[:end]]
    return [*options, *arguments[end:]]
