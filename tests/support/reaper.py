"""Runs a daemon and is parent to every process that it leaves behind: reaper.py COMMAND...

QEMU outlives the libvirtd that started it. Orphans would go to process 1, which in a container
may reap them late or never, and libvirtd takes a zombie for a domain that refuses to die. This
process adopts them and reaps them at once. It prints the daemon's process id, and when its
standard input ends, be it that the tests died, it kills all of them and ends.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    child_died, wake_up = os.pipe()
    os.set_blocking(child_died, False)
    os.set_blocking(wake_up, False)
    signal.set_wakeup_fd(wake_up, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    os.write(sys.stdout.fileno(), b"%d\n" % daemon.pid)

    while _reap(os.WNOHANG):
        ready, _, _ = select.select([sys.stdin, child_died], [], [])
        if sys.stdin in ready:
            _kill_all()
            return
        os.read(child_died, 4096)


def _reap(options: int) -> bool:
    """Reap what has died (with WNOHANG, without waiting); say whether children are left."""
    try:
        while os.waitpid(-1, options)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _kill_all() -> None:
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(-1, 0)


def _children() -> list[int]:
    """All children by process id; nobody else reaps them, so the ids stay theirs."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, after_name = path.read_text(errors="replace").rpartition(")")
        except OSError:
            continue  # gone since the listing
        if int(after_name.split()[1]) == os.getpid():
            children.append(int(path.parent.name))
    return children


if __name__ == "__main__":
    main(sys.argv[1:])
