"""Golden pages: what the exporter makes of each recorded trace.

`python -m tests.support.golden` writes fixtures/expected/ anew, after a change that was meant.
"""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

from exporter.application import Application
from exporter.config import Config, load
from exporter.exposition import Format
from libvirt_rpc.protocol.framing import Frame
from libvirt_rpc.trace.format import Direction, FrameLine, ScrapeMark, load_trace
from libvirt_rpc.trace.replay import Replayer

FIXTURES = Path(__file__).parents[2] / "fixtures"
EVERYTHING = {
    "collectors.domain.perf": True,
    "collectors.domain.iothread": True,
    "collectors.domain.memory_bandwidth": True,
    "collectors.domain.dirtyrate": True,
    "collectors.domain.vm": True,
    "collectors.domain.vcpu_stats": True,
    "collectors.disk.limits": True,
    "collectors.domain.limits": True,
    "collectors.domain.vcpu_placement": True,
    "collectors.domain.messages": True,
    "collectors.disk.errors": True,
    "collectors.storage.volumes": True,
}
"""What was switched on for the traces whose name ends in `-everything`."""

_MOVING = re.compile(
    r"^(?:# (?:HELP|TYPE) )?(?:process_|python_|libvirt_exporter_(?:build_info|rpc_|.*duration_seconds))"
)
"""Lines about the exporter's own run: no two runs have the same."""


SETTLING_SECONDS = 2.0


class Calls:
    """A FrameTap that keeps what was sent, as the daemon's part of a trace sees it."""

    def __init__(self) -> None:
        self.sent_frames: list[Frame] = []

    def sent(self, frame: Frame) -> None:
        self.sent_frames.append(frame)

    def received(self, frame: Frame) -> None:
        pass


def traces() -> list[Path]:
    return sorted((FIXTURES / "traces").glob("*/*.jsonl.gz"))


def expected_page(trace: Path) -> Path:
    return FIXTURES / "expected" / trace.parent.name / trace.name.replace(".jsonl.gz", ".prom")


def config_for(trace: Path) -> Config:
    flags = EVERYTHING if "-everything" in trace.name else {}
    return load(None, flags=flags, environ={})


async def replayed_page(trace: Path) -> tuple[str, Calls]:
    """The page of the trace's first scrape, and what was asked for it; of one with events the last page."""
    calls = Calls()
    recorded = load_trace(trace)
    replayer = Replayer(recorded, loop=False)
    application = Application(config_for(trace), replayer=replayer, tap=calls)
    if has_events(trace):
        scrapes = sum(isinstance(line, ScrapeMark) for line in recorded.lines)
        body = await _last_page(application, scrapes)
    else:
        body, status = await application.scrape_once(Format.TEXT)
        assert status == 0
    assert 'libvirt_exporter_collector_success{collector="domain_stats"} 1' in body.decode()
    lines = [line for line in body.decode().splitlines() if not _MOVING.match(line)]
    return "\n".join(lines) + "\n", calls


async def _last_page(application: Application, scrapes: int) -> bytes:
    """The page when everything was played, and what an event has fetched anew is there."""
    async with application.connecting():
        await application.hypervisor.first_attempt()
        for _ in range(scrapes + 1):
            await application.page(of_process=False)
            await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLING_SECONDS)
        return (await application.page(of_process=False)).render(Format.TEXT)


def has_events(trace: Path) -> bool:
    return trace.name.startswith("life")


def recorded_calls(trace: Path) -> Iterator[tuple[int, int, bytes]]:
    """Program, procedure and arguments of every call from the first scrape's mark to the second's."""
    marks = 0
    for line in load_trace(trace).lines:
        if isinstance(line, ScrapeMark):
            marks += 1
        elif isinstance(line, FrameLine) and marks == 1 and line.direction is Direction.SENT:
            yield line.frame.program, line.frame.procedure, line.frame.payload


def main() -> None:
    for trace in traces():
        page, _ = asyncio.run(replayed_page(trace))
        expected_page(trace).parent.mkdir(parents=True, exist_ok=True)
        expected_page(trace).write_text(page)
        print(f"{expected_page(trace).relative_to(FIXTURES)}: {page.count(chr(10))} lines")  # noqa: T201


if __name__ == "__main__":
    main()
