"""A headless Chromium that looks at pages: their DOM, a picture of them, and what its console says.

As a program it draws the landing page of the demo, for the documents:

    python -m tests.support.chromium docs/landing.png
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from tests.support.exporter_process import ExporterProcess, exporter_process

TIMEOUT = 90.0
DOCUMENTS_SIZE = (1120, 850)

_CONSOLE = re.compile(r".*:CONSOLE.*")
_DARK = "--blink-settings=preferredColorScheme=0"


def missing_part() -> str | None:
    """Say why there is no browser, or None where there is one."""
    return None if shutil.which("chromium") else "chromium is not installed"


@dataclass(frozen=True, slots=True)
class Look:
    """What the browser printed, and what its console complained of."""

    output: str
    complaints: list[str]


def _run(url: str, *arguments: str, is_dark: bool) -> Look:
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                f"--user-data-dir={profile}",
                *([_DARK] if is_dark else []),
                *arguments,
                url,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
    return Look(done.stdout, _CONSOLE.findall(done.stderr))


def dump_dom(url: str, *, is_dark: bool = False) -> Look:
    """The page's elements after it was loaded, as HTML."""
    return _run(url, "--dump-dom", is_dark=is_dark)


def take_picture(
    url: str, file: Path, size: tuple[int, int] = (1200, 1000), *, is_dark: bool = False
) -> Look:
    """Writes a PNG of the page in a window of this size."""
    return _run(url, f"--window-size={size[0]},{size[1]}", f"--screenshot={file}", is_dark=is_dark)


def size_of(picture: bytes) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def first_pixel(picture: bytes) -> tuple[int, int, int]:
    """The colour in the upper left corner of a PNG of 8 bits a channel."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture[24] == 8
    assert picture[25] in {2, 6}, "neither RGB nor RGBA"
    data, offset = b"", 8
    while offset < len(picture):
        (length,) = struct.unpack(">I", picture[offset : offset + 4])
        if picture[offset + 4 : offset + 8] == b"IDAT":
            data += picture[offset + 8 : offset + 8 + length]
        offset += 12 + length
    # Behind the filter's number; every filter leaves the very first pixel as it is.
    red, green, blue = zlib.decompressobj().decompress(data, 4)[1:4]
    return red, green, blue


def watch_for_a_while(exporter: ExporterProcess) -> str:
    """Two scrapes of a recording, which make rates; gives the landing page's URL."""
    for _ in range(2):
        exporter.scrape()
    url: str = exporter.url
    return url.removesuffix("metrics")


def main() -> None:
    (file,) = sys.argv[1:]
    with exporter_process("demo") as exporter:
        take_picture(watch_for_a_while(exporter), Path(file).absolute(), DOCUMENTS_SIZE)


if __name__ == "__main__":
    main()
