"""The tasks that data can have, and the words for their errors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Task = Literal["forecast", "denoise", "classify"]
"""`forecast` the points after a window, `denoise` each step of a sequence, or `classify` a sequence."""


@dataclass(frozen=True)
class Words:
    """How to speak of the errors of one task.

    Parameters
    ----------
    unit
        Of the RMSE.
    reference
        What stands for persistence; empty where it is the last value again, or the dataset's own affair.
    explained
        What a reader has to know before the first number; empty where errors are what everybody expects.
    """

    unit: str
    reference: str = ""
    explained: str = ""

    @property
    def axis(self) -> str:
        """The label of an axis of errors."""
        return f"RMSE ({self.unit})"


_WORDS: Mapping[str, Words] = {
    "forecast": Words("original units"),
    "denoise": Words(
        "original units",
        reference="the noisy value itself",
        explained="To denoise, errors are against the clean signal, and persistence is the noisy value itself.",
    ),
    "classify": Words(
        "probability",
        reference="the shares of the classes in the train part",
        explained="To classify, errors are those of the probabilities: the RMSE is the root of Brier's score, taken as "
        "a mean over the classes. Persistence is the shares of the classes in the train part. Accuracy and log-loss "
        "stand next to the errors.",
    ),
}


def words(tasks: Iterable[str | None]) -> Words:
    """Those of one task; of several, those that fit all of them. One that is not known counts as `forecast`."""
    return together(words_of(task or "") for task in sorted({task or "" for task in tasks}))


def words_of(task: str, unit: str = "") -> Words:
    """Those of one task on data in `unit`; empty where that is not known."""
    own = _WORDS.get(task, _WORDS["forecast"])
    return own if not unit or own is _WORDS["classify"] else replace(own, unit=unit)


def together(several: Iterable[Words]) -> Words:
    """Those that fit all of them."""
    wordings = list(dict.fromkeys(several))
    if len(wordings) == 1:
        return wordings[0]
    units = {one.unit for one in wordings}
    explained = " ".join(dict.fromkeys(one.explained for one in wordings if one.explained))
    return Words(units.pop() if len(units) == 1 else "units of each dataset", explained=explained)


_PRICES = {"TSLA": "USD", "GOOGL": "USD", "GOOG": "USD", "A": "USD"}
"""Kinds of dataset whose columns are prices, with their unit; an index has points."""


def unit_of(kind: str, parameters: Mapping[str, Any]) -> str:
    """The unit that a kind of dataset is known to have; empty where none is."""
    several = any(parameters.get(name) for name in ("columns", "target"))
    return "" if several or parameters.get("column") == "volume" else _PRICES.get(kind, "")


TARGET, BLOCK, MOMENT = "test target", "origin block", "moment"
"""What the losses of a window are of: single targets; blocks of origins, of which only neighbours share targets; or all
targets of several series at one moment."""
