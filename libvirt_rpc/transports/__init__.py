"""The ways to a daemon: the only package that opens anything."""
