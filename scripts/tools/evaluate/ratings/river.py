"""River on ratings: a process in River's own environment."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.tools.cluster.river import environment, last_line
from scripts.tools.console import ToolError

_PROGRAM = Path(__file__).with_name("river_ratings.py")


def run(
    model: str,
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    rating: NDArray[np.float32],
    report: Callable[[int], None],
) -> tuple[NDArray[np.float64], float]:
    """Let a model of River predict, then learn, every rating in order.

    Parameters
    ----------
    model
        One of `river_ratings.MODELS`.
    user, item, rating : (n,)
    report
        Is told how many ratings are done.

    Returns
    -------
    float64[n], float
        The predictions, not clipped, and the CPU seconds.

    Raises
    ------
    ToolError
        If the environment cannot be made, or the process ends early.
    """
    python = environment()
    with tempfile.TemporaryDirectory(prefix="streamrec-") as name:
        folder = Path(name)
        np.savez(folder / "ratings.npz", user=user, item=item, rating=rating)
        _follow([str(python), "-P", str(_PROGRAM), model, name], folder / "log", report)
        with np.load(folder / "predicted.npz") as found:
            return found["predicted"], float(found["seconds"])


def _follow(command: list[str], log: Path, report: Callable[[int], None]) -> None:
    """Run the program to its end, telling what it prints: ratings done."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                report(int(line))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise ToolError(f"river: expected predictions, it ended: {last_line(log.read_text())}")
