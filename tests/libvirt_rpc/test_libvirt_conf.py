from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc.libvirt_conf import (
    InvalidLibvirtConf,
    LibvirtConf,
    RemoteMode,
    RemoteProxy,
    conf_path,
    load,
    parse,
)

EXAMPLE = """\
# libvirt.conf as an administrator writes it
uri_aliases = [
  "hail=qemu+ssh://root@hail.cloud.example.com/system", # near
  # far
  'sleet-2_x=qemu+tls://sleet.example.com/system?no_verify=1',
]

uri_default = "qemu:///system"; remote_mode = "legacy"
remote_proxy='native'
tls_priority = \"\"\"NORMAL:
-VERS-TLS1.0\"\"\"
something_new = [ "a", 1, -2 ]
another = 5
"""


def test_a_whole_file_is_read() -> None:
    conf = parse(EXAMPLE)
    assert conf == LibvirtConf(
        uri_aliases={
            "hail": "qemu+ssh://root@hail.cloud.example.com/system",
            "sleet-2_x": "qemu+tls://sleet.example.com/system?no_verify=1",
        },
        uri_default="qemu:///system",
        remote_mode=RemoteMode.LEGACY,
        remote_proxy=RemoteProxy.NATIVE,
        tls_priority="NORMAL:\n-VERS-TLS1.0",
    )


@pytest.mark.parametrize("text", ["", "\n\n", "# uri_default = 'x'", " \t\r\n", "a = []\n"])
def test_a_file_that_says_nothing_leaves_the_defaults(text: str) -> None:
    assert parse(text) == LibvirtConf()


# What virsh 9.0.0 made of these files.
@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("uri_default='x:///'", "x:///"),
        ('uri_default="""x:///"""\n', "x:///"),
        ('uri_default = "x:///" # comment\n', "x:///"),
        ('  uri_default="x:///"; \n', "x:///"),
        ('uri_default="x:///"\r\n', "x:///"),
        ('uri_default="first:///"\nuri_default="second:///"\n', "first:///"),
        ('a=-1\nuri_default="x:///"', "x:///"),
        ('a="é"\nuri_default="x:///"', "x:///"),
        ('uri_default="x:///#y"', "x:///#y"),
        ('uri_default="[a]"', "[a]"),
        ("uri_default='say \"x\"'", 'say "x"'),
        ('uri_default=""', None),
        ("uri_default=''", None),
    ],
)
def test_values_are_read_as_libvirts_client_reads_them(text: str, default: str | None) -> None:
    assert parse(text).uri_default == default


def test_the_first_of_two_equal_aliases_counts() -> None:
    assert parse('uri_aliases=["a=x:///","a=y:///"]').uri_aliases == {"a": "x:///"}


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ('uri_default = "x" y=1\n', 1, "goes on"),
        ("\nuri_default=5\n", 2, 'uri_default = "..."'),
        ("uri_default=\n", 1, "uri_default"),
        ("uri_default=", 1, "uri_default"),
        ("uri_default", 1, "uri_default = VALUE"),
        ('uri_default\n= "x"\n', 1, "uri_default = VALUE"),
        ('uri_default=\n"x"\n', 1, "uri_default"),
        ("uri_default=qemu:///system\n", 1, "quoted"),
        ("uri_default=qemu\n", 1, "quoted string"),
        ('uri_default="x\n"\n', 1, "quoted string"),
        ('uri_default="x\n', 1, "quoted string"),
        ('uri_default="a\\"b"\n', 1, "quoted string"),
        ('a.b=1\nuri_default="x"\n', 1, "key = value"),
        ('a-b=1\nuri_default="x"\n', 1, "key = value"),
        ("a=0x10\n", 1, "goes on"),
        ("a=" + "9" * 5000, 1, "number"),
        ('a=[ "x"\n"y" ]\n', 2, "commas"),
        ('a=["x",,"y"]\n', 1, "quoted string"),
        ("a=[[1]]\n", 1, "quoted string"),
        ('#\na=[\n"x"\nb="y"\n', 4, "commas"),
        ('#\na=[\n"x",\n\n', 2, "closing ]"),
        ("1a=1\n", 1, "begins with a key"),
        ('= "x"\n', 1, "begins with a key"),
        ("_a=1\n", 1, "key = value"),
        ("\ufeffa=1\n", 1, "key = value"),
        ("\x00", 1, "key = value"),
        ('remote_mode="Direct"\n', 1, "auto, direct, legacy"),
        ('remote_mode=""\n', 1, "auto, direct, legacy"),
        ("remote_mode=1\n", 1, 'remote_mode = "..."'),
        ('remote_proxy="nc"\n', 1, "auto, netcat, native"),
        ('uri_aliases="a=x:///"\n', 1, "uri_aliases = ["),
        ('uri_aliases=["a=x:///", 5]\n', 1, "item 2"),
        ('uri_aliases=["a"]\n', 1, "item 1"),
        ('uri_aliases=["a="]\n', 1, "item 1"),
        ('uri_aliases=["=x:///"]\n', 1, "item 1"),
        ('uri_aliases=["x y=x:///"]\n', 1, "item 1"),
    ],
)
def test_a_bad_file_is_refused_with_the_line_and_what_to_write(
    text: str, line: int, advice: str
) -> None:
    with pytest.raises(InvalidLibvirtConf) as caught:
        parse(text)
    assert caught.value.line == line
    assert advice in caught.value.reason
    assert str(caught.value).startswith(f"libvirt.conf, line {line}: ")


def test_an_aliass_uri_is_never_shown() -> None:
    conf = parse('uri_aliases = ["a=qemu+ssh://root@h/system"]\nuri_default="qemu://root@h/"')
    assert "root" not in repr(conf)
    with pytest.raises(InvalidLibvirtConf) as caught:
        parse('uri_aliases = ["a b=qemu+ssh://root@h/system"]')
    assert "root" not in f"{caught.value} {caught.value!r}"


PIECES = st.sampled_from(
    [*" \n\r\t=[],;#'\"", '"""', "a", "uri_default", "uri_aliases", "1", '"a=b"']
)


@given(st.text() | st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        conf = parse(text)
    except InvalidLibvirtConf:
        return
    assert conf.uri_default != ""


@given(
    st.dictionaries(
        st.text("abcXYZ019_-", min_size=1),
        st.text(st.characters(exclude_characters='"\n', exclude_categories=["Cs"]), min_size=1),
    )
)
def test_aliases_come_back_as_they_were_written(aliases: dict[str, str]) -> None:
    items = ", ".join(f'"{name}={uri}"' for name, uri in aliases.items())
    assert parse(f"uri_aliases = [ {items} ]").uri_aliases == aliases


# The file


@pytest.mark.parametrize(
    ("uid", "environ", "path"),
    [
        (0, {}, "/etc/libvirt/libvirt.conf"),
        (0, {"HOME": "/root", "XDG_CONFIG_HOME": "/x"}, "/etc/libvirt/libvirt.conf"),
        (1000, {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/libvirt/libvirt.conf"),
        (1000, {"HOME": "/h", "XDG_CONFIG_HOME": ""}, "/h/.config/libvirt/libvirt.conf"),
        (1000, {"HOME": "/h"}, "/h/.config/libvirt/libvirt.conf"),
        (1000, {}, None),
    ],
)
def test_the_file_is_the_one_that_libvirts_client_reads(
    uid: int, environ: dict[str, str], path: str | None
) -> None:
    assert conf_path(uid=uid, environ=environ) == (path and Path(path))


@pytest.fixture
def conf_file(tmp_path: Path) -> Path:
    path = tmp_path / "libvirt" / "libvirt.conf"
    path.parent.mkdir()
    return path


def test_load_reads_the_users_file(tmp_path: Path, conf_file: Path) -> None:
    conf_file.write_text('uri_default = "test:///default"\n')
    conf = load({"XDG_CONFIG_HOME": str(tmp_path)}, uid=1000)
    assert conf.uri_default == "test:///default"


def test_a_file_that_does_not_exist_says_nothing(tmp_path: Path) -> None:
    assert load({"XDG_CONFIG_HOME": str(tmp_path / "nowhere")}, uid=1000) == LibvirtConf()
    (tmp_path / "libvirt").write_text("no directory")
    assert load({"XDG_CONFIG_HOME": str(tmp_path)}, uid=1000) == LibvirtConf()
    assert load({}, uid=1000) == LibvirtConf()


def test_an_error_in_the_file_names_the_file(tmp_path: Path, conf_file: Path) -> None:
    conf_file.write_text("\nuri_default\n")
    with pytest.raises(InvalidLibvirtConf) as caught:
        load({"XDG_CONFIG_HOME": str(tmp_path)}, uid=1000)
    assert str(caught.value).startswith(f"{conf_file}, line 2: ")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, conf_file: Path) -> None:
    conf_file.write_bytes(b'uri_default = "\xff"\n')
    with pytest.raises(InvalidLibvirtConf, match="UTF-8"):
        load({"XDG_CONFIG_HOME": str(tmp_path)}, uid=1000)


@pytest.mark.skipif(os.geteuid() != 0, reason="closing a folder to oneself needs root")
def test_a_file_in_a_folder_that_is_closed_to_this_user_is_absent(
    tmp_path: Path, conf_file: Path
) -> None:
    conf_file.write_text('uri_default = "test:///default"\n')
    conf_file.parent.chmod(0o700)
    os.seteuid(65534)
    try:
        assert load({"XDG_CONFIG_HOME": str(tmp_path)}, uid=65534) == LibvirtConf()
    finally:
        os.seteuid(0)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, conf_file: Path) -> None:
    conf_file.mkdir()  # no permission bits: root would read the file all the same
    with pytest.raises(InvalidLibvirtConf, match="cannot be read") as caught:
        load({"XDG_CONFIG_HOME": str(tmp_path)}, uid=1000)
    assert str(conf_file) in str(caught.value)


def test_load_takes_the_processs_own_user(
    tmp_path: Path, conf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf_file.write_text('uri_default = "test:///default"\n')
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert load({"XDG_CONFIG_HOME": str(tmp_path)}).uri_default == "test:///default"
