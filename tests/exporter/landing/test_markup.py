"""HTML: what goes in comes out as text, never as an element."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from exporter.landing.markup import Markup, document, tag


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


TEXT = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(TEXT, TEXT)
def test_any_text_comes_back_as_it_went_in(text: str, attribute: str) -> None:
    reader = read(tag("p", text, tag("b", text), title=attribute))
    assert reader.tags == ["p", "b"]
    assert reader.text == text + text
    assert reader.attributes == [("title", attribute)]


def test_bytes_that_are_no_utf8_do_not_break_the_page() -> None:
    text = b"a\xff".decode("utf-8", "surrogateescape")
    assert tag("p", text, title=text).encode() == b'<p title="a?">a?</p>'


def test_attributes_are_written_as_html_has_them() -> None:
    assert tag("th", aria_sort="descending", class_="x", title=None, hidden=True, id=False) == (
        '<th aria-sort="descending" class="x" hidden></th>'
    )
    assert tag("meta", name="a") == '<meta name="a">'


def test_what_is_markup_stays_so() -> None:
    page = document([tag("title", "<&>")], [tag("p", [tag("i", "x")], Markup("<br>"), None)])
    assert page == (
        '<!doctype html>\n<html lang="en"><head><title>&lt;&amp;&gt;</title></head>'
        "<body><p><i>x</i><br></p></body></html>\n"
    )
