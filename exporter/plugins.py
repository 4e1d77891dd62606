"""Collectors of others: found by their entry points, made, and kept from doing harm.

A plugin may fail to import, raise, hang, or give what no page can show; it is named on the page for it, and
costs nobody else anything. docs/plugins.md is written for the plugins' authors.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from itertools import count, islice
from math import isfinite
from pathlib import PurePath
from typing import Any, TypeVar

from exporter.collectors.collector import Collector, Scrape
from exporter.exposition import Labels, Page, Sample, series_name, valid_text
from exporter.metrics.rows import COUNTER, HISTOGRAM, INFO, Family, MetricType
from exporter.metrics.taken_names import METRIC_NAME, is_own, taken_names
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import LibvirtRPCError

T = TypeVar("T")

logger = logging.getLogger(__name__)

GROUP = "libvirt_exporter.collectors"
MOST_SAMPLES = 100_000
"""What one plugin may show of one hypervisor."""

IMPORT_FAILED = "import_failed"
INVALID = "invalid"
NAME_TAKEN = "name_taken"
PLUGIN_REASONS = frozenset({IMPORT_FAILED, INVALID, NAME_TAKEN})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PARTS = {HISTOGRAM: frozenset({"_bucket", "_sum", "_count"})}
_NO_PARTS = frozenset({""})


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that is installed; nothing of it is imported before `load` is called."""

    name: str
    load: Callable[[], object]


class PluginFailed(LibvirtRPCError):
    """A plugin gave nothing, or not all of what it gave can be shown."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def installed_plugins() -> tuple[Plugin, ...]:
    """Every plugin of this Python environment, by name."""
    found = [Plugin(one.name, one.load) for one in entry_points(group=GROUP)]
    return tuple(sorted(found, key=lambda plugin: plugin.name))


def make_plugin_collectors(
    plugins: Iterable[Plugin],
    *,
    enable: Collection[str],
    disable: Collection[str],
    taken: Collection[str],
    reserved: Iterable[tuple[str, MetricType]] = (),
) -> list[Collector]:
    """The plugins that are on, and those that cannot be: these say so on every page.

    One that is switched off is not even imported. `taken` are the names of other collectors, `reserved`
    metrics that are none of the tables' and no plugin may show.
    """
    names = set(taken)
    claims = Claims(reserved)
    collectors: list[Collector] = []
    for plugin in plugins:
        if plugin.name in disable:
            continue
        reason, text = "", ""
        if not _NAME.fullmatch(plugin.name):
            reason, text = INVALID, "its name is not of small letters, digits and underscores"
        elif plugin.name in names:
            reason, text = NAME_TAKEN, "another collector has this name"
        else:
            names.add(plugin.name)
            made = _made(plugin)
            if isinstance(made, _NotMade):
                reason, text = made.reason, made.text
            elif plugin.name in enable or made.default:
                collectors.append(PluginCollector(plugin.name, made, claims))
        if reason:
            own = {one.name for one in collectors} | set(taken)
            collectors.append(_Unusable(_unique(plugin.name, own), reason, text))
    return collectors


def _unique(name: str, taken: Collection[str]) -> str:
    """The name, or with a number where it is another's already: no two are one on the page."""
    numbered = (f"{name}#{number}" for number in count(2))
    return next(one for one in (name, *islice(numbered, len(taken) + 1)) if one not in taken)


@dataclass(frozen=True, slots=True)
class _NotMade:
    reason: str
    text: str


def _made(plugin: Plugin) -> Any:
    """The plugin's object, or why there is none."""
    try:
        factory = plugin.load()
        made = factory() if callable(factory) else None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:
        logger.warning("the plugin %s cannot be imported", plugin.name, exc_info=exc)
        return _NotMade(IMPORT_FAILED, f"it cannot be imported: {type(exc).__name__}: {exc}")
    if made is None:
        return _NotMade(INVALID, "its entry point is nothing that can be called")
    try:
        wrong = _shape_problem(plugin.name, made)
    except Exception as exc:  # noqa: BLE001  # whatever a property of the plugin's raises
        wrong = f"its attributes raise {type(exc).__name__}"
    if wrong:
        logger.warning("the plugin %s cannot be used: %s", plugin.name, wrong)
        return _NotMade(INVALID, wrong)
    return made


def _shape_problem(name: str, made: Any) -> str:
    if getattr(made, "name", None) != name:
        return f"its attribute name is not that of its entry point, {name}"
    if not isinstance(getattr(made, "help", None), str):
        return "it has no attribute help that is text"
    if not isinstance(getattr(made, "default", None), bool):
        return "it has no attribute default that is True or False"
    if not callable(getattr(made, "collect", None)):
        return "it has no method collect"
    return ""


class _Unusable:
    """A plugin that cannot run, in its place among the collectors."""

    def __init__(self, name: str, reason: str, text: str) -> None:
        self.name = name
        self._reason = reason
        self._text = text

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        scrape.hypervisor.availability.switch_off(self.name, self._reason)
        raise PluginFailed(self._text)


@dataclass(frozen=True, slots=True)
class PluginScrape(Scrape):
    """A scrape as a plugin has it: what it asks about is named after it, the page is its own."""

    plugin: str = ""

    async def ask(self, part: str, call: Callable[[], Awaitable[T]]) -> T | None:
        own = part if part == self.plugin else f"{self.plugin}.{part}"
        return await Scrape.ask(self, own, call)


class PluginCollector:
    """Runs one plugin for one hypervisor. Nothing leaves it but valid samples and PluginFailed."""

    def __init__(self, name: str, plugin: Any, claims: Claims) -> None:
        self.name = name
        self._plugin = plugin
        self._claims = claims
        self._raised: set[str] = set()

    async def collect(self, scrape: Scrape) -> Iterable[Sample]:
        own = PluginScrape(
            scrape.hypervisor,
            Page(),
            Deadline(scrape.deadline.at, scrape.deadline.clock),
            scrape.labels,
            scrape.clock,
            scrape.domain_list,
            self.name,
        )
        checked = CheckedSamples(self.name, self._claims, scrape.labels)
        # Also what ends a process or a task, which a plugin may raise though nobody ended it.
        try:
            checked.add(await self._plugin.collect(own))
        except LibvirtRPCError:
            raise
        except BaseException as exc:
            if isinstance(exc, asyncio.CancelledError) and _is_cancelled():
                raise
            raise PluginFailed(self._told(exc)) from exc
        if own.page.families:
            checked.refuse("it wrote on the page, which is not its own; samples are returned")
        scrape.page.add(checked.samples)
        if checked.problem:
            raise PluginFailed(checked.problem)
        return ()

    def _told(self, error: BaseException) -> str:
        """Where it was raised, without the error's words, which may differ each time."""
        told = f"it raised {type(error).__name__}{_place_of(error)}"
        if told not in self._raised:
            self._raised.add(told)
            logger.warning("the plugin %s failed", self.name, exc_info=error)
        return told


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _place_of(error: BaseException) -> str:
    traceback = error.__traceback__
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    name = PurePath(traceback.tb_frame.f_code.co_filename).name
    return f" in {name}:{traceback.tb_lineno}"


class Claims:
    """Which plugin shows which metric: the first that did, for as long as the hypervisor is watched."""

    def __init__(self, reserved: Iterable[tuple[str, MetricType]] = ()) -> None:
        self._owners = {
            taken: "the configuration's"
            for name, kind in reserved
            for taken in taken_names(name, kind)
        }
        self._families: dict[str, Family] = {}

    def problem(self, plugin: str, family: Family) -> str:
        """Claims the family for the plugin; says why it cannot have it, or nothing."""
        known = self._families.get(family.name)
        if known is not None and self._owners.get(family.name) == plugin:
            return (
                "" if known == family else f"{family.name} had another type, help or labels before"
            )
        if is_own(family.name, family.type):
            return f"{family.name} gets into the way of one of the exporter's own metrics"
        names = taken_names(family.name, family.type)
        for name in sorted(names):
            if name in self._owners:
                return f"{family.name} gets into the way of a metric of {self._owners[name]}"
        self._owners.update(dict.fromkeys(names, plugin))
        self._families[family.name] = family
        return ""


class CheckedSamples:
    """Samples that a page can show, out of whatever a plugin gives; `problem` is the first mistake."""

    def __init__(
        self, plugin: str, claims: Claims, constant: Labels, *, most: int = MOST_SAMPLES
    ) -> None:
        self.samples: list[Sample] = []
        self.problem = ""
        self._plugin = plugin
        self._claims = claims
        self._constant = constant
        self._most = most
        self._series: set[str] = set()
        self._families: dict[int, tuple[object, Family | None]] = {}

    def refuse(self, problem: str) -> None:
        self.problem = self.problem or problem

    def add(self, given: object) -> None:
        """Takes what can be shown. Raises what the plugin raises while it gives them."""
        if given is None:
            return
        if not isinstance(given, Iterable):
            self.refuse(f"it returned {type(given).__name__}, no samples")
            return
        # One more than may be looked at is enough to know that there are too many.
        for number, one in enumerate(given):
            if number == self._most:
                self.refuse(f"it returned more than {self._most} samples")
                return
            self._add_one(one)

    def _add_one(self, one: object) -> None:
        if not isinstance(one, Sample):
            self.refuse(f"it returned {type(one).__name__} among its samples")
            return
        family = self._family(one.family)
        if family is None:
            return
        value = _value(one.value, family.type)
        labels = self._labels(one.labels, family)
        if labels is None:
            return
        if value is None:
            self.refuse(f"a value of {family.name} is none that can be shown")
            return
        suffix = one.suffix
        if suffix not in _PARTS.get(family.type, _NO_PARTS):
            self.refuse(f"{family.name} has a sample of no part of its type")
            return
        series = series_name(family, suffix, labels)
        if series in self._series:
            self.refuse(f"a series of {family.name} is there twice")
            return
        self._series.add(series)
        self.samples.append(Sample(family, value, labels, suffix=suffix))

    def _family(self, given: object) -> Family | None:
        known = self._families.get(id(given))
        if known is not None:
            return known[1]
        family, problem = _checked_family(given)
        if family is not None:
            problem = self._claims.problem(self._plugin, family)
        if problem:
            self.refuse(problem)
            family = None
        # It is kept, so that its place in memory is nobody else's.
        self._families[id(given)] = given, family
        return family

    def _labels(self, given: object, family: Family) -> Labels | None:
        labels: dict[str, str] = {}
        for pair in given if isinstance(given, Sequence) else (None,):
            problem = _label_problem(pair, labels)
            if problem:
                self.refuse(f"{family.name} {problem}")
                return None
            assert isinstance(pair, tuple)
            name, value = pair
            labels[str(name)] = valid_text(str(value))
        if family.labels and set(family.labels) != labels.keys():
            self.refuse(f"a sample of {family.name} has not the labels that its family says")
            return None
        for name, value in self._constant:
            if labels.setdefault(name, value) != value:
                self.refuse(f"{family.name} has the label {name}, which is a constant label")
                return None
        return tuple(labels.items())


def _label_problem(pair: object, before: Collection[str]) -> str:
    if not isinstance(pair, tuple) or len(pair) != 2:
        return "has labels that are no pairs of texts"
    name, value = pair
    if not isinstance(name, str) or not _LABEL.fullmatch(name) or name.startswith("__"):
        return "has a label whose name is none"
    if not isinstance(value, str):
        return f"has a label {name} whose value is no text"
    return f"has the label {name} twice" if name in before else ""


def _facts(family: Family) -> tuple[Any, Any, Any, Any]:
    """As they may be where nobody checked the types."""
    return family.name, family.type, family.help, family.labels


def _checked_family(given: Any) -> tuple[Family | None, str]:
    if not isinstance(given, Family):
        return None, "a sample has no Family"
    name, kind, text, labels = _facts(given)
    if not isinstance(name, str) or not METRIC_NAME.fullmatch(name):
        return None, "a family has a name that no metric can have"
    problem = ""
    if not isinstance(kind, MetricType):
        problem = "has no MetricType"
    elif not isinstance(text, str) or not text:
        problem = "has no help"
    elif (kind is COUNTER) != name.endswith("_total"):
        problem = "should end in _total if it is a counter, and only then"
    elif kind is INFO and not name.endswith("_info"):
        problem = "is an info and should end in _info"
    elif not isinstance(labels, tuple) or not all(isinstance(one, str) for one in labels):
        problem = "has labels that are no names"
    if problem:
        return None, f"{name} {problem}"
    return Family(str(name), kind, valid_text(" ".join(str(text).split())), labels), ""


def _value(given: object, kind: MetricType) -> float | None:
    """The number; None where a metric of this type has no such value."""
    value = _number(given)
    if value is None:
        return None
    if kind is INFO:
        return value if value == 1 else None
    # A comparison with NaN is never true.
    return value if kind is not COUNTER or value >= 0 else None


def _number(value: object) -> float | None:
    """As Python's own number: another's may be written otherwise."""
    try:
        if isinstance(value, int):
            return int(value) if isfinite(float(value)) else None
        return float(value) if isinstance(value, float) else None
    except (OverflowError, ValueError):
        return None
