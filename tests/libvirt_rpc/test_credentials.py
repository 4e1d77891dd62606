"""A name and a password: taken, checked, and never shown."""

from __future__ import annotations

import dataclasses
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.credentials import Credentials
from libvirt_rpc.errors import AuthenticationFailed

UNUSUAL = st.text(st.characters(min_codepoint=0x400, max_codepoint=0x4FF), min_size=4, max_size=12)


@given(UNUSUAL, UNUSUAL, UNUSUAL)
def test_no_text_of_credentials_shows_them(username: str, password: str, realm: str) -> None:
    credentials = Credentials(username, password, realm, "auth.conf")
    for shown in (repr(credentials), str(credentials), f"{credentials}", ascii(credentials)):
        assert shown == "Credentials(source='auth.conf')"


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("", "s3cret", "the user's name from the caller is empty"),
        ("exporter", "", "the password from the caller is empty"),
        ("expo\0rter", "s3cret", "the user's name from the caller holds a NUL"),
        ("exporter", "s3\0cret", "the password from the caller holds a NUL"),
        ("exporter", "s3\udcffcret", "or is no Unicode text"),
    ],
)
def test_what_no_daemon_can_take_is_refused(username: str, password: str, reason: str) -> None:
    with pytest.raises(AuthenticationFailed, match=reason) as caught:
        Credentials(username, password)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "rter" not in shown.replace("Credentials(username, password)", "")
    assert "cret" not in shown


def test_credentials_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Credentials("a", "b").password = "c"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("text", "password"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" s3cret \n", " s3cret "),
        ("größe".encode(), "größe"),
    ],
)
def test_a_password_file_is_the_password_and_at_most_a_newline(
    tmp_path: Path, text: bytes, password: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(text)
    credentials = Credentials.from_password_file("exporter", path, realm="example.org")
    assert credentials == Credentials(
        "exporter", password, "example.org", f"the password file {path}"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"s3\xffcret", "is not UTF-8 text"),
    ],
)
def test_a_password_file_that_has_none_is_named(
    tmp_path: Path, text: bytes | None, reason: str
) -> None:
    path = tmp_path / "password"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(AuthenticationFailed, match=reason) as caught:
        Credentials.from_password_file("exporter", path)
    assert str(path) in str(caught.value)
