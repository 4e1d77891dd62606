"""The landing page: how the hypervisors are connected, and links to the other pages.

It shows what others have named, so that whatever it shows is escaped.
"""

from __future__ import annotations

import html

from starlette.responses import HTMLResponse, Response

from exporter import __version__
from exporter.hypervisor import Hypervisor
from exporter.web.site import Site

__all__ = ["landing_page"]


def landing_page(site: Site) -> Response:
    states = "\n".join(f"<li>{html.escape(_state(one.hypervisor))}</li>" for one in site.targets)
    path = html.escape(site.config.web.telemetry_path)
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>libvirt-exporter</title></head>
<body><h1>libvirt-exporter {html.escape(__version__)}</h1>
<ul>
{states}
</ul>
<ul><li><a href="{path}">Metrics</a></li>
<li><a href="/sd">Targets</a></li>
<li><a href="/-/healthy">Health</a></li>
<li><a href="/-/ready">Readiness</a></li></ul>
</body></html>
"""
    return HTMLResponse(text)


def _state(hypervisor: Hypervisor) -> str:
    if hypervisor.is_connected:
        return f"{hypervisor.uri.redacted}: connected"
    return f"{hypervisor.uri.redacted}: not connected: {hypervisor.error or 'starting'}"
