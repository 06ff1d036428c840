"""What of a file a job would refuse by its configuration, told before anything is sent."""

import argparse
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.params.events import EventPolicy
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Recorded, Source
from state.events.fields import ignoring

_ZEROS = 0.3
"""Share of zeros among ratings from which on they hardly are ratings."""
_NAMED = 5
"""Event types named in a message, at most."""


def add_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that sends what is refused."""
    parser.add_argument(
        "--send-refused", action="store_true",
        help="send files with ratings outside the configured range, or with unknown event types"
        " only, all the same: such events become dead letters",
    )  # fmt: skip


def check(source: Source, policy: EventPolicy, *, send_refused: bool) -> None:
    """Say what of a file a job would refuse.

    Parameters
    ----------
    policy
        Of the job.
    send_refused
        Whether it shall be sent nevertheless.

    Raises
    ------
    ToolError
        For event types that are all unknown and for ratings outside the range, unless they shall
        be sent.
    """
    if not isinstance(source, Recorded):
        return
    for problem in (
        other_fields(source, policy), unknown_types(source, policy), ratings_outside(source, policy)
    ):  # fmt: skip
        if problem is None:
            continue
        words = f"{problem.told}; {problem.advice}"
        if problem.is_grave and not send_refused:
            raise ToolError(f"{words}; or send them with --send-refused")
        progress(words)


@dataclass(frozen=True)
class Problem:
    """What a job would refuse of a file.

    Parameters
    ----------
    told
        What, and of how many rows.
    advice
        What to set.
    is_grave
        Whether such a file is sent only if that is asked for.
    """

    told: str
    advice: str
    is_grave: bool


def other_fields(source: Recorded, policy: EventPolicy) -> Problem | None:
    """Return that a job reads events of another form than files are sent in, if it does."""
    own = all(paths == (name,) for name, paths in policy.fields) and policy.time == "ms"
    if own:
        return None
    return Problem(
        f"{source.where}: expected a job that takes the project's own events, in which files are"
        " sent, got one with other fields or times (events.plan, .fields, .time)",
        "replay into a job without them",
        is_grave=True,
    )


def unknown_types(source: Recorded, policy: EventPolicy) -> Problem | None:
    """Return the event types of a file that a job does not know, if there are any."""
    if source.types is None:
        return None
    counts = np.bincount(source.types.codes, minlength=len(source.types.distinct)).tolist()
    found = {name: n for name, n in zip(source.types.distinct, counts, strict=True) if n}
    ignored = ignoring(policy)
    unknown = {n: m for n, m in found.items() if n not in policy.weights and not ignored(n)}
    if not unknown:
        return None
    names = sorted(unknown, key=lambda name: -unknown[name])
    listed = ", ".join(f"{' '.join(name.split())} {unknown[name]:,}" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    settings = " ".join(
        f"--set {shlex.quote(f'events.weights.{name}=1')}"
        for name in names[:_NAMED]
        if name.isprintable()
    )
    return Problem(
        f"{source.where}: event types: expected {', '.join(policy.weights)}, got"
        f" {sum(unknown.values()):,} of {len(source.types):,} rows of others, which become dead"
        f" letters: {listed}{more}",
        f"give them weights, for the job and here: {settings}",
        len(unknown) == len(found),
    )


def ratings_outside(source: Recorded, policy: EventPolicy) -> Problem | None:
    """Return the ratings of a file that are outside a job's range, if there are any."""
    values = source.ratings(policy.rating_type)
    if values is None:
        return None
    ratings = values[~np.isnan(values)]
    lowest, highest = policy.lowest_rating, policy.highest_rating
    outside = int(np.count_nonzero((ratings < lowest) | (ratings > highest)))
    if not outside:
        return None
    least, most = float(ratings.min()), float(ratings.max())
    message = (
        f"{source.where}: ratings: expected {lowest:g} to {highest:g}, got {outside:,} of"
        f" {len(ratings):,} outside, which become dead letters; they go from {least:g} to {most:g}"
    )
    zeros = float(np.mean(ratings == 0))
    if zeros >= _ZEROS:
        message += (
            f", {zeros:.0%} are 0, which often means that there is no rating: then leave such"
            " cells empty"
        )
    return Problem(message, _advice(least, most), is_grave=True)


def _exactly(value: float) -> str:
    """Return a number as one writes it, and that is it again when it is read."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _advice(least: float, most: float) -> str:
    if not (np.isfinite([least, most]).all() and least < most):
        return "set events.rating_min and events.rating_max"
    fit: Mapping[str, float] = {
        "rating_min": least, "rating_max": most, "rating_centre": (least + most) / 2,
    }  # fmt: skip
    settings = " ".join(f"--set events.{key}={_exactly(value)}" for key, value in fit.items())
    return f"set, for the job and here: {settings}"
