"""Event messages as a daemon writes them, from the same declarations that decode them."""

from __future__ import annotations

from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.constants import PROGRAM_VERSION, MessageType, Program
from libvirt_rpc.protocol.events import Event, message_of
from libvirt_rpc.protocol.framing import Frame

EVENT_SERIAL = 1
"""What libvirtd puts there (9.0.0, 12.8.0), whatever the protocol file says."""


def event_message(number: int, payload: bytes, *, program: int = Program.REMOTE) -> Frame:
    """A message by its number."""
    return Frame(program, PROGRAM_VERSION, number, MessageType.MESSAGE, EVENT_SERIAL, 0, payload)


def event_frame(event: Event, *, callback_id: int = 0) -> Frame:
    """The message that says that `event` happened."""
    message = message_of(event)
    body = xdr.encode(xdr.codec_of(type(event)), event)
    if message.has_callback_id:
        body = callback_id.to_bytes(4, signed=True) + body
    return event_message(message.number, body)
