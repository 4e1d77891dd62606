"""A connection whose calls are answered from a script, through the one method that all of them go through."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from libvirt_rpc.api.caller import Caller
from libvirt_rpc.connection import Connection
from libvirt_rpc.deadline import Deadline
from libvirt_rpc.protocol import xdr
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.session import Session
from libvirt_rpc.uri import parse_uri

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call that is expected, and its answer."""

    procedure: Procedure[Any, Any]
    args: Any
    reply: Any


@dataclass(frozen=True, slots=True)
class Case:
    """A method with its arguments, the calls that it makes, and what it gives."""

    method: str
    arguments: tuple[Any, ...]
    exchanges: tuple[Exchange, ...]
    result: Any


def case(
    method: str,
    arguments: tuple[Any, ...],
    procedure: Procedure[A, R],
    args: A,
    reply: R,
    result: Any,
) -> Case:
    """A method that makes one call."""
    return Case(method, arguments, (Exchange(procedure, args, reply),), result)


class ScriptedConnection(Connection):
    """It has no transport: a call that goes round `_call` fails."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        super().__init__(Session(), parse_uri("test:///default"), 1.0)
        self.deadlines: list[Deadline | None] = []
        self._exchanges = list(exchanges)

    async def _call(self, procedure: Procedure[A, R], args: A, deadline: Deadline | None) -> R:
        exchange = self._exchanges.pop(0)
        assert procedure is exchange.procedure
        assert args == exchange.args
        xdr.encode(procedure.arguments, args)
        self.deadlines.append(deadline)
        # By way of the wire, so that what the test says is what a daemon can say.
        return xdr.decode(procedure.reply, xdr.encode(procedure.reply, exchange.reply))

    @property
    def is_finished(self) -> bool:
        return not self._exchanges


async def run(one: Case) -> None:
    """Makes the call with a deadline of its own, which must reach every exchange."""
    connection = ScriptedConnection(one.exchanges)
    deadline = Deadline.after(5)
    result = await getattr(connection, one.method)(*one.arguments, deadline=deadline)
    assert result == one.result
    assert type(result) is type(one.result)
    assert connection.is_finished
    assert connection.deadlines == [deadline] * len(one.exchanges)


def methods_of(*kinds: type[Caller]) -> set[str]:
    """The names of the calls of these classes."""
    return {
        name
        for kind in kinds
        for name, value in vars(kind).items()
        if inspect.iscoroutinefunction(value) and not name.startswith("_")
    }
