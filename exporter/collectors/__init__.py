"""One file a concern: each asks libvirt for something and puts it on the page."""
