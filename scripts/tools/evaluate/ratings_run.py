"""The passes over a file that `scripts/evaluate ratings` makes, one a model."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from models.evaluation import error_sums
from models.params import KalmanParams, RefitParams
from models.rating import kalman, stack
from models.rating.kalman import Kalman, KalmanItems, KalmanUsers
from models.rating.refit import Refit
from models.rating.stack import Stack
from scripts.tools.evaluate import ratings_river
from scripts.tools.evaluate.output import SLICES, first_of, row
from scripts.tools.evaluate.ratings_data import Ratings

MODELS = ("ekf", "ekf+refit", "biased_mf", "biases")
_BLOCK = 20_000
"""Ratings between two looks at the clock."""


@dataclass(frozen=True)
class Passed:
    """What came of one pass."""

    predicted: NDArray[np.float32]
    """Before each rating was learnt, on the models' scale, clipped; NaN where it diverged."""
    seconds: float
    """CPU time of predicting and learning."""


class Evaluation:
    """One pass a model.

    Parameters
    ----------
    ratings
        What is predicted.
    seed
        Of every random choice of the project's own models.
    refit_every
        Share of the ratings between two refits.
    """

    def __init__(self, ratings: Ratings, *, seed: int, refit_every: float) -> None:
        lowest, highest = ratings.limits
        self._ratings = ratings
        self._stars = ratings.stars
        self._filter = KalmanParams(lowest=lowest, highest=highest, seed=seed)
        self._fit = RefitParams(lowest=lowest, highest=highest, seed=seed)
        self._step = max(1, int(len(ratings) * refit_every))
        self._passed: dict[str, Passed] = {}

    def run(self, models: Sequence[str], bar: Progress) -> dict[str, Passed]:
        """Let models take the ratings, each in one pass."""
        for model in models:
            parts = ("ekf", "refit") if model == "ekf+refit" else (model,)
            for part in parts:
                if part not in self._passed:
                    task = bar.add_task(part, total=len(self._ratings))

                    def report(done: int, task: Any = task) -> None:
                        bar.update(task, completed=done)

                    self._passed[part] = self._pass(part, report)
            if model == "ekf+refit":
                self._passed[model] = self._stacked(parts)
        return {model: self._passed[model] for model in models}

    def _pass(self, model: str, report: Callable[[int], None]) -> Passed:
        if model == "ekf":
            return self._filtered(report)
        if model == "refit":
            return self._refitted(report)
        predicted, seconds = ratings_river.run(
            model, self._ratings.user, self._ratings.item, self._stars, report
        )
        return Passed(self._ratings.clipped(predicted), seconds)

    def _filtered(self, report: Callable[[int], None]) -> Passed:
        ratings, params = self._ratings, self._filter
        model = Kalman.new(
            KalmanUsers.new(_keys(ratings.users), params),
            KalmanItems.new(_keys(ratings.items), params),
            params,
        )
        predicted = np.empty(len(ratings), np.float32)
        watch = _Watch()
        for part in [slice(0, 0), *self._blocks(_BLOCK)]:  # the first compiles
            columns = (ratings.user[part], ratings.item[part], self._stars[part])
            with watch:
                kalman.learn_events(*columns, ratings.time[part], model, predicted[part])
            watch.start_after(part)
            report(part.stop)
        return Passed(ratings.clipped(predicted), watch.seconds)

    def _refitted(self, report: Callable[[int], None]) -> Passed:
        ratings = self._ratings
        model = Refit(_keys(ratings.users), _keys(ratings.items), self._fit)
        found, watch = [], _Watch()
        for part in [slice(0, 0), *self._blocks(self._step)]:  # the first compiles
            with watch:
                found.append(model.learn(ratings.user[part], ratings.item[part], self._stars[part]))
                if part.stop < len(ratings):
                    model.refit()
            watch.start_after(part)
            report(part.stop)
        return Passed(ratings.clipped(np.concatenate(found)), watch.seconds)

    def _stacked(self, parts: Sequence[str]) -> Passed:
        below = [self._passed[part] for part in parts]
        lowest, highest = self._ratings.limits
        x = np.stack([one.predicted for one in below], axis=1)
        model = Stack.new(len(below), lowest=lowest, highest=highest)
        predicted = np.empty(len(x), np.float32)
        watch = _Watch()
        for part in (slice(0, 0), slice(0, len(x))):  # the first compiles
            with watch:
                stack.learn_events(x[part], self._stars[part], model, predicted[part])
            watch.start_after(part)
        seconds = watch.seconds + sum(one.seconds for one in below)
        return Passed(self._ratings.clipped(predicted), seconds)

    def _blocks(self, size: int) -> Iterator[slice]:
        n = len(self._ratings)
        return (slice(at, min(at + size, n)) for at in range(0, n, size))


def figures(passed: Passed, ratings: Ratings) -> dict[tuple[str, str], float | None]:
    """Return the figures of a model by metric and slice; None for the errors of one that diverged.

    Errors are in units of the file's ratings.
    """
    found: dict[tuple[str, str], float | None] = {}
    error = (ratings.value - ratings.unit * passed.predicted).astype(np.float32)
    for part in SLICES:
        within = error[first_of(part, len(error)) :]
        sums = error_sums(within)
        whole = sums.scored == len(within)
        found["rmse", part] = sums.rmse if whole else None
        found["mae", part] = sums.mae if whole else None
    found["us_an_event", "all"] = 1e6 * passed.seconds / len(error)
    return found


def rows(passed: Mapping[str, Passed], ratings: Ratings) -> list[dict[str, Any]]:
    """Return a row for every model, metric and slice."""
    return [
        row(model, metric, part, value)
        for model, one in passed.items()
        for (metric, part), value in figures(one, ratings).items()
    ]


class _Watch:
    """CPU time of the blocks it is around."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begin = 0.0

    def __enter__(self) -> None:
        self._begin = time.process_time()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.process_time() - self._begin

    def start_after(self, part: slice) -> None:
        """Forget the time of a part without ratings, which was spent on compiling."""
        if part.stop == 0:
            self.seconds = 0.0


def _keys(n: int) -> NDArray[np.uint64]:
    """Return keys for rows numbered from 0; they only choose where factors start."""
    return np.arange(n, dtype=np.uint64)
