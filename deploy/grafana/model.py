"""Dashboards, panels and variables as the plain dictionaries that Grafana (10 and later) imports.

Panels have a width and a height and flow from left to right, so that no position is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]

COLUMNS = 24
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
TAG = "libvirt"

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#808080"

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour; the first is from None on."""

PLAIN: Steps = ((None, BLUE),)
GOOD_IF_ONE: Steps = ((None, RED), (1, GREEN))
BAD_IF_ANY: Steps = ((None, GREEN), (1, RED))
USED: Steps = ((None, GREEN), (0.8, YELLOW), (0.9, RED))

Mapped = Mapping[int, tuple[str, str]]
"""What a value reads as, and its colour."""

STATES: Mapped = {
    0: ("no state", GREY),
    1: ("running", GREEN),
    2: ("blocked", YELLOW),
    3: ("paused", ORANGE),
    4: ("shutting down", YELLOW),
    5: ("shut off", GREY),
    6: ("crashed", RED),
    7: ("suspended", BLUE),
}
UP_OR_DOWN: Mapped = {0: ("down", RED), 1: ("up", GREEN)}
YES_OR_NO: Mapped = {0: ("no", GREY), 1: ("yes", GREEN)}
POOL_STATES: Mapped = {
    0: ("inactive", GREY),
    1: ("building", YELLOW),
    2: ("running", GREEN),
    3: ("degraded", ORANGE),
    4: ("inaccessible", RED),
}


@dataclass(frozen=True, slots=True)
class Query:
    """An expression; `legend` names its series, or in a table the column of its value."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel without its place; `body` is what Grafana keeps beside id and position."""

    body: Json
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and what stands below it."""

    title: str
    panels: Sequence[Panel]


def _query(query: Query, number: int, *, instant: bool, table: bool = False) -> Json:
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "format": "table" if table else "time_series",
        "instant": instant,
        "legendFormat": query.legend or "__auto",
        "range": not instant,
        "refId": chr(ord("A") + number),
    }


def _queries(queries: Sequence[Query], *, instant: bool, table: bool = False) -> list[Json]:
    return [
        _query(query, number, instant=instant, table=table) for number, query in enumerate(queries)
    ]


def _thresholds(steps: Steps) -> Json:
    return {
        "mode": "absolute",
        "steps": [{"color": color, "value": value} for value, color in steps],
    }


def _mappings(mapped: Mapped) -> list[Json]:
    if not mapped:
        return []
    options = {
        f"{value}": {"color": color, "index": index, "text": text}
        for index, (value, (text, color)) in enumerate(mapped.items())
    }
    return [{"type": "value", "options": options}]


def _panel(
    kind: str,
    title: str,
    *,
    description: str,
    queries: list[Json],
    defaults: Json,
    options: Json,
    **more: Any,
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": queries,
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        "options": options,
        **more,
    }


def stat(
    title: str,
    expression: str,
    *,
    unit: str = "short",
    steps: Steps = PLAIN,
    mapped: Mapped | None = None,
    legend: str = "",
    description: str = "",
    decimals: int | None = None,
    text: Literal["auto", "name"] = "auto",
    width: int = 4,
    height: int = 4,
) -> Panel:
    """One number, or one for each series; with `text` "name" its legend alone."""
    defaults: Json = {
        "unit": unit,
        "thresholds": _thresholds(steps),
        "color": {"mode": "thresholds"},
        "mappings": _mappings(mapped or {}),
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    body = _panel(
        "stat",
        title,
        description=description,
        queries=_queries([Query(expression, legend)], instant=True),
        defaults=defaults,
        options={
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": text,
        },
    )
    return Panel(body, width, height)


def timeseries(
    title: str,
    queries: Sequence[Query],
    *,
    unit: str = "short",
    description: str = "",
    stacked: bool = False,
    negative: str = "",
    maximum: float | None = None,
    minimum: float | None = 0,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Curves. Those whose legend matches the expression `negative` are drawn downwards."""
    defaults: Json = {
        "unit": unit,
        "custom": {
            "drawStyle": "line",
            "fillOpacity": 30 if stacked else 8,
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        },
    }
    if minimum is not None and not negative:
        defaults["min"] = minimum
    if maximum is not None:
        defaults["max"] = maximum
    downwards = {
        "matcher": {"id": "byRegexp", "options": negative},
        "properties": [{"id": "custom.transform", "value": "negative-Y"}],
    }
    body = _panel(
        "timeseries",
        title,
        description=description,
        queries=_queries(queries, instant=False),
        defaults=defaults,
        overrides=[downwards] if negative else [],
        options={
            "legend": {
                "calcs": ["lastNotNull", "max"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "sortBy": "Max",
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )
    return Panel(body, width, height)


def bar_gauge(
    title: str,
    query: Query,
    *,
    unit: str = "short",
    steps: Steps = PLAIN,
    maximum: float | None = None,
    description: str = "",
    width: int = 8,
    height: int = 8,
) -> Panel:
    """A bar for each series, the longest on top."""
    defaults: Json = {
        "unit": unit,
        "min": 0,
        "thresholds": _thresholds(steps),
        "color": {"mode": "thresholds"},
    }
    if maximum is not None:
        defaults["max"] = maximum
    body = _panel(
        "bargauge",
        title,
        description=description,
        queries=_queries([query], instant=True),
        defaults=defaults,
        options={
            "displayMode": "gradient",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            "valueMode": "color",
        },
    )
    return Panel(body, width, height)


def state_timeline(
    title: str,
    query: Query,
    mapped: Mapped,
    *,
    description: str = "",
    width: int = 24,
    height: int = 8,
) -> Panel:
    """A band for each series, coloured by its value."""
    body = _panel(
        "state-timeline",
        title,
        description=description,
        queries=_queries([query], instant=False),
        defaults={
            "mappings": _mappings(mapped),
            "color": {"mode": "thresholds"},
            "thresholds": _thresholds(((None, GREY),)),
            "custom": {"fillOpacity": 80, "lineWidth": 0},
        },
        options={
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "never",
        },
    )
    return Panel(body, width, height)


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table is shown. `gauge` draws a bar, `link` is an address behind its cells."""

    unit: str = "short"
    mapped: Mapped | None = None
    steps: Steps | None = None
    gauge: bool = False
    maximum: float | None = None
    decimals: int | None = None
    link: str = ""


def _override(name: str, column: Column) -> Json:
    properties: list[Json] = []
    if column.unit != "short":
        properties.append({"id": "unit", "value": column.unit})
    if column.mapped is not None:
        properties.append({"id": "mappings", "value": _mappings(column.mapped)})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.steps is not None:
        properties.append({"id": "thresholds", "value": _thresholds(column.steps)})
        properties.append({"id": "color", "value": {"mode": "thresholds"}})
    if column.gauge:
        cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        properties.append({"id": "custom.cellOptions", "value": cell})
        properties.append({"id": "min", "value": 0})
    if column.maximum is not None:
        properties.append({"id": "max", "value": column.maximum})
    if column.decimals is not None:
        properties.append({"id": "decimals", "value": column.decimals})
    if column.link:
        properties.append({"id": "links", "value": [{"title": "Show", "url": column.link}]})
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def table(
    title: str,
    queries: Sequence[Query],
    *,
    columns: Mapping[str, Column] | None = None,
    hidden: Iterable[str] = (),
    renamed: Mapping[str, str] | None = None,
    sort: str = "",
    description: str = "",
    width: int = 24,
    height: int = 10,
) -> Panel:
    """The series of all queries, joined by their labels: a row for each set of labels.

    A query without a legend gives labels alone. `columns` says how columns are shown, by their
    title.
    """
    alone = len(queries) == 1
    values = {
        "Value" if alone else f"Value #{chr(ord('A') + number)}": query.legend
        for number, query in enumerate(queries)
    }
    exclude = dict.fromkeys((*_NOISE, *hidden, *(key for key, name in values.items() if not name)))
    rename = {key: name for key, name in values.items() if name} | dict(renamed or {})
    organize = {
        "excludeByName": dict.fromkeys(exclude, True),
        "indexByName": {},
        "renameByName": rename,
    }
    body = _panel(
        "table",
        title,
        description=description,
        queries=_queries(queries, instant=True, table=True),
        defaults={"custom": {"align": "auto", "filterable": True}},
        overrides=[_override(name, column) for name, column in (columns or {}).items()],
        options={
            "cellHeight": "sm",
            "showHeader": True,
            "sortBy": [{"desc": True, "displayName": sort}] if sort else [],
        },
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organize},
        ],
    )
    return Panel(body, width, height)


_NOISE = ("Time", "__name__", "job")


def variable(
    name: str, label: str, query: str, *, multi: bool = True, description: str = ""
) -> Json:
    """A choice among the values of a label. "All" also stands for series without the label."""
    chosen = {"text": ["All"], "value": ["$__all"]} if multi else {}
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "multi": multi,
        "includeAll": multi,
        "allValue": ".*" if multi else None,
        "current": chosen,
        "hide": 0,
        "options": [],
    }


def choice(name: str, label: str, values: Sequence[str], chosen: str) -> Json:
    """A choice among fixed values."""
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ",".join(values),
        "multi": False,
        "includeAll": False,
        "current": {"text": chosen, "value": chosen},
        "hide": 0,
        "options": [
            {"text": value, "value": value, "selected": value == chosen} for value in values
        ],
    }


INSTANCE = variable("instance", "Instance", "label_values(libvirt_exporter_connected, instance)")
HOST = variable(
    "host",
    "Hypervisor",
    'label_values(libvirt_exporter_connected{instance=~"$instance"}, host)',
    description="Where one page shows several hypervisors; empty otherwise.",
)


def dashboard(
    uid: str, title: str, description: str, *, variables: Sequence[Json], rows: Sequence[Row]
) -> Json:
    """A dashboard as it is imported; the data source is chosen on it."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Libvirt",
                "tags": [TAG],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [_DATASOURCE_VARIABLE, *variables]},
        "panels": list(_placed(rows)),
    }


_DATASOURCE_VARIABLE: Json = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "multi": False,
    "includeAll": False,
    "current": {},
    "hide": 0,
    "options": [],
}


def _placed(rows: Sequence[Row]) -> Iterable[Json]:
    """The panels with ids and positions: each where there is room, in lines of the tallest's height."""
    number = y = 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            "panels": [],
        }
        y += 1
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            yield {"id": number, **panel.body, "gridPos": place}
            x += panel.width
            tallest = max(tallest, panel.height)
        y += tallest


def link_to(uid: Literal["libvirt-host", "libvirt-domain"], **fields: str) -> str:
    """An address of another dashboard, with variables taken from fields of the table's row."""
    chosen = "".join(f"&var-{name}=${{__data.fields.{field}}}" for name, field in fields.items())
    return f"/d/{uid}?${{__url_time_range}}&var-datasource=${{datasource}}{chosen}"
