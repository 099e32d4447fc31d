"""What is built and installed: the suites are in it, a bare name finds them from any folder, and its name is one."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.errors import DISTRIBUTION, pip_install

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SUITES = {path.stem for path in (ROOT / "suites").glob("*.yaml")}
FOLDERS = ("bench", "suites", "docs")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")

builds = pytest.mark.skipif(
    find_spec("setuptools") is None or find_spec("pip") is None, reason="needs setuptools and pip in this environment"
)


def said(*command, folder):
    """What `command`, run in `folder`, prints; its last words where it fails."""
    ended = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-2000:]
    return ended.stdout


def pip(*arguments, folder, python=None):
    other = ("--python", python) if python else ()
    words = ("--disable-pip-version-check", "--quiet", *arguments, "--no-deps", "--no-build-isolation")
    said(sys.executable, "-m", "pip", *other, *words, folder=folder)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the checkout: a build leaves its own files in the tree."""
    folder = tmp_path_factory.mktemp("tree")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def sdist(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    said(sys.executable, "-c", code, folder=tree)
    (built,) = folder.iterdir()
    return built


def wheel_of(source, folder):
    pip("wheel", "--wheel-dir", folder, source, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel that a release uploads: made of the source distribution."""
    return wheel_of(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def bare(tmp_path):
    """The interpreter of a new environment, which sees the libraries of this one after its own."""
    said(sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare", folder=tmp_path)
    python = tmp_path / "bare" / "bin" / "python"
    own = said(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip()
    Path(own, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_name_that_is_advised_is_that_of_the_project():
    assert PROJECT["name"] == DISTRIBUTION
    assert pip_install("query") == f'pip install "{PROJECT["name"]}[query]"'


def test_no_other_name_is_advised():
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.py")):
        text = path.read_text()
        assert re.findall(r"(?<![\w-])bench\[\w+\]|pip install bench\b", text) == [], path
        extras = re.findall(r"pip_install\([\"'](\w+)[\"']\)|sequence-bench\[(\w+)\]", text)
        assert {one or other for one, other in extras} <= PROJECT["optional-dependencies"].keys(), path


@builds
def test_the_wheel_holds_the_package_the_suites_and_the_license(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "bench").rglob("*.py")}
    assert package - names == set()
    assert {"bench/py.typed", "bench/__init__.pyi"} <= names
    suites = {f"bench/suites/{path.name}" for path in (ROOT / "suites").iterdir()}
    assert {name for name in names if name.startswith("bench/suites/")} == suites
    assert {name.split("/")[0] for name in names} == {"bench", wheel.name.split("-py3")[0] + ".dist-info"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    templates = {path.name for path in (ROOT / "bench").rglob("*.j2")}
    assert templates - {Path(name).name for name in names} == set()


@builds
def test_a_wheel_of_the_checkout_holds_the_same_as_one_of_the_source_distribution(tree, wheel, tmp_path):
    built = wheel_of(tree, tmp_path)
    assert sorted(zipfile.ZipFile(built).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


@builds
def test_the_source_distribution_holds_what_a_reader_looks_for(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "suites/quick.yaml"} <= names


@builds
def test_an_installed_wheel_runs_a_shipped_suite_from_any_folder(wheel, bare, tmp_path):
    pip("install", "--no-index", "--ignore-installed", wheel, folder=tmp_path, python=bare)
    folder = tmp_path / "anywhere"
    folder.mkdir()
    bench = bare.with_name("bench")
    lines = [line.split() for line in said(bench, "list", "suites", folder=folder).splitlines()]
    assert {line[0] for line in lines} == SUITES
    assert all(line[2].startswith("cell") for line in lines)
    assert all(Path(line[-1]).is_relative_to(bare.parents[1]) for line in lines)
    assert "15 cells, 0 stored, 15 to run" in said(bench, "run", "quick", "--dry-run", folder=folder)
    assert not list(folder.iterdir())


@builds
def test_an_editable_install_takes_the_suites_of_the_checkout(tree, bare, tmp_path):
    pip("install", "--no-index", "--ignore-installed", "--editable", tree, folder=tmp_path, python=bare)
    lines = said(bare.with_name("bench"), "list", "suites", folder=tmp_path).splitlines()
    assert {line.split()[0]: Path(line.split()[-1]) for line in lines} == {
        name: tree / "suites" / f"{name}.yaml" for name in SUITES
    }
