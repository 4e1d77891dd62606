"""The connection's state machine: which call may be made when, what each message does."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.errors import (
    DecodeError,
    EncodeError,
    FrameTooLarge,
    NoDomain,
    ProtocolError,
    RemoteError,
    UnexpectedMessage,
)
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.client import (
    CallFailed,
    Client,
    Event,
    LateReply,
    MessageIgnored,
    MessageReceived,
    Phase,
    PingReceived,
    PongReceived,
    ReplyReceived,
)
from libvirt_rpc.protocol.constants import MessageType, Program, Status
from libvirt_rpc.protocol.framing import Frame
from tests.support.daemon import PING, PONG, message, reply_to
from tests.support.strategies import mutated, values_of

NAME = t.String("host")


def receive(client: Client, data: bytes) -> list[Event]:
    return [event for _, event in client.receive_data(data)]


def opened() -> Client:
    """A client behind its handshake, whose calls had the serials 0 and 1."""
    client = Client()
    _, call = client.call(p.AUTH_LIST, None)
    receive(client, reply_to(call, t.AuthListReply((0,))).encode())
    client.authenticated()
    _, call = client.call(p.CONNECT_OPEN, t.ConnectOpenArgs("qemu:///system", 1))
    receive(client, reply_to(call).encode())
    return client


def refusal(call: Frame, code: int = 42, text: str | None = "no domain") -> Frame:
    error = t.ErrorReply(code, 20, text, 2, None, None, None, None, 13, -1, None)
    return reply_to(call, error, status=Status.ERROR)


def test_bytes_behind_a_reply_can_be_put_in_another_form_before_they_are_read() -> None:
    client = Client()
    _, call = client.call(p.AUTH_LIST, None)

    def read(payload: bytes) -> bytes:
        client.translate_rest(lambda rest: rest[::-1])
        return payload

    receive(client, reply_to(call, t.AuthListReply((1,))).encode())
    _, call = client.call(p.AUTH_SASL_STEP, t.AuthSaslStepArgs(1, b""), read)
    reply = reply_to(call, t.AuthSaslReply(1, 1, b"")).encode()
    events = receive(client, reply + PING[::-1])
    assert isinstance(events[0], ReplyReceived)
    assert events[1:] == [PingReceived()]


def test_a_connection_goes_through_its_phases() -> None:
    client = Client()
    phases = [client.phase]
    _, call = client.call(p.AUTH_LIST, None)
    receive(client, reply_to(call, t.AuthListReply((0,))).encode())
    phases.append(client.phase)
    client.authenticated()
    phases.append(client.phase)
    _, call = client.call(p.CONNECT_OPEN, t.ConnectOpenArgs("", 0))
    phases.append(client.phase)
    receive(client, reply_to(call).encode())
    phases.append(client.phase)
    client.call(p.CONNECT_CLOSE, None)
    phases.append(client.phase)
    assert phases == [
        Phase.CONNECTED,
        Phase.CONNECTED,
        Phase.AUTHENTICATED,
        Phase.AUTHENTICATED,
        Phase.OPEN,
        Phase.CLOSING,
    ]


ARGUMENTS: dict[p.Procedure[Any, Any], Any] = {
    p.AUTH_LIST: None,
    p.CONNECT_OPEN: t.ConnectOpenArgs("", 0),
    p.CONNECT_SUPPORTS_FEATURE: t.Number(14),
    p.CONNECT_GET_TYPE: None,
    p.CONNECT_CLOSE: None,
}
ALLOWED = {
    Phase.CONNECTED: {"AUTH_LIST"},
    Phase.AUTHENTICATED: {"CONNECT_OPEN", "CONNECT_SUPPORTS_FEATURE"},
    Phase.OPEN: {"CONNECT_SUPPORTS_FEATURE", "CONNECT_GET_TYPE", "CONNECT_CLOSE"},
    Phase.CLOSING: set(),
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("procedure", ARGUMENTS, ids=lambda one: one.name)
def test_a_call_outside_its_phase_is_our_own_mistake(
    phase: Phase, procedure: p.Procedure[Any, Any]
) -> None:
    client = Client()
    client.phase = phase
    if procedure.name in ALLOWED[phase]:
        client.call(procedure, ARGUMENTS[procedure])
    else:
        with pytest.raises(AssertionError, match=f"{procedure.name} in {phase.name}"):
            client.call(procedure, ARGUMENTS[procedure])


def test_the_calls_of_the_handshake_are_made_one_at_a_time() -> None:
    client = Client()
    client.call(p.AUTH_LIST, None)
    with pytest.raises(AssertionError, match="one by one"):
        client.call(p.AUTH_LIST, None)


def test_a_refused_open_leaves_the_connection_closed() -> None:
    client = Client()
    client.phase = Phase.AUTHENTICATED
    serial, call = client.call(p.CONNECT_OPEN, t.ConnectOpenArgs("xen:///system", 1))
    (event,) = receive(client, refusal(call, 5).encode())
    assert isinstance(event, CallFailed)
    assert event.serial == serial
    assert client.phase is Phase.AUTHENTICATED


def test_serials_count_up_from_zero() -> None:
    client = Client()
    client.phase = Phase.OPEN
    calls = [client.call(p.CONNECT_GET_TYPE, None) for _ in range(3)]
    assert [serial for serial, _ in calls] == [frame.serial for _, frame in calls] == [0, 1, 2]


def test_serials_start_again_behind_the_last_and_pass_over_those_in_flight() -> None:
    client = opened()
    stuck, _ = client.call(p.CONNECT_GET_TYPE, None)
    assert stuck == 2
    client._next_serial = 0xFFFFFFFE
    assert [client.call(p.CONNECT_GET_TYPE, None)[0] for _ in range(6)] == [
        0xFFFFFFFE,
        0xFFFFFFFF,
        0,
        1,
        3,
        4,
    ]


def test_arguments_that_do_not_fit_are_no_call() -> None:
    client = opened()
    with pytest.raises(EncodeError):
        client.call(p.CONNECT_SUPPORTS_FEATURE, t.Number(2**31))
    assert client.outstanding == 0


@given(st.permutations(range(4)), st.lists(st.integers(0, 400), max_size=6))
def test_replies_find_their_calls_in_any_order_and_any_portions(
    order: list[int], cuts: list[int]
) -> None:
    client = opened()
    calls = [client.call(p.CONNECT_GET_HOSTNAME, None) for _ in order]
    stream = b"".join(reply_to(calls[i][1], t.String(f"host-{i}")).encode() for i in order)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = [event for a, b in itertools.pairwise(edges) for event in receive(client, stream[a:b])]
    assert events == [ReplyReceived(calls[i][0], t.String(f"host-{i}")) for i in order]
    assert client.outstanding == 0
    assert not client.mid_frame


def test_a_decoder_of_ones_own_reads_the_payload() -> None:
    client = opened()
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None, bytes.hex)
    data = replace(reply_to(call), payload=b"\x01\x02").encode()
    assert receive(client, data) == [ReplyReceived(serial, "0102")]


def test_a_refusal_is_the_error_of_its_call() -> None:
    client = opened()
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    (event,) = receive(client, refusal(call).encode())
    assert isinstance(event, CallFailed)
    assert event.serial == serial
    error = event.error
    assert isinstance(error, NoDomain)
    assert (error.code, error.domain, error.level, error.message) == (42, 20, 2, "no domain")
    assert (error.int1, error.procedure) == (13, "CONNECT_GET_HOSTNAME")


@pytest.mark.parametrize("text", [None, ""])
def test_a_refusal_without_words_says_so(text: str | None) -> None:
    client = opened()
    _, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    (event,) = receive(client, refusal(call, 9999, text).encode())
    assert isinstance(event, CallFailed)
    assert type(event.error) is RemoteError
    assert "no reason given (libvirt error 9999, domain 20)" in str(event.error)


@pytest.mark.parametrize("status", [Status.OK, Status.ERROR])
def test_a_reply_that_does_not_decode_fails_its_call_alone(status: Status) -> None:
    client = opened()
    bad, bad_call = client.call(p.CONNECT_GET_HOSTNAME, None)
    good, good_call = client.call(p.CONNECT_GET_HOSTNAME, None)
    broken = replace(reply_to(bad_call, status=status), payload=b"\0\0\0\1")
    first, second = receive(client, broken.encode() + reply_to(good_call, NAME).encode())
    assert isinstance(first, CallFailed)
    assert first.serial == bad
    assert isinstance(first.error, DecodeError)
    assert second == ReplyReceived(good, NAME)


def test_the_late_reply_to_an_abandoned_call_is_told_apart() -> None:
    client = opened()
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    client.abandon(serial)
    assert client.outstanding == 1
    assert receive(client, reply_to(call, NAME).encode()) == [LateReply(serial)]
    assert client.outstanding == 0


def test_the_late_refusal_of_an_abandoned_call_is_dropped_too() -> None:
    client = opened()
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    client.abandon(serial)
    assert receive(client, refusal(call).encode()) == [LateReply(serial)]


def test_a_late_reply_is_dropped_even_when_it_does_not_decode() -> None:
    client = opened()
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    client.abandon(serial)
    assert receive(client, replace(reply_to(call), payload=b"?").encode()) == [LateReply(serial)]


def test_to_abandon_a_call_that_is_answered_does_nothing() -> None:
    client = opened()
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    receive(client, reply_to(call, NAME).encode())
    client.abandon(serial)
    assert client.outstanding == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            {"serial": 77},
            "a reply to CONNECT_GET_HOSTNAME with the serial 77, which is not in flight",
        ),
        ({"procedure": 3}, "a reply to CONNECT_GET_TYPE with the serial of CONNECT_GET_HOSTNAME"),
        (
            {"program": 0x12345678},
            "a reply to 0x12345678/59 with the serial of CONNECT_GET_HOSTNAME",
        ),
        ({"status": 2}, "status 2 in the reply to CONNECT_GET_HOSTNAME"),
        ({"status": 7}, "status 7 in the reply to CONNECT_GET_HOSTNAME"),
        ({"type": 0}, "type 0 for CONNECT_GET_HOSTNAME"),
        ({"type": 3}, "type 3 for CONNECT_GET_HOSTNAME"),
        ({"type": 5}, "type 5 for CONNECT_GET_HOSTNAME"),
        ({"type": 0xFFFFFFFF}, "type 4294967295 for CONNECT_GET_HOSTNAME"),
    ],
)
def test_what_nobody_asked_for_is_an_error_that_names_it(
    words: dict[str, int], reason: str
) -> None:
    client = opened()
    _, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    with pytest.raises(UnexpectedMessage) as caught:
        receive(client, reply_to(call, NAME, **words).encode())
    assert caught.value.reason == reason


def test_a_second_reply_to_the_same_call_is_an_error() -> None:
    client = opened()
    _, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    events = client.receive_data(reply_to(call, NAME).encode() * 2)
    assert next(events)[1] == ReplyReceived(call.serial, NAME)
    with pytest.raises(UnexpectedMessage, match="not in flight"):
        next(events)


def test_good_frames_before_a_broken_one_are_given_first() -> None:
    client = opened()
    _, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    events = client.receive_data(reply_to(call, NAME).encode() + b"HTTP/1.1 400 Bad Request")
    assert next(events)[1] == ReplyReceived(call.serial, NAME)
    with pytest.raises(FrameTooLarge):
        next(events)


def test_pings_and_pongs_are_told_apart() -> None:
    client = opened()
    assert receive(client, PING + PONG) == [PingReceived(), PongReceived()]
    assert client.ping().encode() == PING
    assert client.pong().encode() == PONG


def test_a_ping_is_a_message_of_the_keepalive_program() -> None:
    assert Client().ping().encode() == b"".join(
        [
            bytes.fromhex("0000001c"),  # the length: no payload
            bytes.fromhex("6b656570"),  # the program: "keep"
            bytes.fromhex("00000001"),  # its version
            bytes.fromhex("00000001"),  # the procedure: a ping
            bytes.fromhex("00000002"),  # the type: a message
            bytes.fromhex("00000000"),  # the serial
            bytes.fromhex("00000000"),  # the status
        ]
    )


@pytest.mark.parametrize("program", [Program.REMOTE, Program.QEMU, Program.LXC])
def test_an_event_with_the_serial_of_a_call_is_no_reply(program: Program) -> None:
    client = opened()
    client._next_serial = 1  # the serial that daemons give their events
    serial, call = client.call(p.CONNECT_GET_HOSTNAME, None)
    event = message(program, 318, b"1234", serial=serial)
    first, second = receive(client, event + reply_to(call, NAME).encode())
    assert isinstance(first, MessageReceived)
    assert first.frame.payload == b"1234"
    assert second == ReplyReceived(serial, NAME)


@pytest.mark.parametrize(("program", "procedure"), [(0x12345678, 1), (Program.KEEPALIVE, 3)])
def test_a_message_of_an_unknown_kind_is_passed_over(program: int, procedure: int) -> None:
    client = opened()
    (event,) = receive(client, message(program, procedure))
    assert isinstance(event, MessageIgnored)


def test_the_beginning_of_a_frame_is_seen() -> None:
    client = opened()
    assert receive(client, PING[:-1]) == []
    assert client.mid_frame
    assert receive(client, PING[-1:]) == [PingReceived()]
    assert not client.mid_frame


@given(st.data())
def test_any_bytes_give_events_or_a_protocol_error(data: st.DataObject) -> None:
    client = opened()
    calls = [
        client.call(p.CONNECT_LIST_ALL_DOMAINS, t.ConnectListAllDomainsArgs(1, 0)) for _ in "12"
    ]
    domains = values_of(t.ConnectListAllDomainsReply)
    stream = PING + b"".join(reply_to(call, data.draw(domains)).encode() for _, call in calls)
    try:
        events = receive(client, data.draw(st.composite(mutated)(stream)))
    except ProtocolError:
        return
    assert client.outstanding == 2 - sum(
        isinstance(event, ReplyReceived | CallFailed) for event in events
    )


def test_neither_a_call_without_arguments_nor_a_reply_without_a_value_has_a_payload() -> None:
    client = opened()
    _, call = client.call(p.CONNECT_CLOSE, None)
    assert (call.type, call.payload) == (MessageType.CALL, b"")
    assert receive(client, reply_to(call).encode()) == [ReplyReceived(call.serial, None)]
