"""What is written about the project in several places is the same in all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import ada3d_gym
from tests.processes import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_the_citation_names_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == ada3d_gym.__version__


def test_the_changelog_begins_with_what_comes_next():
    sections = re.findall(r"^## (.+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "Unreleased"
    released = ada3d_gym.__version__ in " ".join(sections[1:])
    assert released or f"will be {ada3d_gym.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_yaml_with_time_limits(path: Path):
    jobs = yaml.safe_load(path.read_text())["jobs"]
    assert jobs and all(job["timeout-minutes"] <= 60 for job in jobs.values())


def test_every_python_that_is_tested_is_announced():
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    pythons = tested["jobs"]["linux"]["strategy"]["matrix"]["python"]
    announced = re.findall(r"Python :: (3\.\d+)", (ROOT / "setup.cfg").read_text())
    assert pythons == announced


def test_reports_of_bugs_ask_for_what_the_module_prints():
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in FORMS}
    asked = [
        field["attributes"]["label"] for field in forms["bug"]["body"] if field.get("validations", {}).get("required")
    ]
    assert "Output of `python -m ada3d_gym`" in asked


def test_the_linter_before_commits_is_one_that_the_tests_accept():
    (hook,) = re.findall(r"ruff-pre-commit\n +rev: v(.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    (lowest,) = re.findall(r"ruff>=(.+)", (ROOT / "setup.cfg").read_text())
    assert [int(part) for part in hook.split(".")] >= [int(part) for part in lowest.split(".")]
