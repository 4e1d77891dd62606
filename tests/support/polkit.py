"""polkit on a system bus of the tests' own: a real dbus-daemon, a real polkitd, the tests' rules.

The actions are those that libvirt's package installs. Both run as root begins them and end with the
context; the machine's own bus, if it has one, is not touched.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

NEEDED_PROGRAMS = ("dbus-daemon", "unshare")
ACTIONS = Path("/usr/share/polkit-1/actions/org.libvirt.unix.policy")
_POLKITD = ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")
_RULES = "/etc/polkit-1/rules.d"

_BUS = """<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
"""


class PolkitFailed(Exception):
    """The bus or polkitd did not start."""


def missing_part() -> str | None:
    """Say what is not installed, or None."""
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if _polkitd() is None:
        return "polkitd is not installed"
    if not ACTIONS.exists():
        return f"{ACTIONS} is not there: libvirt-daemon-system is not installed"
    return None


def _polkitd() -> str | None:
    return next((path for path in _POLKITD if Path(path).exists()), None)


class Polkit:
    """`with` it; `environment` leads a daemon to this bus. `rules` is a rule file's text."""

    def __init__(self, rules: str) -> None:
        # polkitd runs as a user of its own, whom pytest's folders keep out.
        self.directory = Path(tempfile.mkdtemp(prefix="polkit-"))
        self.directory.chmod(0o755)
        self._rules = rules
        self._socket = self.directory / "bus"
        self._running = contextlib.ExitStack()
        self._running.callback(shutil.rmtree, self.directory, ignore_errors=True)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._socket}"}

    def __enter__(self) -> Self:
        rules = self.directory / "rules.d"
        rules.mkdir()
        (rules / "10-tests.rules").write_text(self._rules)
        configuration = self.directory / "bus.conf"
        configuration.write_text(_BUS.format(socket=self._socket))
        polkitd = _polkitd()
        assert polkitd is not None
        try:
            self._begin(
                ["dbus-daemon", "--nofork", f"--config-file={configuration}", "--print-address=1"],
                until="unix:path=",
            )
            enter = f"mount --bind {rules} {_RULES}; exec {polkitd}"
            self._begin(["unshare", "--mount", "sh", "-euc", enter], until="Acquired the name")
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.close()

    def _begin(self, command: list[str], *, until: str) -> None:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment},
            text=True,
        )
        self._running.callback(_end, process)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if until in line:
                return
        raise PolkitFailed("".join(said))


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=10)
