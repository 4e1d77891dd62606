from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.libvirt_conf import RemoteMode
from libvirt_rpc.transports.socket_paths import socket_paths
from libvirt_rpc.uri import parse_uri

XDG = {"XDG_RUNTIME_DIR": "/run/user/1000", "XDG_CACHE_HOME": "/h/cache", "HOME": "/h"}
SYSTEM = "/var/run/libvirt"
SESSION = "/run/user/1000/libvirt"


def paths(
    text: str, *, read_only: bool = False, uid: int = 1000, environ: dict[str, str] | None = None
) -> tuple[str, ...]:
    uri = parse_uri(text)
    return socket_paths(
        uri, read_only=read_only, uid=uid, environ=XDG if environ is None else environ
    )


# The directory that virsh 9.0.0 goes to, by user.
@pytest.mark.parametrize(
    ("text", "as_root", "as_user"),
    [
        ("qemu:///system", SYSTEM, SYSTEM),
        ("qemu:///session", SYSTEM, SESSION),
        ("qemu+unix:///session", SYSTEM, SESSION),
        ("qemu:///session/", SYSTEM, SYSTEM),
        ("qemu:///embed", SYSTEM, SYSTEM),
        ("xen:///system", SYSTEM, SYSTEM),
        ("xen", SYSTEM, SYSTEM),
        ("lxc:///", SYSTEM, SYSTEM),
        ("ch:///session", SYSTEM, SESSION),
        ("vbox:///session", SYSTEM, SESSION),
        ("bhyve:///system", SYSTEM, SYSTEM),
        ("network:///system", SYSTEM, SYSTEM),
        ("storage:///session", SYSTEM, SESSION),
        ("test+unix:///default", SYSTEM, SESSION),
        ("TEST+unix:///default", SYSTEM, SYSTEM),
        ("remote:///session", SYSTEM, SESSION),
        ("remote+unix:///", SYSTEM, SYSTEM),
    ],
)
def test_root_has_the_system_daemon_only_and_users_have_a_session(
    text: str, as_root: str, as_user: str
) -> None:
    assert {path.rpartition("/")[0] for path in paths(text, uid=0)} == {as_root}
    assert {path.rpartition("/")[0] for path in paths(text, uid=1000)} == {as_user}


@pytest.mark.parametrize(
    ("driver", "daemon"),
    [
        ("qemu", "virtqemud"),
        ("xen", "virtxend"),
        ("lxc", "virtlxcd"),
        ("ch", "virtchd"),
        ("bhyve", "virtbhyved"),
        ("vbox", "virtvboxd"),
        ("vz", "virtvzd"),
        ("network", "virtnetworkd"),
        ("storage", "virtstoraged"),
        ("nodedev", "virtnodedevd"),
        ("interface", "virtinterfaced"),
        ("nwfilter", "virtnwfilterd"),
        ("secret", "virtsecretd"),
    ],
)
def test_the_drivers_own_daemon_comes_before_libvirtd(driver: str, daemon: str) -> None:
    assert paths(f"{driver}:///system") == (
        f"{SYSTEM}/{daemon}-sock",
        f"{SYSTEM}/libvirt-sock",
    )
    assert paths(f"{driver}:///session") == (
        f"{SESSION}/{daemon}-sock",
        f"{SESSION}/libvirt-sock",
    )


def test_a_read_only_connection_tries_every_read_only_socket_first() -> None:
    assert paths("qemu:///system", read_only=True) == (
        f"{SYSTEM}/virtqemud-sock-ro",
        f"{SYSTEM}/libvirt-sock-ro",
        f"{SYSTEM}/virtqemud-sock",
        f"{SYSTEM}/libvirt-sock",
    )


def test_a_session_has_no_read_only_socket() -> None:
    assert paths("qemu:///session", read_only=True) == paths("qemu:///session")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("qemu:///system?mode=auto", ["virtqemud-sock-ro", "libvirt-sock-ro"]),
        ("qemu:///system?mode=direct", ["virtqemud-sock-ro"]),
        ("qemu:///system?mode=legacy", ["libvirt-sock-ro"]),
        ("test+unix:///default?mode=direct", ["virttestd-sock-ro"]),
    ],
)
def test_mode_chooses_the_daemon(text: str, names: list[str]) -> None:
    found = paths(text, read_only=True, uid=0)
    assert list(found[: len(found) // 2]) == [f"{SYSTEM}/{name}" for name in names]
    assert list(found[len(found) // 2 :]) == [f"{SYSTEM}/{name[:-3]}" for name in names]


@pytest.mark.parametrize("mode", RemoteMode)
def test_the_mode_of_libvirt_conf_counts_where_the_uri_has_none(mode: RemoteMode) -> None:
    def found(text: str, default: RemoteMode) -> tuple[str, ...]:
        return socket_paths(
            parse_uri(text), read_only=False, uid=0, environ={}, default_mode=default
        )

    assert found("qemu:///system", mode) == paths(f"qemu:///system?mode={mode}", uid=0)
    assert found("qemu:///system?mode=auto", mode) == paths("qemu:///system", uid=0)


@pytest.mark.parametrize("text", ["test:///default", "remote:///system"])
def test_what_has_no_daemon_of_its_own_is_libvirtds(text: str) -> None:
    assert paths(text, uid=0, read_only=True) == (
        f"{SYSTEM}/libvirt-sock-ro",
        f"{SYSTEM}/libvirt-sock",
    )


def test_the_test_driver_is_looked_for_in_the_users_daemon_then_in_the_systems() -> None:
    assert paths("test:///default", read_only=True) == (
        f"{SESSION}/libvirt-sock",
        f"{SYSTEM}/libvirt-sock-ro",
        f"{SYSTEM}/libvirt-sock",
    )
    assert paths("test+unix:///default", read_only=True) == (f"{SESSION}/libvirt-sock",)


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("text", ["qemu:///system", "qemu:///session", "test+unix:///default"])
def test_a_given_socket_is_the_only_one(text: str, read_only: bool) -> None:
    assert paths(f"{text}?socket=/a%20b&mode=direct", read_only=read_only) == ("/a b",)


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        (XDG, "/run/user/1000/libvirt"),
        ({**XDG, "XDG_RUNTIME_DIR": ""}, "/h/cache/libvirt"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/libvirt"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/libvirt"),
        ({"HOME": "/h"}, "/h/.cache/libvirt"),
        ({}, "/run/user/1001/libvirt"),
    ],
)
def test_the_session_directory_is_libvirts(environ: dict[str, str], directory: str) -> None:
    assert paths("qemu:///session", uid=1001, environ=environ) == (
        f"{directory}/virtqemud-sock",
        f"{directory}/libvirt-sock",
    )


@given(
    st.sampled_from(["qemu", "test", "test+unix", "xen", "remote", "lxc+unix", "network"]),
    st.sampled_from(["/system", "/session", "/", "/default"]),
    st.sampled_from(["", "?mode=direct", "?mode=legacy", "?socket=/s"]),
    st.sampled_from([0, 1000]),
    st.dictionaries(st.sampled_from([*XDG]), st.sampled_from(["", "/x"])),
)
def test_there_is_always_a_path_and_read_only_adds_only_ro_sockets(
    scheme: str, path: str, query: str, uid: int, environ: dict[str, str]
) -> None:
    text = f"{scheme}://{path}{query}"
    read_write = paths(text, uid=uid, environ=environ)
    read_only = paths(text, uid=uid, environ=environ, read_only=True)
    assert read_write
    assert all(found.startswith("/") for found in read_write)
    assert len(set(read_only)) == len(read_only)
    assert tuple(found for found in read_only if not found.endswith("-ro")) == read_write
