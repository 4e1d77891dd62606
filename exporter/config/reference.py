"""The reference page of the configuration, rendered from `SETTINGS`.

The table of settings goes in, Markdown (docs/configuration.md) comes out; no source is read.
"""

import sys
from collections.abc import Iterator

from exporter.config.settings import CONFIG_FILE, ENVIRONMENT_PREFIX, SETTINGS, Setting

__all__ = ["render_markdown"]

_EXAMPLE = """\
libvirt:
  uri: qemu:///system
  timeout: 8s
web:
  listen_address: ["127.0.0.1:9177", "[::1]:9177"]
  telemetry_path: /metrics
collectors:
  domain:
    perf: true
  disk:
    stats: true
    limits: true
  min_interval: 2s500ms
metrics:
  extra_labels:
    rack: r12
logging:
  level: warning
  format: json"""

_INTRODUCTION = f"""\
# Configuration

Made from the table of settings by `python -m exporter.config.reference`; do not edit.

No setting is required. Each may be given as a flag, as an environment variable or in a YAML file.

## Which source goes first

A flag goes before an environment variable, a variable before the file, the file before the default.

- The file is the one that `{CONFIG_FILE.flag}` names, else `{CONFIG_FILE.environment}`.
- A list of addresses and a mapping of labels are replaced as a whole, never merged.
- An empty variable counts as not set, and so does a key of the file without a value.
- A key that the file may not hold and a wrong value are errors, even where a source that goes
  first hides the value. Every mistake is reported at once, with its place: file and line, flag or
  variable.
- A variable that starts with `{ENVIRONMENT_PREFIX}` and is no setting is a warning in the log.

## Example

```yaml
{_EXAMPLE}
```

## Values

- **Durations** are numbers with units, from the largest down and each unit once: `d`, `h`, `m`,
  `s`, `ms`, such as `30s`, `1h30m`, `1.5h` or `500ms`. A plain number is seconds.
- **Booleans** are `true` or `false` in the file; a flag and a variable also take `yes`, `on`, `1`
  and `no`, `off`, `0`. A flag without a value is `true`, its `--no-` form `false`.
- **Addresses** are `:9177` (every address of the machine), `127.0.0.1:9177`, `[::1]:9177` or
  `localhost:9177`: one or a list of them in the file, with commas between them in a variable.
- **Labels** are a mapping of names to text in the file, `rack=r12` in a flag, and
  `rack=r12,row=7` in a variable. A label that the exporter's own metrics use is refused.

## Settings
"""

_HEAD = ("Key", "Flag", "Environment", "Default", "Meaning")


def render_markdown() -> str:
    """The whole page: which source goes first, an example, kinds of values, one line a setting."""
    return "\n".join((_INTRODUCTION, *_table(), ""))


def _table() -> Iterator[str]:
    yield _table_line(*_HEAD)
    yield _table_line(*("---" for _ in _HEAD))
    yield _setting_line(CONFIG_FILE, key="")
    for setting in SETTINGS:
        yield _setting_line(setting, key=setting.key)


def _setting_line(setting: Setting, *, key: str) -> str:
    return _table_line(
        _code(key),
        _code(_flag(setting)),
        _code(setting.environment),
        _code(setting.default),
        setting.help,
    )


def _flag(setting: Setting) -> str:
    if setting.kind.is_boolean:
        return f"--[no-]{setting.flag.removeprefix('--')}"
    return f"{setting.flag} {setting.kind.metavar}"


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


def _table_line(*cells: str) -> str:
    # A bar ends a cell, even within backticks.
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


if __name__ == "__main__":
    sys.stdout.write(render_markdown())
