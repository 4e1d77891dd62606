"""Which domains, disks and interfaces are shown: the operator's include and exclude expressions. Pure.

Domains are judged in three steps, as more becomes known: by name and UUID, by their metadata, by state.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from exporter.config import UNKNOWN_STATE, FilterConfig, LabelPattern
from exporter.domain_xml import DomainMetadata
from exporter.exposition import Labels
from libvirt_rpc.enums import DomainState
from libvirt_rpc.protocol.types import Domain

Patterns = Sequence[re.Pattern[str]]

TITLE = "title"


class Filters:
    """Made of a configuration; without one everything is shown."""

    def __init__(self, config: FilterConfig | None = None) -> None:
        self._config = config = config or FilterConfig()
        self._by_state = _matcher(config.domain_state_include, config.domain_state_exclude)
        self._by_disk = _matcher(config.disk_include, config.disk_exclude)
        self._by_interface = _matcher(config.interface_include, config.interface_exclude)
        self._shows_active, self._shows_inactive = self._by_activity()

    # Domains.

    @property
    def needs_metadata(self) -> bool:
        """Whether a domain's document has to be known before it is shown."""
        return bool(self._config.domain_metadata_include or self._config.domain_metadata_exclude)

    @property
    def needs_state(self) -> bool:
        """Whether only the domains' states tell which are shown."""
        if not (self._config.domain_state_include or self._config.domain_state_exclude):
            return False
        # Where either kind is shown as a whole or not at all, whether it runs is enough.
        return not self._is_decided_by_activity()

    def identity(self, domain: Domain, *, has_activity: bool = True) -> bool:
        """Whether its name, its UUID and, where `has_activity`, that it runs or not let it be shown."""
        config = self._config
        is_running = domain.id != -1
        return (
            (not has_activity or (self._shows_active if is_running else self._shows_inactive))
            and _matches(domain.name, config.domain_name_include, config.domain_name_exclude)
            and _matches(str(domain.uuid), config.domain_uuid_include, config.domain_uuid_exclude)
        )

    def metadata(self, metadata: DomainMetadata | None) -> bool:
        """Whether what its document says lets the domain be shown; not, where that is not known."""
        if not self.needs_metadata:
            return True
        if metadata is None:
            return False
        values: dict[str, set[str]] = {TITLE: {metadata.title} if metadata.title else set()}
        for labels in metadata.label_sets:
            for name, value in labels.labels:
                if value:
                    values.setdefault(name, set()).add(value)
        wanted: dict[str, bool] = {}
        for one in self._config.domain_metadata_include:
            wanted[one.label] = wanted.get(one.label, False) or _finds(one, values)
        return all(wanted.values()) and not any(
            _finds(one, values) for one in self._config.domain_metadata_exclude
        )

    def state(self, state: str) -> bool:
        """Whether a domain in this state is shown."""
        return self._by_state is None or self._by_state(state)

    def _by_activity(self) -> tuple[bool, bool]:
        """Whether any domain that runs can be shown, and any that does not."""
        return any(map(self.state, _ACTIVE)), any(map(self.state, _INACTIVE))

    def _is_decided_by_activity(self) -> bool:
        return all(len(set(map(self.state, states))) == 1 for states in (_ACTIVE, _INACTIVE))

    # What a domain has.

    def disk(self, name: str) -> bool:
        return self._by_disk is None or self._by_disk(name)

    def interface(self, name: str) -> bool:
        return self._by_interface is None or self._by_interface(name)

    @property
    def by_label(self) -> Mapping[str, Callable[[str], bool]]:
        """The labels that are filtered, with what says whether a value is shown."""
        matchers = {"disk": self._by_disk, "interface": self._by_interface}
        return {label: shows for label, shows in matchers.items() if shows is not None}

    def labels(self, labels: Labels) -> bool:
        """Whether a series with these labels is shown."""
        by_label = self.by_label
        return not by_label or all(
            by_label[name](value) for name, value in labels if name in by_label
        )


_INACTIVE = (
    *(state.label for state in (DomainState.NOSTATE, DomainState.SHUTOFF, DomainState.CRASHED)),
    UNKNOWN_STATE,
)
"""What a domain can be that does not run."""
_ACTIVE = (
    *(state.label for state in DomainState if state is not DomainState.SHUTOFF),
    UNKNOWN_STATE,
)


def _matches(text: str, include: Patterns, exclude: Patterns) -> bool:
    if include and not _finds_any(text, include):
        return False
    return not _finds_any(text, exclude)


def _finds_any(text: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(text) for pattern in patterns)


def _finds(one: LabelPattern, values: Mapping[str, Iterable[str]]) -> bool:
    return any(one.pattern.fullmatch(value) for value in values.get(one.label, ()))


def _matcher(include: Patterns, exclude: Patterns) -> Callable[[str], bool] | None:
    """None where everything matches. A host has few names of disks, so that answers are kept."""
    if not include and not exclude:
        return None
    return functools.lru_cache(maxsize=16_384)(lambda text: _matches(text, include, exclude))
