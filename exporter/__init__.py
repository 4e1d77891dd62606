"""A Prometheus exporter for libvirt, on top of `libvirt_rpc`."""

from libvirt_rpc.version import __version__

__all__ = ["__version__"]
