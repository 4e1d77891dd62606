"""deploy/kubernetes against the schemas of Kubernetes and of the Prometheus operator, and against the program."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from exporter.config import SETTINGS
from tests.deploy.conftest import REPOSITORY

FOLDER = REPOSITORY / "deploy/kubernetes"
CONTAINERFILE = REPOSITORY / "deploy/container/Containerfile"
OLDEST, NEWEST = "1.25.0", "1.34.0"
MONITORS = {"servicemonitor": "ServiceMonitor", "podmonitor": "PodMonitor"}


def manifest(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


@pytest.mark.integration
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ["daemonset", "service"])
def test_kubernetes_accepts_the_manifest(
    name: str, version: str, linters: Path, tmp_path: Path
) -> None:
    validate: list[str | Path] = [linters / "kubernetes-validate", "--strict", "-k", version]
    done = subprocess.run(
        [*validate, FOLDER / f"{name}.yaml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({**manifest(name), "specs": {}}))
    assert subprocess.run([*validate, wrong], check=False, capture_output=True).returncode == 1


@pytest.mark.integration
@pytest.mark.parametrize("name", MONITORS)
def test_the_prometheus_operator_accepts_the_manifest(name: str, linters: Path) -> None:
    document = manifest(name)
    # What the schema does not know is left out, and what has a wrong type is refused.
    assert _read(MONITORS[name], document, linters) == document
    wrong = copy.deepcopy(document)
    endpoints = wrong["spec"].get("endpoints") or wrong["spec"]["podMetricsEndpoints"]
    endpoints[0]["interval"] = "30 s"
    assert "interval" in _read(MONITORS[name], wrong, linters)


_READ = """
import json, sys
from cloudcoil.models.prometheus_operator import v1
try:
    read = getattr(v1, sys.argv[1]).model_validate(json.load(sys.stdin))
    print(json.dumps(read.model_dump(mode="json", by_alias=True, exclude_unset=True)))
except ValueError as exc:
    print(json.dumps(str(exc)))
"""


def _read(kind: str, document: Any, linters: Path) -> Any:
    """What the operator's schema reads of a document, or its complaint."""
    done = subprocess.run(
        [linters / "python", "-c", _READ, kind],
        check=True,
        capture_output=True,
        text=True,
        input=json.dumps(document),
    )
    return json.loads(done.stdout)


def test_the_manifests_find_each_other() -> None:
    daemonset, service = manifest("daemonset"), manifest("service")
    pods = daemonset["spec"]["template"]["metadata"]["labels"]
    assert daemonset["spec"]["selector"]["matchLabels"].items() <= pods.items()
    assert service["spec"]["selector"].items() <= pods.items()
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    by_service, by_pod = manifest("servicemonitor")["spec"], manifest("podmonitor")["spec"]
    assert by_service["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert by_service["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert by_pod["selector"]["matchLabels"].items() <= pods.items()
    assert by_pod["podMetricsEndpoints"][0]["port"] == port["name"]


def test_the_daemonset_runs_the_container_of_this_release_confined() -> None:
    pod = manifest("daemonset")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"libvirt-exporter:{__version__}"
    assert container["ports"][0]["containerPort"] == 9177
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{pod['securityContext']['runAsGroup']}\n" in CONTAINERFILE.read_text()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {one["name"] for one in container["env"]} <= {one.environment for one in SETTINGS}


def test_the_daemonset_mounts_the_socket_s_folder_read_only() -> None:
    pod = manifest("daemonset")["spec"]["template"]["spec"]
    (volume,), (mount,) = pod["volumes"], pod["containers"][0]["volumeMounts"]
    assert volume["hostPath"] == {"path": "/run/libvirt", "type": "Directory"}
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/run/libvirt")
    assert mount["readOnly"] is True
