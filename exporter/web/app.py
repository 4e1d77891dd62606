"""The ASGI application: the metrics page, probes, health, readiness, the landing page.

Behind the guard, which every request passes first; nothing here knows of users or TLS.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from exporter.exposition import Page
from exporter.probe import ProbeRefused, service_discovery
from exporter.reload import ReloadFailed
from exporter.web.access import Access
from exporter.web.guard import Guard
from exporter.web.landing import landing_page
from exporter.web.negotiation import accepts_gzip, negotiate
from exporter.web.site import Site

__all__ = ["TIMEOUT_HEADER", "make_app"]

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
LEAST_TIMEOUT_SECONDS = 0.1
GZIP_LEVEL = 1
"""A page shrinks to a fifteenth at level 1 already; more levels cost more than the network saves."""


def make_app(site: Site, access: Access | None = None) -> ASGIApp:
    """The application; without `access` whoever can connect may read."""
    pages = _Pages(site)
    web = site.config.web
    scrapes, probes, looks = (_InFlight(web.max_requests) for _ in range(3))
    routes = [
        Route(web.telemetry_path, scrapes.bounded(pages.metrics), methods=["GET"]),
        Route("/probe", probes.bounded(pages.probe), methods=["GET"]),
        Route("/sd", pages.service_discovery, methods=["GET"]),
        Route("/-/healthy", pages.healthy, methods=["GET"]),
        Route("/-/ready", pages.ready, methods=["GET"]),
        Route("/-/reload", pages.reload, methods=["POST", "PUT"]),
    ]
    if web.telemetry_path != "/":
        routes.append(Route("/", looks.bounded(pages.landing), methods=["GET"]))
    app = Starlette(routes=routes)
    # A page has one address, and nothing redirects to where a request says.
    app.router.redirect_slashes = False
    return Guard(app, access or Access.of_everyone())


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class _InFlight:
    """A bound on requests of one kind that are being answered; 0 is none.

    Each kind has its own: probes of hypervisors that hang, or people who look, must not keep the metrics
    page from Prometheus.
    """

    limit: int
    count: int = field(default=0, init=False)

    def bounded(self, page: Endpoint) -> Endpoint:
        async def bounded(request: Request) -> Response:
            if self.limit and self.count >= self.limit:
                text = f"{self.limit} requests are being answered already (--web.max-requests)"
                return _message(503, text, {"Retry-After": "1"})
            self.count += 1
            try:
                return await page(request)
            finally:
                self.count -= 1

        return bounded


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
        return JSONResponse(service_discovery(self.site.config.targets))

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

    async def reload(self, _: Request) -> Response:
        if not self.site.config.web.enable_lifecycle:
            return _message(
                403, "reloading over HTTP is off; --web.enable-lifecycle switches it on"
            )
        try:
            await self.site.reload()
        except ReloadFailed as exc:
            return _message(500, str(exc))
        return _message(200, "reloaded")

    async def landing(self, request: Request) -> Response:
        return landing_page(await self.site.snapshot(), request.query_params)


def _message(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status, headers=headers)


def _rendered(request: Request, page: Page) -> Response:
    """The page in the format, and compressed, as the client likes it."""
    page_format = negotiate(request.headers.get("accept", ""))
    body = page.render(page_format)
    headers = {"Vary": "Accept, Accept-Encoding"}
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, GZIP_LEVEL)
        headers["Content-Encoding"] = "gzip"
    # Not as media_type: starlette would put a second charset behind.
    headers["Content-Type"] = page_format.value
    return Response(body, headers=headers)
