"""What ``bench run --fresh`` still has to run again: kept in the results folder until every cell is renewed.

A run that is interrupted goes on from there. Until then the cells that are older than the request are no results of it:
they are neither reported nor compared with those that are new.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.atomic import open_file, whole, write_atomically
from bench.errors import StoreError

FRESH = "fresh.json"
"""The file, within a results folder."""


@dataclass(frozen=True)
class Renewal:
    """The request to run stored cells again.

    Parameters
    ----------
    began
        When it was made: a cell that was started earlier is not renewed.
    cells
        The ids of the cells to run again.
    """

    began: datetime
    cells: frozenset[str]

    def waiting(self, started: Mapping[str, datetime | None]) -> frozenset[str]:
        """Those of its cells that are still to be renewed.

        Parameters
        ----------
        started
            When each stored cell was started, by id; a cell that is not stored has nothing to renew.
        """
        return frozenset(
            cell_id for cell_id in self.cells & started.keys() if (at := started[cell_id]) is None or at < self.began
        )


def read_renewal(folder: Path) -> Renewal | None:
    """The request that is not carried out yet in the results folder `folder`; `None` where there is none.

    Raises
    ------
    StoreError
        The file is there and cannot be read.
    """
    path = folder / FRESH
    try:
        with open_file(path) as file:
            content = json.loads(whole(file).decode())
        began = datetime.fromisoformat(content["began"])
        return Renewal(began.astimezone(UTC), frozenset(map(str, content["cells"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise StoreError(
            f"{path}: expected the cells that --fresh has to run again, got what cannot be read; delete it, and "
            "`bench run --fresh` begins again"
        ) from error


def write_renewal(folder: Path, renewal: Renewal, waiting: Iterable[str]) -> None:
    """Keep `renewal` with the cells that are still `waiting`; remove the file where none is.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    path, cells = folder / FRESH, sorted(waiting)
    if not cells:
        path.unlink(missing_ok=True)
        return
    text = json.dumps({"began": renewal.began.isoformat(), "cells": cells}, indent=1)
    write_atomically(path, text)
