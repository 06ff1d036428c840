"""Terminal habits of every tool: one line an error, progress, JSON for programs."""

import argparse
import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_BROKEN_PIPE = 128 + 13
"""Exit status of what wrote to a reader that is gone, as shells have it: `… | head`."""


_PICTURES = (".png", ".svg", ".pdf")


class ToolError(Exception):
    """A problem the user can solve: shown as one line, never as a traceback.

    Parameters
    ----------
    message
        `where: expected X, got Y; do Z`.
    code
        Exit status of the tool.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def progress(text: str) -> None:
    """Say in one line what is happening, apart from the answer on standard output."""
    print(text, file=sys.stderr, flush=True)


def answer(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the answer of a tool: one JSON object, or `name  value` lines."""
    if as_json:
        print(json.dumps(values, default=str))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        print(f"{name:<{width}}  {value}")


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return a type of argument: a number above 0."""

    def parse(text: str) -> float:
        number = kind(text)
        if number <= 0:
            raise argparse.ArgumentTypeError(f"expected more than 0, got {text}")
        return number

    parse.__name__ = "number"
    return parse


def picture(text: str) -> Path:
    """Return where to draw, an argument; refuse at once what matplotlib cannot write."""
    path = Path(text)
    if path.suffix.lower() not in _PICTURES:
        message = f"expected a name that ends in {', '.join(_PICTURES)}, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return path


def run(main: Callable[[], int | None]) -> None:
    """Call a tool's `main`, turn what it raises into one line, and exit."""
    try:
        status = main() or 0
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        status = _BROKEN_PIPE
    except ToolError as error:
        progress(f"error: {error}")
        status = error.code
    except KeyboardInterrupt:
        progress("interrupted")
        status = 130
    raise SystemExit(status)


def _nobody_reads() -> bool:
    """Return whether the reader of standard output is gone; let what is left go nowhere then."""
    if sys.stdout is None:
        return False
    output, poll = sys.stdout.fileno(), select.poll()
    poll.register(output, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True
