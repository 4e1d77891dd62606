"""What keys of one file ask of each other: a module that exists, names that differ, one way only.

A file's tree goes in, problems come out; a value of the wrong kind is passed over here.
"""

from collections.abc import Iterator, Mapping

from exporter.config.file import ConfigFile
from exporter.config.problems import Problem, item_key, show, show_key
from exporter.config.sections import DEFAULT_MODULE

__all__ = ["CONNECTIONS", "OF_ONE_CONNECTION", "consistency_problems"]

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
