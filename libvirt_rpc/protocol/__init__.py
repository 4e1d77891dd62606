"""Bytes to values and back, with no socket, clock or event loop in it (sans-IO)."""
