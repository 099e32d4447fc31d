"""``python -m bench``, and the console script ``bench``."""

import logging
import os
import sys

_CODE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib may be the user's
if __name__ == "__main__" and not sys.flags.safe_path and sys.path[0] != _CODE:
    sys.path.append(sys.path.pop(0))  # ``-m`` begins with the working folder: a signal.py there is not Python's own

from contextlib import suppress  # noqa: E402 - from a safe path

from bench import scratch  # noqa: E402
from bench.cli.terminal import exit_on_interrupt, tolerate_broken_streams  # noqa: E402


def main() -> None:
    """Run the command line; what the user can fix is one line for each problem, and exit status 2."""
    scratch.settle()
    with exit_on_interrupt():
        with tolerate_broken_streams() as problems:
            status = _status()
        if problems:
            with suppress(OSError):  # standard error may be the one
                print(*problems, sep="\n", file=sys.stderr)  # noqa: T201 - the streams are the user's again
            status = status or 1
    sys.exit(status)


def _status() -> int:
    """The exit status of the command that was typed."""
    from bench.cli.app import app
    from bench.cli.terminal import Said, say
    from bench.errors import BenchError

    logging.getLogger("bench").addHandler(handler := Said())
    try:
        app()
    except SystemExit as ended:
        return int(ended.code or 0)
    except BenchError as error:
        say(error, err=True)
        return 2
    except OSError as error:
        place = error.filename or "input or output"
        say(f"{place}: {error.strerror or error}; fix that, or name another place", err=True)
        return 2
    finally:
        logging.getLogger("bench").removeHandler(handler)
    return 0


if __name__ == "__main__":
    main()
