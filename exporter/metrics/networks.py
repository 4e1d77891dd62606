"""Metrics of virtual networks and their DHCP leases. Data only."""

from exporter.metrics.rows import GAUGE, INFO, Family

NETWORK_LABELS = ("network", "uuid")

NETWORK_ACTIVE = Family(
    "libvirt_network_active",
    GAUGE,
    "Whether the network is started: 1 it is, 0 not.",
    NETWORK_LABELS,
)

NETWORK_AUTOSTART = Family(
    "libvirt_network_autostart",
    GAUGE,
    "Whether the network starts with the host: 1 it does, 0 not.",
    NETWORK_LABELS,
)

NETWORK_PERSISTENT = Family(
    "libvirt_network_persistent",
    GAUGE,
    "Whether the network stays defined when it stops: 1 it does, 0 not.",
    NETWORK_LABELS,
)

NETWORK_INFO = Family(
    "libvirt_network_info",
    INFO,
    "How the network is connected, always 1.",
    (*NETWORK_LABELS, "bridge", "forward", "domain_name"),
)

NETWORK_PORTS = Family(
    "libvirt_network_ports",
    GAUGE,
    "Interfaces of domains that are plugged into an active network.",
    NETWORK_LABELS,
)

DHCP_LEASES = Family(
    "libvirt_network_dhcp_leases",
    GAUGE,
    "DHCP leases of an active network that hold.",
    NETWORK_LABELS,
)

FAMILIES: tuple[Family, ...] = (
    NETWORK_ACTIVE,
    NETWORK_AUTOSTART,
    NETWORK_PERSISTENT,
    NETWORK_INFO,
    NETWORK_PORTS,
)

LEASE_FAMILIES: tuple[Family, ...] = (DHCP_LEASES,)
