"""What can go wrong, as a tree.

::

    BenchError
    ├── InputError             the user's input is wrong: exit status 2
    │   ├── SuiteError         a suite file: every problem at once, each with file:line:column
    │   ├── DatasetsError      datasets of a suite: every problem at once, each with the dataset's id
    │   ├── DataError          the content of a data file: the row and the value
    │   └── StoreError         a results folder that cannot be read or written safely
    └── CellError              one cell cannot be finished: it becomes a row, the other cells go on
        ├── DataUnavailable    data neither given, nor cached, nor reachable
        ├── LibraryUnavailable a library that a model needs and that is not installed
        └── OutOfTime          the cell's time limit has passed

Every message is one line that says what was expected, what came, and what to do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

DISTRIBUTION = "sequence-bench"
"""What pip calls this project: the name in ``pyproject.toml``. The package and the command are `bench`."""


def pip_install(extra: str) -> str:
    """The command that installs an extra of this project, to be quoted in a message."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def one_line(text: object) -> str:
    r"""`text` in one line, as messages and reasons are.

    >>> one_line("disk full:\n  /tmp")
    'disk full: /tmp'
    """
    return " ".join(str(text).split())


def described(error: BaseException) -> str:
    """The type and the text of `error` in one line, for a message about what is not ours.

    >>> described(KeyError("a"))
    "KeyError: 'a'"
    """
    return one_line(f"{type(error).__name__}: {error}")


def text_of(error: BaseException) -> str:
    """What `error` says; a class of the user's own may not be able to."""
    try:
        return str(error)
    except Exception:
        return "it cannot say what is wrong"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of this machine or of its GPU.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    text = text_of(error)[:10_000].lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def validator_text(message: str) -> str:
    """What a validator said, without the prefix that pydantic puts before it.

    >>> validator_text("Value error, expected a threshold for at least one metric")
    'expected a threshold for at least one metric'
    """
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def validation_text(error: ValidationError) -> str:
    """The first few things that are wrong, in one line; a value that fits no branch of a union is one of them."""
    wrong: dict[str, list[str]] = {}
    for each in error.errors(include_url=False, include_context=False):
        steps = [str(step) for step in each["loc"] if isinstance(step, int) or step.islower()]
        keys = [step for step in steps if re.fullmatch(r"\w+", step)]  # the others name branches
        wrong.setdefault(".".join(keys), []).append(validator_text(each["msg"]))
    shown = [f"{key}: {', or '.join(said)}" for key, said in list(wrong.items())[:3]]
    more = [f"{len(wrong) - 3} more"] if len(wrong) > 3 else []
    return one_line("; ".join([*shown, *more]))


class BenchError(Exception):
    """The root: catch this to catch everything that `bench` raises on purpose."""


class InputError(BenchError):
    """The user's input is wrong; nothing was run."""


class NotFiniteError(InputError):
    """A model forecasts NaN or infinity."""


class DatasetsError(InputError):
    """Datasets of a suite cannot serve its cells; `problems` says why, by the ids of the datasets."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(f"{name}: {text}" for name, text in self.problems.items()))


class DataError(InputError):
    """A data file lacks the requested values; the message names the row and the value."""


class StoreError(InputError):
    """A results folder cannot be read or written without losing something."""


def unreadable(path: object, error: OSError) -> StoreError:
    """The error for what the system does not let us read."""
    return StoreError(f"{path}: cannot be read ({error.strerror}); fix that first, nothing was changed")


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a suite file, and where.

    `line` and `column` count from 1; 0 means that the place is not known.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{place}: {self.message}"


_MOST = 100
"""Problems that the text of a `SuiteError` lists."""


class SuiteError(InputError):
    """A suite file is wrong; `problems` lists everything found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        more = [f"and {len(self.problems) - _MOST} more"] if len(self.problems) > _MOST else []
        super().__init__("\n".join([*map(str, self.problems[:_MOST]), *more]))


class CellError(BenchError):
    """One cell cannot be finished; the runner stores its rows with a status and this reason."""


class DataUnavailable(CellError):
    """The data is neither in the folder that the user named, nor in the cache, nor reachable."""


class LibraryUnavailable(CellError):
    """A library is not installed that this model needs and others do not."""


class OutOfTime(CellError):
    """The time limit of the cell has passed."""
