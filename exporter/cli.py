"""The command line: `libvirt-exporter [FLAGS] [serve|scrape|check|record|replay|demo|metrics]`.

Without a subcommand it serves. Exit status: 0, 1 where the hypervisor cannot be reached or a check
fails, 2 for a mistake in flags, variables or the configuration file.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import click

from exporter import __version__, catalogue
from exporter.application import Application
from exporter.check import check
from exporter.config import (
    CONFIG_FILE,
    SETTINGS,
    Config,
    ConfigError,
    Setting,
    expand_boolean_flags,
    load,
    parse_duration,
)
from exporter.config.consistency import check_credentials
from exporter.exposition import Format
from exporter.logs import configure
from exporter.recording import record
from exporter.web.web_config import read_web_config
from libvirt_rpc.errors import InvalidURI, LibvirtRPCError
from libvirt_rpc.trace.format import Trace, load_trace
from libvirt_rpc.trace.replay import Replayer

Announce = Callable[[list[str]], None]
F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

DEMO_DEFAULTS = MappingProxyType({"web.listen_address": "127.0.0.1:9177"})
CHECK_DEFAULTS = MappingProxyType({"logging.level": "error"})
BLOCKING_THREADS = 64
NO_DEFAULTS: Mapping[str, object] = MappingProxyType({})


def _option(setting: Setting) -> Callable[[F], F]:
    shown = f"{setting.help} [default: {setting.default}]" if setting.default else setting.help
    return click.option(
        setting.flag,
        setting.parameter,
        metavar=setting.kind.metavar,
        multiple=setting.kind.is_repeatable,
        help=shown,
    )


def _all_options(function: F) -> F:
    for setting in reversed((CONFIG_FILE, *SETTINGS)):
        function = _option(setting)(function)
    return function


_config_check = click.option(
    "--config.check",
    "config_check",
    is_flag=True,
    help="Check the configuration, say every mistake, and end: status 0, or 2 where there is one.",
)


class _Options:
    """The flags of the group and those of a subcommand; the subcommand's count where both are given."""

    def __init__(self, flags: dict[str, Any]) -> None:
        self.flags = flags

    def config(
        self, own: dict[str, Any], *, defaults: Mapping[str, object] = NO_DEFAULTS
    ) -> Config:
        """Raises ConfigError. `defaults` are the command's own, by the settings' keys."""
        config = self.loader(own, defaults=defaults)()
        configure(config.logging.level, config.logging.format, config.logging.file)
        for warning in config.warnings:
            logger.warning(warning)
        return config

    def loader(
        self, own: dict[str, Any], *, defaults: Mapping[str, object] = NO_DEFAULTS
    ) -> Callable[[], Config]:
        """Reads file and variables anew at each call, which raises ConfigError."""
        flags = {**self.flags, **{key: value for key, value in own.items() if value}}
        given = {setting.key: flags.get(setting.parameter) for setting in SETTINGS}
        path = flags.get(CONFIG_FILE.parameter)

        def loaded() -> Config:
            config = load(
                Path(path) if path else None, flags=given, environ=os.environ, defaults=defaults
            )
            check_credentials(config)
            return config

        return loaded

    def check(self, own: dict[str, Any]) -> None:
        """Says whether the configuration can be used, and opens nothing. Raises ConfigError."""
        config = self.loader(own)()
        if config.web.config_file is not None:
            read_web_config(config.web.config_file)
        for warning in config.warnings:
            click.echo(f"warning: {warning}")
        click.echo("ok: the configuration can be used")


def _run(coroutine: Coroutine[Any, Any, int]) -> None:
    sys.exit(asyncio.run(coroutine))


def _hold_hangups() -> None:
    """Lets a SIGHUP wait until the exporter serves: the configuration may have changed meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


def _serve(application: Application, announce: Announce | None = None) -> None:
    async def serving() -> int:
        # Names are looked up, and Kerberos is asked, in threads: a dead server of one target's must not
        # keep the others waiting for a free one.
        executor = ThreadPoolExecutor(BLOCKING_THREADS, thread_name_prefix="blocking")
        asyncio.get_running_loop().set_default_executor(executor)
        status = await application.serve(announce)
        if threading.active_count() > 1:
            # Such a thread cannot be ended and would keep the process; everything else has ended.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(status)
        return status

    _run(serving())


@click.group(invoke_without_command=True, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="libvirt-exporter")
@_config_check
@_all_options
@click.pass_context
def cli(context: click.Context, /, *, config_check: bool, **flags: Any) -> None:
    """Prometheus exporter for libvirt. Without a COMMAND it serves the metrics page."""
    context.obj = _Options(flags)
    if config_check:
        context.obj.check(flags)
        context.exit()
    if context.invoked_subcommand is None:
        context.invoke(serve)


@cli.command()
@_config_check
@_all_options
@click.pass_obj
def serve(options: _Options, /, *, config_check: bool, **flags: Any) -> None:
    """Serve the metrics page (what happens without a command)."""
    if config_check:
        options.check(flags)
        return
    _hold_hangups()
    config = options.config(flags)
    _serve(Application(config, load=options.loader(flags)))


@cli.command()
@click.option("--openmetrics", is_flag=True, help="Print OpenMetrics instead of the text format.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@_all_options
@click.pass_obj
def scrape(options: _Options, /, *, file: Path | None, openmetrics: bool, **flags: Any) -> None:
    """Scrape once, to standard output, or to FILE, which is replaced as a whole (textfile collector)."""
    application = Application(options.config(flags))
    page_format = Format.OPENMETRICS if openmetrics else Format.TEXT

    async def once() -> int:
        body, status = await application.scrape_once(page_format)
        if file is None:
            sys.stdout.buffer.write(body)
        else:
            _replace(file, body)
        return status

    _run(once())


def _replace(file: Path, body: bytes) -> None:
    """Writes the file so that no reader ever sees a part of it."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as new:
            try:
                new.write(body)
                new.flush()
                os.fchmod(new.fileno(), 0o644)
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as exc:
        raise click.ClickException(f"cannot write {file}: {exc.strerror or exc}") from exc


@cli.command(name="check")
@click.option("--target", metavar="NAME", help="Check this one of the configured targets.")
@_all_options
@click.pass_obj
def check_command(options: _Options, /, *, target: str | None, **flags: Any) -> None:
    """Connect, and say step by step what works and what is missing."""
    config = options.config(flags, defaults=CHECK_DEFAULTS)
    _run(check(config, click.echo, target=target))


@cli.command(name="record")
@click.option("--scrapes", default=1, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--interval", default="15s", show_default=True, help="Pause between them.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_all_options
@click.pass_obj
def record_command(
    options: _Options, /, file: Path, scrapes: int, interval: str, **flags: Any
) -> None:
    """Record scrapes of a real hypervisor into FILE (gzipped where its name ends in .gz)."""
    config = options.config(flags)
    try:
        seconds = parse_duration(interval)
    except ConfigError as exc:
        raise ConfigError.of(exc.located(key="", source="--interval")) from exc
    _run(record(config, file, scrapes=scrapes, interval_seconds=seconds))


@cli.command(name="replay")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_all_options
@click.pass_obj
def replay_command(options: _Options, /, file: Path, **flags: Any) -> None:
    """Serve from a recorded FILE as if it were the hypervisor."""
    _hold_hangups()
    trace = load_trace(file)
    config = _of_recording(options.config(flags), trace)
    load_anew = _loader_of_recording(options.loader(flags), trace)
    _serve(Application(config, replayer=Replayer(trace), load=load_anew))


def _of_recording(config: Config, trace: Trace) -> Config:
    """The configuration with the recorded hypervisor in the place of its own."""
    uri = trace.header.uri or config.libvirt.uri
    return replace(config, libvirt=replace(config.libvirt, uri=uri, connections=()))


def _loader_of_recording(load_anew: Callable[[], Config], trace: Trace) -> Callable[[], Config]:
    return lambda: _of_recording(load_anew(), trace)


@cli.command()
@_all_options
@click.pass_obj
def demo(options: _Options, /, **flags: Any) -> None:
    """Serve a recorded hypervisor that ships with the exporter; no libvirt needed."""
    trace = load_trace(resources.files("exporter").joinpath("demo.jsonl.gz").read_bytes())
    _hold_hangups()
    config = options.config(flags, defaults=DEMO_DEFAULTS)
    load_anew = _loader_of_recording(options.loader(flags, defaults=DEMO_DEFAULTS), trace)
    application = Application(
        _of_recording(config, trace), replayer=Replayer(trace), load=load_anew
    )

    def announce(urls: list[str]) -> None:
        click.echo(f"A recorded hypervisor is being served. Open {urls[0]}", err=True)

    _serve(application, announce)


@cli.command(name="metrics")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "json"]),
    default="markdown",
    show_default=True,
)
def metrics_command(form: str) -> None:
    """Print the catalogue of metrics."""
    text = catalogue.render_markdown() if form == "markdown" else catalogue.render_json()
    click.echo(text, nl=False)


def main(arguments: list[str] | None = None) -> None:
    """The console script."""
    given = expand_boolean_flags(sys.argv[1:] if arguments is None else arguments)
    try:
        cli.main(args=given, prog_name="libvirt-exporter")
    except ConfigError as exc:
        click.echo(f"libvirt-exporter: {exc}", err=True)
        sys.exit(2)
    except InvalidURI as exc:
        click.echo(f"libvirt-exporter: libvirt.uri: {exc}", err=True)
        sys.exit(2)
    except LibvirtRPCError as exc:
        click.echo(f"libvirt-exporter: {exc}", err=True)
        sys.exit(1)
