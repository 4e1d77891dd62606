from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, LibvirtConfig
from exporter.config.endpoints import NAME, PATTERNS, URI, USERNAME
from exporter.config.kinds import Kind
from exporter.config.problems import show_key
from tests.exporter.config.loading import error_of, load_only


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu+ssh://alice@hv1/system",
        "qemu+tls://[2001:db8::1]/system?no_verify=1",
        "xen",
        "hv-1_a",
    ],
)
def test_a_uri_and_what_could_be_an_alias_are_accepted_as_they_are(uri: str) -> None:
    assert load_only({"libvirt.uri": uri}).libvirt.uri == uri


@pytest.mark.parametrize("source", ["flag", "variable"])
def test_a_uri_that_cannot_be_used_is_refused_at_loading_whatever_its_source(source: str) -> None:
    uri = "qemu+tcp://alice:hunter2@host/system"
    flags = {"libvirt.uri": uri} if source == "flag" else {}
    environ = {"LIBVIRT_EXPORTER_LIBVIRT_URI": uri} if source == "variable" else {}
    place = "--libvirt.uri" if source == "flag" else "LIBVIRT_EXPORTER_LIBVIRT_URI"
    with pytest.raises(ConfigError) as caught:
        load_only(flags, environ)
    assert str(caught.value).startswith(f"{place}: libvirt.uri: this libvirt URI cannot be used: ")


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+tcp://alice:hunter2@host/system",
        "qemu+tcp://alice@host:hunter2/system",
        "qemu+tcp:alice@hunter2",
        "qemu+tcp://alice%40hunter2@host:/sys tem",
        "alice@hunter2",
        "qemu:///system?auth=hunter2&alice=1",
    ],
)
@pytest.mark.parametrize("kind", [URI, NAME, USERNAME])
def test_a_refused_value_gives_no_user_and_no_password_away(kind: Kind[object], uri: str) -> None:
    error = error_of(lambda: kind.check(uri))
    assert error is None or ("alice" not in str(error) and "hunter2" not in str(error))
    assert kind is not URI or error is not None


def test_a_uri_in_the_place_of_a_key_is_not_shown() -> None:
    path = ("targets", "qemu+ssh://alice:hunter2@h/", "modul")
    assert show_key(path) == "targets.(a URI).modul"


def test_a_user_s_name_is_in_no_repr() -> None:
    config = LibvirtConfig("qemu+ssh://alice@host/system", username="alice")
    assert "alice" not in repr(config)


@pytest.mark.parametrize("name", ["hv1", "hv1.example.org", "10.0.0.1:16514", "r\u00e4ck 1"])
def test_a_name_may_be_any_printable_text_that_is_no_uri(name: str) -> None:
    assert NAME.check(name) == name


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\udc80", "qemu://h/system", None, True, 1.5])
def test_what_cannot_name_anything_is_refused(name: object) -> None:
    with pytest.raises(ConfigError, match="expected a name"):
        NAME.check(name)


def test_an_expression_in_a_variable_may_have_a_comma() -> None:
    config = load_only(environ={"LIBVIRT_EXPORTER_PROBE_ALLOW": r" qemu://h\d{1,3}/ \n xen://x/ "})
    assert [pattern.pattern for pattern in config.probe.allow] == [
        r"qemu://h\d{1,3}/",
        r"\n",
        "xen://x/",
    ]
    assert config.probe.allow[0].fullmatch("qemu://h12/")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a(", "regular expression 2 is invalid: missing ), unterminated subpattern at position 1"),
        ("[z-a]", "regular expression 2 is invalid: bad character range z-a at position 1"),
        (f"a{{{10**20}}}", "regular expression 2 is too large"),
        ("(" * 5000 + ")" * 5000, "regular expression 2 is too large"),
    ],
)
def test_an_invalid_expression_is_refused_with_its_number_and_position(
    pattern: str, message: str
) -> None:
    error = error_of(lambda: load_only({"probe.allow": ("x", pattern)}))
    assert str(error) == f"--probe.allow: probe.allow: {message}"


@given(st.text() | st.from_regex(r"[\[\](){}|*+?a-z\\-]*"))
def test_any_text_is_an_expression_or_raises_config_error(text: str) -> None:
    error = error_of(lambda: PATTERNS.check([text]))
    assert error is None or len(str(error).splitlines()) == 1


@given(st.text() | st.from_regex(r"qemu\+tcp://[a-z:@/?=&%0-9]*"))
def test_any_text_is_a_uri_or_raises_config_error_of_one_line(text: str) -> None:
    error = error_of(lambda: URI.check(text))
    assert error is None or len(str(error).splitlines()) == 1
