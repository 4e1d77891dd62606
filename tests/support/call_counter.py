"""What an exporter has in flight, counted on the wire of all its connections to a real daemon."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from exporter.application import Application
from exporter.config import Config
from libvirt_rpc.protocol.constants import MessageType
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.protocol.procedures import procedure_name


class CallCounter:
    """A tap. `calls` counts by procedure; `in_flight` may each hold one of the daemon's workers."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0
        self._is_idle = asyncio.Event()

    async def idle(self) -> None:
        """Waits until every call has its reply."""
        await self._is_idle.wait()

    def sent(self, frame: Frame) -> None:
        if frame.type == MessageType.CALL:
            self.calls[procedure_name(frame.program, frame.procedure)] += 1
            self.in_flight += 1
            self._is_idle.clear()
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def received(self, frame: Frame) -> None:
        if frame.type == MessageType.REPLY:
            self.in_flight -= 1
            if not self.in_flight:
                self._is_idle.set()


@contextlib.asynccontextmanager
async def counted(config: Config) -> AsyncIterator[tuple[Application, CallCounter]]:
    """An application whose connection is kept, and the count of its calls from here on."""
    counter = CallCounter()
    application = Application(config, tap=counter)
    connecting = asyncio.create_task(application.hypervisor.run())
    try:
        await application.hypervisor.first_attempt()
        counter.calls.clear()
        counter.most_in_flight = 0
        yield application, counter
    finally:
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting
