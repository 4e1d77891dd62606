"""The alerts and recording rules that are shipped: promtool runs their unit tests."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import catalogue
from tests.deploy.promql import recorded_in, unknown_metrics
from tests.support.real_parts import require

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "prometheus"
RULE_FILES = ("alerts.yml", "rules.yml")
UNIT_TESTS = sorted(path.name for path in (SHIPPED / "tests").glob("*.yml"))


def rules(*files: str) -> list[dict[str, Any]]:
    return [
        rule
        for file in files
        for group in yaml.safe_load((SHIPPED / file).read_text())["groups"]
        for rule in group["rules"]
    ]


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
