"""The lists of every model at the cut: those of the job's own, and those of baselines."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.learnt import NOT_SCORED
from models.keys import key_of
from scripts.tools.console import progress
from scripts.tools.evaluate.baselines.bpr import Bpr
from scripts.tools.evaluate.baselines.item_knn import ItemKnn
from scripts.tools.evaluate.baselines.popularity import DecayedPopularity
from scripts.tools.evaluate.common.output import progress_bar
from scripts.tools.evaluate.holdout.split import Split
from scripts.tools.evaluate.stream import deep_options
from scripts.tools.evaluate.stream.fine_tuning import FineTuning
from scripts.tools.evaluate.stream.passes import Pass, Report
from scripts.tools.evaluate.stream.pipeline import VARIANTS, observed

Lists = NDArray[np.int32]
"""(n, k) numbers of items in the stream, best first, -1 where a list is shorter."""

DEEP = ("deep", "blend")
_BASELINES: dict[str, Callable[..., Any]] = {
    "item_knn": ItemKnn,
    "bpr": Bpr,
    "popularity": partial(DecayedPopularity, decay=1.0),
    "decayed_popularity": DecayedPopularity,
}
_PASSES = ("online", "fixed", "light")
"""Passes through the pipeline; the lists of the deep models come with that of `online`."""
MODELS = (*_PASSES, *DEEP, *_BASELINES)
_AT_ONCE, _BLOCK = 512, 20_000
_NO_MORE_RANKED = 1 << 62
"""As `every` of a pass: only what the job itself ranks is ranked."""


def lists_of(
    split: Split, models: Sequence[str], k: int, options: argparse.Namespace
) -> tuple[dict[str, Lists], FineTuning | None]:
    """Let models learn what is before the cut, and list k items.

    Parameters
    ----------
    split
    models
        Some of `MODELS`.
    k
    options
        `seed`, and those of `deep_options`.

    Returns
    -------
    dict
        Lists by model, in the order of `models`; none of a deep model without a round.
    FineTuning or None
        Rounds of fine-tuning beside, where there is a deep model.
    """
    deep, found, tuning = deep_options.wanted(models), dict[str, Lists](), None
    with tempfile.TemporaryDirectory(prefix="streamrec-") as folder, progress_bar() as bar:

        def report_of(name: str) -> Report:
            task = bar.add_task(name, total=split.learnt.events)
            return lambda events, text: bar.update(task, completed=events, description=text)

        for name in _PASSES:
            fine_tuned = name == "online" and bool(deep)
            if name not in models and not fine_tuned:
                continue
            config = _config(options, k, deep=fine_tuned)
            one = Pass(
                split.learnt, observed(VARIANTS[name], config, _NO_MORE_RANKED), listing=False
            )
            if fine_tuned:
                tuning = deep_options.fine_tuning(one, Path(folder), deep, options)
            one.run(name, report_of(name), tuning if fine_tuned else None)
            _tell_refused(name, one)
            made = _listed(one, split, k)
            made[name] = made.pop("online")
            found |= made
        for name in models:
            if name in _BASELINES:
                model = _BASELINES[name](split.stream, seed=options.seed)
                found[name] = _of_baseline(model, split, k, name, report_of(name))
    return {name: found[name] for name in models if name in found}, tuning


def best(scores: NDArray[np.float64], counts: NDArray[np.int64], k: int) -> NDArray[np.int32]:
    """Return the k items with the highest finite scores, best first; equal ones by their counts.

    >>> best(np.array([1.0, 2.0, 2.0, -np.inf]), np.array([9, 1, 5, 7]), 2).tolist()
    [2, 1]
    """
    chosen = np.flatnonzero(np.isfinite(scores))
    if len(chosen) > k:
        least = np.partition(scores[chosen], -k)[-k]
        chosen = chosen[scores[chosen] >= least]
    order = chosen[np.lexsort((-counts[chosen], -scores[chosen]))][:k]
    return np.append(order, np.full(k - len(order), -1)).astype(np.int32)


def _listed(one: Pass, split: Split, k: int) -> dict[str, Lists]:
    """Return the lists of a pass: of `online`, and of the deep models if there is one."""
    keys = np.array([key_of(item) for item in split.items], np.uint64)
    items = one.pipeline.items
    rows = items.rows(keys, register=False)
    known = np.flatnonzero(rows >= 0)
    number = np.full(items.size + 1, -1, np.int32)  # the last is what a list's -1 finds
    number[rows[known]] = known
    parts: dict[str, list[Lists]] = {}
    for at in range(0, len(split.ids), _AT_ONCE):
        for name, lists in one.pipeline.lists(one.memory, split.ids[at : at + _AT_ONCE]).items():
            parts.setdefault(name, []).append(number[lists])
    return {name: np.concatenate(lists)[:, :k] for name, lists in parts.items()}


def _tell_refused(name: str, one: Pass) -> None:
    """Say what the job's rules refuse: the baselines learn it, and it may be wanted."""
    if refused := one.codes.total():
        codes = ", ".join(f"{code} {n:,}" for code, n in one.codes.most_common())
        progress(f"{name}: {refused:,} events are not learnt, as in the job: {codes}")


def _of_baseline(model: Any, split: Split, k: int, name: str, report: Report) -> Lists:
    stream = split.stream.followed_by(split.end, split.user)
    ranks = np.full(len(stream.user), NOT_SCORED, np.int32)
    for begin in range(0, split.end, _BLOCK):
        end = min(begin + _BLOCK, split.end)
        model.learn(stream, begin, end, _NO_MORE_RANKED, ranks)
        report(end, name)
    counts = np.bincount(stream.item[: split.end], minlength=split.stream.items)
    scored = (model.score(stream, e) for e in range(split.end, len(stream.user)))
    return np.stack([best(scores, counts, k) for scores in scored])


def _config(options: argparse.Namespace, k: int, *, deep: bool) -> dict[str, Any]:
    return {
        "recommend": {"k": k},
        "deep": {"enabled": deep, "network": options.network},
        "learning": {"ranking": {"seed": options.seed}},
    }
