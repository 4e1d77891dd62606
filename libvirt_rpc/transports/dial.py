"""From a URI to an open transport: the one place that chooses between unix, TLS, TCP and ssh."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.transports.socket_paths import socket_paths
from libvirt_rpc.transports.unix import connect_unix
from libvirt_rpc.uri import ConnectionURI, Transport

P = TypeVar("P", bound=asyncio.Protocol)


async def dial(
    uri: ConnectionURI, factory: Callable[[], P], *, read_only: bool, deadline: Deadline
) -> P:
    """Opens the transport that `uri` names and gives the protocol on it. Raises ConnectFailed."""
    if uri.transport is Transport.UNIX:
        paths = socket_paths(uri, read_only=read_only, uid=os.geteuid(), environ=os.environ)
        return await connect_unix(uri.redacted, paths, factory, deadline)
    raise InvalidURI(uri.redacted, f"the transport {uri.transport} is not supported yet")
