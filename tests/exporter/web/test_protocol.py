"""Real connections to a real server: what a client may take, and what it gets that takes more."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from exporter.web import Access, Bounds
from exporter.web.protocol import HEAD_BYTES
from tests.support.web_server import Certificates, Connection, Served, served

SOON = 0.2
GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
PACE_SECONDS = 0.02


async def test_a_request_is_answered_without_a_server_header() -> None:
    async with served() as server, server.connected() as client:
        client.say(GET)
        status, headers, body = await client.answer()
    assert (status, body) == (200, b"healthy\n")
    assert "server" not in headers
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_head_request_has_headers_alone() -> None:
    async with served() as server, server.connected() as client:
        client.say(GET.replace(b"GET", b"HEAD") + GET)
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 8\r\n" in head
        assert (await client.answer())[2] == b"healthy\n"


async def test_http_1_0_is_answered_and_ends_the_connection() -> None:
    async with served() as server, server.connected() as client:
        client.say(b"GET /-/healthy HTTP/1.0\r\n\r\n")
        assert (await client.rest()).endswith(b"\r\n\r\nhealthy\n")


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with served() as server, server.connected() as client:
        client.say(GET + GET.replace(b"/-/healthy", b"/absent") + GET)
        assert [(await client.answer())[0] for _ in range(3)] == [200, 404, 200]


async def test_a_request_in_parts_is_answered() -> None:
    async with served() as server, server.connected() as client:
        for number in range(len(GET)):
            client.say(GET[number : number + 1])
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer())[0] == 200


# Slow clients.


async def dribble(client: Connection, text: bytes) -> float:
    """Says a byte now and then until the server has enough of it; the seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for byte in text:
        client.say(bytes([byte]))
        if await client.is_closed_within(PACE_SECONDS):
            break
    return loop.time() - began


@pytest.mark.parametrize("before", [b"", GET])
async def test_a_client_that_dribbles_its_request_is_dropped_in_time(before: bytes) -> None:
    async with served(bounds=Bounds(head_seconds=SOON)) as server, server.connected() as client:
        if before:
            client.say(before)
            assert (await client.answer())[0] == 200
        assert SOON <= await dribble(client, b"GET /" + b"a" * 1000) < SOON + 2


async def test_a_client_that_says_nothing_is_dropped_in_time() -> None:
    async with served(bounds=Bounds(head_seconds=SOON)) as server, server.connected() as client:
        assert await client.is_closed_within(SOON + 2)


async def test_a_client_between_two_requests_has_the_time_to_keep_alive() -> None:
    bounds = Bounds(head_seconds=SOON, keep_alive_seconds=3 * SOON)
    async with served(bounds=bounds) as server, server.connected() as client:
        client.say(GET)
        await client.answer()
        assert not await client.is_closed_within(2 * SOON)
        assert await client.is_closed_within(SOON + 2)


async def test_an_answer_that_takes_its_time_is_waited_for() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.wait_for(asyncio.shield(release), 20)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    release = asyncio.get_running_loop().create_future()
    bounds = Bounds(head_seconds=SOON, keep_alive_seconds=SOON)
    async with served(slow, bounds=bounds) as server, server.connected() as client:
        client.say(GET)
        assert not await client.is_closed_within(3 * SOON)
        release.set_result(None)
        assert (await client.answer())[0] == 204


async def big(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"%d" % BIG_BYTES)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(BIG_BYTES)})


BIG_BYTES = 64 << 20


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
async def test_a_client_that_does_not_take_its_answer_is_dropped_in_time(ending: bytes) -> None:
    bounds = Bounds(connections=1, send_seconds=SOON)
    async with served(big, bounds=bounds) as server, server.connected() as client:
        client.say(b"GET / HTTP/1.1\r\nHost: x\r\n" + ending + b"\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        # There is room for one connection, and the next is refused as long as it is there.
        while await _is_refused(server):
            pass
        assert len(await client.rest()) < BIG_BYTES


async def _is_refused(server: Served) -> bool:
    async with server.connected() as other:
        other.say(GET)
        return (await other.reader.readline()).startswith(b"HTTP/1.1 503 ")


# Bounds.


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * (HEAD_BYTES // 6) + b"\r\n",
    ],
    ids=["request line", "header", "headers"],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_request_head_that_is_too_long_is_refused(request_: bytes, at_once: bool) -> None:
    async with served() as server, server.connected() as client:
        for part in [request_] if at_once else re.findall(rb".{1,1000}", request_, re.DOTALL):
            client.say(part)
            await asyncio.sleep(0)
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"\r\nx-content-type-options: nosniff\r\n" in head
    assert body == b"the request line and the headers are longer than 16384 bytes\n"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"<script>alert(1)</script>\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no host
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_without_a_word_in_the_log(
    nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with served() as server, server.connected() as client:
        client.say(nonsense)
        said = await client.rest()
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert said.endswith(b"\r\n\r\nthis is no HTTP request\n")
    assert b"content-security-policy: default-src 'none'" in said
    assert b"\r\nserver:" not in said.lower()
    assert caplog.messages == []


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1000000000\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_a_request_with_a_body_is_refused_and_ends_the_connection(body: bytes) -> None:
    async with served() as server, server.connected() as client:
        client.say(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n" + body)
        status, headers, text = await client.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert text == b"no request may have a body\n"
        assert await client.is_closed_within(2)


async def test_nonsense_in_a_body_ends_the_connection_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with served() as server:
        async with server.connected() as client:
            client.say(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            assert await client.rest() == b""
        assert (await server.get()).status_code == 200
    gc.collect()  # a task whose exception nobody took would say so
    assert caplog.messages == []


async def test_beyond_the_bound_the_longest_idle_connection_gives_way() -> None:
    async with (
        served(bounds=Bounds(connections=2)) as server,
        server.connected() as first,
        server.connected() as second,
    ):
        for client in (first, second, first):
            client.say(GET)
            assert (await client.answer())[0] == 200
        async with server.connected() as third:
            third.say(GET)
            assert (await third.answer())[0] == 200
            assert await second.is_closed_within(2)
        first.say(GET)
        assert (await first.answer())[0] == 200


async def test_beyond_the_bound_a_new_connection_is_refused_where_none_can_give_way() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    begun = asyncio.Event()
    async with served(never, bounds=Bounds(connections=1)) as server, server.connected() as first:
        first.say(GET)
        await begun.wait()
        async with server.connected() as second:
            said = await second.rest()
    assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in said
    assert said.endswith(b"\r\n\r\ntoo many connections (--web.max-connections)\n")


# TLS.


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.made(tmp_path)


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x02\x00"])
async def test_a_client_that_does_not_shake_hands_is_dropped_in_time(
    certificates: Certificates, hello: bytes
) -> None:
    bounds = Bounds(handshake_seconds=SOON)
    async with (
        served(access=Access(certificates.config()), bounds=bounds) as server,
        server.connected() as client,
    ):
        client.say(hello)
        assert await client.is_closed_within(SOON + 2)


async def test_a_client_that_shakes_hands_and_dribbles_is_dropped_in_time(
    certificates: Certificates,
) -> None:
    access = Access(certificates.config())
    async with (
        served(access=access, bounds=Bounds(head_seconds=SOON)) as server,
        server.connected(certificates.client_context()) as client,
    ):
        assert await dribble(client, b"GET /" + b"a" * 1000) < SOON + 2


async def test_handshakes_count_as_connections_and_give_way(certificates: Certificates) -> None:
    access = Access(certificates.config())
    tls = certificates.client_context()
    async with served(access=access, bounds=Bounds(connections=1)) as server:
        async with server.connected() as silent:
            assert not await silent.is_closed_within(1.1)  # PATIENCE_SECONDS
            async with server.connected(tls) as client:
                client.say(GET)
                assert (await client.answer())[0] == 200
                assert await silent.is_closed_within(2)
        async with server.connected(tls) as client:
            client.say(GET)
            assert (await client.answer())[0] == 200


async def test_it_ends_while_a_client_shakes_hands(certificates: Certificates) -> None:
    async with served(access=Access(certificates.config())) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x16")
    assert await Connection(reader, writer).is_closed_within(2)
    writer.close()


async def test_over_tls_requests_are_pipelined_and_big_answers_arrive(
    certificates: Certificates,
) -> None:
    async with (
        served(big, access=Access(certificates.config())) as server,
        server.connected(certificates.client_context()) as client,
    ):
        client.say(GET)
        assert len((await client.answer())[2]) == BIG_BYTES
        client.say(GET)
        assert (await client.answer())[0] == 200
