"""An example of plugins for libvirt-exporter."""
