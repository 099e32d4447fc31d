"""Hooks of mkdocs: pages that are generated from the code, pages that lie elsewhere in the repository, links to them.

mkdocs calls the functions ``on_…``. Nothing is written into the repository and nothing is read from a network.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import reference_pages  # noqa: E402 - it imports bench, which ROOT makes importable

ELSEWHERE = ("CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the site that are files of the repository's root; so is every page of ``reports/``."""

KEPT = ("full", "scaling", "tutorials", "wide")
"""The folders of ``reports/`` whose page and pictures are kept with the project, as far as they are there."""

LINK = re.compile(r"(?P<mark>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s#]*)(?P<anchor>#[^()\s]*)?\)")
OUTSIDE = re.compile(r"https?:|mailto:|#|$")
"""Targets that are no files: addresses, and anchors of the same page."""


def on_config(config: Any) -> Any:
    """Put pages that ``mkdocs.yml`` does not place at the end of a section: those of ``docs/`` and of ``reports/``."""
    named = set(placed(config.nav))
    for section, pages in (("How to", sorted((ROOT / "docs").glob("*.md"))), ("Gallery", shown_reports())):
        paths = [in_site(path.relative_to(ROOT).as_posix()) for path in pages if path.suffix == ".md"]
        (entries,) = (part[section] for part in config.nav if section in part)
        entries += [path for path in paths if path not in named]
    return config


def placed(nav: Any) -> Iterator[str]:
    """Every page that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from placed(part)


def on_files(files: Files, config: Any) -> Files:
    """Add what is generated, and what lies outside of ``docs/``, and of it only what is kept with the project."""
    for name, text in reference_pages.generated().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    for path in (*(ROOT / name for name in ELSEWHERE), *shown_reports()):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def shown_reports() -> list[Path]:
    """Pages and pictures in ``reports/`` that are kept with the project: a run of the reader writes others there."""
    folders = [folder for name in KEPT if (folder := ROOT / "reports" / name).is_dir()]
    pages = [*(ROOT / "reports").glob("*.md"), *(page for folder in folders for page in folder.glob("report.md"))]
    pictures = [path for folder in folders for path in sorted(folder.glob("**/*.svg"))]
    return [*pages, *pictures]


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """The page with links as they are in the repository made links of the site.

    A link to a file that the site does not have, such as a workflow, becomes its text.
    """
    source = page.file.src_uri
    at_root = source in ELSEWHERE or source.startswith("reports/")
    known = {file.src_uri for file in files}

    def replaced(match: re.Match[str]) -> str:
        target = match["target"]
        if OUTSIDE.match(target):
            return match[0]
        own = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        uri = in_site(own if at_root else posixpath.normpath(posixpath.join("docs", own)))
        if uri not in known:
            return match["text"] if own.startswith("..") or at_root else match[0]
        near = posixpath.relpath(uri, posixpath.dirname(source) or ".")
        return f"{match['mark']}[{match['text']}]({near}{match['anchor'] or ''})"

    return LINK.sub(replaced, markdown)


def in_site(path: str) -> str:
    """The page of a file of the repository: ``docs/`` is the site's root, and README.md its first page."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")
