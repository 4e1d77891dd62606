"""Start times from a made-up /proc, and from the real one."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from exporter.start_times import NoStartTimes, ProcessStartTimes, RecordedStartTimes
from libvirt_rpc.protocol.types import Domain

BOOT = 1_700_000_000
TICKS = os.sysconf("SC_CLK_TCK")
WEB = Domain("web", uuid.UUID(int=1), 1)
DB = Domain("db", uuid.UUID(int=2), 2)
OFF = Domain("off", uuid.UUID(int=3), -1)


class Proc:
    """A /proc with the files that matter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.joinpath("stat").write_text(f"cpu  1 2 3\nintr 5\nbtime {BOOT}\nprocesses 9\n")
        root.joinpath("self").mkdir()
        root.joinpath("cpuinfo").write_text("")

    def add(
        self,
        pid: int,
        *arguments: str,
        seconds: float = 0.0,
        comm: bytes = b"qemu-system-x86",
    ) -> Path:
        process = self.root / str(pid)
        process.mkdir()
        process.joinpath("cmdline").write_bytes("\0".join([*arguments, ""]).encode())
        behind = [b"S", *[b"%d" % number for number in range(4, 22)]]
        start = b"%d" % round(seconds * TICKS)
        fields = b" ".join([*behind, start, b"23", b"24"])
        process.joinpath("stat").write_bytes(b"%d (%b) %b\n" % (pid, comm, fields))
        return process

    def add_domain(self, pid: int, domain: Domain, seconds: float = 0.0) -> Path:
        name = f"guest={domain.name},debug-threads=on"
        return self.add(
            pid, "qemu-system-x86_64", "-name", name, "-uuid", str(domain.uuid), seconds=seconds
        )


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_a_domain_starts_with_its_process(proc: Proc) -> None:
    proc.add_domain(100, WEB, seconds=12.5)
    proc.add_domain(101, DB, seconds=3_600)
    times = ProcessStartTimes(proc.root).of([WEB, DB, OFF])
    assert times == {WEB.uuid: BOOT + 12.5, DB.uuid: BOOT + 3_600}


def test_a_domain_without_a_process_is_left_out(proc: Proc) -> None:
    proc.add_domain(100, WEB)
    assert set(ProcessStartTimes(proc.root).of([WEB, DB])) == {WEB.uuid}


def test_a_domain_that_is_off_is_not_looked_for(proc: Proc) -> None:
    proc.add_domain(100, OFF)
    assert ProcessStartTimes(proc.root).of([OFF]) == {}


@pytest.mark.parametrize(
    "comm", [b"a b", b"a) S 1 2 (b", b"((", b"))", b"", b"\n", b"\xff\xfe", b") 1"]
)
def test_a_process_may_be_named_anything(proc: Proc, comm: bytes) -> None:
    proc.add(100, "qemu", "-uuid", str(WEB.uuid), seconds=7, comm=comm)
    assert ProcessStartTimes(proc.root).of([WEB]) == {WEB.uuid: BOOT + 7}


def test_other_processes_do_not_matter(proc: Proc) -> None:
    proc.add(10, "bash")
    proc.add(11)
    proc.add(12, "qemu", "-uuid")
    proc.add(13, "qemu", "-uuid", "no-uuid")
    proc.add(14, "qemu", "-uuid", "é")
    proc.add(15, "qemu", "-uuid", str(uuid.UUID(int=77)))
    proc.add(16, "tail", f"-uuid={WEB.uuid}")
    proc.add_domain(17, WEB, seconds=1)
    proc.add(18, "bash")
    assert ProcessStartTimes(proc.root).of([WEB]) == {WEB.uuid: BOOT + 1}


def test_processes_that_vanish_meanwhile_do_not_matter(proc: Proc) -> None:
    (proc.root / "20").mkdir()
    proc.add_domain(21, DB).joinpath("stat").unlink()
    proc.add_domain(22, WEB, seconds=1)
    # As of a process that is being torn down.
    third = Domain("third", uuid.UUID(int=4), 4)
    proc.add_domain(23, third).joinpath("stat").write_bytes(b"")
    assert ProcessStartTimes(proc.root).of([WEB, DB, third]) == {WEB.uuid: BOOT + 1}


@pytest.mark.parametrize("stat", ["", "btime\n", "btime soon\n", "cpu 1\n", None])
def test_without_the_boot_time_no_start_is_known(proc: Proc, stat: str | None) -> None:
    proc.add_domain(100, WEB)
    (proc.root / "stat").unlink()
    if stat is not None:
        (proc.root / "stat").write_text(stat)
    assert ProcessStartTimes(proc.root).of([WEB]) == {}


def test_without_proc_no_start_is_known(tmp_path: Path) -> None:
    assert ProcessStartTimes(tmp_path / "absent").of([WEB]) == {}


def test_known_domains_are_not_looked_for_again(proc: Proc) -> None:
    process = proc.add_domain(100, WEB, seconds=1)
    times = ProcessStartTimes(proc.root)
    first = times.of([WEB, DB])
    # What is read no more can be anything.
    process.joinpath("cmdline").write_bytes(b"other\0")
    (proc.root / "stat").unlink()
    assert times.of([WEB, DB]) == times.of([DB, WEB]) == first == {WEB.uuid: BOOT + 1}


@pytest.mark.parametrize("pids", [(100, 101), (101, 100)])
def test_of_two_processes_of_a_domain_the_later_one_counts(
    proc: Proc, pids: tuple[int, int]
) -> None:
    proc.add_domain(pids[0], WEB, seconds=5)
    proc.add_domain(pids[1], WEB, seconds=50)
    assert ProcessStartTimes(proc.root).of([WEB]) == {WEB.uuid: BOOT + 50}


def test_a_process_that_comes_after_its_domain_was_listed_is_found(proc: Proc) -> None:
    times = ProcessStartTimes(proc.root)
    assert times.of([WEB]) == {}
    proc.add_domain(100, WEB, seconds=3)
    assert times.of([WEB]) == {WEB.uuid: BOOT + 3}


def test_a_domain_without_a_process_is_not_looked_for_for_ever(proc: Proc) -> None:
    times = ProcessStartTimes(proc.root)
    for _ in range(3):
        assert times.of([WEB]) == {}
    proc.add_domain(100, WEB)
    assert times.of([WEB]) == {}


def test_a_domain_under_a_new_id_is_looked_for_again(proc: Proc) -> None:
    process = proc.add_domain(100, WEB, seconds=1)
    times = ProcessStartTimes(proc.root)
    times.of([WEB])
    (process / "cmdline").unlink()
    proc.add_domain(200, WEB, seconds=99)
    again = Domain(WEB.name, WEB.uuid, 7)
    assert times.of([again]) == {WEB.uuid: BOOT + 99}


def test_a_domain_that_was_off_meanwhile_is_looked_for_again(proc: Proc) -> None:
    process = proc.add_domain(100, WEB, seconds=1)
    times = ProcessStartTimes(proc.root)
    times.of([WEB])
    assert times.of([]) == {}
    (process / "cmdline").unlink()
    assert times.of([WEB]) == {}


def test_after_a_new_connection_every_domain_is_looked_for_again(proc: Proc) -> None:
    process = proc.add_domain(100, WEB, seconds=1)
    times = ProcessStartTimes(proc.root)
    times.of([WEB])
    (process / "cmdline").unlink()
    proc.add_domain(200, WEB, seconds=99)
    assert times.of([WEB]) == {WEB.uuid: BOOT + 1}
    times.forget()
    assert times.of([WEB]) == {WEB.uuid: BOOT + 99}


def test_the_real_proc_has_no_process_of_a_made_up_domain() -> None:
    unknown = Domain("web", uuid.uuid4(), 1)
    assert ProcessStartTimes().of([unknown]) == {}


def test_of_another_machine_no_start_is_known() -> None:
    assert NoStartTimes().of([WEB]) == {}


def test_recorded_start_times_are_those_of_running_domains() -> None:
    recorded = {WEB.uuid: 1.5, OFF.uuid: 2.5}
    times = RecordedStartTimes(recorded)
    recorded.clear()
    assert times.of([WEB, DB, OFF]) == {WEB.uuid: 1.5}
