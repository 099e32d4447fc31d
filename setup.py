"""What pyproject.toml cannot say: the suites lie beside the package here, and within it where it is installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["bench", "bench.*"]), "bench.suites"],
    package_dir={"bench.suites": "suites"},
)
