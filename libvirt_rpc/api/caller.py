"""What every class of calls stands on: one method through which all of them go, and reading replies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from libvirt_rpc.deadline import Deadline
from libvirt_rpc.protocol.procedures import Procedure
from libvirt_rpc.protocol.typed_params import TypedParameter, TypedValue

A = TypeVar("A")
R = TypeVar("R")


class Caller:
    """Makes calls; whoever overrides `_call` sees each of them."""

    async def _call(self, procedure: Procedure[A, R], args: A, deadline: Deadline | None) -> R:
        raise NotImplementedError


def values_of(parameters: Iterable[TypedParameter]) -> dict[str, TypedValue]:
    """Typed parameters as name -> value, in libvirt's order."""
    return {parameter.field: parameter.value for parameter in parameters}
