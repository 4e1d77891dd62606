"""The landing page as a person sees it: the demo's, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import chromium, real_parts
from tests.support.exporter_process import exporter_process

DOCUMENTED_PICTURE = Path(__file__).parents[2] / "docs" / "landing.png"
LIGHT, DARK = (0xF7, 0xF7, 0xF5), (0x14, 0x17, 0x1A)
PHONE = (500, 900)


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    reason = chromium.missing_part()
    if reason is not None:
        real_parts.lacks(reason)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The landing page of a demo that was scraped twice."""
    with exporter_process("demo") as exporter:
        yield chromium.watch_for_a_while(exporter)


def names_of(dom: str) -> list[str]:
    return re.findall(r'<td class="name"[^>]*>([^<]+)', dom)


def test_the_domains_are_shown_with_their_rates_and_nothing_is_refused(url: str) -> None:
    look = chromium.dump_dom(url)
    assert look.complaints == []
    assert {"web-01", "db-01", "backup-01"} <= set(names_of(look.output))
    assert re.search(r"[\d.]+.KiB/s", look.output)
    assert look.output.count('<rect width="') > 5
    assert "running" in look.output
    assert "shut off" in look.output


def test_plain_links_sort_the_domains(url: str) -> None:
    first = chromium.dump_dom(url).output
    links = re.findall(r'<th [^>]*><a href="([^"]+)">', first)
    by_name = next(link for link in links if "sort=name" in link).replace("&amp;", "&")
    rising = names_of(chromium.dump_dom(f"{url}{by_name}").output)
    falling = names_of(chromium.dump_dom(f"{url}{by_name.replace('asc', 'desc')}").output)
    assert rising == sorted(rising) != names_of(first)
    assert falling == rising[::-1]


@pytest.mark.parametrize(("is_dark", "background"), [(False, LIGHT), (True, DARK)])
@pytest.mark.parametrize("size", [(1200, 1000), PHONE])
def test_it_has_the_colours_that_the_person_likes(
    url: str,
    *,
    is_dark: bool,
    background: tuple[int, int, int],
    size: tuple[int, int],
    tmp_path: Path,
) -> None:
    """The style sheet counts, though the page's policy allows nothing but it."""
    file = tmp_path / "page.png"
    look = chromium.take_picture(url, file, size, is_dark=is_dark)
    assert look.complaints == []
    picture = file.read_bytes()
    assert chromium.size_of(picture) == size
    assert chromium.first_pixel(picture) == background


def test_the_browser_would_complain_of_what_the_policy_refuses(tmp_path: Path) -> None:
    """Else its silence would say nothing."""
    page = tmp_path / "page.html"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    page.write_text(f"<!doctype html>{policy}<style>p {{ color: red }}</style>")
    (complaint,) = chromium.dump_dom(page.as_uri()).complaints
    assert "Content Security Policy" in complaint


def test_the_picture_of_the_documents_is_there_and_small() -> None:
    picture = DOCUMENTED_PICTURE.read_bytes()
    assert chromium.size_of(picture) == chromium.DOCUMENTS_SIZE
    assert len(picture) < 150_000
