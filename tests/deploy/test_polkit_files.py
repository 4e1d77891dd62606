"""deploy/polkit: that the rules grant what they say and no more, to a real polkitd and a real libvirtd.

The user libvirt-exporter is systemd's, made at the start of the service; here another one stands for it.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator

import pytest

from libvirt_rpc.errors import AuthenticationFailed
from tests.deploy.conftest import REPOSITORY
from tests.integration.test_polkit import CONFIG, type_as
from tests.support import libvirtd as private
from tests.support import polkit, real_parts
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.polkit import Polkit

FOLDER = REPOSITORY / "deploy/polkit"
READS, MANAGES = "50-libvirt-exporter", "51-libvirt-exporter-guest-agent"
EXPORTER, OTHER = "nobody", "daemon"
DENY_ALL_ELSE = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.libvirt.unix.") == 0)
        return polkit.Result.NO;
});
"""


def rules(name: str) -> str:
    text = (FOLDER / f"{name}.rules").read_text()
    assert text.count('subject.user == "libvirt-exporter"') == 1
    return text.replace('"libvirt-exporter"', f'"{EXPORTER}"') + DENY_ALL_ELSE


def daemon_under(name: str) -> Iterator[PrivateLibvirtd]:
    if reason := private.missing_part() or polkit.missing_part():
        real_parts.lacks(reason)
    with (
        Polkit(rules(name)) as bus,
        PrivateLibvirtd(config=CONFIG, environment=bus.environment) as daemon,
    ):
        yield daemon


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null")


@pytest.fixture(scope="module")
def reading() -> Iterator[PrivateLibvirtd]:
    yield from daemon_under(READS)


@pytest.fixture(scope="module")
def managing() -> Iterator[PrivateLibvirtd]:
    yield from daemon_under(MANAGES)


@pytest.mark.integration
async def test_the_rule_lets_the_exporter_read(reading: PrivateLibvirtd) -> None:
    assert await type_as(EXPORTER, reading, read_only=True) == "QEMU"


@pytest.mark.integration
async def test_the_rule_gives_the_exporter_no_read_write_socket(reading: PrivateLibvirtd) -> None:
    with pytest.raises(AuthenticationFailed, match=r"polkit denies org\.libvirt\.unix\.manage"):
        await type_as(EXPORTER, reading, read_only=False)


@pytest.mark.integration
async def test_the_rule_is_for_no_other_user(reading: PrivateLibvirtd) -> None:
    with pytest.raises(AuthenticationFailed, match=r"polkit denies org\.libvirt\.unix\.monitor"):
        await type_as(OTHER, reading, read_only=True)


@pytest.mark.integration
async def test_the_guest_agent_s_rule_gives_the_exporter_the_read_write_socket(
    managing: PrivateLibvirtd,
) -> None:
    assert await type_as(EXPORTER, managing, read_only=False) == "QEMU"
    with pytest.raises(AuthenticationFailed, match=r"polkit denies org\.libvirt\.unix\.manage"):
        await type_as(OTHER, managing, read_only=False)


@pytest.mark.parametrize(
    ("name", "action"),
    [(READS, "org.libvirt.unix.monitor"), (MANAGES, "org.libvirt.unix.manage")],
)
def test_the_files_for_old_systems_grant_one_action_to_the_exporter(name: str, action: str) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    # Keys are written as polkit has them.
    parser.optionxform = str  # type: ignore[assignment]  # the documented way; its stub is a method
    parser.read(FOLDER / f"{name}.pkla")
    (section,) = parser.sections()
    assert dict(parser[section]) == {
        "Identity": "unix-user:libvirt-exporter",
        "Action": action,
        "ResultAny": "yes",
        "ResultInactive": "yes",
        "ResultActive": "yes",
    }


@pytest.mark.parametrize("suffix", ["rules", "pkla"])
def test_the_files_that_give_full_control_warn(suffix: str) -> None:
    assert "WARNING: org.libvirt.unix.manage" in (FOLDER / f"{MANAGES}.{suffix}").read_text()
    assert "manage" not in (FOLDER / f"{READS}.{suffix}").read_text()
