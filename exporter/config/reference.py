"""The reference page of the configuration, rendered from `SETTINGS` and `ENTRIES`.

The tables of settings go in, Markdown (docs/configuration.md) comes out; no source is read.
"""

import sys
from collections.abc import Iterator

from exporter.config.sections import Entries, Field, fields_of
from exporter.config.settings import (
    CONFIG_FILE,
    ENTRIES,
    ENVIRONMENT_PREFIX,
    SETTINGS,
    Setting,
)

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

_TARGETS_EXAMPLE = r"""
libvirt:
  timeout: 8s
  connections:
    - name: local
      uri: qemu:///system
    - name: hv9
      uri: qemu+tls://hv9.example.org/system
      username: exporter
      password_file: /etc/libvirt-exporter/hv9.password
targets:
  hv1:
    uri: qemu+tls://hv1.example.org/system
    labels: {rack: r12}
  hv2:
    uri: qemu+ssh://monitor@hv2.example.org/system
    module: brief
modules:
  brief:
    timeout: 3s
    collectors:
      disk:
        stats: false
    labels: {detail_level: brief}
probe:
  allow:
    - 'qemu\+tls://[a-z0-9-]+\.example\.org/system'""".removeprefix("\n")

_INTRODUCTION = f"""\
# Configuration

Made from the table of settings by `python -m exporter.config.reference`; do not edit.

No setting is required. Each may be given as a flag, as an environment variable or in a YAML file;
[many hypervisors](#many-hypervisors) stand in the file alone.

## Which source goes first

A flag goes before an environment variable, a variable before the file, the file before the default.

- The file is the one that `{CONFIG_FILE.flag}` names, else `{CONFIG_FILE.environment}`.
- A list of addresses or of expressions and a mapping of labels are replaced as a whole, never
  merged.
- A URI that is given by a flag or a variable goes before `libvirt.connections` of the file.
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
  `rack=r12,row=7` in a variable. A label that the exporter's own metrics use is refused, and so is
  `host`, which tells several hypervisors apart.
- **URIs** are libvirt's: `qemu:///system`, `qemu+tls://hv1.example.org/system`. A word of letters,
  digits, `-` and `_` is an alias of libvirt.conf. A password has no place in one.
- **Regular expressions** are Python's and have to match the whole of a URI, a name and so on, so that
  a dot needs a backslash: one or a list of them in the file, with white space between them in a
  variable (`\\s` stands for white space within one).
- **Names** of connections, targets and modules are text that is no URI.
- **Passwords** stand in files of their own, never in a setting.

## Settings
"""

_MANY = f"""
## Many hypervisors

`libvirt.connections` puts several hypervisors on the metrics page, `targets` and `modules` are for
`/probe?target=NAME&module=NAME` and for the service discovery at `/sd`. Only the file has them.

```yaml
{_TARGETS_EXAMPLE}
```

- Beside `libvirt.connections` the file has no `libvirt.uri`, `libvirt.username` and
  `libvirt.password_file`; the other settings of `libvirt` are for every connection and target.
- A module says what differs from the top level, key by key: `brief` above collects everything that
  the top-level `collectors` do but the statistics of disks. The module `default` is the top level
  itself, unless `modules` has one of that name.
- A target that is not configured is refused, unless an expression of `probe.allow` matches the
  whole of its URI. Whoever can reach the exporter can then have it connect there, so that an
  expression should name hosts, and never be `.*`.
"""

_METADATA_EXAMPLE = """
metadata:
  profiles: [nova, libosinfo]
  rules:
    - name: team
      namespace: https://inventory.example.org/vm
      path: vm/owner
      label: owner
    - name: team
      namespace: https://inventory.example.org/vm
      path: vm/tags/tag/@name
      label: tags""".removeprefix("\n")

_METADATA = f"""
## Labels from the metadata of domains

`metadata.profiles` names the platforms whose metadata become labels, each of metrics of its own
(`libvirt_domain_openstack_info` for nova); a domain without such metadata has no such series. The
file may have rules for any other metadata, or for elements of libvirt's own:

```yaml
{_METADATA_EXAMPLE}
```

The example gives `libvirt_domain_team_info` with the labels `owner` and `tags`, 1 for each domain of
which one of the two is known.

- A path begins below `metadata`, and is about elements of the rule's namespace; those within the
  first one may also have none. With an empty namespace it begins below `domain`.
- `*` stands for an element of any name. There is nothing more to a path: no conditions, no search.
- Several values of a path are sorted, each once, with commas between them.
- A value longer than `metadata.max_label_length` is cut and ends in an ellipsis.
"""

_ROWS_EXAMPLE = """
metrics:
  rows:
    - field: vcpu.<vcpu>.halt_wakeup.sum
      name: own_vcpu_halt_wakeups_total
      type: counter
      help: Times that the vCPU was woken from a halt.
    - field: block.<disk>.rd.times
      name: own_disk_time_seconds_total
      type: counter
      unit: ns
      help: Time spent on the disk.
      labels: {way: in}""".removeprefix("\n")

_ROWS = f"""
## Metrics of one's own

A field of libvirt's statistics that the exporter does not show, or shows otherwise, becomes a metric by
a row of the file; `libvirt_exporter_unknown_fields` counts the fields that nothing shows, and the log
names them.

```yaml
{_ROWS_EXAMPLE}
```

- `<disk>`, `<interface>`, `<vcpu>` and the like stand for the number that libvirt puts there, and become
  the labels that the exporter's own metrics have for them; a field without one has `domain`, `uuid` and
  `hypervisor`.
- The statistics that the field is of are asked for, even where the exporter's own metrics of them are
  switched off.
- A value is multiplied, then divided: `unit` and `multiplier` and `divisor` all count. A field that holds
  text gives nothing.
- These metrics bear the same names under every `metrics.profile`.
"""

_FILTERS = """
## Filters

`filter` says which domains, disks and interfaces are shown. Every expression has to match the whole
text; upper and lower case differ.

- What is to be included has to match one of the `include` expressions, if there are any, and none of
  the `exclude` ones. Names, UUIDs, states and metadata all have to allow a domain.
- A domain that is left out by its name, its UUID or its metadata is not asked for at all. By its state
  it is left out of the page; the domains that run, or do not, are not asked for where that alone decides.
- A filter by metadata is about a label of `metadata.profiles` and `metadata.rules`, or `title`:
  `project_name=web-.*`. For each label that `include` names one of its expressions has to match; a label
  that a domain does not have matches nothing. What a domain's document says has to be known: until it was
  read, a moment after the domain was first seen, the domain is not shown.
- `libvirt_domains` counts what is left.

## The bound on series

Where a hypervisor has more than `metrics.max_series` series, whole metrics are left out from the end of
the page, in the reverse of the order in which the page has them: those of plugins first, the state and
the CPU time of domains last. What is about the exporter itself (`libvirt_exporter_*`) and its connection
always stays. `libvirt_exporter_series_dropped_total` counts what was left out.
"""

_FROM_TOP_LEVEL = {"read_only": "libvirt.read_only", "timeout": "libvirt.timeout"}
_OWN_CHAPTERS = {"metadata.rules": _METADATA, "metrics.rows": _ROWS}
_ENTRY_HEAD = ("Key", "Default", "Meaning")
_HEAD = ("Key", "Flag", "Environment", "Default", "Meaning")


def render_markdown() -> str:
    """The whole page: which source goes first, an example, kinds of values, one line a setting."""
    tables: dict[str, list[str]] = {_MANY: [], _METADATA: [], _ROWS: []}
    for key, one in ENTRIES.items():
        tables[_OWN_CHAPTERS.get(key, _MANY)].extend(_entries_table(key, one))
    sections = (line for text, lines in tables.items() for line in (text, *lines))
    return "\n".join((_INTRODUCTION, *_table(), *sections, _FILTERS))


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


def _entries_table(key: str, entries: Entries) -> Iterator[str]:
    place = f"{key}[]" if entries.is_list else f"{key}.NAME"
    yield from (f"### `{place}`", "", entries.help, "")
    yield _table_line(*_ENTRY_HEAD)
    yield _table_line(*("---" for _ in _ENTRY_HEAD))
    for field in fields_of(entries.section):
        yield _field_line(field)
    yield ""


def _field_line(field: Field) -> str:
    if field.doc is None:
        meaning = field.entries.help if field.entries else f"As the top level's `{field.key}`."
        return _table_line(_code(field.key), "top level", meaning)
    if field.is_required:
        default = "required"
    elif field.key in _FROM_TOP_LEVEL:
        default = _code(_FROM_TOP_LEVEL[field.key])
    else:
        default = _code(field.doc.kind.render(field.default))
    return _table_line(_code(field.key), default, field.doc.help)


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
