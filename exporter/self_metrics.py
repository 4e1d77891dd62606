"""What the exporter knows of itself: kept in prometheus_client's registry, shown by our own pages."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from exporter.exposition import Labels, Sample
from exporter.metrics.own import BUILD_INFO, RPC_DURATION, RPC_ERRORS
from exporter.metrics.rows import Family, MetricType
from libvirt_rpc.errors import CallTimeout, RemoteError
from libvirt_rpc.session import CallObservation
from libvirt_rpc.version import BUILD_DATE, __version__

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TYPES = {
    "counter": MetricType.COUNTER,
    "gauge": MetricType.GAUGE,
    "histogram": MetricType.HISTOGRAM,
    "info": MetricType.INFO,
}


class SelfMetrics:
    """The process's own figures and those of its calls to libvirt."""

    def __init__(self, labels: Labels = ()) -> None:
        """`labels` go onto every sample."""
        self.labels = labels
        registry = CollectorRegistry()
        self._registry = registry
        self._duration = Histogram(
            RPC_DURATION.name,
            RPC_DURATION.help,
            RPC_DURATION.labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            RPC_ERRORS.name, RPC_ERRORS.help, RPC_ERRORS.labels, registry=registry
        )
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    def observe(self, observation: CallObservation) -> None:
        """Takes note of how a call ended."""
        self._duration.labels(observation.procedure).observe(observation.seconds)
        if observation.error is not None:
            self._errors.labels(observation.procedure, _code(observation.error)).inc()

    def samples(self, *, of_process: bool = True) -> Iterable[Sample]:
        """Everything, as it is now; the process's own figures only where it lives on to be watched."""
        yield Sample(
            BUILD_INFO,
            1,
            (
                ("version", __version__),
                ("python_version", platform.python_version()),
                ("build_date", BUILD_DATE),
                *self.labels,
            ),
        )
        for registry in (self._registry, self._process) if of_process else (self._registry,):
            for metric in registry.collect():
                yield from _samples(metric, self.labels)


def _code(error: BaseException) -> str:
    """Libvirt's number of the error, or a word where the error is not the daemon's."""
    if isinstance(error, RemoteError):
        return str(error.code)
    return "timeout" if isinstance(error, CallTimeout) else "connection"


def _samples(metric: Metric, constant: Labels) -> Iterable[Sample]:
    kind = _TYPES.get(metric.type, MetricType.UNTYPED)
    ending = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}.get(kind, "")
    family = Family(f"{metric.name}{ending}", kind, _sentence(metric.documentation))
    for sample in metric.samples:
        if sample.name.endswith("_created"):
            continue
        suffix = sample.name.removeprefix(family.name)
        labels = (*sample.labels.items(), *constant)
        yield Sample(family, sample.value, labels, suffix=suffix)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
