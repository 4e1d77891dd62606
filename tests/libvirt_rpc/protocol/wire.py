"""Bytes put down by hand as hexadecimal text, and the objects that the tables of bytes speak of."""

from __future__ import annotations

import uuid

from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.typed_params import TypedParameter

IDENTITY = "00010203 04050607 08090a0b 0c0d0e0f"
UUID = uuid.UUID(IDENTITY.replace(" ", ""))

DOMAIN = t.Domain(name="vm-1", uuid=UUID, id=-1)
DOMAIN_WIRE = f"00000004 766d2d31 {IDENTITY} ffffffff"  # its name, its UUID, its id

NAMED_WIRE = f"00000003 6e657400 {IDENTITY}"  # "net" and the UUID: a network, a pool, a filter
NETWORK = t.Network(name="net", uuid=UUID)
POOL = t.StoragePool(name="net", uuid=UUID)

PARAMETER = TypedParameter("w", TypedParameterType.UINT, 7)
PARAMETER_WIRE = "00000001 77000000 00000002 00000007"  # its name, its type, its value


def words(*numbers: int) -> str:
    """Numbers of four bytes each."""
    return "".join(f"{number & 0xFFFFFFFF:08x}" for number in numbers)


def hypers(*numbers: int) -> str:
    """Numbers of eight bytes each."""
    return "".join(f"{number & 0xFFFFFFFFFFFFFFFF:016x}" for number in numbers)


def text(value: str) -> str:
    """A string: its length, its bytes, zeros up to a multiple of four."""
    raw = value.encode()
    return words(len(raw)) + raw.hex() + "00" * (-len(raw) % 4)


def characters(value: bytes) -> str:
    """A C `char[]`: four bytes for each."""
    return words(*value)
