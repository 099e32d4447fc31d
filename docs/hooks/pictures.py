"""Take the pictures of the site again: ``python docs/hooks/pictures.py FOLDER``; needs the dependency group ``test``.

FOLDER is where the suites of the pages were run: ``bench run quick``, ``mine.yaml`` of the tutorial on an own CSV, and
``closes.yaml`` of the page on deciding. Each picture is of a real report, and has 128 colours, to be small.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parents[1] / "pictures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTH, HEIGHT = 1480, 900


def main(folder: Path) -> None:
    """Take every picture."""
    reports = folder / "reports"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name, report in (("quick", "quick"), ("first-screen", "mine")):
            page.goto((reports / report / "index.html").resolve().as_uri())
            keep(page, name, HEIGHT)
        page.goto((reports / "closes" / "index.html").resolve().as_uri())
        title = page.get_by_role("heading", name="TSLA", exact=True).first
        title.evaluate("element => { element.closest('details').open = true; }")
        title.evaluate("element => window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - 10)")
        keep(page, "dataset", 600)
        browser.close()
    shutil.copy(reports / "quick/figures/skill.svg", PICTURES / "skill.svg")
    shutil.copy(reports / "mine/figures/predictions-01-load.svg", PICTURES / "predictions.svg")


def keep(page: Any, name: str, height: int) -> None:
    """Store what `page` shows, down to `height` pixels."""
    page.wait_for_timeout(500)  # its script sorts tables
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "taken.png"
        page.screenshot(path=taken, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        with Image.open(taken) as image:
            small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        small.save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
