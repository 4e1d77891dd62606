from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue import label_names
from exporter.config import (
    RESERVED_LABELS,
    ConfigError,
    ListenAddress,
    parse_boolean,
    parse_listen_address,
)
from exporter.metrics import FAMILIES, GROUPS
from tests.exporter.config.loading import load_only


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "on", "1", " true "])
def test_a_word_for_true_is_true(text: str) -> None:
    assert parse_boolean(text) is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0"])
def test_a_word_for_false_is_false(text: str) -> None:
    assert parse_boolean(text) is False


@pytest.mark.parametrize("text", ["", "t", "2", "truefalse", "none"])
def test_another_word_is_no_boolean(text: str) -> None:
    with pytest.raises(ConfigError, match="expected true or false"):
        parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9177", "", 9177),
        ("127.0.0.1:9177", "127.0.0.1", 9177),
        ("[::1]:9177", "::1", 9177),
        ("[fe80::1%eth0]:9177", "fe80::1%eth0", 9177),
        ("localhost:0", "localhost", 0),
        ("kvm-1.example.org:65535", "kvm-1.example.org", 65535),
    ],
)
def test_an_address_is_read_and_rendered_back(text: str, host: str, port: int) -> None:
    assert parse_listen_address(text) == ListenAddress(host, port)
    assert str(ListenAddress(host, port)) == text


def test_the_path_of_a_unix_socket_is_an_address() -> None:
    address = parse_listen_address("unix:/run/a b.sock")
    assert address == ListenAddress("", 0, "/run/a b.sock")
    assert str(address) == "unix:/run/a b.sock"


@pytest.mark.parametrize("path", ["", "x", "run/x", "/run/", "/a\nb", "/a\0"])
def test_a_unix_socket_needs_an_absolute_path(path: str) -> None:
    with pytest.raises(ConfigError, match="expected an absolute path behind unix:"):
        parse_listen_address(f"unix:{path}")


def test_a_unix_socket_with_a_path_that_the_kernel_does_not_take_is_refused() -> None:
    assert parse_listen_address(f"unix:/{'a' * 106}")
    with pytest.raises(ConfigError, match="has 107 bytes at most, got 108"):
        parse_listen_address(f"unix:/{'a' * 107}")


def test_two_unix_sockets_may_differ_and_may_not_be_one() -> None:
    load_only({"web.listen_address": ["unix:/a", "unix:/b", ":0", ":0"]})
    with pytest.raises(ConfigError, match="the address unix:/a is given twice"):
        load_only({"web.listen_address": ["unix:/a", "unix:/a"]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9177",
        ":",
        ":x",
        ":65536",
        ":-1",
        ":\u0663",
        "::1:9177",
        "[::1]",
        "[]:9177",
        "[1.2.3.4]:1",
        "1.2.3:1",
        "1.2.3.256:1",
        "a b:1",
        "-a:1",
        "a..b:1",
        "http://x:1",
        ":1\n",
        "[::1%\n]:1",
        1,
        None,
    ],
)
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="expected an address such as"):
        parse_listen_address(text)


@given(st.text() | st.from_regex(r"\[?[a-z0-9.:]*\]?:[0-9]*"))
def test_any_text_is_an_address_that_renders_back_or_raises_config_error(text: str) -> None:
    try:
        address = parse_listen_address(text)
    except ConfigError:
        return
    assert parse_listen_address(str(address)) == address


@pytest.mark.parametrize("path", ["/", "/metrics", "/a/b", "/metrics/", "/probes", "/.", "/a.b"])
def test_a_path_is_accepted_unless_it_has_dot_segments(path: str) -> None:
    if path == "/.":
        with pytest.raises(ConfigError):
            load_only({"web.telemetry_path": path})
    else:
        assert load_only({"web.telemetry_path": path}).web.telemetry_path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "metrics",
        "//host",
        "/a//b",
        "/../x",
        "/a?b",
        "/a#b",
        "/a b",
        "/{x}",
        "/%2e",
        "/a\n",
        "/-/ready",
        "/-",
        "/probe",
        "/probe/x",
        "/sd",
        "/sd/",
    ],
)
def test_a_path_that_cannot_be_served_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^--web\.telemetry-path: web\.telemetry_path: "):
        load_only({"web.telemetry_path": path})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["rack"], "expected a label such as rack=r12, got 'rack'"),
        (["a=1", "a=2"], "the label a is given twice"),
        (["uuid=1"], "the label uuid is the exporter's own"),
        (["le=1"], "the label le is the exporter's own"),
        (["=1"], "expected a label name"),
        (["a-b=1"], "expected a label name"),
        (["a=\udc80"], "the value of the label a is not valid UTF-8"),
    ],
)
def test_a_label_that_would_spoil_the_page_is_refused(labels: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_only({"metrics.extra_labels": labels})


def test_every_label_of_the_metric_tables_is_reserved() -> None:
    used = {name for group in GROUPS for row in group.rows for name in label_names(row)}
    used |= {name for family in FAMILIES for name in family.labels}
    assert used - RESERVED_LABELS == set()
