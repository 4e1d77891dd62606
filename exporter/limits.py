"""The limits in libvirt's parameters, as samples: pure functions over the rows of exporter.metrics.limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from exporter.exposition import Labels, Sample
from exporter.metrics.limits import Limit
from exporter.metrics.rows import Scale
from libvirt_rpc.protocol.typed_params import TypedValue

__all__ = ["device_limit_samples", "limit_samples"]


def limit_samples(
    limits: Iterable[Limit], parameters: Mapping[str, TypedValue], labels: Labels
) -> Iterator[Sample]:
    """Those of the limits that are set."""
    for limit in limits:
        value = parameters.get(limit.parameter)
        if isinstance(value, str) or value is None or not _is_set(limit, value):
            continue
        yield Sample(limit.family, _scaled(value, limit.scale), (*labels, *limit.labels))


def device_limit_samples(
    limits: Iterable[Limit], parameters: Mapping[str, TypedValue], labels: Labels
) -> Iterator[Sample]:
    """As `limit_samples`, of parameters that are text: `/dev/sda,300,/dev/sdb,500`."""
    for limit in limits:
        text = parameters.get(limit.parameter)
        if not isinstance(text, str):
            continue
        words = text.split(",")
        by_device = dict(zip(words[::2], words[1::2], strict=False))
        for device, number in by_device.items():
            if device and number.isdecimal() and _is_set(limit, int(number)):
                yield Sample(
                    limit.family,
                    _scaled(int(number), limit.scale),
                    (*labels, ("device", device), *limit.labels),
                )


def _is_set(limit: Limit, value: float) -> bool:
    return value > 0 and (limit.unlimited is None or value < limit.unlimited)


def _scaled(value: float, scale: Scale) -> float:
    scaled = value * scale.multiplier
    return scaled / scale.divisor if scale.divisor > 1 else scaled
