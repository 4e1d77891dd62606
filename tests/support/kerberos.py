"""A Kerberos realm of the tests' own: a real KDC on loopback, its principals, keytabs and tickets.

Everything is in one folder and nothing of the machine's own Kerberos is read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

REALM = "TESTS.EXAMPLE"
NEEDED_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
PLUGIN = "libgssapiv2.so"
START_TIMEOUT = 20.0
POLL_INTERVAL = 0.05


class KdcFailed(Exception):
    """The KDC did not start; the text is the end of its log."""


def missing_part() -> str | None:
    """Say what is not installed, or None."""
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not any(Path("/usr/lib").glob(f"**/sasl2/{PLUGIN}")):
        return "the GSSAPI plugin of cyrus-sasl is not installed"
    if importlib.util.find_spec("gssapi") is None:
        return "the Python package gssapi (the extra `kerberos`) is not installed"
    return None


class Realm:
    """`with` it: a KDC runs. `environment` is that of every program of the realm, ours too."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = _free_port()
        self.environment: Mapping[str, str] = {
            "KRB5_CONFIG": str(directory / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(directory / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{directory / 'no-ticket-yet'}",
            "KRB5_KTNAME": f"FILE:{directory / 'no-keytab'}",
            "KRB5_CLIENT_KTNAME": f"FILE:{directory / 'no-keytab'}",
        }
        self._kdc: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.directory.mkdir(exist_ok=True)
        self._write_configuration()
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "the-master-password")
        with (self.directory / "kdc.err").open("wb") as errors:
            self._kdc = subprocess.Popen(
                ["krb5kdc", "-n", "-r", REALM], env=self._environ(), stderr=errors
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not _accepts(self.port):
            if time.monotonic() > deadline or _ended(self._kdc, POLL_INTERVAL):
                self._stop()
                raise KdcFailed((self.directory / "kdc.err").read_text(errors="replace"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def add(self, principal: str, keytab: Path) -> None:
        """A principal with a random key, which goes into `keytab`."""
        self._run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        self._run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {keytab} {principal}")

    def ticket(self, principal: str, keytab: Path, *, lifetime: str = "1h") -> str:
        """What KRB5CCNAME names a cache with this principal's ticket by."""
        cache = f"FILE:{self.directory / principal.replace('/', '-')}.cache"
        self._run("kinit", "-k", "-t", str(keytab), "-c", cache, "-l", lifetime, principal)
        return cache

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "LC_ALL": "C.UTF-8", **self.environment}

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            env=self._environ(),
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )

    def _stop(self) -> None:
        kdc, self._kdc = self._kdc, None
        if kdc is not None:
            kdc.terminate()
            kdc.wait(timeout=10)

    def _write_configuration(self) -> None:
        # Without ignore_acceptor_hostname a daemon takes tickets for its host's own name alone, and a
        # client of its unix socket or of localhost asks for one for localhost.
        (self.directory / "krb5.conf").write_text(
            f"""[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    ignore_acceptor_hostname = true
[realms]
    {REALM} = {{
        kdc = 127.0.0.1:{self.port}
    }}
[domain_realm]
    localhost = {REALM}
"""
        )
        (self.directory / "kdc.conf").write_text(
            f"""[realms]
    {REALM} = {{
        database_name = {self.directory / "principal"}
        key_stash_file = {self.directory / "stash"}
        kdc_listen = 127.0.0.1:{self.port}
        kdc_tcp_listen = 127.0.0.1:{self.port}
        max_life = 10h
    }}
[logging]
    kdc = FILE:{self.directory / "kdc.log"}
"""
        )


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ended(process: subprocess.Popen[bytes], within: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within)
        return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
