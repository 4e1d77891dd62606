"""The manual page libvirt-exporter(1): `python -m exporter.manual > deploy/man/libvirt-exporter.1`.

The command line's own commands, the table of settings and the text below go in; man(7) comes out.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator

import click

from exporter import __version__
from exporter.cli import cli
from exporter.config import CONFIG_FILE, SETTINGS, Setting
from libvirt_rpc.version import BUILD_DATE

_WRAPPER = textwrap.TextWrapper(width=80, break_long_words=False, break_on_hyphens=False)
_OF_THE_GROUP = frozenset(setting.flag for setting in (CONFIG_FILE, *SETTINGS))

_BEFORE_COMMANDS = r"""
.SH NAME
libvirt\-exporter \- Prometheus exporter for libvirt
.SH SYNOPSIS
.B libvirt\-exporter
.RI [ OPTIONS ]
.RI [ COMMAND
.RI [ ARGUMENTS ]]
.SH DESCRIPTION
.B libvirt\-exporter
asks libvirt for the statistics of all virtual machines over libvirt's own protocol and serves them
as a page for Prometheus.
It reads and never changes anything.
Without a command it serves
.IR http://localhost:9177/metrics .
.PP
Every option may stand before or behind the command.
Each is an environment variable and a key of the configuration file too:
an option goes before a variable, a variable before the file.
.SH COMMANDS
"""

_BEHIND_OPTIONS = r"""
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
End: requests that are being answered have a second left.
.SH FILES
.TP
.I /etc/default/libvirt\-exporter
Environment variables of the system service.
.TP
.IR /etc/libvirt/libvirt.conf ", " /etc/libvirt/auth.conf
As libvirt's own client reads them: default URI and aliases, user names and passwords for SASL.
.TP
.I /etc/pki/libvirt/
Certificates for TLS, where libvirt's own client looks for them.
.SH EXIT STATUS
.TP
.B 0
Success; also the end after a signal.
.TP
.B 1
The hypervisor cannot be reached, a scrape or a check failed.
.TP
.B 2
A mistake in options, variables or the configuration file.
.SH EXAMPLES
.TP
.B libvirt\-exporter check
Say step by step what works on this hypervisor.
.TP
.B libvirt\-exporter demo
Serve a recorded hypervisor.
.TP
.B libvirt\-exporter \-\-libvirt.uri=qemu+tls://hv1.example.org/system scrape
Print the metrics page of another machine.
.SH SEE ALSO
.BR virsh (1),
.BR libvirtd (8),
.BR virtqemud (8)
"""


def render() -> str:
    """The whole page."""
    release = f"libvirt\\-exporter {__version__}"
    title = f'.TH LIBVIRT\\-EXPORTER 1 "{BUILD_DATE}" "{release}" "User Commands"'
    lines = [
        r".\" Made by `python -m exporter.manual`; do not edit.",
        title,
        *_BEFORE_COMMANDS.strip().splitlines(),
        *_commands(),
        ".SH OPTIONS",
        *_option("--help", "Show the options and end."),
        *_option("--version", "Show the version and end."),
        *_settings(),
        *_BEHIND_OPTIONS.strip().splitlines(),
    ]
    return "\n".join(lines) + "\n"


def _commands() -> Iterator[str]:
    context = click.Context(cli, info_name="libvirt-exporter")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        own = [one for one in command.params if not _OF_THE_GROUP.intersection(one.opts)]
        options = [one for one in own if isinstance(one, click.Option)]
        arguments = [one.make_metavar(context) for one in own if isinstance(one, click.Argument)]
        yield ".TP"
        yield _bold(" ".join([name, *arguments]))
        yield _text(command.help or "")
        if options:
            yield ".RS"
            for option in options:
                yield from _option(_spelling(option, context), option.help or "")
            yield ".RE"


def _spelling(option: click.Option, context: click.Context) -> str:
    flag = option.opts[0]
    return flag if option.is_flag else f"{flag}={option.make_metavar(context)}"


def _settings() -> Iterator[str]:
    for setting in (CONFIG_FILE, *SETTINGS):
        yield from _option(_flag(setting), setting.help)
        yield ".br"
        facts = [f"Variable: {setting.environment}"]
        if setting is not CONFIG_FILE:
            facts.insert(0, f"Key: {setting.key}")
        if setting.default:
            facts.append(f"Default: {setting.default}")
        yield _text(", ".join(facts) + ".")


def _flag(setting: Setting) -> str:
    if setting.kind.is_boolean:
        return f"--[no-]{setting.flag.removeprefix('--')}"
    return f"{setting.flag}={setting.kind.metavar}"


def _option(spelling: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield _bold(spelling)
    yield _text(text)


def _bold(text: str) -> str:
    return rf"\fB{_escape(text)}\fR"


def _text(text: str) -> str:
    """Running text: what stands in backticks is bold, a sentence begins a line, no line is a request."""
    escaped = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _escape(" ".join(text.split())))
    sentences = re.sub(r"\. (?=[A-Z])", ".\n", escaped).split("\n")
    lines = [line for sentence in sentences for line in _WRAPPER.wrap(sentence)]
    return "\n".join(_no_request(line) for line in lines)


def _no_request(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _escape(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


if __name__ == "__main__":
    sys.stdout.write(render())
