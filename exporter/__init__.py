"""A Prometheus exporter for libvirt, on top of `libvirt_rpc`."""

from importlib import metadata

__all__ = ["__version__"]

try:
    __version__ = metadata.version("libvirt-exporter")
except metadata.PackageNotFoundError:  # run from a source tree or a zipapp
    __version__ = "0.0.0"
