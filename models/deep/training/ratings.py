"""A round of `mf`: a factorisation refitted to the ratings that are kept; numba, and no torch.

It is judged as it is served (`models.refit.fold`): by the newest ratings, each predicted before
its user learns from it, the items' side staying. The champion is asked the same, from where it left
its users. What was held out is fitted last, so that the newest ratings are not missing from what is
served.
"""

import json
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from models.deep.mf import Mf
from models.deep.training.files import column, index_of, known_items, known_users, parent, write
from models.deep.training.plan import Plan
from models.deep.training.report import Progress, Report
from models.params.refit import RefitParams
from models.refit import fold
from models.refit.refit import Factorisation, fit

_LAST = 2
"""Passes over all ratings once the model was judged."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings in the order in which they came; users and items as rows."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    value: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of ratings."""
        return len(self.user)

    def part(self, begin: int, end: int) -> "Ratings":
        """Return the ratings from `begin` to before `end`."""
        return Ratings(self.user[begin:end], self.item[begin:end], self.value[begin:end])


def run(folder: Path) -> Report:
    """Train what lies in a folder."""
    plan = Plan.of(json.loads((folder / "plan.json").read_text()))
    if plan.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (plan.memory_bytes, plan.memory_bytes))
    users, items, values = (column(folder, name) for name in ("users", "items", "values"))
    params = params_of(plan)
    whole = np.flatnonzero((params.lowest <= values) & (values <= params.highest))
    new_from = int(np.searchsorted(whole, plan.new_from))
    users, items, values = users[whole], items[whole], values[whole]
    times = column(folder, "times")[whole] if any(folder.glob("times*.npy")) else None
    before = parent(folder)
    item_keys, before = known_items(items, before, ("item.factors", "item.bias"))
    user_keys, tensors = known_users(users, before, "user.")
    kept = np.isin(users, user_keys)
    new_from = int(kept[:new_from].sum())
    ratings = Ratings(
        index_of(user_keys, users[kept]), index_of(item_keys, items[kept]), values[kept]
    )

    def progress(what: dict[str, Any]) -> None:
        write(folder / "progress.json", json.dumps(what).encode())

    model = started(tensors, user_keys, item_keys, params)
    old_items = len(before.get("item.bias", ()))
    report, errors = train(plan, params, model, ratings, new_from, old_items, progress)
    known = {"keys": item_keys, "user_keys": user_keys}
    until: dict[str, NDArray[Any]] = {}
    if times is not None:
        until[Mf.timed_by] = newest(ratings.user, times[kept], len(user_keys), tensors)
    _save(folder, known | until, model, report, errors)
    return report


def newest(
    user: NDArray[np.int32], time_ms: NDArray[np.int64], users: int, before: dict[str, NDArray[Any]]
) -> NDArray[np.int64]:
    """Return (users,) event time of each one's newest rating, ms, those of the parent included."""
    found = np.full(users, np.iinfo(np.int64).min, np.int64)
    known = before.get(Mf.timed_by, found[:0])
    found[: len(known)] = known
    np.maximum.at(found, user, time_ms)
    return found


def params_of(plan: Plan) -> RefitParams:
    """Return what a round is fitted with."""
    if plan.scale is None:
        message = "plan: expected the scale of the ratings for mf, got none"
        raise ValueError(message)
    lowest, highest = plan.scale
    return RefitParams(factors=plan.shape.dim, lowest=lowest, highest=highest, seed=plan.seed)


def started(
    tensors: dict[str, NDArray[Any]],
    users: NDArray[np.uint64],
    items: NDArray[np.uint64],
    params: RefitParams,
) -> Factorisation:
    """Return the parent's model, with rows for whom it does not know; a new one without."""
    model = Factorisation.new(users, items, params)
    for name, rows in _tensors(model).items():
        if name in tensors:
            rows[: len(tensors[name])] = tensors[name]
    if "mean" in tensors:
        model.mean[:] = tensors["mean"]
    return model


def train(
    plan: Plan,
    params: RefitParams,
    model: Factorisation,
    ratings: Ratings,
    new_from: int,
    old_items: int,
    progress: Progress,
) -> tuple[Report, dict[str, NDArray[np.float32]]]:
    """Fit in place; return the report and the errors on what was held out, before and after.

    Parameters
    ----------
    new_from : int
        First rating that the parent has not seen.
    old_items : int
        Items that the parent knows: its rows come first.
    """
    begin = time.monotonic()
    report = Report(items=len(model.item_bias), users=len(model.user_bias), events=len(ratings))
    held = min(round(plan.held_out * len(ratings)), (len(ratings) - new_from) // 2)
    known, newest = len(ratings) - held, ratings.part(len(ratings) - held, len(ratings))
    judged = newest.item < old_items if plan.round > 1 else np.ones(held, np.bool_)
    errors: dict[str, NDArray[np.float32]] = {}
    if plan.round > 1:
        errors["champion"] = as_served(model, ratings.part(new_from, known), newest, params)[judged]
        report.champion = figures(errors["champion"])
    random = np.random.default_rng([plan.seed, plan.round])
    last = replace(params, epochs=_LAST)
    passes = params.epochs + _LAST

    def note(losses: Iterator[float]) -> None:
        for loss in losses:
            report.steps += 1
            report.loss.append(loss)
            spent = time.monotonic() - begin
            left = spent / report.steps * (passes - report.steps)
            progress({"step": report.steps, "steps": passes, "loss": loss, "left_s": left})

    past = ratings.part(0, known)
    note(fit(model, past.user, past.item, past.value, params, random))
    errors["challenger"] = as_served(model, ratings.part(0, 0), newest, params)[judged]
    report.challenger = figures(errors["challenger"])
    note(fit(model, ratings.user, ratings.item, ratings.value, last, random))
    report.seconds = time.monotonic() - begin
    return report, errors


def as_served(
    model: Factorisation, since: Ratings, asked: Ratings, params: RefitParams
) -> NDArray[np.float32]:
    """Return the errors on ratings, each predicted before its user learns from it.

    Parameters
    ----------
    since : Ratings
        What users learnt of before, from where the model left them.
    """
    state = np.column_stack([model.user_factors, model.user_bias])
    targets = np.column_stack([model.item_factors, np.ones_like(model.item_bias)])
    bias = (model.item_bias + model.mean).astype(np.float32)
    steps, before = fold.Steps.of(params), np.empty((0, state.shape[1]), np.float32)
    for part in (since, asked):
        before = np.zeros((len(part), state.shape[1]), np.float32)
        place = np.empty(len(part), np.int32)
        fold.learn_events(
            part.user, part.item, part.value, state, targets, bias, steps, before, place
        )
    predicted = (before * targets[asked.item]).sum(axis=1) + bias[asked.item]
    return asked.value - np.clip(predicted, params.lowest, params.highest).astype(np.float32)


def figures(error: NDArray[np.float32]) -> dict[str, float]:
    """Return what a report says of errors."""
    if not len(error):
        return {"positions": 0.0}
    return {
        "positions": float(len(error)),
        "rmse": float(np.sqrt(np.square(error).mean(dtype=np.float64))),
    }


def _tensors(model: Factorisation) -> dict[str, NDArray[Any]]:
    return {
        "user.factors": model.user_factors,
        "user.bias": model.user_bias,
        "item.factors": model.item_factors,
        "item.bias": model.item_bias,
    }


def _save(
    folder: Path,
    known: dict[str, NDArray[Any]],
    model: Factorisation,
    report: Report,
    errors: dict[str, NDArray[np.float32]],
) -> None:
    out = folder / "out.part"
    out.mkdir(exist_ok=True)
    mean = model.mean.astype(np.float32)
    save_file({**known, **_tensors(model), "mean": mean}, out / "weights.safetensors")
    save_file({}, out / "optimizer.safetensors")  # there is nothing but the weights
    for name, column_of in errors.items():
        np.save(out / f"errors-{name}.npy", column_of, allow_pickle=False)
    (out / "report.json").write_text(json.dumps(asdict(report)))
    out.rename(folder / "out")
