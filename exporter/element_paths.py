"""A small path language that says where in a document a text stands: `parse_element_path`.

`owner/user` is the text of elements, `owner/user/@uuid` an attribute of them, `*` stands for an element
of any name. There is no more to it: nothing is searched at any depth, nothing computed.
"""

import re
from dataclasses import dataclass

__all__ = ["ANY", "LONGEST_NAMESPACE", "ElementPath", "InvalidElementPath", "parse_element_path"]

LONGEST_PATH = 16
"""Steps of a path at most."""

LONGEST_NAMESPACE = 256
"""Characters of a namespace: a parser gives the whole of it with every name that is in it."""

ANY = "*"

_NAME = re.compile(r"[^\W\d][\w.-]*")
_ATTRIBUTE = "@"


class InvalidElementPath(ValueError):
    """The text is no path; the message says why."""


@dataclass(frozen=True, slots=True)
class ElementPath:
    """Names of elements from the outermost on, then an attribute of the last, or None for its text."""

    steps: tuple[str, ...]
    attribute: str | None = None


def parse_element_path(text: str) -> ElementPath:
    """Reads a path; raises InvalidElementPath."""
    *steps, last = text.split("/")
    attribute = None
    if last.startswith(_ATTRIBUTE):
        attribute = last.removeprefix(_ATTRIBUTE)
    else:
        steps.append(last)
    if not steps:
        raise InvalidElementPath("names an attribute of no element, write element/@attribute")
    if len(steps) > LONGEST_PATH:
        raise InvalidElementPath(f"has more than {LONGEST_PATH} elements")
    if not all(step == ANY or _NAME.fullmatch(step) for step in steps):
        raise InvalidElementPath(
            "has to be names of elements without a prefix, or *, with a slash between two, "
            "such as owner/user, and may end in an attribute, such as owner/user/@uuid"
        )
    if attribute is not None and not _NAME.fullmatch(attribute):
        raise InvalidElementPath("ends in an attribute without a name")
    return ElementPath(tuple(steps), attribute)
