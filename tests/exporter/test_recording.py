"""What is recorded can be replayed: the same pages, without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.application import Application
from exporter.config import Config
from exporter.recording import record as record_trace
from libvirt_rpc.errors import ConnectFailed, SessionClosed, TraceError
from libvirt_rpc.protocol import procedures as p
from libvirt_rpc.trace.format import ScrapeMark, load_trace
from libvirt_rpc.trace.replay import Replayer
from tests.support.daemon import Peer, ScriptedDaemon, by_table, closes
from tests.support.exporting import ARCHIVE, QEMU_HOST, WEB, configured, host, number, record
from tests.support.pages import ReadPage, read_page


def moving(daemon: ScriptedDaemon) -> None:
    """Lets the daemon report one more read byte in each scrape."""
    scrapes = 0

    def script(peer: Peer, frame: object) -> None:
        nonlocal scrapes
        scrapes = len(peer.calls(p.CONNECT_LIST_ALL_DOMAINS))
        disk = (number("block.count", 0), number("balloon.major_fault", scrapes))
        answers = host(record(WEB, *disk), record(ARCHIVE, *disk))
        by_table(answers)(peer, frame)  # type: ignore[arg-type]  # a Frame

    daemon.script = script


def domain_samples(page: ReadPage) -> dict[object, str]:
    return {key: value for key, value in page.samples.items() if "libvirt_domain_" in key[0]}


@pytest.mark.parametrize("name", ["trace.jsonl", "trace.jsonl.gz"])
async def test_a_recording_replays_to_the_same_pages(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        moving(daemon)
        assert await record_trace(configured(daemon.uri), file, scrapes=3, interval_seconds=0) == 0
    application = Application(Config(), replayer=Replayer(load_trace(file)))
    await application.hypervisor.open()
    pages = [read_page((await application.scraper.scrape()).render()) for _ in range(3)]
    await application.hypervisor.close()
    faults = [page.values("libvirt_domain_memory_major_faults_total") for page in pages]
    first = faults[0][0]
    assert faults == [[first, first], [first + 1, first + 1], [first + 2, first + 2]]
    assert pages[0].domain_names == {"web", "archive"}
    assert all(page.value("libvirt_exporter_last_scrape_error") == 0 for page in pages)


async def test_the_header_tells_who_was_recorded_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        await record_trace(configured(daemon.uri), file, scrapes=2, interval_seconds=0)
        secret = daemon.path
    trace = load_trace(file)
    header = trace.header
    assert (header.libvirt, header.hypervisor, header.hostname, header.uri) == (
        "9.0.0",
        "QEMU 7.2.22",
        "host-1",
        "qemu+unix:///system",
    )
    assert secret not in file.read_text()
    assert [line.number for line in trace.lines if isinstance(line, ScrapeMark)] == [1, 2]


async def test_without_a_daemon_there_is_nothing_to_record(tmp_path: Path) -> None:
    config = configured(f"qemu+unix:///system?socket={tmp_path}/sock")
    with pytest.raises(ConnectFailed):
        await record_trace(config, tmp_path / "trace.jsonl", scrapes=1, interval_seconds=0)


async def test_a_connection_that_is_lost_meanwhile_ends_the_recording(tmp_path: Path) -> None:
    async with ScriptedDaemon() as daemon:
        answers = by_table(QEMU_HOST)
        leaving = by_table({**QEMU_HOST, p.CONNECT_LIST_ALL_DOMAINS: closes})

        def script(peer: Peer, frame: object) -> None:
            scrapes = len(peer.calls(p.CONNECT_LIST_ALL_DOMAINS))
            (answers if scrapes < 3 else leaving)(peer, frame)  # type: ignore[arg-type]  # a Frame

        daemon.script = script
        with pytest.raises(SessionClosed, match="the daemon closed it"):
            await record_trace(
                configured(daemon.uri), tmp_path / "trace.jsonl", scrapes=9, interval_seconds=0
            )


async def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        with pytest.raises(TraceError, match="cannot be written"):
            await record_trace(
                configured(daemon.uri), tmp_path / "no" / "trace", scrapes=1, interval_seconds=0
            )
        assert daemon.peers == []
