"""Every wire struct round-trips, takes any bytes without harm, and has its fields in .x order."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc.errors import DecodeError
from libvirt_rpc.protocol import types, xdr
from tests.libvirt_rpc.protocol.test_xdr import parse_three_ways
from tests.support.strategies import mutations_of, values_of

STRUCTS = [
    kind
    for kind in vars(types).values()
    if isinstance(kind, type) and issubclass(kind, xdr.Struct) and kind is not xdr.Struct
]
IDENTITY = "00010203 04050607 08090a0b 0c0d0e0f"
DOMAIN = types.Domain(name="vm-1", uuid=uuid.UUID(IDENTITY.replace(" ", "")), id=-1)
NETWORK = types.Network(name="net", uuid=uuid.UUID(IDENTITY.replace(" ", "")))


@pytest.mark.parametrize("kind", STRUCTS)
@settings(max_examples=25)
@given(data=st.data())
def test_any_struct_round_trips(kind: type[Any], data: st.DataObject) -> None:
    codec = xdr.codec_of(kind)
    value = data.draw(values_of(codec))
    payload = xdr.encode(codec, value)
    decoded = parse_three_ways(codec, payload)
    assert repr(decoded) == repr(value)
    assert xdr.encode(codec, decoded) == payload
    assert len(payload) >= codec.minimum_size


@pytest.mark.parametrize("kind", STRUCTS)
@settings(max_examples=25)
@given(data=st.data())
def test_any_bytes_are_a_struct_or_a_decode_error(kind: type[Any], data: st.DataObject) -> None:
    codec = xdr.codec_of(kind)
    written = values_of(codec).map(lambda value: xdr.encode(codec, value))
    payload = data.draw(st.binary(max_size=200) | mutations_of(written))
    try:
        value = xdr.decode(codec, payload)
    except DecodeError:
        return
    xdr.encode(codec, value)


def test_all_structs_are_public() -> None:
    assert {kind.__name__ for kind in STRUCTS} == set(types.__all__)


DOMAIN_WIRE = f"00000004 766d2d31 {IDENTITY} ffffffff"  # its name, its UUID, its id

# Every struct once: a value and its bytes, a line a field in the order of the .x files.
WIRE: dict[Any, list[str]] = {
    DOMAIN: [DOMAIN_WIRE],
    NETWORK: ["00000003 6e657400", IDENTITY],
    types.ErrorReply(
        code=42,
        domain=20,
        message="gone",
        level=2,
        dom=DOMAIN,
        str1="%s",
        str2=None,
        str3="",
        int1=-1,
        int2=7,
        net=NETWORK,
    ): [
        "0000002a",  # code
        "00000014",  # domain
        "00000001 00000004 676f6e65",  # message, which is there
        "00000002",  # level
        f"00000001 {DOMAIN_WIRE}",  # dom
        "00000001 00000002 25730000",  # str1
        "00000000",  # str2 is not there
        "00000001 00000000",  # str3 is empty
        "ffffffff",  # int1
        "00000007",  # int2
        f"00000001 00000003 6e657400 {IDENTITY}",  # net
    ],
    types.ConnectOpenArgs(name="qemu:///system", flags=1): [
        "00000001 0000000e 71656d753a2f2f2f73797374656d 0000",  # name
        "00000001",  # flags
    ],
    types.AuthListReply((0, 2)): ["00000002 00000000 00000002"],
    types.AuthSaslStartArgs("PLAIN", 0, b"\0\xff"): [
        "00000005 504c4149 4e000000",  # mech
        "00000000",  # nil
        "00000002 00000000 000000ff",  # data, four bytes a character
    ],
    types.AuthSaslStepArgs(1, b""): ["00000001", "00000000"],
    types.AuthSaslReply(1, 0, b"v"): [
        "00000001",  # complete
        "00000000",  # nil
        "00000001 00000076",  # data
    ],
    types.String("QEMU"): ["00000004 51454d55"],
    types.Number(-1): ["ffffffff"],
    types.Flag(0xFFFFFFFF): ["ffffffff"],
    types.UnsignedNumber(9_000_000): ["00000000 00895440"],
    types.ConnectListAllDomainsArgs(need_results=1, flags=3): ["00000001", "00000003"],
    types.ConnectListAllDomainsReply(domains=(DOMAIN,), ret=1): [
        f"00000001 {DOMAIN_WIRE}",
        "00000001",
    ],
    types.ConnectGetAllDomainStatsArgs(doms=(DOMAIN,), stats=0x3F, flags=0x20000000): [
        f"00000001 {DOMAIN_WIRE}",  # doms
        "0000003f",  # stats
        "20000000",  # flags
    ],
    types.DomainStatsRecord(dom=DOMAIN, params=()): [DOMAIN_WIRE, "00000000"],
    types.ConnectGetAllDomainStatsReply((types.DomainStatsRecord(DOMAIN, ()),)): [
        f"00000001 {DOMAIN_WIRE} 00000000",
    ],
    types.DomainFlagsArgs(dom=DOMAIN, flags=2): [DOMAIN_WIRE, "00000002"],
    types.DomainState(state=5, reason=1): ["00000005", "00000001"],
    types.DomainControlInfo(state=2, details=3, state_time=2**32): [
        "00000002",
        "00000003",
        "0000000100000000",
    ],
}


@pytest.mark.parametrize("value", WIRE, ids=lambda value: type(value).__name__)
def test_the_fields_stand_in_the_order_of_the_protocol(value: Any) -> None:
    payload = bytes.fromhex(" ".join(WIRE[value]))
    codec = xdr.codec_of(type(value))
    assert xdr.encode(codec, value).hex() == payload.hex()
    assert parse_three_ways(codec, payload) == value


def test_every_struct_has_its_bytes_in_the_table() -> None:
    assert {type(value) for value in WIRE} == set(STRUCTS)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        (types.AuthListReply, 20),
        (types.ConnectListAllDomainsReply, 16_384),
        (types.ConnectGetAllDomainStatsArgs, 16_384),
        (types.ConnectGetAllDomainStatsReply, 16_384),
    ],
)
def test_a_list_longer_than_the_protocol_allows_is_refused(kind: type[Any], limit: int) -> None:
    with pytest.raises(DecodeError, match=f"{limit + 1} items where {limit} are allowed"):
        xdr.decode(xdr.codec_of(kind), (limit + 1).to_bytes(4) + bytes(1_000_000))


def test_a_record_has_no_more_parameters_than_the_protocol_allows() -> None:
    head = xdr.encode(xdr.codec_of(types.Domain), DOMAIN)
    with pytest.raises(DecodeError, match="262145 items where 262144 are allowed"):
        xdr.decode(xdr.codec_of(types.DomainStatsRecord), head + (262_145).to_bytes(4) + bytes(64))
