"""Where the daemon's unix socket may be: every path that is worth a try, the likeliest first.

Pure: nothing is looked up; the caller tries the paths in turn and reports each one that failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from libvirt_rpc.libvirt_conf import RemoteMode
from libvirt_rpc.uri import ConnectionURI, Transport

__all__ = ["socket_paths"]

# /var/run and not /run: the path that libvirt's own messages and documents name.
_SYSTEM_DIRECTORY = "/var/run/libvirt"
_LEGACY_DAEMON = "libvirt"  # libvirtd, or virtproxyd in its place

# These have no daemon of their own: libvirtd holds the test driver, and "remote" is no driver.
_WITHOUT_DAEMON = frozenset({"test", "remote"})


def socket_paths(
    uri: ConnectionURI,
    *,
    read_only: bool,
    uid: int,
    environ: Mapping[str, str],
    default_mode: RemoteMode = RemoteMode.AUTO,
) -> tuple[str, ...]:
    """The sockets of `uri`'s daemon in the order in which libvirt's own client looks for them.

    `default_mode` is libvirt.conf's remote_mode; the URI's `mode=` wins. With `read_only` the
    read-write sockets come last: the flag of CONNECT_OPEN makes the connection read-only there too.
    """
    assert uri.transport is Transport.UNIX
    if uri.parameters.socket is not None:
        return (uri.parameters.socket,)
    daemons = _daemons(uri.driver, uri.parameters.mode or default_mode)
    session = [f"{_session_directory(uid, environ)}/{daemon}-sock" for daemon in daemons]
    system = [f"{_SYSTEM_DIRECTORY}/{daemon}-sock" for daemon in daemons]
    if read_only:
        system = [*(f"{path}-ro" for path in system), *system]
    if _means_session(uri, uid):
        return tuple(session)
    if uid != 0 and uri.scheme == "test":
        # libvirt's client has this driver within itself and connects to nothing. We need a daemon;
        # any one has the driver.
        return (*session, *system)
    return tuple(system)


def _means_session(uri: ConnectionURI, uid: int) -> bool:
    """As in libvirt's client: root has no session, and `test+unix` means one whatever its path."""
    return uid != 0 and (uri.path == "/session" or uri.scheme.startswith("test+"))


def _daemons(driver: str, mode: RemoteMode) -> tuple[str, ...]:
    own = f"virt{driver}d"
    if mode is RemoteMode.DIRECT:
        return (own,)
    if mode is RemoteMode.LEGACY or driver in _WITHOUT_DAEMON:
        return (_LEGACY_DAEMON,)
    return (own, _LEGACY_DAEMON)


def _session_directory(uid: int, environ: Mapping[str, str]) -> str:
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return f"{runtime}/libvirt"
    if cache := environ.get("XDG_CACHE_HOME"):
        return f"{cache}/libvirt"
    if home := environ.get("HOME"):
        return f"{home}/.cache/libvirt"
    return f"/run/user/{uid}/libvirt"  # a bare environment: where a login session has it
