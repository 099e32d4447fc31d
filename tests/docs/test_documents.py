"""The documents say what the program does."""

import re
import subprocess
from pathlib import Path

import pytest

from bench.data import DATASETS
from bench.models import MODELS
from bench.store.schema import ALL, Status

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("table", sorted(ALL))
def test_every_column_is_described(table):
    text = (ROOT / "docs" / "results.md").read_text()
    section = text.split(f"## {table}:")[1].split("\n## ")[0]
    described = set(re.findall(r"`([a-z0-9_]+)`", section + text.split("## runs:")[0]))
    assert set(ALL[table].names) <= described


def test_every_status_is_described():
    text = (ROOT / "docs" / "results.md").read_text()
    assert all(f"`{status}`" in text for status in Status)


@pytest.mark.parametrize("name", [*DATASETS, *MODELS])
def test_every_kind_is_described(name):
    assert f"`{name}`" in (ROOT / "docs" / "suites.md").read_text()


def test_every_canary_is_described():
    from bench.canary.watch import CANARIES

    text = (ROOT / "docs" / "protocol.md").read_text().split("## Canaries")[1]
    assert [name for name in CANARIES if f"| `{name}` |" not in text] == []


def test_every_setting_is_described():
    from bench.replication.systems import Overrides, Published, ReplicationSuite, System
    from bench.spec import AsPublished, Exclusion, Gate, Split, Suite, Thresholds, Training, Tuning

    text = (ROOT / "docs" / "suites.md").read_text()
    core = (Suite, Split, Training, Tuning, Exclusion, AsPublished, Gate, Thresholds)
    for part in (*core, ReplicationSuite, System, Overrides, Published):
        assert [name for name in part.model_fields if f"`{name}`" not in text] == []


def test_every_verdict_and_departure_of_published_systems_is_described():
    from bench.replication.findings import PublishedOutcome
    from bench.replication.systems import Claim
    from bench.spec import AsPublished

    text = (ROOT / "docs" / "published.md").read_text()
    assert [verdict for verdict in PublishedOutcome if verdict.value.split()[0] not in text] == []
    assert [name for name in AsPublished.model_fields if f"`{name}:" not in text] == []
    tests = Claim.model_fields["test"].annotation.__args__
    assert [name for name in tests if f"| `{name}` |" not in text] == []


PATH_IN_TEXT = re.compile(r"(?<![\w/.-])(?:bench|tests|suites)/[\w./*-]*(?=`)")
"""A path of this repository at the end of a code span."""


@pytest.mark.parametrize(
    "page", [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_path_that_is_named_exists(page):
    named = {path for path in PATH_IN_TEXT.findall(page.read_text()) if "NAME" not in path}
    absent = {path for path in named if not any(ROOT.glob(path.rstrip("/")))}
    assert absent == set()


def test_paths_are_found_in_the_text():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert {"bench/data/", "bench/data/base.py", "bench/models/__init__.py"} <= set(PATH_IN_TEXT.findall(text))


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda page: page.name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    """Of a checkout, which holds no file that git ignores: a page that was written and never kept is not there."""
    ignored = subprocess.run(
        ["git", "-C", ROOT, "check-ignore", "--stdin"],
        input="\n".join(str(path) for path in linked(page)),
        capture_output=True,
        text=True,
        check=False,  # 1: none is, 128: this is no checkout
    )
    assert [str(path) for path in linked(page) if not path.exists()] == []
    assert ignored.stdout == ""


def linked(page: Path) -> list[Path]:
    """The files and folders outside of docs/ that a page leads to; the build of the site checks those within."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    paths = [(page.parent / target).resolve() for target in targets if "://" not in target and "{" not in target]
    return [path for path in paths if not path.is_relative_to(ROOT / "docs")]
