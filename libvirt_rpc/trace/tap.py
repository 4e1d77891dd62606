"""What sees every frame of a session, whole and in order."""

from __future__ import annotations

from typing import Protocol

from libvirt_rpc.protocol.framing import Frame


class FrameTap(Protocol):
    """Both methods are called from the event loop and must not block."""

    def sent(self, frame: Frame) -> None: ...

    def received(self, frame: Frame) -> None: ...
