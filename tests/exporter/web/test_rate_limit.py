from __future__ import annotations

from exporter.web.rate_limit import RateLimit


def test_a_burst_is_allowed_at_once_then_one_an_interval() -> None:
    now = 100.0
    limit = RateLimit(2.0, 3, clock=lambda: now)
    assert [limit.allows() for _ in range(4)] == [True, True, True, False]
    now += 1.9
    assert not limit.allows()
    now += 0.2
    assert [limit.allows() for _ in range(2)] == [True, False]


def test_a_pause_earns_no_more_than_a_burst() -> None:
    now = 0.0
    limit = RateLimit(0.001, 2, clock=lambda: now)
    now += 1e6
    assert [limit.allows() for _ in range(3)] == [True, True, False]
