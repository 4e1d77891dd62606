from __future__ import annotations

import os
from pathlib import Path

from exporter.web.changes import Changes


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    changes = Changes([file, tmp_path / "absent"])
    assert not changes.seen()
    file.write_text("12")
    assert [changes.seen(), changes.seen()] == [True, False]


def test_another_file_of_the_same_length_and_time_is_a_change(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    for each in (file, other):
        each.write_text("1")
        os.utime(each, (1, 1))
    changes = Changes([file])
    other.replace(file)
    assert changes.seen()


def test_coming_and_going_are_changes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    changes = Changes([file])
    file.touch()
    assert changes.seen()
    file.unlink()
    assert changes.seen()
    assert not changes.seen()
