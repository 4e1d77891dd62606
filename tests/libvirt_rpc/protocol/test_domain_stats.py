"""The bulk decoder equals the plain one: for any reply after any others, errors included."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc.enums import TypedParameterType as Type
from libvirt_rpc.errors import DecodeError
from libvirt_rpc.protocol import domain_stats, xdr
from libvirt_rpc.protocol.domain_stats import DomainStats, DomainStatsDecoder
from libvirt_rpc.protocol.typed_params import TYPED_PARAMETER, VALUE_CODECS, TypedParameter
from libvirt_rpc.protocol.types import (
    ConnectGetAllDomainStatsReply,
    Domain,
    DomainStatsRecord,
)
from tests.support.strategies import mutated, values_of

REPLY = xdr.codec_of(ConnectGetAllDomainStatsReply)
Records = tuple[DomainStatsRecord, ...]


def encode(records: Records) -> bytes:
    return xdr.encode(REPLY, ConnectGetAllDomainStatsReply(records))


def outcome(decode: Callable[[bytes], tuple[DomainStats, ...]], payload: bytes) -> Any:
    """All that a decoder's caller can see, NaN's bits and the types of values included."""
    try:
        records = decode(payload)
    except DecodeError as exc:
        return type(exc), str(exc)
    return [
        (
            one.domain,
            one.layout.fields,
            one.layout.types,
            [
                (type(value), struct.pack(">d", value) if isinstance(value, float) else value)
                for value in one.values
            ],
        )
        for one in records
    ]


def assert_both_decode_alike(decoder: DomainStatsDecoder, payload: bytes) -> None:
    assert outcome(decoder.decode, payload) == outcome(DomainStatsDecoder().decode_plain, payload)


# Histories: what one connection sees, each reply a variation of the one before.

UUIDS = st.sampled_from([uuid.UUID(int=number) for number in (0, 1, 2, 2**128 - 1)])
FIELDS = st.sampled_from(["state.state", "block.0.name", "x", "", "vcpu.0.time", "é\udcff"])
PARAMETERS = st.builds(
    lambda field, one: replace(one, field=field), FIELDS, values_of(TYPED_PARAMETER)
)
NAMES = st.sampled_from(["a", "vm-1", "vm-22", "", "name\udc80"])
DOMAINS = st.builds(Domain, NAMES, UUIDS, st.integers(-1, 3))
RECORDS = st.builds(DomainStatsRecord, DOMAINS, st.lists(PARAMETERS, max_size=6).map(tuple))


def _other_values(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    for index, record in enumerate(records):
        params = tuple(
            replace(
                one,
                value=draw(values_of(VALUE_CODECS[one.type])),
            )
            if draw(st.booleans())
            else one
            for one in record.params
        )
        records[index] = replace(record, params=params)


def _domain_added(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    records.insert(draw(st.integers(0, len(records))), draw(RECORDS))


def _domain_removed(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    if records:
        del records[draw(st.integers(0, len(records) - 1))]


def _domain_changed(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    if records:
        index = draw(st.integers(0, len(records) - 1))
        records[index] = replace(records[index], dom=draw(DOMAINS))


def _order_changed(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    records[:] = draw(st.permutations(records))


def _parameter_added(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    if records:
        index = draw(st.integers(0, len(records) - 1))
        params = list(records[index].params)
        params.insert(draw(st.integers(0, len(params))), draw(PARAMETERS))
        records[index] = replace(records[index], params=tuple(params))


def _parameter_changed(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    candidates = [index for index, record in enumerate(records) if record.params]
    if candidates:
        index = draw(st.sampled_from(candidates))
        params = list(records[index].params)
        params[draw(st.integers(0, len(params) - 1))] = draw(PARAMETERS)
        records[index] = replace(records[index], params=tuple(params))


def _parameter_removed(draw: st.DrawFn, records: list[DomainStatsRecord]) -> None:
    candidates = [index for index, record in enumerate(records) if record.params]
    if candidates:
        index = draw(st.sampled_from(candidates))
        params = list(records[index].params)
        del params[draw(st.integers(0, len(params) - 1))]
        records[index] = replace(records[index], params=tuple(params))


CHANGES = [
    _other_values,
    _domain_added,
    _domain_removed,
    _domain_changed,
    _order_changed,
    _parameter_added,
    _parameter_changed,
    _parameter_removed,
]


@st.composite
def histories(draw: st.DrawFn) -> list[bytes | set[uuid.UUID]]:
    """Replies, and between them now and then the domains that are not to be forgotten."""
    records = draw(st.lists(RECORDS, max_size=3))
    history: list[bytes | set[uuid.UUID]] = [encode(tuple(records))]
    for change in draw(st.lists(st.sampled_from(CHANGES), max_size=5)):
        change(draw, records)
        payload = encode(tuple(records))
        if draw(st.integers(0, 3)) == 0:
            history.append(mutated(draw, payload))
        if draw(st.integers(0, 3)) == 0:
            history.append(draw(st.sets(UUIDS)))
        history.append(payload)
    return history


@settings(max_examples=150)
@given(histories())
def test_any_sequence_of_replies_decodes_as_by_the_plain_codec(
    history: list[bytes | set[uuid.UUID]],
) -> None:
    decoder = DomainStatsDecoder()
    for step in history:
        if isinstance(step, bytes):
            assert_both_decode_alike(decoder, step)
        else:
            decoder.retain(step)


@given(st.binary(max_size=200))
def test_any_bytes_decode_as_by_the_plain_codec(payload: bytes) -> None:
    assert_both_decode_alike(DomainStatsDecoder(), payload)


@settings(max_examples=50)
@given(values_of(REPLY))
def test_a_reply_is_read_alike_the_first_time_and_the_second(
    reply: ConnectGetAllDomainStatsReply,
) -> None:
    decoder = DomainStatsDecoder()
    payload = xdr.encode(REPLY, reply)
    first = outcome(decoder.decode, payload)
    assert first == outcome(decoder.decode, payload) == outcome(decoder.decode_plain, payload)


# One reply with all there can be in one, and every byte of it changed, cut, taken out, doubled.

ALL_TYPES: Records = (
    DomainStatsRecord(
        Domain("vm-1", uuid.UUID(int=1), 7),
        (
            TypedParameter("state", Type.INT, 1),
            TypedParameter("name", Type.STRING, "vda12"),
            TypedParameter("on", Type.BOOLEAN, True),
            TypedParameter("errs", Type.LLONG, -1),
            TypedParameter("path", Type.STRING, ""),
            TypedParameter("count", Type.UINT, 2**32 - 1),
            TypedParameter("rate", Type.DOUBLE, 0.5),
            TypedParameter("time", Type.ULLONG, 2**64 - 1),
        ),
    ),
    DomainStatsRecord(Domain("gone", uuid.UUID(int=2), -1), ()),
    DomainStatsRecord(
        Domain("é", uuid.UUID(int=3), -1),
        (
            TypedParameter("n", Type.STRING, "x"),
            TypedParameter("off", Type.BOOLEAN, False),
            TypedParameter("m", Type.STRING, "yy"),
        ),
    ),
)


def mutations(payload: bytes) -> Iterator[bytes]:
    for position, byte in enumerate(payload):
        before, behind = payload[:position], payload[position + 1 :]
        for other in {byte ^ 1, byte ^ 0x80, (byte + 1) % 256, (byte - 1) % 256, 0, 4, 7, 0xFF} - {
            byte
        }:
            yield before + bytes([other]) + behind
        yield before
        yield before + behind
        yield payload[: position + 1] + payload[position:]
        yield before + payload[position + 4 :]
        yield before + bytes(4) + payload[position:]


def test_every_changed_byte_of_a_known_reply_decodes_as_by_the_plain_codec() -> None:
    decoder = DomainStatsDecoder()
    payload = encode(ALL_TYPES)
    decoder.decode(payload)
    for mutation in mutations(payload):
        assert_both_decode_alike(decoder, mutation)
        # What was learnt from the mutation must not last.
        assert_both_decode_alike(decoder, payload)


def test_what_was_learnt_from_a_broken_reply_harms_no_later_one() -> None:
    payload = encode(ALL_TYPES)
    for end in range(len(payload)):
        decoder = DomainStatsDecoder()
        with pytest.raises(DecodeError):
            decoder.decode(payload[:end])
        assert_both_decode_alike(decoder, payload)


def test_values_come_in_libvirts_units_and_in_the_order_of_the_layout() -> None:
    decoder = DomainStatsDecoder()
    for _ in range(2):
        first, gone, last = decoder.decode(encode(ALL_TYPES))
        assert first.domain == Domain("vm-1", uuid.UUID(int=1), 7)
        assert first.layout.fields == (
            "state",
            "name",
            "on",
            "errs",
            "path",
            "count",
            "rate",
            "time",
        )
        assert first.layout.types == tuple(one.type for one in ALL_TYPES[0].params)
        assert first.values == (1, "vda12", True, -1, "", 2**32 - 1, 0.5, 2**64 - 1)
        assert first.values[2] is True
        assert gone.layout.fields == gone.values == ()
        assert last.values == ("x", False, "yy")
        assert last.values[1] is False


def numbers(*values: int, name: str = "vm", number: int = 1) -> Records:
    params = tuple(
        TypedParameter(f"field.{index}", Type.ULLONG, value) for index, value in enumerate(values)
    )
    return (DomainStatsRecord(Domain(name, uuid.UUID(int=number), 1), params),)


def test_a_record_of_which_only_numbers_changed_is_read_by_what_is_remembered() -> None:
    decoder = DomainStatsDecoder()
    (first,) = decoder.decode(encode(numbers(1, 2)))
    (second,) = decoder.decode(encode(numbers(3, 4)))
    assert second.values == (3, 4)
    assert second.layout is first.layout
    # The plain codec would have made another Domain.
    assert second.domain is first.domain


def test_two_records_of_the_same_shape_share_their_layout() -> None:
    decoder = DomainStatsDecoder()
    first, second = decoder.decode(encode(numbers(1, number=1) + numbers(2, number=2)))
    (plain,) = decoder.decode_plain(encode(numbers(3, number=3)))
    assert first.layout is second.layout is plain.layout


def test_the_same_names_with_another_type_are_another_layout() -> None:
    decoder = DomainStatsDecoder()
    domain = Domain("vm", uuid.UUID(int=1), 1)
    (unsigned,) = decoder.decode(
        encode((DomainStatsRecord(domain, (TypedParameter("x", Type.ULLONG, 2**63),)),))
    )
    (signed,) = decoder.decode(
        encode((DomainStatsRecord(domain, (TypedParameter("x", Type.LLONG, -(2**63)),)),))
    )
    assert unsigned.layout is not signed.layout
    assert (unsigned.values, signed.values) == ((2**63,), (-(2**63),))


def test_what_is_remembered_of_domains_that_are_gone_is_dropped_on_demand() -> None:
    decoder = DomainStatsDecoder()
    both = numbers(1, number=1) + numbers(1, 2, number=2)
    kept, gone = decoder.decode(encode(both))
    decoder.retain([uuid.UUID(int=1)])
    kept_again, gone_again = decoder.decode(encode(both))
    assert kept_again.domain is kept.domain
    assert kept_again.layout is kept.layout
    assert gone_again == replace(gone, layout=gone_again.layout)
    assert gone_again.domain is not gone.domain
    assert gone_again.layout is not gone.layout


def test_shapes_that_come_and_go_do_not_pile_up() -> None:
    decoder = DomainStatsDecoder()
    domain = Domain("vm", uuid.UUID(int=1), 1)
    for length in range(200):
        params = (TypedParameter("x" * length, Type.INT, 1),)
        decoder.decode(encode((DomainStatsRecord(domain, params),)))
        decoder.retain([domain.uuid])
    assert len(decoder._layouts) == len(decoder._structs) == len(decoder._templates) == 1


def test_layouts_are_remembered_up_to_a_bound() -> None:
    decoder = DomainStatsDecoder()
    domain = Domain("vm", uuid.UUID(int=1), 1)
    for number in range(100):
        params = (TypedParameter(f"x{number}", Type.INT, 1), TypedParameter("y", Type.STRING, ""))
        assert_both_decode_alike(decoder, encode((DomainStatsRecord(domain, params),)))
        assert len(decoder._programs[2]) <= domain_stats._PROGRAMS_PER_COUNT


def test_a_name_of_a_domain_that_is_longer_than_the_reply_is_refused() -> None:
    payload = (1).to_bytes(4) + (0xFFFFFFFF).to_bytes(4) + bytes(60)
    assert_both_decode_alike(DomainStatsDecoder(), payload)
    with pytest.raises(DecodeError, match="4294967295 bytes where 4194304 are allowed"):
        DomainStatsDecoder().decode(payload)
