"""A host's capabilities document to what the exporter shows of it: `parse_capabilities`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.domain_xml.document import Element, parse_document


@dataclass(frozen=True, slots=True)
class Pages:
    size_kib: int
    count: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A NUMA cell; `memory_kib` is None where the document does not say."""

    id: int
    memory_kib: int | None
    cpus: int
    pages: tuple[Pages, ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What does not change while the host runs. Missing texts are empty."""

    uuid: str
    cpu_model: str
    cpu_vendor: str
    cells: tuple[Cell, ...]


def parse_capabilities(xml: str) -> Capabilities:
    """Reads the document; raises BrokenXML."""
    host = parse_document(xml).find("host")
    cpu = host.find("cpu")
    cells = (_cell(one) for one in host.find("topology", "cells").all("cell"))
    return Capabilities(
        host.find("uuid").text,
        cpu.find("model").text,
        cpu.find("vendor").text,
        tuple(cell for cell in cells if cell is not None),
    )


def _cell(cell: Element) -> Cell | None:
    number = _number(cell.get("id"))
    if number is None:
        return None
    pages = [
        Pages(size, count)
        for one in cell.all("pages")
        if (size := _number(one.get("size"))) and (count := _number(one.text)) is not None
    ]
    cpus = _number(cell.find("cpus").get("num")) or 0
    return Cell(number, _number(cell.find("memory").text), cpus, tuple(pages))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
