from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvirt_rpc.errors import ConnectFailed
from libvirt_rpc.transports.pki import Folder, TLSCredentials, find, folders, load
from tests.support.certificates import Authority, write_client

CA = Authority.new()
OWN = CA.issue("exporter")

SYSTEM = Folder(
    Path("/etc/pki/CA/cacert.pem"),
    Path("/etc/pki/CA/cacrl.pem"),
    Path("/etc/pki/libvirt/clientcert.pem"),
    Path("/etc/pki/libvirt/private/clientkey.pem"),
)


def flat(path: str | Path) -> Folder:
    names = ("cacert.pem", "cacrl.pem", "clientcert.pem", "clientkey.pem")
    return Folder(*(Path(path, name) for name in names))


# Where they may be.


def test_a_user_has_a_folder_before_the_systems() -> None:
    assert folders(None, uid=1000, environ={"HOME": "/home/u"}) == (
        flat("/home/u/.pki/libvirt"),
        SYSTEM,
    )


def test_root_and_whoever_has_no_home_have_the_systems_folders_only() -> None:
    assert folders(None, uid=0, environ={"HOME": "/root"}) == (SYSTEM,)
    assert folders(None, uid=1000, environ={}) == (SYSTEM,)


@pytest.mark.parametrize("uid", [0, 1000])
def test_pkipath_stands_alone(uid: int) -> None:
    assert folders("/p", uid=uid, environ={"HOME": "/home/u"}) == (flat("/p"),)


# Which are there.


def places(tmp_path: Path, *present: str) -> tuple[Folder, Folder]:
    """A user's and the system's folder with the files `user/x` and `system/x` in them."""
    for name in present:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return flat(tmp_path / "user"), flat(tmp_path / "system")


def found(tmp_path: Path, *present: str) -> dict[str, str | None]:
    files = find("target", places(tmp_path, *present))
    paths = {
        "ca": files.authority,
        "crl": files.revocations,
        "cert": files.certificate,
        "key": files.key,
    }
    return {name: path.parent.name if path else None for name, path in paths.items()}


def test_the_users_files_come_first(tmp_path: Path) -> None:
    names = ("cacert.pem", "cacrl.pem", "clientcert.pem", "clientkey.pem")
    both = [f"{folder}/{name}" for folder in ("user", "system") for name in names]
    assert set(found(tmp_path, *both).values()) == {"user"}


def test_ca_and_crl_fall_back_each_by_itself(tmp_path: Path) -> None:
    present = ("user/cacrl.pem", "system/cacert.pem", "system/cacrl.pem")
    assert found(tmp_path, *present) == {"ca": "system", "crl": "user", "cert": None, "key": None}


@pytest.mark.parametrize("half", ["clientcert.pem", "clientkey.pem"])
def test_certificate_and_key_fall_back_as_a_pair(tmp_path: Path, half: str) -> None:
    present = ("user/cacert.pem", f"user/{half}", "system/clientcert.pem", "system/clientkey.pem")
    assert found(tmp_path, *present) == {
        "ca": "user",
        "crl": None,
        "cert": "system",
        "key": "system",
    }


def test_half_a_pair_is_none_and_noted(tmp_path: Path) -> None:
    files = find("target", places(tmp_path, "user/cacert.pem", "user/clientcert.pem"))
    assert (files.certificate, files.key) == (None, None)
    assert f"{tmp_path}/user/clientkey.pem: no such file" in files.notes


def test_without_a_ca_every_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed) as caught:
        find("target", places(tmp_path, "system/clientcert.pem", "system/clientkey.pem"))
    assert str(caught.value) == (
        f"cannot connect to target: {tmp_path}/user/cacert.pem: no such file; "
        f"{tmp_path}/system/cacert.pem: no such file "
        "(put the certificate of the CA there, or name its folder with pkipath=)"
    )


def test_a_folder_that_may_not_be_entered_is_noted(tmp_path: Path) -> None:
    folder = write_client(tmp_path / "pki", [CA], OWN)
    private = tmp_path / "pki" / "private"
    private.mkdir()
    key = (folder / "clientkey.pem").rename(private / "clientkey.pem")
    place = Folder(folder / "cacert.pem", folder / "cacrl.pem", folder / "clientcert.pem", key)
    _let_everyone_pass(folder)
    private.chmod(0)
    with _as_nobody():
        files = find("target", [place])
    assert files.certificate is None
    assert files.notes == (f"{key}: permission denied",)


# What is in them.


def loaded(folder: Path) -> TLSCredentials:
    return load("target", find("target", [flat(folder)]))


def refusal(folder: Path) -> str:
    with pytest.raises(ConnectFailed) as caught:
        loaded(folder)
    return str(caught.value).removeprefix("cannot connect to target: ")


def test_a_good_folder_is_loaded(tmp_path: Path) -> None:
    credentials = loaded(write_client(tmp_path, [CA], OWN))
    assert len(credentials.context.get_ca_certs()) == 1
    assert credentials.own is not None
    assert credentials.own.not_after == OWN.not_after
    assert [ca.not_after for ca in credentials.authorities] == [CA.not_after]
    assert credentials.context.verify_mode is ssl.CERT_REQUIRED
    assert credentials.context.check_hostname
    assert not credentials.context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF


def test_a_revocation_list_is_used_where_there_is_one(tmp_path: Path) -> None:
    credentials = loaded(write_client(tmp_path, [CA], OWN, revocations=CA.revocations()))
    assert credentials.context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF


def test_a_ca_alone_is_enough(tmp_path: Path) -> None:
    assert loaded(write_client(tmp_path, [CA])).own is None


def test_a_key_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    folder = write_client(tmp_path / "pki", [CA], OWN)
    _let_everyone_pass(folder)
    (folder / "clientkey.pem").chmod(0)
    with _as_nobody():
        assert refusal(folder) == (
            f"{folder}/clientkey.pem: cannot be read: permission denied (let this process read it)"
        )


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    folder = write_client(tmp_path, [CA], OWN)
    (folder / "clientkey.pem").write_bytes(OWN.key_pem(b"secret"))
    assert refusal(folder) == (
        f"{folder}/clientkey.pem: the key has a passphrase, and nobody is there to type it"
    )


def test_another_certificates_key_is_named(tmp_path: Path) -> None:
    folder = write_client(tmp_path, [CA], OWN)
    (folder / "clientkey.pem").write_bytes(CA.issue("other").key_pem())
    assert refusal(folder) == (
        f"{folder}/clientkey.pem: it is not the key of {folder}/clientcert.pem"
    )


@pytest.mark.parametrize("name", ["clientkey.pem", "clientcert.pem"])
def test_a_pair_that_is_no_pem_is_named(tmp_path: Path, name: str) -> None:
    folder = write_client(tmp_path, [CA], OWN)
    (folder / name).write_bytes(b"\xff not PEM")
    assert f"{folder}/clientcert.pem: OpenSSL cannot use it or {folder}/clientkey.pem" in refusal(
        folder
    )


def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    folder = write_client(tmp_path, [])
    assert refusal(folder) == f"{folder}/cacert.pem: there is no certificate in PEM in it"


def test_a_damaged_ca_file_is_named(tmp_path: Path) -> None:
    folder = write_client(tmp_path, [CA])
    damaged = CA.pem.replace(b"\nMII", b"\nAAA", 1)
    (folder / "cacert.pem").write_bytes(damaged)
    assert refusal(folder).startswith(f"{folder}/cacert.pem: a certificate in it is damaged")


def test_a_damaged_revocation_list_is_named(tmp_path: Path) -> None:
    folder = write_client(tmp_path, [CA], revocations=b"nothing")
    assert refusal(folder).startswith(f"{folder}/cacrl.pem: OpenSSL cannot read it")


def _let_everyone_pass(folder: Path) -> None:
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o755)


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    """No rights beyond those of the files' modes, for root has them all."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)
