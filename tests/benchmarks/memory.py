"""Memory of the serving process after many scrapes of 100 recorded domains."""

import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

TRACE = Path(__file__).parents[2] / "fixtures" / "benchmarks" / "hundred-domains-scrapes.jsonl.gz"
EARLY = 50
LIMIT = 1.05


def measure(scrapes: int) -> tuple[int, int]:
    """Resident KiB after EARLY scrapes and after `scrapes`, of a real serving process."""
    command = [
        *(sys.executable, "-m", "exporter", "replay", str(TRACE)),
        *("--web.listen-address=127.0.0.1:0", "--log.format=json"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            url = url_of(server)
            early = 0
            for number in range(1, scrapes + 1):
                with urlopen(url, timeout=10) as response:
                    assert len(response.read()) > 500_000
                if number == EARLY:
                    early = _resident_kib(server.pid)
            return early, _resident_kib(server.pid)
        finally:
            server.terminate()


def url_of(server: subprocess.Popen[str]) -> str:
    """Where it listens, from its log."""
    assert server.stderr is not None
    url = ""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        line = server.stderr.readline()
        if found := re.search(r'"url": ?"([^" ]+)', line):
            url = found[1]
        if url and "connected to libvirt" in line:
            return url
    raise TimeoutError("the exporter does not say where it listens")


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])
