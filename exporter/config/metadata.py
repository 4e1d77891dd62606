"""Kinds of values that say which metadata of domains become labels: profiles, names, paths.

Nothing is read of any domain here.
"""

import re

from exporter.config.kinds import Kind
from exporter.config.problems import ConfigError, refuse, show
from exporter.element_paths import LONGEST_NAMESPACE, InvalidElementPath, parse_element_path
from exporter.metrics import FAMILIES, GROUPS
from exporter.metrics.instances import DOMAIN_LABELS
from exporter.metrics.metadata_profiles import PROFILES as RULES_BY_PROFILE

__all__ = ["LABEL", "NAMESPACE", "PATH", "PROFILES", "SET_NAME"]

_PROFILES = f"one of {', '.join(RULES_BY_PROFILE)}, or a list of them"


def _check_profiles(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    profiles: dict[str, None] = {}
    for item in items:
        if not isinstance(item, str) or item not in (*RULES_BY_PROFILE, ""):
            raise refuse(_PROFILES, item)
        if item in profiles:
            raise ConfigError("", f"the profile {item} is given twice")
        profiles[item] = None
    return tuple(profile for profile in profiles if profile)


PROFILES: Kind[tuple[str, ...]] = Kind("PROFILE", _check_profiles, ",".join, is_repeatable=True)
"""Platforms whose metadata are known; none is an empty list, or an empty name."""

_SET_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_OWN_METRICS = frozenset(
    {family.name for family in FAMILIES} | {row.metric for group in GROUPS for row in group.rows}
)


def _check_set_name(value: object) -> str:
    if not isinstance(value, str) or not _SET_NAME.fullmatch(value):
        raise refuse("a name of small letters, digits and single underscores, such as team", value)
    metric = f"libvirt_domain_{value}"
    # Without its suffix it is the name of the metric's family in OpenMetrics.
    if not _OWN_METRICS.isdisjoint({metric, f"{metric}_total", f"{metric}_info"}):
        raise ConfigError(
            "", f"{metric}_info would hide one of the exporter's own metrics; choose another name"
        )
    return value


SET_NAME: Kind[str] = Kind("NAME", _check_set_name, str)


def _check_namespace(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or value != value.strip():
        raise refuse("the URI of an XML namespace in quotes, '' for libvirt's own elements", value)
    if len(value) > LONGEST_NAMESPACE:
        raise ConfigError("", f"a namespace has at most {LONGEST_NAMESPACE} characters")
    return value


NAMESPACE: Kind[str] = Kind("URI", _check_namespace, str)


def _check_path(value: object) -> str:
    if not isinstance(value, str):
        raise refuse("a path of element names, such as owner/user or owner/user/@uuid", value)
    try:
        parse_element_path(value)
    except InvalidElementPath as exc:
        raise ConfigError("", f"the path {show(value)} {exc}") from exc
    return value


PATH: Kind[str] = Kind("PATH", _check_path, str)

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = (*DOMAIN_LABELS, "host")


def _check_label(value: object) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value) or value.startswith("__"):
        raise refuse(
            "a label name of letters, digits and underscores that starts with no digit "
            "and no double underscore",
            value,
        )
    if value in _TAKEN:
        raise ConfigError("", f"the label {value} says which domain it is; choose another name")
    return value


LABEL: Kind[str] = Kind("NAME", _check_label, str)
