"""Free ports of loopback."""

from __future__ import annotations

import socket


def free_port() -> int:
    """One that nothing listens on now; nothing keeps it free."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
