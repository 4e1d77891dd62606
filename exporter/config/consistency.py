"""What settings ask of each other: a module that exists, names that differ, one way only.

A file's tree goes in, problems come out; a value of the wrong kind is passed over here. What only all
sources together can show is checked on the finished configuration.
"""

from collections.abc import Iterator, Mapping

from exporter.config.file import ConfigFile
from exporter.config.problems import ConfigError, Problem, item_key, show, show_key
from exporter.config.sections import (
    DEFAULT_MODULE,
    Config,
    ConnectionConfig,
    LibvirtConfig,
    MetadataRuleConfig,
    TargetConfig,
)

__all__ = [
    "CONNECTIONS",
    "OF_ONE_CONNECTION",
    "check_credentials",
    "check_metadata_labels",
    "consistency_problems",
]

CONNECTIONS = "libvirt.connections"
OF_ONE_CONNECTION = ("libvirt.uri", "libvirt.username", "libvirt.password_file")
"""Settings of the one hypervisor, which are none of several."""


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
