"""From a URI to an open transport: the one place that chooses between unix, TLS, TCP and ssh."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable

from libvirt_rpc import libvirt_conf
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.session import Session
from libvirt_rpc.transports.socket_paths import socket_paths
from libvirt_rpc.transports.ssh import connect_ssh
from libvirt_rpc.transports.tcp import connect_tcp
from libvirt_rpc.transports.tls import connect_tls
from libvirt_rpc.transports.unix import connect_unix
from libvirt_rpc.uri import ConnectionURI, Transport

logger = logging.getLogger(__name__)


async def dial(
    uri: ConnectionURI,
    factory: Callable[[], Session],
    *,
    read_only: bool,
    deadline: Deadline,
) -> Session:
    """Opens the transport that `uri` names and gives the session on it; libvirt.conf has its say.

    Raises InvalidURI, InvalidLibvirtConf, ConnectFailed or AuthenticationFailed. A session over TCP or
    ssh may still fail with ConnectFailed until the daemon's first byte.
    """
    conf = libvirt_conf.load(os.environ)
    warn = functools.partial(_warn_once, uri.redacted)
    for parameter in uri.suspicious:
        warn(f"the URI's parameter {parameter} is unknown here and goes to the daemon")
    match uri.transport:
        case Transport.UNIX:
            paths = socket_paths(
                uri,
                read_only=read_only,
                uid=os.geteuid(),
                environ=os.environ,
                default_mode=conf.remote_mode,
            )
            return await connect_unix(uri.redacted, paths, factory, deadline)
        case Transport.TCP:
            return await connect_tcp(uri, factory, deadline)
        case Transport.TLS:
            return await connect_tls(uri, factory, deadline, priority=conf.tls_priority, warn=warn)
        case Transport.SSH:
            if uri.parameters.no_verify:
                # ssh takes even a key that has changed, where the user's own key is what lets them in.
                warn("no_verify=1: anybody on the way can pass for this host")
            return await connect_ssh(
                uri, factory, deadline, read_only=read_only, proxy=conf.remote_proxy
            )


@functools.lru_cache(maxsize=1024)
def _warn_once(target: str, text: str) -> None:
    """Each reconnect comes by here; the log has it once."""
    logger.warning("%s: %s", target, text)
