"""The tree of errors, their sentences, and the table from libvirt's codes to classes."""

from __future__ import annotations

import re

import pytest

from libvirt_rpc import errors as e

CLASSES = {
    name: kind
    for name, kind in vars(e).items()
    if isinstance(kind, type) and kind.__module__ == e.__name__ and not name.startswith("_")
}
ERRORS = {name: kind for name, kind in CLASSES.items() if issubclass(kind, BaseException)}


def test_every_class_is_public() -> None:
    assert sorted(e.__all__) == e.__all__
    assert set(e.__all__) == set(CLASSES)


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_has_the_root_and_a_docstring(name: str) -> None:
    assert issubclass(ERRORS[name], e.LibvirtRPCError)
    assert ERRORS[name].__doc__


@pytest.mark.parametrize("name", ERRORS)
def test_the_tree_in_the_modules_docstring_has_every_error_but_those_by_code(name: str) -> None:
    assert e.__doc__ is not None
    by_code = issubclass(ERRORS[name], e.RemoteError) and ERRORS[name] is not e.RemoteError
    assert (name in re.findall(r"\w+", e.__doc__)) is not by_code


@pytest.mark.parametrize(
    ("parent", "children"),
    [
        (e.TransportError, [e.ConnectFailed, e.SessionClosed]),
        (e.ProtocolError, [e.DecodeError, e.FrameTooLarge, e.FrameTooShort, e.UnexpectedMessage]),
    ],
)
def test_errors_of_one_fault_can_be_caught_as_one(
    parent: type[Exception], children: list[type[Exception]]
) -> None:
    assert [kind for kind in ERRORS.values() if kind.__base__ is parent] == children


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            e.InvalidURI("qemu:system", "write qemu:///system"),
            "cannot use the libvirt URI 'qemu:system': write qemu:///system",
        ),
        (
            e.ConnectFailed(
                "test",
                (e.Attempt("/run/a", "no such socket"), e.Attempt("/run/b", "permission denied")),
                "be root",
            ),
            "cannot connect to test: /run/a: no such socket; /run/b: permission denied (be root)",
        ),
        (e.ConnectFailed("xen:///", ()), "cannot connect to xen:///: nothing to try"),
        (e.SessionClosed("it went"), "the connection to libvirt is closed: it went"),
        (e.CallTimeout("AUTH_LIST", 2.51), "libvirt did not answer AUTH_LIST within 2.51 s"),
        (
            e.AuthenticationFailed("the daemon asks for sasl", ("sasl",)),
            "authentication with libvirt failed: the daemon asks for sasl",
        ),
        (e.DecodeError("bad", 8), "cannot decode the daemon's message at byte 8: bad"),
        (e.DecodeError("bad", 0), "cannot decode the daemon's message at byte 0: bad"),
        (e.DecodeError("bad"), "cannot decode the daemon's message: bad"),
        (
            e.UnexpectedMessage("status 7"),
            "the daemon sent a message that was not asked for: status 7",
        ),
        (e.EncodeError("too long"), "cannot encode the call: too long"),
        (
            e.RemoteError(42, 10, 2, "gone", procedure="DOMAIN_GET_STATE"),
            "DOMAIN_GET_STATE: gone (libvirt error 42, domain 10)",
        ),
        (e.RemoteError(42, 10, 2, "gone"), "gone (libvirt error 42, domain 10)"),
    ],
)
def test_an_error_is_a_sentence(error: Exception, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (e.FrameTooLarge(5, 4), ["5 bytes", "4 are allowed", "is the peer a libvirt daemon"]),
        (e.FrameTooShort(3, 28), ["3 bytes", "28", "does not speak libvirt's protocol"]),
    ],
)
def test_a_length_that_cannot_be_is_explained(error: Exception, words: list[str]) -> None:
    assert all(word in str(error) for word in words)


# virErrorNumber, as in libvirt's public header virterror.h.
BY_CODE = {
    3: e.NoSupport,
    5: e.NoConnect,
    8: e.InvalidArgument,
    29: e.OperationDenied,
    39: e.RPCError,
    42: e.NoDomain,
    45: e.RemoteAuthenticationFailed,
    55: e.OperationInvalid,
    68: e.OperationTimeout,
    79: e.RemoteAuthenticationFailed,
    80: e.NoDomainMetadata,
    86: e.AgentUnresponsive,
    88: e.AccessDenied,
    94: e.RemoteAuthenticationFailed,
}


@pytest.mark.parametrize("code", [*BY_CODE, -1, 0, 1, 9, 38, 114, 115, 2**31 - 1])
def test_a_code_has_its_class_and_an_unknown_one_is_a_remote_error(code: int) -> None:
    error = e.remote_error(code, 20, 1, "text", int1=5, procedure="CONNECT_OPEN")
    assert type(error) is BY_CODE.get(code, e.RemoteError)
    facts = (error.code, error.domain, error.level, error.message, error.int1, error.procedure)
    assert facts == (code, 20, 1, "text", 5, "CONNECT_OPEN")


def test_every_class_by_code_is_reached_by_a_code() -> None:
    by_code = {kind for kind in ERRORS.values() if kind.__base__ is e.RemoteError}
    assert set(BY_CODE.values()) == by_code
