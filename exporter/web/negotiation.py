"""What a client wants, by its Accept and Accept-Encoding headers (RFC 9110, 12.4.2).

Any text goes in; a format that we have, or whether to compress, comes out.
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.exposition import Format

__all__ = ["accepts_gzip", "negotiate"]

_FORMATS = {
    ("application/openmetrics-text", ""): Format.OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): Format.OPENMETRICS,
    ("text/plain", ""): Format.TEXT,
    ("text/plain", "0.0.4"): Format.TEXT,
    ("text/*", ""): Format.TEXT,
    ("*/*", ""): Format.TEXT,
}
"""By media type and version. OpenMetrics 0.0.1 and text 1.0.0 are others than ours."""


def negotiate(accept: str) -> Format:
    """The format that an Accept header likes best; the text format where it asks for none of ours."""
    best, liked = Format.TEXT, 0.0
    for media_type, parameters, quality in _preferences(accept):
        page_format = _FORMATS.get((media_type, parameters.get("version", "")))
        if page_format is not None and quality > liked:
            best, liked = page_format, quality
    return best


def accepts_gzip(accept_encoding: str) -> bool:
    qualities = {name: quality for name, _, quality in _preferences(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _preferences(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The header's alternatives, in its order: what, its parameters, its quality."""
    for alternative in header.lower().split(","):
        what, *rest = alternative.split(";")
        pairs = (parameter.partition("=") for parameter in rest)
        parameters = {name.strip(): value.strip(' "\t') for name, _, value in pairs}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        yield what.strip(), parameters, quality
