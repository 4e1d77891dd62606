"""What the guard adds to every answer, a failed page's too."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.web import Access
from exporter.web.guard import Guard

OWN_POLICY = "default-src 'none'; style-src 'self'"


async def broken(_: Request) -> Response:
    raise RuntimeError("<script>a secret</script>")


async def styled(_: Request) -> Response:
    return PlainTextResponse("", headers={"Content-Security-Policy": OWN_POLICY})


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = Guard(
        Starlette(routes=[Route("/broken", broken), Route("/styled", styled)]), Access.of_everyone()
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://exporter")


async def test_a_page_that_fails_tells_nothing_and_has_the_headers(
    client: httpx.AsyncClient,
) -> None:
    async with client:
        response = await client.get("/broken")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"].startswith("default-src 'none'; base-uri")


async def test_a_page_may_have_a_policy_of_its_own(client: httpx.AsyncClient) -> None:
    async with client:
        response = await client.get("/styled")
    assert response.headers.get_list("content-security-policy") == [OWN_POLICY]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "0"}, 200),
        ({"Content-Length": "00"}, 413),
        ({"Content-Length": "1"}, 413),
        ({"Transfer-Encoding": "chunked"}, 413),
    ],
)
async def test_no_request_may_have_a_body(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    async with client:
        assert (await client.get("/styled", headers=headers)).status_code == status
