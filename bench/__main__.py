"""``python -m bench``, and the console script ``bench``."""

from __future__ import annotations

import io
import sys

import typer

from bench.cli.app import app
from bench.errors import BenchError


def main() -> None:
    """Run the command line; what the user can mend is one line for each problem, and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × still gets its results
    try:
        app()
    except BenchError as error:
        typer.echo(error, err=True)
        sys.exit(2)
    except PermissionError as error:
        typer.echo(f"{error.filename}: {error.strerror}; mend its permissions, or name another place", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
