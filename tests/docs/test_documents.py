"""What the documents say, held to what is there: commands, links, flags, metrics, messages, YAML, paths."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import httpx
import pytest
import yaml

from exporter.catalogue import render_json
from exporter.cli import cli
from exporter.config import SETTINGS, ConfigError, expand_boolean_flags, load
from exporter.config.sections import Config
from exporter.metrics.rows import HISTOGRAM
from exporter.web.web_config import read_web_config
from libvirt_rpc import auth_conf
from tests.docs.commands import COMMANDS, How, Makes, Needs, Run, Serves, TestedBy
from tests.docs.markdown import ROOT, SHELLS, Block, Document, documents
from tests.support.exporter_process import ExporterProcess

DOCUMENTS = documents()
ENGLISH, CHINESE = Document.read("README.md"), Document.read("README.zh-CN.md")
OPERATIONS = Document.read("docs/operations.md")

TRACE = ROOT / "fixtures/traces/9.0.0/fleet.jsonl.gz"

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)


# Commands

ALL_COMMANDS = {command for document in DOCUMENTS for command in document.commands}


def test_each_command_is_in_the_table_and_each_of_the_table_is_in_a_document() -> None:
    assert COMMANDS.keys() == ALL_COMMANDS


def test_what_runs_a_command_is_there() -> None:
    for command, how in COMMANDS.items():
        if isinstance(how, TestedBy):
            path = ROOT / how.path
            assert path.is_file(), command
            assert f"def {how.test}(" in path.read_text() or not how.test, command
        if isinstance(how, Needs):
            assert how.what, command


@pytest.mark.parametrize(
    "command", [command for command in sorted(ALL_COMMANDS) if "libvirt-exporter" in command]
)
def test_the_flags_of_a_command_are_the_exporter_s(command: str) -> None:
    for part in re.split(r"&&|\||;", command):
        words = shlex.split(part)
        if words and Path(words[0]).name in ("libvirt-exporter", "libvirt-exporter.pyz"):
            parse(words[1:])


@pytest.mark.parametrize(
    "command",
    sorted(
        {span for one in DOCUMENTS for span in one.spans if span.startswith("libvirt-exporter ")}
    ),
)
def test_a_command_within_the_text_is_the_exporter_s(command: str) -> None:
    parse(shlex.split(command)[1:])


def parse(arguments: list[str]) -> None:
    """As the command line does, without doing anything. Raises click.UsageError, ConfigError."""
    given = expand_boolean_flags(arguments)
    if given == ["--version"]:
        return
    flags: dict[str, object] = {}
    with cli.make_context("libvirt-exporter", list(given)) as context:
        flags |= context.params
        # What is left for the command: click has renamed where it keeps its name.
        known = vars(context)
        rest = [*(known.get("_protected_args") or known.get("protected_args", ())), *context.args]
        if rest:
            _, command, left = cli.resolve_command(context, rest)
            assert command is not None
            with command.make_context(command.name, left, parent=context) as own:
                flags |= {name: value for name, value in own.params.items() if value}
    values = {setting.key: flags.get(setting.parameter) for setting in SETTINGS}
    if values["libvirt.uri"] == "URI":
        del values["libvirt.uri"]
    load(None, flags=values, environ={})


@pytest.mark.parametrize(
    "arguments", [["--libvirt.url=x"], ["serv"], ["record", "--scrape=1", "x"]]
)
def test_a_flag_or_command_that_is_not_there_would_be_found(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(arguments)


def test_a_value_that_is_refused_would_be_found() -> None:
    with pytest.raises(ConfigError):
        parse(["--libvirt.timeout=soon"])


def put_program(path: Path, module: str = "") -> None:
    """A program that is this Python, or a module of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    call = f"{shlex.quote(sys.executable)} {f'-m {module}' if module else ''}"
    path.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where commands are run: with a recording, and the exporter on the PATH and in a `.venv`."""
    shutil.copy(TRACE, tmp_path / "host.jsonl.gz")
    for programs in (tmp_path / "bin", tmp_path / ".venv" / "bin"):
        put_program(programs / "libvirt-exporter", "exporter")
        put_program(programs / "python")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIBVIRT_")}
    return {
        **kept,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LIBVIRT_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:0",
        "LIBVIRT_EXPORTER_LOGGING_FORMAT": "json",
        "LIBVIRT_EXPORTER_LIBVIRT_URI": f"qemu+unix:///system?socket={folder / 'none'}",
    }


def those(kind: type[How]) -> list[str]:
    return [command for command, how in COMMANDS.items() if isinstance(how, kind)]


def run(command: str, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment(folder), **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", those(Run))
def test_a_command_runs(command: str, folder: Path) -> None:
    how = COMMANDS[command]
    assert isinstance(how, Run)
    assert how.says in run(command, folder)


@pytest.mark.parametrize("command", those(Makes))
def test_a_command_makes_what_is_here(command: str, folder: Path) -> None:
    how = COMMANDS[command]
    assert isinstance(how, Makes)
    for name in (".ci", "deploy", "docs", "exporter", "fixtures", "libvirt_rpc", "tests"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
        )
    files = [
        path.relative_to(ROOT)
        for name in how.paths
        for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
        if path.is_file()
    ]
    for path in files:
        (folder / path).write_bytes(b"")
    run(command, folder, PYTHONPATH=str(folder))
    differ = [path for path in files if (folder / path).read_bytes() != (ROOT / path).read_bytes()]
    assert differ == []
    assert len(files) >= len(how.paths)


@pytest.mark.parametrize("command", those(Serves))
def test_a_command_serves(command: str, folder: Path) -> None:
    how = COMMANDS[command]
    assert isinstance(how, Serves)
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        exporter = ExporterProcess(process, log)
        page = exporter.get().text
        assert any(line.startswith(how.has) for line in page.splitlines()), page[:1000]
        assert "<html" in httpx.get(str(httpx.URL(exporter.url).join("/"))).text
        assert exporter.end(signal.SIGTERM)[0] == 0
    finally:
        process.kill()
        process.wait()


# The README in two languages


def test_both_readmes_have_the_same_commands_links_and_structure() -> None:
    assert ENGLISH.commands == CHINESE.commands
    assert [one.level for one in ENGLISH.headings] == [one.level for one in CHINESE.headings]
    of_languages = {"README.md", "README.zh-CN.md"}
    links = [[one for one in each.links if one not in of_languages] for each in (ENGLISH, CHINESE)]
    assert links[0] == links[1]
    assert "README.zh-CN.md" in ENGLISH.links
    assert "README.md" in CHINESE.links


def test_both_readmes_have_the_same_code() -> None:
    fenced = [
        [block.text for block in each.blocks if block.is_fenced] for each in (ENGLISH, CHINESE)
    ]
    assert fenced[0] == fenced[1]
    spans = [sorted(set(each.spans)) for each in (ENGLISH, CHINESE)]
    assert spans[0] == spans[1]


def test_ci_finds_its_two_commands_in_the_readme() -> None:
    patterns = re.findall(
        r"sed -n 's/\^    (.*?)\$/\\1/p' README.md", (ROOT / ".ci/run").read_text()
    )
    assert len(patterns) == 2
    for pattern in patterns:
        expression = pattern.replace(r"\(", "(").replace(r"\)", ")").replace(r"\/", "/")
        found = re.findall(rf"^    {expression}$", ENGLISH.text, re.MULTILINE)
        assert len(found) == 1, expression
        assert found[0] in COMMANDS


def test_the_readme_is_one_page_and_leads_to_every_document() -> None:
    assert len(ENGLISH.text.splitlines()) <= 100
    linked = {link.partition("#")[0] for link in ENGLISH.links}
    assert {one.name for one in DOCUMENTS} - linked == {"README.md"}


# Links


@each_document
def test_every_link_leads_somewhere(document: Document) -> None:
    anchors = {one.path: one.anchors for one in DOCUMENTS}
    for link in document.links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (document.path.parent / name).resolve() if name else document.path
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors[target], link


@each_document
def test_every_file_that_is_named_is_there(document: Document) -> None:
    for span in document.spans:
        is_path = re.fullmatch(
            r"(tests|exporter|libvirt_rpc|fixtures|deploy|docs|\.ci)/[\w./*-]+", span
        )
        if is_path and span != "tests/x/test_y.py":  # the convention's own name
            assert list(ROOT.glob(span.rstrip("/").replace("VERSION", "*"))), span


@each_document
def test_every_module_that_is_run_is_there(document: Document) -> None:
    for module in re.findall(r"python3? -m ([\w.]+)", document.text):
        assert module == "venv" or importlib.util.find_spec(module) is not None, module


# Flags, variables, metrics

FLAGS_OF_OTHERS = {"--libvirt.export-nova-metadata"}


@each_document
def test_every_flag_is_the_exporter_s(document: Document) -> None:
    known = {"--config.file", "--config.check", *FLAGS_OF_OTHERS}
    for setting in SETTINGS:
        known.add(setting.flag)
        known.add(f"--no-{setting.flag.removeprefix('--')}")
    named = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*\.[a-z][a-z._-]*[a-z]", document.text))
    # A table may stop at a placeholder, such as the bracket of `--[no-]libvirt.read-only`.
    assert named <= known, named - known


@each_document
def test_every_variable_is_the_exporter_s(document: Document) -> None:
    known = {setting.environment for setting in SETTINGS} | {
        "LIBVIRT_EXPORTER_CONFIG_FILE",
        "LIBVIRT_EXPORTER_REQUIRE_REAL",
    }
    named = set(re.findall(r"\bLIBVIRT_EXPORTER_[A-Z_]*[A-Z]", document.text))
    assert named <= known, named - known


METRICS = {one["name"]: one["type"] for one in yaml.safe_load(render_json())}

NO_METRICS_OF_OURS = {
    "docs/profiles.md",  # other exporters' names, which tests/exporter/profiles holds
}

OTHER_NAMES = {
    "libvirt_rpc": "the package",
    "libvirt_exporter": "another project's repository, and the name of wheels and entry points",
    "libvirt_up": "the metric of another exporter",
    "libvirt_domain_wanted": "a recording rule",
    "libvirt_domain_team_info": "made by the configuration's example",
    "libvirt_libvirt": "of a path",
    "libvirt_domain_disk_own_bytes_total": "of an example of a user's own row",
}


def is_known(name: str) -> bool:
    if name in METRICS or name in OTHER_NAMES:
        return True
    if name.endswith("_"):  # libvirt_domain_job_*
        return any(one.startswith(name) for one in METRICS)
    base, _, part = name.rpartition("_")
    return part in ("bucket", "sum", "count") and METRICS.get(base) == HISTOGRAM


@each_document
def test_every_metric_is_in_the_catalogue(document: Document) -> None:
    if document.name in NO_METRICS_OF_OURS:
        return
    named = set(re.findall(r"(?<![\w/])libvirt_[a-z0-9_]*", document.text))
    assert [name for name in sorted(named) if not is_known(name)] == []


def test_a_metric_that_is_not_there_would_be_found() -> None:
    assert not is_known("libvirt_domain_cpu_seconds_total")
    assert not is_known("libvirt_domian_")


# Messages


def messages_of_the_code() -> Iterator[str]:
    """Every text of the code; what is put into one at run time is a NUL there."""
    for package in ("exporter", "libvirt_rpc"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "\0"
                        for part in node.values
                    )


MESSAGES_OF_OTHERS = {
    "Failed to find user record for uid",  # libvirt's
    "context deadline exceeded",  # Prometheus'
}

NO_MESSAGES = {"cacert.pem", "virt-ssh-helper", "nc", "max_clients"}


def quoted_messages() -> Iterator[str]:
    for line in OPERATIONS.section("Error messages").splitlines():
        if line.startswith("| ") and not line.startswith(("| message", "| status", "| ---")):
            cell = line.split(" | ")[0]
            for span in re.findall(r"`([^`]+)`", cell):
                if span not in MESSAGES_OF_OTHERS | NO_MESSAGES:
                    yield span


def is_of_the_code(piece: str, code: str) -> bool:
    """Whether the text is there in one, or put together of texts that are: a place, a reason, an advice."""
    text = piece.strip(" (,.")
    return text in code or all(part.strip() in code for part in re.split("[:;] ", text))


def test_every_quoted_message_is_one_of_the_code() -> None:
    code = "\n".join(messages_of_the_code())
    quoted = list(quoted_messages())
    assert len(quoted) > 100
    missing = {
        message
        for message in quoted
        for piece in re.split(r" ?\.\.\.(?:\)|$)?", message)
        if not is_of_the_code(piece, code)
    }
    assert missing == set()


def test_a_message_that_is_not_there_would_be_found() -> None:
    code = "\n".join(messages_of_the_code())
    assert is_of_the_code("no such socket", code)
    assert not is_of_the_code("no such sockets", code)
    assert not is_of_the_code("no such socket: go away", code)


def test_the_reasons_of_availability_are_all_told() -> None:
    reasons = set()
    for path in (ROOT / "exporter").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        reasons |= set(re.findall(r'switch_off\([^)]*?, "([a-z_]+)"\)', text))
        reasons |= set(
            re.findall(r'^[A-Z_]+ = "(import_failed|invalid|name_taken)"', text, re.MULTILINE)
        )
        if path.name == "availability.py":
            reasons |= set(re.findall(r'return "([a-z_]+)"', text))
    section = OPERATIONS.section("Why is a metric missing?")
    assert reasons >= {"unsupported", "denied", "too_old", "unreadable", "name_taken"}
    assert {reason for reason in reasons if f"`{reason}`" not in section} == set()


# Snippets


def snippets(*languages: str) -> list[tuple[Document, Block]]:
    return [
        (document, block)
        for document in DOCUMENTS
        for block in document.blocks
        if block.is_fenced and block.language in languages
    ]


def identify(value: object) -> str:
    if isinstance(value, Document):
        return value.name
    assert isinstance(value, Block)
    return f"line-{value.line}"


SECTIONS = {"libvirt", "web", "collectors", "metrics", "logging", "probe", "modules", "targets"}
SECTIONS |= {"metadata", "filter"}


@pytest.mark.parametrize(("document", "block"), snippets("yaml"), ids=identify)
def test_a_yaml_snippet_is_taken_by_its_program(
    document: Document, block: Block, require: Callable[[str], str], tmp_path: Path
) -> None:
    keys = set(yaml.safe_load(block.text))
    file = tmp_path / "snippet.yml"
    file.write_text(block.text, encoding="utf-8")
    if keys <= SECTIONS:
        config = load(file, flags={}, environ={})
        assert isinstance(config, Config)
        assert config.warnings == ()
    elif keys <= {"tls_server_config", "basic_auth_users", "http_server_config", "rate_limit"}:
        assert read_web_config(file).warnings == ()
    elif keys <= {"scrape_configs", "rule_files", "global"}:
        for rules in (ROOT / "deploy/prometheus").glob("*.yml"):
            shutil.copy(rules, tmp_path)
        promtool = require("promtool")
        done = subprocess.run(
            [promtool, "check", "config", file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    else:
        assert keys == {"inhibit_rules"}, "of which program is it?"
        matchers = re.compile(r'[a-z]+ (=|!=|=~|!~) ("[^"]*"|\w+)')
        for rule in yaml.safe_load(block.text)["inhibit_rules"]:
            assert rule.keys() == {"source_matchers", "target_matchers", "equal"}
            for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
                assert matchers.fullmatch(matcher), matcher


@pytest.mark.parametrize(("document", "block"), snippets("ini"), ids=identify)
def test_an_ini_snippet_is_taken_by_its_program(document: Document, block: Block) -> None:
    if "authname=" in block.text:
        auth_conf.parse(block.text)
        return
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case
    parser.read_string(block.text)
    assert parser.sections() == ["Service"]
    service = {"LoadCredential", "Environment", "SupplementaryGroups"}
    assert set(parser["Service"]) <= service


def test_the_rule_for_polkit_is_the_one_that_is_tested() -> None:
    ((_, block),) = snippets("js")
    rule = (ROOT / "deploy/polkit/50-libvirt-exporter.rules").read_text()
    code = [re.sub(r"\s", "", re.sub(r"//.*", "", text)) for text in (block.text, rule)]
    assert code[0].replace(";", "") == code[1].replace(";", "")


@pytest.mark.parametrize(("document", "block"), snippets("python"), ids=identify)
def test_a_python_snippet_is_python(document: Document, block: Block) -> None:
    ast.parse(block.text)


def test_every_block_has_a_language_that_is_looked_at() -> None:
    looked_at = {"yaml", "ini", "js", "python", "toml", *SHELLS}
    for document in DOCUMENTS:
        for block in document.blocks:
            if block.is_fenced and block.language not in looked_at:
                # A drawing or a line of a log: nothing that somebody would type.
                assert not block.language, f"{document.name}:{block.line}"
                assert not re.search(r"^\$ |^# (apt|pip)", block.text, re.MULTILINE)


# The layout


def test_every_part_of_the_layout_is_there() -> None:
    section = Document.read("docs/architecture.md").section("The layout")
    drawing = section.split("```")[1]
    package, count = "", 0
    for line in drawing.splitlines():
        head = re.match(r"(exporter|libvirt_rpc)?\s{2,}([a-z_/ ]+?)(?:\s{3,}|$)", line)
        if head is None:
            continue
        package = head[1] or package
        inner = line.startswith(" " * 17)
        for name in head[2].split():
            folder = ROOT / package / ("protocol" if inner else "")
            path = folder / name
            assert path.with_suffix(".py").is_file() or path.is_dir(), line
            count += 1
    assert count > 40


def test_the_size_of_the_demo_is_as_the_document_says() -> None:
    (said,) = re.findall(
        r"take (\d+) kB \(`exporter/demo.jsonl.gz`\)", Document.read("docs/traces.md").text
    )
    assert int(said) == round((ROOT / "exporter/demo.jsonl.gz").stat().st_size / 1000)
