"""The container: its file's shape, a linter's view of it, and a build of it that runs as nobody."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.deploy.conftest import REPOSITORY
from tests.support import real_parts
from tests.support.clean_debian import CleanDebian
from tests.support.pages import read_page

FILE = REPOSITORY / "deploy/container/Containerfile"
BUILD_TIMEOUT = 300.0
BASE, IMAGE = "localhost/python-base", "localhost/libvirt-exporter"


def instructions() -> list[tuple[str, str]]:
    """Every instruction of the file and what is behind it."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in pairs]


def last_stage() -> list[tuple[str, str]]:
    whole = instructions()
    begin = max(index for index, (word, _) in enumerate(whole) if word == "FROM")
    return whole[begin:]


def test_the_last_stage_holds_what_the_first_one_built_and_runs_as_nobody() -> None:
    assert [word for word, _ in instructions()].count("FROM") == 2
    words = [word for word, _ in last_stage()]
    assert "RUN" not in words
    assert [rest for word, rest in last_stage() if word == "COPY"] == ["--from=build /app /app"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert ("USER", "65534:65534") in last_stage()


def test_nothing_is_fetched_by_address_and_the_base_has_a_version() -> None:
    assert "ADD" not in [word for word, _ in instructions()]
    (base,) = [rest for word, rest in instructions() if word == "ARG"]
    image, _, tag = base.partition("=")[2].rpartition(":")
    assert image == "python"
    assert tag.startswith("3.")


def test_the_documents_name_this_release() -> None:
    assert f"--tag libvirt-exporter:{__version__} ." in FILE.read_text()


@pytest.mark.integration
def test_a_linter_finds_nothing(linters: Path) -> None:
    done = subprocess.run([linters / "hadolint", FILE], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


class Builder:
    """buildah, with storage of its own."""

    def __init__(self, directory: Path) -> None:
        self._options = [
            f"--root={directory / 'storage'}",
            f"--runroot={directory / 'run'}",
            "--storage-driver=overlay",
        ]

    def __call__(self, *command: str) -> str:
        done = subprocess.run(
            [real_parts.require("buildah"), *self._options, *command],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=BUILD_TIMEOUT,
            cwd=REPOSITORY,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()


@pytest.fixture
def built(debian: CleanDebian, tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    """The image, on a base made here: its root folder, and its configuration."""
    buildah = Builder(tmp_path)
    debian.install("python3-venv", "ca-certificates")
    base = buildah("from", "scratch")
    subprocess.run(["cp", "-a", f"{debian.root}/.", buildah("mount", base)], check=True)
    buildah("commit", "--quiet", "--rm", base, BASE)
    # How this machine's pip finds its packages.
    ours = [Path("/etc/ssl/certs"), Path("/etc/pip.conf")]
    volumes = [f"--volume={path}:{path}:ro" for path in ours if path.exists()]
    buildah(
        "build",
        "--isolation=chroot",
        "--network=host",
        "--pull-never",
        "--format=docker",
        f"--build-arg=PYTHON_IMAGE={BASE}",
        f"--file={FILE}",
        f"--tag={IMAGE}",
        *volumes,
        ".",
    )
    container = buildah("from", "--pull-never", IMAGE)
    root = Path(buildah("mount", container))
    try:
        yield root, json.loads(buildah("inspect", "--type=image", IMAGE))["Docker"]["config"]
    finally:
        buildah("umount", container)


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_the_image_serves_as_nobody_from_a_read_only_root_and_its_health_check_tells(
    built: tuple[Path, Any],
) -> None:
    root, config = built
    health = shlex.join(config["Healthcheck"]["Test"][1:])
    serve = shlex.join([*config["Entrypoint"], "demo"])
    fetch = (
        "import urllib.request as r;"
        "print(r.urlopen('http://127.0.0.1:9177/metrics', timeout=9).read().decode(), end='')"
    )
    script = f"""
        {health} 2>/dev/null && echo healthy too early
        {serve} & exporter=$!
        tries=0
        until {health} 2>/dev/null; do
            tries=$((tries + 1)); [ $tries -lt 100 ] || exit 3; sleep 0.1
        done
        id -u
        touch /app/written 2>/dev/null && echo written
        python3 -c "{fetch}"
        kill $exporter; wait $exporter || exit 4
    """
    user, group = config["User"].split(":")
    done = subprocess.run(
        [
            real_parts.require("systemd-nspawn"),
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--private-network",
            "--read-only",
            f"--directory={root}",
            *(f"--setenv={variable}" for variable in config["Env"] if variable[:5] != "PATH="),
            "--",
            *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"),
            *("sh", "-c", script),
        ],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran_as, page = done.stdout.split("\n", 1)
    assert ran_as == user == "65534"
    assert read_page(page.encode()).value("libvirt_exporter_connected") == 1
    assert not list(root.glob("app/**/*.so"))
    assert not (root / "source").exists()
