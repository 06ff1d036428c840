"""Whatever asks a tool to end, it ends like Ctrl-C: what it started is ended first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a terminal that was closed, raise KeyboardInterrupt in the block.

    Under `nohup` a closed terminal changes nothing.
    """
    before = {each: signal.getsignal(each) for each in _ENDING}
    try:
        for each, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(each, _interrupt)
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore them all: an impatient second Ctrl-C must not leave half of a stack running."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, *_ENDING)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
