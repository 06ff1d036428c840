"""What of a file a job would refuse by its configuration, told before anything is sent."""

import argparse
from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from models.params import EventPolicy
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Recorded, Source

_ZEROS = 0.3
"""Share of zeros among ratings from which on they hardly are ratings."""
_NAMED = 10
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
    for problem, is_grave in (check_types(source, policy), _ratings(source, policy)):
        if problem and is_grave and not send_refused:
            raise ToolError(f"{problem}, or --send-refused")
        if problem:
            progress(problem)


def check_types(source: Recorded, policy: EventPolicy) -> tuple[str, bool]:
    """Return what is to be said of event types that a job does not know, and if all are so."""
    if source.types is None:
        return "", False
    counts = np.bincount(source.types.codes, minlength=len(source.types.distinct)).tolist()
    found = {name: n for name, n in zip(source.types.distinct, counts, strict=True) if n}
    unknown = {name: n for name, n in found.items() if not _known(name, policy)}
    if not unknown:
        return "", False
    names = sorted(unknown, key=lambda name: -unknown[name])
    told = ", ".join(f"{name} {unknown[name]:,}" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    message = (
        f"{source.where}: event types: expected {', '.join(policy.weights)}, got"
        f" {sum(unknown.values()):,} of {len(source.types):,} rows of others, which become dead"
        f" letters: {told}{more}; give them weights: --set"
        f" 'events.weights={{{', '.join(f'{_quoted(name)}: 1' for name in names[:_NAMED])}}}'"
    )
    return message, len(unknown) == len(found)


def _known(name: str, policy: EventPolicy) -> bool:
    """Return whether a job takes a type in, or passes it by."""
    if name in policy.weights:
        return True
    return name not in policy.refused and any(fnmatchcase(name, one) for one in policy.ignore)


def _quoted(name: str) -> str:
    """Return a name as a key of YAML."""
    return name if name.replace("_", "").replace("-", "").isalpha() else f'"{name}"'


def _ratings(source: Recorded, policy: EventPolicy) -> tuple[str, bool]:
    """Return what is to be said of ratings outside the range, and that it is grave."""
    ratings = _rated(source, policy)
    ratings = ratings[~np.isnan(ratings)]
    lowest, highest = policy.lowest_rating, policy.highest_rating
    outside = int(np.count_nonzero((ratings < lowest) | (ratings > highest)))
    if not outside:
        return "", False
    least, most = float(ratings.min()), float(ratings.max())
    message = (
        f"{source.where}: ratings: expected {lowest:g} to {highest:g}, got {outside:,} of"
        f" {len(ratings):,} outside, which become dead letters; they go from {least:g} to {most:g}"
    )
    zeros = float(np.mean(ratings == 0))
    if zeros >= _ZEROS:
        message += (
            f"; {zeros:.0%} are 0, which often means that there is no rating: then leave such"
            " ratings empty"
        )
    return f"{message}; {_advice(least, most)}", True


def _advice(least: float, most: float) -> str:
    if not (np.isfinite([least, most]).all() and least < most):
        return "set events.rating_min and events.rating_max"
    fit: Mapping[str, float] = {
        "rating_min": least, "rating_max": most, "rating_centre": (least + most) / 2,
    }  # fmt: skip
    return " ".join(f"--set events.{key}={value:g}" for key, value in fit.items())


def _rated(source: Recorded, policy: EventPolicy) -> NDArray[np.float64]:
    """Return the values of all rating events."""
    if source.values is None:
        return np.empty(0)
    if source.types is None:
        return source.values
    rating = np.array([name == policy.rating_type for name in source.types.distinct], np.bool_)
    return np.asarray(source.values[rating[source.types.codes]], np.float64)
