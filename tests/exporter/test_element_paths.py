from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.element_paths import ElementPath, InvalidElementPath, parse_element_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("title", ElementPath(("title",))),
        ("os/type/@arch", ElementPath(("os", "type"), "arch")),
        ("a/*/b", ElementPath(("a", "*", "b"))),
        ("straße/x-1.y_2", ElementPath(("straße", "x-1.y_2"))),
    ],
)
def test_a_path_is_names_and_perhaps_an_attribute(text: str, path: ElementPath) -> None:
    assert parse_element_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "//a",
        "@a",
        "a/@",
        "a/@b/c",
        "@a/b",
        "a/@*",
        "a[1]",
        "a[@b='c']",
        "..",
        ".",
        "nova:name",
        "{urn:x}a",
        "a b",
        "1a",
        "a|b",
        "text()",
        "a/b\n",
        "/".join("a" * 17),
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidElementPath):
        parse_element_path(text)


@given(st.text("ab/@*.-_: []é1"))
def test_any_text_is_a_path_that_reads_the_same_or_is_refused(text: str) -> None:
    try:
        path = parse_element_path(text)
    except InvalidElementPath:
        return
    attribute = [] if path.attribute is None else [f"@{path.attribute}"]
    assert "/".join((*path.steps, *attribute)) == text
