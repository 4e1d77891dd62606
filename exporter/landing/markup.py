"""HTML that cannot be forgotten to be escaped: every text is, unless a function of this module made it."""

from __future__ import annotations

import html
from typing import TypeAlias

__all__ = ["Child", "Markup", "document", "tag"]


class Markup(str):
    """HTML as it stands."""

    __slots__ = ()


Child: TypeAlias = "str | list[Markup] | None"

_VOID = frozenset({"meta", "rect"})


def tag(name: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """An element. Attributes: True stands alone, False and None are left out; `class_` is class, _ is -."""
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        parts.append(f" {shown}" if value is True else f' {shown}="{_escaped(str(value))}"')
    parts.append(">")
    if name in _VOID:
        assert not children, name
        return Markup("".join(parts))
    parts.extend(_inside(child) for child in children)
    parts.append(f"</{name}>")
    return Markup("".join(parts))


def _inside(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, list):
        return "".join(_inside(one) for one in child)
    return child if isinstance(child, Markup) else _escaped(child)


def _escaped(text: str) -> str:
    # Bytes of a name that are no UTF-8 cannot be written as such.
    return html.escape(text.encode("utf-8", "replace").decode())


def document(head: list[Markup], body: list[Markup]) -> str:
    """A whole page."""
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"
