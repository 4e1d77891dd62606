"""What platforms write into a domain's `<metadata>`, and which label it becomes. Data only.

A rule's path starts below `<metadata>`; with an empty namespace it is about libvirt's own elements and
starts below `<domain>`. The rules of one `name` fill the labels of `libvirt_domain_<name>_info`; of
several for one label, as for two versions of a namespace, the first that finds something counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NOVA_NAMESPACES = (
    "http://openstack.org/xmlns/libvirt/nova/1.1",
    "http://openstack.org/xmlns/libvirt/nova/1.0",
)
OVIRT_NAMESPACE = "http://ovirt.org/vm/1.0"
OPENNEBULA_NAMESPACE = "http://opennebula.org/xmlns/libvirt/1.0"
LIBOSINFO_NAMESPACE = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
CLOUDSTACK_NAMESPACE = "https://cloudstack.apache.org/instance"

OPENSTACK = "openstack"
OPENSTACK_ROOT = "openstack_root"
CREATION_TIME_PATH = "instance/creationTime"


@dataclass(frozen=True, slots=True)
class MetadataRule:
    """What stands at `path` in the elements of `namespace` is `label` of libvirt_domain_<name>_info."""

    name: str
    namespace: str
    path: str
    label: str


def _rules(
    name: str, namespaces: tuple[str, ...], paths: tuple[tuple[str, str], ...]
) -> tuple[MetadataRule, ...]:
    return tuple(
        MetadataRule(name, namespace, path, label)
        for label, path in paths
        for namespace in namespaces
    )


_NOVA = (
    *_rules(OPENSTACK, NOVA_NAMESPACES, (("instance_name", "instance/name"),)),
    # Nova gives its domains the instance's UUID, and writes it nowhere else.
    MetadataRule(OPENSTACK, "", "uuid", "instance_id"),
    *_rules(
        OPENSTACK,
        NOVA_NAMESPACES,
        (
            ("flavor", "instance/flavor/@name"),
            ("user_name", "instance/owner/user"),
            ("user_id", "instance/owner/user/@uuid"),
            ("project_name", "instance/owner/project"),
            ("project_id", "instance/owner/project/@uuid"),
        ),
    ),
    *_rules(
        OPENSTACK_ROOT,
        NOVA_NAMESPACES,
        (("type", "instance/root/@type"), ("root_id", "instance/root/@uuid")),
    ),
)

_OVIRT = _rules(
    "ovirt",
    (OVIRT_NAMESPACE,),
    (
        ("cluster_version", "vm/clusterVersion"),
        ("resume_behavior", "vm/resumeBehavior"),
        ("data_center_id", "vm/device/poolID"),
        ("storage_domain_id", "vm/device/domainID"),
    ),
)

# One tag stands alone, several stand within an element of their own.
_CLOUDSTACK = _rules(
    "cloudstack",
    (CLOUDSTACK_NAMESPACE,),
    (
        ("instance_name", "instance/displayname"),
        ("service_offering", "instance/serviceoffering"),
        ("template_name", "instance/templatename"),
        ("owner_domain", "instance/domain"),
        ("account_name", "instance/account"),
        ("host_tags", "instance/hosttag"),
        ("host_tags", "instance/hosttags/hosttag"),
    ),
)

_OPENNEBULA = _rules(
    "opennebula",
    (OPENNEBULA_NAMESPACE,),
    (
        ("instance_name", "vm/name"),
        ("user_name", "vm/uname"),
        ("user_id", "vm/uid"),
        ("group_name", "vm/gname"),
        ("group_id", "vm/gid"),
        ("system_datastore", "vm/system_datastore"),
        ("version", "vm/opennebula_version"),
    ),
)

_LIBOSINFO = _rules("libosinfo", (LIBOSINFO_NAMESPACE,), (("os_id", "libosinfo/os/@id"),))

PROFILES: Mapping[str, tuple[MetadataRule, ...]] = MappingProxyType(
    {
        "nova": _NOVA,
        "ovirt": _OVIRT,
        "cloudstack": _CLOUDSTACK,
        "opennebula": _OPENNEBULA,
        "libosinfo": _LIBOSINFO,
    }
)
"""Rules by the platform's name, as the configuration has it."""
