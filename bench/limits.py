"""How much a suite may ask for before anything of it is made: each limit has a name, and can be raised.

A limit is raised by an environment variable of its name. It stands for what a machine of today plans within seconds and
a gigabyte; what exceeds it is refused by one line that says which limit it is.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import InputError


@dataclass(frozen=True)
class Limit:
    """A limit.

    Parameters
    ----------
    default
        The number that is allowed where its variable is not set.
    what
        What is counted.
    advice
        What else to do than to raise it.
    """

    default: int
    what: str
    advice: str


CELLS = "BENCH_MAX_CELLS"
POINTS = "BENCH_MAX_POINTS"
CHARACTERS = "BENCH_MAX_SUITE_CHARACTERS"
GLOBS = "BENCH_MAX_GLOBS"

LIMITS: Mapping[str, Limit] = {
    CELLS: Limit(10_000, "cells in one suite, exclusions not counted", "split the suite"),
    POINTS: Limit(10_000_000, "points in one generated dataset", "lower its length or count"),
    CHARACTERS: Limit(400_000, "characters in one suite file", "split the suite"),
    GLOBS: Limit(200, "globs among the exclusions", "write names in full"),
}
"""By the environment variable that raises it."""


def allowed(name: str) -> int:
    """What the limit `name` allows here.

    Raises
    ------
    InputError
        Its variable is set, to something else than a whole number.
    """
    text = os.environ.get(name, "")
    if not text:
        return LIMITS[name].default
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise InputError(f"{name}: expected a whole number, got {text!r:.60}; unset it for {LIMITS[name].default}")
    return int(text)


def exceeded(name: str, count: int) -> str:
    """Why `count` is too many by the limit `name`, and what to do; empty where it is not."""
    if count <= (most := allowed(name)):
        return ""
    limit = LIMITS[name]
    return f"expected at most {most} {limit.what}, got {count}; {limit.advice}, or raise {name}"


_SIZES = {"": 1, **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", start=1)}}
_SIZES |= {f"{letter}{end}": 1024**power for power, letter in enumerate("KMGT", start=1) for end in ("", "iB")}


def parsed_bytes(text: str) -> int:
    """A size of memory, as a person writes it, in bytes.

    >>> parsed_bytes("4GiB"), parsed_bytes("1.5 GB"), parsed_bytes("512M")
    (4294967296, 1500000000, 536870912)

    Raises
    ------
    InputError
        It is none, or less than 1 MiB.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?(?:i?B)?)\s*", text)
    unit = match.group(2) if match else None
    size = int(float(match.group(1)) * _SIZES[unit]) if match and unit in _SIZES else 0
    if not 2**20 <= size <= 2**60:
        raise InputError(f"expected a size of memory of 1 MiB or more, such as 4GiB or 500MB, got {text!r}")
    return size
