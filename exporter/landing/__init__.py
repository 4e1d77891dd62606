"""The landing page: what the hypervisors do, for a person who looks.

`PageHistory` keeps what was last scraped, `take_snapshot` makes plain values of it, `render_page` makes
HTML of those. Import from here; the modules below are its parts.
"""

from exporter.landing.history import PageHistory
from exporter.landing.order import Order, parse_order
from exporter.landing.snapshot import Snapshot
from exporter.landing.survey import take_snapshot
from exporter.landing.view import CONTENT_SECURITY_POLICY, render_page

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "Order",
    "PageHistory",
    "Snapshot",
    "parse_order",
    "render_page",
    "take_snapshot",
]
