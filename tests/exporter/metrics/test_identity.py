from __future__ import annotations

import pytest

from exporter.metrics import identity
from exporter.metrics.instances import DOMAIN_LABELS, INSTANCE_LABELS
from exporter.metrics.metadata_profiles import PROFILES
from exporter.metrics.rows import INFO, Family


def test_every_family_of_the_module_is_in_its_table() -> None:
    defined = [value for value in vars(identity).values() if isinstance(value, Family)]
    assert sorted(family.name for family in defined) == sorted(
        family.name for family in identity.FAMILIES
    )


# The specification's names and labels, behind those of the domain.
SPECIFIED = {
    "libvirt_domain_info": "os_type arch machine type title",
    "libvirt_domain_disk_info": "disk device bus type source format cache discard io serial",
    "libvirt_domain_interface_info": "interface type source mac model alias",
    "libvirt_domain_openstack_info": (
        "instance_name instance_id flavor user_name user_id project_name project_id"
    ),
}


def test_the_families_of_the_specification_have_its_labels() -> None:
    families = {family.name: family for family in identity.FAMILIES}
    for name, labels in SPECIFIED.items():
        own = families[name].labels
        assert own[len(set(own) & set(DOMAIN_LABELS)) :] == tuple(labels.split())
        assert families[name].type == INFO
    assert {
        "libvirt_domain_autostart",
        "libvirt_domain_persistent",
        "libvirt_domain_has_managed_save",
        "libvirt_domain_snapshots",
        "libvirt_domain_checkpoints",
    } <= families.keys()


@pytest.mark.parametrize("family", identity.FAMILIES, ids=lambda family: family.name)
def test_a_family_is_named_by_its_type_and_has_a_domains_labels(family: Family) -> None:
    is_info = family.type == INFO or family == identity.WATCHDOG_INFO
    assert is_info == family.name.endswith("_info")
    assert family.labels[:3] == DOMAIN_LABELS or family.labels[:2] == INSTANCE_LABELS
    assert len(set(family.labels)) == len(family.labels)


def test_every_set_of_a_profile_has_a_family_of_just_its_labels() -> None:
    found: dict[str, dict[str, None]] = {}
    for rules in PROFILES.values():
        for rule in rules:
            found.setdefault(rule.name, {})[rule.label] = None
    assert {name: (*DOMAIN_LABELS, *labels) for name, labels in found.items()} == {
        name: family.labels for name, family in identity.LABEL_SETS.items()
    }
    assert all(
        family.name == f"libvirt_domain_{name}_info" for name, family in identity.LABEL_SETS.items()
    )
