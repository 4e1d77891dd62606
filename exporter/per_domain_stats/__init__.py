"""The same statistics as `exporter.bulk_stats` gives, for daemons that have no bulk call.

In: a hypervisor's connections, what to ask, a deadline. Out: `Collected` with records of the same fields,
put together from the calls about one domain that the driver has. What it refuses for good is not asked
again on this connection; a call that hangs is left behind, counted and bounded.
"""

from exporter.per_domain_stats.engine import PerDomainStats

__all__ = ["PerDomainStats"]
