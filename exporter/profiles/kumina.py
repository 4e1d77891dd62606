"""The names of kumina/libvirt_exporter 0.2.0, which Debian and Ubuntu package. Data only.

As with its flag `--libvirt.export-nova-metadata`: without it, it leaves out `name`, `flavor` and
`project_name`, which are empty for a domain that is no OpenStack instance.
"""

from __future__ import annotations

from exporter.metrics.rows import GAUGE
from exporter.profiles.lineage import Labels, disk_rows, domain_rows, interface_rows, up_row
from exporter.profiles.rows import Need, Only, Own, Profile, Row
from exporter.profiles.sources import ACTIVE, BRIDGE, DISK_FILE, IS_DISK, openstack

__all__ = ["KUMINA"]

_DOMAIN: Labels = (
    ("domain", Own("domain")),
    ("uuid", Own("uuid")),
    ("name", openstack("instance_name")),
    ("flavor", openstack("flavor")),
    ("project_name", openstack("project_name")),
)
_DISK: Labels = (*_DOMAIN, ("source_file", DISK_FILE), ("target_device", Own("disk")))
_INTERFACE: Labels = (*_DOMAIN, ("source_bridge", BRIDGE), ("target_device", Own("interface")))

KUMINA = Profile(
    "kumina",
    (
        up_row(),
        Row(
            "libvirt_domains_number",
            GAUGE,
            "Domains that are not shut off.",
            "libvirt_domains",
            only=(Only(Own("state"), frozenset({"shutoff"}), but=True),),
            is_sum=True,
        ),
        Row(
            "libvirt_domain_state_code",
            GAUGE,
            "State of the domain by libvirt's number.",
            "libvirt_domain_state",
            _DOMAIN,
            only=(ACTIVE,),
        ),
        *domain_rows(_DOMAIN, (ACTIVE,)),
        *disk_rows(_DISK, (ACTIVE, IS_DISK), time="seconds"),
        *interface_rows(_INTERFACE, (ACTIVE,)),
    ),
    (
        Need("domain.info", "source_file, source_bridge and the labels of OpenStack"),
        Need("network.networks", "source_bridge of interfaces on virtual networks"),
    ),
)
