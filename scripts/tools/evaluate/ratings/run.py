"""The passes over a file that `scripts/evaluate ratings` makes, one a model."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from models.arrays.weights import LOSSES
from models.evaluation import error_sums
from models.params.rating import KalmanParams
from models.params.refit import RefitParams
from models.rating import kalman
from models.rating.kalman_arrays import Kalman, KalmanItems, KalmanUsers
from models.rating.stacking import PRODUCT, SQUARE, Stacking
from models.refit import fold
from models.refit.refit import Factorisation, Refit, fit
from models.weights.blend import COUNT
from scripts.tools.evaluate.common.output import SLICES, first_of, row
from scripts.tools.evaluate.ratings import river, stack
from scripts.tools.evaluate.ratings.data import Ratings
from scripts.tools.evaluate.ratings.stack import Stack

MODELS = ("ekf", "ekf+mf", "ekf+refit", "biased_mf", "biases")
"""`ekf+mf` is what the job predicts: items stay between refits, and one weight joins both."""
_JOINED = {"ekf+refit": ("ekf", "refit"), "ekf+mf": ("ekf", "mf")}
_BLOCK = 20_000
"""Ratings between two looks at the clock."""
_WINDOW = 1_000
"""Ratings after which the weight of `mf` is taken anew."""


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
            parts = _JOINED.get(model, (model,))
            for part in parts:
                if part not in self._passed:
                    task = bar.add_task(part, total=len(self._ratings))

                    def report(done: int, task: Any = task) -> None:
                        bar.update(task, completed=done)

                    self._passed[part] = self._pass(part, report)
            if model == "ekf+refit":
                self._passed[model] = self._stacked(parts)
            if model == "ekf+mf":
                self._passed[model] = self._weighed(parts)
        return {model: self._passed[model] for model in models}

    def _pass(self, model: str, report: Callable[[int], None]) -> Passed:
        if model == "ekf":
            return self._filtered(report)
        if model == "refit":
            return self._refitted(report)
        if model == "mf":
            return self._folded(report)
        predicted, seconds = river.run(
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

    def _folded(self, report: Callable[[int], None]) -> Passed:
        """Let users learn beside items that stay until the next refit; NaN for an unknown item."""
        ratings, params = self._ratings, self._fit
        model = Factorisation.new(_keys(ratings.users), _keys(ratings.items), params)
        random, steps = np.random.default_rng(params.seed), fold.Steps.of(params)
        state = np.zeros((ratings.users, params.factors + 1), np.float32)
        targets = np.ones((ratings.items, params.factors + 1), np.float32)
        bias = np.full(ratings.items, fold.NEVER)
        predicted, watch = np.empty(len(ratings), np.float32), _Watch()
        for part in [slice(0, 0), *self._blocks(self._step)]:  # the first compiles
            with watch:
                mine = (ratings.user[part], ratings.item[part], self._stars[part])
                before = np.zeros((len(mine[0]), state.shape[1]), np.float32)
                place = np.empty(len(mine[0]), np.int32)
                fold.learn_events(*mine, state, targets, bias, steps, before, place)
                found = (before[place] * targets[mine[1]]).sum(axis=1) + bias[mine[1]]
                predicted[part] = np.where(place >= 0, found, np.nan)
                if part.stop < len(ratings):
                    end = part.stop
                    past = (ratings.user[:end], ratings.item[:end], self._stars[:end])
                    list(fit(model, *past, params, random))
                    user, item = np.unique(past[0]), np.unique(past[1])
                    state[user, :-1] = model.user_factors[user]
                    state[user, -1] = model.user_bias[user]
                    targets[item, :-1] = model.item_factors[item]
                    bias[item] = model.item_bias[item] + np.float32(model.mean[0])
            watch.start_after(part)
            report(part.stop)
        return Passed(ratings.clipped(predicted), watch.seconds)

    def _weighed(self, parts: Sequence[str]) -> Passed:
        first, second = (self._passed[part] for part in parts)
        stacking, predicted, watch = Stacking(), first.predicted.copy(), _Watch()
        apart = np.nan_to_num(second.predicted - first.predicted, nan=0.0)
        with watch:
            for part in self._blocks(_WINDOW):
                moved, error = apart[part], self._stars[part] - first.predicted[part]
                predicted[part] += np.float32(stacking.deep) * moved
                sums = np.zeros(LOSSES)
                sums[COUNT] = np.isfinite(second.predicted[part]).sum()
                sums[PRODUCT], sums[SQUARE] = (error * moved).sum(), (moved * moved).sum()
                stacking.learn(sums)
        return Passed(predicted, watch.seconds + first.seconds + second.seconds)

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
