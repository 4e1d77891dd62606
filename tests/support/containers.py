"""Real containers on a private libvirtd's LXC driver: each runs `sleep` and nothing else.

`containers` gives a daemon that can run them, or says why none can here. `python -m tests.support.containers`
keeps two for whoever records a trace, prints the daemon's URI and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.support import real_parts
from tests.support.libvirtd import COMMAND_TIMEOUT, PrivateLibvirtd, VirshFailed, missing_part

CGROUPS = Path("/sys/fs/cgroup")


class ContainerHost:
    """A private libvirtd, seen through its LXC driver."""

    def __init__(self, daemon: PrivateLibvirtd) -> None:
        self.daemon = daemon
        self.uri = f"lxc+unix:///system?socket={daemon.socket}"

    def virsh(self, *arguments: str) -> str:
        return self.daemon.virsh("--connect", self.uri, *arguments, timeout=COMMAND_TIMEOUT)

    def define(self, name: str, *, memory_kib: int = 65_536, vcpus: int = 2) -> None:
        """Defines a container that has one interface and sees this machine's files."""
        root = ET.Element("domain", type="lxc")
        ET.SubElement(root, "name").text = name
        ET.SubElement(root, "memory", unit="KiB").text = str(memory_kib)
        ET.SubElement(root, "vcpu").text = str(vcpus)
        system = ET.SubElement(root, "os")
        ET.SubElement(system, "type").text = "exe"
        ET.SubElement(system, "init").text = "/bin/sleep"
        ET.SubElement(system, "initarg").text = "infinity"
        devices = ET.SubElement(root, "devices")
        ET.SubElement(devices, "interface", type="ethernet")
        ET.SubElement(devices, "console", type="pty")
        path = self.daemon.images / f"{name}.xml"
        path.write_bytes(ET.tostring(root))
        self.virsh("define", str(path))


@contextlib.contextmanager
def containers() -> Iterator[ContainerHost]:
    """A host of containers; they are destroyed in the end, so that no control group of theirs stays."""
    reason = missing_part()
    if reason is not None:
        real_parts.lacks(reason)
    with PrivateLibvirtd() as daemon:
        host = ContainerHost(daemon)
        try:
            host.virsh("uri")
        except VirshFailed as exc:
            real_parts.lacks(f"no LXC driver: {exc}")
        if (CGROUPS / "unified").is_mount():
            # Beside control groups of version 1, libvirt cannot give a container this one.
            leave = ["nsenter", "--mount", "--target", str(daemon.pid)]
            subprocess.run([*leave, "umount", str(CGROUPS / "unified")], check=True, timeout=10)
        try:
            yield host
        finally:
            for name in host.virsh("list", "--name").split():
                host.virsh("destroy", name)
            for group in (*CGROUPS.glob("*/machine"), *CGROUPS.glob("machine")):
                with contextlib.suppress(OSError):  # an empty one can be removed, and no other
                    group.rmdir()


def start(host: ContainerHost, name: str) -> None:
    """Starts a container, or ends the test where this machine lets none run."""
    try:
        host.virsh("start", name)
    except VirshFailed as exc:
        real_parts.forbids(f"no container can run here: {exc}")


def main() -> None:
    with containers() as host:
        host.define("box")
        host.define("idle", memory_kib=32_768, vcpus=1)
        start(host, "box")
        print(host.uri, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
