"""Asking the daemon for events: `domain_events.subscribe` does it, and reads what comes.

The numbers that these calls give are the daemon's own, from 0, and say nothing: the connection's end takes
every registration back.
"""

from __future__ import annotations

from libvirt_rpc.api.caller import Caller
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.enums import (
    DomainEventID,
    NetworkEventID,
    NodeDeviceEventID,
    SecretEventID,
    StoragePoolEventID,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t


class EventCalls(Caller):
    """vir*EventRegisterAny."""

    async def domain_event_register_any(
        self,
        event_id: DomainEventID,
        domain: t.Domain | None = None,
        *,
        deadline: Deadline | None = None,
    ) -> int:
        """Has the daemon send one kind of event, of `domain` or of all (virConnectDomainEventRegisterAny)."""
        args = t.ConnectDomainEventCallbackRegisterAnyArgs(int(event_id), domain)
        reply = await self._call(p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, args, deadline)
        return reply.value

    async def network_event_register_any(
        self, event_id: NetworkEventID, *, deadline: Deadline | None = None
    ) -> int:
        """Has the daemon send one kind of event of all networks."""
        args = t.ConnectNetworkEventRegisterAnyArgs(int(event_id), None)
        reply = await self._call(p.CONNECT_NETWORK_EVENT_REGISTER_ANY, args, deadline)
        return reply.value

    async def storage_pool_event_register_any(
        self, event_id: StoragePoolEventID, *, deadline: Deadline | None = None
    ) -> int:
        """Has the daemon send one kind of event of all storage pools."""
        args = t.ConnectStoragePoolEventRegisterAnyArgs(int(event_id), None)
        reply = await self._call(p.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, args, deadline)
        return reply.value

    async def node_device_event_register_any(
        self, event_id: NodeDeviceEventID, *, deadline: Deadline | None = None
    ) -> int:
        """Has the daemon send one kind of event of all node devices."""
        args = t.ConnectNodeDeviceEventRegisterAnyArgs(int(event_id), None)
        reply = await self._call(p.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY, args, deadline)
        return reply.value

    async def secret_event_register_any(
        self, event_id: SecretEventID, *, deadline: Deadline | None = None
    ) -> int:
        """Has the daemon send one kind of event of all secrets."""
        args = t.ConnectSecretEventRegisterAnyArgs(int(event_id), None)
        reply = await self._call(p.CONNECT_SECRET_EVENT_REGISTER_ANY, args, deadline)
        return reply.value
