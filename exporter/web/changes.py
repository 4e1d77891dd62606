"""Whether files have changed since they were looked at last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["Changes"]

_State = tuple[int, int, int, int] | None


class Changes:
    """Watches files by what stat says of them; to be made before they are read."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._states = self._look()

    def seen(self) -> bool:
        """Whether one is another, or otherwise there, than at the last call."""
        states = self._look()
        if states == self._states:
            return False
        self._states = states
        return True

    def _look(self) -> tuple[_State, ...]:
        return tuple(_state(file) for file in self._files)


def _state(file: Path) -> _State:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
