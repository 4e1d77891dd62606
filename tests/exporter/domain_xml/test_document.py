from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain_xml import BrokenXML, parse_document
from exporter.domain_xml.document import (
    DEEPEST,
    LARGEST_DOCUMENT_BYTES,
    MOST_ATTRIBUTES,
    MOST_ELEMENTS,
    NOTHING,
    Element,
)
from exporter.element_paths import LONGEST_NAMESPACE
from tests.exporter.domain_xml.documents import NAMES, document

BILLION_LAUGHS = """<!DOCTYPE domain [
 <!ENTITY a "ha">
 <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
 <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
]>
<domain><title>&c;</title></domain>"""


@pytest.mark.parametrize(
    "text",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE domain SYSTEM "file:///etc/passwd"><domain/>',
        '<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain>&x;</domain>',
        '<!DOCTYPE domain [<!ENTITY % x SYSTEM "http://127.0.0.1/"> %x;]><domain/>',
        "<!DOCTYPE domain><domain/>",
    ],
)
def test_a_document_type_declaration_is_refused_and_with_it_every_entity(text: str) -> None:
    with pytest.raises(BrokenXML, match=r"^it has a document type declaration$"):
        parse_document(text)


def test_an_entity_that_was_never_declared_is_refused() -> None:
    with pytest.raises(BrokenXML, match=r"^undefined entity in line 2$"):
        parse_document("<domain>\n&nbsp;</domain>")


def test_xmls_own_entities_and_character_references_are_read() -> None:
    assert parse_document("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;</a>").text == "<&>\"'AB"


def test_a_document_is_as_deep_as_the_limit_and_no_deeper() -> None:
    assert parse_document("<a>" * DEEPEST + "</a>" * DEEPEST).name == "a"
    with pytest.raises(BrokenXML, match=f"deeper than {DEEPEST} elements"):
        parse_document("<a>" * (DEEPEST + 1) + "</a>" * (DEEPEST + 1))
    with pytest.raises(BrokenXML, match="deeper"):
        parse_document("<a>" * 1_000_000)


def test_a_document_has_as_many_elements_as_the_limit_and_no_more() -> None:
    most = f"<a>{'<b/>' * (MOST_ELEMENTS - 1)}</a>"
    assert len(parse_document(most).children) == MOST_ELEMENTS - 1
    with pytest.raises(BrokenXML, match=f"more than {MOST_ELEMENTS} elements"):
        parse_document(most.replace("<a>", "<a><b/>", 1))


def test_an_element_has_as_many_attributes_as_the_limit_and_no_more() -> None:
    most = " ".join(f"a{number}='x'" for number in range(MOST_ATTRIBUTES))
    assert len(parse_document(f"<a {most}/>").attributes) == MOST_ATTRIBUTES
    with pytest.raises(BrokenXML, match=f"more than {MOST_ATTRIBUTES} attributes"):
        parse_document(f"<a {most} b='x'/>")


def test_a_namespace_is_as_long_as_the_limit_and_no_longer() -> None:
    """Else a document of few mebibytes would need as many times more as it has elements."""
    longest = "n" * LONGEST_NAMESPACE
    assert parse_document(f"<a xmlns='{longest}'/>").namespace == longest
    for name in ("xmlns", "xmlns:x"):
        with pytest.raises(BrokenXML, match=f"longer than {LONGEST_NAMESPACE}"):
            parse_document(f"<a {name}='{longest}n'>{'<b/>' * 1000}</a>")


@pytest.mark.parametrize("character", ["x", "\u00e9", "\udc80"])
def test_a_document_is_as_large_as_the_limit_in_bytes_and_no_larger(character: str) -> None:
    size = len(character.encode(errors="surrogatepass"))
    rest, padding = divmod(LARGEST_DOCUMENT_BYTES - len("<a></a>"), size)
    text = f"<a>{character * rest}{'x' * padding}</a>"
    assert len(parse_document(text).text) == rest + padding
    with pytest.raises(BrokenXML, match=f"larger than {LARGEST_DOCUMENT_BYTES} bytes"):
        parse_document(text.replace("<a>", "<a>x", 1))


def test_a_title_of_ten_mebibytes_is_refused() -> None:
    with pytest.raises(BrokenXML, match="larger"):
        parse_document(f"<domain><title>{'x' * (10 << 20)}</title></domain>")


def test_bytes_that_are_no_utf8_are_shown_as_such() -> None:
    text = b"<a b='\xff'>\xc3\x28</a>".decode("utf-8", "surrogateescape")
    root = parse_document(text)
    assert (root.get("b"), root.text) == ("\ufffd", "\ufffd(")


def test_what_a_document_says_of_its_encoding_does_not_count() -> None:
    text = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\u00e9\u4e2d</a>"
    assert parse_document(text).text == "\u00e9\u4e2d"
    assert parse_document(text.replace("ISO-8859-1", "no-such-encoding")).text == "\u00e9\u4e2d"


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "<a>", "<a></b>", "<a/><b/>", "<a b='1' b='2'/>", "<x:a/>", "<a>\x00</a>"],
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(BrokenXML):
        parse_document(text)


def test_a_reason_quotes_nothing_of_the_document() -> None:
    with pytest.raises(BrokenXML) as caught:
        parse_document("<secret-name>\n</other>")
    assert caught.value.reason == str(caught.value) == "mismatched tag in line 2"


def test_names_and_namespaces_are_told_apart() -> None:
    root = parse_document(
        "<a xmlns:n='urn:n' n:b='1' c='2'><n:d/><d xmlns='urn:e f'/><d/></a>",
    )
    assert (root.namespace, root.name, root.attributes) == ("", "a", {"c": "2"})
    assert [(one.namespace, one.name) for one in root.children] == [
        ("urn:n", "d"),
        ("urn:e f", "d"),
        ("", "d"),
    ]
    assert list(root.all("d")) == [root.children[2]]


def test_the_text_of_an_element_is_its_own_without_space_around_it() -> None:
    root = parse_document("<a> x <b>no</b><![CDATA[<y>]]><!-- no -->\n </a>")
    assert (root.text, root.find("b").text) == ("x <y>", "no")


def test_what_is_not_there_is_nothing_and_so_is_all_within_it() -> None:
    root = parse_document("<a><b/></a>")
    assert root.find("c", "d", "e") is NOTHING
    assert root.find("b", "c") is NOTHING
    assert (NOTHING.text, NOTHING.get("x"), list(NOTHING.all("x"))) == ("", "", [])


def shape(element: Element) -> object:
    return (
        element.namespace,
        element.name,
        element.attributes,
        element.text,
        [shape(child) for child in element.children],
    )


@given(st.text())
def test_any_text_gives_a_tree_or_is_refused(text: str) -> None:
    with contextlib.suppress(BrokenXML):
        parse_document(text)


@given(st.sampled_from(NAMES), st.data())
def test_a_document_with_any_change_gives_a_tree_or_is_refused(
    name: str, data: st.DataObject
) -> None:
    text = document(name)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    other = data.draw(st.text(max_size=10))
    with contextlib.suppress(BrokenXML):
        parse_document(text[:start] + other + text[end:])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=50))
def test_any_text_comes_back_from_an_element_and_an_attribute(text: str) -> None:
    written = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    quoted = written.replace("'", "&apos;")
    if any(ord(character) in {0xFFFE, 0xFFFF} for character in text):
        return
    root = parse_document(f"<a b='{quoted}'>{written}</a>")
    assert root.get("b") == text
    assert root.text == text.strip()
    assert shape(root) == ("", "a", {"b": text}, text.strip(), [])
