"""polkit in front of a real libvirtd's sockets: a real polkitd decides on a bus of the tests' own.

The peers are users of this machine, as the kernel tells the daemon. An agent, which would ask somebody,
is not run: the exporter has none either.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator

import pytest

from libvirt_rpc.connection import connect
from libvirt_rpc.errors import AuthenticationFailed
from tests.support import libvirtd as private
from tests.support import polkit, real_parts
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.polkit import Polkit

ALLOWED, DENIED, UNKNOWN = "nobody", "daemon", "bin"
RULES = f"""
polkit.addRule(function(action, subject) {{
    if (action.id == "org.libvirt.unix.manage" && subject.user == "{ALLOWED}")
        return polkit.Result.YES;
    if (action.id.indexOf("org.libvirt.unix.") == 0 && subject.user == "{DENIED}")
        return polkit.Result.NO;
}});
"""
CONFIG = {
    "auth_unix_ro": "polkit",
    "auth_unix_rw": "polkit",
    "unix_sock_ro_perms": "0777",
    "unix_sock_rw_perms": "0777",
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[PrivateLibvirtd]:
    if reason := private.missing_part() or polkit.missing_part():
        real_parts.lacks(reason)
    with (
        Polkit(RULES) as bus,
        PrivateLibvirtd(config=CONFIG, environment=bus.environment) as libvirtd,
    ):
        yield libvirtd


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of root's home are not for those whom this process acts as."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null")


@contextlib.contextmanager
def acting_as(name: str) -> Iterator[None]:
    """This process is that user's, to the kernel and to polkit, and can be root's again."""
    user = pwd.getpwnam(name)
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, 0)
    os.setresuid(user.pw_uid, user.pw_uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


async def type_as(user: str, daemon: PrivateLibvirtd, *, read_only: bool) -> str:
    with acting_as(user):
        async with connect(
            daemon.uri(read_only=read_only), read_only=read_only, timeout=30.0
        ) as connection:
            return await connection.get_type()


async def refusal(user: str, daemon: PrivateLibvirtd, *, read_only: bool) -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        await type_as(user, daemon, read_only=read_only)
    assert caught.value.offered == ("polkit",)
    assert user not in str(caught.value)
    return str(caught.value)


async def test_a_rule_lets_its_user_in_on_the_read_write_socket(daemon: PrivateLibvirtd) -> None:
    assert await type_as(ALLOWED, daemon, read_only=False) == "QEMU"


async def test_libvirts_own_policy_lets_everybody_read(daemon: PrivateLibvirtd) -> None:
    assert await type_as(UNKNOWN, daemon, read_only=True) == "QEMU"


async def test_root_is_asked_nothing(daemon: PrivateLibvirtd) -> None:
    async with connect(daemon.uri(), read_only=False) as connection:
        assert await connection.get_type() == "QEMU"


async def test_a_denial_names_the_action_and_the_rule_to_write(daemon: PrivateLibvirtd) -> None:
    text = await refusal(DENIED, daemon, read_only=False)
    assert "polkit denies org.libvirt.unix.manage to this user" in text
    assert "/etc/polkit-1/rules.d/50-libvirt-exporter.rules" in text
    assert 'action.id == "org.libvirt.unix.manage"' in text
    assert "or use the read-only socket" in text

    text = await refusal(DENIED, daemon, read_only=True)
    assert "polkit denies org.libvirt.unix.monitor to this user" in text
    assert "read-only socket" not in text


async def test_a_question_that_nobody_could_answer_is_a_refusal_too(
    daemon: PrivateLibvirtd,
) -> None:
    text = await refusal(UNKNOWN, daemon, read_only=False)
    assert "polkit would ask somebody whether to allow org.libvirt.unix.manage" in text
    assert "has no polkit agent" in text
    assert "/etc/polkit-1/rules.d/50-libvirt-exporter.rules" in text


async def test_the_rule_that_the_error_gives_lets_the_user_in(
    daemon: PrivateLibvirtd,
) -> None:
    text = await refusal(UNKNOWN, daemon, read_only=False)
    rule = text[text.index("polkit.addRule") : text.index("});") + len("});")]
    rule = rule.replace("NAME OF THIS USER", UNKNOWN)
    with (
        Polkit(rule) as bus,
        PrivateLibvirtd(config=CONFIG, environment=bus.environment) as other,
    ):
        assert await type_as(UNKNOWN, other, read_only=False) == "QEMU"


async def test_a_daemon_without_a_system_bus_is_told_apart_from_a_denial() -> None:
    if reason := private.missing_part():
        real_parts.lacks(reason)
    with PrivateLibvirtd(
        config=CONFIG, environment={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}
    ) as daemon:
        text = await refusal(ALLOWED, daemon, read_only=False)
    assert "the daemon cannot ask polkit about org.libvirt.unix.manage" in text
    assert "start dbus and polkit on the daemon's host" in text
