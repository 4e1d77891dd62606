"""Every wire struct round-trips, takes any bytes without harm, and has its fields in .x order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc.errors import DecodeError
from libvirt_rpc.protocol import types, xdr
from tests.libvirt_rpc.protocol.bytes_of_domains import DOMAINS
from tests.libvirt_rpc.protocol.bytes_of_hosts import HOSTS
from tests.libvirt_rpc.protocol.test_xdr import parse_three_ways
from tests.libvirt_rpc.protocol.wire import DOMAIN, DOMAIN_WIRE, NAMED_WIRE, NETWORK, words
from tests.support.strategies import mutations_of, values_of

STRUCTS = [
    kind
    for kind in vars(types).values()
    if isinstance(kind, type) and issubclass(kind, xdr.Struct) and kind is not xdr.Struct
]


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


# Every struct once: a value and its bytes, a line a field in the order of the .x files.
WIRE: dict[Any, list[str]] = {
    DOMAIN: [DOMAIN_WIRE],
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
        f"00000001 {NAMED_WIRE}",  # net
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
    types.ConnectGetMaxVcpusArgs("kvm"): ["00000001 00000003 6b766d00"],
    **DOMAINS,
    **HOSTS,
}


@pytest.mark.parametrize("value", WIRE, ids=lambda value: type(value).__name__)
def test_the_fields_stand_in_the_order_of_the_protocol(value: Any) -> None:
    payload = bytes.fromhex(" ".join(WIRE[value]))
    codec = xdr.codec_of(type(value))
    assert xdr.encode(codec, value).hex() == payload.hex()
    assert parse_three_ways(codec, payload) == value


def test_every_struct_has_its_bytes_in_the_table() -> None:
    assert {type(value) for value in WIRE} == set(STRUCTS)


# The most of each list that the protocol allows, and what stands before the list.
LIMITS: list[tuple[type[Any], int, str]] = [
    (types.AuthListReply, 20, ""),
    (types.ConnectListAllDomainsReply, 16_384, ""),
    (types.ConnectGetAllDomainStatsArgs, 16_384, ""),
    (types.ConnectGetAllDomainStatsReply, 16_384, ""),
    (types.DomainStatsRecord, 262_144, DOMAIN_WIRE),
    (types.DomainParametersReply, 16, ""),
    (types.DomainGetSchedulerParametersReply, 16, ""),
    (types.DomainGetBlockIOTuneReply, 32, ""),
    (types.DomainGetPerfEventsReply, 64, ""),
    (types.DomainGetLaunchSecurityInfoReply, 64, ""),
    (types.DomainGetGuestVcpusReply, 64, ""),
    (types.DomainGetGuestInfoReply, 2048, ""),
    (types.DomainGetCPUStatsReply, 2048, ""),
    (types.DomainGetJobStatsReply, 64, words(0)),
    (types.DomainGetMessagesReply, 2048, ""),
    (types.DomainGetIOThreadInfoReply, 16_384, ""),
    (types.DomainGetVcpusReply, 16_384, ""),
    (types.DomainMemoryStatsReply, 1024, ""),
    (types.DomainGetDiskErrorsReply, 256, ""),
    (types.DomainInterfaceAddressesReply, 2048, ""),
    (types.DomainInterface, 2048, words(0, 0)),
    (types.DomainGetFSInfoReply, 256, ""),
    (types.DomainFSInfo, 256, words(0, 0, 0)),
    (types.DomainListAllSnapshotsReply, 16_384, ""),
    (types.DomainListAllCheckpointsReply, 16_384, ""),
    (types.NodeStatsReply, 16, ""),
    (types.NodeGetMemoryParametersReply, 64, ""),
    (types.NodeGetCellsFreeMemoryReply, 1024, ""),
    (types.NodeGetFreePagesArgs, 1024, ""),
    (types.NodeGetFreePagesReply, 1024, ""),
    (types.ConnectListAllStoragePoolsReply, 16_384, ""),
    (types.StoragePoolListAllVolumesReply, 16_384, ""),
    (types.ConnectListAllNetworksReply, 16_384, ""),
    (types.NetworkGetDHCPLeasesReply, 65_536, ""),
    (types.NetworkListAllPortsReply, 16_384, ""),
    (types.ConnectListAllInterfacesReply, 16_384, ""),
    (types.ConnectListAllNodeDevicesReply, 65_536, ""),
    (types.ConnectListAllNWFiltersReply, 16_384, ""),
    (types.ConnectListAllNWFilterBindingsReply, 16_384, ""),
    (types.ConnectListAllSecretsReply, 16_384, ""),
]


@pytest.mark.parametrize(("kind", "limit", "before"), LIMITS)
def test_a_list_longer_than_the_protocol_allows_is_refused(
    kind: type[Any], limit: int, before: str
) -> None:
    payload = bytes.fromhex(before) + (limit + 1).to_bytes(4) + bytes(64)
    with pytest.raises(DecodeError, match=f"{limit + 1} items where {limit} are allowed"):
        xdr.decode(xdr.codec_of(kind), payload)


@pytest.mark.parametrize(("kind", "limit", "before"), LIMITS)
def test_a_list_as_long_as_the_protocol_allows_is_taken(
    kind: type[Any], limit: int, before: str
) -> None:
    # Its items are not there, which is another complaint.
    payload = bytes.fromhex(before) + limit.to_bytes(4)
    with pytest.raises(DecodeError, match=f"{limit} items are announced"):
        xdr.decode(xdr.codec_of(kind), payload)


def test_every_list_has_its_limit_in_the_table() -> None:
    lists = {
        kind
        for kind in STRUCTS
        if any(isinstance(field, xdr.Array) for field in _fields_of(kind).values())
    }
    assert {kind for kind, _, _ in LIMITS} == lists


@pytest.mark.parametrize(
    ("kind", "limit", "before"),
    [
        (types.DomainGetVcpusReply, 8_388_608, words(0)),
        (types.DomainGetVcpuPinInfoReply, 8_388_608, ""),
        (types.DomainGetEmulatorPinInfoReply, 8_388_608, ""),
        (types.DomainIOThreadInfo, 2048, words(1)),
        (types.NodeGetCPUMapReply, 2048, ""),
    ],
)
def test_a_cpu_map_longer_than_the_protocol_allows_is_refused(
    kind: type[Any], limit: int, before: str
) -> None:
    payload = bytes.fromhex(before) + (limit + 1).to_bytes(4) + bytes(64)
    with pytest.raises(DecodeError, match=f"{limit + 1} bytes where {limit} are allowed"):
        xdr.decode(xdr.codec_of(kind), payload)


def test_the_characters_of_a_security_model_are_bounded() -> None:
    payload = (258).to_bytes(4) + bytes(2000)
    with pytest.raises(DecodeError, match="258 items where 257 are allowed"):
        xdr.decode(xdr.codec_of(types.NodeSecurityModel), payload)


def _fields_of(kind: type[Any]) -> dict[str, xdr.Codec[Any]]:
    codec = xdr.codec_of(kind)
    assert isinstance(codec, xdr.StructCodec)
    return codec.fields


def test_a_model_is_text_up_to_its_nul() -> None:
    info = types.NodeInfo(b"x86_64".ljust(32, b"\0"), 0, 0, 0, 0, 0, 0, 0)
    assert info.model_name == "x86_64"
    assert types.NodeInfo(b"m" * 32, 0, 0, 0, 0, 0, 0, 0).model_name == "m" * 32
    model = types.NodeSecurityModel(b"apparmor\0", b"\xff0\0")
    assert (model.model_name, model.doi_name) == ("apparmor", "\udcff0")
    assert types.NodeSecurityModel(b"", b"").model_name == ""
