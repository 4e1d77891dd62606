"""What the daemon asks for at the door, and what it is told."""

from __future__ import annotations

import pytest

from libvirt_rpc.authentication import authenticate
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.errors import AuthenticationFailed, RPCError, SessionClosed
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.protocol import types as t
from libvirt_rpc.protocol.client import Phase
from libvirt_rpc.session import Session
from libvirt_rpc.transports.unix import connect_unix
from tests.support.daemon import Answer, ScriptedDaemon, by_table, refuses, returns


async def authenticated(answer: Answer) -> Phase:
    """Where a client stands after authentication by a daemon that answers AUTH_LIST so."""
    deadline = Deadline.after(20)
    async with ScriptedDaemon(by_table({p.AUTH_LIST: answer})) as daemon:
        session = await connect_unix("test", [daemon.path], Session, deadline)
        try:
            await authenticate(session, deadline=deadline)
            assert [frame.procedure for frame in daemon.peer.frames] == [66]
            return session.client.phase
        finally:
            session.fail(SessionClosed("the test is over"))
            await session.wait_closed()


@pytest.mark.parametrize("types", [(0,), (), (0, 2), (1, 0)])
async def test_a_daemon_that_asks_for_nothing_lets_us_in(types: tuple[int, ...]) -> None:
    assert await authenticated(returns(t.AuthListReply(types))) is Phase.AUTHENTICATED


@pytest.mark.parametrize(
    ("types", "names"),
    [
        ((1,), ("sasl",)),
        ((2,), ("polkit",)),
        ((2, 1), ("polkit", "sasl")),
        ((7,), ("unknown_7",)),
        ((-1,), ("unknown_-1",)),
    ],
)
async def test_what_the_daemon_asks_for_beyond_that_is_named(
    types: tuple[int, ...], names: tuple[str, ...]
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        await authenticated(returns(t.AuthListReply(types)))
    assert caught.value.offered == names
    assert f"the daemon asks for {' or '.join(names)}" in str(caught.value)
    assert "read-only socket" in str(caught.value)


async def test_a_daemon_that_refuses_the_question_is_quoted() -> None:
    with pytest.raises(RPCError, match="AUTH_LIST: too many clients"):
        await authenticated(refuses(39, "too many clients"))
