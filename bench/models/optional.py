"""Libraries that some models need and the program does not: which are installed, and how to install the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from bench.errors import pip_install


@dataclass(frozen=True)
class Library:
    """A library, by the name that it is imported by.

    Parameters
    ----------
    distribution
        What pip calls it.
    serves
        Which models need it, in words.
    extra
        The extra of this project that it comes with; empty where it is of none.
    """

    distribution: str
    serves: str
    extra: str = ""

    @property
    def command(self) -> str:
        """What installs it."""
        return pip_install(self.extra) if self.extra else f"pip install {self.distribution}"


_OF_SKLEARN = "models of kind sklearn that name it"

LIBRARIES: Mapping[str, Library] = {
    "statsmodels": Library("statsmodels", "ets, theta, auto-arima", extra="data"),
    "lightgbm": Library("lightgbm", _OF_SKLEARN),
    "xgboost": Library("xgboost", _OF_SKLEARN),
    "catboost": Library("catboost", _OF_SKLEARN),
    "darts": Library("darts", "models of kind darts", extra="darts"),
    "pytorch_lightning": Library("pytorch-lightning", "the networks of Darts", extra="darts"),
    "neuralforecast": Library("neuralforecast", "models of kind neuralforecast", extra="neuralforecast"),
}
"""By the name of the package."""


def is_installed(package: str) -> bool:
    """Whether `package` is there to be imported; nothing is imported for it."""
    try:
        return find_spec(package) is not None
    except ValueError:  # its place among the modules is taken by something that is none
        return False


def absent(package: str) -> str | None:
    """What to do about a library that is not installed, in one line; `None` where it is, or is no optional one."""
    library = LIBRARIES.get(package)
    if library is None or is_installed(package):
        return None
    return f"{library.distribution} is not installed; {library.command}"
