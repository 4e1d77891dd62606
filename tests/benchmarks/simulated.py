"""Simulated hypervisors: a recorded one behind a TLS port and a unix socket, each connection by itself.

python -m tests.benchmarks.simulated TRACE FOLDER PORT SOCKET (the benchmark starts it).
"""

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path

from libvirt_rpc.trace.format import Trace, load_trace
from libvirt_rpc.trace.replay import Replayer, ReplayProtocol


class _ConfirmingProtocol(ReplayProtocol):
    """As a daemon behind TLS: one byte tells that the client's certificate is accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"\1")


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "cacert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "servercert.pem", folder / "serverkey.pem")
    return context


async def serve(trace: Trace, folder: Path, port: int, path: str) -> None:
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        tls = await loop.create_server(
            lambda: _ConfirmingProtocol(Replayer(trace)),
            "127.0.0.1",
            port,
            ssl=server_context(folder),
            backlog=512,
        )
        await stack.enter_async_context(tls)
        unix = await loop.create_unix_server(lambda: ReplayProtocol(Replayer(trace)), path)
        await stack.enter_async_context(unix)
        await loop.create_future()


if __name__ == "__main__":
    trace_file, certificates, tls_port, socket_path = sys.argv[1:]
    asyncio.run(serve(load_trace(trace_file), Path(certificates), int(tls_port), socket_path))
