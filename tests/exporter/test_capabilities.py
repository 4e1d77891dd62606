"""A host's capabilities document, and what is made of one that says little."""

from __future__ import annotations

import pytest

from exporter.capabilities import Capabilities, Cell, Pages, parse_capabilities
from exporter.domain_xml import BrokenXML

TWO_CELLS = """
<capabilities>
  <host>
    <uuid>db920e15-5890-4e5f-ae74-f863bc270210</uuid>
    <cpu><arch>x86_64</arch><model>EPYC-Milan</model><vendor>AMD</vendor></cpu>
    <topology>
      <cells num="2">
        <cell id="0">
          <memory unit="KiB">65842300</memory>
          <pages unit="KiB" size="4">14000000</pages>
          <pages unit="KiB" size="2048">512</pages>
          <cpus num="16"><cpu id="0"/></cpus>
        </cell>
        <cell id="2"><cpus num="8"/></cell>
        <cell id="nonsense"/>
      </cells>
    </topology>
  </host>
  <guest><arch name="x86_64"/></guest>
</capabilities>
"""


def test_a_host_with_several_cells() -> None:
    assert parse_capabilities(TWO_CELLS) == Capabilities(
        "db920e15-5890-4e5f-ae74-f863bc270210",
        "EPYC-Milan",
        "AMD",
        (
            Cell(0, 65842300, 16, (Pages(4, 14000000), Pages(2048, 512))),
            Cell(2, None, 8, ()),
        ),
    )


def test_a_host_that_says_nothing() -> None:
    assert parse_capabilities("<capabilities/>") == Capabilities("", "", "", ())


@pytest.mark.parametrize("text", ["", "<capabilities>", "<!DOCTYPE x><capabilities/>"])
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(BrokenXML):
        parse_capabilities(text)
