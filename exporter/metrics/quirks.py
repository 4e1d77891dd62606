"""Fields that some daemons report wrongly, and when. Data only."""

from exporter.metrics.rows import Quirk
from libvirt_rpc.enums import DomainState

QUIRKS: tuple[Quirk, ...] = (
    Quirk(
        prefix="cpu.",
        # The states without a process; a value is kept for every other one.
        states=frozenset({DomainState.NOSTATE, DomainState.SHUTOFF, DomainState.CRASHED}),
        reason=(
            "libvirtd since 8.8.0 (seen in 9.0.0 and 11.3.0, gone in 12.8.0) reports its own "
            "processor time for a domain that has no process."
        ),
        fixture="traces/9.0.0/fleet.jsonl.gz",
    ),
)
