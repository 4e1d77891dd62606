"""Where a page is translated: on the way to who asks for it, for the metrics page and for probes."""

from __future__ import annotations

import dataclasses

from exporter.config import Config, LibvirtConfig, MetricsConfig, ModuleConfig, TargetConfig
from exporter.profiles.tables import NATIVE
from exporter.target import make_target
from tests.support.daemon import ScriptedDaemon, by_table
from tests.support.exporting import QEMU_HOST, STATISTICS_ALONE, exporting, get


def config(uri: str, *profiles: str) -> Config:
    return Config(
        libvirt=LibvirtConfig(uri=uri),
        collectors=STATISTICS_ALONE,
        metrics=MetricsConfig(profile=profiles),
    )


async def test_the_metrics_page_has_the_names_of_the_profile() -> None:
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(config(daemon.uri, "kumina")) as application,
    ):
        response = await get(application)
    assert response.status_code == 200
    text = response.text
    assert "\nlibvirt_up 1\n" in text
    assert 'libvirt_domain_state_code{domain="web"' in text
    assert "libvirt_domain_cpu_time_seconds_total" not in text
    assert "libvirt_exporter_build_info" in text


async def test_what_is_scraped_stays_under_our_names() -> None:
    """For the pages of the exporter that show it in another way."""
    async with (
        ScriptedDaemon(by_table(QEMU_HOST)) as daemon,
        exporting(config(daemon.uri, "kumina")) as application,
    ):
        (target,) = application.targets
        page = await target.scraper.scrape()
    assert page.lines("libvirt_domain_state")
    assert not page.lines("libvirt_up")


async def test_a_probe_has_the_names_of_its_module() -> None:
    async with ScriptedDaemon(by_table(QEMU_HOST)) as daemon:
        probing = dataclasses.replace(
            config("test:///default", NATIVE),
            targets={"hv1": TargetConfig("hv1", daemon.uri)},
            modules={
                name: ModuleConfig(name, STATISTICS_ALONE, profile=(name,))
                for name in ("vexxhost", "uos")
            },
        )
        async with exporting(probing) as application:
            old = await get(application, "/probe?target=hv1&module=vexxhost")
            new = await get(application, "/probe?target=hv1&module=uos")
    assert 'libvirtd_domain_domain_state{uuid="' in old.text
    assert 'libvirt_vm_status{domain="web"' in new.text
    assert "libvirtd_domain" not in new.text


def test_nothing_is_translated_where_nobody_asked_for_it() -> None:
    libvirt = LibvirtConfig(uri="qemu:///system")
    assert make_target(libvirt, ModuleConfig("default")).translation is None
    named = make_target(libvirt, ModuleConfig("default", profile=("uos",)))
    assert named.translation is not None
