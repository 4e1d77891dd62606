"""A network of its own for a daemon: a namespace behind a pair of interfaces, whose cable can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from types import TracebackType
from typing import Self

from tests.support import real_parts


class PrivateNetwork:
    """A context manager; `name` is the namespace, `address` what is reached in it from here."""

    address = "198.18.77.2"  # RFC 2544: for tests of networks, in nobody's use
    _our_address = "198.18.77.1"

    def __init__(self) -> None:
        self.name = f"lv-{os.getpid()}"
        self._outer, self._inner = f"lvo{os.getpid()}", f"lvi{os.getpid()}"

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        try:
            peer = ("type", "veth", "peer", "name", self._inner, "netns", self.name)
            _ip("link", "add", self._outer, *peer)
            _ip("address", "add", f"{self._our_address}/30", "dev", self._outer)
            _ip("link", "set", self._outer, "up")
            self._inside("address", "add", f"{self.address}/30", "dev", self._inner)
            self._inside("link", "set", self._inner, "up")
            self._inside("link", "set", "lo", "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._remove()

    def cut(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._inside("link", "set", self._inner, "down")

    def _inside(self, *arguments: str) -> None:
        _ip("-netns", self.name, *arguments)

    def _remove(self) -> None:
        subprocess.run(["ip", "link", "delete", self._outer], check=False, capture_output=True)
        _ip("netns", "delete", self.name)


def require_networks() -> None:
    """Ends the test where none can be made."""
    if os.geteuid() != 0:
        real_parts.lacks("a network namespace needs root")
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            real_parts.lacks(f"{program} is not installed")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
