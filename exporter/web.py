"""The HTTP side: the metrics page, health, readiness, a landing page; and the server that listens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import html
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter import __version__
from exporter.config import Config, ConfigError, ListenAddress
from exporter.exposition import Format, Page
from exporter.hypervisor import Hypervisor
from exporter.probe import ProbeRefused, Probes, service_discovery
from exporter.target import Target

logger = logging.getLogger(__name__)

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
SHUTDOWN_SECONDS = 1
LEAST_TIMEOUT_SECONDS = 0.1
GZIP_LEVEL = 1
"""A page shrinks to a fifteenth at level 1 already; more levels cost more than the network saves."""

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}


class Site(Protocol):
    """What is served: the application, as far as HTTP needs to know it."""

    config: Config
    probes: Probes
    targets: tuple[Target, ...]

    @property
    def is_ready(self) -> bool: ...

    async def page(self, timeout_seconds: float | None = None) -> Page: ...


@dataclass(frozen=True, slots=True)
class _Pages:
    site: Site

    async def metrics(self, request: Request) -> Response:
        return _rendered(request, await self.site.page(self._timeout(request)))

    async def probe(self, request: Request) -> Response:
        target = request.query_params.get("target", "")
        module = request.query_params.get("module") or None
        if not target:
            return _message(400, "a probe needs a target: /probe?target=NAME")
        try:
            page = await self.site.probes.probe(target, module, self._timeout(request))
        except ProbeRefused as exc:
            return _message(exc.status, str(exc))
        return _rendered(request, page)

    async def service_discovery(self, _: Request) -> Response:
        found = service_discovery(self.site.config.targets)
        return JSONResponse(found, headers=_SECURITY_HEADERS)

    def _timeout(self, request: Request) -> float | None:
        """What Prometheus allows, less the margin for the way back; None where it says nothing sensible."""
        try:
            seconds = float(request.headers.get(TIMEOUT_HEADER, ""))
        except ValueError:
            return None
        if not seconds > 0:
            return None
        margin = self.site.config.web.timeout_offset_seconds
        return max(LEAST_TIMEOUT_SECONDS, seconds - margin)

    async def healthy(self, _: Request) -> Response:
        return _message(200, "healthy")

    async def ready(self, _: Request) -> Response:
        return _message(200, "ready") if self.site.is_ready else _message(503, "starting")

    async def landing(self, _: Request) -> Response:
        states = "\n".join(
            f"<li>{html.escape(_state(target.hypervisor))}</li>" for target in self.site.targets
        )
        path = html.escape(self.site.config.web.telemetry_path)
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
        return HTMLResponse(text, headers=_SECURITY_HEADERS)


def _state(hypervisor: Hypervisor) -> str:
    if hypervisor.is_connected:
        return f"{hypervisor.uri.redacted}: connected"
    return f"{hypervisor.uri.redacted}: not connected: {hypervisor.error or 'starting'}"


def _message(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status, headers=_SECURITY_HEADERS)


def _rendered(request: Request, page: Page) -> Response:
    """The page in the format, and compressed, as the client likes it."""
    page_format = negotiate(request.headers.get("accept", ""))
    body = page.render(page_format)
    headers = {"Vary": "Accept, Accept-Encoding", **_SECURITY_HEADERS}
    if _accepts_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, GZIP_LEVEL)
        headers["Content-Encoding"] = "gzip"
    # Not as media_type: starlette would put a second charset behind.
    headers["Content-Type"] = page_format.value
    return Response(body, headers=headers)


def negotiate(accept: str) -> Format:
    """The format that an Accept header likes best; the text format where it asks for none of ours."""
    best, liked = Format.TEXT, 0.0
    for media_type, parameters, quality in _preferences(accept):
        page_format = _FORMATS.get((media_type, parameters.get("version", "")))
        if page_format is not None and quality > liked:
            best, liked = page_format, quality
    return best


_FORMATS = {
    ("application/openmetrics-text", ""): Format.OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): Format.OPENMETRICS,
    ("text/plain", ""): Format.TEXT,
    ("text/plain", "0.0.4"): Format.TEXT,
    ("text/*", ""): Format.TEXT,
    ("*/*", ""): Format.TEXT,
}
"""By media type and version. OpenMetrics 0.0.1 and text 1.0.0 are others than ours."""


def _accepts_gzip(accept_encoding: str) -> bool:
    qualities = {name: quality for name, _, quality in _preferences(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _preferences(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The header's alternatives, in its order: what, its parameters, its quality (RFC 9110, 12.4.2)."""
    for alternative in header.lower().split(","):
        what, *rest = alternative.split(";")
        pairs = (parameter.partition("=") for parameter in rest)
        parameters = {name.strip(): value.strip(' "\t') for name, _, value in pairs}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        yield what.strip(), parameters, quality


def make_app(site: Site) -> Starlette:
    """The ASGI application."""
    pages = _Pages(site)
    path = site.config.web.telemetry_path
    routes = [
        Route(path, pages.metrics, methods=["GET"]),
        Route("/probe", pages.probe, methods=["GET"]),
        Route("/sd", pages.service_discovery, methods=["GET"]),
        Route("/-/healthy", pages.healthy, methods=["GET"]),
        Route("/-/ready", pages.ready, methods=["GET"]),
    ]
    if path != "/":
        routes.append(Route("/", pages.landing, methods=["GET"]))
    app = Starlette(routes=routes)
    # A page has one address.
    app.router.redirect_slashes = False
    return app


def listen(address: ListenAddress) -> socket.socket:
    """A listening socket. Raises ConfigError where the address cannot be had."""
    try:
        if address.host:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            return socket.create_server((address.host, address.port), family=family, backlog=128)
        if socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):
                return socket.create_server(
                    ("", address.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
                )
        return socket.create_server(("", address.port), backlog=128)
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else str(exc)
        guess = "; is another exporter running there?" if exc.errno == errno.EADDRINUSE else "."
        raise ConfigError(
            "web.listen_address",
            f"cannot listen on {address}: {reason}{guess} Choose another with --web.listen-address",
        ) from exc


class _Server(uvicorn.Server):
    """uvicorn's server, which ends quietly: after a signal it would kill its own process with it."""

    def __init__(self, config: uvicorn.Config, at_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._at_end = at_end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._at_end()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


async def serve(
    app: Starlette, sockets: Sequence[socket.socket], at_end: Callable[[], None]
) -> None:
    """Serves until SIGTERM or SIGINT, then calls `at_end` and lets running requests end for a second."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    await _Server(config, at_end).serve(sockets=list(sockets))
