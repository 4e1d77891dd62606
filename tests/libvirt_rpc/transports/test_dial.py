"""Which transport a URI leads to, what libvirt.conf adds, and what is warned about."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import ConnectFailed, InvalidURI
from libvirt_rpc.session import Session
from libvirt_rpc.transports.dial import dial
from libvirt_rpc.uri import parse_uri
from tests.support.certificates import Authority, write_client
from tests.support.daemon import ScriptedDaemon
from tests.support.ports import free_port

NOBODY = 65534


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An unprivileged user's home; root reads the system's libvirt.conf, which is not ours to write."""
    was_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="dial-") as name:
        home = Path(name)
        (home / ".config" / "libvirt").mkdir(parents=True)
        for path in (home, home / ".config", home / ".config" / "libvirt"):
            path.chmod(0o755)
        write_client(home / "pki", [Authority.new()])
        for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HOME", name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", f"{name}/run")
        if was_root:
            os.seteuid(NOBODY)
        try:
            yield home
        finally:
            if was_root:
                os.seteuid(0)


def configure(home: Path, text: str) -> None:
    euid = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    (home / ".config" / "libvirt" / "libvirt.conf").write_text(text)
    os.seteuid(euid)


async def refusal(text: str, *, read_only: bool = True) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await dial(parse_uri(text), Session, read_only=read_only, deadline=Deadline.after(10))
    return caught.value


async def addresses(text: str) -> list[str]:
    return [attempt.address for attempt in (await refusal(text)).attempts]


async def test_a_unix_uri_leads_to_its_socket() -> None:
    async with ScriptedDaemon() as daemon:
        uri = parse_uri(daemon.uri)
        session = await dial(uri, Session, read_only=True, deadline=Deadline.after(10))
        await daemon.first_peer()
        await session.close(Deadline.after(0))


async def test_each_transport_tries_what_it_has_to(tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"
    assert await addresses(f"qemu+tcp://{place}/system") == [place]
    folder = write_client(tmp_path, [Authority.new()])
    assert await addresses(f"qemu://{place}/system?pkipath={folder}") == [place]
    assert await addresses(f"qemu+ssh://{place}/system?command=/nonexistent/ssh") == [
        "/nonexistent/ssh"
    ]


async def test_the_modes_of_uri_and_libvirt_conf_choose_the_sockets(user: Path) -> None:
    run = f"{user}/run/libvirt"
    assert await addresses("qemu:///session") == [f"{run}/virtqemud-sock", f"{run}/libvirt-sock"]
    assert await addresses("qemu:///session?mode=direct") == [f"{run}/virtqemud-sock"]
    configure(user, 'remote_mode = "legacy"\n')
    assert await addresses("qemu:///session") == [f"{run}/libvirt-sock"]
    assert await addresses("qemu:///session?mode=direct") == [f"{run}/virtqemud-sock"]


async def test_libvirt_confs_proxy_and_priority_count(user: Path) -> None:
    configure(user, 'remote_proxy = "netcat"\ntls_priority = "NORMAL:-VERS-ALL"\n')
    for uri, reason in (
        ("qemu+ssh://h/session", "netcat does not find a session's socket"),
        (f"qemu+tls://h/system?pkipath={user}/pki", "allows neither TLS 1.2 nor TLS 1.3"),
    ):
        with pytest.raises(InvalidURI, match=reason):
            await dial(parse_uri(uri), Session, read_only=True, deadline=Deadline.after(10))


async def test_a_users_own_certificates_come_before_the_systems(user: Path) -> None:
    paths = await addresses("qemu+tls://localhost/system")
    assert paths == [f"{user}/.pki/libvirt/cacert.pem", "/etc/pki/CA/cacert.pem"]


async def test_a_parameter_that_looks_misspelt_is_warned_about_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    uri = "qemu+unix:///system?sokcet=/a&socket=/nonexistent/sock"
    for _ in range(3):
        with caplog.at_level(logging.WARNING):
            await refusal(uri)
    (record,) = caplog.records
    assert record.getMessage() == (
        "qemu+unix:///system: the URI's parameter sokcet (did you mean socket?) is unknown here and "
        "goes to the daemon"
    )


async def test_ssh_without_a_check_of_the_hosts_key_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await refusal("qemu+ssh://no-check/system?command=/nonexistent/ssh&no_verify=1")
    assert "no_verify=1: anybody on the way can pass for this host" in caplog.text
