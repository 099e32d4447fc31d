"""The files that come with a public project agree with the program and with each other."""

import re
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import bench

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RELEASE = ROOT / ".github/workflows/release.yml"
FORMS = [ROOT / ".github/ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")]
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]


def content(path):
    return YAML(typ="safe").load(path.read_text())


def test_the_license_is_the_whole_standard_text():
    digest = sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]


def test_the_citation_agrees_with_the_project():
    citation = content(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= citation.keys()
    assert citation["version"] == bench.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def test_the_changelog_begins_with_this_version():
    (version,) = re.findall(r"^## (\S+),", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:1]
    assert version == bench.__version__


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one(path):
    form = content(path)
    assert {"name", "description", "body"} <= form.keys()
    identities = [field["id"] for field in form["body"]]
    assert len(identities) == len(set(identities))
    for field in form["body"]:
        assert field["type"] in {"checkboxes", "dropdown", "input", "textarea"}
        assert field["attributes"]["label"]


def test_the_hooks_run_the_ruff_that_was_tested():
    hooks = {each["repo"].rpartition("/")[2]: each for each in content(ROOT / ".pre-commit-config.yaml")["repos"]}
    pinned = re.search(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert hooks["ruff-pre-commit"]["rev"] == f"v{pinned}"


def test_dependencies_and_actions_are_kept_current():
    updates = content(ROOT / ".github/dependabot.yml")["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"pip", "github-actions"}


def test_a_release_publishes_what_was_built_and_run_and_only_for_a_tag():
    workflow = content(RELEASE)
    assert workflow["permissions"] == {"contents": "read"}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert publish["needs"] == "build"
    assert publish["if"] == "github.ref_type == 'tag'"
    assert publish["permissions"] == {"id-token": "write"}
    assert "permissions" not in build
    assert not any("run" in step for step in publish["steps"])
    commands = "\n".join(step.get("run", "") for step in build["steps"])
    for needed in ("python -m build", "twine check --strict dist/*", 'bin/bench" run quick'):
        assert needed in commands
    for step in (*build["steps"], *publish["steps"]):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+|pypa/gh-action-pypi-publish@release/v1", step["uses"])


def test_the_release_asks_for_the_file_that_is_built():
    name = PROJECT["name"].replace("-", "_")
    assert f"dist/{name}-${{GITHUB_REF_NAME#v}}-py3-none-any.whl" in RELEASE.read_text()
