"""What every request passes first: rate limit, users, no bodies; and the headers of every answer.

An ASGI application around another. It adds to every answer, of a page or of an error, what keeps a
browser from running or embedding it.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.web.access import Access
from exporter.web.auth import Verdict

__all__ = ["SECURITY_HEADERS", "Guard"]

_CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", _CONTENT_SECURITY_POLICY),
)
"""Of every answer that has no such header of its own."""

_RETRY_SOON = {"Retry-After": "1"}
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="libvirt-exporter", charset="UTF-8"'}


class Guard:
    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        access = self._access
        access.refresh()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message["headers"], access.headers)
            await send(message)

        app: ASGIApp = await self._refusal(scope) or self._app
        await app(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope) -> Response | None:
        access = self._access
        if access.rate_limit is not None and not access.rate_limit.allows():
            return _message(429, "too many requests", _RETRY_SOON)
        authorization = None
        has_body = False
        for name, value in scope["headers"]:
            if name == b"authorization" and authorization is None:
                authorization = value
            elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
                has_body = True
        if access.has_users:
            verdict = await access.check(authorization)
            if verdict is Verdict.REFUSED:
                return _message(401, "a user and a password are needed", _CHALLENGE)
            if verdict is Verdict.BUSY:
                return _message(503, "too many passwords are being checked", _RETRY_SOON)
        if has_body:
            # Nothing here reads one, and whoever sends it slowly would keep the connection.
            return _message(413, "no request may have a body", {"Connection": "close"})
        return None


def _complete(headers: list[tuple[bytes, bytes]], configured: list[tuple[bytes, bytes]]) -> None:
    """Puts the configured headers in the place of the answer's, and ours where there are none."""
    if configured:
        names = {name for name, _ in configured}
        headers[:] = [pair for pair in headers if pair[0] not in names]
        headers.extend(configured)
    given = {name for name, _ in headers}
    headers.extend(pair for pair in SECURITY_HEADERS if pair[0] not in given)


def _message(status: int, text: str, headers: dict[str, str]) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status, headers=headers)
