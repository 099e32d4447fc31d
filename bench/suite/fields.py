"""The kinds of values that the settings of a suite are made of."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

_LARGEST = 2**31 - 1  # the results store counts as int32
FOLDER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$"


def _is_false(value: object) -> object:
    if value is not False:  # without this, 0 == False would pass as the literal
        raise ValueError("expected false")
    return value


def _is_one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError(f"expected one line of text, with no space around it, got {text!r}")
    return text


def names_a_folder(text: str) -> str:
    """`text`, which must be fit to be the name of a folder."""
    if not re.fullmatch(FOLDER, text):
        raise ValueError(
            f"expected 1 to 60 letters, digits, '.', '_' or '-', the first a letter or digit, got {text!r}"
        )
    return text


Count = Annotated[int, Field(ge=1, le=_LARGEST)]
Part = (
    Annotated[int, Field(ge=1, le=_LARGEST, description="a count of points")]
    | Annotated[float, Field(gt=0, lt=1, description="a fraction of them")]
)
"""A part of a series."""

Off = Annotated[Literal[False], BeforeValidator(_is_false)]

Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_is_one_line)]
"""What an entry is called. Any one line of text: it is shown, and never used as the name of a file."""


class Frozen(BaseModel):
    """A value that refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
