"""SASL for a private libvirtd: its mechanisms, its users, and the auth.conf of a client.

Everything is in a folder of the test's own; the daemon finds it by SASL_CONF_PATH.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.sasl import digest_md5
from libvirt_rpc.sasl.packets import Packets

NEEDED_PROGRAMS = ("saslpasswd2",)


def missing_part() -> str | None:
    """Say what is not installed, or None."""
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


class SaslDatabase:
    """libvirt's SASL configuration in `directory`, with a database of users."""

    def __init__(self, directory: Path, mechanisms: Sequence[str], *settings: str) -> None:
        self.directory = directory
        self._users = directory / "passwd.db"
        directory.mkdir()
        lines = (f"mech_list: {' '.join(mechanisms)}", f"sasldb_path: {self._users}", *settings)
        (directory / "libvirt.conf").write_text("".join(f"{line}\n" for line in lines))

    @property
    def environment(self) -> Mapping[str, str]:
        return {"SASL_CONF_PATH": str(self.directory)}

    def add(self, username: str, password: str, *, realm: str | None = None) -> None:
        """Without `realm` the user is of this host's name, which is the daemon's default realm."""
        command = ["saslpasswd2", "-p", "-c", "-f", str(self._users), "-a", "libvirt"]
        if realm is not None:
            command += ["-u", realm]
        subprocess.run([*command, username], input=password.encode(), check=True)


def write_auth_conf(path: Path, username: str, password: str, *, host: str = "default") -> Path:
    escaped = password.replace("\\", "\\\\")
    path.write_text(
        f"[credentials-test]\nauthname={username}\npassword={escaped}\n\n"
        f"[auth-libvirt-{host}]\ncredentials=test\n"
    )
    path.chmod(0o600)
    return path


def digest_md5_server_layer(session_key: bytes, key_size: int) -> Packets:
    """The daemon's end of DIGEST-MD5's security layer."""
    way_out = digest_md5._Direction(session_key, key_size, "server-to-client")
    way_in = digest_md5._Direction(session_key, key_size, "client-to-server")
    return Packets(way_out.wrap, way_in.unwrap, chunk_size=1000, wrapped_max=65536)


def digest_md5_session_key(
    response: bytes, nonce: str, known: Credentials
) -> tuple[bytes, str, str]:
    """H(A1) as a daemon that knows one user has it; the client's nonce, and its proof."""
    fields = dict(re.findall(r'([\w-]+)="?([^",]*)"?', response.decode()))
    cnonce = fields["cnonce"]
    secret = ":".join((known.username, fields["realm"], known.password)).encode()
    key = hashlib.md5(hashlib.md5(secret).digest() + f":{nonce}:{cnonce}".encode()).digest()
    return key, cnonce, fields["response"]
