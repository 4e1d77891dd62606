"""ssh without ssh: its command line, run by real shells, and programs in its place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libvirt_rpc.connection import connect
from libvirt_rpc.errors import CallTimeout, ConnectFailed, InvalidURI, SessionClosed
from libvirt_rpc.libvirt_conf import RemoteProxy
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.transports import ssh
from libvirt_rpc.transports.ssh import arguments, remote_command
from libvirt_rpc.uri import parse_uri
from tests.support.daemon import HANDSHAKE, ScriptedDaemon, by_table, never

AUTO, NETCAT, NATIVE = RemoteProxy.AUTO, RemoteProxy.NETCAT, RemoteProxy.NATIVE


def argv(text: str) -> list[str]:
    """Without the remote command."""
    return arguments(parse_uri(text), AUTO, read_only=True)[:-1]


# ssh's arguments.


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("qemu+ssh://h/system", "ssh -T -e none -o BatchMode=yes -- h"),
        ("qemu+ssh:///system", "ssh -T -e none -o BatchMode=yes -- localhost"),
        ("qemu+ssh://u@h:2222/system", "ssh -p 2222 -l u -T -e none -o BatchMode=yes -- h"),
        ("qemu+ssh://h/system?keyfile=/k", "ssh -i /k -T -e none -o BatchMode=yes -- h"),
        (
            "qemu+ssh://h/system?no_verify=1&no_tty=1",
            "ssh -T -e none -o BatchMode=yes -o StrictHostKeyChecking=no -- h",
        ),
        ("qemu+ssh://[fe80::1%25eth0]/system", "ssh -T -e none -o BatchMode=yes -- fe80::1%eth0"),
        ("qemu+ssh://h/system?command=/opt/ssh", "/opt/ssh -T -e none -o BatchMode=yes -- h"),
    ],
)
def test_the_arguments_are_those_of_libvirts_client_in_batch_mode(uri: str, expected: str) -> None:
    assert argv(uri) == expected.split()


def test_a_program_with_spaces_is_one_word_and_no_command_line() -> None:
    assert argv("qemu+ssh://h/system?command=/opt/my%20ssh%20-v")[0] == "/opt/my ssh -v"


def test_a_users_name_that_looks_like_an_option_is_ssh_s_to_refuse() -> None:
    words = argv("qemu+ssh://-oProxyCommand=x@h/system")
    assert words[1:3] == ["-l", "-oProxyCommand=x"]


# The remote command, run by real shells with programs that say how they were called.

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "tcsh", "fish") if shutil.which(shell)]

_STUB = """#!/bin/sh
if [ "$*" = -q ]; then echo 'nc: option requires an argument' >&2; exit 1; fi
printf '%s\\0' "${0##*/}" "$@"
"""


@pytest.fixture(scope="module")
def stubs() -> Iterator[Path]:
    """A directory for PATH: `both` programs, and `nc` alone."""
    with tempfile.TemporaryDirectory() as name:
        for folder, programs in (("both", ("virt-ssh-helper", "nc")), ("netcat", ("nc",))):
            Path(name, folder).mkdir()
            for program in programs:
                path = Path(name, folder, program)
                path.write_text(_STUB)
                path.chmod(0o755)
            for tool in ("sh", "grep", *SHELLS):
                Path(name, folder, tool).unlink(missing_ok=True)
                Path(name, folder, tool).symlink_to(shutil.which(tool) or "")
        yield Path(name)


def run(command: str, path: Path, shell: str = "sh") -> list[str]:
    """What the remote login shell makes of it: the program that runs in the end, and its words."""
    done = subprocess.run(
        [shell, "-c", command],
        env={"PATH": str(path), "HOME": "/nonexistent"},
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
        cwd=path,
    )
    assert done.stderr == b""
    return [word.decode(errors="surrogateescape") for word in done.stdout.split(b"\0")[:-1]]


def words_of(
    text: str,
    path: Path,
    *,
    proxy: RemoteProxy = AUTO,
    read_only: bool = True,
    shell: str = "sh",
) -> list[str]:
    return run(remote_command(parse_uri(text), proxy, read_only=read_only), path, shell)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("read_only", [True, False])
def test_the_helper_is_run_where_it_is_and_nc_where_not(
    stubs: Path, shell: str, read_only: bool
) -> None:
    uri = "qemu+ssh://h/system"
    flags, suffix = (["-r"], "-ro") if read_only else ([], "")
    assert words_of(uri, stubs / "both", read_only=read_only, shell=shell) == [
        "virt-ssh-helper",
        *flags,
        "qemu:///system",
    ]
    assert words_of(uri, stubs / "netcat", read_only=read_only, shell=shell) == [
        "nc",
        "-q0",
        "-U",
        f"/var/run/libvirt/libvirt-sock{suffix}",
    ]


@pytest.mark.parametrize(
    ("uri", "configured", "expected"),
    [
        ("qemu+ssh://h/system?proxy=netcat", AUTO, "nc -q0 -U /var/run/libvirt/libvirt-sock-ro"),
        ("qemu+ssh://h/system", NETCAT, "nc -q0 -U /var/run/libvirt/libvirt-sock-ro"),
        ("qemu+ssh://h/system?proxy=auto", NETCAT, "virt-ssh-helper -r qemu:///system"),
        ("qemu+ssh://h/system?proxy=native", NETCAT, "virt-ssh-helper -r qemu:///system"),
        ("qemu+ssh://h/session", AUTO, "virt-ssh-helper -r qemu:///session"),
        ("qemu+ssh://h/system?socket=/s", AUTO, "nc -q0 -U /s"),
        ("qemu+ssh://h/session?socket=/s", NETCAT, "nc -q0 -U /s"),
        (
            "qemu+ssh://h/system?socket=/s&proxy=native",
            AUTO,
            "virt-ssh-helper -r qemu:///system?socket=/s",
        ),
        (
            "qemu+ssh://h/system?a=b&mode=legacy#f",
            AUTO,
            "virt-ssh-helper -r qemu:///system?a=b&mode=legacy#f",
        ),
        ("qemu+ssh://h/system?netcat=nc", AUTO, "nc -q0 -U /var/run/libvirt/libvirt-sock-ro"),
        ("remote+ssh://h/", AUTO, "nc -q0 -U /var/run/libvirt/libvirt-sock-ro"),
        ("qemu+ssh://h/system?name=xen:///", AUTO, "virt-ssh-helper -r xen:///"),
    ],
)
def test_the_proxy_is_chosen_as_libvirts_client_does(
    stubs: Path, uri: str, configured: RemoteProxy, expected: str
) -> None:
    assert words_of(uri, stubs / "both", proxy=configured) == expected.split()


@pytest.mark.parametrize(
    ("uri", "configured"),
    [("qemu+ssh://h/session?proxy=netcat", AUTO), ("qemu+ssh://h/session", NETCAT)],
)
def test_netcat_does_not_find_a_session(uri: str, configured: RemoteProxy) -> None:
    with pytest.raises(InvalidURI, match="name it with socket=, or write proxy=native"):
        remote_command(parse_uri(uri), configured, read_only=True)


HOSTILE = st.text(
    st.sampled_from("ab '\"\\$`;&|<>(){}[]*?!#~%^=-\té"), min_size=1, max_size=30
).filter(lambda text: not any(ord(character) < 32 for character in text))


@settings(max_examples=60, deadline=None)
@given(hostile=HOSTILE, shell=st.sampled_from(SHELLS))
def test_no_parameter_becomes_more_than_one_word_of_the_remote_shell(
    stubs: Path, hostile: str, shell: str
) -> None:
    text = quote(hostile, safe="")
    assert words_of(f"qemu+ssh://h/system?socket={text}", stubs / "both", shell=shell) == [
        "nc",
        "-q0",
        "-U",
        hostile,
    ]
    assert words_of(f"qemu+ssh://h/system?name={text}", stubs / "both", shell=shell) == [
        "virt-ssh-helper",
        "-r",
        hostile,
    ]
    path = stubs / "both" / "program"
    command = remote_command(
        parse_uri(
            f"qemu+ssh://h/system?netcat={quote(f'../both/./{hostile}/../program', safe='')}"
        ),
        AUTO,
        read_only=True,
    )
    assert not path.exists()
    # There is no such program; what matters is that the shell looks for this one name.
    done = subprocess.run(
        [shell, "-c", command],
        env={"PATH": str(stubs / "both"), "HOME": "/nonexistent"},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=stubs,
    )
    assert done.stdout == b""
    assert done.returncode in {126, 127}


# Programs in ssh's place.

BRIDGE = f"""#!{sys.executable} -I
import os, select, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(PATH)
while True:
    ready, _, _ = select.select([0, sock], [], [])
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            break
        sock.sendall(data)
    if sock in ready:
        data = sock.recv(65536)
        if not data:
            break
        os.write(1, data)
LAST
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "ssh"


def write(path: Path, text: str) -> str:
    """Makes the program; gives the URI that has it run."""
    path.write_text(text)
    path.chmod(0o755)
    return f"qemu+ssh://root@h/system?command={path}"


def bridge(path: Path, daemon: ScriptedDaemon, last: str = "") -> str:
    return write(path, BRIDGE.replace("PATH", repr(daemon.path)).replace("LAST", last))


def children() -> set[str]:
    """Of any thread of ours, dead or alive."""
    return {
        pid
        for listed in Path("/proc/self/task").glob("*/children")
        for pid in listed.read_text().split()
    }


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def refusal(uri: str, timeout: float = 20) -> str:
    with pytest.raises(ConnectFailed) as caught:
        await connect(uri, timeout=timeout)
    return str(caught.value)


async def test_a_program_that_leads_to_a_daemon_carries_the_session(program: Path) -> None:
    async with ScriptedDaemon() as daemon, connect(bridge(program, daemon)) as connection:
        assert connection.session.error is None
        assert len(children()) >= 1


async def test_nothing_is_left_of_closed_sessions(program: Path) -> None:
    async with ScriptedDaemon() as daemon:
        uri = bridge(program, daemon)
        async with connect(uri):
            pass  # the loop's own machinery is set up now
        before, files = children(), open_files()
        for _ in range(5):
            async with connect(uri):
                assert children() > before
            assert children() == before
            with pytest.raises(ConnectFailed):
                await connect(write(program.with_name("false"), "#!/bin/sh\nexit 1\n"))
            assert children() == before
        for peer in daemon.peers:
            await peer.ended.wait()
        assert open_files() <= files


async def test_what_the_program_says_is_the_error(program: Path) -> None:
    uri = write(
        program, "#!/bin/sh\necho 'ssh: it is  Sunday' >&2\necho >&2\necho @@@ >&2\nexit 255\n"
    )
    assert await refusal(uri) == (
        f"cannot connect to qemu+ssh://h/system: {program} h: ssh: it is  Sunday"
    )


async def test_the_users_name_is_kept_out_of_the_error(program: Path) -> None:
    uri = write(program, "#!/bin/sh\necho 'root@h: Permission denied (publickey).' >&2\nexit 255\n")
    assert await refusal(uri) == (
        f"cannot connect to qemu+ssh://h/system: {program} h: h: Permission denied (publickey). "
        "(the key must be accepted there and need no passphrase here: ssh-agent, or keyfile=)"
    )


async def test_a_program_that_says_nothing_has_its_status_told(program: Path) -> None:
    error = await refusal(write(program, "#!/bin/sh\nexit 3\n"))
    assert error.endswith(f"{program} h: it ended with status 3 and said nothing")


async def test_a_program_that_is_not_there_is_named(program: Path) -> None:
    error = await refusal(f"qemu+ssh://h/system?command={program}")
    assert error == (
        f"cannot connect to qemu+ssh://h/system: {program}: the program cannot be run: "
        "No such file or directory (install the OpenSSH client, or name the program with command=)"
    )


async def test_much_talk_neither_blocks_the_program_nor_fills_the_error(program: Path) -> None:
    talk = "#!/bin/sh\nyes 'a long story' | head -c 1000000 >&2\nprintf '\\033[31mthe end\\n' >&2\nexit 1\n"
    error = await refusal(write(program, talk))
    assert len(error) < ssh.REASON_CHARACTERS + 200
    assert error.endswith("[31mthe end")
    assert error.isprintable()


async def test_a_program_that_hangs_is_given_up_before_the_deadline_and_ended(
    program: Path,
) -> None:
    before = children()
    uri = write(program, "#!/bin/sh\necho 'please wait' >&2\nsleep 1000\n")
    error = await refusal(uri, timeout=1.5)
    assert error == (
        f"cannot connect to qemu+ssh://h/system: {program} h: no answer in time: please wait "
        "(is the host up, and does ssh to it work by hand?)"
    )
    assert children() == before


async def test_a_program_that_does_not_want_to_end_is_killed(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "LAST_WORDS_SECONDS", 0.05)
    before = children()
    async with ScriptedDaemon() as daemon:
        uri = bridge(program, daemon, "import signal, time")
        stubborn = program.read_text().replace(
            "import os,", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport os,"
        )
        program.write_text(f"{stubborn}\nwhile True: signal.pause()\n")
        async with connect(uri):
            pass
    assert children() == before


async def test_what_a_wrapper_has_started_ends_with_it(program: Path) -> None:
    async with ScriptedDaemon() as daemon:
        bridge(program, daemon)
        wrapper = program.with_name("wrapper")
        pids = program.with_name("pid")
        uri = write(wrapper, f'#!/bin/sh\nsleep 1000 &\necho $! > {pids}\n{program} "$@"\n')
        async with connect(uri):
            pid = pids.read_text().strip()
            assert _is_alive(pid)
        while _is_alive(pid):
            await asyncio.sleep(0.001)


async def test_a_helper_of_the_program_that_stays_does_not_keep_us(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shared connection of ssh's does, which keeps stderr."""
    monkeypatch.setattr(ssh, "LAST_WORDS_SECONDS", 0.05)
    pids = program.with_name("pid")
    uri = write(
        program,
        f"#!/bin/sh\nsetsid sleep 1000 <&- >&- & echo $! > {pids}\necho 'the end' >&2\nexit 1\n",
    )
    try:
        assert (await refusal(uri)).endswith("the end")
    finally:
        os.kill(int(pids.read_text()), 9)


async def test_a_daemon_that_goes_later_is_a_session_that_ended(program: Path) -> None:
    async with ScriptedDaemon() as daemon:
        last = "print('the host says goodbye', file=sys.stderr)"
        connection = await connect(bridge(program, daemon, last))
        daemon.peer.close()
        error = await connection.session.wait_closed()
        assert isinstance(error, SessionClosed)
        assert str(error).endswith(f"{program}: the host says goodbye")
        await connection.close()


async def test_what_was_said_before_the_first_byte_is_not_why_the_session_ends(
    program: Path,
) -> None:
    async with ScriptedDaemon() as daemon:
        uri = bridge(program, daemon)
        greeting = f"sock.connect({daemon.path!r}); os.write(2, b'a banner')"
        program.write_text(program.read_text().replace(f"sock.connect({daemon.path!r})", greeting))
        connection = await connect(uri)
        daemon.peer.close()
        error = await connection.session.wait_closed()
        assert str(error).endswith(f"{program}: it ended with status 0 and said nothing")
        await connection.close()


async def test_a_daemon_that_is_slow_later_is_no_failure_to_connect(program: Path) -> None:
    script = by_table({**HANDSHAKE, p.CONNECT_OPEN: never})
    async with ScriptedDaemon(script) as daemon:
        with pytest.raises(CallTimeout):
            await connect(bridge(program, daemon), timeout=1)


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 100])
async def test_an_attempt_that_is_cancelled_leaves_no_process(program: Path, turns: int) -> None:
    before = children()
    mark = f"1000.{os.getpid()}"
    opening = asyncio.create_task(_connected(write(program, f"#!/bin/sh\nsleep {mark}\n")))
    while children() == before:
        await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0.001)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert children() == before
    while _is_running(mark):
        await asyncio.sleep(0.001)


async def _connected(uri: str) -> None:
    await connect(uri)


def _is_alive(pid: str) -> bool:
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _is_running(word: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # gone since the listing
            if word.encode() in path.read_bytes().split(b"\0"):
                return True
    return False
