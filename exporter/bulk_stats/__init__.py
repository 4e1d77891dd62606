"""Bulk statistics of all domains, pipelined, by a deadline, and past whatever hangs.

In: a hypervisor's connections, what to ask, a deadline. Out: `Collected`, on time, with what has come
and who is missing. A call that hangs is left behind (nothing can take it back from the daemon), counted
and bounded; docs/architecture.md tells the algorithm and the measured facts behind it.
"""

from exporter.bulk_stats.engine import BulkStats
from exporter.bulk_stats.requests import Collected

__all__ = ["BulkStats", "Collected"]
