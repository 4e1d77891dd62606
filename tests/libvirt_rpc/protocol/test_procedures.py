"""The table of calls. That their numbers are the protocol's, and that they only read: test_read_only."""

from __future__ import annotations

from libvirt_rpc.protocol.constants import Program
from libvirt_rpc.protocol.procedures import PROCEDURES, procedure_name


def test_every_call_stands_in_the_table_once() -> None:
    names = [procedure.name for procedure in PROCEDURES.values()]
    assert len(set(names)) == len(names)
    assert all(key == (one.program, one.number) for key, one in PROCEDURES.items())


def test_a_call_goes_by_its_name_and_an_unknown_one_by_its_numbers() -> None:
    assert procedure_name(Program.REMOTE, 66) == "AUTH_LIST"
    assert procedure_name(Program.REMOTE, 9999) == "0x20008086/9999"
    assert procedure_name(Program.KEEPALIVE, 1) == "0x6b656570/1"
