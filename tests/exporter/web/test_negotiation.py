"""Any header gives a format; which one is in the tests of the pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition import Format
from exporter.web import negotiate
from exporter.web.negotiation import accepts_gzip


@given(st.text())
def test_any_accept_header_gives_a_format(accept: str) -> None:
    assert negotiate(accept) in Format


@given(st.text())
def test_any_accept_encoding_header_says_yes_or_no(accept_encoding: str) -> None:
    assert accepts_gzip(accept_encoding) in {True, False}
