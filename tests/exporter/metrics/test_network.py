from __future__ import annotations

import pytest

from exporter.metrics.network import GROUPS
from exporter.metrics.rows import UNIT, Stat

FIELDS = {
    "rx.bytes": "receive_bytes",
    "rx.pkts": "receive_packets",
    "rx.errs": "receive_errors",
    "rx.drop": "receive_drops",
    "tx.bytes": "transmit_bytes",
    "tx.pkts": "transmit_packets",
    "tx.errs": "transmit_errors",
    "tx.drop": "transmit_drops",
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_becomes_its_metric_unscaled(field: str) -> None:
    rows = [row for group in GROUPS for row in group.rows if isinstance(row, Stat)]
    (row,) = (row for row in rows if row.field == f"net.<interface>.{field}")
    assert row.metric == f"libvirt_domain_network_{FIELDS[field]}_total"
    assert row.scale == UNIT
