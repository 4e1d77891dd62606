"""Completion, in the shells themselves, and that what is kept of it is what click makes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.deploy.conftest import REPOSITORY
from tests.support import real_parts

FOLDER = REPOSITORY / "deploy/completions"
VENDORED = REPOSITORY / "deploy/vendored.txt"
FILES = {
    "bash": FOLDER / "bash/libvirt-exporter",
    "zsh": FOLDER / "zsh/_libvirt-exporter",
    "fish": FOLDER / "fish/libvirt-exporter.fish",
}
BASH = """
source "$1"
COMP_WORDS=(libvirt-exporter {words}) COMP_CWORD={position}
_libvirt_exporter_completion libvirt-exporter
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
autoload -U compinit
compinit -u -D
source "$1"
print ${_comps[libvirt-exporter]}
commands[libvirt-exporter]=x
compadd() { print -l -- "${(@P)argv[-1]}" }
_describe() { print -l -- "${(@P)argv[-2]}" }
words=(libvirt-exporter re) CURRENT=2
_libvirt_exporter_completion
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With libvirt-exporter on the PATH."""
    launcher = tmp_path / "bin/libvirt-exporter"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    launcher.chmod(0o755)
    search = f"{launcher.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": search, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}


def output(command: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=REPOSITORY,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", FILES)
def test_the_file_is_what_the_pinned_click_makes(shell: str, environment: dict[str, str]) -> None:
    pinned = re.search(r"^click==(\S+)", VENDORED.read_text(), re.MULTILINE)
    assert pinned is not None
    if version("click") != pinned[1]:
        pytest.skip(f"click {pinned[1]} makes the files, and this is {version('click')}")
    variables = {**environment, "_LIBVIRT_EXPORTER_COMPLETE": f"{shell}_source"}
    made = output(["libvirt-exporter"], variables)
    assert made == FILES[shell].read_text().splitlines(), "run: .ci/generate"


@pytest.mark.integration
def test_bash_completes_commands_and_options(environment: dict[str, str]) -> None:
    bash = real_parts.require("bash")
    command = [bash, "-euc", BASH.format(words="re", position=1), "bash", str(FILES["bash"])]
    assert output(command, environment) == ["record", "replay"]
    options = BASH.format(words="--libvirt.para", position=1)
    command = [bash, "-euc", options, "bash", str(FILES["bash"])]
    assert output(command, environment) == ["--libvirt.parallel"]


@pytest.mark.integration
def test_zsh_completes_commands(environment: dict[str, str]) -> None:
    zsh = real_parts.require("zsh")
    said = output([zsh, "-fc", ZSH, "zsh", str(FILES["zsh"])], environment)
    assert said[0] == "_libvirt_exporter_completion"
    assert [line.partition(":")[0] for line in said[1:]] == ["record", "replay"]


@pytest.mark.integration
def test_fish_completes_commands(environment: dict[str, str]) -> None:
    fish = real_parts.require("fish")
    ask = f"source {FILES['fish']}; complete --do-complete 'libvirt-exporter re'"
    said = output([fish, "--no-config", "-c", ask], environment)
    assert [line.partition("\t")[0] for line in said] == ["record", "replay"]
