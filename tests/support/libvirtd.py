"""A private, real libvirtd: its own configuration, sockets, state and QEMU processes.

It runs as root in a mount namespace in which its directories are those of a temporary one, so
that it neither sees nor touches a system daemon. Its sockets are reachable from outside. On exit
it and every process it started are killed (see reaper.py), and the temporary directory is removed.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeAlias

ConfigValue: TypeAlias = str | int | Sequence[str]

NEEDED_PROGRAMS = ("unshare", "libvirtd", "virsh", "qemu-system-x86_64", "qemu-img")

IMAGES = Path("/var/lib/libvirt/images")
"""Where domain XML finds disk images, whatever the temporary directory is called."""

START_TIMEOUT = 60.0
"""The first start probes every QEMU binary for its capabilities: seconds each on a busy machine."""

STOP_TIMEOUT = 15.0
COMMAND_TIMEOUT = 60.0
POLL_INTERVAL = 0.05

_LONGEST_SOCKET_PATH = 100
"""sockaddr_un holds 107 bytes; the longest name here is libvirt-admin-sock under sock/."""

_REAPER = Path(__file__).with_name("reaper.py")

_PRIVATE_DIRECTORIES = (
    "run",
    "etc/libvirt",
    "var/cache/libvirt",
    "var/lib/libvirt",
    "var/log/libvirt",
)

_DAEMON_CONFIG: Mapping[str, ConfigValue] = {
    "auth_unix_ro": "none",
    "auth_unix_rw": "none",
    "listen_tls": 0,
    "listen_tcp": 0,
    "listen_addr": "127.0.0.1",
}

_QEMU_CONFIG: Mapping[str, ConfigValue] = {
    "user": "root",
    "group": "root",
    "dynamic_ownership": 0,
    "security_driver": "none",
    "stdio_handler": "file",  # no virtlogd needed
    "namespaces": (),  # a private /dev for each QEMU only costs time
    "cgroup_controllers": (),  # nothing is left under /sys/fs/cgroup
}

# $0 state directory, $1 root ("" or a chroot), then the directories, "--" and the daemon's command.
# Everything execs in place, so the process id of unshare becomes that of libvirtd.
_ENTER = r"""
state=$0 root=$1
shift
if [ -n "$root" ]; then
    for mount in dev proc sys; do mount --rbind "/$mount" "$root/$mount"; done
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir -p "$root$state"
    mount --bind "$state" "$root$state"
fi
while [ "$1" != -- ]; do
    mkdir -p "$root/$1"
    mount --bind "$state/$1" "$root/$1"
    shift
done
shift
if [ -n "$root" ]; then exec chroot "$root" "$@"; fi
exec "$@"
"""


class LibvirtdFailed(Exception):
    """The daemon did not start, or died; the text carries the end of its log."""


class VirshFailed(Exception):
    """virsh or virt-admin ended with an error; the text is what it said."""


def missing_part() -> str | None:
    """Say why no private libvirtd can run on this machine, or None when it can."""
    if os.geteuid() != 0:
        return "a private libvirtd with QEMU domains and tap devices needs root"
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


class PrivateLibvirtd:
    """A context manager around one daemon; it survives `stop`, `kill` and `start` in between.

    `config` and `qemu_config` override keys of libvirtd.conf and qemu.conf. `chroot` is a root
    made by chroot_forky.sh: the daemon and QEMU then come from there, virsh from this machine.
    `network` is the name of a network namespace to run in.
    `client_environment` is virsh's: LIBVIRT_AUTH_FILE for a daemon that asks for a password.
    """

    def __init__(
        self,
        *,
        config: Mapping[str, ConfigValue] | None = None,
        qemu_config: Mapping[str, ConfigValue] | None = None,
        environment: Mapping[str, str] | None = None,
        client_environment: Mapping[str, str] | None = None,
        chroot: Path | None = None,
        network: str | None = None,
    ) -> None:
        self.config = {**_DAEMON_CONFIG, **(config or {})}
        self.qemu_config = {**_QEMU_CONFIG, **(qemu_config or {})}
        self.environment = dict(environment or {})
        self.client_environment = dict(client_environment or {})
        self.chroot = chroot
        self.network = network
        self.directory = Path(tempfile.mkdtemp(prefix="lv-"))
        self._reapers: list[subprocess.Popen[bytes]] = []
        self._process: _Process | None = None
        if len(os.fsencode(self.admin_socket)) > _LONGEST_SOCKET_PATH:
            self.directory.rmdir()
            raise LibvirtdFailed(f"{self.directory} is too long a path for sockets: set TMPDIR")

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def socket(self) -> Path:
        return self.directory / "sock" / "libvirt-sock"

    @property
    def socket_ro(self) -> Path:
        return self.directory / "sock" / "libvirt-sock-ro"

    @property
    def admin_socket(self) -> Path:
        return self.directory / "sock" / "libvirt-admin-sock"

    @property
    def log(self) -> Path:
        return self.directory / "libvirtd.log"

    @property
    def images(self) -> Path:
        """The directory that the daemon and QEMU see as IMAGES."""
        return self.directory / IMAGES.relative_to("/")

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LibvirtdFailed("libvirtd is not running")
        return self._process.pid

    def uri(self, path: str = "/system", *, read_only: bool = False) -> str:
        socket_path = self.socket_ro if read_only else self.socket
        return f"qemu+unix://{path}?socket={socket_path}"

    @property
    def test_uri(self) -> str:
        return f"test+unix:///default?socket={self.socket}"

    def virsh(self, *arguments: str, timeout: float = COMMAND_TIMEOUT) -> str:
        """Run virsh on the QEMU driver; return what it printed or raise VirshFailed."""
        command = ["virsh", "--quiet", "--connect", self.uri(), *arguments]
        return _run_client(command, timeout, self.client_environment)

    def virt_admin(self, *arguments: str, timeout: float = COMMAND_TIMEOUT) -> str:
        uri = f"libvirtd+unix:///system?socket={self.admin_socket}"
        return _run_client(["virt-admin", "--quiet", "--connect", uri, *arguments], timeout)

    def start(self) -> None:
        """Start the daemon and return when it answers calls on its socket."""
        assert self._process is None, "started already"
        deadline = time.monotonic() + START_TIMEOUT
        # A killed daemon leaves its sockets behind.
        for path in (self.socket, self.socket_ro, self.admin_socket):
            path.unlink(missing_ok=True)
        with (self.directory / "stderr.log").open("ab") as stderr:
            reaper = subprocess.Popen(
                [sys.executable, "-I", str(_REAPER), *self._command()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd="/",
                env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": "/root", **self.environment},
                start_new_session=True,  # a terminal's Ctrl-C is for the tests, which end it
            )
        self._reapers.append(reaper)
        assert reaper.stdout is not None
        try:
            self._process = _Process(int(reaper.stdout.readline()))
        except (ValueError, ProcessLookupError) as exc:
            raise LibvirtdFailed(f"libvirtd did not start\n{self._log_end()}") from exc
        while not _accepts(self.socket):
            if self._process.wait(POLL_INTERVAL):
                raise LibvirtdFailed(f"libvirtd ended\n{self._log_end()}")
            if time.monotonic() > deadline:
                raise LibvirtdFailed(f"no socket within {START_TIMEOUT} s\n{self._log_end()}")
        # The socket listens before the drivers are ready; this call is answered after they are.
        self.virsh("uri", timeout=max(1.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """End the daemon with SIGTERM; its QEMU processes live on, as on a real host."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the daemon with SIGKILL; its QEMU processes live on."""
        self._end(signal.SIGKILL)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """A while in which the daemon is there and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Kill the daemon and every QEMU it started, and remove the temporary directory."""
        for reaper in self._reapers:
            reaper.communicate(timeout=STOP_TIMEOUT)
        self._reapers.clear()
        if self._process is not None:
            self._process.close()
            self._process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self) -> None:
        # Unprivileged clients may pass through, as through /run/libvirt of a real host.
        self.directory.chmod(0o755)
        for name in (*_PRIVATE_DIRECTORIES, "sock"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.images.mkdir()
        self._write_config()

    def _write_config(self) -> None:
        etc = self.directory / "etc" / "libvirt"
        daemon = {
            "unix_sock_dir": str(self.socket.parent),
            "log_outputs": f"3:file:{self.log}",
            **self.config,
        }
        (etc / "libvirtd.conf").write_text(_render_config(daemon))
        (etc / "qemu.conf").write_text(_render_config(self.qemu_config))

    def _command(self) -> list[str]:
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _ENTER]
        if self.network is not None:
            enter = ["nsenter", f"--net=/run/netns/{self.network}", *enter]
        root = "" if self.chroot is None else str(self.chroot)
        daemon = ["libvirtd", "--pid-file", str(self.directory / "libvirtd.pid")]
        if self.config["listen_tls"] or self.config["listen_tcp"]:
            daemon.append("--listen")
        return [*enter, str(self.directory), root, *_PRIVATE_DIRECTORIES, "--", *daemon]

    def _log_end(self) -> str:
        texts = [
            path.read_text(errors="replace")[-2000:]
            for path in (self.directory / "stderr.log", self.log)
            if path.exists()
        ]
        return "\n".join(texts)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        if not process.wait(STOP_TIMEOUT):
            process.send_signal(signal.SIGKILL)
            process.wait(STOP_TIMEOUT)
        process.close()


class _Process:
    """A process that is not our child, held by descriptor so that its id cannot be reused."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def wait(self, timeout: float) -> bool:
        """Wait for its end; say whether it came."""
        return bool(select.select([self._descriptor], [], [], timeout)[0])

    def close(self) -> None:
        os.close(self._descriptor)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _run_client(
    command: list[str], timeout: float, environment: Mapping[str, str] = MappingProxyType({})
) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        )
    except subprocess.TimeoutExpired as exc:
        raise VirshFailed(f"{' '.join(command)}: no answer within {timeout:.0f} s") from exc
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()
        raise VirshFailed(f"{' '.join(command)}: {message}")
    return done.stdout.decode(errors="surrogateescape")


def _render_config(values: Mapping[str, ConfigValue]) -> str:
    return "".join(f"{key} = {_render_value(value)}\n" for key, value in values.items())


def _render_value(value: ConfigValue) -> str:
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return f'"{value}"'
    return "[" + ", ".join(f'"{item}"' for item in value) + "]"
