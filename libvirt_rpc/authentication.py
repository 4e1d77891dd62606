"""Lets the connection in: asks what the daemon wants and does it. Source: remote_protocol.x, AUTH_*.

AUTH_LIST must come first even where no authentication is needed: a daemon grants it in there.
"""

from __future__ import annotations

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import AuthType
from libvirt_rpc.errors import AuthenticationFailed
from libvirt_rpc.protocol.procedures import AUTH_LIST
from libvirt_rpc.session import Session


async def authenticate(session: Session, *, deadline: Deadline) -> None:
    """Raises AuthenticationFailed, which names what the daemon asked for, where it is not `none`."""
    reply = await session.call(AUTH_LIST, None, deadline=deadline)
    offered = tuple(AuthType(number) for number in reply.types)
    if offered and AuthType.NONE not in offered:
        names = tuple(kind.label for kind in offered)
        raise AuthenticationFailed(
            f"the daemon asks for {' or '.join(names)}, which this client does not do; "
            "use its read-only socket, or let it take clients of this socket without "
            "(auth_unix_ro, auth_unix_rw in libvirtd.conf)",
            offered=names,
        )
    session.client.authenticated()
