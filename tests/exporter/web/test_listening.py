"""Addresses, Unix sockets and what systemd hands over."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.config import ConfigError, ListenAddress, WebConfig
from exporter.web import listen, listening
from exporter.web.listening import inherit


@pytest.mark.parametrize(
    ("address", "family"),
    [
        (ListenAddress("127.0.0.1", 0), "AF_INET"),
        (ListenAddress("localhost", 0), "AF_INET"),
        (ListenAddress("", 0), None),
    ],
)
def test_it_listens_where_it_is_told(address: ListenAddress, family: str | None) -> None:
    with listen(address) as sock:
        assert family in {None, sock.family.name}
        assert sock.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_what_is_sent_does_not_wait_for_what_was_sent_before(host: str) -> None:
    with (
        listen(ListenAddress(host, 0)) as sock,
        socket.create_connection(("127.0.0.1", sock.getsockname()[1])),
    ):
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_an_address_in_use_is_an_error_that_says_what_to_do() -> None:
    with listen(ListenAddress("127.0.0.1", 0)) as sock:
        address = ListenAddress("127.0.0.1", sock.getsockname()[1])
        with pytest.raises(ConfigError) as caught:
            listen(address)
    assert "web.listen_address" in str(caught.value)
    assert f"cannot listen on {address}: Address already in use" in str(caught.value)
    assert "--web.listen-address" in str(caught.value)


def test_a_host_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on host\.invalid:0"):
        listen(ListenAddress("host.invalid", 0))


# Unix sockets.


def unix(path: Path) -> WebConfig:
    return WebConfig((ListenAddress("", 0, str(path)),))


def test_a_unix_socket_is_for_its_owner_and_group_and_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with listening(unix(path), {}) as (listener,):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert listener.url("http", "/metrics") == f"unix:{path}"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_a_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
        abandoned.listen()
    with listening(unix(path), {}), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with listening(unix(path), {}):
        with (
            pytest.raises(ConfigError, match="Address already in use; is another exporter running"),
            listening(unix(path), {}),
        ):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    path.write_text("dear")
    with pytest.raises(ConfigError, match="Address already in use"), listening(unix(path), {}):
        pass
    assert path.read_text() == "dear"


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="No such file or directory"),
        listening(unix(tmp_path / "absent" / "sock"), {}),
    ):
        pass


def test_the_socket_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with listening(unix(path), {}):
        path.unlink()
        successor = listen(ListenAddress("", 0, str(path)))
    with successor, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


# systemd.


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "-1", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_without_a_socket_from_systemd_it_says_what_to_start(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"systemd hands over no socket: start the \.socket unit"):
        inherit(environ)
    assert environ == {}


INHERITING = """
import os, socket, sys
from exporter.config import ConfigError, WebConfig
from exporter.web import listening

os.environ.update(LISTEN_FDS=sys.argv[1], LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="x")
try:
    with listening(WebConfig(systemd_socket=True), os.environ) as listeners:
        print(" ".join(one.url("http", "/metrics") for one in listeners))
        print([os.get_inheritable(one.sock.fileno()) for one in listeners])
        print([name for name in os.environ if name.startswith("LISTEN_")])
except ConfigError as exc:
    print(exc)
"""


def inheriting(*descriptors: int) -> list[str]:
    """What a process says that finds these descriptors from 3 on."""

    def take_over() -> None:
        copies = [os.dup(descriptor) for descriptor in descriptors]
        for number, copy in enumerate(copies, start=3):
            os.dup2(copy, number)

    done = subprocess.run(
        [sys.executable, "-c", INHERITING, str(len(descriptors))],
        preexec_fn=take_over,
        close_fds=False,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_serves_on_every_socket_that_systemd_hands_over(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("::", 0), family=socket.AF_INET6) as second,
        socket.socket(socket.AF_UNIX) as third,
    ):
        third.bind(str(tmp_path / "sock"))
        third.listen()
        said = inheriting(first.fileno(), second.fileno(), third.fileno())
        port, other = first.getsockname()[1], second.getsockname()[1]
        assert said == [
            " ".join(
                (
                    f"http://127.0.0.1:{port}/metrics",
                    f"http://localhost:{other}/metrics",
                    f"unix:{tmp_path}/sock",
                )
            ),
            "[False, False, False]",
            "[]",
        ]
        assert (tmp_path / "sock").exists()  # systemd's


def test_what_systemd_hands_over_must_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as connected:
            assert inheriting(connected.fileno()) == [
                "web.systemd_socket: descriptor 3 does not listen: use ListenStream= and Accept=no"
            ]
        with Path(os.devnull).open() as file:
            (said,) = inheriting(file.fileno())
            assert said.startswith("web.systemd_socket: descriptor 3 is no socket: ")
