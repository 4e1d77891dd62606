"""How each command of the documents is held: run here, run by another test, or why it cannot be run.

Commands stand as a reader would type them, without their comments. Data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["COMMANDS", "How", "Makes", "Needs", "Run", "Serves", "TestedBy"]


@dataclass(frozen=True, slots=True)
class Run:
    """Run as it stands by a shell, in a folder with a recorded `host.jsonl.gz`; `says` is in its output."""

    says: str


@dataclass(frozen=True, slots=True)
class Makes:
    """Run as it stands in a copy of the repository; what it makes there, under `paths`, is what is here."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Serves:
    """Run as it stands, on a free port of loopback, until its pages were read; then ended by a signal."""

    has: str
    """A line of the metrics page begins so."""


@dataclass(frozen=True, slots=True)
class TestedBy:
    """`path` is what runs it; `test` a function there."""

    path: str
    test: str = ""

    __test__ = False  # it is no test itself


@dataclass(frozen=True, slots=True)
class Needs:
    """What it would take, that no test has or should touch."""

    what: str


How = Run | Makes | Serves | TestedBy | Needs

PACKAGES = "tests/deploy/test_packages.py"
SERVICE = "tests/deploy/test_service.py"
CLI = "tests/exporter/test_cli.py"
CLI_REAL = "tests/integration/test_cli_real.py"
RECORDED = "libvirt_domain_state{"

_COMMANDS: dict[str, How] = {
    # README.md
    "python3 -m venv .venv && .venv/bin/pip install --quiet . && .venv/bin/libvirt-exporter demo": TestedBy(
        ".ci/run"
    ),
    "python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[test]' && .venv/bin/pytest": TestedBy(
        ".ci/run"
    ),
    "libvirt-exporter check": TestedBy(CLI_REAL, "test_check_finds_all_in_order"),
    "libvirt-exporter": Serves("libvirt_exporter_connected 0"),
    # docs/install.md
    "apt install ./libvirt-exporter_0.1.0-1_all.deb": TestedBy(
        PACKAGES, "test_the_debian_package_checks_serves_the_demo_and_leaves_nothing_when_purged"
    ),
    "./libvirt-exporter.pyz check": TestedBy(
        PACKAGES, "test_the_zipapp_runs_the_demo_with_nothing_but_python"
    ),
    "./libvirt-exporter.pyz demo": TestedBy(
        PACKAGES, "test_the_zipapp_runs_the_demo_with_nothing_but_python"
    ),
    "python3 -m venv /opt/libvirt-exporter": TestedBy(
        PACKAGES, "test_the_wheel_runs_the_demo_in_an_empty_environment"
    ),
    "/opt/libvirt-exporter/bin/pip install libvirt_exporter-0.1.0-py3-none-any.whl": TestedBy(
        PACKAGES, "test_the_wheel_runs_the_demo_in_an_empty_environment"
    ),
    "echo LIBVIRT_EXPORTER_WEB_SYSTEMD_SOCKET=true >>/etc/default/libvirt-exporter": TestedBy(
        SERVICE, "test_the_first_request_to_the_socket_starts_the_service"
    ),
    "systemctl disable --now libvirt-exporter.service": TestedBy(
        SERVICE, "test_the_first_request_to_the_socket_starts_the_service"
    ),
    "systemctl enable --now libvirt-exporter.socket": TestedBy(
        SERVICE, "test_the_first_request_to_the_socket_starts_the_service"
    ),
    "podman build --file deploy/container/Containerfile --tag libvirt-exporter:0.1.0 .": Needs(
        "podman or docker; tests/deploy/test_container.py builds the file with buildah"
    ),
    (
        "podman run --read-only --volume /run/libvirt:/run/libvirt:ro --publish 9177:9177 --pid host "
        "libvirt-exporter:0.1.0"
    ): Needs("podman or docker; tests/deploy/test_container.py runs the image as nobody"),
    "kubectl apply --filename deploy/kubernetes/daemonset.yaml": Needs("a cluster"),
    "kubectl apply --filename deploy/kubernetes/podmonitor.yaml": Needs(
        "a cluster with the Prometheus operator"
    ),
    # docs/remote.md
    "libvirt-exporter --libvirt.uri=qemu+tls://hv1.example.com/system check": TestedBy(
        "tests/integration/test_tls.py", "test_a_good_certificate_lets_us_in"
    ),
    # docs/operations.md
    "libvirt-exporter --config.file=/etc/libvirt-exporter.yml --config.check": TestedBy(
        CLI, "test_a_configuration_is_checked_and_nothing_is_opened"
    ),
    "systemctl reload libvirt-exporter": TestedBy(
        SERVICE, "test_the_service_is_ready_confined_watched_and_ends_well"
    ),
    "libvirt-exporter --version": Run("libvirt-exporter, version "),
    "libvirt-exporter scrape /var/lib/prometheus/node-exporter/libvirt.prom": TestedBy(
        CLI, "test_scrape_replaces_a_file_as_a_whole_for_all_to_read"
    ),
    # docs/traces.md
    "libvirt-exporter record --scrapes 10 --interval 15s host.jsonl.gz": TestedBy(
        CLI_REAL, "test_a_recording_of_a_real_daemon_replays"
    ),
    (
        "libvirt-exporter --libvirt.uri=qemu+tls://hv1.example.com/system record --scrapes 2 hv1.jsonl.gz"
    ): TestedBy(CLI_REAL, "test_a_recording_of_a_real_daemon_replays"),
    "libvirt-exporter replay host.jsonl.gz": Serves(RECORDED),
    "gzip -dc host.jsonl.gz | head -1": Run('"format":"libvirt-rpc-trace"'),
    # docs/alerts.md
    (
        'amtool silence add alertname=VMDown domain=web --duration=2h --comment="moved by hand"'
    ): Needs("an Alertmanager"),
    # CONTRIBUTING.md
    ".venv/bin/libvirt-exporter demo": Serves("libvirt_domain_uptime_seconds{"),
    "pip install pre-commit && pre-commit install": Needs(
        "pre-commit; its hooks are the linters of .ci/run"
    ),
    ".venv/bin/pytest": TestedBy(".ci/run"),
    '.venv/bin/pytest -m "not integration"': TestedBy(".ci/run"),
    ".venv/bin/pytest tests/exporter/test_mapping.py": TestedBy("tests/exporter/test_mapping.py"),
    ".ci/install-real-parts": TestedBy(".ci/run"),
    ".ci/run": TestedBy(".ci/run"),
    ".venv/bin/python -m tests.benchmarks": TestedBy("tests/benchmarks/test_own_cost.py"),
    ".venv/bin/python -m tests.benchmarks.latency": Needs(
        "root, libvirtd, QEMU, 5 GB and a minute"
    ),
    ".venv/bin/python -m tests.benchmarks.hung_domains": Needs(
        "root, libvirtd, QEMU, 5 GB and minutes"
    ),
    ".venv/bin/python -m tests.benchmarks.everything": Needs(
        "root, libvirtd, QEMU, 3 GB and minutes"
    ),
    ".venv/bin/python -m tests.benchmarks.many_hypervisors": Needs(
        "two idle processors for minutes"
    ),
    ".venv/bin/python -m tests.docs.beside_debian": Needs(
        "root, libvirtd, QEMU, Debian's exporter, 5 GB and minutes"
    ),
    "libvirt-exporter record --scrapes 3 --interval 15s host.jsonl.gz": TestedBy(
        CLI_REAL, "test_a_recording_of_a_real_daemon_replays"
    ),
    ".venv/bin/python -m tests.support.golden": Makes(("fixtures/expected",)),
    ".ci/generate": Makes(
        ("docs/configuration.md", "docs/metrics.md", "deploy/man", "deploy/completions")
    ),
    "python -m deploy.grafana": Makes(("deploy/grafana/dashboards",)),
    ".ci/pin-vendored": Needs(
        "a package index; tests/deploy/test_packages.py holds what it writes"
    ),
    (
        ".venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports"
    ): TestedBy(".ci/run"),
    # fixtures/README.md
    "tests/support/chroot_forky.sh /tmp/forky": Needs("root, and a package index"),
    ".venv/bin/python -m tests.support.record_fleet --daemon 9.0 --kvm": Needs("root, KVM"),
    ".venv/bin/python -m tests.support.record_fleet --daemon 12.8 --forky /tmp/forky --kvm": Needs(
        "root, KVM, a chroot"
    ),
    (
        "libvirt-exporter --libvirt.uri=URI record --scrapes 3 --interval 3s "
        "fixtures/traces/VERSION/fleet.jsonl.gz"
    ): Needs("the daemon of the line before"),
    (
        "libvirt-exporter --libvirt.uri=URI record --scrapes 2 --interval 2s "
        "fixtures/traces/9.0.0/containers.jsonl.gz"
    ): Needs("root, and a private libvirtd with containers"),
    (
        "libvirt-exporter --libvirt.uri=URI --collector.domain.perf --collector.domain.iothread "
        "--collector.domain.memory-bandwidth --collector.domain.dirtyrate --collector.domain.vm "
        "--collector.domain.vcpu-stats --collector.disk.limits --collector.domain.limits "
        "--collector.domain.vcpu-placement --collector.domain.messages --collector.disk.errors "
        "--collector.storage.volumes "
        "record --scrapes 2 --interval 3s fixtures/traces/VERSION/fleet-everything.jsonl.gz"
    ): Needs("the same daemon"),
    (
        "libvirt-exporter --libvirt.uri=URI --collector.jobs-interval=10s "
        "record --scrapes 40 --interval 15s exporter/demo.jsonl.gz"
    ): Needs("the same daemon, for ten minutes"),
    (
        "libvirt-exporter --libvirt.uri=URI --collector.jobs-interval=2s "
        "record --scrapes 10 --interval 3s fixtures/traces/VERSION/life.jsonl.gz"
    ): Needs("the same daemon, where things happen to domains"),
}

COMMANDS: Mapping[str, How] = MappingProxyType(_COMMANDS)
