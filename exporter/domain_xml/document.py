"""XML text to a tree of elements, safely: `parse_document`.

Refused are document type declarations, and with them every entity but XML's own five, and whatever is
over a limit. Nothing outside the text is ever read. Any text gives a tree or raises BrokenXML.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from exporter.element_paths import LONGEST_NAMESPACE
from exporter.exposition import valid_text

LARGEST_DOCUMENT_BYTES = 4 * 1024 * 1024
"""What one string in libvirt's protocol holds at most."""

DEEPEST = 256
"""As for libxml2, with which libvirt reads its own documents. Backing chains go deep."""

MOST_ELEMENTS = 50_000
MOST_ATTRIBUTES = 256
"""Of one element."""

# No line end can stand in an attribute's value, which a namespace is.
_SEPARATOR = "\n"


class BrokenXML(ValueError):
    """A document cannot be used; `reason` says why and quotes nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Element:
    """An element; attributes that have a namespace are left out."""

    __slots__ = ("_text", "attributes", "children", "name", "namespace")

    def __init__(self, namespace: str, name: str, attributes: dict[str, str]) -> None:
        self.namespace = namespace
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self._text: list[str] = []

    @property
    def text(self) -> str:
        """Its own text, not its children's, without white space around it."""
        return "".join(self._text).strip()

    def add_text(self, text: str) -> None:
        self._text.append(text)

    def get(self, attribute: str) -> str:
        """An attribute's value, empty where there is none."""
        return self.attributes.get(attribute, "")

    def all(self, name: str) -> Iterator[Element]:
        """The children of this name that have no namespace."""
        return (one for one in self.children if one.name == name and not one.namespace)

    def find(self, *names: str) -> Element:
        """The first child of this name, of that the next and so on; an empty one where there is none."""
        found = self
        for name in names:
            found = next(found.all(name), NOTHING)
        return found


NOTHING = Element("", "", {})
"""Stands in for an element that is not there: it has no text, no attributes and no children."""


def parse_document(text: str) -> Element:
    """Reads a document and gives its root; raises BrokenXML.

    Bytes that are no UTF-8, decoded to surrogates, become U+FFFD like everywhere else.
    """
    if len(text) > LARGEST_DOCUMENT_BYTES:
        raise BrokenXML(f"it is larger than {LARGEST_DOCUMENT_BYTES} bytes")
    content = valid_text(text).encode()
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise BrokenXML(f"it is larger than {LARGEST_DOCUMENT_BYTES} bytes")
    return _TreeBuilder().build(content)


class _TreeBuilder:
    """expat's events to a tree, within the limits."""

    def __init__(self) -> None:
        self._top = Element("", "", {})
        self._open = [self._top]
        self._elements = 0

    def build(self, content: bytes) -> Element:
        # The text was decoded before: what the document says of its encoding does not count.
        parser = expat.ParserCreate("utf-8", _SEPARATOR, intern=None)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._character_data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartNamespaceDeclHandler = self._check_namespace
        is_final = True
        try:
            parser.Parse(content, is_final)
        except expat.ExpatError as exc:
            raise BrokenXML(f"{expat.ErrorString(exc.code)} in line {exc.lineno}") from exc
        return self._top.children[0]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise BrokenXML(f"it has more than {MOST_ELEMENTS} elements")
        if len(self._open) > DEEPEST:
            raise BrokenXML(f"it is nested deeper than {DEEPEST} elements")
        if len(attributes) > MOST_ATTRIBUTES:
            raise BrokenXML(f"an element has more than {MOST_ATTRIBUTES} attributes")
        namespace, _, local = name.rpartition(_SEPARATOR)
        own = {key: value for key, value in attributes.items() if _SEPARATOR not in key}
        element = Element(namespace, local, own)
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _character_data(self, text: str) -> None:
        self._open[-1].add_text(text)

    @staticmethod
    def _check_namespace(_: str | None, namespace: str | None) -> None:
        if namespace is not None and len(namespace) > LONGEST_NAMESPACE:
            raise BrokenXML(f"the name of a namespace is longer than {LONGEST_NAMESPACE}")

    def _refuse_doctype(self, *_: object) -> None:
        raise BrokenXML("it has a document type declaration")
