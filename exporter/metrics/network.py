"""Rows of the group net.*: counters of each interface, seen from the guest. Data only."""

from exporter.metrics.rows import COUNTER, Group, Stat
from libvirt_rpc.enums import DomainStatsTypes

GROUPS: tuple[Group, ...] = (
    Group(
        "network.stats",
        DomainStatsTypes.INTERFACE,
        (
            Stat(
                "net.<interface>.rx.bytes",
                "libvirt_domain_network_receive_bytes_total",
                COUNTER,
                "Bytes that the guest received on the interface.",
            ),
            Stat(
                "net.<interface>.rx.pkts",
                "libvirt_domain_network_receive_packets_total",
                COUNTER,
                "Packets that the guest received on the interface.",
            ),
            Stat(
                "net.<interface>.rx.errs",
                "libvirt_domain_network_receive_errors_total",
                COUNTER,
                "Errors while the guest received on the interface.",
            ),
            Stat(
                "net.<interface>.rx.drop",
                "libvirt_domain_network_receive_drops_total",
                COUNTER,
                "Packets towards the guest that were dropped on the interface.",
            ),
            Stat(
                "net.<interface>.tx.bytes",
                "libvirt_domain_network_transmit_bytes_total",
                COUNTER,
                "Bytes that the guest sent on the interface.",
            ),
            Stat(
                "net.<interface>.tx.pkts",
                "libvirt_domain_network_transmit_packets_total",
                COUNTER,
                "Packets that the guest sent on the interface.",
            ),
            Stat(
                "net.<interface>.tx.errs",
                "libvirt_domain_network_transmit_errors_total",
                COUNTER,
                "Errors while the guest sent on the interface.",
            ),
            Stat(
                "net.<interface>.tx.drop",
                "libvirt_domain_network_transmit_drops_total",
                COUNTER,
                "Packets from the guest that were dropped on the interface.",
            ),
        ),
    ),
)
