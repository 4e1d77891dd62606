from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from libvirt_rpc.errors import InvalidURI
from libvirt_rpc.libvirt_conf import LibvirtConf, RemoteMode, RemoteProxy
from libvirt_rpc.uri import ConnectionURI, Transport, URIParameters, parse_uri, resolve_uri

# What libvirt's own client sends in CONNECT_OPEN, captured from virsh 9.0.0.
OPEN_NAMES = {
    "qemu+unix:///system?socket=/x": "qemu:///system",
    "qemu+tcp://u@h:1/session": "qemu:///session",
    "qemu+tls://h/system?pkipath=/p&tls_priority=X": "qemu:///system",
    "qemu://h/system?z=1": "qemu:///system?z=1",
    "qemu+tcp://h/": "qemu:///",
    "qemu+tcp://h": "qemu://",
    "remote+tcp://h/": "",
    "test+unix:///default?socket=/x": "test:///default",
    "qemu:///system?foo=bar": "qemu:///system?foo=bar",
    "qemu+unix:///system?SOCKET=/x&Foo=bar": "qemu:///system?Foo=bar",
    "QEMU+UNIX:///system": "QEMU:///system",
    "qemu:///system?socket=/x&name=xyz%20:/?": "xyz :/?",
    "qemu:///system?NAME=test:///default&foo=bar": "test:///default",
    "qemu:///system?name=": "",
    "qemu:///system?name=a&name=b": "b",
    "remote:///system?name=qemu:///system": "qemu:///system",
    "remote:///?foo=1": "",
    "REMOTE+unix:///system": "REMOTE:///system",
    "qemu:///system?foo": "qemu:///system?foo=",
    "qemu:///system?=foo": "qemu:///system",
    "qemu:///system?&&foo=a": "qemu:///system?foo=a",
    "qemu:///system?socket=/x;foo=a;bar=b": "qemu:///system?foo=a&bar=b",
    "qemu:///system?foo=a;b&c=d": "qemu:///system?foo=a%3Bb&c=d",
    "qemu:///system?foo=a=b+c": "qemu:///system?foo=a%3Db%2Bc",
    "qemu:///system?foo=a%20b/c:d@e,%25%c3%a9*!'()$~": (
        "qemu:///system?foo=a%20b%2Fc%3Ad%40e%2C%25%C3%A9%2A%21%27%28%29%24~"
    ),
    "qemu:///a%20b%41;@&=+$,:!*'()~-_.%25%2F": "qemu:///a%20bA;@&=+$,%3A!*'()~-_.%25/",
    "qemu+tcp://h//system": "qemu:////system",
    "qemu:///system?socket=/x#%23frag%41:@/?c&d": "qemu:///system#%23fragA:@/?c&d",
    "xen:///": "xen:///",
    "xen": "xen:///system",
    "XEN": "xen:///system",
    "xen://": "xen:///system",
    (
        "qemu:///system?authfile=/x&sshauth=a&known_hosts=/k&known_hosts_verify=x&command=c"
        "&netcat=n&keyfile=k&no_tty=1&no_sanity=1&no_verify=1&pkipath=p&tls_priority=t"
        "&mode=auto&proxy=auto&auth=sasl&socket=s&pki=1"
    ): "qemu:///system?pki=1",
}


@pytest.mark.parametrize(("text", "name"), OPEN_NAMES.items())
def test_open_name_is_what_libvirts_client_sends(text: str, name: str) -> None:
    assert parse_uri(text).open_name == name


ADDRESSES = [
    ("qemu:///system", Transport.UNIX, None, None, None),
    ("qemu+unix:///system", Transport.UNIX, None, None, None),
    ("qemu+UNIX:///system", Transport.UNIX, None, None, None),
    ("qemu://root@/system", Transport.UNIX, "root", None, None),
    ("qemu://h/system", Transport.TLS, None, "h", 16514),
    ("qemu+tls://h/system", Transport.TLS, None, "h", 16514),
    ("qemu+Tls://h:1/system", Transport.TLS, None, "h", 1),
    ("qemu+tls:///system", Transport.TLS, None, "localhost", 16514),
    ("qemu+tcp://h/system", Transport.TCP, None, "h", 16509),
    ("qemu+tcp://u@h:65535/system", Transport.TCP, "u", "h", 65535),
    ("qemu+tcp://:016510/system", Transport.TCP, None, "localhost", 16510),
    ("qemu+ssh://h/system", Transport.SSH, None, "h", None),
    (
        "qemu+ssh://ro%6ft@my-host_1.example:22/system",
        Transport.SSH,
        "root",
        "my-host_1.example",
        22,
    ),
    ("qemu+tcp://@local%68ost/system", Transport.TCP, None, "localhost", 16509),
    ("qemu+tcp://[::1]/system", Transport.TCP, None, "::1", 16509),
    ("qemu+tls://u@[2001:db8::1]:1/system", Transport.TLS, "u", "2001:db8::1", 1),
    ("qemu+tls://[fe80::1%25eth0]/system", Transport.TLS, None, "fe80::1%eth0", 16514),
    ("qemu+tls://192.0.2.1/system", Transport.TLS, None, "192.0.2.1", 16514),
]


@pytest.mark.parametrize(("text", "transport", "user", "host", "port"), ADDRESSES)
def test_transport_and_address_follow_libvirts_rules(
    text: str, transport: Transport, user: str | None, host: str | None, port: int | None
) -> None:
    uri = parse_uri(text)
    assert (uri.transport, uri.user, uri.host, uri.port) == (transport, user, host, port)
    assert uri.is_local == (transport is Transport.UNIX)


def test_a_local_path_may_have_an_at_sign() -> None:
    assert parse_uri("test:///home/a@b.xml").path == "/home/a@b.xml"


def test_scheme_and_driver_are_as_written_and_the_path_is_decoded() -> None:
    uri = parse_uri("Test+UNIX:///a%20b/%C3%A9")
    assert (uri.scheme, uri.driver, uri.path) == ("Test+UNIX", "Test", "/a b/é")


REDACTED = {
    "qemu:///system": "qemu:///system",
    "qemu+ssh://root@h:22/system?keyfile=/k&x=y#f": "qemu+ssh://h:22/system",
    "qemu+tls://u@[fe80::1%25eth0]:1/system?z": "qemu+tls://[fe80::1%25eth0]:1/system",
    "qemu+tcp:///session": "qemu+tcp:///session",
    "test:///a%20b": "test:///a%20b",
    "xen": "xen:///system",
}


@pytest.mark.parametrize(("text", "redacted"), REDACTED.items())
def test_redacted_is_the_uri_without_user_and_query(text: str, redacted: str) -> None:
    uri = parse_uri(text)
    assert uri.redacted == redacted
    assert str(uri) == redacted
    assert repr(uri) == f"ConnectionURI({redacted!r})"


@pytest.mark.parametrize("text", [text for text in REDACTED if text != "xen"])
def test_a_redacted_uri_parses_to_the_same_address(text: str) -> None:
    uri = parse_uri(text)
    again = parse_uri(uri.redacted)
    assert (again.transport, again.host, again.port, again.path) == (
        uri.transport,
        uri.host,
        uri.port,
        uri.path,
    )


def test_a_name_parameter_stays_out_of_the_repr() -> None:
    # It may be a whole URI, with a user of its own.
    assert "alice" not in repr(parse_uri("qemu:///system?name=qemu://alice@h/").parameters)


# Parameters


def test_a_uri_without_parameters_has_the_defaults() -> None:
    assert parse_uri("qemu:///system").parameters == URIParameters()


def test_every_parameter_has_its_type_and_is_percent_decoded() -> None:
    uri = parse_uri(
        "qemu+ssh://h/system?name=n&socket=/a%20b&mode=legacy&proxy=netcat&command=/bin/ssh"
        "&netcat=ncat&keyfile=/k&no_verify=1&no_tty=2&pkipath=/p&tls_priority=NORMAL:-VERS-ALL"
        "&auth=SASL.SCRAM-SHA-256&authfile=/a&no_sanity=%20-1"
    )
    assert uri.parameters == URIParameters(
        name="n",
        socket="/a b",
        mode=RemoteMode.LEGACY,
        proxy=RemoteProxy.NETCAT,
        command="/bin/ssh",
        netcat="ncat",
        keyfile="/k",
        no_verify=True,
        no_tty=True,
        pkipath="/p",
        tls_priority="NORMAL:-VERS-ALL",
        auth="sasl.SCRAM-SHA-256",
        authfile="/a",
        no_sanity=True,
    )


def test_the_parameter_field_list_is_complete() -> None:
    names = {field.name for field in dataclasses.fields(URIParameters)}
    for name in names:
        value = {"mode": "auto", "proxy": "auto", "auth": "polkit"}.get(name, "1")
        uri = parse_uri(f"qemu:///system?{name.upper()}={value}")
        assert getattr(uri.parameters, name) in {value, True}


def test_the_last_of_two_equal_parameters_counts() -> None:
    assert parse_uri("qemu:///system?socket=/a&Socket=/b").parameters.socket == "/b"


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("0", False),
        ("1", True),
        ("-7", True),
        ("%2B0", False),
        ("000", False),
        ("2147483647", True),
    ],
)
def test_a_boolean_is_any_number(number: str, value: bool) -> None:
    assert parse_uri(f"qemu+tls://h/system?no_verify={number}").parameters.no_verify is value


@pytest.mark.parametrize(
    ("parameter", "advice"),
    [
        ("no_verify=yes", "no_verify=1"),
        ("no_verify=", "no_verify=1"),
        ("no_verify", "no_verify=1"),
        ("no_verify=1%20", "no_verify=1"),
        ("no_verify=0x1", "no_verify=1"),
        ("no_verify=%D9%A1", "no_verify=1"),
        ("no_verify=2147483648", "no_verify=1"),
        ("no_tty=" + "0" * 5000 + "1", "no_tty=1"),
        ("mode=Direct", "auto, direct, legacy"),
        ("mode=", "auto, direct, legacy"),
        ("proxy=nc", "auto, netcat, native"),
        ("auth=none", "sasl.MECHANISM"),
        ("auth=", "sasl.MECHANISM"),
        ("auth=sasl.", "sasl.MECHANISM"),
        ("auth=polkit.x", "polkit"),
        ("socket=", "leave the parameter out"),
        ("keyfile", "leave the parameter out"),
    ],
)
def test_a_bad_parameter_is_refused_with_what_it_takes(parameter: str, advice: str) -> None:
    with pytest.raises(InvalidURI, match=re.escape(advice)) as caught:
        parse_uri(f"qemu:///system?{parameter}")
    assert caught.value.uri == "qemu:///system"


@pytest.mark.parametrize("query", ["mode=direct", "netcat=nc&proxy=native"])
def test_parameters_that_exclude_each_other_are_refused_for_ssh(query: str) -> None:
    with pytest.raises(InvalidURI, match="leave"):
        parse_uri(f"qemu+ssh://h/system?{query}")
    parse_uri(f"qemu+tcp://h/system?{query}")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sokcet", "socket"),
        ("Key_File", "keyfile"),
        ("noverify", "no_verify"),
        ("no-verify", "no_verify"),
        ("pki_path", "pkipath"),
        ("priority", "tls_priority"),
        ("known_host", "known_hosts"),
    ],
)
def test_a_misspelt_parameter_is_forwarded_and_suspicious(name: str, meant: str) -> None:
    uri = parse_uri(f"qemu:///system?{name}=1")
    assert uri.suspicious == (f"{name} (did you mean {meant}?)",)
    assert uri.open_name == f"qemu:///system?{name}=1"


@pytest.mark.parametrize("name", ["foo", "z", "root", "vcenter", "auto_answer"])
def test_a_parameter_of_the_daemon_is_not_suspicious(name: str) -> None:
    assert parse_uri(f"qemu:///system?{name}=1").suspicious == ()


# Failures

REFUSED = {
    "": "write qemu:///system",
    "   ": "write qemu:///system",
    "qemu": "write qemu:///system",
    "/system": "write qemu:///system",
    "//h/system": "write qemu:///system",
    "qemu:": "write qemu:///system",
    "qemu:/system": "write qemu:///system",
    "qemu:system": "qemu://HOST/system",
    "lxc:/": "write lxc:///system",
    "+unix:///system": "begins with a letter",
    "1qemu:///system": "begins with a letter",
    "q_emu:///system": "begins with a letter",
    "://h/system": "begins with a letter",
    " qemu:///system": "white space",
    "qemu:///system\n": "white space",
    "qemu:///sys tem": "write %20",
    "qemu:///sys\ttem": "U+0009",
    "qemu:///sys\x00tem": "U+0000",
    "qemu:///sys\x7ftem": "U+007F",
    "qemu:///\ud800": "U+D800",
    "qemu:///é": "write %C3%A9",
    "qemu:///a|b": "write %7C",
    "qemu:///a\\b": "write %5C",
    "qemu:///a%zz": "write %25",
    "qemu:///a%4": "write %25",
    "qemu:///system?x=%": "write %25",
    "qemu:///%ff": "UTF-8",
    "qemu:///system?x=%ff": "UTF-8",
    "qemu:///system?%ff=x": "UTF-8",
    "qemu+ssh://%ff@h/system": "UTF-8",
    "qemu:///system?socket=%00": "control character",
    "qemu:///a%0ab": "control character",
    "qemu:///system#%0a": "control character",
    "qemu:///a[b]": "%5B",
    "qemu:///system?x=[a]": "%5B",
    "qemu:///system#a#b": "%23",
    "qemu+foo:///system": "+unix, +tls, +tcp, +ssh",
    "qemu+:///system": "+unix, +tls, +tcp, +ssh",
    "qemu+tcp+x://h/system": "+unix, +tls, +tcp, +ssh",
    "qemu+libssh://h/system": "write +ssh",
    "qemu+LIBSSH2://h/system": "write +ssh",
    "qemu+ext://h/system?command=x": "write +ssh",
    "qemu+unix://h/system": "qemu+ssh",
    "qemu://:16514/system": "driver://host:port/path",
    "qemu+tcp://h:/system": "1 to 65535",
    "qemu+tcp://h:0/system": "1 to 65535",
    "qemu+tcp://h:65536/system": "1 to 65535",
    "qemu+tcp://h:165091/system": "1 to 65535",
    "qemu+tcp://h:-1/system": "1 to 65535",
    "qemu+tcp://h:+1/system": "1 to 65535",
    "qemu+tcp://h:1x/system": "1 to 65535",
    "qemu+tcp://h:%31/system": "1 to 65535",
    "qemu+tcp://[::1/system": "ends with a bracket",
    "qemu+tcp://[::1]1/system": "ends with a bracket",
    "qemu+tcp://::1/system": "needs brackets",
    "qemu+tcp://[host]/system": "no IPv6 address",
    "qemu+tcp://[127.0.0.1]/system": "no IPv6 address",
    "qemu+tcp://[fe80::1%25]/system": "zone",
    "qemu+tcp://[fe80::1%25a%2Fb]/system": "zone",
    "qemu+tcp://h%C3%A9/system": "xn--",
    "qemu+tcp://a,b/system": "xn--",
    "qemu+ssh://-oProxyCommand=x/system": "begins with no '-'",
    "qemu+ssh://-v/system": "begins with no '-'",
    "qemu+ssh://a@b@h/system": "%40",
    "qemu+ssh://a/b@h/system": "%2F",
    "qemu://a@/b@h/system": "%2F",
    "qemu://system": "write qemu:///system",
    "qemu+ssh://session": "write qemu:///session",
}


@pytest.mark.parametrize(("text", "advice"), REFUSED.items())
def test_a_bad_uri_is_refused_with_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(InvalidURI) as caught:
        parse_uri(text)
    assert advice in caught.value.reason
    str(caught.value).encode()


@pytest.mark.parametrize(
    "text",
    [
        "qemu+tcp://alice:hunter2@h/system",
        "qemu+tcp://alice:@h/system",
        "qemu+tcp://alice:hunter2@:1/system",
        "qemu+tcp://:hunter2@h/system",
        "qemu+tcp://alice:hun/ter2@h/system",
        "qemu+tcp://alice:1/hunter2@h/system",
        "qemu+tcp://alice:hun?ter2@h/system",
        "qemu+tcp://alice:hun#ter2@h/system",
        "qemu+tcp://alice:hun@ter2@h/system",
        "qemu+tcp://alice:hunter2%40h/system",
        "qemu+tcp://alice:hunter2@h/system?no_verify=hunter2",
        "qemu+tcp://h/system?no_verify=hunter2@alice",
        "qemu+tcp://alice:hunter2@h/sys tem",
        "alice:hunter2@h",
        "qemu:alice:hunter2@h",
        "qemu+tcp:alice:hunter2@h/system",
        "qemu+tcp://alice:hun%zzter2@h/system",
    ],
)
def test_a_password_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(InvalidURI) as caught:
        parse_uri(text)
    shown = f"{caught.value} {caught.value!r} {caught.value.args}"
    assert not re.search("alice|hunter2|hun|ter2", shown)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_password_gets_told_where_it_belongs() -> None:
    with pytest.raises(InvalidURI, match=r"auth\.conf"):
        parse_uri("qemu+tcp://alice:hunter2@h/system")


# Laws

# Texts near the grammar reach further into the parser than plain noise does.
PIECES = (
    "qemu xen test remote +unix +tcp +ssh +tls +ext + :// : / /// @ ? # & ; = [ ] ::1 h 127.0.0.1 "
    "16509 % %41 %ff %00 %40 é socket mode no_verify name auth 1 -"
)
NEARLY_URIS = st.lists(st.sampled_from([*PIECES.split(), " ", "\n"]), max_size=14).map("".join)


def parsed(text: str) -> ConnectionURI | InvalidURI:
    try:
        return parse_uri(text)
    except InvalidURI as exc:
        return exc


@given(st.text() | NEARLY_URIS)
def test_any_text_is_a_uri_or_an_invalid_uri(text: str) -> None:
    result = parsed(text)
    if isinstance(result, InvalidURI):
        assert result.reason
        assert str(result).isprintable()
    else:
        assert (result.host is None) == (result.transport is Transport.UNIX)
        assert result.port is None or 1 <= result.port <= 65535
        assert result.redacted.isprintable()


@given(NEARLY_URIS)
def test_the_open_name_is_local_unless_it_was_given_by_name(text: str) -> None:
    result = parsed(text)
    if isinstance(result, ConnectionURI) and result.parameters.name is None:
        driver = re.escape(result.driver)
        assert re.fullmatch(f"({driver}://([/?#].*)?)?", result.open_name)


SECRET = st.from_regex(r"s3[a-z0-9:@/%.&=+\[\] -]{0,8}k9", fullmatch=True)


@given(
    st.sampled_from(["qemu://", "qemu+ssh://", "qemu+tcp://", "qemu+unix://", "qemu:", ""]),
    SECRET,
    st.none() | SECRET,
    st.sampled_from(["h", "[::1]", "h:1", "h:x", ""]),
    st.none()
    | st.builds("{}={}".format, st.sampled_from(["x", "auth", "no_tty", "keyfile"]), SECRET),
)
def test_user_password_and_query_are_never_shown(
    prefix: str, user: str, password: str | None, place: str, query: str | None
) -> None:
    userinfo = user if password is None else f"{user}:{password}"
    assume(prefix or "://" not in userinfo)  # there it is a scheme
    result = parsed(f"{prefix}{userinfo}@{place}/system" + (f"?{query}" if query else ""))
    assert not re.search("s3|k9", f"{result} {result!r}")


# resolve_uri

CONF = LibvirtConf(
    uri_aliases={
        "mail": "qemu+ssh://root@mail.example.com/system",
        "twice": "mail",
        "xen": "qemu:///session",
        "xen:///system": "qemu:///session",
    },
    uri_default="lxc:///system",
)
DEFAULT_TO_ALIAS = LibvirtConf(uri_aliases={"mail": "qemu+tls://mail/system"}, uri_default="mail")


@pytest.mark.parametrize(
    ("text", "environ", "conf", "expected"),
    [
        (None, {}, LibvirtConf(), "qemu:///system"),
        ("", {}, LibvirtConf(), "qemu:///system"),
        ("", {"LIBVIRT_DEFAULT_URI": ""}, LibvirtConf(), "qemu:///system"),
        (None, {}, CONF, "lxc:///system"),
        (None, {"LIBVIRT_DEFAULT_URI": ""}, CONF, "lxc:///system"),
        (None, {"LIBVIRT_DEFAULT_URI": "test:///default"}, CONF, "test:///default"),
        ("xen:///", {"LIBVIRT_DEFAULT_URI": "test:///default"}, CONF, "xen:///"),
        ("mail", {}, CONF, "qemu+ssh://root@mail.example.com/system"),
        (None, {"LIBVIRT_DEFAULT_URI": "mail"}, CONF, "qemu+ssh://root@mail.example.com/system"),
        (None, {}, DEFAULT_TO_ALIAS, "qemu+tls://mail/system"),
        ("twice", {}, CONF, "mail"),
        ("Mail", {}, CONF, "Mail"),
        ("mail/x", {}, CONF, "mail/x"),
        ("xen", {}, CONF, "xen"),
    ],
)
def test_the_uri_is_found_where_libvirts_client_finds_it(
    text: str | None, environ: dict[str, str], conf: LibvirtConf, expected: str
) -> None:
    assert resolve_uri(text, environ, conf) == expected
