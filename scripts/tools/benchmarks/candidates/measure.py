"""CPU time of one list over catalogues of several sizes, and its recall of the exact best ten."""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from models.columns.users import Users
from scripts.tools.benchmarks.candidates.exact import recall
from scripts.tools.benchmarks.candidates.world import Learner, World, learner
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.console import ToolError, progress
from scripts.tools.results import Result

SIZES = (3_706, 20_000, 200_000, 1_000_000)
"""Items: of ml-1m, and what larger shops have."""
MODELS = ("full", "light")
_UNITS = {"m": 1_000_000, "k": 1_000}
_WARM_UP = 5
"""Lists that are made before any counts: they fetch machine code and memory."""


@dataclass(frozen=True)
class Lists:
    """What lists over one catalogue cost and miss."""

    ms: Sequence[float]
    """CPU time of each."""
    recalls: Sequence[float]
    """Of each that was compared."""


def measure(options: argparse.Namespace) -> list[Result]:
    """Learn a catalogue of each size by each model, and make lists for some users."""
    models = MODELS if options.model == "both" else (options.model,)
    figures: list[Result] = []
    # as a worker has it, see scripts.tools.cluster.flink.PYTHON_ENVIRONMENT
    with threadpool_limits(1):
        for model in models:
            for size in sizes(options.items):
                figures += figures_of(model, size, _lists(model, size, options))
    return figures


def sizes(text: str) -> list[int]:
    """Return the sizes of a list such as `3706,1000000`, smallest first."""
    try:
        found = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError:
        found = []
    if not found or found[0] < 1_000:
        message = f"--items: expected sizes of at least 1000 with commas between, got {text}"
        raise ToolError(message, code=2)
    return found


def called(items: int) -> str:
    """Return the part of a figure's name that says a size: `items_1m`, `items_20k`, `items_3706`.

    >>> called(1_000_000), called(20_000), called(3_706)
    ('items_1m', 'items_20k', 'items_3706')
    """
    for letter, unit in _UNITS.items():
        if items % unit == 0:
            return f"items_{items // unit}{letter}"
    return f"items_{items}"


def size_of(name: str) -> int:
    """Return the size that `called` made a name of.

    >>> size_of("items_1m"), size_of("items_3706")
    (1000000, 3706)
    """
    number = name.removeprefix("items_")
    unit = _UNITS.get(number[-1:], 1)
    return int(number.rstrip("".join(_UNITS))) * unit


def figures_of(model: str, items: int, lists: Lists) -> Iterator[Result]:
    """Yield the figures of one size; those of `full` have the plain names."""
    name = ".".join(["candidates", *([] if model == "full" else [model]), called(items)])
    yield Result(f"{name}.ms", statistics.median(lists.ms), "ms")
    yield Result(f"{name}.p99_ms", float(np.percentile(lists.ms, 99)), "ms")
    yield Result(f"{name}.recall", statistics.fmean(lists.recalls), "share")


def _lists(model: str, items: int, options: argparse.Namespace) -> Lists:
    world, learnt = World(items), learner(model, items)
    with progress_bar() as bar:
        task = bar.add_task(f"{model}, {items:,} items: learning", total=world.events)
        learnt.take(world, lambda n: bar.update(task, completed=n))
    users = learnt.users(options.lists + _WARM_UP)
    for user in users[:_WARM_UP]:
        learnt.recommend(user)
    timed = [_timed(learnt, user) for user in users[_WARM_UP:]]
    if not timed:
        raise ToolError(f"candidates: expected users to list for, got {len(users)}; raise --lists")
    compared = users[_WARM_UP : _WARM_UP + options.compared]
    found = [one for one in (_recall(learnt, user) for user in compared) if one is not None]
    if not found:
        message = "candidates: expected users with a past to compare; raise --compared"
        raise ToolError(message)
    median = statistics.median(timed)
    progress(f"{model}, {learnt.items.size:,} items: {median:.2f} ms, {len(found)} lists compared")
    return Lists(timed, found)


def _timed(learnt: Learner, user: Users) -> float:
    begin = time.thread_time()
    learnt.recommend(user)
    return 1000 * (time.thread_time() - begin)


def _recall(learnt: Learner, user: Users) -> float | None:
    """Return None for users whose last items say nothing: they get what is trending."""
    scores = learnt.scores(user)
    return None if scores is None else recall(learnt.recommend(user).rows[0], scores)
