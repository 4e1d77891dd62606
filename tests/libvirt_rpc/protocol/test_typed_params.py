"""Typed parameters: seven types, each in its own bytes, and no eighth."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.errors import DecodeError, EncodeError
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, VALUE_CODECS, Boolean, TypedParameter
from tests.libvirt_rpc.protocol.test_xdr import parse_three_ways
from tests.support.strategies import mutations_of, values_of

PARAMETERS = values_of(TYPED_PARAMETER)

WIRE: dict[TypedParameterType, tuple[Any, str]] = {
    TypedParameterType.INT: (-2, "fffffffe"),
    TypedParameterType.UINT: (0xFFFFFFFE, "fffffffe"),
    TypedParameterType.LLONG: (-2, "fffffffffffffffe"),
    TypedParameterType.ULLONG: (2**64 - 2, "fffffffffffffffe"),
    TypedParameterType.DOUBLE: (-0.5, "bfe0000000000000"),
    TypedParameterType.BOOLEAN: (True, "00000001"),
    TypedParameterType.STRING: ("vda", "00000003 76646100"),
}


@given(PARAMETERS)
def test_a_typed_parameter_round_trips(parameter: TypedParameter) -> None:
    payload = xdr.encode(TYPED_PARAMETER, parameter)
    decoded = parse_three_ways(TYPED_PARAMETER, payload)
    assert repr(decoded) == repr(parameter)
    assert xdr.encode(TYPED_PARAMETER, decoded) == payload
    assert len(payload) >= TYPED_PARAMETER.minimum_size


@given(
    st.binary(max_size=60) | mutations_of(PARAMETERS.map(lambda p: xdr.encode(TYPED_PARAMETER, p)))
)
def test_any_bytes_are_a_typed_parameter_or_a_decode_error(payload: bytes) -> None:
    try:
        value = xdr.decode(TYPED_PARAMETER, payload)
    except DecodeError:
        return
    xdr.encode(TYPED_PARAMETER, value)


def test_each_of_libvirts_seven_types_has_a_codec() -> None:
    assert set(VALUE_CODECS) == set(TypedParameterType) == set(WIRE)


@pytest.mark.parametrize("kind", WIRE)
def test_a_value_of_each_type_stands_on_the_wire_as_libvirt_writes_it(
    kind: TypedParameterType,
) -> None:
    value, wire = WIRE[kind]
    payload = b"".join(
        [
            bytes.fromhex("00000009 62616c6c6f6f6e2e78 000000"),  # "balloon.x"
            int(kind).to_bytes(4),  # the type's number
            bytes.fromhex(wire),
        ]
    )
    parameter = TypedParameter("balloon.x", kind, value)
    assert xdr.encode(TYPED_PARAMETER, parameter) == payload
    assert repr(xdr.decode(TYPED_PARAMETER, payload)) == repr(parameter)


@pytest.mark.parametrize("wire", ["00000001", "00000002", "ffffffff", "80000000"])
def test_any_int_but_zero_is_true(wire: str) -> None:
    assert xdr.decode(Boolean(), bytes.fromhex(wire)) is True
    assert xdr.decode(Boolean(), bytes(4)) is False


@pytest.mark.parametrize("number", [-1, 0, 8, 0x7FFFFFFF])
def test_an_unknown_type_ends_the_decoding_and_names_the_parameter(number: int) -> None:
    payload = bytes.fromhex("00000004 6e616d65") + number.to_bytes(4, signed=True) + bytes(8)
    with pytest.raises(DecodeError, match=f"typed parameter 'name' has the unknown type {number}$"):
        xdr.decode(TYPED_PARAMETER, payload)


def test_an_unknown_type_is_not_sent() -> None:
    with pytest.raises(EncodeError, match="no type of a typed parameter"):
        xdr.encode(TYPED_PARAMETER, TypedParameter("name", TypedParameterType(8), 1))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (TypedParameterType.INT, 2**31),
        (TypedParameterType.UINT, -1),
        (TypedParameterType.LLONG, 2**63),
        (TypedParameterType.ULLONG, 2**64),
    ],
)
def test_a_value_beyond_its_type_is_not_sent(kind: TypedParameterType, value: int) -> None:
    with pytest.raises(EncodeError, match="is not between"):
        xdr.encode(TYPED_PARAMETER, TypedParameter("name", kind, value))
