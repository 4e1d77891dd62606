"""A client of libvirt's remote protocol in pure Python. It reads; it never changes anything."""

from libvirt_rpc.connection import Connection, connect
from libvirt_rpc.credentials import Credentials
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.protocol.domain_stats import DomainStats, Layout
from libvirt_rpc.protocol.types import Domain
from libvirt_rpc.session import Keepalive
from libvirt_rpc.version import __version__

__all__ = [
    "Connection",
    "Credentials",
    "Deadline",
    "Domain",
    "DomainStats",
    "Keepalive",
    "Layout",
    "__version__",
    "connect",
]
