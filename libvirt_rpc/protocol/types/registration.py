"""Asking for events: the arguments of the registrations. The events themselves are in protocol.events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from libvirt_rpc.protocol.types.common import Domain, Network, NodeDevice, Secret, StoragePool
from libvirt_rpc.protocol.xdr import Int, Optional, Struct


@dataclass(frozen=True, slots=True)
class ConnectDomainEventCallbackRegisterAnyArgs(Struct):
    """remote_connect_domain_event_callback_register_any_args: without `dom`, of all domains."""

    event_id: Int
    dom: Annotated[Domain | None, Optional(Domain)]


@dataclass(frozen=True, slots=True)
class ConnectNetworkEventRegisterAnyArgs(Struct):
    """remote_connect_network_event_register_any_args: without `net`, of all networks."""

    event_id: Int
    net: Annotated[Network | None, Optional(Network)]


@dataclass(frozen=True, slots=True)
class ConnectStoragePoolEventRegisterAnyArgs(Struct):
    """remote_connect_storage_pool_event_register_any_args: without `pool`, of all pools."""

    event_id: Int
    pool: Annotated[StoragePool | None, Optional(StoragePool)]


@dataclass(frozen=True, slots=True)
class ConnectNodeDeviceEventRegisterAnyArgs(Struct):
    """remote_connect_node_device_event_register_any_args: without `dev`, of all devices."""

    event_id: Int
    dev: Annotated[NodeDevice | None, Optional(NodeDevice)]


@dataclass(frozen=True, slots=True)
class ConnectSecretEventRegisterAnyArgs(Struct):
    """remote_connect_secret_event_register_any_args: without `secret`, of all secrets."""

    event_id: Int
    secret: Annotated[Secret | None, Optional(Secret)]
