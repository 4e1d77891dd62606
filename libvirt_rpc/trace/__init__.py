"""Record and replay at the level of frames: above TLS, SASL and ssh, so always plain."""
