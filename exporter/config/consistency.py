"""What settings ask of each other: a module that exists, names that differ, one way only.

A file's tree goes in, problems come out; a value of the wrong kind is passed over here. What only all
sources together can show is checked on the finished configuration.
"""

from collections.abc import Collection, Iterator, Mapping

from exporter.config.file import ConfigFile
from exporter.config.metric_rows import row_problem
from exporter.config.problems import ConfigError, Problem, item_key, show, show_key
from exporter.config.sections import (
    DEFAULT_MODULE,
    CollectorsConfig,
    Config,
    ConnectionConfig,
    LibvirtConfig,
    MetadataConfig,
    MetadataRuleConfig,
    MetricRowConfig,
    ModuleConfig,
    TargetConfig,
)

__all__ = [
    "CONNECTIONS",
    "OF_ONE_CONNECTION",
    "check_credentials",
    "check_metadata_labels",
    "check_own_filters",
    "check_own_rows",
    "consistency_problems",
    "guest_agent_warnings",
]

CONNECTIONS = "libvirt.connections"
OF_ONE_CONNECTION = ("libvirt.uri", "libvirt.username", "libvirt.password_file")
"""Settings of the one hypervisor, which are none of several."""

_GUEST_AGENT = "guest_agent"
"""The collector's name on the page."""


def consistency_problems(file: ConfigFile) -> Iterator[Problem]:
    """Every contradiction of a file with itself."""
    connections = file.value(tuple(CONNECTIONS.split(".")))
    if isinstance(connections, list) and connections:
        yield from _beside_connections(file)
        yield from _names_given_twice(connections, file)
    yield from _absent_modules(file)


def check_credentials(config: Config) -> None:
    """Raises ConfigError for a user's name without a password file, or the other way round."""
    endpoints: dict[str, LibvirtConfig | ConnectionConfig | TargetConfig] = {
        "libvirt": config.libvirt,
        **{f"libvirt.connections.{one.name}": one for one in config.libvirt.connections},
        **{f"targets.{name}": target for name, target in config.targets.items()},
    }
    problems = [
        Problem(
            f"{key}.{'username' if one.username is None else 'password_file'}",
            "is missing: username and password_file go together",
        )
        for key, one in endpoints.items()
        if (one.username is None) != (one.password_file is None)
    ]
    if problems:
        raise ConfigError.of(problems)


def check_metadata_labels(config: Config) -> None:
    """Raises ConfigError for a label of a metadata rule that is a constant label of every sample."""
    constant = {name for name, _ in config.metrics.extra_labels}
    constant |= {name for module in config.modules.values() for name in module.labels}
    places: list[tuple[tuple[str, ...], tuple[MetadataRuleConfig, ...]]] = [
        (("metadata",), config.metadata.rules)
    ]
    places += [
        (("modules", name, "metadata"), module.metadata.rules)
        for name, module in config.modules.items()
        if module.metadata.rules != config.metadata.rules
    ]
    problems = [
        Problem(
            show_key((*path, "rules", item_key(number), "label")),
            f"the label {rule.label} is a constant label of every sample; choose another name",
        )
        for path, rules in places
        for number, rule in enumerate(rules)
        if rule.label in constant
    ]
    if problems:
        raise ConfigError.of(problems)


TITLE = "title"


def check_own_filters(config: Config) -> None:
    """Raises ConfigError for a filter by a label that no metadata are asked for, or a switch both ways."""
    problems = []
    for path, module in _modules(config):
        known = {TITLE, *(rule.label for rule in module.metadata.all_rules)}
        for kind in ("include", "exclude"):
            for one in getattr(module.filter, f"domain_metadata_{kind}"):
                if one.label not in known:
                    key = show_key((*path, "filter", f"domain_metadata_{kind}"))
                    message = f"there is no label {one.label} here: {_labels(module.metadata)}"
                    problems.append(Problem(key, message))
        both = sorted({*module.collectors.enable} & {*module.collectors.disable})
        if both:
            key = show_key((*path, "collectors", "disable"))
            problems.append(Problem(key, f"{both[0]} is in collectors.enable too"))
    if problems:
        raise ConfigError.of(problems)


def _labels(metadata: MetadataConfig) -> str:
    labels = sorted({rule.label for rule in metadata.all_rules})
    return f"metadata.profiles and metadata.rules give {', '.join((TITLE, *labels))}"


def check_own_rows(config: Config) -> None:
    """Raises ConfigError for rows of one's own that contradict themselves, each other or the rest."""
    problems: list[Problem] = []
    for path, module in _modules(config):
        place = path or ("metrics",)
        known: dict[str, MetricRowConfig] = {}
        constant = {name for name, _ in config.metrics.extra_labels} | {*module.labels}
        for number, row in enumerate(module.rows):
            here = (*place, "rows", item_key(number))
            found = row_problem(row.name, row.type) or _row_beside(row, known, constant)
            if found is not None:
                key, message = found
                problems.append(Problem(show_key((*here, key)), message))
            known.setdefault(row.name, row)
    if problems:
        raise ConfigError.of(problems)


def _row_beside(
    row: MetricRowConfig, known: Mapping[str, MetricRowConfig], constant: Collection[str]
) -> tuple[str, str] | None:
    other = known.get(row.name)
    if other is not None and (other.type, other.help) != (row.type, row.help):
        return "name", f"another row gives {row.name} another type or help"
    for label, _ in row.labels:
        if label in constant:
            return "labels", f"the label {label} is a constant label of every sample"
    return None


def guest_agent_warnings(config: Config) -> Iterator[str]:
    """Connections on which no guest agent answers, because they are read-only."""
    if _asks_agents(config.collectors):
        if not config.libvirt.connections and config.libvirt.read_only:
            yield _denied("libvirt")
        for one in config.libvirt.connections:
            if one.read_only:
                yield _denied(f"libvirt.connections.{one.name}")
    for name, target in config.targets.items():
        module = config.modules.get(target.module)
        if module is not None and _asks_agents(module.collectors) and target.read_only:
            yield _denied(f"targets.{name}")


def _asks_agents(collectors: CollectorsConfig) -> bool:
    is_on = collectors.domain.guest_agent or _GUEST_AGENT in collectors.enable
    return is_on and _GUEST_AGENT not in collectors.disable


def _denied(section: str) -> str:
    return (
        f"collectors.domain.guest_agent is on, but libvirt tells a read-only connection nothing of "
        f"guest agents: set {section}.read_only to false"
    )


def _modules(config: Config) -> Iterator[tuple[tuple[str, ...], ModuleConfig]]:
    """The top level, and every module that says something else than it."""
    top = config.top_level
    yield (), top
    for name, module in config.modules.items():
        same = (module.filter, module.metadata, module.collectors, module.rows)
        if same != (top.filter, top.metadata, top.collectors, top.rows):
            yield ("modules", name), module


def _beside_connections(file: ConfigFile) -> Iterator[Problem]:
    for key in OF_ONE_CONNECTION:
        path = tuple(key.split("."))
        if file.value(path) is not None:
            message = f"cannot stand beside {CONNECTIONS}: give each connection its own {path[-1]}"
            yield Problem(key, message, file.source(path))


def _names_given_twice(connections: list[object], file: ConfigFile) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for number, connection in enumerate(connections):
        path = (*CONNECTIONS.split("."), item_key(number), "name")
        name = connection.get("name") if isinstance(connection, Mapping) else None
        if not isinstance(name, str):
            continue
        if name in first:
            message = f"the name {show(name)} is given twice, first by {first[name]}"
            yield Problem(show_key(path), message, file.source(path))
        first.setdefault(name, show_key(path[:-1]))


def _absent_modules(file: ConfigFile) -> Iterator[Problem]:
    targets, modules = file.value(("targets",)), file.value(("modules",))
    named = modules if isinstance(modules, Mapping) else {}
    known = [DEFAULT_MODULE, *(name for name in named if isinstance(name, str))]
    for name, target in targets.items() if isinstance(targets, Mapping) else ():
        module = target.get("module") if isinstance(target, Mapping) else None
        if isinstance(name, str) and isinstance(module, str) and module not in known:
            path = ("targets", name, "module")
            one_of = ", ".join(dict.fromkeys(known))
            message = f"expected one of {one_of}, got {show(module)}"
            yield Problem(show_key(path), message, file.source(path))
