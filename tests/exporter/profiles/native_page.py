"""A page of ours, made by hand: what the profiles' tables translate.

`page_of` takes lines as they stand on a page; `FLEET` is an OpenStack instance with everything, a plain
domain that is paused, and one that is shut off.
"""

from __future__ import annotations

from pathlib import Path

from exporter.catalogue import entries
from exporter.exposition import Page
from exporter.metrics.rows import GAUGE, Family
from exporter.page_reader import read_line

FAMILIES = {
    entry.name: Family(entry.name, entry.type, entry.help, entry.labels) for entry in entries()
}


def page_of(lines: str) -> Page:
    """Lines of any order; a family that is not in the catalogue is a gauge."""
    page = Page()
    for line in lines.strip().split("\n"):
        name = read_line(line).name
        family = FAMILIES.get(name) or Family(name, GAUGE, "Something of a plugin.")
        page.add_lines(family, f"{line}\n".encode())
    return page


WEB = 'domain="web",uuid="u-web"'
DB = 'domain="db",uuid="u-db"'

FLEET = Path(__file__).with_name("native.prom").read_text()
