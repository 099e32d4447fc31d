"""What every page is made with: the templates, their filters, and what makes a page whole in one file."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib import resources

import itables
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from bench import __version__
from bench.report import text


def shell(*, tables: bool) -> dict[str, object]:
    """The style, the script with its hash and, where there are `tables`, what sorts them."""
    script = _file("report.js")
    return {
        "style": Markup(_file("report.css")),  # noqa: S704 - a file of this package
        "script": Markup(script),  # noqa: S704 - a file of this package
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "datatables": _datatables() if tables else "",
        "version": __version__,
    }


def environment() -> Environment:
    """The templates of the package `bench.report`; those that make HTML escape what they show."""
    environment = Environment(
        loader=PackageLoader("bench.report"),
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "count": text.count,
        "significant": text.significant,
        "plural": text.plural,
        "md": text.markdown,
        "svg": lambda picture: Markup(picture.svg),  # noqa: S704 - drawn here; the texts in it are escaped
    }
    return environment


def _file(name: str) -> str:
    return resources.files("bench.report").joinpath("templates", name).read_text(encoding="utf-8")


def _datatables() -> str:
    """The table library of itables' offline bundle, packed: 0.24 MB instead of 0.8, unpacked by the browser.

    Its style sheet stays behind: the page's own has the few rules that are needed.
    """
    source = resources.files(itables).joinpath("html", "dt_bundle.js").read_bytes()
    return base64.b64encode(gzip.compress(source, mtime=0)).decode()
