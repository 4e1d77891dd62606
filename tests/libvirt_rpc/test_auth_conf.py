"""libvirt's auth.conf: which file, which group, which value; and nothing of it in an error.

The texts are held against virsh by the integration tests of SASL.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvirt_rpc import auth_conf
from libvirt_rpc.auth_conf import AuthConf, InvalidAuthConf
from libvirt_rpc.credentials import Credentials

TEXT = r"""
# Everybody's
[auth-libvirt-default]
credentials=everybody

[auth-libvirt-hv1.example.org]
credentials=one

[auth-ssh-hv2.example.org]
credentials=one

[auth-libvirt-2001:db8::1]
credentials=six

[credentials-everybody]
authname=reader
password=abc

[credentials-one]
  authname = first
password =   a=b "c" \\ d\s
realm=example.org
username=somebody-else

[credentials-six]
username=sixth
password=abc
"""


@pytest.mark.parametrize(
    ("host", "credentials"),
    [
        ("localhost", Credentials("reader", "abc", None, "auth.conf")),
        ("hv1.example.org", Credentials("first", 'a=b "c" \\ d ', "example.org", "auth.conf")),
        ("hv2.example.org", Credentials("reader", "abc", None, "auth.conf")),
        ("HV1.example.org", Credentials("reader", "abc", None, "auth.conf")),
        ("2001:db8::1", Credentials("sixth", "abc", None, "auth.conf")),
    ],
)
def test_a_host_gets_its_own_credentials_or_everybodys(host: str, credentials: Credentials) -> None:
    assert AuthConf(auth_conf.parse(TEXT)).credentials(host) == credentials


def test_other_services_have_other_groups() -> None:
    conf = AuthConf(auth_conf.parse(TEXT))
    found = conf.credentials("hv2.example.org", service="ssh")
    assert found is not None
    assert found.username == "first"
    assert conf.credentials("hv1.example.org", service="ssh") is None
    assert AuthConf().credentials("localhost") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[auth-libvirt-default]\n", "[auth-libvirt-default] has no line credentials=NAME"),
        ("[auth-libvirt-default]\ncredentials=hush\n", "there is no group [credentials-NAME]"),
        (
            "[auth-libvirt-default]\ncredentials=hush\n[credentials-hush]\npassword=s3cret\n",
            "the credentials that [auth-libvirt-default] chooses have no authname=",
        ),
        (
            "[auth-libvirt-default]\ncredentials=hush\n[credentials-hush]\nauthname=hush\n",
            "the credentials that [auth-libvirt-default] chooses have no password=",
        ),
    ],
)
def test_a_group_that_leads_nowhere_is_an_error_without_its_names(text: str, fault: str) -> None:
    with pytest.raises(InvalidAuthConf) as caught:
        AuthConf(auth_conf.parse(text), "/etc/libvirt/auth.conf").credentials("localhost")
    assert str(caught.value).startswith(
        "authentication with libvirt failed: /etc/libvirt/auth.conf: "
    )
    assert fault in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("[a]\nb=1\n\ns3cret\n", 4, "a line is [group], name=value or a # comment"),
        ("[a]\n; s3cret\n", 2, "a line is"),
        ("[a] s3cret\n", 1, "a line is"),
        ("[s3[cret]\n", 1, "a line is"),
        ("[]\n", 1, "a line is"),
        ("=s3cret\n", 1, "a line is"),
        ("\ufeff[a]\n", 1, "a line is"),
        ("# fine\n\npassword=s3cret\n", 3, "a value stands before the first [group]"),
    ],
)
def test_a_line_that_means_nothing_is_named_by_its_number(text: str, line: int, fault: str) -> None:
    with pytest.raises(InvalidAuthConf) as caught:
        auth_conf.parse(text)
    assert caught.value.line == line
    assert f"auth.conf, line {line}: {fault}" in str(caught.value)
    assert "s3" not in str(caught.value)


@given(st.text(max_size=200) | st.text("[]=\\#; \t\r\nabst", max_size=60))
def test_any_text_is_groups_or_an_error_that_quotes_nothing(text: str) -> None:
    fault = ""
    try:
        groups = auth_conf.parse(text)
    except InvalidAuthConf as exc:
        fault = exc.fault
    else:
        assert repr(AuthConf(groups)) == "AuthConf(path='')"
    assert fault in {
        "",
        "a line is [group], name=value or a # comment",
        "a value stands before the first [group]",
    }


@given(st.text(min_size=1, max_size=30).filter(lambda text: not {"\n", "\r"} & set(text)))
def test_any_value_comes_back_when_its_backslashes_and_outer_blanks_are_escaped(text: str) -> None:
    written = text.replace("\\", "\\\\").replace("\t", "\\t").replace(" ", "\\s")
    if written.lstrip(" \t\v\f") != written:
        written = "\\s" + written
        text = " " + text
    assert auth_conf.parse(f"[g]\nk={written}\n") == {"g": {"k": text}}


# Which file


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Every place where a file may be, each with one that tells it apart."""
    places = {name: tmp_path / name / "libvirt" / "auth.conf" for name in ("xdg", "etc")}
    places["home"] = tmp_path / "home" / ".config" / "libvirt" / "auth.conf"
    places["uri"] = tmp_path / "uri" / "auth.conf"
    places["env"] = tmp_path / "env" / "auth.conf"
    for name, path in places.items():
        path.parent.mkdir(parents=True)
        path.write_text(f"[{name}]\n")
    monkeypatch.setattr(auth_conf, "_SYSTEM_PATH", str(places["etc"]))
    return places


def environ(places: dict[str, Path], *names: str) -> dict[str, str]:
    """The environment that names these places."""
    known = {
        "env": ("LIBVIRT_AUTH_FILE", places["env"]),
        "xdg": ("XDG_CONFIG_HOME", places["xdg"].parent.parent),
        "home": ("HOME", places["home"].parent.parent.parent),
    }
    return {known[name][0]: str(known[name][1]) for name in names}


@pytest.mark.parametrize(
    ("names", "authfile", "chosen"),
    [
        (("env", "xdg", "home"), "uri", "env"),
        (("xdg", "home"), "uri", "uri"),
        (("xdg", "home"), None, "xdg"),
        (("home",), None, "home"),
        ((), None, "etc"),
    ],
)
def test_the_first_place_counts_alone(
    places: dict[str, Path], names: tuple[str, ...], authfile: str | None, chosen: str
) -> None:
    path = None if authfile is None else str(places[authfile])
    conf = auth_conf.load(environ(places, *names), authfile=path)
    assert conf.path == str(places[chosen])
    assert list(conf.groups) == [chosen]


def test_a_users_file_that_is_not_there_leaves_it_to_the_systems(places: dict[str, Path]) -> None:
    places["xdg"].unlink()
    assert auth_conf.load(environ(places, "xdg", "home")).path == str(places["etc"])
    places["etc"].unlink()
    assert auth_conf.load(environ(places, "xdg", "home")) == AuthConf()


@pytest.mark.parametrize("named", ["env", "uri"])
def test_a_file_that_is_named_must_be_there(places: dict[str, Path], named: str) -> None:
    places[named].unlink()
    names = ("env",) if named == "env" else ()
    with pytest.raises(
        InvalidAuthConf, match="cannot be read: No such file or directory"
    ) as caught:
        auth_conf.load(environ(places, *names), authfile=str(places["uri"]))
    assert caught.value.path == str(places[named])


def test_a_mistake_in_a_file_is_told_with_its_path(places: dict[str, Path]) -> None:
    places["etc"].write_text("[a]\ns3cret\n")
    with pytest.raises(InvalidAuthConf) as caught:
        auth_conf.load({})
    assert f"{places['etc']}, line 2: a line is" in str(caught.value)
