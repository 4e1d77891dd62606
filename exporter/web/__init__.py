"""The HTTP side: pages, who may read them, and the server that bounds what a client may take.

`make_app` makes the ASGI application of a `Site`, `listening` the sockets, `Access` is the web configuration
file at work, and `serve` puts them together. Import from here; the modules below are its parts.
"""

from exporter.web.access import Access
from exporter.web.app import TIMEOUT_HEADER, make_app
from exporter.web.listening import Listener, listen, listening
from exporter.web.negotiation import negotiate
from exporter.web.protocol import Bounds
from exporter.web.server import serve
from exporter.web.site import Site

__all__ = [
    "TIMEOUT_HEADER",
    "Access",
    "Bounds",
    "Listener",
    "Site",
    "listen",
    "listening",
    "make_app",
    "negotiate",
    "serve",
]
