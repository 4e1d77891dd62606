"""The web server within the test: on a free port of loopback, until the context ends; and raw clients."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from exporter.application import Application
from exporter.config import ListenAddress
from exporter.web import Access, Bounds, listen, make_app, serve
from tests.support.certificates import Authority, Pair
from tests.support.exporting import configured

NOBODY_THERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
PATIENCE = 20.0


@dataclass
class Connection:
    """A client that says what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, text: bytes) -> None:
        self.writer.write(text)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status, *lines = head.decode().split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip()
                for name, _, value in (one.partition(":") for one in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(status.split()[1]), headers, body

    async def rest(self) -> bytes:
        """What comes until the server closes, or resets, the connection."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while some := await self.reader.read(1 << 16):
                    received += some
        return bytes(received)

    async def is_closed_within(self, seconds: float) -> bool:
        """Whether the server ends it so soon; nothing else is expected to come."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    scheme: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    @contextlib.asynccontextmanager
    async def connected(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
        name = None if tls is None else "localhost"
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=name
        )
        try:
            yield Connection(reader, writer)
        finally:
            writer.transport.abort()

    async def get(
        self,
        path: str = "/-/healthy",
        *,
        tls: ssl.SSLContext | None = None,
        auth: tuple[str, str] | None = None,
        method: str = "GET",
    ) -> httpx.Response:
        async with httpx.AsyncClient(verify=tls or False, timeout=PATIENCE) as client:
            return await client.request(method, f"{self.url}{path}", auth=auth)


@contextlib.asynccontextmanager
async def served(
    app: ASGIApp | None = None,
    *,
    access: Access | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008  # frozen
) -> AsyncIterator[Served]:
    """Serves an exporter that has no hypervisor to connect to, or another application."""
    access = access or Access.of_everyone()
    app = app or make_app(Application(configured(NOBODY_THERE)), access)
    with listen(ListenAddress("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        serving = asyncio.create_task(
            serve(app, [sock], lambda: None, access=access, bounds=bounds)
        )
        try:
            await _until_it_serves(serving, port)
            yield Served(port, "https" if access.has_tls else "http")
        finally:
            if not serving.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await serving
            access.close()


async def _until_it_serves(serving: asyncio.Task[None], port: int) -> None:
    """Until a whole request is answered, of whatever kind; its signal handlers are there by then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\r\n\r\n\r\n")  # is no request, nor a handshake
    answered = asyncio.ensure_future(reader.read())
    await asyncio.wait([serving, answered], return_when=asyncio.FIRST_COMPLETED)
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await answered


@dataclass(frozen=True)
class Certificates:
    """A folder with a server's certificate, its key and the authority of its clients."""

    folder: Path
    authority: Authority

    @classmethod
    def made(cls, folder: Path) -> Certificates:
        certificates = cls(folder, Authority.new())
        (folder / "ca.pem").write_bytes(certificates.authority.pem)
        certificates.renew()
        return certificates

    def renew(self, *, common_name: str = "server") -> Pair:
        """Puts a new certificate in the place of the old one."""
        pair = self.authority.issue(common_name, "localhost", "127.0.0.1")
        (self.folder / "server.crt").write_bytes(pair.pem)
        (self.folder / "server.key").write_bytes(pair.key_pem())
        return pair

    def config(self, text: str = "") -> Path:
        """A web configuration with TLS; `text` goes on with its tls_server_config."""
        file = self.folder / "web.yml"
        file.write_text(
            f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{text}"
        )
        return file

    def client_context(self, own: Pair | None = None) -> ssl.SSLContext:
        """What a client shakes hands with that trusts the server's authority."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        if own is not None:
            file = self.folder / f"{own.certificate.serial_number}.pem"
            file.write_bytes(own.key_pem() + own.pem)
            context.load_cert_chain(file)
        return context
