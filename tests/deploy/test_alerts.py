"""The alerts and recording rules that are shipped: promtool runs their unit tests."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from exporter import catalogue
from tests.deploy.promql import recorded_in, unknown_metrics
from tests.deploy.scene import SHIPPED, hypervisor, scraped
from tests.support import domains
from tests.support.domains import DomainSpec
from tests.support.exporter_process import poll
from tests.support.real_parts import require

ROOT = Path(__file__).parents[2]
RULE_FILES = ("alerts.yml", "rules.yml")
UNIT_TESTS = sorted(path.name for path in (SHIPPED / "tests").glob("*.yml"))


@functools.cache
def rules(*files: str) -> list[dict[str, Any]]:
    return [
        rule
        for file in files
        for group in yaml.safe_load((SHIPPED / file).read_text())["groups"]
        for rule in group["rules"]
    ]


@functools.cache
def unit_tests() -> list[dict[str, Any]]:
    return [
        test
        for file in UNIT_TESTS
        for test in yaml.safe_load((SHIPPED / "tests" / file).read_text())["tests"]
    ]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml") if "alert" in rule}
RECORDS = [rule["record"] for rule in rules(*RULE_FILES) if "record" in rule]


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        [require("promtool"), *arguments], capture_output=True, text=True, check=False, cwd=SHIPPED
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("file", RULE_FILES)
def test_promtool_finds_nothing_wrong_with_the_rules(file: str) -> None:
    promtool("check", "rules", "--lint-fatal", file)


@pytest.mark.integration
@pytest.mark.parametrize("file", UNIT_TESTS)
def test_the_rules_pass_their_unit_tests(file: str) -> None:
    promtool("test", "rules", f"tests/{file}")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_not_to_fire(alert: str) -> None:
    expected = [
        bool(case["exp_alerts"])
        for test in unit_tests()
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == alert
    ]
    assert set(expected) == {True, False}


def test_the_unit_tests_name_no_alert_that_is_not_there() -> None:
    named = {case["alertname"] for test in unit_tests() for case in test.get("alert_rule_test", ())}
    assert named == set(ALERTS)


@pytest.mark.parametrize("record", RECORDS)
def test_every_recorded_series_has_a_unit_test(record: str) -> None:
    compared = {
        case["expr"]
        for test in unit_tests()
        for case in test.get("promql_expr_test", ())
        if case["exp_samples"]
    }
    assert record in compared


def test_no_two_rules_have_one_name() -> None:
    names = [rule.get("alert", rule.get("record")) for rule in rules(*RULE_FILES)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/alerts.md#{alert.lower()}"


def test_the_runbook_has_a_section_on_each_alert_in_the_rules_order() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    sections = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert sections == list(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbooks_section_says_what_it_means_what_to_do_and_how_to_silence_it(alert: str) -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    section = text.partition(f"\n### {alert}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    severity = ALERTS[alert]["labels"]["severity"]
    assert section.lstrip().startswith(f"*{severity}*")
    assert "**Do.**" in section
    assert "**Silence.**" in section


@pytest.mark.parametrize(
    "rule", rules(*RULE_FILES), ids=lambda rule: rule.get("alert") or rule["record"]
)
def test_rules_ask_only_for_metrics_of_the_catalogue(rule: dict[str, Any]) -> None:
    assert unknown_metrics(rule["expr"], catalogue.entries()) == set()


@pytest.mark.parametrize(
    "rule", rules("alerts.yml"), ids=lambda rule: rule.get("alert") or rule["record"]
)
def test_the_alerts_need_no_other_file(rule: dict[str, Any]) -> None:
    own = {one["record"] for one in rules("alerts.yml") if "record" in one}
    assert recorded_in(rule["expr"]) <= own


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_on_a_real_host_only_what_nobody_stopped_is_down(tmp_path: Path) -> None:
    def down() -> dict[str, str]:
        """The domains that VMDown is about, pending or firing, by the daemon's own source."""
        found = server.query('ALERTS{alertname="VMDown", instance="hv-1"}')
        return {one["metric"]["domain"]: one["metric"]["alertstate"] for one in found}

    def reasons() -> dict[str, str]:
        found = server.query('libvirt_domain_state_reason_info{instance="hv-1"}')
        return {one["metric"]["domain"]: one["metric"]["reason"] for one in found}

    names = ("killed", "destroyed", "saved", "runs")
    running = [DomainSpec(name, state="running") for name in names]
    never = DomainSpec("never-started", state="shut off")
    files = [SHIPPED / file for file in RULE_FILES]
    with hypervisor() as libvirtd:
        domains.create(libvirtd, *running, never)
        libvirtd.virsh("autostart", never.name)
        with scraped(tmp_path, libvirtd, rule_files=files) as (server, _):
            wanted = 'domain:libvirt_domain_wanted:last{instance="hv-1"} == 1'
            everyone = {never.name, *names}
            poll(
                lambda: set(server.values(wanted, "domain")) == everyone,
                "all are wanted",
                timeout=90,
            )
            os.kill(domains.qemu_pid(libvirtd, "killed"), signal.SIGKILL)
            libvirtd.virsh("destroy", "destroyed")
            libvirtd.virsh("managedsave", "saved")
            why = {"killed": "crashed", "destroyed": "destroyed", "saved": "saved"}
            poll(lambda: why.items() <= reasons().items(), "libvirt's reasons are seen")
            pending = dict.fromkeys(("killed", never.name), "pending")
            poll(lambda: down() == pending, "VMDown is about to fire")
            crashed = 'ALERTS{alertname="LibvirtDomainCrashed", instance="hv-1"}'
            poll(lambda: set(server.values(crashed, "domain")) == {"killed"}, "a crash is seen")

            # The daemon has forgotten why, and the rules remember.
            libvirtd.restart()
            forgotten = {**dict.fromkeys(why, "unknown"), never.name: "unknown"}
            poll(lambda: forgotten.items() <= reasons().items(), "libvirt has forgotten")
            evaluated = f"count_over_time({wanted.partition(' ')[0]}[3s]) > 2"
            poll(lambda: set(server.values(evaluated, "domain")) == everyone, "the rules ran on")
            assert down() == pending

            # The same host is scraped in two ways; that is not two hosts.
            twice = (
                'count by (uuid) (libvirt_domain_state_info{state="running", domain="runs"}) == 2'
            )
            poll(lambda: bool(server.query(twice)), "it is seen in both ways")
            assert server.query('ALERTS{alertname="LibvirtDomainRunsTwice"}') == []

            groups = httpx.get(f"{server.address}/api/v1/rules").json()["data"]["groups"]
            health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
            assert health == dict.fromkeys([*ALERTS, *RECORDS], "ok")
            poll(
                lambda: all(server.query(one) for one in RECORDS), "every recorded series is there"
            )
