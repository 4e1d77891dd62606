"""The landing page as a response: nobody keeps it, for it shows how things are."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import HTMLResponse, Response

from exporter.landing import CONTENT_SECURITY_POLICY, Snapshot, parse_order, render_page

__all__ = ["landing_page"]

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def landing_page(snapshot: Snapshot, query: Mapping[str, str]) -> Response:
    return HTMLResponse(render_page(snapshot, parse_order(query)), headers=_HEADERS)
