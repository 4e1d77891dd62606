"""A tiny real Linux guest whose disk, network and memory figures move: for recorded traces.

It is Debian's cloud kernel with an initramfs of busybox, the virtio modules and an init script
that reads and writes /dev/vda and pings the host's end of its tap a few times a second. Its
balloon driver reports the guest's memory to libvirt.
"""

import lzma
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.domains import KernelBoot

MODULES = ("virtio_pci", "virtio_balloon", "virtio_blk", "virtio_net")
AGENT_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "ext4")

_KERNEL_PATTERN = "vmlinuz-*-cloud-amd64"

# Each round takes about half a second beside the work itself. Numbers differ from round to round
# so that rates do, too: $n counts rounds.
_INIT = r"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o size=16m tmpfs /tmp
echo 4 > /proc/sys/kernel/printk
for module in /modules/*; do insmod "$module"; done
for word in $(cat /proc/cmdline); do
    case "$word" in
        guest.address=*) address=${word#*=} ;;
        guest.peer=*) peer=${word#*=} ;;
    esac
done
if [ -n "$address" ] && [ -e /sys/class/net/eth0 ]; then
    ip address add "$address" dev eth0
    ip link set eth0 up
fi
echo "guest: ready"
n=0
while :; do
    n=$((n + 1))
    if [ -b /dev/vda ]; then
        dd if=/dev/urandom of=/dev/vda bs=4k count=$((1 + n % 5)) seek=$((n % 1024)) conv=fsync
        echo 1 > /proc/sys/vm/drop_caches
        dd if=/dev/vda of=/dev/null bs=4k count=$((2 + n % 7)) skip=$((n * 3 % 2048))
    fi
    if [ -n "$peer" ]; then
        ping -q -c 1 -W 1 -s $((56 + n % 16 * 64)) "$peer"
    fi
    dd if=/dev/zero of=/tmp/ballast bs=64k count=$((16 + n % 32))
    sleep 0.4
done > /dev/null 2>&1
"""


# /dev/vda has a filesystem already.
_AGENT_INIT = r"""#!/bin/busybox sh
export PATH=/bin:/usr/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
for module in /modules/*; do insmod "$module"; done
hostname little-guest
ip address add 198.18.7.2/30 dev eth0
ip link set eth0 up
mount -t ext4 /dev/vda /data
while :; do
    qemu-ga -m virtio-serial -p /dev/vport* -t /run -f /run/qga.pid
    sleep 1
done
"""
_OS_RELEASE = """\
ID=tiny
NAME="Tiny Guest"
PRETTY_NAME="Tiny Guest 1.2"
VERSION="1.2 (Test)"
VERSION_ID="1.2"
"""


class GuestUnavailable(Exception):
    """The machine lacks a part of the guest; the text says which."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A kernel and an initramfs that any number of domains can boot."""

    kernel: Path
    initrd: Path

    def boot(
        self, *, console: Path, address: str | None = None, peer: str | None = None
    ) -> KernelBoot:
        """How a domain boots it, with an IPv4 address ("198.18.0.2/30") and a peer to ping."""
        words = ["console=ttyS0", "quiet", "panic=-1", "mitigations=off", "random.trust_cpu=on"]
        if address is not None:
            words.append(f"guest.address={address}")
        if peer is not None:
            words.append(f"guest.peer={peer}")
        return KernelBoot(self.kernel, self.initrd, " ".join(words), console)


def build_guest(directory: Path) -> Guest:
    """Put the kernel and the initramfs into a directory, or raise GuestUnavailable."""
    kernel = _newest_kernel()
    version = kernel.name.removeprefix("vmlinuz-")
    busybox = shutil.which("busybox")
    if busybox is None:
        raise GuestUnavailable("busybox is not installed (Debian: busybox-static)")
    guest = Guest(directory / "guest-vmlinuz", directory / "guest-initrd")
    shutil.copyfile(kernel, guest.kernel)
    guest.initrd.write_bytes(_initramfs(Path(busybox), Path("/lib/modules") / version))
    return guest


def build_agent_guest(directory: Path) -> Guest:
    """As `build_guest`, of a guest that runs QEMU's guest agent and mounts its disk on /data."""
    kernel = _newest_kernel()
    version = kernel.name.removeprefix("vmlinuz-")
    busybox, agent = shutil.which("busybox"), shutil.which("qemu-ga", path="/usr/sbin:/usr/bin")
    if busybox is None:
        raise GuestUnavailable("busybox is not installed (Debian: busybox-static)")
    if agent is None:
        raise GuestUnavailable("qemu-ga is not installed (Debian: qemu-guest-agent)")
    guest = Guest(directory / "agent-vmlinuz", directory / "agent-initrd")
    shutil.copyfile(kernel, guest.kernel)
    archive = _CpioArchive()
    for name in ("bin", "data", "dev", "etc", "modules", "proc", "run", "sys", "tmp", "usr"):
        archive.add_directory(name)
    libraries = _libraries(Path(agent))
    parents = {parent for path in libraries for parent in path.parents[:-1]}
    for parent in sorted({*parents, Path("/usr/sbin")}):
        archive.add_directory(str(parent.relative_to("/")))
    for path in libraries:
        archive.add_file(str(path.relative_to("/")), path.read_bytes(), 0o755)
    archive.add_file("usr/sbin/qemu-ga", Path(agent).read_bytes(), 0o755)
    archive.add_file("bin/busybox", Path(busybox).read_bytes(), 0o755)
    archive.add_file("etc/os-release", _OS_RELEASE.encode(), 0o644)
    archive.add_file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)
    archive.add_file("init", _AGENT_INIT.encode(), 0o755)
    _add_modules(archive, Path("/lib/modules") / version, AGENT_MODULES)
    guest.initrd.write_bytes(archive.finish())
    return guest


def _libraries(program: Path) -> list[Path]:
    """The shared libraries that a program needs, where the loader finds them."""
    needed = subprocess.run(["ldd", str(program)], capture_output=True, check=True, text=True)
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", needed.stdout)]


def _newest_kernel() -> Path:
    kernels = [
        kernel
        for kernel in Path("/boot").glob(_KERNEL_PATTERN)
        if (Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-") / "modules.dep").exists()
    ]
    if not kernels:
        raise GuestUnavailable("no cloud kernel is installed (Debian: linux-image-cloud-amd64)")
    return max(kernels, key=lambda kernel: kernel.stat().st_mtime)


def _initramfs(busybox: Path, modules: Path) -> bytes:
    archive = _CpioArchive()
    for name in ("bin", "dev", "modules", "proc", "sys", "tmp"):
        archive.add_directory(name)
    archive.add_file("bin/busybox", busybox.read_bytes(), 0o755)
    archive.add_file("init", _INIT.encode(), 0o755)
    _add_modules(archive, modules, MODULES)
    return archive.finish()


def _add_modules(archive: "_CpioArchive", modules: Path, names: tuple[str, ...]) -> None:
    for number, path in enumerate(_in_load_order(modules, names)):
        content = path.read_bytes()
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        name = path.name.removesuffix(".xz")
        archive.add_file(f"modules/{number:02}-{name}", content, 0o644)


def _in_load_order(modules: Path, names: tuple[str, ...]) -> list[Path]:
    """The files of these modules, each after those it depends on, without those built in."""
    dependencies: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        dependencies[path] = needed.split()
    paths = {Path(path).name.partition(".ko")[0].replace("-", "_"): path for path in dependencies}

    def walk(path: str) -> Iterator[str]:
        for needed in dependencies[path]:
            yield from walk(needed)
        yield path

    wanted = [paths[name] for name in names if name in paths]
    ordered = dict.fromkeys(step for path in wanted for step in walk(path))
    return [modules / path for path in ordered]


class _CpioArchive:
    """An archive in the format of the kernel's initramfs: "newc", everything on 4 bytes."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._entries = 0

    def add_directory(self, name: str) -> None:
        self._add(name, b"", 0o040755)

    def add_file(self, name: str, content: bytes, permissions: int) -> None:
        self._add(name, content, 0o100000 | permissions)

    def finish(self) -> bytes:
        self._add("TRAILER!!!", b"", 0)
        return bytes(self._content)

    def _add(self, name: str, content: bytes, mode: int) -> None:
        self._entries += 1
        encoded_name = name.encode() + b"\0"
        numbers = {
            "inode": self._entries,
            "mode": mode,
            "uid": 0,
            "gid": 0,
            "links": 1,
            "mtime": 0,
            "size": len(content),
            "device major": 0,
            "device minor": 0,
            "special major": 0,
            "special minor": 0,
            "name size": len(encoded_name),
            "check": 0,
        }
        self._content += (
            b"070701" + "".join(f"{number:08x}" for number in numbers.values()).encode()
        )
        self._content += encoded_name
        self._pad()
        self._content += content
        self._pad()

    def _pad(self) -> None:
        self._content += bytes(-len(self._content) % 4)
