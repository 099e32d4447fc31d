"""``python -m bench``, and the console script ``bench``."""

import logging
import sys
from contextlib import suppress

from bench.cli.terminal import exit_on_interrupt, tolerate_broken_streams


def main() -> None:
    """Run the command line; what the user can fix is one line for each problem, and exit status 2."""
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
