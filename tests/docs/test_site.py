"""The site builds strictly, with every link and anchor checked, and its pages load nothing from elsewhere.

Needs the dependency group ``docs``; `tox -e docs` runs it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("material", reason="needs the dependency group docs: tox -e docs")

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "srcset", "object": "data"}
"""What a browser fetches by itself when it opens a page: element → attribute."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


class Resources(HTMLParser):
    """Addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is loaded; a canonical address is only stated."""
        given = dict(attrs)
        if tag in LOADED and given.get("rel") not in ("canonical", "next", "prev", "edit"):
            self.addresses += filter(None, [given.get(LOADED[tag])])


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        resources = Resources()
        resources.feed(page.read_text(encoding="utf-8"))
        assert [each for each in resources.addresses if re.match(r"(https?:)?//", each)] == [], page
        assert all(
            (page.parent / each.split("?")[0].split("#")[0]).exists()
            for each in resources.addresses
            if not each.startswith(("data:", "/"))
        ), page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")) == [], sheet


def test_nothing_makes_the_theme_fetch_a_script(site: Path) -> None:
    """Its own script loads one for diagrams, and numbers of stars where a repository is named."""
    texts = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]
    assert not any('class="mermaid"' in text or 'data-md-component="source"' in text for text in texts)


def shown(page: Path) -> str:
    """What a reader sees of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))


def test_the_reference_has_every_key_model_dataset_command_and_column(site: Path) -> None:
    import typer

    import bench
    from bench.cli.app import app
    from bench.data import DATASETS
    from bench.models import MODELS
    from bench.replication.systems import ReplicationSuite
    from bench.spec import Training, Tuning
    from bench.store.schema import ALL

    fields = [name for part in (ReplicationSuite, Training, Tuning) for name in part.model_fields]
    expected = {
        "suite-keys": fields,
        "models": MODELS,
        "datasets": DATASETS,
        "commands": [f"bench {name}" for name in typer.main.get_command(app).commands],
        "python": bench.__all__,
        "columns": [name for schema in ALL.values() for name in schema.names],
    }
    for page, names in expected.items():
        text = shown(site / f"reference/{page}.html")
        assert [name for name in names if name not in text] == [], page


@pytest.mark.parametrize("page", ["suite-keys", "models", "datasets", "commands", "columns", "metrics"])
def test_nothing_in_the_reference_is_without_a_meaning(page: str, site: Path) -> None:
    body = (site / f"reference/{page}.html").read_text(encoding="utf-8")
    assert re.findall(r"<tr>\s*<td>(.*?)</td>(?:\s*<td>.*?</td>)*?\s*<td></td>", body) == []


def test_floors_are_those_of_the_formulas(site: Path) -> None:
    """A noisy sine: the floor is the noise; persistence has its variance twice, and half of the squared step."""
    row = re.search(r"noisy-sine .{0,80}forecast ([\d.]+) ([\d.]+)", shown(site / "reference/datasets.html"))
    assert row is not None
    persistence, floor = map(float, row.groups())
    assert floor == pytest.approx(0.1, rel=0.06)
    assert persistence == pytest.approx((2 * 0.1**2 + 0.1**2 / 2) ** 0.5, rel=0.06)
