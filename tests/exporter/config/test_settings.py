from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from exporter.config import (
    CONFIG_FILE,
    SETTINGS,
    CollectorsConfig,
    Config,
    DiskCollectors,
    DomainCollectors,
    ListenAddress,
    MetricsConfig,
    NetworkCollectors,
    Setting,
    WebConfig,
    expand_boolean_flags,
    load,
)
from tests.exporter.config.loading import value_of


def test_keys_flags_and_variables_are_unique_and_well_formed() -> None:
    table = (*SETTINGS, CONFIG_FILE)
    for names in (
        [setting.key for setting in table],
        [setting.parameter for setting in table],
        [setting.environment for setting in table],
        [flag for setting in table for flag in (setting.flag, setting.negative_flag) if flag],
    ):
        assert len(set(names)) == len(names)
    for setting in table:
        assert setting.parameter.isidentifier()
        assert re.fullmatch(r"--[a-z]+(\.[a-z-]+)+", setting.flag)
        assert re.fullmatch(r"LIBVIRT_EXPORTER(_[A-Z]+)+", setting.environment)
        assert setting.help.endswith(".") or setting is CONFIG_FILE


def test_the_flags_of_the_specification_exist() -> None:
    assert {
        "--libvirt.uri",
        "--web.listen-address",
        "--web.telemetry-path",
        "--log.level",
        "--log.format",
        "--collector.domain.stats",
        "--collector.domain.state",
        "--collector.disk.stats",
        "--collector.network.stats",
        "--collector.min-interval",
        "--collector.domain.memory-bandwidth",
        "--metrics.extra-label",
        "--log.file",
    } <= {setting.flag for setting in SETTINGS}
    assert CONFIG_FILE.flag == "--config.file"
    assert CONFIG_FILE.environment == "LIBVIRT_EXPORTER_CONFIG_FILE"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_default_that_is_written_out_is_the_default(setting: Setting) -> None:
    if setting.key == "libvirt.uri":  # the default is left to the library
        assert setting.default == "qemu:///system"
    elif setting.default:
        read = setting.kind.check(setting.kind.read(setting.default))
        assert read == value_of(Config(), setting.key)


def test_a_command_line_library_can_take_its_options_from_the_table() -> None:
    def run(**parameters: object) -> None:
        flags = {setting.key: parameters[setting.parameter] for setting in SETTINGS}
        config = load(None, flags=flags, environ={})
        click.echo(f"{config.collectors} {config.metrics} {config.web}")

    options: list[click.Parameter] = [
        click.Option([setting.parameter, setting.flag], multiple=setting.kind.is_repeatable)
        for setting in SETTINGS
    ]
    command = click.Command("run", params=options, callback=run)
    arguments = expand_boolean_flags(
        [
            "--collector.domain.perf",
            "--no-collector.disk.stats",
            "--collector.network.stats=false",
            "--metrics.extra-label",
            "a=1",
            "--metrics.extra-label=b=2",
            "--web.listen-address=:1",
        ]
    )
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    expected = (
        CollectorsConfig(
            DomainCollectors(perf=True), DiskCollectors(stats=False), NetworkCollectors(stats=False)
        ),
        MetricsConfig((("a", "1"), ("b", "2"))),
        WebConfig((ListenAddress("", 1),)),
    )
    assert result.output == " ".join(str(part) for part in expected) + "\n"


def test_bare_boolean_flags_are_written_out_up_to_the_end_of_options() -> None:
    assert expand_boolean_flags(
        [
            "--libvirt.read-only",
            "--no-libvirt.read-only",
            "--libvirt.uri",
            "x",
            "scrape",
            "--libvirt.read-only=false",
            "--",
            "--libvirt.read-only",
        ]
    ) == (
        [
            "--libvirt.read-only=true",
            "--libvirt.read-only=false",
            "--libvirt.uri",
            "x",
            "scrape",
            "--libvirt.read-only=false",
            "--",
            "--libvirt.read-only",
        ]
    )
