"""A private, real sshd on a loopback port, with keys of its own, and the ssh command that knows it.

It runs as root in a mount namespace in which /run is its own, with the sockets of a private libvirtd
where virt-ssh-helper and nc look for them. Nothing of the user's own ssh settings is used.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.support import real_parts
from tests.support.ports import free_port

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
POLL_INTERVAL = 0.05

# $0 the sockets' directory, $1 a path to hide or "", then sshd's command.
_ENTER = r"""
sockets=$0 hidden=$1
shift
exec 3<"$sockets"
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/libvirt
mount --bind "/proc/self/fd/3" /run/libvirt
exec 3<&-
if [ -n "$hidden" ]; then mount --bind /dev/null "$hidden"; fi
exec "$@"
"""


class SshdFailed(Exception):
    """sshd did not start; the text is its log."""


class PrivateSshd:
    """A context manager around one sshd that lets root in by key.

    `sockets` is the directory with libvirt-sock. With `helper=False` virt-ssh-helper is not there.
    """

    def __init__(self, sockets: Path, *, helper: bool = True) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="sshd-"))
        self.port = free_port()
        self._sockets = sockets
        self._helper = helper
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> Path:
        """The key that is let in."""
        return self.directory / "user_key"

    @property
    def other_key(self) -> Path:
        """A key that is not."""
        return self.directory / "other_key"

    @property
    def command(self) -> Path:
        """ssh with settings of its own: for `command=`."""
        return self.directory / "ssh"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def log(self) -> Path:
        return self.directory / "sshd.log"

    def uri(self, path: str = "/system", *, key: Path | None = None, **parameters: str) -> str:
        query = {"command": str(self.command), "keyfile": str(key or self.key), **parameters}
        pairs = "&".join(f"{name}={quote(value, safe='/')}" for name, value in query.items())
        return f"qemu+ssh://root@127.0.0.1:{self.port}{path}?{pairs}"

    def trust(self, key: Path) -> None:
        """Makes known_hosts say that this is the host's key."""
        public = key.with_suffix(".pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {' '.join(public)}\n")

    @property
    def host_key(self) -> Path:
        return self.directory / "host_key"

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_TIMEOUT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self) -> None:
        for key in (self.host_key, self.key, self.other_key):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(key)],
                check=True,
                stdin=subprocess.DEVNULL,
            )
        shutil.copy(self.key.with_suffix(".pub"), self.directory / "authorized_keys")
        self.trust(self.host_key)
        (self.directory / "sshd_config").write_text(
            f"Port {self.port}\n"
            "ListenAddress 127.0.0.1\n"
            f"HostKey {self.host_key}\n"
            f"AuthorizedKeysFile {self.directory}/authorized_keys\n"
            "PidFile none\n"
            "PermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "StrictModes no\n"
            "UsePAM no\n"
        )
        (self.directory / "ssh_config").write_text(
            f"UserKnownHostsFile {self.known_hosts}\n"
            "GlobalKnownHostsFile none\n"
            "IdentitiesOnly yes\n"
            "IdentityAgent none\n"
        )
        self.command.write_text(f'#!/bin/sh\nexec ssh -F {self.directory}/ssh_config "$@"\n')
        self.command.chmod(0o755)

    def _start(self) -> None:
        hidden = "" if self._helper else real_parts.require("virt-ssh-helper")
        sshd = [real_parts.require("sshd"), "-D", "-e", "-f", str(self.directory / "sshd_config")]
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _ENTER]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*enter, str(self._sockets), hidden, *sshd],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SshdFailed(self.log.read_text(errors="replace"))
            time.sleep(POLL_INTERVAL)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
